//! Sums of windows that are whole closed runs, as they are kept in `rollup_run`.

use tokio_postgres::Row;

use super::integrate::{self, Cell};
use super::{Param, Statement};
use crate::db::{DbError, column};
use crate::plan::Window;

/// A sum is used only if it was made by the query's own rules and nothing that it depends on has
/// changed since, both in this statement's snapshot (see [`crate::rollup`]).
const SQL: &str = "\
WITH marked AS MATERIALIZED (
  SELECT d.plant_id, d.sensor_id, range_agg(tstzrange(d.hour, d.hour + interval '1 hour')) AS hours
  FROM lotwise.rollup_dirty d GROUP BY d.plant_id, d.sensor_id
)
SELECT (w.nr - 1)::int4, k.integral, k.amount, k.covered_s, k.n, k.sum, k.min, k.max
FROM unnest($1::int4[], $2::int4[], $3::int2[], $4::float8[], $5::float8[], $6::float8[],
            $7::timestamptz[], $8::timestamptz[])
     WITH ORDINALITY AS w(plant_id, sensor_id, kind, max_gap, interval_s, rollover, a, b, nr)
JOIN lotwise.rollup_sensor s ON s.plant_id = w.plant_id AND s.sensor_id = w.sensor_id
  AND s.kind = (ARRAY['gauge', 'counter', 'delta'])[w.kind + 1] AND s.max_gap_s = w.max_gap
  AND s.interval_s = w.interval_s AND s.rollover IS NOT DISTINCT FROM w.rollover
JOIN lotwise.rollup_run k ON k.plant_id = w.plant_id AND k.sensor_id = w.sensor_id
  AND k.started_at = w.a AND k.ended_at = w.b
LEFT JOIN marked m ON m.plant_id = w.plant_id AND m.sensor_id = w.sensor_id
WHERE m.hours IS NULL OR NOT m.hours && k.depends_on";

/// The sums that are kept of these windows. A window that is several runs (of a line and of its
/// machine) may come several times, with the same sums.
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
