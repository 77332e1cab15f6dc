//! Exact integrals of readings over windows, cut at bucket edges: the one statement behind every
//! series and KPI.
//!
//! For each window (a sensor over `[a, b)`) it reads the readings inside and one on either side,
//! makes a segment between neighbours, clips it to the window and to each bucket, and adds up:
//! - gauge: the trapezoid under the line between two readings (value x seconds), unless the gap is
//!   longer than the sensor's maximum;
//! - counter: the increment, shared in proportion to time; a fall is a reset to 0 (or a roll-over);
//! - delta: the amount, shared in proportion to the time that it covers, which ends at its stamp.
//!
//! Because every part is clipped from the same segment, parts add up to the whole.
//!
//! Values beyond 1e100 count as infinite and below 1e-100 as 0: PostgreSQL fails a statement in which
//! a product overflows or underflows, and one wild reading must not take the others along.

use chrono::{DateTime, Duration, Utc};
use tokio_postgres::Row;

use super::{Param, Statement, far_future, far_past};
use crate::db::{DbError, column};
use crate::domain::{SensorKind, TimeRange};
use crate::plan::Window;

/// Sums of one window in one bucket.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cell {
    /// Index of the window.
    pub window: usize,
    /// Index of the bucket: the edge that it starts at.
    pub bucket: usize,
    /// Integral of a gauge over the covered time, value x seconds.
    pub integral: f64,
    /// Increase of a counter or amount of a delta; `None` where no segment falls in.
    pub amount: Option<f64>,
    /// Seconds with data.
    pub covered_s: f64,
    /// Readings inside.
    pub count: i64,
    /// Sum, least and greatest of the readings inside.
    pub sum: f64,
    /// Least reading inside.
    pub min: Option<f64>,
    /// Greatest reading inside.
    pub max: Option<f64>,
    /// Earliest reading inside, `(epoch seconds, value)`.
    pub first: Option<(f64, f64)>,
    /// Newest reading inside, `(epoch seconds, value)`.
    pub last: Option<(f64, f64)>,
}

const SQL: &str = "\
WITH win AS MATERIALIZED (
  SELECT (w.nr - 1)::int4 AS win, w.plant_id, w.sensor_id, w.kind, w.max_gap, w.interval_s, w.rollover,
         w.a AS ta, w.b AS tb, w.lo, w.hi, date_part('epoch', w.a) AS a, date_part('epoch', w.b) AS b
  FROM unnest($1::int4[], $2::int4[], $3::int2[], $4::float8[], $5::float8[], $6::float8[],
              $7::timestamptz[], $8::timestamptz[], $9::timestamptz[], $10::timestamptz[])
       WITH ORDINALITY AS w(plant_id, sensor_id, kind, max_gap, interval_s, rollover, a, b, lo, hi, nr)
), pt AS (
  SELECT w.win, w.kind, w.max_gap, w.interval_s, w.rollover, w.a, w.b, x.t, x.v, x.tn, x.vn, x.tp
  FROM win w CROSS JOIN LATERAL (
    SELECT p.t, p.v, lead(p.t) OVER o AS tn, lead(p.v) OVER o AS vn, lag(p.t) OVER o AS tp
    FROM (
      SELECT date_part('epoch', y.time) AS t,
             CASE WHEN abs(y.value) BETWEEN 1e-100 AND 1e100 THEN y.value
                  WHEN abs(y.value) < 1 THEN 0.0 ELSE y.value * 'Infinity'::float8 END AS v FROM (
        (SELECT r.time, r.value FROM lotwise.reading r
         WHERE r.plant_id = w.plant_id AND r.sensor_id = w.sensor_id AND r.time < w.ta AND r.time >= w.lo
         ORDER BY r.time DESC LIMIT 1)
        UNION ALL
        (SELECT r.time, r.value FROM lotwise.reading r
         WHERE r.plant_id = w.plant_id AND r.sensor_id = w.sensor_id AND r.time >= w.ta AND r.time < w.tb
         OFFSET 0)
        UNION ALL
        (SELECT r.time, r.value FROM lotwise.reading r
         WHERE r.plant_id = w.plant_id AND r.sensor_id = w.sensor_id AND r.time >= w.tb AND r.time <= w.hi
         ORDER BY r.time LIMIT 1)
      ) y
    ) p
    WINDOW o AS (ORDER BY p.t)
  ) x
), seg AS (
  SELECT win, kind, a, b, t, v, vn, s0, e0, inc,
         kind = 2 OR e0 - s0 <= max_gap AS near,
         greatest(s0, a) AS s, least(e0, b) AS e,
         CASE WHEN kind = 2 THEN t > a AND t <= b ELSE t >= a AND t < b END AS inside
  FROM (
    SELECT win, kind, max_gap, a, b, t, v, vn,
           CASE WHEN kind = 2 THEN greatest(tp, t - interval_s) ELSE t END AS s0,
           CASE WHEN kind = 2 THEN t ELSE coalesce(tn, t) END AS e0,
           CASE WHEN kind = 2 THEN v WHEN vn >= v THEN vn - v WHEN rollover >= v THEN vn - v + rollover ELSE vn END AS inc
    FROM pt
  ) q
), piece AS (
  SELECT win, kind, t, v, vn, s0, e0, inc, near, inside, c, c0, c1,
         greatest(s, CASE WHEN c = c0 THEN s ELSE ($11::float8[])[c] END) AS s,
         least(e, CASE WHEN c = c1 THEN e ELSE ($11::float8[])[c + 1] END) AS e
  FROM (
    SELECT *, generate_series(c0, c1) AS c
    FROM (
      SELECT *, width_bucket(s, $11::float8[]) AS c0,
             greatest(width_bucket(s, $11::float8[]), width_bucket(e - 5e-7, $11::float8[])) AS c1
      FROM seg WHERE e > s OR inside
    ) k
  ) g
), part AS (
  SELECT win, c, t, v, kind, near,
         greatest(e - s, 0) AS d,
         CASE WHEN e > s AND e0 > s0 THEN (e - s) / (e0 - s0) ELSE 0 END AS share,
         CASE WHEN e0 > s0 THEN v + (vn - v) * (((s + e) / 2 - s0) / (e0 - s0)) ELSE v END AS middle,
         inc, inside AND c = CASE WHEN kind = 2 THEN c1 ELSE c0 END AS counted
  FROM piece
)
SELECT win, c::int4,
  coalesce(sum(middle * d) FILTER (WHERE kind = 0 AND near AND d > 0), 0) AS integral,
  sum(inc * share) FILTER (WHERE kind <> 0 AND share > 0) AS amount,
  coalesce(sum(d) FILTER (WHERE near), 0) AS covered_s,
  count(*) FILTER (WHERE counted) AS n,
  coalesce(sum(v) FILTER (WHERE counted), 0) AS total,
  min(v) FILTER (WHERE counted) AS low,
  max(v) FILTER (WHERE counted) AS high,
  $ENDS
FROM part GROUP BY win, c";

/// Whether the earliest and newest reading of each bucket are wanted; they cost a third more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// Leave them out.
    Omit,
    /// Read them.
    Read,
}

impl Ends {
    fn columns(self) -> &'static str {
        match self {
            Self::Omit => "NULL::float8[] AS earliest, NULL::float8[] AS newest",
            Self::Read => {
                "min(ARRAY[t, v]) FILTER (WHERE counted) AS earliest, \
                 max(ARRAY[t, v]) FILTER (WHERE counted) AS newest"
            }
        }
    }
}

/// The text of the statement; its parameters are those of [`statement`].
pub(crate) fn text(ends: Ends) -> String {
    SQL.replace("$ENDS", ends.columns())
}

/// How the statement knows a kind.
pub(crate) fn code(kind: SensorKind) -> i16 {
    match kind {
        SensorKind::Gauge => 0,
        SensorKind::Counter => 1,
        SensorKind::Delta => 2,
    }
}

/// From where and until when a neighbour outside the window can still matter: `[lo, hi]`.
pub(crate) fn reach(
    kind: SensorKind,
    max_gap_s: f64,
    interval_s: f64,
    range: TimeRange,
) -> (DateTime<Utc>, DateTime<Utc>) {
    let distance = match kind {
        SensorKind::Gauge => seconds(max_gap_s),
        SensorKind::Delta => seconds(interval_s),
        SensorKind::Counter => None,
    };
    let lo = distance.and_then(|d| range.from().checked_sub_signed(d));
    let hi = distance.and_then(|d| range.to().checked_add_signed(d));
    (lo.unwrap_or_else(far_past), hi.unwrap_or_else(far_future))
}

/// The statement that integrates `windows` between `edges` (ascending; at least two).
pub fn statement(windows: &[Window<'_>], edges: &[DateTime<Utc>], ends: Ends) -> Statement {
    let reach =
        |w: &Window<'_>| reach(w.sensor.kind, w.sensor.max_gap_s, w.sensor.interval_s, w.range);
    macro_rules! list {
        ($each:expr) => {
            Box::new(windows.iter().map($each).collect::<Vec<_>>()) as Param
        };
    }
    let cuts: Vec<f64> = edges.iter().map(|e| crate::domain::time::epoch_seconds(*e)).collect();
    let note = format!("{} windows, {} buckets", windows.len(), edges.len().saturating_sub(1));
    let params = vec![
        list!(|w| w.sensor.plant),
        list!(|w| w.sensor.id),
        list!(|w| code(w.sensor.kind)),
        list!(|w| w.sensor.max_gap_s),
        list!(|w| w.sensor.interval_s),
        list!(|w| w.sensor.rollover),
        list!(|w| w.range.from()),
        list!(|w| w.range.to()),
        list!(|w| reach(w).0),
        list!(|w| reach(w).1),
        Box::new(cuts) as Param,
    ];
    Statement::new(text(ends), params, &note)
}

fn seconds(s: f64) -> Option<Duration> {
    Duration::try_milliseconds((s * 1000.0).ceil().min(1e15) as i64)
}

/// One row of the answer.
///
/// # Errors
/// [`DbError::Unexpected`] when the row is not of [`statement`].
pub fn read(row: &Row) -> Result<Cell, DbError> {
    let stamp = |index| -> Result<Option<(f64, f64)>, DbError> {
        let pair: Option<Vec<f64>> = column(row, index)?;
        Ok(pair.and_then(|p| Some((*p.first()?, *p.get(1)?))))
    };
    let bucket = column::<i32>(row, 1)?;
    Ok(Cell {
        window: column::<i32>(row, 0)? as usize,
        // width_bucket counts from 1 at the first edge.
        bucket: usize::try_from(bucket - 1).unwrap_or(0),
        integral: column(row, 2)?,
        amount: column(row, 3)?,
        covered_s: column(row, 4)?,
        count: column(row, 5)?,
        sum: column(row, 6)?,
        min: column(row, 7)?,
        max: column(row, 8)?,
        first: stamp(9)?,
        last: stamp(10)?,
    })
}
