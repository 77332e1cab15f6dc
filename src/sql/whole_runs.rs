//! Sums of windows that are whole closed runs, as they are kept in `rollup_run`.

use std::collections::{HashMap, HashSet};

use tokio_postgres::Row;

use super::cell::{self, Cell};
use super::packed::Grid;
use super::{Param, Statement};
use crate::catalog::Sensor;
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
        list!(|w| cell::code(w.sensor.kind)),
        list!(|w| w.sensor.max_gap_s),
        list!(|w| w.sensor.interval_s),
        list!(|w| w.sensor.rollover),
        list!(|w| w.range.from()),
        list!(|w| w.range.to()),
    ];
    Statement::new(SQL, params, &format!("{} windows", windows.len()))
}

/// Windows from which on it is worth asking for them together.
const MANY: usize = 400;
/// How many kept sums may be read for one that is wanted: reading on in an index costs a tenth of
/// finding a place in it.
const PER_WINDOW: f64 = 8.0;

/// True when all kept sums of the sensors in the windows' time are better read than each window's by
/// itself. There can be about as many of a sensor as windows of usual length have room in that time.
pub fn are_many(windows: &[Window<'_>]) -> bool {
    let (Some(from), Some(to)) =
        (windows.iter().map(|w| w.range.from()).min(), windows.iter().map(|w| w.range.to()).max())
    else {
        return false;
    };
    let sensors: HashSet<i32> = windows.iter().map(|w| w.sensor.id).collect();
    let count = windows.len() as f64;
    let usual = windows.iter().map(|w| w.range.seconds()).sum::<f64>() / count;
    let room = (to - from).num_seconds() as f64 / usual * sensors.len() as f64;
    windows.len() >= MANY && room <= PER_WINDOW * count
}

/// All sums of the sensors that lie in `[$7, $8]`, packed, a row a sensor.
const PACKED: &str = "\
WITH marked AS MATERIALIZED (
  SELECT d.plant_id, d.sensor_id, range_agg(tstzrange(d.hour, d.hour + interval '1 hour')) AS hours
  FROM lotwise.rollup_dirty d GROUP BY d.plant_id, d.sensor_id
)
SELECT (w.nr - 1)::int4, k.times, k.vals
FROM unnest($1::int4[], $2::int4[], $3::int2[], $4::float8[], $5::float8[], $6::float8[])
     WITH ORDINALITY AS w(plant_id, sensor_id, kind, max_gap, interval_s, rollover, nr)
JOIN lotwise.rollup_sensor s ON s.plant_id = w.plant_id AND s.sensor_id = w.sensor_id
  AND s.kind = (ARRAY['gauge', 'counter', 'delta'])[w.kind + 1] AND s.max_gap_s = w.max_gap
  AND s.interval_s = w.interval_s AND s.rollover IS NOT DISTINCT FROM w.rollover
LEFT JOIN marked m ON m.plant_id = w.plant_id AND m.sensor_id = w.sensor_id
CROSS JOIN LATERAL (
  SELECT array_agg(ARRAY[k.started_at, k.ended_at]) AS times,
    array_agg(ARRAY[k.integral, k.amount, k.covered_s, k.n, k.sum, k.min, k.max]) AS vals
  FROM lotwise.rollup_run k
  WHERE k.plant_id = w.plant_id AND k.sensor_id = w.sensor_id AND k.started_at >= $7 AND k.started_at < $8
    AND k.ended_at <= $8 AND (m.hours IS NULL OR NOT m.hours && k.depends_on)
) k
WHERE k.times IS NOT NULL";

/// The kept sums of many windows, read sensor by sensor.
pub struct BySensor {
    /// The statement.
    pub statement: Statement,
    /// For each sensor asked for, the windows by start and end, microseconds since 1970.
    windows: Vec<HashMap<(i64, i64), Vec<usize>>>,
}

/// Reads sensor by sensor; `None` without windows.
pub fn by_sensor(windows: &[Window<'_>]) -> Option<BySensor> {
    let mut sensors: Vec<&Sensor> = Vec::new();
    let mut number: HashMap<i32, usize> = HashMap::new();
    let mut found: Vec<HashMap<(i64, i64), Vec<usize>>> = Vec::new();
    for (index, window) in windows.iter().enumerate() {
        let number = *number.entry(window.sensor.id).or_insert_with(|| {
            sensors.push(window.sensor);
            found.push(HashMap::new());
            found.len() - 1
        });
        let key = (window.range.from().timestamp_micros(), window.range.to().timestamp_micros());
        found[number].entry(key).or_default().push(index);
    }
    macro_rules! list {
        ($each:expr) => {
            Box::new(sensors.iter().map($each).collect::<Vec<_>>()) as Param
        };
    }
    let params = vec![
        list!(|s| s.plant),
        list!(|s| s.id),
        list!(|s| cell::code(s.kind)),
        list!(|s| s.max_gap_s),
        list!(|s| s.interval_s),
        list!(|s| s.rollover),
        Box::new(windows.iter().map(|w| w.range.from()).min()?) as Param,
        Box::new(windows.iter().map(|w| w.range.to()).max()?) as Param,
    ];
    let note = format!("{} windows of {} sensors", windows.len(), sensors.len());
    Some(BySensor { statement: Statement::new(PACKED, params, &note), windows: found })
}

impl BySensor {
    /// The cells of one row of the answer, of the windows asked for.
    ///
    /// # Errors
    /// [`DbError::Unexpected`] when the row is not of this statement.
    pub fn read(&self, row: &Row, cells: &mut Vec<Cell>) -> Result<(), DbError> {
        let number = column::<i32>(row, 0)? as usize;
        let odd = || DbError::Unexpected(format!("kept sums of sensor {number}"));
        let windows = self.windows.get(number).ok_or_else(odd)?;
        let (times, values): (Grid<i64>, Grid<f64>) = (column(row, 1)?, column(row, 2)?);
        let times = times.rows::<2>().ok_or_else(odd)?;
        let values = values.rows::<7>().ok_or_else(odd)?;
        if times.len() != values.len() {
            return Err(odd());
        }
        let known = |value: f64| Some(value).filter(|value| !value.is_nan());
        for (&[start, end], &[integral, amount, covered_s, n, sum, min, max]) in
            times.iter().zip(values)
        {
            for &window in windows.get(&(start, end)).into_iter().flatten() {
                cells.push(Cell {
                    window,
                    bucket: 0,
                    integral,
                    amount: known(amount),
                    covered_s,
                    count: n as i64,
                    sum,
                    min: known(min),
                    max: known(max),
                    first: None,
                    last: None,
                });
            }
        }
        Ok(())
    }
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

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};

    use super::*;
    use crate::domain::{SensorKind, TimeRange};

    #[test]
    fn all_sums_are_read_only_where_most_are_wanted() {
        let sensor = |id| Sensor {
            id,
            plant: 1,
            line: Some(1),
            machine: None,
            key: String::new(),
            name: String::new(),
            quantity: "energy".into(),
            unit: "kWh".into(),
            kind: SensorKind::Counter,
            interval_s: 60.0,
            max_gap_s: 300.0,
            rollover: None,
            parent: None,
        };
        let sensors = [sensor(1), sensor(2)];
        // Of each sensor, an hour in every so many, over a thousand hours.
        let windows = |every: i64| -> Vec<Window<'_>> {
            let start = |hour| DateTime::from_timestamp(hour * 3_600, 0).expect("time");
            let hours = (0..1_000).filter(|hour| hour % every == 0).map(start);
            let range = |from| TimeRange::new(from, from + TimeDelta::hours(1)).expect("range");
            let ranges: Vec<TimeRange> = hours.map(range).collect();
            let of = |sensor| ranges.iter().map(move |range| Window { sensor, range: *range });
            sensors.iter().flat_map(of).collect()
        };
        assert!(are_many(&windows(1)) && are_many(&windows(4)));
        assert!(!are_many(&windows(10)), "a tenth of the time");
        assert!(!are_many(&windows(1)[..300]) && !are_many(&[]));
    }
}
