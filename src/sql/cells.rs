//! Readings thinned to one a minute, for the detectors, which have no use for more.
//!
//! Unlike [`super::integrate`] it draws no line between readings: a minute knows only its own, so
//! that what comes later changes nothing, and a sensor that repeats its value still does.
//! - gauge: the mean of the minute's readings, at the minute's start;
//! - counter: the minute's newest register;
//! - delta: the sum of the minute's amounts, at the newest one's time.
//!
//! Values beyond 1e100 are left out: PostgreSQL fails a statement whose sum overflows.

use tokio_postgres::Row;

use super::integrate::code;
use super::{Param, Statement};
use crate::catalog::Sensor;
use crate::db::{DbError, column};
use crate::domain::TimeRange;

/// Seconds of a cell.
pub const CELL_S: i64 = 60;

const SQL: &str = "\
SELECT w.n::int4, c.at, c.value
FROM unnest($1::int4[], $2::int4[], $3::int2[]) WITH ORDINALITY AS w(plant_id, sensor_id, kind, n),
LATERAL (
  SELECT floor(date_part('epoch', r.time) / 60) * 60 AS at, avg(r.value) AS value
  FROM lotwise.reading r
  WHERE w.kind = 0 AND r.plant_id = w.plant_id AND r.sensor_id = w.sensor_id
    AND r.time >= $4 AND r.time < $5 AND abs(r.value) < 1e100
  GROUP BY 1
  UNION ALL
  (SELECT DISTINCT ON (floor(date_part('epoch', r.time) / 60)) date_part('epoch', r.time), r.value
  FROM lotwise.reading r
  WHERE w.kind = 1 AND r.plant_id = w.plant_id AND r.sensor_id = w.sensor_id
    AND r.time >= $4 AND r.time < $5 AND abs(r.value) < 1e100
  ORDER BY floor(date_part('epoch', r.time) / 60), r.time DESC)
  UNION ALL
  SELECT max(date_part('epoch', r.time)), sum(r.value)
  FROM lotwise.reading r
  WHERE w.kind = 2 AND r.plant_id = w.plant_id AND r.sensor_id = w.sensor_id
    AND r.time >= $4 AND r.time < $5 AND abs(r.value) < 1e100
  GROUP BY floor(date_part('epoch', r.time) / 60)
) c";

/// One reading of a minute.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cell {
    /// Index of the sensor.
    pub sensor: usize,
    /// Seconds since 1970.
    pub at: i64,
    /// Value, in the sensor's unit.
    pub value: f64,
}

/// The readings of `sensors` in a range; in no order.
pub fn statement(sensors: &[&Sensor], range: TimeRange) -> Statement {
    let params = vec![
        Box::new(sensors.iter().map(|s| s.plant).collect::<Vec<_>>()) as Param,
        Box::new(sensors.iter().map(|s| s.id).collect::<Vec<_>>()) as Param,
        Box::new(sensors.iter().map(|s| code(s.kind)).collect::<Vec<_>>()) as Param,
        Box::new(range.from()) as Param,
        Box::new(range.to()) as Param,
    ];
    Statement::new(SQL, params, &format!("{} sensors", sensors.len()))
}

/// Most rows that [`statement`] gives: a cell a minute, or a reading where they are rarer.
pub fn estimate(sensors: &[&Sensor], range: TimeRange) -> usize {
    let cells = |s: &&Sensor| (range.seconds() / s.interval_s.max(CELL_S as f64)) as usize + 1;
    sensors.iter().map(cells).sum()
}

/// One row of the answer.
///
/// # Errors
/// [`DbError::Unexpected`] when the row is not of [`statement`].
pub fn read(row: &Row) -> Result<Cell, DbError> {
    Ok(Cell {
        sensor: usize::try_from(column::<i32>(row, 0)? - 1).unwrap_or(usize::MAX),
        at: column::<f64>(row, 1)? as i64,
        value: column(row, 2)?,
    })
}
