//! Sums of windows that are whole closed runs, as they are kept in `rollup_run`.

use tokio_postgres::Row;

use super::integrate::{self, Cell};
use super::{Param, Statement};
use crate::db::{DbError, column};
use crate::plan::Window;

/// A sum is used only if it was made by the query's own rules and nothing that it depends on has
/// changed since, both in this statement's snapshot (see [`crate::rollup`]).
const SQL: &str = "\
SELECT (w.nr - 1)::int4, k.integral, k.amount, k.covered_s, k.n, k.sum, k.min, k.max
FROM unnest($1::int4[], $2::int4[], $3::int2[], $4::float8[], $5::float8[], $6::float8[],
            $7::timestamptz[], $8::timestamptz[])
     WITH ORDINALITY AS w(plant_id, sensor_id, kind, max_gap, interval_s, rollover, a, b, nr)
JOIN lotwise.rollup_sensor s ON s.plant_id = w.plant_id AND s.sensor_id = w.sensor_id
  AND s.kind = (ARRAY['gauge', 'counter', 'delta'])[w.kind + 1] AND s.max_gap_s = w.max_gap
  AND s.interval_s = w.interval_s AND s.rollover IS NOT DISTINCT FROM w.rollover
CROSS JOIN LATERAL (
  SELECT * FROM lotwise.rollup_run k
  WHERE k.plant_id = w.plant_id AND k.sensor_id = w.sensor_id AND k.started_at = w.a AND k.ended_at = w.b
  LIMIT 1) k
WHERE NOT EXISTS (
  SELECT FROM lotwise.rollup_dirty d WHERE d.plant_id = w.plant_id AND d.sensor_id = w.sensor_id
    AND d.hour >= lower(k.depends_on) AND d.hour < upper(k.depends_on))";

/// The sums that are kept of these windows.
pub fn statement(windows: &[Window<'_>]) -> Statement {
    macro_rules! list {
        ($each:expr) => {
            Box::new(windows.iter().map($each).collect::<Vec<_>>()) as Param
        };
    }
    let params = vec![
        list!(|w| w.sensor.plant),
        list!(|w| w.sensor.id),
        list!(|w| integrate::code(w.sensor.kind)),
        list!(|w| w.sensor.max_gap_s),
        list!(|w| w.sensor.interval_s),
        list!(|w| w.sensor.rollover),
        list!(|w| w.range.from()),
        list!(|w| w.range.to()),
    ];
    Statement::new(SQL, params, &format!("{} windows", windows.len()))
}

/// One row of the answer: a cell of bucket 0, without its first and last reading.
///
/// # Errors
/// [`DbError::Unexpected`] when the row is not of [`statement`].
pub fn read(row: &Row) -> Result<Cell, DbError> {
    Ok(Cell {
        window: column::<i32>(row, 0)? as usize,
        bucket: 0,
        integral: column(row, 1)?,
        amount: column(row, 2)?,
        covered_s: column(row, 3)?,
        count: column(row, 4)?,
        sum: column(row, 5)?,
        min: column(row, 6)?,
        max: column(row, 7)?,
        first: None,
        last: None,
    })
}
