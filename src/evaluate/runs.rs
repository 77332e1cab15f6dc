//! Whole runs and golden curves against labelled data, as time would: each run is judged by those that
//! ended in the thirty days before the midnight before its own end.

use std::collections::BTreeMap;

use serde::Serialize;

use super::dataset::{Dataset, Label};
use super::score::PAPERWORK;
use crate::analytics::abnormal::{Feature, Features, Model, Sample};
use crate::analytics::golden::{Candidate, Choice, Envelope, choose};
use crate::analytics::grid::{Grid, resample};
use crate::analytics::history::{Machine, Quantity, Run};

const DAY_S: i64 = 86_400;
const LEARNING_S: i64 = 30 * DAY_S;
/// Days at the start in which nothing is judged.
const FIRST_DAYS: i64 = 14;
/// Minutes of a golden curve's step.
const STEP_MIN: usize = 5;
/// Score above which a golden curve counts as left; what docs/analytics.md recommends for alert rules.
pub const GOLDEN_LIMIT: f64 = 2.5;
/// A run is faulty when a fault takes so much of its time; less is neither faulty nor sound.
const FAULTY_SHARE: f64 = 0.15;
/// The same in seconds.
const FAULTY_S: i64 = 600;

/// What a method found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Method {
    /// Faulty runs that were judged, and those above the limit.
    pub faulty: usize,
    /// See `faulty`.
    pub found: usize,
    /// Share found.
    pub recall: Option<f64>,
    /// Sound runs that were judged, and those above the limit.
    pub sound: usize,
    /// See `sound`.
    pub false_alarms: usize,
    /// Share of the sound runs above the limit.
    pub false_alarm_rate: Option<f64>,
    /// Runs without a norm.
    pub refused: usize,
    /// Faults with a run that was judged, and those with one above the limit.
    pub faults: usize,
    /// See `faults`.
    pub faults_found: usize,
    /// Faulty and found, by kind.
    pub kinds: BTreeMap<String, (usize, usize)>,
    /// Every score with whether the run is faulty, for other limits.
    #[serde(skip)]
    pub scores: Vec<(f64, bool)>,
    /// Whether each fault was found.
    #[serde(skip)]
    labels: BTreeMap<(String, i64, String), bool>,
}

/// Figures of both methods.
#[derive(Clone, Debug, Default, Serialize)]
pub struct RunsReport {
    /// Robust Mahalanobis distance of the features, above its limit of 1.
    pub abnormal_runs: Method,
    /// Golden curve of power by elapsed time, score above 2.5.
    pub golden_power: Method,
    /// Golden curve of the process temperature, score above 2.5.
    pub golden_temperature: Method,
}

/// A run with all that it is judged by.
struct Known<'a> {
    run: &'a Run,
    features: Features,
    power: Vec<f64>,
    heat: Vec<f64>,
    candidate: Candidate,
}

/// Judges all runs of a dataset.
pub fn evaluate(dataset: &Dataset) -> RunsReport {
    let mut report = RunsReport::default();
    for machine in &dataset.machines {
        let labels: Vec<&Label> =
            dataset.labels.iter().filter(|label| label.machine == machine.key).collect();
        of_machine(machine, &labels, &mut report);
    }
    for method in
        [&mut report.abnormal_runs, &mut report.golden_power, &mut report.golden_temperature]
    {
        let share = |part: usize, whole: usize| (whole > 0).then(|| part as f64 / whole as f64);
        method.faults = method.labels.len();
        method.faults_found = method.labels.values().filter(|found| **found).count();
        method.recall = share(method.found, method.faulty);
        method.false_alarm_rate = share(method.false_alarms, method.sound);
    }
    report
}

fn of_machine<'a>(machine: &'a Machine, labels: &[&Label], report: &mut RunsReport) {
    let Some(grid) = Grid::of(machine) else { return };
    let known: Vec<Known<'a>> = known(machine, &grid);
    let mut references: Vec<&str> = known.iter().map(|k| k.run.reference.as_str()).collect();
    references.sort_unstable();
    references.dedup();
    let position =
        |run: &Run| references.binary_search(&run.reference.as_str()).unwrap_or_default();
    let first = grid.start + FIRST_DAYS * DAY_S;
    let days = (first.div_euclid(DAY_S))..=(grid.second(grid.cells).div_euclid(DAY_S));
    for midnight in days.map(|day| day * DAY_S) {
        let ended =
            |from: i64, to: i64| known.iter().filter(move |k| (from..to).contains(&k.run.end));
        let past: Vec<&Known<'a>> = ended(midnight - LEARNING_S, midnight).collect();
        let samples: Vec<Sample> = past
            .iter()
            .map(|k| Sample { reference: position(k.run), features: k.features })
            .collect();
        let model = Model::learn(&samples, references.len());
        for judged in ended(midnight, midnight + DAY_S) {
            let Some(truth) = truth(judged.run, labels) else { continue };
            let sample = Sample { reference: position(judged.run), features: judged.features };
            let score = model.judge(&sample).ok().map(|verdict| verdict.score);
            note(&mut report.abnormal_runs, score, 1.0, &truth);
            let like: Vec<&Known<'a>> =
                past.iter().filter(|k| k.run.reference == judged.run.reference).copied().collect();
            let candidates: Vec<Candidate> = like.iter().map(|k| k.candidate).collect();
            let chosen = choose(&candidates, Choice::Good);
            let score = |of: for<'k> fn(&'k Known<'a>) -> &'k [f64]| {
                let norms: Vec<&[f64]> = chosen.iter().map(|i| of(like[*i])).collect();
                Some(Envelope::learn(&norms)?.judge(of(judged))?.score)
            };
            note(&mut report.golden_power, score(|k| &k.power), GOLDEN_LIMIT, &truth);
            note(&mut report.golden_temperature, score(|k| &k.heat), GOLDEN_LIMIT, &truth);
        }
    }
}

/// The faults of a run, none for a sound one; `None` for what is neither.
fn truth<'l>(run: &Run, labels: &[&'l Label]) -> Option<Vec<&'l Label>> {
    let mut faults = Vec::new();
    let mut touched = false;
    for label in labels {
        let shared = run.end.min(label.end) - run.start.max(label.start);
        if shared <= 0 {
            continue;
        }
        touched = true;
        let enough = (FAULTY_SHARE * (run.end - run.start) as f64) as i64;
        if label.kind == PAPERWORK {
            return None;
        }
        if shared >= enough.max(FAULTY_S) {
            faults.push(*label);
        }
    }
    (!touched || !faults.is_empty()).then_some(faults)
}

fn note(method: &mut Method, score: Option<f64>, limit: f64, faults: &[&Label]) {
    let Some(score) = score else {
        method.refused += 1;
        return;
    };
    let is_above = score > limit;
    method.scores.push((score, !faults.is_empty()));
    if faults.is_empty() {
        method.sound += 1;
        method.false_alarms += usize::from(is_above);
        return;
    }
    method.faulty += 1;
    method.found += usize::from(is_above);
    for label in faults {
        let key = (label.machine.clone(), label.start, label.kind.clone());
        *method.labels.entry(key).or_default() |= is_above;
        let entry = method.kinds.entry(label.kind.clone()).or_default();
        entry.0 += 1;
        entry.1 += usize::from(is_above);
    }
}

fn known<'a>(machine: &'a Machine, grid: &Grid) -> Vec<Known<'a>> {
    let all = |quantity: Quantity| -> Vec<Vec<f64>> {
        let of = machine.sensors.iter().filter(|s| s.quantity == quantity);
        of.map(|sensor| resample(sensor, grid)).collect()
    };
    let factor =
        machine.sensors.iter().find(|s| s.quantity == Quantity::Power).map_or(1.0, |s| s.to_kilo);
    let power: Vec<f64> = all(Quantity::Power)
        .into_iter()
        .next()
        .unwrap_or_default()
        .into_iter()
        .map(|p| p * factor)
        .collect();
    let heat = all(Quantity::Temperature).into_iter().next().unwrap_or_default();
    let closed = machine.runs.iter().filter(|run| run.end < i64::MAX && run.end > run.start);
    closed.map(|run| of_run(machine, grid, run, &power, &heat)).collect()
}

fn of_run<'a>(
    machine: &Machine,
    grid: &Grid,
    run: &'a Run,
    power: &[f64],
    heat: &[f64],
) -> Known<'a> {
    let cells = grid.clamped(run.start)..grid.clamped(run.end);
    let part = |values: &[f64]| -> Vec<f64> {
        values.get(cells.clone()).map(<[f64]>::to_vec).unwrap_or_default()
    };
    let (mut power, mut heat) = (part(power), part(heat));
    // Stops are no part of a golden curve; the minutes around them are partly stops.
    let mut stopped = vec![false; power.len()];
    for span in machine.states.iter().filter(|span| span.state != "running") {
        let from = grid.clamped(span.start).saturating_sub(cells.start + 1);
        let to = (grid.clamped(span.end) + 2).saturating_sub(cells.start).min(stopped.len());
        if span.end > run.start && span.start < run.end && from < to {
            stopped[from..to].fill(true);
        }
    }
    let hours = (run.end - run.start) as f64 / 3600.0;
    let idle = idle_share(machine, run);
    let running = hours * (1.0 - idle.unwrap_or(0.0));
    let mean = crate::analytics::robust::mean;
    let measured = power.iter().filter(|p| p.is_finite()).count() as f64;
    let mean_power = mean(&power).filter(|_| measured >= 0.9 * power.len() as f64);
    let good = run.good_units.filter(|units| *units > 0.0);
    let scrap = good.zip(run.scrap_units).map(|(good, scrap)| scrap / (good + scrap));
    let per_unit = mean_power.zip(good).map(|(kw, units)| kw * hours / units);
    let mut features = Features::default();
    features.set(Feature::EnergyPerGoodUnit, per_unit);
    features.set(Feature::Rate, good.map(|units| units / running));
    features.set(Feature::MeanPower, mean_power);
    features.set(Feature::MeanTemperature, mean(&heat));
    let peak = heat.iter().copied().filter(|t| t.is_finite()).reduce(f64::max);
    features.set(Feature::PeakTemperature, peak);
    features.set(Feature::Duration, Some(hours));
    features.set(Feature::ScrapShare, scrap);
    features.set(Feature::IdleShare, idle);
    for values in [&mut power, &mut heat] {
        for (value, stopped) in values.iter_mut().zip(&stopped) {
            *value = if *stopped { f64::NAN } else { *value };
        }
    }
    let step = grid.cells_in(STEP_MIN as f64);
    let curve = |values: &[f64]| -> Vec<f64> {
        values.chunks(step).map(|part| mean(part).unwrap_or(f64::NAN)).collect()
    };
    let candidate =
        Candidate { energy_per_good_unit: per_unit, seconds: hours * 3600.0, scrap_share: scrap };
    Known { run, features, power: curve(&power), heat: curve(&heat), candidate }
}

fn idle_share(machine: &Machine, run: &Run) -> Option<f64> {
    let mut idle = 0;
    for span in machine.states.iter().filter(|span| span.state != "running") {
        idle += (run.end.min(span.end) - run.start.max(span.start)).max(0);
    }
    (!machine.states.is_empty()).then(|| idle as f64 / (run.end - run.start) as f64)
}

/// Prints a table.
pub fn print(report: &RunsReport) {
    let show = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.3}"));
    for (name, method) in [
        ("abnormal runs, score above 1", &report.abnormal_runs),
        ("golden power, score above 2.5", &report.golden_power),
        ("golden temperature, score above 2.5", &report.golden_temperature),
    ] {
        println!("{name}");
        println!(
            "  faulty runs found      {} of {} ({})",
            method.found,
            method.faulty,
            show(method.recall)
        );
        println!("  faults with a run above {} of {}", method.faults_found, method.faults);
        println!(
            "  sound runs above       {} of {} ({}), without a norm {}",
            method.false_alarms,
            method.sound,
            show(method.false_alarm_rate),
            method.refused
        );
        for (kind, (faulty, found)) in &method.kinds {
            println!("  {kind:<22} {found} of {faulty}");
        }
        for rate in [0.01, 0.02, 0.05] {
            if let Some((limit, recall)) = at_rate(&method.scores, rate) {
                println!("  recall {recall:.3} at {rate} false alarms (limit {limit:.2})");
            }
        }
    }
}

/// The limit that a share of the sound runs exceeds, and the recall there. For comparison only: the
/// limit is chosen on the data that it is measured on.
fn at_rate(scores: &[(f64, bool)], rate: f64) -> Option<(f64, f64)> {
    let sound: Vec<f64> = scores.iter().filter(|s| !s.1).map(|s| s.0).collect();
    let limit = crate::analytics::robust::quantile(&sound, 1.0 - rate)?;
    let faulty: Vec<f64> = scores.iter().filter(|s| s.1).map(|s| s.0).collect();
    let found = faulty.iter().filter(|score| **score > limit).count();
    (!faulty.is_empty()).then(|| (limit, found as f64 / faulty.len() as f64))
}
