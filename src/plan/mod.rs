//! From a query to what must be read: which sensors, over which intervals, cut at which edges.
//!
//! Pure: the runs that the context filters select have been fetched before, the readings are
//! fetched after. Knows neither SQL nor Grafana.

mod cut;
mod error;
mod gather;
mod golden;
mod kpi;
mod lots;
mod meters;
mod narrow;
mod rates;
mod reading;
mod select;
mod series;

use chrono::{DateTime, Utc};

use crate::catalog::{Plant, Sensor};
use crate::domain::{Bucket, Language, TimeRange, bucket};

pub use cut::{Cut, Named, Part, StateTime, needs_states, needs_tariffs};
pub use error::{HERE, Hint, METERED, OF_MACHINES, ON_A_LINE, PlanError};
pub use gather::{Labels, OTHER};
pub use golden::{GoldenCurve, GoldenCurves, Grid, Made, golden, golden_sensors, made};
pub use kpi::{KpiGroup, KpiPlan, KpiWindow, MachineTime, Role, kpi, run_energy, run_heat};
pub use lots::{LotSpan, LotsPlan, Steps, lots};
pub use meters::{independent, kwh_per, meters};
pub use narrow::{Narrowed, keep, keeps, narrow};
pub use rates::{PlantRates, Rate, Rates, Slices, Valid, currency};
pub use reading::{Items, Reading, choose, need_before, uncut};
pub use select::{Level, Node, Selection, select};
pub use series::{SeriesKey, SeriesPlan, series};

/// What Grafana asks beside the query: when, and how much the panel can show.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ask {
    /// Time range of the panel.
    pub range: TimeRange,
    /// Shortest sensible width of a point, seconds.
    pub interval_s: f64,
    /// Most points that the panel can show.
    pub max_data_points: usize,
    /// Most points that the data source may answer with.
    pub max_points: usize,
    /// The present, so that plans are a pure function.
    pub now: DateTime<Utc>,
}

/// Most points of one series: more than any screen has pixels, and what alert rules ask is clamped to.
const MAX_SERIES_POINTS: usize = 11_000;
/// Most windows that one statement reads.
const MAX_WINDOWS: usize = 100_000;

/// A production run, as the context filters selected it.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// Key.
    pub key: String,
    /// Row id of the plant.
    pub plant: i32,
    /// Row id of the line.
    pub line: i32,
    /// Row id of the machine; `None` when the whole line makes it.
    pub machine: Option<i32>,
    /// Lot key.
    pub lot: String,
    /// Reference key.
    pub reference: String,
    /// Reference name.
    pub reference_name: String,
    /// Operator key and name.
    pub operator: Option<(String, String)>,
    /// Start.
    pub started_at: DateTime<Utc>,
    /// End; `None` while it lasts.
    pub ended_at: Option<DateTime<Utc>>,
    /// Good units so far, where they are known.
    pub good_units: Option<f64>,
    /// Scrapped units so far, where they are known.
    pub scrap_units: Option<f64>,
}

impl Run {
    /// Good units that are known of; none where nothing is.
    pub fn good(&self) -> f64 {
        self.good_units.unwrap_or_default()
    }

    /// Scrapped units that are known of; none where nothing is.
    pub fn scrap(&self) -> f64 {
        self.scrap_units.unwrap_or_default()
    }

    /// Share of the run's time that lies in `part`: how its units are allotted to a part of it.
    pub fn share(&self, part: TimeRange, now: DateTime<Utc>) -> f64 {
        let end = self.ended_at.unwrap_or(now.max(self.started_at));
        match (TimeRange::new(self.started_at, end), part.clip(self.started_at, Some(end))) {
            (Ok(whole), Some(inside)) => inside.seconds() / whole.seconds(),
            _ => 0.0,
        }
    }
}

/// One interval of one sensor to be read.
#[derive(Debug, Clone)]
pub struct Window<'a> {
    /// The sensor.
    pub sensor: &'a Sensor,
    /// The interval, clipped to the time range.
    pub range: TimeRange,
}

/// The bucket to use: `auto` becomes the narrowest readable width that the panel can show and that
/// the sensors can fill.
fn resolve_bucket(bucket: Bucket, ask: &Ask, sensor_interval_s: f64) -> Bucket {
    if bucket != Bucket::Auto {
        return bucket;
    }
    let points = ask.max_data_points.clamp(1, MAX_SERIES_POINTS) as f64;
    let width = (ask.range.seconds() / points).max(ask.interval_s).max(sensor_interval_s);
    bucket::nice_width(width)
}

/// Says whose clock the buckets follow, where that makes a difference.
fn clock_notice(bucket: Bucket, plants: &[&Plant], language: Language) -> Option<String> {
    let first = plants.first()?;
    let same = plants.iter().all(|p| p.zone() == first.zone());
    // Offsets of time zones are whole hours or quarters of them, which narrow buckets divide.
    let narrow = matches!(bucket, Bucket::Auto | Bucket::Whole | Bucket::Width(..=900));
    let (key, zone) = (&first.key, first.zone());
    (!same && !narrow).then(|| {
        language.pick(
            format!("Buckets follow the clock of plant {key} ({zone})."),
            format!("Los tramos siguen el reloj de la planta {key} ({zone})."),
        )
    })
}

/// The part of the panel's range that has happened: nothing is expected of the future.
fn past(ask: &Ask) -> Option<TimeRange> {
    ask.range.clip(ask.range.from(), Some(ask.now))
}

fn check_windows(windows: usize) -> Result<(), PlanError> {
    if windows > MAX_WINDOWS { Err(PlanError::TooManyWindows(windows)) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
