//! Plans of golden queries: lots at the places where they are made, and the windows of their curves.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};

use super::series::concerns;
use super::{ON_A_LINE, PlanError, Run, Selection, Window, check_windows, independent};
use crate::catalog::{Catalog, Sensor};
use crate::domain::time::epoch_seconds;
use crate::domain::{Bucket, TimeRange, bucket};
use crate::model::{Align, GroupBy, Query};

/// A lot at one place, from the start of its first run there to the end of its last one. Lots at two
/// places are compared with two golden ones: machines differ.
#[derive(Debug, Clone, PartialEq)]
pub struct Made {
    /// Row id of the plant.
    pub plant: i32,
    /// Row id of the line.
    pub line: i32,
    /// Row id of the machine; `None` when the whole line makes it.
    pub machine: Option<i32>,
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
    /// Good units of its runs.
    pub good_units: f64,
    /// Scrapped units of its runs.
    pub scrap_units: f64,
    /// Its runs, by index, in order of time.
    pub runs: Vec<usize>,
}

/// The lots of some runs at their places, oldest first. `runs` are in order of time.
pub fn made(runs: &[Run], now: DateTime<Utc>) -> Vec<Made> {
    let mut all: Vec<Made> = Vec::new();
    for (index, run) in runs.iter().enumerate().filter(|(_, run)| run.started_at < now) {
        let to = run.ended_at.unwrap_or(now).min(now);
        let here = |m: &&mut Made| {
            (m.plant, m.line, m.machine, &m.lot) == (run.plant, run.line, run.machine, &run.lot)
        };
        match all.iter_mut().rev().find(here) {
            Some(made) => {
                made.to = made.to.max(to);
                made.open |= run.ended_at.is_none();
                made.good_units += run.good();
                made.scrap_units += run.scrap();
                made.runs.push(index);
            }
            None => all.push(Made {
                plant: run.plant,
                line: run.line,
                machine: run.machine,
                lot: run.lot.clone(),
                reference: run.reference.clone(),
                from: run.started_at,
                to,
                open: run.ended_at.is_none(),
                good_units: run.good(),
                scrap_units: run.scrap(),
                runs: vec![index],
            }),
        }
    }
    all
}

impl Made {
    /// Seconds from start to end.
    pub fn seconds(&self) -> f64 {
        epoch_seconds(self.to) - epoch_seconds(self.from)
    }

    /// Whether two lots are of one reference and place, so that one is a norm for the other.
    pub fn is_like(&self, other: &Self) -> bool {
        (self.plant, self.line, self.machine, &self.reference)
            == (other.plant, other.line, other.machine, &other.reference)
    }
}

/// A curve: a lot at its place, or one sensor of it.
#[derive(Debug, Clone)]
pub struct GoldenCurve<'a> {
    /// The lot, by index.
    pub made: usize,
    /// The sensor, where each has curves of its own.
    pub sensor: Option<&'a Sensor>,
    /// The sensors it is made of; never empty.
    pub sensors: Vec<&'a Sensor>,
}

/// Curves, and what to read for them: the index of a curve and a window.
pub type GoldenCurves<'a> = (Vec<GoldenCurve<'a>>, Vec<(usize, Window<'a>)>);

/// How the time of the lots is cut.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Grid {
    /// Into steps of so many seconds since the start, at most so many of them.
    Elapsed(f64, usize),
    /// Into so many equal parts of the lot's own time.
    Progress(usize),
}

/// Parts of a lot when curves are aligned on progress: each is one per cent.
const PARTS: usize = 100;
/// Steps of a lot of usual length, whatever the panel's width: figures must not depend on it.
const STEPS: f64 = 120.0;
/// Most steps of the longest lot.
const MOST_STEPS: usize = 2_000;

impl Grid {
    /// A grid for lots like those that are learned from.
    ///
    /// # Errors
    /// [`PlanError::TooManySteps`] for a width that cuts the longest one into too many.
    pub fn of(query: &Query, learned: &[&Made], finest_s: f64) -> Result<Self, PlanError> {
        if query.align == Align::Progress {
            return Ok(Self::Progress(PARTS));
        }
        let mut lengths: Vec<f64> = learned.iter().map(|made| made.seconds()).collect();
        let longest = lengths.iter().copied().fold(0.0, f64::max);
        let usual = crate::analytics::robust::median(&mut lengths).unwrap_or(0.0);
        let width = match query.bucket {
            Bucket::Width(seconds) => f64::from(seconds),
            Bucket::Hour => 3_600.0,
            _ => match bucket::nice_width((usual / STEPS).max(finest_s)) {
                Bucket::Width(seconds) => f64::from(seconds),
                _ => finest_s,
            },
        };
        let steps = ((longest / width).ceil() as usize).max(1);
        match query.bucket {
            Bucket::Auto => Ok(Self::Elapsed(width, steps.min(MOST_STEPS))),
            _ if steps > MOST_STEPS => Err(PlanError::TooManySteps { steps, most: MOST_STEPS }),
            _ => Ok(Self::Elapsed(width, steps)),
        }
    }

    /// Number of steps.
    pub fn steps(self) -> usize {
        match self {
            Self::Elapsed(_, steps) | Self::Progress(steps) => steps,
        }
    }

    /// Seconds of a lot's step.
    pub fn width(self, made: &Made) -> f64 {
        match self {
            Self::Elapsed(width, _) => width,
            Self::Progress(steps) => made.seconds() / steps as f64,
        }
    }

    /// Edges of a lot's steps, in seconds since its start.
    pub fn edges(self, made: &Made) -> Vec<f64> {
        let width = self.width(made);
        (0..=self.steps()).map(|step| step as f64 * width).collect()
    }

    /// Where a step begins: seconds since the start, or a share of the lot's time.
    pub fn position(self, step: usize) -> f64 {
        match self {
            Self::Elapsed(width, _) => step as f64 * width,
            Self::Progress(steps) => step as f64 / steps as f64,
        }
    }

    /// The instant at which a lot's step begins.
    pub fn instant(self, made: &Made, step: usize) -> DateTime<Utc> {
        let micros = (step as f64 * self.width(made) * 1e6).round();
        made.from + TimeDelta::microseconds(micros as i64)
    }
}

/// The sensors of a golden query: those of lines and machines, all of one quantity.
///
/// # Errors
/// [`PlanError::NoSensor`], or [`PlanError::Quantity`] where there are several to choose from.
pub fn golden_sensors<'a>(
    query: &Query,
    selection: &Selection<'a>,
) -> Result<Vec<&'a Sensor>, PlanError> {
    let wanted = query.place.quantity.as_deref();
    let sensors = selection.sensors.iter().filter(|s| s.line.is_some());
    let sensors: Vec<&Sensor> =
        sensors.filter(|s| wanted.is_none_or(|q| q == s.quantity)).copied().collect();
    let quantities: BTreeSet<&str> = sensors.iter().map(|s| s.quantity.as_str()).collect();
    match quantities.len() {
        0 => Err(PlanError::no_sensor(wanted, ON_A_LINE)),
        1 => Ok(sensors),
        _ => {
            let all: Vec<&str> = quantities.into_iter().collect();
            Err(PlanError::Quantity(all.join(", ")))
        }
    }
}

/// The curves of some lots, with the windows to read; each has the index of its curve.
///
/// # Errors
/// [`PlanError::TooManyWindows`].
pub fn golden<'a>(
    query: &Query,
    catalog: &'a Catalog,
    sensors: &[&'a Sensor],
    runs: &[Run],
    made: &[Made],
    wanted: &[usize],
    now: DateTime<Utc>,
) -> Result<GoldenCurves<'a>, PlanError> {
    let (mut curves, mut windows) = (Vec::new(), Vec::new());
    for &index in wanted {
        let Some(lot) = made.get(index) else { continue };
        let own = lot.runs.iter().filter_map(|run| runs.get(*run));
        let own: Vec<&Run> = own.collect();
        let Some(first) = own.first() else { continue };
        let here: Vec<&Sensor> = sensors.iter().filter(|s| concerns(first, s)).copied().collect();
        let groups: Vec<(Option<&Sensor>, Vec<&Sensor>)> = match query.group_by {
            GroupBy::Sensor => here.into_iter().map(|s| (Some(s), vec![s])).collect(),
            _ => vec![(None, independent(catalog, &here))],
        };
        for (sensor, sensors) in groups.into_iter().filter(|(_, sensors)| !sensors.is_empty()) {
            for run in &own {
                let end = run.ended_at.unwrap_or(now).min(now);
                let Ok(range) = TimeRange::new(run.started_at, end) else { continue };
                windows.extend(sensors.iter().map(|s| (curves.len(), Window { sensor: s, range })));
            }
            curves.push(GoldenCurve { made: index, sensor, sensors });
        }
        check_windows(windows.len())?;
    }
    Ok((curves, windows))
}
