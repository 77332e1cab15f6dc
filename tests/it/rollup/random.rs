//! Random histories: any order, repeats, corrections, refreshes in between.

use lotwise::rollup::check::{Scope, check};
use lotwise::rollup::refresh;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

use super::factory::{
    HOUR, Row, START, at, database, keeper, mark, readings, rollups, run, store, write,
};
use crate::support::db::Server;

const RUNS: [(&str, i64, i64); 5] =
    [("a", 0, 200), ("b", 200, 431), ("c", 500, 777), ("d", 900, 1200), ("e", 1201, 2100)];

/// Any permutation, repetition and batching of the same readings ends in the same bytes.
async fn any_order_ends_in_the_same_bytes(server: Server) {
    let mut rng = StdRng::seed_from_u64(7);
    let rows = readings(&mut rng);
    let until = Some(at(START + 40 * HOUR));

    let (db, pool) = database(server).await;
    let mut conn = keeper(&db).await;
    store(&pool, &rows).await;
    for (key, from, to) in RUNS {
        run(&pool, key, START + from * HOUR / 60, START + to * HOUR / 60).await.expect("a run");
    }
    let done = refresh(&mut conn, until).await.expect("refresh");
    assert!(done.built > 150 && done.settled == 0 && done.runs > 15, "{done:?}");
    let expected = rollups(&pool).await;
    assert!(expected.len() > 150);

    for seed in 0..4 {
        let mut rng = StdRng::seed_from_u64(seed);
        let (db, pool) = database(server).await;
        let mut conn = keeper(&db).await;
        let mut shuffled = rows.clone();
        let repeated: Vec<Row> = (0..300).map(|_| rows[rng.random_range(0..rows.len())]).collect();
        shuffled.extend(repeated);
        shuffled.shuffle(&mut rng);
        let mut rest = shuffled.as_slice();
        while !rest.is_empty() {
            let (batch, more) = rest.split_at(rng.random_range(1..=rest.len().min(400)));
            rest = more;
            // A wrong value first, corrected by the next batch.
            if rng.random_bool(0.3) {
                let wrong: Vec<Row> = batch.iter().map(|r| (r.0, r.1, r.2 + 1.0)).collect();
                store(&pool, &wrong).await;
            }
            if rng.random_bool(0.5) {
                let until = START + rng.random_range(0..40) * HOUR;
                refresh(&mut conn, Some(at(until))).await.expect("refresh");
                let checked = check(&mut conn, &Scope::default()).await.expect("check");
                assert_eq!(checked.difference, None);
            }
            store(&pool, batch).await;
            if rng.random_bool(0.5) {
                let (key, from, to) = RUNS[rng.random_range(0..RUNS.len())];
                let from = from + rng.random_range(0..2) * 10;
                run(&pool, key, START + from * HOUR / 60, START + to * HOUR / 60).await;
            }
        }
        // What was said of runs is corrected in the end.
        sqlx::query("DELETE FROM run WHERE key = 'c'").execute(&pool).await.expect("delete");
        for (key, from, to) in RUNS {
            sqlx::query(
                "INSERT INTO run (plant_id, key, line_id, lot_id, started_at, ended_at) VALUES (1, $1, 1, 1, $2, $3)
                 ON CONFLICT (plant_id, key) DO UPDATE SET started_at = excluded.started_at, ended_at = excluded.ended_at",
            )
            .bind(key)
            .bind(at(START + from * HOUR / 60))
            .bind(at(START + to * HOUR / 60))
            .execute(&pool)
            .await
            .expect("correct the run");
        }
        let settled = refresh(&mut conn, until).await.expect("refresh");
        assert!(settled.settled > 0 || settled.built > 0, "{settled:?}");
        let found = rollups(&pool).await;
        let lacks: Vec<_> = expected.iter().filter(|row| !found.contains(row)).collect();
        let surplus: Vec<_> = found.iter().filter(|row| !expected.contains(row)).collect();
        assert_eq!(surplus, lacks, "seed {seed}");
        let checked = check(&mut conn, &Scope::default()).await.expect("check");
        assert_eq!((checked.difference, checked.sensors), (None, 5));
        let again = refresh(&mut conn, until).await.expect("refresh");
        assert_eq!(again, Default::default(), "nothing is left to do");
    }
}

/// New rules of a sensor show in the rows after the next refresh.
async fn new_rules_make_all_rows_again(server: Server) {
    let mut rng = StdRng::seed_from_u64(11);
    let (db, pool) = database(server).await;
    let mut conn = keeper(&db).await;
    store(&pool, &readings(&mut rng)).await;
    run(&pool, "a", START, START + 7 * HOUR).await;
    refresh(&mut conn, Some(at(START + 40 * HOUR))).await.expect("refresh");
    let before = rollups(&pool).await;
    sqlx::raw_sql(
        "UPDATE sensor SET max_gap_s = 301 WHERE key = 's1'; UPDATE sensor SET kind = 'delta' WHERE key = 's2';
         UPDATE sensor SET rollover = NULL WHERE key = 's3'; UPDATE sensor SET interval_s = 600 WHERE key = 's4'",
    )
    .execute(&pool)
    .await
    .expect("new rules");
    refresh(&mut conn, None).await.expect("refresh");
    assert_ne!(rollups(&pool).await, before);
    let checked = check(&mut conn, &Scope::default()).await.expect("check");
    assert!(checked.difference.is_none() && checked.runs > 0, "{checked:?}");
}

/// A value that overflows sums stops neither its own hour nor the others.
async fn wild_values_stop_nothing(server: Server) {
    let (db, pool) = database(server).await;
    let mut conn = keeper(&db).await;
    let wild: Vec<Row> = (1..=5)
        .flat_map(|sensor| {
            let values = [f64::MAX, f64::MIN, 5e-324, -0.0, f64::MAX, f64::MAX, 1.0];
            (0..).zip(values).map(move |(i, v)| (sensor, START + i * 600_000_000, v))
        })
        .collect();
    store(&pool, &wild).await;
    store(&pool, &[(2, START + 3 * HOUR, 1.0), (2, START + 3 * HOUR + 1, 3.0)]).await;
    run(&pool, "a", START, START + 7 * HOUR).await;
    let done = refresh(&mut conn, Some(at(START + 40 * HOUR))).await.expect("refresh");
    assert!(done.built > 0 && done.runs > 0, "{done:?}");
    let total: f64 =
        sqlx::query_scalar("SELECT total FROM rollup_hour WHERE sensor_id = 2 AND hour = $1")
            .bind(at(START + 3 * HOUR))
            .fetch_one(&pool)
            .await
            .expect("the hour");
    assert_eq!(total, 2.0);
    let checked = check(&mut conn, &Scope::default()).await.expect("check");
    assert_eq!(checked.difference, None);
}

/// Readings that are stored while the mark moves on are either seen by the build or marked.
async fn writers_race_with_the_keeper(server: Server) {
    let (db, pool) = database(server).await;
    let mut conn = keeper(&db).await;
    let mut writers = Vec::new();
    for writer in 0..3_i32 {
        let pool = pool.clone();
        writers.push(tokio::spawn(async move {
            let mut rng = StdRng::seed_from_u64(writer as u64);
            for _ in 0..120 {
                let rows: Vec<Row> = (0..rng.random_range(1..20))
                    .map(|_| {
                        let t = START + rng.random_range(0..120) * HOUR / 4;
                        (rng.random_range(1..=5), t, rng.random_range(0.0..9.0))
                    })
                    .collect();
                store(&pool, &rows).await;
            }
        }));
    }
    for hour in 0..=30 {
        refresh(&mut conn, Some(at(START + hour * HOUR))).await.expect("refresh");
        let checked = check(&mut conn, &Scope::default()).await.expect("check");
        assert_eq!(checked.difference, None, "hour {hour}");
    }
    for writer in writers {
        writer.await.expect("writer");
    }
    refresh(&mut conn, None).await.expect("refresh");
    let checked = check(&mut conn, &Scope::default()).await.expect("check");
    assert_eq!(checked.difference, None);
}

/// The mark moves on only when every writer that saw the old one has ended.
async fn the_mark_waits_for_open_writers(server: Server) {
    let (db, pool) = database(server).await;
    let mut conn = keeper(&db).await;
    refresh(&mut conn, Some(at(START))).await.expect("refresh");
    let rows = [(1, START + HOUR, 5.0), (1, START + HOUR + 60_000_000, 7.0)];
    let mut open = pool.begin().await.expect("begin");
    write(&mut open, &rows).await;
    mark(&mut open, &rows).await;
    let refreshed = tokio::spawn(async move {
        refresh(&mut conn, Some(at(START + 9 * HOUR))).await.expect("refresh");
        conn
    });
    let waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    while sqlx::query_scalar::<_, i64>(waits).fetch_one(&pool).await.expect("locks") == 0 {
        assert!(!refreshed.is_finished(), "it did not wait");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    open.commit().await.expect("commit");
    let mut conn = refreshed.await.expect("refresh");
    let n: i32 =
        sqlx::query_scalar("SELECT n FROM rollup_hour").fetch_one(&pool).await.expect("the hour");
    assert_eq!(n, 2);
    assert_eq!(marks(&pool).await, 0, "in order: nothing to mark");
    // Now the same hour is late.
    store(&pool, &[(1, START + HOUR + 1, 6.0)]).await;
    assert_eq!(marks(&pool).await, 1);
    refresh(&mut conn, None).await.expect("refresh");
    let n: i32 =
        sqlx::query_scalar("SELECT n FROM rollup_hour").fetch_one(&pool).await.expect("the hour");
    assert_eq!((n, marks(&pool).await), (3, 0));
}

async fn marks(pool: &sqlx::PgPool) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM rollup_dirty").fetch_one(pool).await.expect("marks")
}

macro_rules! on {
    ($module:ident, $server:expr) => {
        mod $module {
            use crate::support::db::Server;

            #[tokio::test]
            async fn any_order_ends_in_the_same_bytes() {
                super::any_order_ends_in_the_same_bytes($server).await;
            }

            #[tokio::test]
            async fn new_rules_make_all_rows_again() {
                super::new_rules_make_all_rows_again($server).await;
            }

            #[tokio::test]
            async fn wild_values_stop_nothing() {
                super::wild_values_stop_nothing($server).await;
            }

            #[tokio::test]
            async fn writers_race_with_the_keeper() {
                super::writers_race_with_the_keeper($server).await;
            }
        }
    };
}
on!(timescale, Server::Timescale);
on!(plain, Server::Plain);
// Its transactions never overlap, so no writer is ever waited for.
on!(timescale_community, Server::Tsl);

#[tokio::test]
async fn the_mark_waits_for_open_writers_on_timescaledb() {
    the_mark_waits_for_open_writers(Server::Timescale).await;
}

#[tokio::test]
async fn the_mark_waits_for_open_writers_on_plain_postgresql() {
    the_mark_waits_for_open_writers(Server::Plain).await;
}
