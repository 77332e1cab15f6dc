//! The features of runs, exact at their edges, from the sums of meters and thermometers and from states.

use std::collections::BTreeMap;

use super::super::{AnswerError, Source, sums};
use super::{Times, idle};
use crate::analytics::abnormal::{Feature, Features};
use crate::domain::Language;
use crate::figures;
use crate::figures::runs::{RunEnergy, RunHeat};
use crate::frame::Notice;
use crate::plan::{self, Ask, PlanError, Run, Selection, Slices, Window};
use crate::sql::cell::Ends;

/// Below this share of measured time a run's energy says too little.
const LEAST_COVERAGE: f64 = 0.9;
/// Most windows of one query, as of any other.
const MOST_WINDOWS: usize = 100_000;

/// Features of runs, and where they come from.
pub(super) struct Found {
    /// Of each run.
    pub features: Vec<Features>,
    /// Source, reason, rows and statement of the sums.
    pub source: String,
    pub reason: String,
    pub rows: f64,
    pub shown: String,
    pub notices: Vec<Notice>,
}

pub(super) async fn of(
    source: &Source<'_>,
    selection: &Selection<'_>,
    runs: &[Run],
    times: &Times,
    ask: &Ask,
    language: Language,
) -> Result<Found, AnswerError> {
    let meters = plan::run_energy(runs, selection, source.catalog, ask.now);
    let thermometers = plan::run_heat(runs, selection, source.catalog, ask.now);
    let count = meters.len() + thermometers.len();
    if count > MOST_WINDOWS {
        return Err(PlanError::TooManyWindows(count).into());
    }
    let windows: Vec<Window<'_>> =
        meters.iter().chain(&thermometers).map(|(_, window)| window.clone()).collect();
    let mut found = Found {
        features: vec![Features::default(); runs.len()],
        source: "runs".to_owned(),
        reason: "no meter or thermometer at the runs' places".to_owned(),
        rows: 0.0,
        shown: String::new(),
        notices: Vec::new(),
    };
    let mut energy: BTreeMap<usize, RunEnergy> = BTreeMap::new();
    let mut heat: BTreeMap<usize, RunHeat> = BTreeMap::new();
    let from = windows.iter().map(|w| w.range.from()).min();
    let to = windows.iter().map(|w| w.range.to()).max();
    if let Some((from, to)) = from.zip(to) {
        let sums = sums::fetch(source, &windows, &[from, to], Ends::Omit).await?;
        let (mut of_meters, mut of_thermometers) = (Vec::new(), Vec::new());
        for mut cell in sums.cells {
            match cell.window.checked_sub(meters.len()) {
                None => of_meters.push(cell),
                Some(window) => {
                    cell.window = window;
                    of_thermometers.push(cell);
                }
            }
        }
        energy = figures::runs::energy(&meters, &of_meters, &Slices::of_buckets(&[from, to]));
        heat = figures::runs::heat(&thermometers, &of_thermometers);
        (found.source, found.reason) = (sums.source, sums.reason);
        (found.rows, found.shown) = (sums.rows, sums.shown);
    }
    let idle = idle::shares(source, selection, runs, times, language).await?;
    found.notices = idle.notices;
    for (index, run) in runs.iter().enumerate() {
        let energy = energy.get(&index).filter(|e| e.coverage >= LEAST_COVERAGE);
        let features = &mut found.features[index];
        let idle = idle.shares.get(index).copied().flatten();
        of_run(features, run, energy.and_then(|e| e.energy), idle);
        if let Some(heat) = heat.get(&index) {
            features.set(Feature::MeanTemperature, heat.mean);
            features.set(Feature::PeakTemperature, heat.peak);
        }
    }
    Ok(found)
}

fn of_run(features: &mut Features, run: &Run, energy: Option<f64>, idle: Option<f64>) {
    let Some(end) = run.ended_at else { return };
    let hours = (end - run.started_at).num_milliseconds() as f64 / 3.6e6;
    let (good, all) = (run.good(), run.good() + run.scrap());
    let if_some = |units: f64, value: f64| (units > 0.0).then_some(value);
    features.set(Feature::Duration, Some(hours));
    features.set(Feature::IdleShare, idle);
    features.set(Feature::Rate, if_some(good, good / (hours * (1.0 - idle.unwrap_or(0.0)))));
    features.set(Feature::ScrapShare, run.scrap_units.and_then(|scrap| if_some(all, scrap / all)));
    features.set(Feature::MeanPower, energy.map(|kwh| kwh / hours));
    features.set(Feature::EnergyPerGoodUnit, energy.filter(|_| good > 0.0).map(|kwh| kwh / good));
}
