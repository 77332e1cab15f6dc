//! What energy costs and emits: prices and factors by plant and time, and the slices of a plan
//! within which they do not change.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use chrono_tz::Tz;

use super::{KpiPlan, PlanError};
use crate::catalog::Plant;
use crate::domain::TimeRange;
use crate::domain::tariff::{Period, Terms};

/// Something that holds from a day of the plant's clock up to, and not including, another.
#[derive(Debug, Clone, PartialEq)]
pub struct Valid<T> {
    /// First day.
    pub from: NaiveDate,
    /// First day on which it no longer holds; `None`: until further notice.
    pub to: Option<NaiveDate>,
    /// What holds.
    pub what: T,
}

impl<T> Valid<T> {
    fn holds_on(&self, day: NaiveDate) -> bool {
        self.from <= day && self.to.is_none_or(|to| day < to)
    }
}

/// Prices and factors of one plant. Validities of one kind do not overlap.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PlantRates {
    /// ISO 4217 code of the plant's currency.
    pub currency: String,
    /// Tariffs.
    pub tariffs: Vec<Valid<Terms>>,
    /// kg CO2 per kWh by the mean of the grid.
    pub location_based: Vec<Valid<f64>>,
    /// kg CO2 per kWh by contract.
    pub market_based: Vec<Valid<f64>>,
}

/// Prices and factors by row id of the plant.
pub type Rates = BTreeMap<i32, PlantRates>;

/// What a kWh costs and emits; `None` where nothing holds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rate {
    /// Currency of the plant per kWh.
    pub price: Option<f64>,
    /// kg per kWh, by the mean of the grid.
    pub location_based: Option<f64>,
    /// kg per kWh, by contract.
    pub market_based: Option<f64>,
}

/// A rate with the instant from which it holds.
type Step = (DateTime<Utc>, Rate);

/// The intervals between neighbouring cuts. Each lies in one bucket, and no rate changes in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Slices {
    /// Edges of the buckets and instants at which a rate changes, ascending.
    pub cuts: Vec<DateTime<Utc>>,
    /// Bucket of each slice.
    bucket_of: Vec<usize>,
    /// Rates by plant, then by slice; empty where nobody asked for them.
    rates: BTreeMap<i32, Vec<Rate>>,
}

impl Slices {
    /// The buckets themselves.
    pub fn of_buckets(edges: &[DateTime<Utc>]) -> Self {
        let buckets = edges.len().saturating_sub(1);
        Self { cuts: edges.to_vec(), bucket_of: (0..buckets).collect(), rates: BTreeMap::new() }
    }

    /// The buckets, cut where a rate of one of the plants changes before `now`.
    pub fn of_rates(
        edges: &[DateTime<Utc>],
        rates: &Rates,
        plants: &[&Plant],
        now: DateTime<Utc>,
    ) -> Self {
        let (Some(first), Some(last)) = (edges.first(), edges.last()) else {
            return Self::of_buckets(edges);
        };
        let Ok(range) = TimeRange::new(*first, now.min(*last)) else {
            return Self::of_buckets(edges);
        };
        let steps: Vec<(i32, Vec<Step>)> = plants
            .iter()
            .filter_map(|plant| Some((plant.id, rates.get(&plant.id)?.steps(plant.zone(), range))))
            .collect();
        let changes = steps.iter().flat_map(|(_, steps)| steps.iter().map(|step| step.0));
        let changes = changes.filter(|change| first < change && change < last);
        let cuts: BTreeSet<DateTime<Utc>> = edges.iter().copied().chain(changes).collect();
        let cuts: Vec<DateTime<Utc>> = cuts.into_iter().collect();
        let starts = &cuts[..cuts.len() - 1];
        let bucket = |start: &DateTime<Utc>| edges.partition_point(|e| e <= start) - 1;
        let rate = |steps: &[Step], start: &DateTime<Utc>| {
            let next = steps.partition_point(|step| step.0 <= *start);
            next.checked_sub(1).map(|i| steps[i].1).unwrap_or_default()
        };
        let rates = steps
            .iter()
            .map(|(plant, steps)| (*plant, starts.iter().map(|s| rate(steps, s)).collect()))
            .collect();
        Self { bucket_of: starts.iter().map(bucket).collect(), rates, cuts }
    }

    /// The same slices as parts of one bucket.
    pub fn of_one_bucket(&self) -> Self {
        Self { bucket_of: vec![0; self.bucket_of.len()], ..self.clone() }
    }

    /// The bucket of a slice.
    pub fn bucket(&self, slice: usize) -> Option<usize> {
        self.bucket_of.get(slice).copied()
    }

    /// What a kWh of the plant costs and emits in a slice.
    pub fn rate(&self, plant: i32, slice: usize) -> Rate {
        let rates = self.rates.get(&plant);
        rates.and_then(|rates| rates.get(slice)).copied().unwrap_or_default()
    }
}

/// Rates are the same within a quarter of an hour: what the clock of a tariff counts in, and what
/// every time zone's offset is a multiple of.
const QUARTER_S: i64 = 900;

impl PlantRates {
    /// When the rates change in the range, and what they are from then on; the first entry is at or
    /// before the range's start.
    fn steps(&self, zone: Tz, range: TimeRange) -> Vec<Step> {
        // Nothing holds before the first day of all; a day of UTC is near enough to look from.
        let days = self.tariffs.iter().map(|v| v.from);
        let days = days.chain(self.location_based.iter().chain(&self.market_based).map(|v| v.from));
        changes(days.min(), range, |start| self.at(zone, start))
    }

    /// The periods of the tariff, one after the other without a gap over the whole range; `None` is
    /// time in which no tariff holds.
    pub(super) fn periods(&self, zone: Tz, range: TimeRange) -> Vec<(TimeRange, Option<&str>)> {
        let first = self.tariffs.iter().map(|v| v.from).min();
        let name = |start| Some(self.period_at(zone, start)?.period.as_str());
        let known = changes(first, range, name);
        let mut starts = vec![(range.from(), None)];
        starts.extend(known);
        let ends = starts.iter().skip(1).map(|next| next.0).chain([range.to()]);
        let part = |((from, period), to)| Some((range.clip(from, Some(to))?, period));
        starts.iter().copied().zip(ends).filter_map(part).collect()
    }

    /// The period of the tariff at an instant; `None` where no tariff holds.
    pub fn period_at(&self, zone: Tz, instant: DateTime<Utc>) -> Option<&Period> {
        let local = instant.with_timezone(&zone).naive_local();
        Some(holding(&self.tariffs, local.date())?.period_at(local))
    }

    fn at(&self, zone: Tz, instant: DateTime<Utc>) -> Rate {
        let day = instant.with_timezone(&zone).date_naive();
        Rate {
            price: self.period_at(zone, instant).map(|period| period.price_per_kwh),
            location_based: holding(&self.location_based, day).copied(),
            market_based: holding(&self.market_based, day).copied(),
        }
    }
}

/// The one currency of all plants; `None` without plants.
///
/// # Errors
/// [`PlanError::Currencies`]: amounts of money of several cannot be added.
pub fn currency(rates: &Rates) -> Result<Option<&str>, PlanError> {
    let all: BTreeSet<&str> = rates.values().map(|r| r.currency.as_str()).collect();
    if all.len() > 1 {
        let all: Vec<&str> = all.into_iter().collect();
        return Err(PlanError::Currencies(all.join(", ")));
    }
    Ok(all.into_iter().next())
}

/// When `what` changes in the range, and what it is from then on; the first entry is at or before the
/// range's start, unless nothing holds before `first_day`.
fn changes<T: PartialEq>(
    first_day: Option<NaiveDate>,
    range: TimeRange,
    what: impl Fn(DateTime<Utc>) -> T,
) -> Vec<(DateTime<Utc>, T)> {
    let Some(day) = first_day else { return Vec::new() };
    let earliest = day.and_time(NaiveTime::MIN).and_utc().timestamp() - 2 * 86_400;
    let first = range.from().timestamp().max(earliest).div_euclid(QUARTER_S) * QUARTER_S;
    let mut steps: Vec<(DateTime<Utc>, T)> = Vec::new();
    let quarters = (first..range.to().timestamp() + QUARTER_S).step_by(QUARTER_S as usize);
    for start in quarters.filter_map(|s| DateTime::from_timestamp(s, 0)) {
        if start >= range.to() {
            break;
        }
        let now = what(start);
        if steps.last().is_none_or(|last| last.1 != now) {
            steps.push((start, now));
        }
    }
    steps
}

fn holding<T>(all: &[Valid<T>], day: NaiveDate) -> Option<&T> {
    all.iter().find(|v| v.holds_on(day)).map(|v| &v.what)
}

impl KpiPlan<'_> {
    /// Cuts the plan where rates change, so that each part of the energy has one.
    pub fn price(&mut self, rates: &Rates, plants: &[&Plant], now: DateTime<Utc>) {
        self.slices = Slices::of_rates(&self.edges, rates, plants, now);
    }
}

#[cfg(test)]
mod tests;
