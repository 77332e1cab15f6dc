//! From findings to events of the time range: what was made then, and what it cost.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::super::{AnswerError, Source, fetch_rates, without_tariff};
use super::history::{Context, Unit};
use super::{Times, Watched, second};
use crate::analytics::finding::Finding;
use crate::analytics::monitor::Outcome;
use crate::catalog::Plant;
use crate::domain::{Language, TimeRange};
use crate::frame::Notice;
use crate::model;
use crate::plan::{self, Ask, Rates, Run, Slices};

/// A finding with its place, its run and its cost.
pub(super) struct Event<'a> {
    /// Position of the unit.
    pub watched: usize,
    /// Where.
    pub unit: &'a Unit<'a>,
    /// What the detectors said.
    pub finding: Finding,
    /// Start and end.
    pub range: TimeRange,
    /// Whether it is not over where the time range ends.
    pub is_open: bool,
    /// The run that it lies in most.
    pub run: Option<&'a Run>,
    /// Cost of the energy beyond the usual, in the currency of the plant; `None` without a price.
    pub cost: Option<f64>,
    /// Currency of the plant.
    pub currency: String,
}

impl Event<'_> {
    /// Why, and what it cost.
    pub fn reason(&self, language: Language) -> String {
        self.finding.say(language, self.cost.map(|cost| (cost, self.currency.as_str())))
    }
}

/// Without readings for so long, nobody knows whether an event lasts: it does not count as open.
const STALE_S: i64 = 3600;

/// The events that touch the time range and pass the filters on what was made, newest first.
pub(super) fn of<'a>(
    watched: &[Watched<'a>],
    context: &'a Context,
    filter: &model::Context,
    times: Times,
) -> Vec<Event<'a>> {
    let mut events: Vec<Event<'a>> = Vec::new();
    for (index, Watched { unit, outcome }) in watched.iter().enumerate() {
        let data_ends = outcome.start + outcome.step * outcome.score.len() as i64;
        let fresh = data_ends + STALE_S >= times.shown.to().timestamp();
        for finding in &outcome.findings {
            let whole = second(finding.start).zip(second(finding.end));
            let Some(range) = whole.and_then(|(from, to)| TimeRange::new(from, to).ok()) else {
                continue;
            };
            let run = run_of(unit, context, range);
            if times.shown.clip(range.from(), Some(range.to())).is_none() || !passes(run, filter) {
                continue;
            }
            events.push(Event {
                watched: index,
                unit,
                is_open: finding.is_open && fresh,
                range,
                run,
                finding: finding.clone(),
                cost: None,
                currency: String::new(),
            });
        }
    }
    events.sort_by(|a, b| {
        b.finding.start.cmp(&a.finding.start).then_with(|| a.unit.name().cmp(b.unit.name()))
    });
    events
}

/// The run of a unit that shares most time with a range.
fn run_of<'a>(unit: &Unit<'_>, context: &'a Context, range: TimeRange) -> Option<&'a Run> {
    let shared = |run: &Run| range.clip(run.started_at, run.ended_at).map(|r| r.seconds());
    let runs = context.runs.iter().filter(|run| unit.makes(run));
    let with = runs.filter_map(|run| Some((shared(run)?, run)));
    with.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, run)| run)
}

fn passes(run: Option<&Run>, filter: &model::Context) -> bool {
    if !filter.is_restricted() {
        return true;
    }
    run.is_some_and(|run| {
        let operator = run.operator.as_ref().map_or("", |operator| &operator.0);
        plan::keeps(run, filter)
            && filter.references.accepts(&run.reference)
            && filter.lots.accepts(&run.lot)
            && filter.operators.accepts(operator)
    })
}

/// Adds costs; a notice names the plants that have no price.
pub(super) async fn price<'a>(
    source: &Source<'_>,
    mut events: Vec<Event<'a>>,
    watched: &[Watched<'a>],
    ask: &Ask,
    language: Language,
) -> Result<(Vec<Event<'a>>, Vec<Notice>), AnswerError> {
    let with_energy = || events.iter().filter(|e| e.finding.energy_kwh.is_some());
    let from = with_energy().map(|e| e.range.from()).min();
    let to = with_energy().map(|e| e.range.to()).max();
    let plants: BTreeSet<i32> = with_energy().map(|e| e.unit.plant.id).collect();
    let Some(range) = from.zip(to).and_then(|(from, to)| TimeRange::new(from, to).ok()) else {
        return Ok((events, Vec::new()));
    };
    let rates = fetch_rates(source, plants, range).await?;
    let mut without: BTreeSet<&str> = BTreeSet::new();
    for event in &mut events {
        let plant = event.unit.plant;
        if let Some(rates) = rates.get(&plant.id) {
            event.currency.clone_from(&rates.currency);
        }
        if event.finding.energy_kwh.is_none() {
            continue;
        }
        event.cost = cost(&watched[event.watched].outcome, event.range, &rates, plant, ask.now);
        if event.cost.is_none() {
            without.insert(&plant.key);
        }
    }
    let keys: Vec<&str> = without.into_iter().collect();
    let notice = without_tariff(
        &keys,
        "the energy: its cost is empty",
        "de la energía: su coste queda vacío",
        language,
    );
    Ok((events, notice.into_iter().collect()))
}

/// Σ excess power × time × price over the cells of an event; `None` where energy has no price.
fn cost(
    outcome: &Outcome,
    range: TimeRange,
    rates: &Rates,
    plant: &Plant,
    now: DateTime<Utc>,
) -> Option<f64> {
    let slices = Slices::of_rates(&[range.from(), range.to()], rates, &[plant], now);
    let hours = outcome.step as f64 / 3600.0;
    let cell =
        |at: DateTime<Utc>| ((at.timestamp() - outcome.start) / outcome.step).max(0) as usize;
    let cells = cell(range.from())..cell(range.to()).min(outcome.excess_kw.len());
    let mut cost = 0.0;
    for index in cells {
        let kwh = f64::from(outcome.excess_kw[index]) * hours;
        if !kwh.is_finite() || kwh == 0.0 {
            continue;
        }
        let at = second(outcome.start + index as i64 * outcome.step)?;
        let slice = slices.cuts.partition_point(|cut| *cut <= at).saturating_sub(1);
        cost += kwh * slices.rate(plant.id, slice).price?;
    }
    Some(cost)
}
