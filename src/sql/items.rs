//! What the sums of windows are made of: their readings, and rollups of whole hours that stand for
//! their readings (see [`crate::rollup`]), with a neighbour on either side; packed, a row a window.
//!
//! [`crate::figures::walk`] adds them up. PostgreSQL finds them and packs them into arrays, which costs
//! it 0.2 microseconds a reading where window functions cost three, and nothing has to be sent twice.

use chrono::{DateTime, TimeDelta, Utc};
use tokio_postgres::Row;

use super::cell::{Ends, code, cut_hours, reach};
use super::packed::{Grid, Packed, seconds_since};
use super::{Param, Statement};
use crate::db::{DbError, column};
use crate::domain::TimeRange;
use crate::figures::walk::{Item, Rest};
use crate::plan::{Items, Window};

/// Windows whose neighbours are few: one scan reads `[$3, $4)`, which holds them. The edges of all
/// windows are said once more ($5, $6), so that other partitions are left out before the first scan.
const NEAR: &str = "\
SELECT (w.nr - 1)::int4, x.times, x.vals
FROM unnest($1::int4[], $2::int4[], $3::timestamptz[], $4::timestamptz[]) WITH ORDINALITY AS w(plant_id, sensor_id, a, b, nr)
CROSS JOIN LATERAL (
  SELECT array_agg(y.time) AS times, array_agg(y.value) AS vals
  FROM (
    SELECT r.time, r.value FROM reading r
    WHERE r.plant_id = w.plant_id AND r.sensor_id = w.sensor_id AND r.time >= w.a AND r.time < w.b
      AND r.time >= $5 AND r.time < $6
    ORDER BY r.time
  ) y
) x
WHERE x.times IS NOT NULL";

/// Windows of which some have many neighbours that may matter: of these they are found one by one,
/// the last one back to $6 and the first one up to $7, which of a counter is as far as there are any.
/// The edges of all are said once more: of the neighbours before ($8, $9), without ($10, $11), and after
/// ($12, $13).
const FAR: &str = "\
SELECT (w.nr - 1)::int4, x.times, x.vals
FROM unnest($1::int4[], $2::int4[], $3::timestamptz[], $4::timestamptz[], $5::bool[], $6::timestamptz[], $7::timestamptz[])
     WITH ORDINALITY AS w(plant_id, sensor_id, a, b, far, lo, hi, nr)
CROSS JOIN LATERAL (
  SELECT array_agg(y.time) AS times, array_agg(y.value) AS vals
  FROM (
    (SELECT r.time, r.value FROM reading r
     WHERE w.far AND r.plant_id = w.plant_id AND r.sensor_id = w.sensor_id AND r.time < w.a AND r.time >= w.lo
       AND r.time >= $8 AND r.time < $9
     ORDER BY r.time DESC LIMIT 1)
    UNION ALL
    (SELECT r.time, r.value FROM reading r
     WHERE r.plant_id = w.plant_id AND r.sensor_id = w.sensor_id AND r.time >= w.a AND r.time < w.b
       AND r.time >= $10 AND r.time < $11
     ORDER BY r.time)
    UNION ALL
    (SELECT r.time, r.value FROM reading r
     WHERE w.far AND r.plant_id = w.plant_id AND r.sensor_id = w.sensor_id AND r.time >= w.b AND r.time <= w.hi
       AND r.time >= $12 AND r.time < $13
     ORDER BY r.time LIMIT 1)$KEPT
  ) y
) x
WHERE x.times IS NOT NULL";

/// Where readings before $14 are not kept, the last of them is in the row of its hour. One that is older
/// than the neighbour adds nothing.
const KEPT_NEIGHBOUR: &str = "
    UNION ALL
    (SELECT h.last_t, h.last_v FROM lotwise.rollup_hour h
     JOIN lotwise.rollup_sensor k ON k.plant_id = h.plant_id AND k.sensor_id = h.sensor_id AND k.kept_kind = k.kind
     WHERE w.far AND h.plant_id = w.plant_id AND h.sensor_id = w.sensor_id AND h.hour < $14 AND w.lo < $14
       AND h.hour < w.a AND h.last_t >= w.lo
     ORDER BY h.hour DESC LIMIT 1)";

/// Hours `[h0, h1)` are those that lie inside the window and are made by the query's own rules. Of
/// these, marked hours and hours that an edge of a bucket cuts ($11), together `marked`, are read from
/// the readings, as are the ends of the window. The edges of all windows
/// are said once more: of the neighbours before ($12, $13), without ($14, $15), and after ($16, $17).
const HOURS: &str = "\
WITH win AS MATERIALIZED (
  SELECT (w.nr - 1)::int4 AS win, w.*, e.h0, e.h1, m.marked
  FROM unnest($1::int4[], $2::int4[], $3::int2[], $4::float8[], $5::float8[], $6::float8[],
              $7::timestamptz[], $8::timestamptz[], $9::timestamptz[], $10::timestamptz[])
       WITH ORDINALITY AS w(plant_id, sensor_id, kind, max_gap, interval_s, rollover, a, b, lo, hi, nr)
  LEFT JOIN lotwise.rollup_sensor s ON s.plant_id = w.plant_id AND s.sensor_id = w.sensor_id
    AND s.kind = (ARRAY['gauge', 'counter', 'delta'])[w.kind + 1] AND s.max_gap_s = w.max_gap
    AND s.interval_s = w.interval_s AND s.rollover IS NOT DISTINCT FROM w.rollover AND $ROLLED
  CROSS JOIN LATERAL (
    SELECT date_bin('1 hour', w.a + interval '3599.999999 s', 'epoch') AS up,
      CASE WHEN s.built_until < w.b THEN s.built_until WHEN s.built_until >= w.b THEN date_bin('1 hour', w.b, 'epoch') END AS down
  ) r
  CROSS JOIN LATERAL (
    SELECT CASE WHEN r.up < r.down THEN r.up ELSE w.b END AS h0, CASE WHEN r.up < r.down THEN r.down ELSE w.b END AS h1
  ) e
  CROSS JOIN LATERAL (
    SELECT coalesce(range_agg(tstzrange(x.hour, x.hour + interval '1 hour')), '{}') AS marked FROM (
      SELECT d.hour FROM lotwise.rollup_dirty d
      WHERE d.plant_id = w.plant_id AND d.sensor_id = w.sensor_id AND d.hour >= e.h0 AND d.hour < e.h1
      UNION ALL SELECT c.hour FROM unnest($11::timestamptz[]) AS c(hour) WHERE c.hour >= e.h0 AND c.hour < e.h1
    ) x
  ) m
)
SELECT w.win, x.times, x.vals, h.times, h.vals
FROM win w
CROSS JOIN LATERAL (
  SELECT array_agg(y.time) AS times, array_agg(y.value) AS vals
  FROM (
    (SELECT r.time, r.value FROM reading r
     WHERE r.plant_id = w.plant_id AND r.sensor_id = w.sensor_id AND r.time < w.a AND r.time >= w.lo
       AND r.time >= $12 AND r.time < $13
     ORDER BY r.time DESC LIMIT 1)
    UNION ALL
    (SELECT r.time, r.value
     FROM (
       SELECT w.a AS since, w.h0 AS until
       UNION ALL SELECT w.h1, w.b WHERE w.h1 < w.b
       UNION ALL SELECT lower(m), upper(m) FROM unnest(w.marked) m
     ) g CROSS JOIN LATERAL (
       SELECT r.time, r.value FROM reading r
       WHERE r.plant_id = w.plant_id AND r.sensor_id = w.sensor_id AND r.time >= g.since AND r.time < g.until
         AND r.time >= $14 AND r.time < $15
       OFFSET 0) r)
    UNION ALL
    (SELECT r.time, r.value FROM reading r
     WHERE r.plant_id = w.plant_id AND r.sensor_id = w.sensor_id AND r.time >= w.b AND r.time <= w.hi
       AND r.time >= $16 AND r.time < $17
     ORDER BY r.time LIMIT 1)
  ) y
) x
CROSS JOIN LATERAL (
  SELECT array_agg(ARRAY[y.first_t, y.last_t]) AS times,
    array_agg(ARRAY[y.first_v, y.last_v, y.n, y.rest_sum, y.rest_min, y.rest_max, y.covered_s, coalesce(y.total, 0)]) AS vals
  FROM (
    SELECT * FROM lotwise.rollup_hour h
    WHERE h.plant_id = w.plant_id AND h.sensor_id = w.sensor_id AND h.hour >= w.h0 AND h.hour < w.h1
      AND NOT w.marked @> h.hour$SINCE
    OFFSET 0
  ) y
) h
WHERE x.times IS NOT NULL OR h.times IS NOT NULL";

/// Hours before $18 have no readings any more: all that the window touches are read from their rows, with
/// the neighbours, whatever cuts them.
const SINCE: &str = " AND h.hour >= $18
    UNION ALL
    SELECT h.* FROM lotwise.rollup_hour h
    JOIN lotwise.rollup_sensor k ON k.plant_id = h.plant_id AND k.sensor_id = h.sensor_id
      AND k.kept_kind = (ARRAY['gauge', 'counter', 'delta'])[w.kind + 1]
    WHERE w.lo < $18 AND h.hour < $18 AND h.plant_id = w.plant_id AND h.sensor_id = w.sensor_id
      AND h.hour >= coalesce((
        SELECT p.hour FROM lotwise.rollup_hour p
        WHERE p.plant_id = w.plant_id AND p.sensor_id = w.sensor_id AND p.hour < date_bin('1 hour', w.a, 'epoch')
          AND p.hour > w.lo - interval '1 hour' AND p.hour < $18
        ORDER BY p.hour DESC LIMIT 1), date_bin('1 hour', w.a, 'epoch'))
      AND h.hour <= coalesce((
        SELECT n.hour FROM lotwise.rollup_hour n
        WHERE n.plant_id = w.plant_id AND n.sensor_id = w.sensor_id AND n.hour >= w.b AND n.hour <= w.hi
          AND n.hour < $18
        ORDER BY n.hour LIMIT 1), w.b)";

/// Neighbours of a window that are read along with it; more are looked for instead.
const FEW: f64 = 20.0;
/// Readings of one row of the answer, by the sensor's nominal interval.
const PIECE: f64 = 50_000.0;

/// Windows, ready to be read.
pub struct Wanted<'a> {
    /// The statement.
    pub statement: Statement,
    /// For each row's number, the index of its window and the part of it.
    parts: Vec<(usize, Window<'a>)>,
    items: Items,
}

/// The items of `windows` that are cut at `edges` (which matters to hours only). Long windows are read
/// in parts. From `raw_from` on all readings are kept; a window that begins before it is read by hours.
pub fn wanted<'a>(
    windows: &[Window<'a>],
    edges: &[DateTime<Utc>],
    items: Items,
    ends: Ends,
    raw_from: Option<DateTime<Utc>>,
) -> Wanted<'a> {
    let note = &format!("{} windows", windows.len());
    of_parts(parts_of(windows, items), edges, items, ends, raw_from, note)
}

/// The same as up to `count` statements with about as many readings each, which may run side by side.
pub fn wanted_apart<'a>(
    windows: &[Window<'a>],
    edges: &[DateTime<Utc>],
    items: Items,
    ends: Ends,
    raw_from: Option<DateTime<Utc>>,
    count: usize,
) -> Vec<Wanted<'a>> {
    let mut parts = parts_of(windows, items);
    let readings = |(_, w): &(usize, Window<'_>)| w.range.seconds() / w.sensor.interval_s + 2.0;
    let mut left: f64 = parts.iter().map(readings).sum();
    let mut groups = Vec::with_capacity(count);
    for others in (1..count).rev() {
        let share = left / (others + 1) as f64;
        let mut taken = 0.0;
        let until = parts.iter().position(|part| {
            taken += readings(part);
            taken >= share
        });
        let rest = parts.split_off(until.map_or(parts.len(), |last| last + 1));
        left -= taken;
        groups.push(std::mem::replace(&mut parts, rest));
    }
    groups.push(parts);
    groups.retain(|parts| !parts.is_empty());
    let count = groups.len();
    let note = match count {
        0 | 1 => format!("{} windows", windows.len()),
        _ => format!("{} windows in {count} statements side by side", windows.len()),
    };
    let one = |parts| of_parts(parts, edges, items, ends, raw_from, &note);
    groups.into_iter().map(one).collect()
}

fn parts_of<'a>(windows: &[Window<'a>], items: Items) -> Vec<(usize, Window<'a>)> {
    let mut parts = Vec::with_capacity(windows.len());
    for (index, window) in windows.iter().enumerate() {
        match items {
            Items::Readings => cut(index, window, &mut parts),
            Items::Hours => parts.push((index, window.clone())),
        }
    }
    parts
}

fn of_parts<'a>(
    parts: Vec<(usize, Window<'a>)>,
    edges: &[DateTime<Utc>],
    items: Items,
    ends: Ends,
    raw_from: Option<DateTime<Utc>>,
    note: &str,
) -> Wanted<'a> {
    let raw_from = raw_from.filter(|from| parts.iter().any(|(_, w)| reach_of(w).0 < *from));
    let statement = match items {
        Items::Readings => readings(&parts, note, raw_from),
        Items::Hours => {
            let mut params = of_hours(&parts, edges);
            params.extend(raw_from.map(|from| Box::new(from) as Param));
            Statement::new(hours(ends, raw_from.is_some()), params, note)
        }
    };
    Wanted { statement, parts, items }
}

/// The first reading of an hour of deltas may end an amount that is counted before the hour, and the
/// second one, which is then the earliest, is not kept.
fn hours(ends: Ends, is_cut: bool) -> String {
    let rolled = match ends {
        Ends::Omit => "true",
        Ends::Read => "w.kind <> 2",
    };
    HOURS.replace("$ROLLED", rolled).replace("$SINCE", if is_cut { SINCE } else { "" })
}

macro_rules! list {
    ($parts:expr, $each:expr) => {
        Box::new($parts.iter().map($each).collect::<Vec<_>>()) as Param
    };
}

fn readings(
    parts: &[(usize, Window<'_>)],
    note: &str,
    raw_from: Option<DateTime<Utc>>,
) -> Statement {
    let scans: Vec<_> = parts.iter().map(|(_, w)| scan(w)).collect();
    let mut params = vec![
        list!(parts, |(_, w)| w.sensor.plant),
        list!(parts, |(_, w)| w.sensor.id),
        list!(scans, |s| s.1),
        list!(scans, |s| s.2),
    ];
    if !scans.iter().any(|(far, ..)| *far) {
        params.extend(bounds(scans.iter().map(|&(_, from, to)| (from, to))));
        return Statement::new(NEAR, params, note);
    }
    params.push(list!(scans, |s| s.0));
    params.push(list!(parts, |(_, w)| reach_of(w).0));
    params.push(list!(parts, |(_, w)| reach_of(w).1));
    params.extend(before(parts));
    params.extend(bounds(scans.iter().map(|&(_, from, to)| (from, to))));
    params.extend(behind(parts));
    params.extend(raw_from.map(|from| Box::new(from) as Param));
    let kept = raw_from.map_or("", |_| KEPT_NEIGHBOUR);
    Statement::new(FAR.replace("$KEPT", kept), params, note)
}

/// Between these two all neighbours before a window lie.
fn before(parts: &[(usize, Window<'_>)]) -> [Param; 2] {
    bounds(parts.iter().map(|(_, w)| (reach_of(w).0, w.range.from())))
}

/// Between these two all neighbours behind a window lie.
fn behind(parts: &[(usize, Window<'_>)]) -> [Param; 2] {
    bounds(parts.iter().map(|(_, w)| (w.range.to(), after(reach_of(w).1))))
}

fn bounds(ranges: impl Iterator<Item = (DateTime<Utc>, DateTime<Utc>)>) -> [Param; 2] {
    let (from, to): (Vec<_>, Vec<_>) = ranges.unzip();
    let (first, last) = (from.into_iter().min(), to.into_iter().max());
    [Box::new(first.unwrap_or_default()) as Param, Box::new(last.unwrap_or_default()) as Param]
}

/// A neighbour at `hi` itself still matters.
fn after(hi: DateTime<Utc>) -> DateTime<Utc> {
    hi + TimeDelta::microseconds(1)
}

fn of_hours(parts: &[(usize, Window<'_>)], edges: &[DateTime<Utc>]) -> Vec<Param> {
    let inside = bounds(parts.iter().map(|(_, w)| (w.range.from(), w.range.to())));
    let mut params = vec![
        list!(parts, |(_, w)| w.sensor.plant),
        list!(parts, |(_, w)| w.sensor.id),
        list!(parts, |(_, w)| code(w.sensor.kind)),
        list!(parts, |(_, w)| w.sensor.max_gap_s),
        list!(parts, |(_, w)| w.sensor.interval_s),
        list!(parts, |(_, w)| w.sensor.rollover),
        list!(parts, |(_, w)| w.range.from()),
        list!(parts, |(_, w)| w.range.to()),
        list!(parts, |(_, w)| reach_of(w).0),
        list!(parts, |(_, w)| reach_of(w).1),
        Box::new(cut_hours(edges)) as Param,
    ];
    params.extend(before(parts).into_iter().chain(inside).chain(behind(parts)));
    params
}

fn reach_of(w: &Window<'_>) -> (DateTime<Utc>, DateTime<Utc>) {
    reach(w.sensor.kind, w.sensor.max_gap_s, w.sensor.interval_s, w.range)
}

/// Whether neighbours have to be looked for, and what one scan reads, `[from, to)`.
fn scan(w: &Window<'_>) -> (bool, DateTime<Utc>, DateTime<Utc>) {
    let (lo, hi) = reach_of(w);
    let seconds = (w.range.from() - lo).num_seconds().max((hi - w.range.to()).num_seconds());
    match seconds as f64 / w.sensor.interval_s > FEW {
        true => (true, w.range.from(), w.range.to()),
        false => (false, lo, after(hi)),
    }
}

/// A window in parts of some thousand readings, so that no row of the answer grows without bound. Sums
/// of parts add up to those of the window.
fn cut<'a>(index: usize, window: &Window<'a>, parts: &mut Vec<(usize, Window<'a>)>) {
    let width = (window.sensor.interval_s * PIECE).clamp(3_600.0, 1e9);
    let width = TimeDelta::seconds(width as i64);
    let mut from = window.range.from();
    while from < window.range.to() {
        let to = from
            .checked_add_signed(width)
            .map_or(window.range.to(), |to| to.min(window.range.to()));
        parts.extend(
            TimeRange::new(from, to).ok().map(|range| (index, Window { range, ..window.clone() })),
        );
        from = to;
    }
}

/// The items of one part of a window.
pub struct Found<'a> {
    /// Index of the window.
    pub window: usize,
    /// The part.
    pub part: Window<'a>,
    /// Its items, ascending; seconds since the origin asked for.
    pub items: Vec<Item>,
}

impl<'a> Wanted<'a> {
    /// One row of the answer, with times in seconds since the origin of its window.
    ///
    /// # Errors
    /// [`DbError::Unexpected`] when the row is not of this statement.
    pub fn read(
        &self,
        row: &Row,
        origin: impl Fn(usize) -> DateTime<Utc>,
    ) -> Result<Found<'a>, DbError> {
        let part = column::<i32>(row, 0)? as usize;
        let unknown = || DbError::Unexpected(format!("part {part}"));
        let (window, part) = self.parts.get(part).ok_or_else(unknown)?.clone();
        let origin = origin(window).timestamp_micros();
        let mut items = Vec::new();
        let times: Option<Packed<'_>> = column(row, 1)?;
        let values: Option<Packed<'_>> = column(row, 2)?;
        if let (Some(times), Some(values)) = (times, values) {
            let times = times.items().map(|b| seconds_since(origin, i64::from_be_bytes(b)));
            let values = values.items().map(|b| counted(f64::from_be_bytes(b)));
            items.extend(times.zip(values).map(|(time, value)| Item::reading(time, value)));
        }
        if self.items == Items::Hours {
            read_hours(row, origin, &mut items)?;
        }
        if !items.is_sorted_by(|a, b| a.first.0 <= b.first.0) {
            items.sort_unstable_by(|a, b| a.first.0.total_cmp(&b.first.0));
        }
        Ok(Found { window, part, items })
    }
}

fn read_hours(row: &Row, origin: i64, items: &mut Vec<Item>) -> Result<(), DbError> {
    let Some(times) = column::<Option<Grid<i64>>>(row, 3)? else { return Ok(()) };
    let values: Grid<f64> = column(row, 4)?;
    let odd = || DbError::Unexpected("packed hours of another form".to_owned());
    let (times, values) = (times.rows::<2>().ok_or_else(odd)?, values.rows::<8>().ok_or_else(odd)?);
    if times.len() != values.len() {
        return Err(odd());
    }
    let since = |us: i64| us.saturating_sub(origin) as f64 / 1e6;
    items.extend(times.iter().zip(values).map(|(&[first_t, last_t], values)| {
        let &[first_v, last_v, n, sum, min, max, covered_s, total] = values;
        Item {
            first: (since(first_t), counted(first_v)),
            last: (since(last_t), counted(last_v)),
            rest: (n > 1.0).then(|| Rest { count: n as i64 - 1, sum, min, max, covered_s, total }),
        }
    }));
    Ok(())
}

/// A value as it is counted, as in `rollup::integrate`: wild ones are infinite or 0.
fn counted(value: f64) -> f64 {
    match value.abs() {
        size if (1e-100..=1e100).contains(&size) => value,
        size if size < 1.0 => 0.0,
        _ => value * f64::INFINITY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Sensor;
    use crate::domain::SensorKind;

    #[test]
    fn apart_they_are_all_there_in_equal_shares() {
        let sensor = Sensor {
            id: 1,
            plant: 1,
            line: None,
            machine: None,
            key: "s".into(),
            name: String::new(),
            quantity: "power".into(),
            unit: "kW".into(),
            kind: SensorKind::Gauge,
            interval_s: 60.0,
            max_gap_s: 300.0,
            rollover: None,
            parent: None,
        };
        let at = |minute: i64| DateTime::from_timestamp(minute * 60, 0).unwrap();
        // One of 120,000 readings, in parts of 50,000, and nine of 1,000.
        let starts = [0, 200_000, 201_000, 202_000, 203_000, 204_000, 205_000, 206_000, 207_000];
        let windows = starts.map(|from| {
            let length = if from == 0 { 120_000 } else { 1_000 };
            let range = TimeRange::new(at(from), at(from + length)).unwrap();
            Window { sensor: &sensor, range }
        });
        let apart = |count| {
            let edges = [at(0), at(300_000)];
            let all = wanted_apart(&windows, &edges, Items::Readings, Ends::Omit, None, count);
            all.into_iter()
                .map(|wanted| wanted.parts.iter().map(|(i, w)| (*i, w.range)).collect::<Vec<_>>())
                .collect::<Vec<_>>()
        };
        let whole = apart(1).concat();
        assert_eq!(whole.len(), 3 + 8);
        for count in 2..5 {
            let groups = apart(count);
            assert_eq!(groups.concat(), whole, "in order");
            let minutes = |parts: &Vec<(usize, TimeRange)>| {
                parts.iter().map(|(_, range)| range.seconds() / 60.0).sum::<f64>()
            };
            let most = groups.iter().map(minutes).fold(0.0, f64::max);
            assert!(most <= 128_000.0 / count as f64 + 50_000.0, "{count}: {most}");
        }
        assert_eq!(wanted_apart(&[], &[], Items::Readings, Ends::Omit, None, 3).len(), 0);
    }

    #[test]
    fn wild_values_are_infinite_or_zero() {
        assert_eq!([1e-100, -3.0, 1e100].map(counted), [1e-100, -3.0, 1e100]);
        assert_eq!([9e-101, -1e-300, 0.0].map(counted), [0.0; 3]);
        assert_eq!([2e100, -2e100].map(counted), [f64::INFINITY, f64::NEG_INFINITY]);
    }
}
