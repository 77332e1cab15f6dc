//! Raw readings: the same as psql's, bounded, cancelled, and read by index.

use std::time::Duration;

use chrono::{DateTime, Utc};
use lotwise::answer::{AnswerError, Source, raw};
use lotwise::catalog::{self, Catalog};
use lotwise::db::Db;
use lotwise::domain::TimeRange;
use lotwise::plan::Window;
use serde_json::json;
use sqlx::{Connection, PgConnection, PgPool};

use crate::support::db::{Server, TestDb};
use crate::support::fixture;
use crate::support::frame::{Decoded, Values};
use crate::support::panel::Plugin;
use crate::support::source::plugin_db;

/// Three weeks of a sensor that is read every second for three hours of them (two pieces) and else
/// once a minute, with a gap; and of one without readings.
const READINGS: &str = "
SET search_path = lotwise;
INSERT INTO plant (key, name, time_zone) VALUES ('p', 'P', 'UTC');
INSERT INTO sensor (plant_id, key, name, quantity, unit, kind, interval_s) VALUES
  (1, 'busy', 'Busy', 'power', 'kW', 'gauge', 1), (1, 'mute', 'Mute', 'power', 'kW', 'gauge', 60),
  (1, 'other', 'Other', 'power', 'kW', 'gauge', 60);
SELECT ensure_partitions('2026-01-01', '2026-02-01');
INSERT INTO reading
SELECT t, CASE WHEN s = 1 THEN sqrt(date_part('epoch', t)) ELSE -date_part('epoch', t) / 7 END, 1, s
FROM (SELECT generate_series('2026-01-05Z'::timestamptz, '2026-01-26Z', '1 min') AS t
      UNION SELECT generate_series('2026-01-07 00:00:00.123456Z'::timestamptz, '2026-01-07 03:00Z', '1 s')) x,
  unnest(ARRAY[1, 3]) s
WHERE NOT t BETWEEN '2026-01-09Z' AND '2026-01-09 12:00Z';
ANALYZE reading;
";

struct Loaded {
    db: TestDb,
    pool: PgPool,
    plugin: Db,
    catalog: Catalog,
}

impl Loaded {
    async fn new(server: Server) -> Self {
        let db = TestDb::migrated(server).await;
        let pool = db.pool().await;
        sqlx::raw_sql(READINGS).execute(&pool).await.unwrap();
        let plugin = plugin_db(&db.url);
        let catalog = catalog::load(&plugin, &[], &[]).await.unwrap();
        Self { db, pool, plugin, catalog }
    }

    fn window(&self, key: &str, from: &str, to: &str) -> Window<'_> {
        let sensor = self.catalog.sensors.iter().find(|s| s.key == key).unwrap();
        Window { sensor, range: TimeRange::new(at(from), at(to)).unwrap() }
    }

    async fn fetch(
        &self,
        windows: &[Window<'_>],
        limit: usize,
    ) -> Result<raw::RawReadings, AnswerError> {
        let source = Source { db: &self.plugin, catalog: &self.catalog };
        raw::fetch(&source, windows, limit).await
    }

    /// What the readings of a window are, as rows.
    async fn rows(&self, window: &Window<'_>) -> Vec<(DateTime<Utc>, f64)> {
        sqlx::query_as(
            "SELECT time, value FROM lotwise.reading WHERE sensor_id = $1 AND time >= $2 AND time < $3 ORDER BY time",
        )
        .bind(window.sensor.id)
        .bind(window.range.from())
        .bind(window.range.to())
        .fetch_all(&self.pool)
        .await
        .unwrap()
    }
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

const START: &str = "2026-01-05T00:00:00Z";
const END: &str = "2026-01-26T00:00:00Z";
/// Readings of a sensor between them: a minute's, without the gap, and a second's.
const ALL: usize = 21 * 1_440 - 721 + 3 * 3_600;

async fn are_those_of_the_table(server: Server) {
    let loaded = Loaded::new(server).await;
    let windows = [
        loaded.window("busy", "2026-01-06T23:59:30Z", "2026-01-07T03:00:00.123456Z"),
        loaded.window("mute", START, END),
        loaded.window("other", START, END),
        loaded.window("busy", "2026-01-08T23:58:00Z", "2026-01-09T12:02:00Z"),
    ];
    let fetched = loaded.fetch(&windows, 1_000_000).await.unwrap();
    assert_eq!(fetched.readings.len(), windows.len());
    let mut counts = Vec::new();
    for (window, readings) in windows.iter().zip(&fetched.readings) {
        let rows = loaded.rows(window).await;
        let times: Vec<i64> = rows.iter().map(|r| r.0.timestamp_nanos_opt().unwrap()).collect();
        let values: Vec<f64> = rows.iter().map(|r| r.1).collect();
        assert!(readings.times == times && readings.values == values, "{server:?} {window:?}");
        counts.push(readings.len());
    }
    // By hand: a second's readings and the minutes' among them; nothing; all; the gap's ends.
    assert_eq!(counts, [10_800 + 181, 0, ALL, 2 + 1]);
    assert!(fetched.shown.contains("4 windows in 15 pieces"), "{}", fetched.shown);
}

#[tokio::test]
async fn are_those_of_the_table_on_timescaledb() {
    are_those_of_the_table(Server::Timescale).await;
}

#[tokio::test]
async fn are_those_of_the_table_on_plain_postgresql() {
    are_those_of_the_table(Server::Plain).await;
}

#[tokio::test]
async fn are_bounded_with_an_error_that_says_what_to_change() {
    let loaded = Loaded::new(Server::Plain).await;
    let windows = [loaded.window("other", START, END), loaded.window("busy", START, END)];
    let all = 2 * ALL;
    assert_eq!(
        loaded.fetch(&windows, all).await.unwrap().readings.iter().map(|r| r.len()).sum::<usize>(),
        all
    );
    for limit in [all - 1, 1_000] {
        let error = loaded.fetch(&windows, limit).await.unwrap_err();
        assert_eq!(error.status(), 400);
        let text = error.to_string();
        for part in [&limit.to_string(), "choose a wider bucket", "shorter time range", "raise"] {
            assert!(text.contains(part), "{part:?} is not in {text:?}");
        }
    }
    // The statement that was given up has left the pool in order.
    assert_eq!(loaded.fetch(&windows, all).await.unwrap().readings.len(), 2);
}

#[tokio::test]
async fn are_cancelled_in_the_database_when_nobody_waits() {
    let loaded = Loaded::new(Server::Plain).await;
    let windows = [loaded.window("busy", START, END)];
    let mut lock = PgConnection::connect(&loaded.db.url).await.unwrap();
    sqlx::raw_sql("BEGIN; LOCK TABLE lotwise.reading IN ACCESS EXCLUSIVE MODE")
        .execute(&mut lock)
        .await
        .unwrap();
    {
        let mut fetch = std::pin::pin!(loaded.fetch(&windows, 1_000_000));
        while waiting(&loaded).await != 1 {
            let turn = tokio::time::timeout(Duration::from_millis(20), &mut fetch).await;
            assert!(turn.is_err(), "it waits for the lock");
        }
    }
    let mut left = waiting(&loaded).await;
    for _ in 0..5_000 {
        if left == 0 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        left = waiting(&loaded).await;
    }
    assert_eq!(left, 0, "the statement is gone while the lock is still held");
    lock.close().await.unwrap();
    assert_eq!(loaded.fetch(&windows, 1_000_000).await.unwrap().readings.len(), 1);
}

/// Statements of the plugin that wait for a lock.
async fn waiting(loaded: &Loaded) -> i64 {
    sqlx::query_scalar(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
         AND application_name = 'lotwise' AND wait_event_type = 'Lock'",
    )
    .fetch_one(&loaded.pool)
    .await
    .unwrap()
}

/// What the oven read every six minutes, in the order of time: `(minute, value)`.
fn points(frame: &Decoded) -> Vec<(i64, Option<f64>)> {
    let [time, value] = frame.columns.as_slice() else { panic!("{frame:?}") };
    let (Values::Time(times), Values::Number(values)) = (&time.values, &value.values) else {
        panic!("{frame:?}")
    };
    let start = fixture::from().timestamp_nanos_opt().expect("time");
    let minute = |t: &Option<i64>| (t.expect("time") - start) / 60_000_000_000;
    times.iter().map(minute).zip(values.iter().copied()).collect()
}

#[tokio::test]
async fn a_series_of_every_reading_is_the_readings() {
    for server in [Server::Timescale, Server::Plain] {
        let db = fixture::factory(server).await;
        let pool = db.pool().await;
        // A gap of ten minutes, twice the longest one.
        sqlx::query(
            "DELETE FROM reading USING sensor s WHERE s.id = sensor_id AND s.key = 'oven-temp' \
             AND time > '2026-01-15 10:50Z' AND time < '2026-01-15 11:00Z'",
        )
        .execute(&pool)
        .await
        .expect("delete");
        let plugin = Plugin::start(&db).await;
        let raw = |model: serde_json::Value| {
            let mut model = model;
            model["type"] = "series".into();
            model["aggregate"] = "raw".into();
            model
        };
        let frames =
            plugin.frames(raw(json!({"place": {"sensors": ["oven-temp", "saw-temp"]}}))).await;
        let (oven, saw) = (&frames[0], &frames[1]);
        assert_eq!(
            (oven.name.as_str(), saw.name.as_str()),
            ("Oven temperature", "Saw temperature")
        );
        assert_eq!(oven.meta["type"], "timeseries-multi");
        assert_eq!(oven.columns[1].labels["sensor"], "oven-temp");
        assert_eq!(oven.columns[1].config["unit"], "celsius");
        // Up to the end of the range, which is not part of it; and a point that breaks the line.
        let want: Vec<(i64, Option<f64>)> = (0..240)
            .filter(|m| !(171..180).contains(m))
            .flat_map(|m| {
                let reading = (m, Some(180.0 + m as f64 / 6.0));
                let gap = (m == 170).then_some((175, None));
                std::iter::once(reading).chain(gap)
            })
            .collect();
        assert_eq!(points(oven), want);
        assert_eq!(points(saw).len(), 240);
        assert!(points(saw).iter().all(|point| point.1 == Some(40.0)));

        // Only while a lot was made: two hours, then an hour and a half.
        let of_lots = raw(json!({
            "place": {"sensors": ["oven-temp"]}, "context": {"lots": ["LOT-2"]},
        }));
        let frames = plugin.frames(of_lots).await;
        let found = points(&frames[0]);
        assert_eq!((found[0], found.len()), ((120, Some(200.0)), 90 - 9 + 1));

        let refused = plugin.error(raw(json!({"groupBy": "line"}))).await;
        assert_eq!(refused.status, 400);
        assert!(refused.error.contains("readings as they are have no group"), "{}", refused.error);
        let few = plugin.source.clone().set("maxPoints", json!(1_000));
        let plugin = plugin.rebound(few);
        let error = plugin.error(raw(json!({}))).await;
        assert!(error.error.contains("more than the 1000 readings"), "{}", error.error);
    }
}
