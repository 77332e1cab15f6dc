//! Sensors that come with their first reading, of keys that may register them (`lotwise key create
//! --auto-register`).
//!
//! Such a sensor is incomplete: a gauge of quantity `unknown`, until somebody says with
//! POST /v1/sensors what it is. How many a key may add is bounded, so that a typing error in a
//! gateway cannot fill the table.

use std::collections::BTreeSet;

use sqlx::postgres::PgPool;

use crate::domain::key::PlantId;
use crate::ingest::auth::Grant;
use crate::ingest::database::Unavailable;
use crate::ingest::keys::rules::Registration;
use crate::ingest::telemetry;

/// A sensor by the id of its plant and its key.
pub type Newcomer = (PlantId, String);

/// One registration at a time for each key, so that two requests do not share the same room.
const ONE_AT_A_TIME: &str = "SELECT pg_advisory_xact_lock(hashtext('lotwise.registration'), $1)";

/// As many as there is room for, in the order of their keys.
const REGISTER: &str = "WITH wanted AS (
      SELECT p, s, row_number() OVER (ORDER BY p, s) AS nr
      FROM unnest($2::int4[], $3::text[]) AS x (p, s)
      WHERE NOT EXISTS (SELECT FROM lotwise.sensor WHERE plant_id = p AND key = s)
    ), room AS (
      SELECT least($4 - count(*) FILTER (WHERE quantity = 'unknown'),
          $5 - count(*) FILTER (WHERE registered_at > now() - interval '1 hour')) AS n
      FROM lotwise.sensor WHERE registered_by = $1
    )
    INSERT INTO lotwise.sensor (plant_id, key, name, quantity, unit, kind, registered_by, registered_at)
    SELECT p, s, s, 'unknown', 'unknown', 'gauge', $1, now() FROM wanted, room
    WHERE nr <= room.n ORDER BY p, s
    ON CONFLICT (plant_id, key) DO NOTHING
    RETURNING plant_id, key";

/// Whether sensors are really registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// They are.
    Register,
    /// A dry run: only what would be.
    Pretend,
}

/// Registers new sensors for a key, as far as it may; gives those that are new.
///
/// # Errors
/// The database does not take them now.
pub async fn register(
    pool: &PgPool,
    grant: &Grant,
    bounds: Registration,
    wanted: &BTreeSet<Newcomer>,
    mode: Mode,
) -> Result<BTreeSet<Newcomer>, Unavailable> {
    let plants: Vec<i32> = wanted.iter().map(|(plant, _)| plant.0).collect();
    let sensors: Vec<&str> = wanted.iter().map(|(_, sensor)| sensor.as_str()).collect();
    let mut tx = pool.begin().await?;
    sqlx::query(ONE_AT_A_TIME).bind(grant.key_id).execute(&mut *tx).await?;
    let new: Vec<(i32, String)> = sqlx::query_as(REGISTER)
        .bind(grant.key_id)
        .bind(plants)
        .bind(sensors)
        .bind(i64::from(bounds.incomplete))
        .bind(i64::from(bounds.per_hour))
        .fetch_all(&mut *tx)
        .await?;
    match mode {
        Mode::Pretend => tx.rollback().await?,
        Mode::Register => {
            tx.commit().await?;
            if !new.is_empty() {
                tracing::info!(
                    key.name = grant.key,
                    sensor.count = new.len(),
                    "registered sensors"
                );
                metrics::counter!(telemetry::SENSORS_REGISTERED, "key" => grant.key.clone())
                    .increment(new.len() as u64);
            }
        }
    }
    Ok(new.into_iter().map(|(plant, sensor)| (PlantId(plant), sensor)).collect())
}
