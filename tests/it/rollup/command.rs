//! `lotwise rollup`.

use rand::SeedableRng;
use rand::rngs::StdRng;

use super::factory::{HOUR, START, at, database, keeper, readings, run, store};
use crate::support::command::{lotwise, stderr, stdout};
use crate::support::db::{Server, TestDb};

fn rollup(db: &TestDb, args: &[&str]) -> std::process::Output {
    let mut command = lotwise(&["rollup"]);
    command.args(args).args(["--database-url", &db.url]).output().expect("run lotwise rollup")
}

async fn says_what_it_did_and_finds_what_was_changed_by_hand(server: Server) {
    let (db, pool) = database(server).await;
    store(&pool, &readings(&mut StdRng::seed_from_u64(3))).await;
    run(&pool, "a", START + HOUR / 2, START + 5 * HOUR).await;
    assert!(stdout(&rollup(&db, &["status"])).contains("never"));
    let future = rollup(&db, &["refresh", "--until", "2099-01-01T00:00:00Z"]);
    assert!(!future.status.success() && stderr(&future).contains("future"), "{}", stderr(&future));
    let refreshed = rollup(&db, &["refresh", "--until", "2026-03-29T00:00:00Z"]);
    assert!(
        refreshed.status.success() && stdout(&refreshed).contains("120 hours"),
        "{}",
        stdout(&refreshed)
    );
    assert!(stdout(&rollup(&db, &["status"])).contains("2026-03-29T00:00:00Z"));
    let checked = rollup(&db, &["check"]);
    assert!(
        checked.status.success() && stdout(&checked).contains("5 sensors"),
        "{}",
        stderr(&checked)
    );

    // Readings behind the back of the marks.
    sqlx::query(
        "UPDATE reading SET value = value + 1 WHERE sensor_id = 4 AND time >= $1 AND time < $2",
    )
    .bind(at(START + 3 * HOUR))
    .bind(at(START + 4 * HOUR))
    .execute(&pool)
    .await
    .expect("change by hand");
    let checked = rollup(&db, &["check", "--plant", "p"]);
    let said = stderr(&checked);
    assert_eq!(checked.status.code(), Some(1), "{said}");
    assert!(said.contains("p/s4") && said.contains("2026-03-28T03:00:00"), "{said}");
    let elsewhere = rollup(&db, &["check", "--sensor", "s1"]);
    assert!(elsewhere.status.success());
    let before = rollup(&db, &["check", "--sensor", "s4", "--to", "2026-03-28T03:00:00Z"]);
    assert!(before.status.success());

    let hour = ["--sensor", "s4", "--from", "2026-03-28T03:10:00Z", "--to", "2026-03-28T03:50:00Z"];
    let rebuilt = rollup(&db, &[&["rebuild"], &hour[..]].concat());
    assert!(
        stdout(&rebuilt).contains("1 hours of sensors to be made again"),
        "{}",
        stdout(&rebuilt)
    );
    assert!(rollup(&db, &["check"]).status.success());
    assert!(rollup(&db, &["rebuild"]).status.success());
    assert!(rollup(&db, &["check"]).status.success());
}

#[tokio::test]
async fn says_what_it_did_and_finds_what_was_changed_by_hand_on_timescaledb() {
    says_what_it_did_and_finds_what_was_changed_by_hand(Server::Timescale).await;
}

#[tokio::test]
async fn says_what_it_did_and_finds_what_was_changed_by_hand_on_plain_postgresql() {
    says_what_it_did_and_finds_what_was_changed_by_hand(Server::Plain).await;
}

#[tokio::test]
async fn says_what_it_did_and_finds_what_was_changed_by_hand_on_timescaledb_community() {
    says_what_it_did_and_finds_what_was_changed_by_hand(Server::Tsl).await;
}

#[tokio::test]
async fn waits_for_the_process_that_keeps_the_rollups() {
    let (db, _) = database(Server::Plain).await;
    let mut keeper = keeper(&db).await;
    lotwise::rollup::refresh(&mut keeper, None).await.expect("refresh");
    let done = rollup(&db, &["refresh"]);
    assert!(done.status.success() && stdout(&done).contains("has made them"), "{}", stderr(&done));
}
