//! Sensors with random readings, stored as the writer stores them.

use chrono::{DateTime, Utc};
use lotwise::rollup;
use rand::Rng;
use rand::rngs::StdRng;
use sqlx::postgres::{PgConnection, PgPool};

use crate::support::db::{Server, TestDb};

/// 2026-03-28T00:00:00Z, the day before the clocks change in Europe.
pub const START: i64 = 1_774_656_000_000_000;
pub const HOUR: i64 = 3_600_000_000;

/// A reading: sensor, microseconds, value.
pub type Row = (i32, i64, f64);

pub fn at(us: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(us).expect("a time")
}

/// A migrated database with a plant, a line and sensors of every kind; partitions for all rows.
pub async fn database(server: Server) -> (TestDb, PgPool) {
    let db = TestDb::migrated(server).await;
    let pool = db.pool().await;
    sqlx::raw_sql(
        "INSERT INTO plant (key, name, time_zone) VALUES ('p', 'P', 'Europe/Madrid');
         INSERT INTO line (plant_id, key, name) VALUES (1, 'l', 'L');
         INSERT INTO sensor (plant_id, line_id, key, name, quantity, unit, kind, interval_s, max_gap_s, rollover)
         VALUES (1, 1, 's1', 's1', 'temperature', 'degC', 'gauge', 300, 900, NULL),
                (1, 1, 's2', 's2', 'energy', 'kWh', 'counter', 300, 900, NULL),
                (1, 1, 's3', 's3', 'energy', 'kWh', 'counter', 60, 200, 1000),
                (1, 1, 's4', 's4', 'energy', 'kWh', 'delta', 900, 2700, NULL),
                (1, 1, 's5', 's5', 'power', 'kW', 'gauge', 1800, 7200, NULL);
         INSERT INTO reference (plant_id, key, name) VALUES (1, 'r', 'R');
         INSERT INTO lot (plant_id, key, reference_id) VALUES (1, 'lot', 1)",
    )
    .execute(&pool)
    .await
    .expect("seed");
    sqlx::query("SELECT ensure_partitions($1, $2)")
        .bind(at(START - 30 * 24 * HOUR))
        .bind(at(START + 30 * 24 * HOUR))
        .execute(&pool)
        .await
        .expect("partitions");
    (db, pool)
}

/// A day and a half of readings of the five sensors, with gaps, resets, readings on the full hour
/// and just beside it.
pub fn readings(rng: &mut StdRng) -> Vec<Row> {
    let mut rows = Vec::new();
    for (sensor, step_s) in [(1, 300), (2, 300), (3, 60), (4, 900), (5, 1800)] {
        let step = step_s * 1_000_000;
        let mut t = START + if rng.random_bool(0.5) { 0 } else { rng.random_range(0..HOUR) };
        let mut value: f64 = rng.random_range(0.0..500.0);
        while t < START + 36 * HOUR {
            rows.push((sensor, t, value));
            t += match rng.random_range(0..30) {
                0 => rng.random_range(1..30) * step,
                1 => rng.random_range(1..step),
                2 => step - t % step,
                _ => step,
            };
            value = match (sensor, rng.random_range(0..40)) {
                (1 | 5, _) => rng.random_range(-20.0..120.0),
                (4, _) => rng.random_range(0.0..5.0),
                (2, 0) => rng.random_range(0.0..3.0),
                (3, _) => (value + rng.random_range(0.0..30.0)) % 1000.0,
                _ => value + rng.random_range(0.0..3.0),
            };
        }
    }
    rows
}

/// Stores rows in one transaction and marks their hours, as every writer must.
pub async fn store(pool: &PgPool, rows: &[Row]) {
    let mut tx = pool.begin().await.expect("begin");
    write(&mut tx, rows).await;
    mark(&mut tx, rows).await;
    tx.commit().await.expect("commit");
}

pub async fn write(conn: &mut PgConnection, rows: &[Row]) {
    let (sensors, times, values) = columns(rows);
    sqlx::query(
        "INSERT INTO reading AS r (time, value, plant_id, sensor_id)
         SELECT t, v, 1, s FROM unnest($1::int[], $2::timestamptz[], $3::float8[]) AS x (s, t, v)
         ON CONFLICT (plant_id, sensor_id, time) DO UPDATE SET value = excluded.value",
    )
    .bind(sensors)
    .bind(times)
    .bind(values)
    .execute(conn)
    .await
    .expect("write");
}

pub async fn mark(conn: &mut PgConnection, rows: &[Row]) {
    let (sensors, times, _) = columns(rows);
    sqlx::query("SELECT rollup_mark($1, $2, $3)")
        .bind(vec![1; sensors.len()])
        .bind(sensors)
        .bind(times)
        .execute(conn)
        .await
        .expect("mark");
}

fn columns(rows: &[Row]) -> (Vec<i32>, Vec<DateTime<Utc>>, Vec<f64>) {
    let mut sorted: Vec<Row> = rows.to_vec();
    sorted.sort_by_key(|r| (r.0, r.1));
    sorted.dedup_by_key(|r| (r.0, r.1));
    let times = sorted.iter().map(|r| at(r.1)).collect();
    (sorted.iter().map(|r| r.0).collect(), times, sorted.iter().map(|r| r.2).collect())
}

/// A connection that keeps the rollups.
pub async fn keeper(db: &TestDb) -> PgConnection {
    let mut conn = rollup::connect(&db.url).await.expect("connect");
    assert!(rollup::try_lock(&mut conn).await.expect("ask for the lock"));
    conn
}

/// A random run on the line; gives its id. None where it would overlap another.
pub async fn run(pool: &PgPool, key: &str, from: i64, to: i64) -> Option<i64> {
    sqlx::query_scalar(
        "INSERT INTO run (plant_id, key, line_id, lot_id, started_at, ended_at) VALUES (1, $1, 1, 1, $2, $3)
         ON CONFLICT DO NOTHING RETURNING id",
    )
    .bind(key)
    .bind(at(from))
    .bind(at(to))
    .fetch_optional(pool)
    .await
    .expect("a run")
}

/// All rollups as text, for comparison to the last bit.
pub async fn rollups(pool: &PgPool) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT h::text FROM (SELECT plant_id, sensor_id, hour, first_t, float8send(first_v), last_t, float8send(last_v),
             n, float8send(rest_sum), float8send(rest_min), float8send(rest_max), float8send(covered_s), float8send(total)
         FROM rollup_hour ORDER BY plant_id, sensor_id, hour) h
         UNION ALL
         SELECT w::text FROM (SELECT plant_id, sensor_id, started_at, ended_at, float8send(integral), float8send(amount),
             float8send(covered_s), n, float8send(sum), float8send(min), float8send(max), depends_on
         FROM rollup_run ORDER BY plant_id, sensor_id, started_at) w",
    )
    .fetch_all(pool)
    .await
    .expect("the rollups")
}
