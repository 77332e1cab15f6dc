//! The ingest service marks what it changes, and keeps the rollups.

use chrono::{DateTime, TimeDelta, Utc};
use lotwise::rollup::check::{Scope, check};
use lotwise::rollup::{connect, refresh, try_lock};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use serde_json::json;

use super::factory::{HOUR, START, at, rollups};
use crate::support::db::Server;
use crate::support::ingest::Ingest;

/// Late, repeated, corrected and released readings leave rollups that are what the readings give.
async fn late_readings_are_marked(server: Server) {
    let ingest = Ingest::with_plants(server).await;
    let mut conn = connect(&ingest.db.url).await.expect("connect");
    assert!(try_lock(&mut conn).await.expect("lock"));
    let start = Utc::now() - TimeDelta::hours(20);
    let line = |sensor: &str, minutes: i64, value: f64| {
        format!("{sensor} value={value} {}\n", (start + TimeDelta::minutes(minutes)).timestamp())
    };
    let post = async |lines: String| {
        let answer = ingest.write(lines).await;
        assert_eq!(answer.status, 204, "{}", answer.text);
    };
    post((0..600).map(|m| line("E1", m, m as f64) + &line("T1", m, 20.0)).collect()).await;
    let done = refresh(&mut conn, None).await.expect("refresh");
    assert!(done.built >= 20, "{done:?}");
    let rows = async |sql: &'static str| -> i64 {
        sqlx::query_scalar(sql).fetch_one(&ingest.pool).await.expect("count")
    };
    let marks = "SELECT count(*) FROM rollup_dirty";
    assert_eq!(rows(marks).await, 0);

    // Late by the upsert, late by COPY (newer than all of its sensor), and not late.
    post(line("E1", 65, 1000.0)).await;
    assert_eq!(rows(marks).await, 1);
    post(line("E1", 700, 1001.0)).await;
    assert_eq!(rows(marks).await, 2);
    post(line("E1", 20 * 60, 1002.0)).await;
    assert_eq!(rows(marks).await, 2);
    // From the quarantine.
    let held = ingest.write(line("T9", 30, 1.0)).await;
    assert_eq!(held.status, 400, "{}", held.text);
    ingest
        .create(
            "sensors",
            json!([{"plant": "madrid", "key": "T9", "name": "T9", "line": "M1",
            "quantity": "temperature", "unit": "°C", "kind": "gauge"}]),
        )
        .await;
    refresh(&mut conn, None).await.expect("refresh");
    let replayed = ingest.post("/v1/quarantine/replay", &json!({})).await;
    assert_eq!((replayed.status, rows(marks).await), (200, 1), "{}", replayed.text);

    let until: DateTime<Utc> = start + TimeDelta::hours(18);
    let done = refresh(&mut conn, Some(until)).await.expect("refresh");
    assert_eq!(done.settled, 1, "{done:?}");
    let checked = check(&mut conn, &Scope::default()).await.expect("check");
    assert!(checked.difference.is_none() && checked.hours >= 20, "{checked:?}");
    let last = "SELECT count(*) FROM rollup_hour WHERE last_v = 1001";
    assert_eq!(rows(last).await, 1);
}

#[tokio::test]
async fn late_readings_are_marked_on_timescaledb() {
    late_readings_are_marked(Server::Timescale).await;
}

#[tokio::test]
async fn late_readings_are_marked_on_timescaledb_community() {
    late_readings_are_marked(Server::Tsl).await;
}

#[tokio::test]
async fn late_readings_are_marked_on_plain_postgresql() {
    late_readings_are_marked(Server::Plain).await;
}

/// Over HTTP: any permutation, repetition and batching of the same readings, with rollups made in
/// between, ends in the same bytes of readings and rollups.
async fn any_batching_ends_in_the_same_bytes(server: Server) {
    let until = |hours| Some(at(START + hours * HOUR));
    let mut rng = StdRng::seed_from_u64(23);
    let mut rows: Vec<String> = Vec::new();
    for minute in (0..20 * 60).step_by(4) {
        let time = START / 1_000_000 + minute * 60;
        rows.push(format!("E1 value={} {time}\n", minute as f64 * 0.7));
        rows.push(format!("T1 value={} {time}\n", rng.random_range(-20.0..120.0)));
    }
    let mut ends = Vec::new();
    for shuffled in [false, true, true] {
        let ingest = Ingest::with_plants(server).await;
        let mut conn = connect(&ingest.db.url).await.expect("connect");
        assert!(try_lock(&mut conn).await.expect("lock"));
        let mut sent = rows.clone();
        if shuffled {
            sent.extend(rows.iter().filter(|_| rng.random_bool(0.2)).cloned());
            sent.shuffle(&mut rng);
        }
        let mut rest = sent.as_slice();
        while !rest.is_empty() {
            let most = if shuffled { rest.len().min(90) } else { rest.len() };
            let (batch, more) = rest.split_at(rng.random_range(most / 9..=most).max(1));
            rest = more;
            let answer = ingest.write(batch.concat()).await;
            assert_eq!(answer.status, 204, "{}", answer.text);
            if shuffled && rng.random_bool(0.5) {
                let hours = rng.random_range(0..21);
                refresh(&mut conn, until(hours)).await.expect("refresh");
            }
        }
        refresh(&mut conn, until(21)).await.expect("refresh");
        let checked = check(&mut conn, &Scope::default()).await.expect("check");
        assert_eq!(checked.difference, None);
        ends.push((ingest.stored().await, rollups(&ingest.pool).await));
    }
    assert!(
        ends[0].0.len() == 600 && ends[0].1.len() == 40,
        "{} {}",
        ends[0].0.len(),
        ends[0].1.len()
    );
    assert!(ends[1..].iter().all(|end| *end == ends[0]));
}

#[tokio::test]
async fn any_batching_ends_in_the_same_bytes_on_timescaledb() {
    any_batching_ends_in_the_same_bytes(Server::Timescale).await;
}

#[tokio::test]
async fn any_batching_ends_in_the_same_bytes_on_plain_postgresql() {
    any_batching_ends_in_the_same_bytes(Server::Plain).await;
}

/// Without being told.
#[tokio::test]
async fn the_service_keeps_the_rollups() {
    use crate::support::command::IngestProcess;
    use crate::support::{db::TestDb, fixture};

    let db: TestDb = fixture::factory(Server::Plain).await;
    let pool = db.pool().await;
    let service = IngestProcess::start(&db);
    let hours = "SELECT count(*) FROM rollup_hour";
    let runs = "SELECT count(*) FROM rollup_run";
    for sql in [hours, runs] {
        while sqlx::query_scalar::<_, i64>(sql).fetch_one(&pool).await.expect("count") == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
    let metrics = async || {
        reqwest::get(format!("{}/metrics", service.url))
            .await
            .expect("answer")
            .text()
            .await
            .expect("text")
    };
    let mut said = metrics().await;
    while !said.contains("lotwise_rollup_lag_seconds ")
        || !said.contains("lotwise_rollup_dirty_hours 0")
    {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        said = metrics().await;
    }
    assert!(said.contains("lotwise_rollup_hours_total"), "{said}");
}
