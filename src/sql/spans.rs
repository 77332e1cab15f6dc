//! The readings of windows, with a neighbour on either side: for windows whose sums are made by
//! [`crate::figures::walk`].

use chrono::{DateTime, Utc};
use tokio_postgres::Row;

use super::integrate::reach;
use super::{Param, Statement};
use crate::db::{DbError, column};
use crate::plan::Window;

const SQL: &str = "\
SELECT (w.nr - 1)::int4, x.time, x.value
FROM unnest($1::int4[], $2::int4[], $3::timestamptz[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[])
     WITH ORDINALITY AS w(plant_id, sensor_id, a, b, lo, hi, nr)
CROSS JOIN LATERAL (
  (SELECT r.time, r.value FROM reading r
   WHERE r.plant_id = w.plant_id AND r.sensor_id = w.sensor_id AND r.time < w.a AND r.time >= w.lo
   ORDER BY r.time DESC LIMIT 1)
  UNION ALL
  (SELECT r.time, r.value FROM reading r
   WHERE r.plant_id = w.plant_id AND r.sensor_id = w.sensor_id AND r.time >= w.a AND r.time < w.b
   OFFSET 0)
  UNION ALL
  (SELECT r.time, r.value FROM reading r
   WHERE r.plant_id = w.plant_id AND r.sensor_id = w.sensor_id AND r.time >= w.b AND r.time <= w.hi
   ORDER BY r.time LIMIT 1)
) x";

/// The readings, in no order.
pub fn statement(windows: &[Window<'_>]) -> Statement {
    let reach =
        |w: &Window<'_>| reach(w.sensor.kind, w.sensor.max_gap_s, w.sensor.interval_s, w.range);
    macro_rules! list {
        ($each:expr) => {
            Box::new(windows.iter().map($each).collect::<Vec<_>>()) as Param
        };
    }
    let params = vec![
        list!(|w| w.sensor.plant),
        list!(|w| w.sensor.id),
        list!(|w| w.range.from()),
        list!(|w| w.range.to()),
        list!(|w| reach(w).0),
        list!(|w| reach(w).1),
    ];
    Statement::new(SQL, params, &format!("{} windows", windows.len()))
}

/// One row of the answer: number of the window, time and value.
///
/// # Errors
/// [`DbError::Unexpected`] when the row is not of [`statement`].
pub fn read(row: &Row) -> Result<(usize, DateTime<Utc>, f64), DbError> {
    Ok((column::<i32>(row, 0)? as usize, column(row, 1)?, column(row, 2)?))
}
