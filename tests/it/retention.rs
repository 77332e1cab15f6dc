//! Raw readings are dropped when their rollups are final, and figures stay what they were: at full
//! hours and of whole runs to the last digit, elsewhere at the nearest hour, and it is said.

use chrono::{DateTime, Utc};
use lotwise::frame::Frame;
use lotwise::rollup::check::{Scope, check};
use lotwise::rollup::retention::drop_readings;
use lotwise::rollup::{connect, rebuild, refresh, try_lock};
use serde_json::{Value, json};

use crate::answers::{Factory, near};
use crate::support::db::Server;

/// The week changes on 5 March; the runs are on 2 March.
const FROM: &str = "2026-03-01T00:00:00Z";
const TO: &str = "2026-03-08T00:00:00Z";
const KEPT_FROM: &str = "2026-03-05T00:00:00Z";

fn at(text: &str) -> DateTime<Utc> {
    text.parse().expect("time")
}

fn numbers(frames: &[Frame]) -> Vec<Option<f64>> {
    let columns = frames.iter().flat_map(|f| &f.fields);
    columns
        .filter_map(|f| match f.column() {
            lotwise::frame::Column::Number(values) => Some(values.clone()),
            _ => None,
        })
        .flatten()
        .collect()
}

async fn figures_outlive_the_readings(server: Server) {
    let factory = Factory::new(server, FROM, TO).await;
    let mut conn = connect(&factory.db.url).await.expect("connect");
    let older = at("2026-03-06T12:00:00Z");
    let kept = drop_readings(&mut conn, older, false).await.expect("ask");
    assert!(
        kept.parts >= 1 && kept.reason.expect("a reason").contains("not rolled up"),
        "nothing is final"
    );
    factory.roll_up().await;
    sqlx::query("INSERT INTO rollup_dirty VALUES (1, 1, '2026-03-03 10:00+00')")
        .execute(&factory.pool)
        .await
        .expect("mark");
    let kept = drop_readings(&mut conn, older, false).await.expect("ask");
    assert!(kept.reason.expect("a reason").contains("changed"), "an hour is not final");
    factory.roll_up().await;

    let (from, to) = ("2026-03-01T05:00:00Z", "2026-03-07T17:00:00Z");
    let hourly =
        json!({"type": "series", "aggregate": "mean", "bucket": "hour", "groupBy": "sensor"});
    let kpis = ["energy", "good_units", "mean_temperature"];
    let exact: Vec<(&str, &str, Value)> = vec![
        (from, to, hourly.clone()),
        (from, to, json!({"type": "series", "aggregate": "max", "bucket": "day"})),
        (from, to, json!({"type": "kpi", "groupBy": "line", "kpis": kpis})),
        (
            from,
            to,
            json!({"type": "kpi", "groupBy": "reference", "bucket": "hour", "kpis": ["good_units"]}),
        ),
        // Runs are between minutes: their sums are kept.
        (from, to, json!({"type": "kpi", "groupBy": "reference", "kpis": kpis})),
        (from, to, json!({"type": "kpi", "groupBy": "lot", "kpis": ["energy"]})),
        (from, to, json!({"type": "runs"})),
        // Around the time itself, and behind it to the second.
        ("2026-03-04T20:00:00Z", "2026-03-05T03:00:10Z", hourly.clone()),
        (
            "2026-03-05T00:00:07Z",
            "2026-03-05T00:20:11Z",
            json!({"type": "kpi", "kpis": ["energy"]}),
        ),
        (
            "2026-03-04T23:00:00Z",
            "2026-03-05T00:00:00Z",
            json!({"type": "kpi", "kpis": ["energy"]}),
        ),
        (
            "2026-03-04T22:00:00Z",
            "2026-03-04T23:00:00Z",
            json!({"type": "kpi", "kpis": ["energy"]}),
        ),
    ];
    let mut before = Vec::new();
    for (from, to, query) in &exact {
        before.push(numbers(&factory.ask(from, to, query.clone()).await));
    }
    let said = drop_readings(&mut conn, older, true).await.expect("ask");
    assert_eq!((said.until, said.reason.clone()), (Some(at(KEPT_FROM)), None));
    let count = "SELECT count(*), min(time) FROM reading";
    let (all, _): (i64, DateTime<Utc>) =
        sqlx::query_as(count).fetch_one(&factory.pool).await.expect("count");
    assert_eq!(all, 5 * (7 * 1_440 + 1), "asking drops nothing");
    assert_eq!(drop_readings(&mut conn, older, false).await.expect("drop"), said);
    let (left, first): (i64, DateTime<Utc>) =
        sqlx::query_as(count).fetch_one(&factory.pool).await.expect("count");
    assert_eq!((left, first), (5 * (3 * 1_440 + 1), at(KEPT_FROM)));
    let again = drop_readings(&mut conn, older, false).await.expect("again");
    assert_eq!((again.parts, again.until), (0, None));

    for ((from, to, query), before) in exact.iter().zip(&before) {
        near(&numbers(&factory.ask(from, to, query.clone()).await), before);
    }
    // Elsewhere the nearest hours: 06:20 to 09:40 is 06:00 to 10:00, of 4 kWh a minute.
    let energy = json!({"type": "kpi", "kpis": ["energy"]});
    let frames = factory.ask("2026-03-03T06:20:00Z", "2026-03-03T09:40:00Z", energy.clone()).await;
    near(frames[0].numbers("energy").expect("energy"), &[Some(4.0 * 240.0)]);
    let meta = frames[0].meta.to_string();
    assert!(meta.contains("Readings before 2026-03-05T00:00:00Z are not kept"), "{meta}");
    let frames = factory.ask("2026-03-06T06:20:00Z", "2026-03-06T09:40:00Z", energy).await;
    near(frames[0].numbers("energy").expect("energy"), &[Some(4.0 * 200.0)]);
    assert!(!frames[0].meta.to_string().contains("not kept"));
    // In buckets narrower than an hour all of it is in one of them.
    let narrow = json!({"type": "series", "bucket": "15m", "place": {"sensors": ["main"]}});
    let frames = factory.ask("2026-03-03T06:00:00Z", "2026-03-03T08:00:00Z", narrow).await;
    let total: f64 = numbers(&frames).iter().flatten().sum();
    assert!((total - 480.0).abs() < 1e-6, "{total}");

    // Late readings, new rules and a corrected run undo nothing, and what is left is checked.
    while !try_lock(&mut conn).await.expect("lock") {
        tokio::task::yield_now().await;
    }
    sqlx::raw_sql(
        "SELECT ensure_partitions('2026-03-03', '2026-03-04');
         INSERT INTO reading VALUES ('2026-03-03 07:30+00', 1e6, 1, 1);
         SELECT rollup_mark('{1}', '{1}', '{2026-03-03 07:30+00}');
         UPDATE sensor SET max_gap_s = max_gap_s + 60",
    )
    .execute(&factory.pool)
    .await
    .expect("change");
    refresh(&mut conn, None).await.expect("refresh");
    assert!(rebuild::mark_all(&mut conn, &Scope::default()).await.expect("mark") > 0);
    refresh(&mut conn, None).await.expect("refresh");
    let checked = check(&mut conn, &Scope::default()).await.expect("check");
    assert!(checked.difference.is_none() && checked.hours >= 5 * 72, "{checked:?}");
    for ((from, to, query), before) in exact.iter().zip(&before) {
        near(&numbers(&factory.ask(from, to, query.clone()).await), before);
    }
}

#[tokio::test]
async fn figures_outlive_the_readings_on_timescaledb() {
    figures_outlive_the_readings(Server::Timescale).await;
}

#[tokio::test]
async fn figures_outlive_the_readings_on_plain_postgresql() {
    figures_outlive_the_readings(Server::Plain).await;
}

#[tokio::test]
async fn figures_outlive_the_readings_on_timescaledb_community() {
    figures_outlive_the_readings(Server::Tsl).await;
}
