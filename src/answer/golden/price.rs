//! What the deviation from the golden curve is in energy and money.

use std::collections::BTreeSet;

use super::super::{AnswerError, Source, fetch_rates, without_tariff};
use super::{Answer, Judged};
use crate::domain::TimeRange;
use crate::frame::Notice;
use crate::plan::{Ask, Grid, Slices};

/// Adds energy and cost to curves of power. A notice names the plants that have no price.
pub(super) async fn price(
    source: &Source<'_>,
    answer: &mut Answer<'_>,
    ask: &Ask,
) -> Result<Option<Notice>, AnswerError> {
    let judged = || answer.judged.iter().filter(|j| j.verdict.is_some());
    let from = judged().map(|j| j.made.from).min();
    let to = judged().map(|j| j.made.to).max();
    let Some(range) = from.zip(to).and_then(|(from, to)| TimeRange::new(from, to).ok()) else {
        return Ok(None);
    };
    if answer.unit != "kW" {
        return Ok(None);
    }
    let plants: BTreeSet<i32> = judged().map(|j| j.made.plant).collect();
    let rates = fetch_rates(source, plants, range).await?;
    let mut without: BTreeSet<&str> = BTreeSet::new();
    for judged in answer.judged.iter_mut().filter(|j| j.verdict.is_some()) {
        let Some(plant) = source.catalog.plant(judged.made.plant) else { continue };
        if let Some(rates) = rates.get(&plant.id) {
            judged.currency.clone_from(&rates.currency);
        }
        let edges = [judged.made.from, judged.made.to];
        let slices = Slices::of_rates(&edges, &rates, &[plant], ask.now);
        let (energy, cost) = deviation(judged, answer.grid, &slices);
        (judged.energy, judged.cost) = (Some(energy), cost);
        if cost.is_none() {
            without.insert(&plant.key);
        }
    }
    let keys: Vec<&str> = without.into_iter().collect();
    Ok(without_tariff(
        &keys,
        "the time: the cost is empty",
        "del tiempo: el coste queda vacío",
        answer.language,
    ))
}

/// Σ (level - median) × measured hours over the judged steps, in kWh; and the same times the price at
/// the start of each step, `None` where one has no price.
fn deviation(judged: &Judged<'_>, grid: Grid, slices: &Slices) -> (f64, Option<f64>) {
    let bands = judged.golden.envelope.as_ref().as_ref().map(|e| e.bands.as_slice());
    let (mut energy, mut cost) = (0.0, Some(0.0));
    for (step, (level, band)) in judged.levels.iter().zip(bands.unwrap_or_default()).enumerate() {
        let (Some(value), Some(band)) = (level.value, band) else { continue };
        let kwh = (value - band.median) * level.covered_s / 3600.0;
        energy += kwh;
        let at = grid.instant(judged.made, step);
        let slice = slices.cuts.partition_point(|cut| *cut <= at).saturating_sub(1);
        let price = slices.rate(judged.made.plant, slice).price;
        cost = cost.zip(price).map(|(cost, price)| cost + kwh * price);
    }
    (energy, cost)
}
