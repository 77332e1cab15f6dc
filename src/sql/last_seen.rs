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

/// Where readings before $4 are not kept, the last of them is in the row of its hour.
const SQL_KEPT: &str = "\
SELECT s.nr::int4 - 1, x.time
FROM unnest($1::int4[], $2::int4[]) WITH ORDINALITY AS s(plant_id, sensor_id, nr)
CROSS JOIN LATERAL (
  SELECT * FROM (
    (SELECT r.time FROM reading r
     WHERE r.plant_id = s.plant_id AND r.sensor_id = s.sensor_id AND r.time <= $3
     ORDER BY r.time DESC LIMIT 1)
    UNION ALL
    (SELECT h.last_t FROM lotwise.rollup_hour h
     WHERE h.plant_id = s.plant_id AND h.sensor_id = s.sensor_id AND h.hour < $4
     ORDER BY h.hour DESC LIMIT 1)
  ) y ORDER BY y.time DESC LIMIT 1
) x";

/// The newest reading of each of the sensors up to `now`; those without one have no row. From `raw_from`
/// on readings are kept.
pub fn statement(
    sensors: &[&Sensor],
    now: DateTime<Utc>,
    raw_from: Option<DateTime<Utc>>,
) -> Statement {
    let mut params = vec![
        Box::new(sensors.iter().map(|s| s.plant).collect::<Vec<_>>()) as Param,
        Box::new(sensors.iter().map(|s| s.id).collect::<Vec<_>>()) as Param,
        Box::new(now) as Param,
    ];
    params.extend(raw_from.map(|from| Box::new(from) as Param));
    let sql = if raw_from.is_some() { SQL_KEPT } else { SQL };
    Statement::new(sql, params, &format!("{} sensors, up to {now}", sensors.len()))
}

/// One row of the answer: index of the sensor, time.
///
/// # Errors
/// [`DbError::Unexpected`] when the row is not of [`statement`].
pub fn read(row: &Row) -> Result<(usize, DateTime<Utc>), DbError> {
    Ok((column::<i32>(row, 0)? as usize, column(row, 1)?))
}
