//! The energy baseline against labelled data: how near its coefficients are to the true ones, how
//! well it forecasts, and how soon its CUSUM finds a lasting change.

use chrono::{DateTime, NaiveTime};
use chrono_tz::Tz;
use serde::Serialize;

use super::dataset::{Dataset, Label};
use super::score::PAPERWORK;
use super::truth::Truth;
use crate::analytics::baseline::cusum::{Chart, State};
use crate::analytics::baseline::{self, Model, Observations, fit, observe, quality};
use crate::analytics::history::{self, Kind, Machine, Quantity};
use crate::analytics::robust;
use crate::catalog;
use crate::domain::bucket::{Calendar, ShiftStart};
use crate::domain::{Bucket, SensorKind, TimeRange};
use crate::figures::{self, walk};
use crate::model::Aggregate;

/// Kind of label of a lasting change of consumption.
const DRIFT: &str = "efficiency_loss";
/// Hours of production below which a reference's coefficient is not judged.
const LEAST_HOURS: f64 = 8.0;
/// An alarm so long after a labelled fault may still be its own, in seconds.
const AFTERMATH_S: i64 = 86_400;

/// What the models are made of.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Days at the start to fit to.
    pub baseline_days: i64,
    /// The plant's clock, for shifts.
    pub zone: Tz,
}

/// What was measured.
#[derive(Clone, Debug, Default, Serialize)]
pub struct EnergyReport {
    /// Machines with a model.
    pub models: usize,
    /// Machines that were refused.
    pub refused: usize,
    /// References of which the truth is known, with eight hours of production or more.
    pub references: usize,
    /// Of these, those whose coefficient is within 3 % of the truth.
    pub within_3_percent: usize,
    /// Median and largest |k / truth - 1|.
    pub median_error: Option<f64>,
    /// See `median_error`.
    pub largest_error: Option<f64>,
    /// Median and largest CV(RMSE) of shifts in the baseline period.
    pub cv_rmse_median: Option<f64>,
    /// See `cv_rmse_median`.
    pub cv_rmse_largest: Option<f64>,
    /// The same of shifts after it, without labelled faults and lots, and before any lasting change.
    pub cv_rmse_after_median: Option<f64>,
    /// See `cv_rmse_after_median`.
    pub cv_rmse_after_largest: Option<f64>,
    /// Lasting changes, and those that the CUSUM found, in all and in three days.
    pub drifts: usize,
    /// See `drifts`.
    pub drifts_found: usize,
    /// See `drifts`.
    pub drifts_found_in_3_days: usize,
    /// Days from the start of each until it was found.
    pub drift_delays_days: Vec<f64>,
    /// Alarms without a lasting change or a labelled fault.
    pub false_alarms: usize,
    /// Machine-weeks after the baseline period without a lasting change.
    pub machine_weeks: f64,
    /// False alarms a machine and week.
    pub false_alarms_per_machine_week: Option<f64>,
    /// By machine.
    pub machines: Vec<MachineReport>,
}

/// One machine.
#[derive(Clone, Debug, Default, Serialize)]
pub struct MachineReport {
    /// Key.
    pub machine: String,
    /// Why there is no model.
    pub refused: Option<String>,
    /// kW that are used whatever is made.
    pub base_kw: Option<f64>,
    /// Hours fitted to.
    pub hours: usize,
    /// R² of shifts in the baseline period.
    pub r2: Option<f64>,
    /// CV(RMSE) of shifts in the baseline period.
    pub cv_rmse: Option<f64>,
    /// CV(RMSE) and NMBE of shifts after it.
    pub cv_rmse_after: Option<f64>,
    /// See `cv_rmse_after`.
    pub nmbe_after: Option<f64>,
    /// Seconds at which the CUSUM raised an alarm without a cause, since 1970.
    pub false_alarms: Vec<i64>,
    /// Days until a lasting change was found.
    pub drift_delay_days: Option<f64>,
    /// Coefficients.
    pub references: Vec<ReferenceReport>,
    /// Shift by shift, for the picture.
    #[serde(skip)]
    pub course: Vec<Course>,
    /// Second at which the baseline period ends.
    #[serde(skip)]
    pub baseline_ends: i64,
    /// Second from which the machine takes more, where it does.
    #[serde(skip)]
    pub change: Option<i64>,
}

/// A shift, which is a step of the chart.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Course {
    /// Start, seconds since 1970.
    pub from: i64,
    /// End.
    pub to: i64,
    /// kWh that the model expects.
    pub expected: f64,
    /// kWh of the meter; `NaN` where it is not known.
    pub actual: f64,
    /// CUSUM of what is over, as a share of its limit, at the end.
    pub share: f64,
}

/// One reference.
#[derive(Clone, Debug, Serialize)]
pub struct ReferenceReport {
    /// Key.
    pub reference: String,
    /// kWh above the base a unit.
    pub kwh_per_unit: f64,
    /// Its standard error.
    pub standard_error: f64,
    /// Share that is the reference's own data's.
    pub own_share: f64,
    /// Hours of production fitted to.
    pub hours: f64,
    /// The truth, where it is known.
    pub truth: Option<f64>,
    /// k / truth - 1.
    pub error: Option<f64>,
}

/// Fits a model to each machine that has a meter and runs, and counts. `None` where none has.
pub fn evaluate(dataset: &Dataset, truth: &Truth, settings: &Settings) -> Option<EnergyReport> {
    let mut report = EnergyReport::default();
    for machine in &dataset.machines {
        let Some(meter) = meter(machine).filter(|_| !machine.runs.is_empty()) else { continue };
        let labels: Vec<&Label> =
            dataset.labels.iter().filter(|label| label.machine == machine.key).collect();
        if let Some(one) =
            one(machine, meter, &dataset.plant, &labels, truth, settings, &mut report)
        {
            report.machines.push(one);
        }
    }
    if report.machines.is_empty() {
        return None;
    }
    let all = |of: fn(&MachineReport) -> Option<f64>| -> Vec<f64> {
        report.machines.iter().filter_map(of).collect()
    };
    let largest = |values: &[f64]| values.iter().copied().reduce(f64::max);
    let fitted = all(|m| m.cv_rmse);
    let after = all(|m| m.cv_rmse_after);
    let judged = report.machines.iter().flat_map(|m| &m.references);
    let errors: Vec<f64> =
        judged.filter(|r| r.hours >= LEAST_HOURS).filter_map(|r| r.error.map(f64::abs)).collect();
    report.models = report.machines.iter().filter(|m| m.refused.is_none()).count();
    report.refused = report.machines.len() - report.models;
    report.references = errors.len();
    report.within_3_percent = errors.iter().filter(|e| **e <= 0.03).count();
    report.median_error = robust::median_of(&errors);
    report.largest_error = largest(&errors);
    report.cv_rmse_median = robust::median_of(&fitted);
    report.cv_rmse_largest = largest(&fitted);
    report.cv_rmse_after_median = robust::median_of(&after);
    report.cv_rmse_after_largest = largest(&after);
    report.drift_delays_days = all(|m| m.drift_delay_days);
    report.drifts_found = report.drift_delays_days.len();
    report.drifts_found_in_3_days = report.drift_delays_days.iter().filter(|d| **d <= 3.0).count();
    report.false_alarms = report.machines.iter().map(|m| m.false_alarms.len()).sum();
    report.false_alarms_per_machine_week =
        (report.machine_weeks > 0.0).then(|| report.false_alarms as f64 / report.machine_weeks);
    Some(report)
}

/// The machine's meter: energy, else power.
fn meter(machine: &Machine) -> Option<&history::Sensor> {
    let of = |quantity, gauge: bool| {
        machine.sensors.iter().find(|s| s.quantity == quantity && (s.kind == Kind::Gauge) == gauge)
    };
    of(Quantity::Energy, false).or_else(|| of(Quantity::Power, true))
}

fn one(
    machine: &Machine,
    meter: &history::Sensor,
    plant: &[history::Sensor],
    labels: &[&Label],
    truth: &Truth,
    settings: &Settings,
    report: &mut EnergyReport,
) -> Option<MachineReport> {
    let at = |second: i64| DateTime::from_timestamp(second, 0);
    let range = TimeRange::new(at(*meter.times.first()?)?, at(*meter.times.last()?)?).ok()?;
    let calendar = calendar(settings.zone);
    let edges = |bucket| -> Option<Vec<i64>> {
        let edges = calendar.edges(bucket, range, 1_000_000).ok()?;
        Some(edges.iter().map(DateTime::timestamp).collect())
    };
    let hours = edges(Bucket::Hour)?;
    let alone = baseline::Machine::alone(machine.states.clone(), machine.runs.len());
    let mut data = observe(&hours, &machine.runs, &[alone]);
    let drivers: Vec<&history::Sensor> =
        plant.iter().filter(|s| s.quantity == Quantity::Temperature).collect();
    data.drivers = drivers.iter().map(|s| s.key.clone()).collect();
    let energy = energy(meter, &hours);
    let means: Vec<Vec<Option<f64>>> = drivers.iter().map(|driver| mean(driver, &hours)).collect();
    for (index, interval) in data.intervals.iter_mut().enumerate() {
        *interval = std::mem::take(interval).measured(energy[index].share);
        interval.energy =
            energy[index].kwh.filter(|_| energy[index].is_certain).unwrap_or(f64::NAN);
        interval.drivers = means.iter().map(|m| m[index].unwrap_or(f64::NAN)).collect();
    }
    let ends = hours[0] + settings.baseline_days * 86_400;
    let learned = hours.partition_point(|hour| *hour < ends).min(data.intervals.len());
    let past = Observations { intervals: data.intervals[..learned].to_vec(), ..data.clone() };
    let mut out = MachineReport { machine: machine.key.clone(), ..MachineReport::default() };
    let model = match fit(&past) {
        Ok(model) => model,
        Err(refusal) => {
            out.refused = Some(refusal.to_string());
            return Some(out);
        }
    };
    out.base_kw = Some(model.base.value);
    out.hours = model.quality.n;
    let until = |reference: &str| truth.until(&machine.key, reference, ends);
    out.references = references(&model, &until);
    let steps = steps(&data, &model, &hours, &edges(Bucket::Shift)?);
    let watched = Watched { labels, ends: hours.get(learned).copied()? };
    watched.count(&steps, &model, &mut out, report);
    Some(out)
}

fn calendar(zone: Tz) -> Calendar {
    let shift = |hour| ShiftStart {
        key: format!("{hour}"),
        name: String::new(),
        starts_at: NaiveTime::from_hms_opt(hour, 0, 0).unwrap_or_default(),
    };
    Calendar { zone, shifts: [6, 14, 22].map(shift).into() }
}

fn steps(data: &Observations, model: &Model, hours: &[i64], shifts: &[i64]) -> Vec<Course> {
    let mut steps: Vec<Course> = shifts
        .windows(2)
        .map(|pair| Course { from: pair[0], to: pair[1], ..Course::default() })
        .collect();
    for (interval, hour) in data.intervals.iter().zip(hours) {
        let Some(index) = shifts.partition_point(|s| s <= hour).checked_sub(1) else { continue };
        if let Some(step) = steps.get_mut(index) {
            // As queries do, references that the baseline period has not seen are left out.
            let expected = model.expected(data, interval);
            if expected.is_known {
                step.expected += expected.energy;
                step.actual += interval.energy;
            }
        }
    }
    steps
}

pub(super) struct Watched<'a> {
    pub(super) labels: &'a [&'a Label],
    /// Second at which the baseline period ends.
    pub(super) ends: i64,
}

impl Watched<'_> {
    /// Whether a step, or the time of `after` seconds before it, has a label of a kind beside `others`.
    pub(super) fn is_labelled(&self, step: &Course, after: i64, others: &[&str]) -> bool {
        let touches = |label: &Label| label.start < step.to && step.from < label.end + after;
        self.labels.iter().any(|label| !others.contains(&label.kind.as_str()) && touches(label))
    }

    fn count(
        &self,
        steps: &[Course],
        model: &Model,
        out: &mut MachineReport,
        report: &mut EnergyReport,
    ) {
        let drift = self.labels.iter().find(|label| label.kind == DRIFT).map(|label| label.start);
        let fault = |step: &Course| self.is_labelled(step, AFTERMATH_S, &[DRIFT, PAPERWORK]);
        let calm = |step: &&Course| {
            let is_labelled = self.is_labelled(step, 0, &[DRIFT]);
            step.actual.is_finite() && !is_labelled && drift.is_none_or(|from| step.to <= from)
        };
        let pairs = |steps: Vec<&Course>| -> Vec<(f64, f64)> {
            steps.iter().map(|s| (s.actual, s.expected)).collect()
        };
        let past: Vec<&Course> = steps.iter().filter(|s| s.to <= self.ends).collect();
        let fitted =
            quality(pairs(past.iter().copied().filter(calm).collect()), model.coefficients);
        (out.r2, out.cv_rmse) = (fitted.r2, fitted.cv_rmse);
        let after: Vec<&Course> = steps.iter().filter(|s| s.from >= self.ends).collect();
        let fresh = quality(pairs(after.iter().copied().filter(calm).collect()), 0);
        (out.cv_rmse_after, out.nmbe_after) = (fresh.cv_rmse, fresh.nmbe);
        let quiet = after.iter().filter(|s| drift.is_none_or(|from| s.to <= from));
        report.machine_weeks += quiet.map(|s| (s.to - s.from) as f64 / 604_800.0).sum::<f64>();
        report.drifts += usize::from(drift.is_some());

        // The chart's scale comes from what was expected and used in the baseline period, as the
        // query type has it; it has no labels.
        let days = past.len().max(1) as f64 / 3.0;
        let run_length = 365.0 * past.len() as f64 / days;
        let learned: Vec<(f64, f64)> = past.iter().map(|s| (s.expected, s.actual)).collect();
        (out.baseline_ends, out.change) = (self.ends, drift);
        out.course = past.iter().map(|s| **s).collect();
        let Some(chart) = Chart::new(&learned, run_length) else { return };
        let mut state = State::default();
        let mut on = false;
        for step in after {
            state = chart.step(state, step.expected, step.actual);
            out.course.push(Course { share: state.over / chart.limit, ..*step });
            let rises = chart.is_alarm(state) && !on;
            on = chart.is_alarm(state);
            match drift.filter(|from| step.to > *from) {
                Some(from) if state.over > chart.limit && out.drift_delay_days.is_none() => {
                    out.drift_delay_days = Some((step.to - from) as f64 / 86_400.0);
                }
                Some(_) => {}
                None if rises && !fault(step) => out.false_alarms.push(step.to),
                None => {}
            }
        }
    }
}

fn references(model: &Model, truth: &dyn Fn(&str) -> Option<f64>) -> Vec<ReferenceReport> {
    let of = |reference: &baseline::Reference| {
        let truth = truth(&reference.key);
        ReferenceReport {
            reference: reference.key.clone(),
            kwh_per_unit: reference.k.value,
            standard_error: reference.k.error,
            own_share: reference.own,
            hours: reference.hours,
            truth,
            error: truth.map(|truth| reference.k.value / truth - 1.0),
        }
    };
    model.references.iter().map(of).collect()
}

/// Energy of the meter between edges, added up as queries do.
fn energy(meter: &history::Sensor, edges: &[i64]) -> Vec<figures::Metered> {
    let sensor = sensor(meter);
    let cells = cells(&sensor, meter, edges);
    let instants: Vec<DateTime<chrono::Utc>> =
        edges.iter().filter_map(|edge| DateTime::from_timestamp(*edge, 0)).collect();
    figures::metered(&[(0, &sensor)], 1, &instants, &cells).swap_remove(0)
}

fn mean(driver: &history::Sensor, edges: &[i64]) -> Vec<Option<f64>> {
    let sensor = sensor(driver);
    let cells = cells(&sensor, driver, edges);
    let owner = |_| Some((&sensor, 0));
    figures::pooled(owner, 1, edges.len() - 1, Aggregate::Mean, &cells).swap_remove(0)
}

fn cells(
    sensor: &catalog::Sensor,
    readings: &history::Sensor,
    edges: &[i64],
) -> Vec<crate::sql::cell::Cell> {
    let edges: Vec<f64> = edges.iter().map(|edge| *edge as f64).collect();
    let readings: Vec<(f64, f64)> =
        readings.times.iter().zip(&readings.values).map(|(t, v)| (*t as f64, *v)).collect();
    let (from, to) = (edges[0], edges[edges.len() - 1]);
    walk::cells_of_readings(&walk::Walk { window: 0, sensor, from, to }, &readings, &edges)
}

/// What the figures need to know of a sensor.
fn sensor(of: &history::Sensor) -> catalog::Sensor {
    let steps: Vec<f64> = of.times.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect();
    let interval_s = robust::median_of(&steps).unwrap_or(60.0).max(1.0);
    catalog::Sensor {
        id: 0,
        plant: 0,
        line: None,
        machine: None,
        key: of.key.clone(),
        name: String::new(),
        quantity: match of.quantity {
            Quantity::Power => "power",
            Quantity::Energy => "energy",
            _ => "other",
        }
        .to_owned(),
        unit: of.unit.clone(),
        kind: match of.kind {
            Kind::Gauge => SensorKind::Gauge,
            Kind::Counter => SensorKind::Counter,
            Kind::Delta => SensorKind::Delta,
        },
        interval_s,
        max_gap_s: 5.0 * interval_s,
        rollover: None,
        parent: None,
    }
}
