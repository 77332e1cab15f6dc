//! `lotwise demo` against a real service and a real database: what is stored is what was simulated.

use std::process::Stdio;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use lotwise::demo::factory::{Reading, RunRecord, Simulation, layout::PLANTS};
use serde_json::json;
use sqlx::PgPool;

use crate::support::command::{IngestProcess, stderr};
use crate::support::db::{Server, TestDb};
use crate::support::frame::Values;
use crate::support::panel::{Plugin, decode, query};

/// Tuesday, 4 November 2025, 00:00 UTC.
const START: i64 = 1_762_214_400;

#[tokio::test(flavor = "multi_thread")]
async fn history_is_stored_as_simulated_on_timescale() {
    history_is_stored_as_simulated(Server::Timescale).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn history_is_stored_as_simulated_on_plain_postgres() {
    history_is_stored_as_simulated(Server::Plain).await;
}

async fn history_is_stored_as_simulated(server: Server) {
    let db = TestDb::migrated(server).await;
    let (ingest, pool) = (IngestProcess::start(&db), db.pool().await);
    let demo = |until: &str| {
        let output = ingest.run(&["demo", "--days", "0", "--seed", "21", "--until", until]);
        assert!(output.status.success(), "{}", stderr(&output));
        stderr(&output)
    };

    demo("2025-11-04T03:00:00Z");
    same(&pool, START + 3 * 3600).await;
    // What is there is continued: the end of the first history closes, and nothing is posted twice.
    let said = demo("2025-11-04T09:30:00Z");
    assert!(said.contains("going on from there"), "{said}");
    same(&pool, START + 19 * 1800).await;
    let open: i64 = sqlx::query_scalar("SELECT count(*) FROM run WHERE ended_at IS NULL")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert!(open > 0, "nothing is being made at half past nine");
    // And writing all of it again changes nothing.
    let again =
        ["demo", "--days", "0", "--seed", "21", "--until", "2025-11-04T06:00:00Z", "--rewrite"];
    let output = ingest.run(&again);
    assert!(output.status.success(), "{}", stderr(&output));
    let readings: i64 =
        sqlx::query_scalar("SELECT count(*) FROM reading").fetch_one(&pool).await.unwrap();
    assert_eq!(readings, 60 * 19 * 30);
}

/// The database holds what the simulation gives from [`START`] to `until`, and nothing else.
async fn same(pool: &PgPool, until: i64) {
    let mut simulation = Simulation::new(21);
    for (plant, spec) in PLANTS.iter().enumerate() {
        let mut expected: Vec<(String, i64, f64)> =
            (simulation.readings(plant, START, until, 60).into_iter())
                .map(|Reading { sensor, second, value }| {
                    (simulation.sensors(plant)[sensor].key.clone(), second, value)
                })
                .collect();
        expected.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
        let stored: Vec<(String, DateTime<Utc>, f64)> = sqlx::query_as(
            "SELECT s.key, r.time, r.value FROM reading r JOIN sensor s ON s.id = r.sensor_id
             JOIN plant p ON p.id = r.plant_id WHERE p.key = $1 ORDER BY s.key COLLATE \"C\", r.time",
        )
        .bind(spec.key)
        .fetch_all(pool)
        .await
        .unwrap();
        let stored: Vec<(String, i64, f64)> =
            stored.into_iter().map(|(key, time, value)| (key, time.timestamp(), value)).collect();
        assert_eq!(stored.len(), expected.len());
        assert!(
            stored == expected,
            "stored readings of {} differ from the simulated ones",
            spec.key
        );

        let mut runs = simulation.runs(plant, START, until, until);
        runs.retain(|run| run.started >= START);
        assert_eq!(stored_runs(pool, spec.key).await, runs.iter().map(fields).collect::<Vec<_>>());

        let mut states = simulation.states(plant, START, until, until);
        states.retain(|state| state.started >= START);
        let counts: (i64, i64) = sqlx::query_as(
            "SELECT count(*), count(*) FILTER (WHERE ended_at IS NULL) FROM state t JOIN plant p ON p.id = t.plant_id
             WHERE p.key = $1",
        )
        .bind(spec.key)
        .fetch_one(pool)
        .await
        .unwrap();
        let open = states.iter().filter(|state| state.ended.is_none()).count();
        assert_eq!(counts, (states.len() as i64, open as i64));
    }
}

/// Key, line, lot, reference, operator, start, end, good and scrap units.
type RunFields = (String, String, String, String, String, i64, Option<i64>, f64, f64);

fn fields(run: &RunRecord) -> RunFields {
    let own = str::to_owned;
    let (line, reference, operator) = (own(run.line), own(run.reference), own(run.operator));
    let RunRecord { key, lot, started, ended, good, scrap, .. } = run.clone();
    (key, line, lot, reference, operator, started, ended, good, scrap)
}

async fn stored_runs(pool: &PgPool, plant: &str) -> Vec<RunFields> {
    sqlx::query_as(
        "SELECT r.key, l.key, t.key, f.key, o.key, extract(epoch FROM r.started_at)::int8,
                extract(epoch FROM r.ended_at)::int8, r.good_units, r.scrap_units
         FROM run r JOIN plant p ON p.id = r.plant_id JOIN line l ON l.id = r.line_id
         JOIN lot t ON t.id = r.lot_id JOIN reference f ON f.id = t.reference_id JOIN operator o ON o.id = r.operator_id
         WHERE p.key = $1 ORDER BY r.started_at, l.key",
    )
    .bind(plant)
    .fetch_all(pool)
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn live_goes_on_until_it_is_told_to_stop() {
    let db = TestDb::migrated(Server::Timescale).await;
    let (ingest, pool) = (IngestProcess::start(&db), db.pool().await);
    let mut child = ingest
        .command(&["demo", "--days", "0", "--interval", "1h", "--live", "--speed", "3600"])
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // At this speed a second brings a reading of each sensor.
    let started = Instant::now();
    let mut newest = None;
    let mut grown = 0;
    while grown < 3 {
        assert!(started.elapsed() < Duration::from_secs(180), "no new readings");
        tokio::time::sleep(Duration::from_millis(300)).await;
        let found: Option<DateTime<Utc>> =
            sqlx::query_scalar("SELECT max(time) FROM reading").fetch_one(&pool).await.unwrap();
        grown += i32::from(found > newest);
        newest = found.max(newest);
    }
    let future: i64 = sqlx::query_scalar("SELECT count(*) FROM reading WHERE time > now()")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(future, 0);
    let interrupt =
        std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(interrupt.unwrap().success());
    assert!(child.wait().unwrap().success(), "Ctrl-C is a normal end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_and_a_wrong_address_are_explained() {
    let db = TestDb::migrated(Server::Plain).await;
    let ingest = IngestProcess::start(&db);
    std::fs::write(ingest.key_file(), "lw_not-a-key\n").unwrap();
    let output = ingest.run(&["demo", "--days", "0"]);
    assert!(!output.status.success() && stderr(&output).contains("401"), "{}", stderr(&output));
    assert!(!stderr(&output).contains("lw_not-a-key"), "the key is shown");

    let url = ingest.url.clone();
    let key_file = ingest.key_file();
    let mut command =
        crate::support::command::lotwise(&["demo", "--url", "http://127.0.0.1:9", "--key-file"]);
    let output = command.arg(&key_file).output().unwrap();
    assert!(stderr(&output).contains("is `lotwise ingest` running there?"), "{}", stderr(&output));

    let mut command =
        crate::support::command::lotwise(&["demo", "--url", &url, "--key-file", "/nowhere/key"]);
    let output = command.output().unwrap();
    assert!(stderr(&output).contains("lotwise key create"), "{}", stderr(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn bars_follow_madrids_clock_over_the_start_of_summer_time() {
    let hours =
        ["2025-03-28T23:00Z", "2025-03-29T23:00Z", "2025-03-30T22:00Z", "2025-03-31T22:00Z"];
    // From Saturday 22:00: a night of seven hours.
    let shifts = [
        "2025-03-29T21:00Z",
        "2025-03-30T04:00Z",
        "2025-03-30T12:00Z",
        "2025-03-30T20:00Z",
        "2025-03-31T04:00Z",
    ];
    let weeks = ["2025-03-23T23:00Z", "2025-03-30T22:00Z"];
    bars_are_right(
        "2025-03-31T22:00:00Z",
        &[("day", &hours), ("shift", &shifts), ("week", &weeks)],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bars_follow_madrids_clock_over_the_end_of_summer_time() {
    let hours =
        ["2025-10-24T22:00Z", "2025-10-25T22:00Z", "2025-10-26T23:00Z", "2025-10-27T23:00Z"];
    // From Saturday 22:00: a night of nine hours.
    let shifts = [
        "2025-10-25T20:00Z",
        "2025-10-26T05:00Z",
        "2025-10-26T13:00Z",
        "2025-10-26T21:00Z",
        "2025-10-27T05:00Z",
    ];
    let weeks = ["2025-10-19T22:00Z", "2025-10-26T23:00Z"];
    bars_are_right(
        "2025-10-27T23:00:00Z",
        &[("day", &hours), ("shift", &shifts), ("week", &weeks)],
    )
    .await;
}

/// The plugin's energy per bucket is what the simulated main meter counts between the given edges.
async fn bars_are_right(until: &str, buckets: &[(&str, &[&str])]) {
    let db = TestDb::migrated(Server::Timescale).await;
    let ingest = IngestProcess::start(&db);
    let output = ingest.run(&["demo", "--days", "9", "--interval", "30m", "--until", until]);
    assert!(output.status.success(), "{}", stderr(&output));
    let second = |text: &str| {
        let text = text.replace('Z', ":00Z");
        text.parse::<DateTime<Utc>>().unwrap().timestamp()
    };
    let mut simulation = Simulation::new(7);
    let meter =
        simulation.sensors(0).iter().position(|sensor| sensor.key == "madrid-main").unwrap();
    let plugin = Plugin::start(&db).await;
    for (bucket, edges) in buckets {
        let edges: Vec<i64> = edges.iter().map(|edge| second(edge)).collect();
        let mut counted = Vec::new();
        for edge in edges.windows(2) {
            let readings = simulation.readings(0, edge[0] - 1, edge[1], 1800);
            let values: Vec<f64> =
                readings.iter().filter(|r| r.sensor == meter).map(|r| r.value).collect();
            counted.push(
                values
                    .windows(2)
                    .map(|w| if w[1] < w[0] { w[1] } else { w[1] - w[0] })
                    .sum::<f64>(),
            );
        }
        let model = json!({"type": "kpi", "place": {"plants": ["madrid"]}, "kpis": ["energy"], "bucket": bucket});
        let mut asked = query("A", model);
        let range = asked.time_range.as_mut().unwrap();
        range.from_epoch_ms = edges[0] * 1000;
        range.to_epoch_ms = edges[edges.len() - 1] * 1000;
        let frames = decode(&plugin.ask(vec![asked]).await["A"]);
        let [times, energy] = &frames[0].columns[..] else { panic!("{:?}", frames[0]) };
        let starts =
            edges[..edges.len() - 1].iter().map(|edge| Some(edge * 1_000_000_000)).collect();
        assert_eq!(times.values, Values::Time(starts), "{bucket}");
        let Values::Number(shown) = &energy.values else { panic!("{energy:?}") };
        assert_eq!(shown.len(), counted.len(), "{bucket}");
        for (shown, counted) in shown.iter().zip(&counted) {
            let shown = shown.expect("a number");
            assert!(
                (shown / counted - 1.0).abs() < 1e-9,
                "{bucket}: {shown} kWh shown, {counted} kWh counted"
            );
        }
    }
}
