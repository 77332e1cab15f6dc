//! Readings of sensors that are not registered yet: kept, listed, and stored when they are.
//!
//! A gateway that is ahead of the people who register its sensors loses nothing.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::postgres::PgPool;

use crate::domain::key::PlantId;
use crate::ingest::database::Unavailable;
use crate::ingest::reading::{Finite, Instant};

/// A reading without a sensor.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// Its plant, which exists.
    pub plant: PlantId,
    /// Key of the sensor, which does not.
    pub sensor: String,
    /// When.
    pub time: Instant,
    /// What was measured.
    pub value: Finite,
}

const HOLD: &str = "INSERT INTO lotwise.quarantine (plant_id, sensor, time, value, reason)
    SELECT p, s, t, v, 'unknown_sensor'
    FROM unnest($1::int4[], $2::text[], $3::timestamptz[], $4::float8[]) AS x (p, s, t, v)
    ORDER BY p, s, t
    ON CONFLICT (plant_id, sensor, time) DO UPDATE SET value = excluded.value, received_at = now()";

const LIST: &str = "SELECT row_to_json(x)::text FROM (
    SELECT p.key AS plant, q.sensor, q.time, q.value, q.reason, q.received_at
    FROM lotwise.quarantine q JOIN lotwise.plant p ON p.id = q.plant_id
    WHERE $1::text[] IS NULL OR p.key = ANY($1) ORDER BY 1, 2, 3 LIMIT $2) x";

const WEEKS: &str = "SELECT count(lotwise.ensure_partitions(w, w)) FROM (
    SELECT DISTINCT date_bin('7 days', q.time, 'epoch') AS w
    FROM lotwise.quarantine q
    JOIN lotwise.plant p ON p.id = q.plant_id
    JOIN lotwise.sensor s ON s.plant_id = q.plant_id AND s.key = q.sensor
    WHERE $1::text[] IS NULL OR p.key = ANY($1)) x";

/// A value that the sensor has got since it was registered is newer, and stays.
const REPLAY: &str = "WITH ready AS (
      DELETE FROM lotwise.quarantine q USING lotwise.plant p, lotwise.sensor s
      WHERE p.id = q.plant_id AND s.plant_id = q.plant_id AND s.key = q.sensor
        AND ($1::text[] IS NULL OR p.key = ANY($1))
      RETURNING q.time, q.value, q.plant_id, s.id AS sensor_id
    ), stored AS (
      INSERT INTO lotwise.reading (time, value, plant_id, sensor_id)
      SELECT time, value, plant_id, sensor_id FROM ready ORDER BY plant_id, sensor_id, time
      ON CONFLICT (plant_id, sensor_id, time) DO NOTHING
    ), hours AS (
      SELECT DISTINCT plant_id, sensor_id, date_bin('1 hour', time, 'epoch') AS hour FROM ready
    )
    SELECT (SELECT count(*) FROM ready),
      lotwise.rollup_mark(array_agg(plant_id), array_agg(sensor_id), array_agg(hour)) FROM hours";

const FORGET: &str =
    "DELETE FROM lotwise.quarantine WHERE received_at < now() - make_interval(days => 30)";

/// Keeps readings; of several for one sensor and instant the last.
///
/// # Errors
/// The database does not take them now.
pub async fn hold(pool: &PgPool, held: &[Held]) -> Result<(), Unavailable> {
    let last: BTreeMap<(PlantId, &str, Instant), f64> =
        held.iter().map(|h| ((h.plant, h.sensor.as_str(), h.time), h.value.get())).collect();
    if last.is_empty() {
        return Ok(());
    }
    let plants: Vec<i32> = last.keys().map(|k| k.0.0).collect();
    let sensors: Vec<&str> = last.keys().map(|k| k.1).collect();
    let times: Vec<DateTime<Utc>> = last.keys().map(|k| k.2.to_utc()).collect();
    let values: Vec<f64> = last.into_values().collect();
    let hold = sqlx::query(HOLD).bind(plants).bind(sensors).bind(times).bind(values);
    hold.execute(pool).await?;
    Ok(())
}

/// What is kept, as JSON texts, of these plants (`None`: all).
///
/// # Errors
/// The database does not answer.
pub async fn list(
    pool: &PgPool,
    plants: Option<Vec<String>>,
    limit: i64,
) -> Result<Vec<String>, Unavailable> {
    Ok(sqlx::query_scalar(LIST).bind(plants).bind(limit).fetch_all(pool).await?)
}

/// Stores what is kept of sensors that are registered by now; returns how many readings left the
/// quarantine.
///
/// # Errors
/// The database does not take them now; they stay in quarantine.
pub async fn replay(pool: &PgPool, plants: Option<Vec<String>>) -> Result<i64, Unavailable> {
    sqlx::query(WEEKS).bind(&plants).execute(pool).await?;
    Ok(sqlx::query_scalar(REPLAY).bind(&plants).fetch_one(pool).await?)
}

/// Drops what nobody asked for in 30 days; returns how many readings.
///
/// # Errors
/// The database does not answer.
pub async fn forget_old(pool: &PgPool) -> Result<u64, Unavailable> {
    Ok(sqlx::query(FORGET).execute(pool).await?.rows_affected())
}
