//! `lotwise doctor` on both kinds of database.

use std::process::Output;

use sqlx::AssertSqlSafe;

use crate::support::command::{IngestProcess, lotwise, stderr, stdout};
use crate::support::db::{Server, TestDb};

mod timescale {
    use crate::support::db::Server;

    #[tokio::test]
    async fn a_working_installation() {
        super::a_working_installation(Server::Timescale).await;
    }

    #[tokio::test]
    async fn rights_that_lack_or_are_too_many() {
        super::rights_that_lack_or_are_too_many(Server::Timescale).await;
    }
}

mod timescale_community {
    use crate::support::db::Server;

    #[tokio::test]
    async fn a_working_installation() {
        super::a_working_installation(Server::Tsl).await;
    }
}

mod plain {
    use crate::support::db::Server;

    #[tokio::test]
    async fn a_working_installation() {
        super::a_working_installation(Server::Plain).await;
    }

    #[tokio::test]
    async fn rights_that_lack_or_are_too_many() {
        super::rights_that_lack_or_are_too_many(Server::Plain).await;
    }
}

fn doctor(database_url: &str, more: &[&str]) -> Output {
    let mut command = lotwise(&["doctor", "--database-url", database_url]);
    command.args(more).output().expect("run lotwise doctor")
}

/// The line of a check.
fn line(output: &Output, check: &str) -> String {
    let said = stdout(output);
    let found = said.lines().find(|line| line[6..].starts_with(check));
    found.unwrap_or_else(|| panic!("no line {check:?} in:\n{said}")).to_owned()
}

async fn run(db: &TestDb, sql: &'static str) {
    sqlx::raw_sql(sql).execute(&db.pool().await).await.expect("prepare the database");
}

async fn a_working_installation(server: Server) {
    let db = TestDb::migrated(server).await;
    let output = doctor(&db.url, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(line(&output, "database").starts_with("OK") && line(&output, "kind").starts_with("OK"));
    assert!(line(&output, "plants").starts_with("WARN"), "{}", stdout(&output));
    let room = match server {
        Server::Plain => "WARN  partitions            none for this week and next week",
        Server::Timescale | Server::Tsl => "OK    chunks                none yet",
    };
    assert!(stdout(&output).contains(room), "{}", stdout(&output));
    assert!(!stdout(&output).contains("ingest service"));

    let ingest = IngestProcess::start(&db);
    run(
        &db,
        "INSERT INTO plant (key, name, time_zone) VALUES ('madrid', 'M', 'UTC'), ('porto', 'P', 'UTC');
         INSERT INTO sensor (plant_id, key, name, quantity, unit, kind)
             SELECT p.id, k, k, 'power', 'kW', 'gauge' FROM plant p, unnest('{a,b,c}'::text[]) k
             WHERE p.key = 'madrid';
         SELECT ensure_partitions(now() - interval '21 days', now() + interval '7 days');
         INSERT INTO reading (time, value, plant_id, sensor_id)
             SELECT now() - age, 1, plant_id, s.id
             FROM sensor s JOIN (VALUES ('a', interval '4 minutes'), ('b', interval '15 days')) v (key, age)
             USING (key)",
    )
    .await;
    let output = doctor(&db.url, &["--url", &ingest.url]);
    assert_eq!(output.status.code(), Some(0), "{}{}", stdout(&output), stderr(&output));
    let room = match server {
        Server::Plain => "OK    partitions",
        Server::Timescale | Server::Tsl => "OK    chunks                2, the newest ends",
    };
    assert!(stdout(&output).contains(room), "{}", stdout(&output));
    let madrid = line(&output, "plant madrid");
    assert!(madrid.starts_with("OK") && madrid.contains("4 min ago, of 3 sensors"), "{madrid}");
    assert!(line(&output, "plant porto").contains("no sensors"));
    let silent = line(&output, "silent sensors");
    assert!(
        silent.contains("2 for longer") && silent.contains("madrid/b (15 days), madrid/c (never"),
        "{silent}"
    );
    assert!(line(&output, "ingest service").starts_with("OK"));
    assert!(!stdout(&output).contains("TLS certificate"), "it speaks plain HTTP");
    assert!(line(&output, "clock").starts_with("OK"), "{}", stdout(&output));
    assert!(line(&output, "incomplete sensors").starts_with("OK"));
    assert!(line(&output, "quarantine").starts_with("OK"));

    run(
        &db,
        "UPDATE sensor SET quantity = 'unknown' WHERE key = 'b';
         INSERT INTO quarantine (plant_id, sensor, time, value, reason)
             SELECT id, 'x', now(), n, why FROM plant,
                 (VALUES (1, 'in_future'), (2, 'unknown_sensor')) AS v (n, why)
             WHERE (key = 'madrid') = (n = 1)",
    )
    .await;
    let output = doctor(&db.url, &[]);
    let incomplete = line(&output, "incomplete sensors");
    assert!(incomplete.starts_with("WARN") && incomplete.contains("1 registered"), "{incomplete}");
    let quarantine = line(&output, "quarantine");
    assert!(quarantine.contains("1 in_future, 1 unknown_sensor"), "{quarantine}");
}

async fn rights_that_lack_or_are_too_many(server: Server) {
    let db = TestDb::migrated(server).await;
    run(
        &db,
        "REVOKE ALL ON ALL TABLES IN SCHEMA lotwise FROM lotwise_writer;
         REVOKE ALL ON FUNCTION ensure_partitions FROM lotwise_writer;
         REVOKE ALL ON SCHEMA lotwise FROM lotwise_writer;
         GRANT SELECT ON api_key TO lotwise_reader",
    )
    .await;
    let output = doctor(&db.url, &[]);
    assert_eq!(output.status.code(), Some(1), "{}", stdout(&output));
    assert!(stderr(&output).contains("1 check failed"), "{}", stderr(&output));
    let writer = line(&output, "role lotwise_writer");
    assert!(writer.starts_with("FAIL") && writer.contains("DELETE ON lotwise.line"), "{writer}");
    let reader = line(&output, "role lotwise_reader");
    let revoke = "REVOKE SELECT ON lotwise.api_key FROM lotwise_reader";
    assert!(reader.starts_with("WARN") && reader.ends_with(revoke), "{reader}");

    // Its advice is all that has to be run.
    for advised in [writer, reader] {
        let (_, sql) = advised.split_once(" -> ").expect("advice");
        let done = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&db.pool().await).await;
        done.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
    let output = doctor(&db.url, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    assert!(line(&output, "role lotwise_writer").contains("has its rights"));
    assert!(line(&output, "role lotwise_reader").contains("has its rights"));
}

#[tokio::test]
async fn what_is_not_there() {
    let db = TestDb::empty(Server::Plain).await;
    let output = doctor(&db.url, &["--url", "http://127.0.0.1:1/"]);
    assert_eq!(output.status.code(), Some(1));
    let schema = line(&output, "schema version");
    assert!(schema.starts_with("FAIL") && schema.contains("run `lotwise migrate`"), "{schema}");
    let service = line(&output, "ingest service");
    assert!(service.starts_with("FAIL") && service.contains("refused"), "{service}");
    assert!(stderr(&output).contains("2 checks failed"), "{}", stderr(&output));

    let output = doctor("postgres://x:secret@127.0.0.1:1/d", &[]);
    assert_eq!(output.status.code(), Some(1));
    let database = line(&output, "database");
    assert!(database.starts_with("FAIL") && database.contains("127.0.0.1:1, database d"));
    assert!(![stdout(&output), stderr(&output)].concat().contains("secret"), "{database}");

    // An older schema.
    let db = TestDb::migrated(Server::Plain).await;
    run(&db, "DELETE FROM _sqlx_migrations WHERE version > 1").await;
    let output = doctor(&db.url, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(line(&output, "schema version").contains("1, this program needs"));
}
