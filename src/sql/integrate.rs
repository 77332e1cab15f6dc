//! Exact integrals of readings over windows, cut at bucket edges: the one statement behind every
//! series and KPI.
//!
//! For each window (a sensor over `[a, b)`) it reads the readings inside (or rollups of whole hours,
//! which stand for their readings: see [`crate::rollup`]) and one on either side,
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

use chrono::{DateTime, Duration, DurationRound, TimeDelta, Utc};
use tokio_postgres::Row;

mod text;

use super::{Param, Statement, far_future, far_past};
use crate::db::{DbError, column};
use crate::domain::{SensorKind, TimeRange};
use crate::plan::{Items, Window};

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

/// Whether the earliest and newest reading of each bucket are wanted; they cost a third more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ends {
    /// Leave them out.
    Omit,
    /// Read them.
    Read,
}

/// The text of the statement; its parameters are those of [`statement`].
pub(crate) fn text(items: Items, ends: Ends) -> String {
    text::text(items, ends)
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
    let distance = kind.reach_s(max_gap_s, interval_s).and_then(seconds);
    let lo = distance.and_then(|d| range.from().checked_sub_signed(d));
    let hi = distance.and_then(|d| range.to().checked_add_signed(d));
    (lo.unwrap_or_else(far_past), hi.unwrap_or_else(far_future))
}

/// The statement that integrates `windows` between `edges` (ascending; at least two).
pub fn statement(
    windows: &[Window<'_>],
    edges: &[DateTime<Utc>],
    items: Items,
    ends: Ends,
) -> Statement {
    let reach =
        |w: &Window<'_>| reach(w.sensor.kind, w.sensor.max_gap_s, w.sensor.interval_s, w.range);
    macro_rules! list {
        ($each:expr) => {
            Box::new(windows.iter().map($each).collect::<Vec<_>>()) as Param
        };
    }
    let cuts: Vec<f64> = edges.iter().map(|e| crate::domain::time::epoch_seconds(*e)).collect();
    let note = format!("{} windows, {} buckets", windows.len(), edges.len().saturating_sub(1));
    let mut params = vec![
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
    if items == Items::Hours {
        params.push(Box::new(cut_hours(edges)) as Param);
    }
    Statement::new(text(items, ends), params, &note)
}

/// The hours that an edge cuts.
pub(crate) fn cut_hours(edges: &[DateTime<Utc>]) -> Vec<DateTime<Utc>> {
    let hour = TimeDelta::hours(1);
    let mut hours: Vec<_> = edges
        .iter()
        .filter_map(|edge| edge.duration_trunc(hour).ok().filter(|hour| hour != edge))
        .collect();
    hours.dedup();
    hours
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
