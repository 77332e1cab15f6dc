//! When each sensor was last heard of: one index probe a sensor.

use chrono::{DateTime, Utc};
use tokio_postgres::Row;

use super::{Param, Statement};
use crate::catalog::Sensor;
use crate::db::{DbError, column};

/// A reading that is still to come is no sign of life.
const SQL: &str = "\
SELECT s.nr::int4 - 1, x.time
FROM unnest($1::int4[], $2::int4[]) WITH ORDINALITY AS s(plant_id, sensor_id, nr)
CROSS JOIN LATERAL (
  SELECT r.time FROM reading r
  WHERE r.plant_id = s.plant_id AND r.sensor_id = s.sensor_id AND r.time <= $3
  ORDER BY r.time DESC LIMIT 1
) x";

/// The newest reading of each of the sensors up to `now`; those without one have no row.
pub fn statement(sensors: &[&Sensor], now: DateTime<Utc>) -> Statement {
    let params = vec![
        Box::new(sensors.iter().map(|s| s.plant).collect::<Vec<_>>()) as Param,
        Box::new(sensors.iter().map(|s| s.id).collect::<Vec<_>>()) as Param,
        Box::new(now) as Param,
    ];
    Statement::new(SQL, params, &format!("{} sensors, up to {now}", sensors.len()))
}

/// One row of the answer: index of the sensor, time.
///
/// # Errors
/// [`DbError::Unexpected`] when the row is not of [`statement`].
pub fn read(row: &Row) -> Result<(usize, DateTime<Utc>), DbError> {
    Ok((column::<i32>(row, 0)? as usize, column(row, 1)?))
}
