//! The data that queries are measured on: a plant of ten lines, a reading a minute of 200 sensors.
//!
//! Made inside PostgreSQL, in the order of time as a plant sends it, and the same in every run. A
//! line has a meter (kWh, a counter that starts again every two weeks), two machines with a power
//! meter each, ten thermometers and seven other sensors; every 5.4 hours it makes a lot in a run of
//! five hours. 96,000 more lots were made elsewhere and have no run here.

use anyhow::Context;
use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use lotwise::rollup;
use sqlx::postgres::PgPool;

use crate::support::db::TestDb;

/// How much data.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Lines of the plant, twenty sensors each.
    pub lines: i64,
    /// Days of history.
    pub days: i64,
}

/// Lines of the usual plant.
pub const LINES: i64 = 10;
/// Minutes from the start of a run to the start of the next one on the line, and those of the run.
const EVERY: i64 = 324;
const LASTS: i64 = 300;

/// First reading.
pub fn start() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2025, 6, 1, 0, 0, 0).unwrap()
}

/// End of a history of so many days.
pub fn end(days: i64) -> DateTime<Utc> {
    start() + TimeDelta::days(days)
}

/// Key of the newest lot of a line (from 1), `back` lots ago, when the history has so many days.
pub fn newest_lot(days: i64, line: i64, back: i64) -> String {
    format!("L{line:02}-{:05}", days * 1_440 / EVERY - back)
}

/// Places, sensors, references and the lots without runs.
const CONTEXT: &str = "
INSERT INTO plant (key, name, time_zone) VALUES ('bench', 'Bench', 'Europe/Madrid');
INSERT INTO shift (plant_id, key, name, starts_at) SELECT id, k, k, t::time FROM plant,
    (VALUES ('early', '06:00'), ('late', '14:00'), ('night', '22:00')) x (k, t);
INSERT INTO line (plant_id, key, name) SELECT p.id, 'L' || lpad(n::text, 2, '0'), 'Line ' || n
    FROM plant p, generate_series(1, $LINES) n ORDER BY n;
INSERT INTO machine (plant_id, line_id, key, name) SELECT l.plant_id, l.id, l.key || '-m' || n, l.name || ' machine ' || n
    FROM line l, generate_series(1, 2) n ORDER BY l.key, n;
INSERT INTO sensor (plant_id, line_id, key, name, quantity, unit, kind)
    SELECT plant_id, id, key || '-energy', name || ' energy', 'energy', 'kWh', 'counter' FROM line ORDER BY key;
INSERT INTO sensor (plant_id, line_id, machine_id, key, name, quantity, unit, kind, parent_sensor_id)
    SELECT m.plant_id, m.line_id, m.id, m.key || '-power', m.name || ' power', 'power', 'kW', 'gauge', s.id
    FROM machine m JOIN sensor s ON s.line_id = m.line_id AND s.quantity = 'energy' ORDER BY m.key;
INSERT INTO sensor (plant_id, line_id, machine_id, key, name, quantity, unit, kind)
    SELECT m.plant_id, m.line_id, m.id, m.key || '-' || q.key || n, m.name || ' ' || q.key || n, q.quantity, q.unit, 'gauge'
    FROM machine m, (VALUES ('t', 'temperature', '°C', 5), ('p', 'pressure', 'bar', 2), ('s', 'speed', '1/min', 1))
        q (key, quantity, unit, count), generate_series(1, q.count) n ORDER BY m.key, q.key, n;
INSERT INTO sensor (plant_id, line_id, key, name, quantity, unit, kind)
    SELECT plant_id, id, key || '-humidity', name || ' humidity', 'humidity', '%', 'gauge' FROM line ORDER BY key;
INSERT INTO reference (plant_id, key, name) SELECT p.id, 'REF-' || lpad(n::text, 2, '0'), 'Reference ' || n
    FROM plant p, generate_series(1, 30) n ORDER BY n;
INSERT INTO operator (plant_id, key, name) SELECT p.id, 'op-' || n, 'Operator ' || n
    FROM plant p, generate_series(1, 12) n ORDER BY n;
INSERT INTO lot (plant_id, key, reference_id) SELECT p.id, 'X' || lpad(n::text, 7, '0'), f.id
    FROM plant p, generate_series(1, 96000) n JOIN reference f ON f.key = 'REF-' || lpad((n % 30 + 1)::text, 2, '0') ORDER BY n";

/// Runs that begin from $1 on and end by $2, each with its lot.
const RUNS: &str = "
WITH planned AS (
    SELECT l.plant_id, l.id AS line_id, l.key || '-' || lpad((i + 1)::text, 5, '0') AS key, i, n,
        $3::timestamptz + make_interval(mins => (i * $4 + n * 2)::int, secs => 17) AS started_at
    FROM (SELECT *, row_number() OVER (ORDER BY key) - 1 AS n FROM line) l,
        generate_series(0, date_part('epoch', $2::timestamptz - $3)::bigint / ($4 * 60) - 1) i
), made AS (
    INSERT INTO lot (plant_id, key, reference_id)
    SELECT x.plant_id, x.key, f.id FROM planned x
    JOIN reference f ON f.key = 'REF-' || lpad(((x.i * 7 + x.n * 3) % 30 + 1)::text, 2, '0')
    WHERE x.started_at >= $1 ORDER BY x.i, x.n
    RETURNING id, key
)
INSERT INTO run (plant_id, key, line_id, lot_id, operator_id, started_at, ended_at, good_units, scrap_units)
SELECT x.plant_id, 'run-' || x.key, x.line_id, m.id, o.id, x.started_at, x.started_at + make_interval(mins => $5::int),
    100 + x.i % 50, x.i % 7
FROM planned x JOIN made m ON m.key = x.key JOIN operator o ON o.key = 'op-' || (x.i % 12 + 1) ORDER BY x.i, x.n";

/// Readings of `[$1, $2)`. A minute has a value of each sensor, a hash of both for noise.
const READINGS: &str = "
INSERT INTO reading (time, value, plant_id, sensor_id)
SELECT m.t, CASE s.quantity
        WHEN 'energy' THEN 0.5 * ((m.n + s.id * 997) % (20000 + s.id * 37))
            + 0.2 * sin(((m.n + s.id * 997) % (20000 + s.id * 37)) / 50.0)
        WHEN 'power' THEN 20 + 10 * sin(m.n / 200.0 + s.id) + noise / 200.0
        ELSE 150 + s.id % 10 * 5 + 20 * sin(m.n / 90.0 + s.id) + noise / 500.0 END,
    s.plant_id, s.id
FROM (SELECT t, (date_part('epoch', t) / 60)::bigint % 10000000 AS n
        FROM generate_series($1::timestamptz, $2::timestamptz - interval '1 minute', interval '1 minute') t OFFSET 0) m
CROSS JOIN sensor s CROSS JOIN LATERAL (SELECT ((m.n * 7919 + s.id * 104729) % 1009)::float8 AS noise) x";

/// Puts the history of a size into a database that has one up to `since` days, and makes the rollups.
pub async fn load(db: &TestDb, since: i64, Size { lines, days }: Size) -> anyhow::Result<()> {
    let pool = db.pool().await;
    if since == 0 {
        let context = CONTEXT.replace("$LINES", &lines.to_string());
        sqlx::raw_sql(sqlx::AssertSqlSafe(context)).execute(&pool).await.context("the context")?;
    }
    let made = sqlx::query(RUNS)
        .bind(end(since))
        .bind(end(days))
        .bind(start())
        .bind(EVERY)
        .bind(LASTS)
        .execute(&pool)
        .await?;
    eprintln!("{} runs", made.rows_affected());
    sqlx::query("SELECT ensure_partitions($1, $2)")
        .bind(end(since))
        .bind(end(days))
        .execute(&pool)
        .await?;
    let middle = since + (days - since) / 2;
    tokio::try_join!(readings(&pool, since, middle), readings(&pool, middle, days))?;
    alone(&pool, &["VACUUM (ANALYZE) reading", "ANALYZE"]).await?;
    eprintln!("readings are stored, making rollups");
    let mut conn = rollup::connect(&db.url).await?;
    anyhow::ensure!(rollup::try_lock(&mut conn).await?, "something else makes rollups here");
    let done = rollup::refresh(&mut conn, Some(end(days))).await?;
    let tables = ["rollup_hour", "rollup_run", "run", "lot"];
    let vacuum = tables.map(|table| format!("VACUUM (ANALYZE) {table}"));
    let rest = ["ANALYZE", "CHECKPOINT"].map(str::to_owned);
    alone(&pool, &[&vacuum[..], &rest].concat()).await?;
    eprintln!("{} hours of sensors, {} sums of runs", done.built, done.runs);
    pool.close().await;
    Ok(())
}

/// Days one by one, so that an interrupt ends it soon.
async fn readings(pool: &PgPool, since: i64, until: i64) -> anyhow::Result<()> {
    for day in since..until {
        sqlx::query(READINGS).bind(end(day)).bind(end(day + 1)).execute(pool).await?;
        if day % 10 == 0 {
            eprintln!("readings of day {day}");
        }
    }
    Ok(())
}

/// Statements that each need to be alone: PostgreSQL takes several of one call for a transaction.
async fn alone(pool: &sqlx::PgPool, statements: &[impl AsRef<str>]) -> sqlx::Result<()> {
    for statement in statements {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement.as_ref().to_owned())).execute(pool).await?;
    }
    Ok(())
}
