//! Sums of a sensor over a window in a bucket, and what the statements that find them share.

use chrono::{DateTime, Duration, DurationRound, TimeDelta, Utc};

use super::{far_future, far_past};
use crate::domain::{SensorKind, TimeRange};

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

/// How statements know a kind.
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
