//! Retention: readings go, figures of whole hours and of kept runs stay, parts still add up, and nothing
//! is made again from readings that are not there.

use chrono::{DateTime, Utc};
use lotwise::answer::{self, Source};
use lotwise::catalog;
use lotwise::db::Db;
use lotwise::domain::TimeRange;
use lotwise::frame::Frame;
use lotwise::ingest::quarantine::{self, Replay, Which};
use lotwise::plan::Ask;
use lotwise::{retention, rollup};
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use sqlx::postgres::PgPool;

use crate::rollup::factory::{
    HOUR, Row, START, at, database, keeper, mark, readings, rollups, run, store, write,
};
use crate::support::command::{lotwise, stderr, stdout};
use crate::support::db::{Server, TestDb};
use crate::support::ingest::Ingest;
use crate::support::source::plugin_db;

/// Thursday 2026-04-02T00:00:00Z, where a week of readings ends.
const CUT: i64 = START + 5 * 24 * HOUR;
/// The first of 36 hours of readings, half of them before the cut.
const FIRST: i64 = CUT - 18 * HOUR;
const LAST: i64 = FIRST + 36 * HOUR;

macro_rules! on_all {
    ($($test:ident),* $(,)?) => { $(mod $test {
        #[tokio::test]
        async fn on_timescaledb() { super::$test(super::Server::Timescale).await; }
        #[tokio::test]
        async fn on_plain_postgresql() { super::$test(super::Server::Plain).await; }
        #[tokio::test]
        async fn on_timescaledb_community() { super::$test(super::Server::Tsl).await; }
    })* };
}

on_all!(
    figures_stay_and_parts_add_up,
    nothing_goes_that_is_not_final,
    what_is_gone_stays_as_it_was
);

/// Readings on both sides of the cut, and runs before, across and after it.
async fn factory(server: Server) -> (TestDb, PgPool) {
    let (db, pool) = database(server).await;
    let move_on = FIRST - START;
    let rows: Vec<Row> = readings(&mut StdRng::seed_from_u64(11))
        .into_iter()
        .map(|(sensor, t, value)| (sensor, t + move_on, value))
        .collect();
    store(&pool, &rows).await;
    run(&pool, "old", FIRST + 2 * HOUR + 7_000_000, CUT - 3 * HOUR - 5_000_000).await.unwrap();
    run(&pool, "cut", CUT - 2 * HOUR + 11_000_000, CUT + 2 * HOUR).await.unwrap();
    run(&pool, "new", CUT + 3 * HOUR, CUT + 9 * HOUR + 13_000_000).await.unwrap();
    (db, pool)
}

async fn refreshed(db: &TestDb) {
    let mut keeper = keeper(db).await;
    rollup::refresh(&mut keeper, Some(at(CUT + 48 * HOUR))).await.expect("refresh");
}

async fn dropped(db: &TestDb) -> usize {
    let mut conn = lotwise::schema::connect(&db.url).await.unwrap();
    let plan = retention::plan(&mut conn, at(CUT + 24 * HOUR)).await.unwrap().expect("a plan");
    assert_eq!(plan.cut, at(CUT));
    assert_eq!(plan.open_runs, 0);
    retention::freeze(&mut conn, plan.cut).await.unwrap();
    retention::drop_parts(&mut conn).await.unwrap()
}

async fn ask(db: &Db, (from, to): (i64, i64), query: &Value) -> Vec<Frame> {
    let catalog = catalog::load(db, &[], &[]).await.unwrap();
    let ask = Ask {
        range: TimeRange::new(at(from), at(to)).unwrap(),
        interval_s: 1.0,
        max_data_points: 1_000,
        max_points: 1_000_000,
        now: at(CUT + 72 * HOUR),
    };
    let source = Source { db, catalog: &catalog };
    answer::answer(&source, query.to_string().as_bytes(), &ask).await.unwrap()
}

fn series(sensor: &str, aggregate: &str, bucket: &str) -> Value {
    json!({"type": "series", "place": {"sensors": [sensor]}, "aggregate": aggregate, "bucket": bucket})
}

async fn values(db: &Db, range: (i64, i64), query: &Value) -> Vec<Option<f64>> {
    let frames = ask(db, range, query).await;
    assert_eq!(frames.len(), 1, "{query}");
    frames[0].numbers("value").map(<[_]>::to_vec).unwrap_or_default()
}

#[track_caller]
fn same(before: &[Option<f64>], after: &[Option<f64>], what: &str) {
    assert_eq!(before.len(), after.len(), "{what}");
    for (index, pair) in before.iter().zip(after).enumerate() {
        let is_same = match pair {
            (Some(a), Some(b)) => (a - b).abs() <= 1e-9 * a.abs().max(1.0),
            (a, b) => a == b,
        };
        assert!(is_same, "{what}, bucket {index}: {pair:?}");
    }
}

const SENSORS: [&str; 5] = ["s1", "s2", "s3", "s4", "s5"];

/// Every figure of whole hours, before and across the cut, and of the runs.
async fn figures(db: &Db) -> Vec<(String, Vec<Option<f64>>)> {
    let mut out = Vec::new();
    let ranges = [(FIRST, LAST), (FIRST + 5 * HOUR, CUT - 4 * HOUR), (CUT - HOUR, CUT + 2 * HOUR)];
    for sensor in SENSORS {
        let aggregates: &[&str] = match sensor {
            "s1" => &["mean", "min", "max", "count", "first", "last"],
            "s5" => &["mean", "sum", "max"],
            _ => &["sum", "count"],
        };
        for aggregate in aggregates {
            for bucket in ["hour", "6h", "whole"] {
                for range in ranges {
                    let query = series(sensor, aggregate, bucket);
                    out.push((format!("{query} {range:?}"), values(db, range, &query).await));
                }
            }
        }
    }
    let runs = ask(
        db,
        (FIRST, LAST),
        &json!({"type": "kpi", "kpis": ["energy"], "groupBy": "lot", "bucket": "whole"}),
    )
    .await;
    out.push(("energy of the lot".into(), runs[0].numbers("energy").unwrap().to_vec()));
    let table = json!({"type": "runs"});
    let runs = ask(db, (FIRST + 2 * HOUR, CUT + 10 * HOUR), &table).await;
    out.push(("runs".into(), runs[0].numbers("energy").unwrap().to_vec()));
    out
}

async fn figures_stay_and_parts_add_up(server: Server) {
    let (db, pool) = factory(server).await;
    refreshed(&db).await;
    let plugin = plugin_db(&db.url);
    let before = figures(&plugin).await;
    assert!(before.iter().filter(|(_, v)| v.iter().flatten().any(|v| *v > 0.0)).count() > 40);
    assert!(dropped(&db).await > 0);
    let left: (i64, Option<DateTime<Utc>>) =
        sqlx::query_as("SELECT count(*), min(time) FROM reading").fetch_one(&pool).await.unwrap();
    assert!(left.0 > 0 && left.1.unwrap() >= at(CUT), "{left:?}");
    for ((what, before), (_, after)) in before.iter().zip(figures(&plugin).await) {
        same(before, &after, what);
    }
    // Parts of hours: what they are is not known, that they add up to the hours is.
    for sensor in ["s2", "s3", "s4", "s5"] {
        let range = (FIRST + 5 * HOUR, CUT + HOUR);
        let hours = values(&plugin, range, &series(sensor, "sum", "hour")).await;
        let quarters = values(&plugin, range, &series(sensor, "sum", "15m")).await;
        let added: Vec<Option<f64>> = quarters
            .chunks(4)
            .map(|four| four.iter().flatten().copied().reduce(|a, b| a + b))
            .collect();
        same(&hours, &added, sensor);
        let middle = FIRST + 7 * HOUR + 20 * 60_000_000;
        let whole = values(&plugin, range, &series(sensor, "sum", "whole")).await[0].unwrap();
        let mut parts = 0.0;
        for part in [(range.0, middle), (middle, range.1)] {
            let of_part = values(&plugin, part, &series(sensor, "sum", "whole")).await[0];
            parts += of_part.unwrap_or(0.0);
        }
        same(&[Some(whole)], &[Some(parts)], sensor);
    }
    let frames = ask(&plugin, (FIRST, LAST), &series("s1", "mean", "hour")).await;
    let meta = frames[0].meta.to_string();
    assert!(meta.contains("Readings before 2026-04-02T00:00:00Z are not kept"), "{meta}");
    assert!(meta.contains("hours, because readings before"), "{meta}");
    let raw = ask(&plugin, (FIRST, LAST), &series("s1", "raw", "hour")).await;
    assert!(raw[0].meta.to_string().contains("there are none to show"));
    let now = ask(&plugin, (CUT + HOUR, LAST), &series("s2", "sum", "15m")).await;
    assert!(!now[0].meta.to_string().contains("not kept"), "what is kept is as ever");
}

async fn nothing_goes_that_is_not_final(server: Server) {
    let (db, pool) = factory(server).await;
    let mut conn = lotwise::schema::connect(&db.url).await.unwrap();
    let none = retention::plan(&mut conn, at(FIRST - 40 * 24 * HOUR)).await.unwrap();
    assert_eq!(none, None, "nothing is that old");
    let refused = retention::freeze(&mut conn, at(CUT)).await.unwrap_err().to_string();
    assert!(refused.contains("rollups are made before no time"), "{refused}");
    refreshed(&db).await;
    // A late reading, which the rollups do not have yet.
    store(&pool, &[(2, CUT - 5 * HOUR + 1, 7.0)]).await;
    let refused = retention::freeze(&mut conn, at(CUT)).await.unwrap_err().to_string();
    assert!(refused.contains("1 hours before 2026-04-02T00:00:00Z wait"), "{refused}");
    refreshed(&db).await;
    run(&pool, "forgotten", FIRST, FIRST + HOUR).await.unwrap();
    let refused = retention::freeze(&mut conn, at(CUT)).await.unwrap_err().to_string();
    assert!(refused.contains("1 closed runs before"), "{refused}");
    assert_eq!(retention::raw_from(&mut conn).await.unwrap(), None);
    assert_eq!(retention::drop_parts(&mut conn).await.unwrap(), 0);
    refreshed(&db).await;
    assert!(dropped(&db).await > 0);
    assert_eq!(retention::drop_parts(&mut conn).await.unwrap(), 0, "a repeat changes nothing");
}

async fn what_is_gone_stays_as_it_was(server: Server) {
    let (db, pool) = factory(server).await;
    refreshed(&db).await;
    dropped(&db).await;
    // But for the sums of the run across the cut, which a change after it takes along.
    let old = async || -> Vec<String> {
        let is_old = |row: &String| !row.contains("2026-04-01 22:00:11");
        rollups(&pool).await.into_iter().filter(is_old).collect()
    };
    let kept = old().await;

    // Neither a late reading, nor a rebuild, nor other rules of a sensor change what cannot be made again.
    let mut tx = pool.begin().await.unwrap();
    sqlx::query("SELECT ensure_partitions($1, $1)")
        .bind(at(CUT - HOUR))
        .execute(&mut *tx)
        .await
        .unwrap();
    let late = [(2, CUT - HOUR + 1, 7.0)];
    write(&mut tx, &late).await;
    let marked = std::panic::AssertUnwindSafe(mark(&mut tx, &late));
    let refused = futures_util::FutureExt::catch_unwind(marked).await;
    let text = *refused.unwrap_err().downcast::<String>().unwrap();
    assert!(text.contains("readings before 2026-04-02"), "{text}");
    tx.rollback().await.unwrap();
    let rollup = |args: &[&str]| {
        let mut command = lotwise(&["rollup"]);
        command.args(args).args(["--database-url", &db.url]).output().expect("run lotwise rollup")
    };
    let rebuilt = rollup(&["rebuild"]);
    assert!(rebuilt.status.success(), "{}", stderr(&rebuilt));
    let checked = rollup(&["check"]);
    assert!(checked.status.success(), "{}", stderr(&checked));
    assert!(old().await == kept, "rollups have changed");

    let plugin = plugin_db(&db.url);
    let old = (FIRST, CUT - 4 * HOUR);
    let before = values(&plugin, old, &series("s1", "mean", "hour")).await;
    sqlx::query("UPDATE sensor SET interval_s = 600 WHERE key = 's1'")
        .execute(&pool)
        .await
        .unwrap();
    refreshed(&db).await;
    same(&before, &values(&plugin, old, &series("s1", "mean", "hour")).await, "another interval");
    // What is of another kind now says nothing any more, rather than something wrong.
    sqlx::query("UPDATE sensor SET kind = 'delta' WHERE key = 's1'").execute(&pool).await.unwrap();
    refreshed(&db).await;
    let after = values(&plugin, old, &series("s1", "sum", "hour")).await;
    assert!(after.iter().all(Option::is_none), "{after:?}");
    assert!(rollup(&["check"]).status.success());
}

#[tokio::test]
async fn a_silent_counter_keeps_its_neighbour() {
    // 100 kWh at the last reading before the cut, 130 two days later: 30 between.
    for server in [Server::Timescale, Server::Plain] {
        let (db, pool) = database(server).await;
        store(
            &pool,
            &[(2, CUT - 2 * HOUR, 90.0), (2, CUT - HOUR, 100.0), (2, CUT + 47 * HOUR, 130.0)],
        )
        .await;
        refreshed(&db).await;
        let plugin = plugin_db(&db.url);
        let query = series("s2", "sum", "whole");
        let ranges = [
            (CUT - HOUR, CUT + 48 * HOUR),
            (CUT, CUT + 48 * HOUR),
            (CUT + 24 * HOUR, CUT + 47 * HOUR),
        ];
        let mut before = Vec::new();
        for range in ranges {
            before.push(values(&plugin, range, &query).await[0]);
        }
        same(&before, &[Some(30.0), Some(30.0 * 47.0 / 48.0), Some(30.0 * 23.0 / 48.0)], "by hand");
        assert!(dropped(&db).await > 0);
        // A sensor that was never heard of again is still known by its last reading.
        sqlx::query("DELETE FROM reading").execute(&pool).await.unwrap();
        let ask_place = |kind: &str| json!({"type": kind, "place": {"sensors": ["s2"]}});
        let silent = ask(&plugin, (CUT, CUT + 60 * HOUR), &ask_place("latest")).await;
        assert_eq!(silent[0].numbers("value"), Some(&[Some(100.0)][..]));
        let heard = ask(&plugin, (CUT, CUT + 60 * HOUR), &ask_place("data_quality")).await;
        let age = heard[0].numbers("age_s").unwrap()[0];
        assert_eq!(age, Some(73.0 * 3_600.0));
        store(&pool, &[(2, CUT + 47 * HOUR, 130.0)]).await;
        for (range, before) in ranges.into_iter().zip(before) {
            same(&[before], &values(&plugin, range, &query).await, &format!("{range:?}"));
        }
    }
}

#[tokio::test]
async fn the_command_says_what_goes_and_drops_it() {
    for server in [Server::Timescale, Server::Plain] {
        let (db, pool) = factory(server).await;
        refreshed(&db).await;
        let command = |args: &[&str]| {
            let mut command = lotwise(&["retention"]);
            command.args(args).args(["--database-url", &db.url]).output().expect("run it")
        };
        assert!(stdout(&command(&["status"])).contains("readings are kept from  the first on"));
        let count = || async {
            sqlx::query_scalar::<_, i64>("SELECT count(*) FROM reading")
                .fetch_one(&pool)
                .await
                .unwrap()
        };
        let all = count().await;
        // Days since the week after the cut began, so that only the week before it is old enough.
        let days = (Utc::now() - at(CUT + 24 * HOUR)).num_days().to_string();
        let dry = command(&["drop", "--older-than-days", &days, "--dry-run"]);
        assert!(stdout(&dry).contains("before 2026-04-02T00:00:00Z"), "{}", stdout(&dry));
        assert_eq!(count().await, all);
        let done = command(&["drop", "--older-than-days", &days, "--grace-s", "0"]);
        assert!(done.status.success(), "{}", stderr(&done));
        assert!(stdout(&done).contains("their hours and the sums of their runs stay"));
        assert!(count().await < all);
        let status = stdout(&command(&["status"]));
        assert!(status.contains("readings are kept from  2026-04-02T00:00:00Z"), "{status}");
        let short = command(&["drop", "--older-than-days", "3"]);
        assert!(!short.status.success(), "a mistyped number is no reason to lose a month");
        let none = command(&["drop", "--older-than-days", "36500"]);
        assert!(stdout(&none).contains("nothing to drop"), "{}", stdout(&none));
    }
}

#[tokio::test]
async fn what_comes_too_late_waits_in_quarantine() {
    for server in [Server::Timescale, Server::Plain] {
        let ingest = Ingest::with_plants(server).await;
        let pool = ingest.db.pool().await;
        sqlx::query("UPDATE rollup_state SET raw_from = '2026-04-02T00:00:00Z'")
            .execute(&pool)
            .await
            .unwrap();
        let answer = ingest.write("T1 value=7 1775000000\nT1 value=8 1775100000\n").await;
        assert_eq!(answer.status, 400);
        assert!(
            answer.text.contains("from when readings are kept: kept in quarantine"),
            "{}",
            answer.text
        );
        assert_eq!(ingest.stored().await, ["madrid/T1 1775100000 8"]);
        let kept = ingest.get("/v1/quarantine").await;
        assert_eq!(kept.body["items"][0]["reason"], json!("too_old"), "{}", kept.text);
        let forced = quarantine::replay(&pool, &Which::default(), Replay::Forced).await.unwrap();
        assert_eq!(forced, 0, "not even when somebody looked at it");
        assert_eq!(ingest.stored().await, ["madrid/T1 1775100000 8"]);
    }
}
