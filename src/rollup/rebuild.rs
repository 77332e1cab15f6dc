//! Makes rollups again from the readings, as if all their hours had changed.

use chrono::{DateTime, Utc};
use sqlx::Connection;
use sqlx::postgres::PgConnection;

use super::check::{self, Scope};

const MARK: &str = "INSERT INTO rollup_dirty (plant_id, sensor_id, hour)
    SELECT $1, $2, h FROM generate_series($3::timestamptz, $4::timestamptz - interval '1 hour', interval '1 hour') h";

/// Marks all hours of the scope; how many. Figures stay right meanwhile: marked hours are read from
/// the readings until they are made again.
///
/// # Errors
/// The database does not answer.
pub async fn mark_all(conn: &mut PgConnection, scope: &Scope) -> sqlx::Result<u64> {
    let mut marked = 0;
    for sensor in check::sensors(conn, scope).await? {
        let range: (DateTime<Utc>, DateTime<Utc>) = (sensor.lo, sensor.hi);
        let mut tx = conn.begin().await?;
        let mark = sqlx::query(MARK).bind(sensor.plant_id).bind(sensor.sensor_id);
        marked += mark.bind(range.0).bind(range.1).execute(&mut *tx).await?.rows_affected();
        tx.commit().await?;
    }
    Ok(marked)
}
