//! Plans of series queries: sensor values over time, whole or only during some runs.

use chrono::{DateTime, Utc};

use super::{
    Ask, Cut, HERE, MAX_SERIES_POINTS, Named, OF_MACHINES, PlanError, Rates, Run, Selection,
    Window, check_windows, clock_notice, independent, kwh_per, past, resolve_bucket,
};
use crate::catalog::{Catalog, Plant, Sensor};
use crate::domain::{Bucket, Language, SensorKind};
use crate::model::{Aggregate, Fill, GroupBy, Query};
use crate::sql::states::State;

/// What one series is: its labels in order, and what to show as its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeriesKey {
    /// Labels, `(name, value)`.
    pub labels: Vec<(&'static str, String)>,
    /// Name shown in legends.
    pub name: String,
    /// Unit of the values.
    pub unit: String,
}

/// A series query, ready to be read.
#[derive(Debug, Clone)]
pub struct SeriesPlan<'a> {
    /// What to read; one entry an interval of a sensor.
    pub windows: Vec<Window<'a>>,
    /// For each window, the index of its series.
    pub series_of: Vec<usize>,
    /// The series.
    pub series: Vec<SeriesKey>,
    /// Edges of the buckets.
    pub edges: Vec<DateTime<Utc>>,
    /// The bucket that was chosen.
    pub bucket: Bucket,
    /// How a bucket becomes a value.
    pub aggregate: Aggregate,
    /// Why this resolution, in words.
    pub reason: String,
    /// What the reader should know.
    pub notices: Vec<String>,
}

/// Plans a series query. `runs` is `None` when neither filters nor grouping ask for runs; `states`
/// are those of the selection's machines in the range, by machine and time, where the query asks for
/// them.
///
/// # Errors
/// [`PlanError`], whose text says what to change.
pub fn series<'a>(
    query: &Query,
    selection: &Selection<'a>,
    catalog: &'a Catalog,
    runs: Option<&[Run]>,
    states: &[State],
    ask: &Ask,
) -> Result<SeriesPlan<'a>, PlanError> {
    let wanted = query.place.quantity.as_deref();
    let sensors: Vec<&Sensor> = selection
        .sensors
        .iter()
        .filter(|s| wanted.is_none_or(|q| q == s.quantity))
        .copied()
        .collect();
    let Some(first) = sensors.first() else {
        return Err(PlanError::no_sensor(wanted, HERE));
    };
    let mut plants: Vec<&Plant> = selection
        .plants
        .iter()
        .filter(|p| sensors.iter().any(|s| s.plant == p.id))
        .copied()
        .collect();
    plants.sort_by_key(|p| p.id != first.plant);
    let Some(plant) = plants.first() else {
        return Err(PlanError::no_sensor(None, ["of a known plant", "de una planta conocida"]));
    };
    let finest = sensors.iter().map(|s| s.interval_s).fold(f64::INFINITY, f64::min);
    // Alert rules ask for 43,200 points whatever the number of series is.
    let fields = if query.extremes { 3 } else { 1 };
    let room = ask.max_points / (fields * sensors.len().min(query.limit).max(1));
    let ask = &Ask { max_data_points: ask.max_data_points.min(room), ..*ask };
    let bucket = resolve_bucket(query.bucket, ask, finest);
    let edges = plant.calendar.edges(bucket, ask.range, ask.max_points)?;
    let reason = match query.bucket {
        Bucket::Auto => format!(
            "{bucket} buckets: the narrowest readable width for {} points over this range and sensors read every {finest} s",
            ask.max_data_points.min(MAX_SERIES_POINTS)
        ),
        _ => format!("{bucket} buckets, as the query says"),
    };
    let mut plan = SeriesPlan {
        windows: Vec::new(),
        series_of: Vec::new(),
        series: Vec::new(),
        edges,
        bucket,
        aggregate: query.aggregate,
        reason,
        notices: clock_notice(bucket, &plants, query.language).into_iter().collect(),
    };
    let group = match query.group_by {
        GroupBy::None => GroupBy::Sensor,
        group => group,
    };
    let Some(past) = past(ask) else { return Ok(plan) };
    let cut = Cut::new(query, selection, states, &Rates::new(), past)?;
    let sensors: Vec<&Sensor> = match cut.by_machine() {
        true => sensors.into_iter().filter(|s| s.machine.is_some()).collect(),
        false => sensors,
    };
    if sensors.is_empty() {
        return Err(PlanError::no_sensor(wanted, OF_MACHINES));
    }
    for sensor in once_each(group, catalog, &sensors) {
        check_sum(query.aggregate, sensor)?;
        check_zero(query, sensor)?;
        let mut add = |run: Option<&Run>, range| {
            for part in cut.parts(sensor.plant, sensor.machine, range) {
                let of = (run, part.group.as_ref());
                let key = key_of(group, sensor, of, catalog, query);
                plan.add(key, Window { sensor, range: part.range });
            }
        };
        match runs {
            None => add(None, past),
            Some(runs) => {
                for run in runs.iter().filter(|r| concerns(r, sensor)) {
                    if let Some(range) = past.clip(run.started_at, run.ended_at) {
                        add(Some(run), range);
                    }
                }
            }
        }
    }
    check_windows(plan.windows.len())?;
    if plan.series.len() > query.limit {
        return Err(PlanError::TooManySeries { count: plan.series.len(), limit: query.limit });
    }
    let points = plan.edges.len() - 1;
    if plan.series.len().saturating_mul(points) > ask.max_points {
        return Err(PlanError::TooManyPoints {
            series: plan.series.len(),
            points,
            limit: ask.max_points,
        });
    }
    Ok(plan)
}

impl<'a> SeriesPlan<'a> {
    fn add(&mut self, key: SeriesKey, window: Window<'a>) {
        let index = match self.series.iter().position(|s| *s == key) {
            Some(index) => index,
            None => {
                self.series.push(key);
                self.series.len() - 1
            }
        };
        self.series_of.push(index);
        self.windows.push(window);
    }
}

/// An error for a sum over time that has no meaning.
pub(super) fn check_sum(aggregate: Aggregate, sensor: &Sensor) -> Result<(), PlanError> {
    let is_power = sensor.quantity == "power" && kwh_per(&sensor.unit).is_some();
    if aggregate == Aggregate::Sum && sensor.kind == SensorKind::Gauge && !is_power {
        return Err(PlanError::NoSum {
            quantity: sensor.quantity.clone(),
            unit: sensor.unit.clone(),
        });
    }
    Ok(())
}

/// An error for zeros that would be values.
fn check_zero(query: &Query, sensor: &Sensor) -> Result<(), PlanError> {
    let amount = match query.aggregate {
        Aggregate::Sum | Aggregate::Count => true,
        Aggregate::Mean => sensor.kind != SensorKind::Gauge,
        Aggregate::Min | Aggregate::Max | Aggregate::First | Aggregate::Last | Aggregate::Raw => {
            false
        }
    };
    match query.fill {
        Fill::Zero if !amount => Err(PlanError::NoZero { quantity: sensor.quantity.clone() }),
        _ => Ok(()),
    }
}

/// The sensors, without the meters that another meter of the same series already counts.
pub(super) fn once_each<'a>(
    group: GroupBy,
    catalog: &Catalog,
    sensors: &[&'a Sensor],
) -> Vec<&'a Sensor> {
    let place = |s: &Sensor| match group {
        GroupBy::Plant => (s.plant, None, None),
        GroupBy::Machine => (s.plant, s.line, s.machine),
        _ => (s.plant, s.line, None),
    };
    if group == GroupBy::Sensor {
        return sensors.to_vec();
    }
    let mut places: Vec<_> = sensors.iter().map(|s| place(s)).collect();
    places.sort_unstable();
    places.dedup();
    let of = |p| sensors.iter().filter(|s| place(s) == p).copied().collect::<Vec<_>>();
    places.into_iter().flat_map(|p| independent(catalog, &of(p))).collect()
}

/// True when what the sensor measures belongs to the run.
pub(super) fn concerns(run: &Run, sensor: &Sensor) -> bool {
    sensor.line == Some(run.line)
        && match run.machine {
            Some(machine) => sensor.machine == Some(machine),
            None => true,
        }
}

/// Name of runs of which nobody is known to have made them.
pub(super) fn no_operator(language: Language) -> &'static str {
    language.pick("(no operator)", "(sin operario)")
}

pub(super) fn key_of(
    group: GroupBy,
    sensor: &Sensor,
    (run, part): (Option<&Run>, Option<&Named>),
    catalog: &Catalog,
    query: &Query,
) -> SeriesKey {
    let plant = catalog.plant(sensor.plant);
    let line = sensor.line.and_then(|id| catalog.line(id));
    let machine = sensor.machine.and_then(|id| catalog.machine(id));
    let mut labels = vec![("plant", plant.map(|p| p.key.clone()).unwrap_or_default())];
    let place = |name: &'static str, spot: Option<&crate::catalog::Spot>| {
        (name, spot.map(|s| s.key.clone()).unwrap_or_default())
    };
    let whole_plant = || {
        let words = query.language.pick("(whole plant)", "(toda la planta)");
        format!("{} {words}", plant.map_or("", |p| &p.name))
    };
    let named =
        |spot: Option<&crate::catalog::Spot>| spot.map_or_else(whole_plant, |s| s.name.clone());
    let name = match (group, run) {
        (GroupBy::Plant, _) => plant.map(|p| p.name.clone()).unwrap_or_default(),
        (GroupBy::Line, _) => {
            labels.push(place("line", line));
            named(line)
        }
        (GroupBy::Machine, _) => {
            labels.push(place("line", line));
            labels.push(place("machine", machine));
            named(machine.or(line))
        }
        (GroupBy::Reference, Some(run)) => {
            labels.push(("reference", run.reference.clone()));
            run.reference_name.clone()
        }
        (GroupBy::Lot, Some(run)) => {
            labels.push(("lot", run.lot.clone()));
            run.lot.clone()
        }
        (GroupBy::Operator, Some(run)) => {
            let (key, name) = run.operator.clone().unwrap_or_default();
            labels.push(("operator", key));
            if name.is_empty() { no_operator(query.language).to_owned() } else { name }
        }
        (GroupBy::Shift | GroupBy::State, _) => {
            let (key, name) = part.cloned().unwrap_or_default();
            labels.push((group.as_str(), key));
            name
        }
        _ => {
            labels.push(place("line", line));
            labels.push(place("machine", machine));
            labels.push(("sensor", sensor.key.clone()));
            sensor.name.clone()
        }
    };
    labels.retain(|(_, value)| !value.is_empty());
    labels.push(("quantity", sensor.quantity.clone()));
    let unit = match query.aggregate {
        Aggregate::Count => String::new(),
        Aggregate::Sum if sensor.kind == SensorKind::Gauge => "kWh".to_owned(),
        _ => sensor.unit.clone(),
    };
    SeriesKey { labels, name, unit }
}
