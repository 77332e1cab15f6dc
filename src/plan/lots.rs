//! Plans of lots queries: the same quantity of several lots, each counted from its own start.

use chrono::{DateTime, TimeDelta, Utc};

use super::series::{concerns, key_of, once_each};
use super::{
    Ask, HERE, MAX_SERIES_POINTS, PlanError, Run, Selection, SeriesKey, Window, check_windows,
};
use crate::catalog::{Catalog, Sensor};
use crate::domain::time::epoch_seconds;
use crate::domain::{Bucket, TimeRange, bucket};
use crate::model::{Align, GroupBy, Query};

/// A lot, from the start of its first run to the end of its last one.
#[derive(Debug, Clone, PartialEq)]
pub struct LotSpan {
    /// Row id of the plant.
    pub plant: i32,
    /// Key of the lot.
    pub lot: String,
    /// Key of its reference.
    pub reference: String,
    /// Start of the first run.
    pub from: DateTime<Utc>,
    /// End of the last run; of an open one, the present.
    pub to: DateTime<Utc>,
    /// True while a run lasts.
    pub open: bool,
}

/// How the time of a lot is cut.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Steps {
    /// Into steps of so many seconds.
    Elapsed(f64),
    /// Into equal parts of the lot's own time.
    Progress,
}

/// A lots query, ready to be read.
#[derive(Debug, Clone)]
pub struct LotsPlan<'a> {
    /// The lots, newest first.
    pub lots: Vec<LotSpan>,
    /// What to read; one entry a run and sensor.
    pub windows: Vec<Window<'a>>,
    /// For each window, the index of its lot and of its series.
    pub owners: Vec<(usize, usize)>,
    /// The series.
    pub series: Vec<SeriesKey>,
    /// How the time of a lot is cut.
    pub steps: Steps,
    /// Number of steps, the longest lot's.
    pub count: usize,
    /// Why this resolution, in words.
    pub reason: String,
}

/// Parts of a lot when curves are aligned on progress: each is one per cent.
const PARTS: usize = 100;

/// Plans a lots query. `runs` are those of the lots, newest lot first, ascending within a lot.
///
/// # Errors
/// [`PlanError`], whose text says what to change.
pub fn lots<'a>(
    query: &Query,
    selection: &Selection<'a>,
    catalog: &'a Catalog,
    runs: &[Run],
    ask: &Ask,
) -> Result<LotsPlan<'a>, PlanError> {
    let sensors = sensors(query, selection)?;
    let group = match query.group_by {
        GroupBy::None => GroupBy::Lot,
        group => group,
    };
    let lots = spans(runs, ask.now);
    let finest = sensors.iter().map(|s| s.interval_s).fold(f64::INFINITY, f64::min);
    let (steps, count, reason) = steps(query, &lots, ask, finest);
    let mut plan = LotsPlan {
        lots,
        windows: Vec::new(),
        owners: Vec::new(),
        series: Vec::new(),
        steps,
        count,
        reason,
    };
    let sensors = once_each(group, catalog, &sensors);
    for run in runs {
        let of_run = |l: &LotSpan| l.plant == run.plant && l.lot == run.lot;
        let Some(lot) = plan.lots.iter().position(of_run) else { continue };
        let Ok(range) = TimeRange::new(run.started_at, run.ended_at.unwrap_or(ask.now)) else {
            continue;
        };
        for sensor in sensors.iter().filter(|s| concerns(run, s)) {
            let key = series_key(query, group, sensor, run, catalog)?;
            let series = plan.series.iter().position(|s| *s == key).unwrap_or_else(|| {
                plan.series.push(key);
                plan.series.len() - 1
            });
            plan.windows.push(Window { sensor, range });
            plan.owners.push((lot, series));
        }
        check_windows(plan.windows.len())?;
    }
    name(&mut plan.series, query.group_by);
    check_size(&plan, query, ask)?;
    Ok(plan)
}

fn sensors<'a>(query: &Query, selection: &Selection<'a>) -> Result<Vec<&'a Sensor>, PlanError> {
    let wanted = query.place.quantity.as_deref();
    let of_quantity = |s: &&&Sensor| wanted.is_none_or(|q| q == s.quantity);
    let sensors: Vec<&Sensor> = selection.sensors.iter().filter(of_quantity).copied().collect();
    if sensors.is_empty() {
        return Err(PlanError::no_sensor(wanted, HERE));
    }
    Ok(sensors)
}

fn spans(runs: &[Run], now: DateTime<Utc>) -> Vec<LotSpan> {
    let mut lots: Vec<LotSpan> = Vec::new();
    for run in runs.iter().filter(|r| r.started_at < now) {
        let end = run.ended_at.unwrap_or(now).min(now);
        match lots.iter_mut().find(|l| l.plant == run.plant && l.lot == run.lot) {
            Some(lot) => {
                lot.from = lot.from.min(run.started_at);
                lot.to = lot.to.max(end);
                lot.open |= run.ended_at.is_none();
            }
            None => lots.push(LotSpan {
                plant: run.plant,
                lot: run.lot.clone(),
                reference: run.reference.clone(),
                from: run.started_at,
                to: end,
                open: run.ended_at.is_none(),
            }),
        }
    }
    lots
}

fn steps(query: &Query, lots: &[LotSpan], ask: &Ask, finest: f64) -> (Steps, usize, String) {
    let longest = lots.iter().map(LotSpan::seconds).fold(0.0, f64::max);
    let points = ask.max_data_points.clamp(1, MAX_SERIES_POINTS);
    let parts = points.min(PARTS);
    if query.align == Align::Progress {
        let reason = format!("{parts} equal parts of each lot's time");
        return (Steps::Progress, parts, reason);
    }
    let width = match query.bucket {
        Bucket::Width(seconds) => f64::from(seconds),
        Bucket::Hour => 3_600.0,
        _ => match bucket::nice_width((longest / points as f64).max(finest)) {
            Bucket::Width(seconds) => f64::from(seconds),
            _ => finest,
        },
    };
    let count = ((longest / width).ceil() as usize).max(1);
    let reason = format!("steps of {width} s since the start of each lot");
    (Steps::Elapsed(width), count, reason)
}

fn series_key(
    query: &Query,
    group: GroupBy,
    sensor: &Sensor,
    run: &Run,
    catalog: &Catalog,
) -> Result<SeriesKey, PlanError> {
    super::series::check_sum(query.aggregate, sensor)?;
    let mut key = key_of(group, sensor, (Some(run), None), catalog, query);
    if group != GroupBy::Lot {
        key.name = format!("{} · {}", run.lot, key.name);
        key.labels.push(("lot", run.lot.clone()));
    }
    key.labels.push(("reference", run.reference.clone()));
    Ok(key)
}

/// Curves of several quantities say which one they are of.
fn name(series: &mut [SeriesKey], group_by: GroupBy) {
    let quantity = |s: &SeriesKey| {
        s.labels.iter().find(|l| l.0 == "quantity").map(|l| l.1.clone()).unwrap_or_default()
    };
    let first = series.first().map(quantity);
    let several = series.iter().any(|s| Some(quantity(s)) != first);
    if several && group_by != GroupBy::Sensor {
        for series in series {
            series.name = format!("{} · {}", series.name, quantity(series));
        }
    }
}

fn check_size(plan: &LotsPlan<'_>, query: &Query, ask: &Ask) -> Result<(), PlanError> {
    let series = plan.series.len();
    if series > query.limit {
        return Err(PlanError::TooManySeries { count: series, limit: query.limit });
    }
    // One frame of so many rows and columns.
    if plan.count > MAX_SERIES_POINTS || series.saturating_mul(plan.count) > ask.max_points {
        let limit = ask.max_points.min(MAX_SERIES_POINTS);
        return Err(PlanError::TooManyPoints { series, points: plan.count, limit });
    }
    Ok(())
}

impl LotSpan {
    /// Seconds from start to end.
    pub fn seconds(&self) -> f64 {
        epoch_seconds(self.to) - epoch_seconds(self.from)
    }
}

impl LotsPlan<'_> {
    /// Edges of a lot's steps, in seconds since its start.
    pub fn edges(&self, lot: usize) -> Vec<f64> {
        let length = self.lots.get(lot).map_or(0.0, LotSpan::seconds);
        match self.steps {
            Steps::Elapsed(width) => {
                let count = ((length / width).ceil() as usize).clamp(1, self.count);
                (0..=count).map(|step| step as f64 * width).collect()
            }
            Steps::Progress => {
                let part = length / self.count as f64;
                (0..=self.count).map(|step| step as f64 * part).collect()
            }
        }
    }

    /// Edges of a lot's steps as instants, to the microsecond.
    pub fn instants(&self, lot: usize) -> Vec<DateTime<Utc>> {
        let Some(from) = self.lots.get(lot).map(|l| l.from) else { return Vec::new() };
        let at = |s: &f64| from + TimeDelta::microseconds((s * 1e6).round() as i64);
        self.edges(lot).iter().map(at).collect()
    }

    /// Where each step begins: seconds since the start, or a share of the lot's time.
    pub fn positions(&self) -> Vec<f64> {
        let step = match self.steps {
            Steps::Elapsed(width) => width,
            Steps::Progress => 1.0 / self.count as f64,
        };
        (0..self.count).map(|index| index as f64 * step).collect()
    }
}
