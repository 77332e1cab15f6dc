//! The newest reading of each sensor: one index probe a sensor.

use chrono::{DateTime, Utc};
use tokio_postgres::Row;

use super::{Param, Statement};
use crate::catalog::Sensor;
use crate::db::{DbError, column};

const SQL: &str = "\
SELECT s.nr::int4 - 1, x.time, x.value
FROM unnest($1::int4[], $2::int4[]) WITH ORDINALITY AS s(plant_id, sensor_id, nr)
CROSS JOIN LATERAL (
  SELECT r.time, r.value FROM reading r
  WHERE r.plant_id = s.plant_id AND r.sensor_id = s.sensor_id
  ORDER BY r.time DESC LIMIT 1
) x";

/// The newest reading of each of the sensors; sensors without readings have no row.
pub fn statement(sensors: &[&Sensor]) -> Statement {
    let params = vec![
        Box::new(sensors.iter().map(|s| s.plant).collect::<Vec<_>>()) as Param,
        Box::new(sensors.iter().map(|s| s.id).collect::<Vec<_>>()) as Param,
    ];
    Statement::new(SQL, params, &format!("{} sensors", sensors.len()))
}

/// One row of the answer: index of the sensor, time, value.
///
/// # Errors
/// [`DbError::Unexpected`] when the row is not of [`statement`].
pub fn read(row: &Row) -> Result<(usize, DateTime<Utc>, f64), DbError> {
    Ok((column::<i32>(row, 0)? as usize, column(row, 1)?, column(row, 2)?))
}
