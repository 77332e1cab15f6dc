//! Energy beyond the usual of what was made, and what it cost.

use std::collections::BTreeSet;

use super::super::{AnswerError, Source, fetch_rates, sums, without_tariff};
use super::Judged;
use crate::analytics::abnormal::Feature;
use crate::domain::{Language, TimeRange};
use crate::figures;
use crate::frame::Notice;
use crate::plan::{self, Ask, Run, Selection, Slices, Window};
use crate::sql::cell::Ends;

/// Adds energy and cost to the abnormal runs. A notice names the plants that have no price.
pub(super) async fn price(
    source: &Source<'_>,
    selection: &Selection<'_>,
    judged: &mut [Judged<'_>],
    ask: &Ask,
    language: Language,
) -> Result<Option<Notice>, AnswerError> {
    for judged in judged.iter_mut() {
        judged.energy = excess(judged);
    }
    let wanted: Vec<usize> = (0..judged.len())
        .filter(|i| judged[*i].is_abnormal() && judged[*i].energy.is_some())
        .collect();
    let runs: Vec<Run> = wanted.iter().map(|i| judged[*i].run.clone()).collect();
    let from = runs.iter().map(|run| run.started_at).min();
    let to = runs.iter().filter_map(|run| run.ended_at).max();
    let Some(range) = from.zip(to).and_then(|(from, to)| TimeRange::new(from, to).ok()) else {
        return Ok(None);
    };
    let plants: BTreeSet<i32> = runs.iter().map(|run| run.plant).collect();
    let rates = fetch_rates(source, plants.iter().copied(), range).await?;
    let places: Vec<_> = plants.iter().filter_map(|id| source.catalog.plant(*id)).collect();
    let slices = Slices::of_rates(&[range.from(), range.to()], &rates, &places, ask.now);
    let meters = plan::run_energy(&runs, selection, source.catalog, ask.now);
    let windows: Vec<Window<'_>> = meters.iter().map(|(_, window)| window.clone()).collect();
    let sums = sums::fetch(source, &windows, &slices.cuts, Ends::Omit).await?;
    let used = figures::runs::energy(&meters, &sums.cells, &slices);
    let mut without: BTreeSet<&str> = BTreeSet::new();
    for (position, index) in wanted.into_iter().enumerate() {
        let judged = &mut judged[index];
        if let Some(rates) = rates.get(&judged.run.plant) {
            judged.currency.clone_from(&rates.currency);
        }
        let mean_price = used.get(&position).and_then(|used| Some(used.cost? / used.energy?));
        judged.cost = judged.energy.zip(mean_price.filter(|p| p.is_finite())).map(|(e, p)| e * p);
        if judged.cost.is_none() {
            without.extend(source.catalog.plant(judged.run.plant).map(|p| p.key.as_str()));
        }
    }
    let keys: Vec<&str> = without.into_iter().collect();
    Ok(without_tariff(
        &keys,
        "the energy: its cost is empty",
        "de la energía: su coste queda vacío",
        language,
    ))
}

/// (kWh per unit - usual) × good units; without units, (mean power - usual) × hours.
fn excess(judged: &Judged<'_>) -> Option<f64> {
    let verdict = judged.verdict.as_ref().ok()?;
    let beyond = |feature| verdict.of(feature).map(|d| d.value - d.usual);
    if let Some(per_unit) = beyond(Feature::EnergyPerGoodUnit) {
        return Some(per_unit * judged.run.good());
    }
    Some(beyond(Feature::MeanPower)? * judged.features.get(Feature::Duration)?)
}
