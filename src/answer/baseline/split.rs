//! A place's energy by what it was used for, and its deviation by what was being made.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, Utc, Weekday};

use super::history::{Piece, Seen, Unit};
use crate::analytics::baseline::{Expected, Part, uses};
use crate::model::GroupBy;
use crate::plan::Run;

/// Energy with what it cost and emitted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Used {
    /// kWh.
    pub kwh: f64,
    /// Hours.
    pub hours: f64,
    /// At the prices of its time; `None` where one is missing.
    pub cost: Option<f64>,
    /// kg CO2, location-based; `None` where a factor is missing.
    pub co2: Option<f64>,
}

impl Default for Used {
    fn default() -> Self {
        Self { kwh: 0.0, hours: 0.0, cost: Some(0.0), co2: Some(0.0) }
    }
}

impl Used {
    /// Adds what another place used.
    pub fn merge(&mut self, other: Self) {
        self.kwh += other.kwh;
        self.hours += other.hours;
        self.cost = self.cost.zip(other.cost).map(|(a, b)| a + b);
        self.co2 = self.co2.zip(other.co2).map(|(a, b)| a + b);
    }

    fn add(&mut self, part: Part, piece: &Piece) {
        self.kwh += part.energy;
        self.hours += part.hours;
        // What was not used needs no price.
        if part.energy != 0.0 {
            self.cost = priced(self.cost, part.energy, piece.rate.price);
            self.co2 = priced(self.co2, part.energy, piece.rate.location_based);
        }
    }
}

/// A sum with what some kWh cost or emit; `None` as soon as a rate is missing.
pub(super) fn priced(sum: Option<f64>, kwh: f64, rate: Option<f64>) -> Option<f64> {
    Some(sum? + kwh * rate?)
}

/// What the energy of the time shown was used for, in the order of
/// [`crate::analytics::baseline::Use::ALL`]. Parts add up to the meters.
pub(super) fn by_use(unit: &Unit<'_>, seen: &Seen, expected: &[Expected]) -> [Used; 5] {
    let mut out = [Used::default(); 5];
    for ((piece, interval), expected) in seen.pieces.iter().zip(&seen.shown.intervals).zip(expected)
    {
        let Some(actual) = piece.metered.kwh else { continue };
        let day = piece.range.from().with_timezone(&unit.plant.calendar.zone).weekday();
        let is_weekend = matches!(day, Weekday::Sat | Weekday::Sun);
        for (used, part) in out.iter_mut().zip(uses(actual, interval, expected, is_weekend)) {
            used.add(part, piece);
        }
    }
    out
}

/// What was being made, and how far the meters were from what it should have taken.
#[derive(Debug, Clone, Default)]
pub(super) struct Making {
    /// Key of the lot; empty by reference, and for time in which nothing was made.
    pub lot: String,
    /// Key of the reference; empty for time in which nothing was made.
    pub reference: String,
    /// When it began and ended, as far as the time shown.
    pub from: Option<DateTime<Utc>>,
    /// See `from`.
    pub to: Option<DateTime<Utc>>,
    /// Runs.
    pub runs: usize,
    /// kWh of the meters.
    pub actual: f64,
    /// kWh that were expected.
    pub expected: f64,
    /// The deviation at the prices of its time; `None` where one is missing.
    pub cost: Option<f64>,
    /// The deviation in kg CO2, location-based.
    pub co2: Option<f64>,
}

impl Making {
    /// Actual less expected, kWh.
    pub fn deviation(&self) -> f64 {
        self.actual - self.expected
    }
}

/// The deviation of a place by lot or reference, with a row for the time without a run. Pieces are cut at
/// the runs' edges; what runs make at the same time is shared equally. Rows add up to the place.
pub(super) fn by_making(seen: &Seen, expected: &[Expected], group: GroupBy) -> Vec<Making> {
    let key = |run: &Run| match group {
        GroupBy::Lot => (run.lot.clone(), run.reference.clone()),
        _ => (String::new(), run.reference.clone()),
    };
    let mut out: BTreeMap<(String, String), Making> = BTreeMap::new();
    let mut runs: Vec<&Run> = seen.runs.iter().collect();
    runs.sort_by_key(|run| run.started_at);
    let (mut coming, mut on) = (runs.into_iter().peekable(), Vec::new());
    for (piece, expected) in seen.pieces.iter().zip(expected) {
        let (from, to) = (piece.range.from(), piece.range.to());
        on.extend(std::iter::from_fn(|| coming.next_if(|run| run.started_at < to)));
        on.retain(|run| run.ended_at.is_none_or(|end| end > from));
        let Some(actual) = piece.metered.kwh else { continue };
        let mut keys: Vec<(String, String)> = on.iter().map(|run| key(run)).collect();
        if keys.is_empty() {
            keys.push(Default::default());
        }
        let share = 1.0 / keys.len() as f64;
        for (lot, reference) in keys {
            let making = out.entry((lot.clone(), reference.clone())).or_insert_with(|| Making {
                lot,
                reference,
                cost: Some(0.0),
                co2: Some(0.0),
                ..Making::default()
            });
            making.from = Some(making.from.map_or(from, |first| first.min(from)));
            making.to = Some(making.to.map_or(to, |last| last.max(to)));
            making.actual += share * actual;
            making.expected += share * expected.energy;
            let deviation = share * (actual - expected.energy);
            making.cost = priced(making.cost, deviation, piece.rate.price);
            making.co2 = priced(making.co2, deviation, piece.rate.location_based);
        }
    }
    for run in &seen.runs {
        if let Some(making) = out.get_mut(&key(run)) {
            making.runs += 1;
        }
    }
    out.into_values().collect()
}
