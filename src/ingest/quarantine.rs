//! Readings that cannot be stored yet: of sensors that are not registered, and outside the time
//! windows. They are kept, listed, and stored when their time has come.
//!
//! A gateway that is ahead of the people who register its sensors loses nothing, and neither does one
//! whose clock was wrong and can be explained.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use sqlx::postgres::PgPool;
use utoipa::ToSchema;

use crate::domain::key::PlantId;
use crate::ingest::database::Unavailable;
use crate::ingest::payload::Reason;
use crate::ingest::reading::{Finite, Instant};

/// Why a reading is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Its sensor is not registered.
    UnknownSensor,
    /// Its time is too far ahead of the service's clock.
    InFuture,
    /// Its time is further back than its key may send, or than readings are kept.
    TooOld,
}

impl Why {
    /// As the database has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnknownSensor => "unknown_sensor",
            Self::InFuture => "in_future",
            Self::TooOld => "too_old",
        }
    }

    /// Of a row that was refused; `None` where the reading is not worth keeping.
    pub fn of(reason: &Reason) -> Option<Self> {
        match reason {
            Reason::UnknownSensor { .. } => Some(Self::UnknownSensor),
            Reason::InFuture { .. } => Some(Self::InFuture),
            Reason::TooOld { .. } | Reason::NotKept { .. } => Some(Self::TooOld),
            _ => None,
        }
    }
}

/// A reading that waits.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// Its plant, which exists.
    pub plant: PlantId,
    /// Key of the sensor, which may not.
    pub sensor: String,
    /// When.
    pub time: Instant,
    /// What was measured.
    pub value: Finite,
    /// Why it is not stored.
    pub why: Why,
}

/// Which readings are listed or stored.
#[derive(Debug, Clone, Default)]
pub struct Which {
    /// Keys of plants; `None`: all.
    pub plants: Option<Vec<String>>,
    /// Only those kept for this reason.
    pub why: Option<Why>,
}

const HOLD: &str = "INSERT INTO lotwise.quarantine (plant_id, sensor, time, value, reason)
    SELECT p, s, t, v, w
    FROM unnest($1::int4[], $2::text[], $3::timestamptz[], $4::float8[], $5::text[]) AS x (p, s, t, v, w)
    ORDER BY p, s, t
    ON CONFLICT (plant_id, sensor, time)
    DO UPDATE SET value = excluded.value, reason = excluded.reason, received_at = now()";

const LIST: &str = "SELECT row_to_json(x)::text FROM (
    SELECT p.key AS plant, q.sensor, q.time, q.value, q.reason, q.received_at
    FROM lotwise.quarantine q JOIN lotwise.plant p ON p.id = q.plant_id
    WHERE ($1::text[] IS NULL OR p.key = ANY($1)) AND ($2::text IS NULL OR q.reason = $2)
    ORDER BY 1, 2, 3 LIMIT $3) x";

const WEEKS: &str = "SELECT count(lotwise.ensure_partitions(w, w)) FROM (
    SELECT DISTINCT date_bin('7 days', q.time, 'epoch') AS w
    FROM lotwise.quarantine q
    JOIN lotwise.plant p ON p.id = q.plant_id
    JOIN lotwise.sensor s ON s.plant_id = q.plant_id AND s.key = q.sensor
    WHERE ($1::text[] IS NULL OR p.key = ANY($1)) AND ($2::text IS NULL OR q.reason = $2)
      AND ($3 OR CASE q.reason WHEN 'too_old' THEN false WHEN 'in_future' THEN q.time <= now() ELSE true END)
      AND q.time >= (SELECT coalesce(raw_from, '-infinity') FROM lotwise.rollup_state)) x";

/// A value that the sensor has got in the meantime is newer, and stays.
///
/// Unless forced, what is too old goes on waiting, and what came from the future until it is past. What
/// is older than the readings that are kept goes on waiting in any case.
const REPLAY: &str = "WITH ready AS (
      DELETE FROM lotwise.quarantine q USING lotwise.plant p, lotwise.sensor s
      WHERE p.id = q.plant_id AND s.plant_id = q.plant_id AND s.key = q.sensor
        AND ($1::text[] IS NULL OR p.key = ANY($1)) AND ($2::text IS NULL OR q.reason = $2)
        AND ($3 OR CASE q.reason WHEN 'too_old' THEN false WHEN 'in_future' THEN q.time <= now() ELSE true END)
        AND q.time >= (SELECT coalesce(raw_from, '-infinity') FROM lotwise.rollup_state)
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
    let last: BTreeMap<(PlantId, &str, Instant), (f64, Why)> = held
        .iter()
        .map(|h| ((h.plant, h.sensor.as_str(), h.time), (h.value.get(), h.why)))
        .collect();
    if last.is_empty() {
        return Ok(());
    }
    let plants: Vec<i32> = last.keys().map(|k| k.0.0).collect();
    let sensors: Vec<&str> = last.keys().map(|k| k.1).collect();
    let times: Vec<DateTime<Utc>> = last.keys().map(|k| k.2.to_utc()).collect();
    let values: Vec<f64> = last.values().map(|(value, _)| *value).collect();
    let reasons: Vec<&str> = last.values().map(|(_, why)| why.as_str()).collect();
    let hold = sqlx::query(HOLD).bind(plants).bind(sensors).bind(times).bind(values).bind(reasons);
    hold.execute(pool).await?;
    Ok(())
}

/// What is kept, as JSON texts.
///
/// # Errors
/// The database does not answer.
pub async fn list(pool: &PgPool, which: &Which, limit: i64) -> Result<Vec<String>, Unavailable> {
    let why = which.why.map(Why::as_str);
    Ok(sqlx::query_scalar(LIST).bind(&which.plants).bind(why).bind(limit).fetch_all(pool).await?)
}

/// What a replay stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replay {
    /// What has a sensor and is neither in the future any more nor too old.
    Due,
    /// All that has a sensor, because somebody looked at it.
    Forced,
}

/// Stores what is kept of sensors that are registered by now; returns how many readings left the
/// quarantine.
///
/// # Errors
/// The database does not take them now; they stay in quarantine.
pub async fn replay(pool: &PgPool, which: &Which, replay: Replay) -> Result<i64, Unavailable> {
    let (why, forced) = (which.why.map(Why::as_str), replay == Replay::Forced);
    sqlx::query(WEEKS).bind(&which.plants).bind(why).bind(forced).execute(pool).await?;
    let stored = sqlx::query_scalar(REPLAY).bind(&which.plants).bind(why).bind(forced);
    Ok(stored.fetch_one(pool).await?)
}

/// Drops what nobody asked for in 30 days; returns how many readings.
///
/// # Errors
/// The database does not answer.
pub async fn forget_old(pool: &PgPool) -> Result<u64, Unavailable> {
    Ok(sqlx::query(FORGET).execute(pool).await?.rows_affected())
}
