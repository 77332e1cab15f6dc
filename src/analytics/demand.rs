//! Demand against the contract: the mean power of each quarter of an hour, what was above the
//! contracted power of its tariff period, and what that costs.
//!
//! Excess is billed as in Spain for supplies with quarter-hour metering (CNMC, Circular 3/2020, article
//! 9.4.b): for each billing month and period `t_p × √(Σ_j (P_j − C_p)²)` over the quarters `j` above the
//! contract, with `P_j` and `C_p` in kW and `t_p` in the plant's currency per kW. Months are those of the
//! plant's clock, which a supplier's bill may cut elsewhere.
//!
//! What it does not see: quarters without complete readings (they have no demand), and reactive power.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::domain::tariff::Period;

/// Hours of a quarter of an hour.
pub const QUARTER_H: f64 = 0.25;

/// A quarter of an hour.
#[derive(Clone, Copy, Debug)]
pub struct Quarter<'a> {
    /// Its start.
    pub start: DateTime<Utc>,
    /// Mean power, kW; `None` where the meters do not have all of it.
    pub kw: Option<f64>,
    /// Year and month on the plant's clock.
    pub month: (i32, u32),
    /// Period of the tariff that holds; `None` where none does.
    pub period: Option<&'a Period>,
}

/// Demand in one period of the tariff.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Demand {
    /// Name of the period; empty where no tariff holds.
    pub period: String,
    /// Contracted power, kW; the least of several.
    pub contracted_kw: Option<f64>,
    /// The highest quarter: its start and kW.
    pub peak: Option<(DateTime<Utc>, f64)>,
    /// Quarters whose demand is known.
    pub quarters: usize,
    /// Quarters above the contract; `None` where none is known.
    pub above: Option<usize>,
    /// Energy above the contract, kWh; `None` where no contract is known.
    pub excess_kwh: Option<f64>,
    /// What the excess costs, in the plant's currency; `None` where a quarter above its contract has
    /// no price, or no contract is known.
    pub excess_cost: Option<f64>,
}

/// Demand by period, in the order of their names.
pub fn by_period(quarters: &[Quarter<'_>]) -> Vec<Demand> {
    let mut all: BTreeMap<&str, (Demand, Squares)> = BTreeMap::new();
    for quarter in quarters {
        let name = quarter.period.map_or("", |period| period.period.as_str());
        let (demand, squares) = all.entry(name).or_default();
        let contracted = quarter.period.and_then(|period| period.contracted_kw);
        if let Some(contracted) = contracted {
            demand.contracted_kw =
                Some(demand.contracted_kw.map_or(contracted, |known| known.min(contracted)));
            demand.above.get_or_insert_default();
            demand.excess_kwh.get_or_insert_default();
        }
        let Some(kw) = quarter.kw.filter(|kw| kw.is_finite()) else { continue };
        demand.quarters += 1;
        if demand.peak.is_none_or(|(_, highest)| kw > highest) {
            demand.peak = Some((quarter.start, kw));
        }
        let Some(excess) = contracted.map(|c| kw - c).filter(|excess| *excess > 0.0) else {
            continue;
        };
        demand.above = demand.above.map(|above| above + 1);
        demand.excess_kwh = demand.excess_kwh.map(|kwh| kwh + excess * QUARTER_H);
        squares.add(quarter, excess);
    }
    all.into_iter()
        .map(|(name, (demand, squares))| Demand {
            period: name.to_owned(),
            excess_cost: demand.contracted_kw.and_then(|_| squares.cost()),
            ..demand
        })
        .collect()
}

/// Squares of the excess of a period, by month and price.
#[derive(Debug, Default)]
struct Squares {
    /// Of each month, with the price; a new tariff within a month is billed by itself.
    months: Vec<((i32, u32), f64, f64)>,
    /// Something has no price.
    is_unknown: bool,
}

impl Squares {
    fn add(&mut self, quarter: &Quarter<'_>, excess: f64) {
        let Some(price) = quarter.period.and_then(|period| period.excess_price_per_kw) else {
            self.is_unknown = true;
            return;
        };
        let here = |(month, known, _): &&mut ((i32, u32), f64, f64)| {
            *month == quarter.month && *known == price
        };
        match self.months.iter_mut().find(here) {
            Some((.., sum)) => *sum += excess * excess,
            None => self.months.push((quarter.month, price, excess * excess)),
        }
    }

    fn cost(&self) -> Option<f64> {
        let cost = || self.months.iter().map(|(_, price, sum)| price * sum.sqrt()).sum();
        (!self.is_unknown).then(cost)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn period(name: &str, contracted: Option<f64>, price: Option<f64>) -> Period {
        Period {
            period: name.to_owned(),
            price_per_kwh: 0.1,
            contracted_kw: contracted,
            price_per_kw_year: None,
            excess_price_per_kw: price,
        }
    }

    fn quarter(index: i64, kw: Option<f64>, month: u32, period: Option<&Period>) -> Quarter<'_> {
        let start = DateTime::from_timestamp(index * 900, 0).expect("time");
        Quarter { start, kw, month: (2026, month), period }
    }

    #[test]
    fn excess_is_the_root_of_squares_of_each_month_and_period() {
        let (p1, p2) = (period("P1", Some(100.0), Some(3.4)), period("P2", Some(120.0), Some(1.7)));
        let quarters = [
            quarter(0, Some(103.0), 1, Some(&p1)),
            quarter(1, Some(104.0), 1, Some(&p1)),
            quarter(2, Some(100.0), 1, Some(&p1)),
            quarter(3, None, 1, Some(&p1)),
            quarter(4, Some(110.0), 2, Some(&p1)),
            quarter(5, Some(110.0), 2, Some(&p2)),
        ];
        let found = by_period(&quarters);
        // √(3² + 4²) × 3.40 in January, 10 × 3.40 in February.
        let first = Demand {
            period: "P1".to_owned(),
            contracted_kw: Some(100.0),
            peak: Some((quarters[4].start, 110.0)),
            quarters: 4,
            above: Some(3),
            excess_kwh: Some((3.0 + 4.0 + 10.0) / 4.0),
            excess_cost: Some(5.0 * 3.4 + 10.0 * 3.4),
        };
        let second = Demand {
            period: "P2".to_owned(),
            contracted_kw: Some(120.0),
            peak: Some((quarters[5].start, 110.0)),
            quarters: 1,
            above: Some(0),
            excess_kwh: Some(0.0),
            excess_cost: Some(0.0),
        };
        assert_eq!(found, [first, second]);
    }

    #[test]
    fn what_is_not_known_is_not_zero() {
        let (no_contract, no_price) =
            (period("P1", None, Some(3.4)), period("P2", Some(9.0), None));
        let quarters = [
            quarter(0, Some(10.0), 1, None),
            quarter(1, Some(10.0), 1, Some(&no_contract)),
            quarter(2, Some(10.0), 1, Some(&no_price)),
        ];
        let found = by_period(&quarters);
        let names: Vec<&str> = found.iter().map(|d| d.period.as_str()).collect();
        assert_eq!(names, ["", "P1", "P2"]);
        assert_eq!(found.iter().map(|d| d.above).collect::<Vec<_>>(), [None, None, Some(1)]);
        assert!(found.iter().all(|d| d.excess_cost.is_none()));
        assert_eq!(found[2].excess_kwh, Some(0.25));
        assert!(by_period(&[]).is_empty());
    }

    proptest! {
        #[test]
        fn quarters_add_up_whatever_their_order(
            kw in prop::collection::vec(prop::option::of(0.0..500.0_f64), 0..100),
        ) {
            let periods = [period("P1", Some(200.0), Some(2.0)), period("P2", None, None)];
            let mut quarters: Vec<_> = (0..)
                .zip(&kw)
                .map(|(i, kw)| quarter(i, *kw, 1 + (i % 3) as u32, Some(&periods[i as usize % 2])))
                .collect();
            let found = by_period(&quarters);
            let known = kw.iter().flatten().count();
            prop_assert_eq!(found.iter().map(|d| d.quarters).sum::<usize>(), known);
            quarters.reverse();
            let reversed = by_period(&quarters);
            for (one, other) in found.iter().zip(&reversed) {
                prop_assert_eq!(one.above, other.above);
                let near = |a: Option<f64>, b: Option<f64>| match (a, b) {
                    (Some(a), Some(b)) => (a - b).abs() <= 1e-9 * (1.0 + a.abs()),
                    (a, b) => a == b,
                };
                prop_assert!(near(one.excess_cost, other.excess_cost));
                prop_assert!(near(one.excess_kwh, other.excess_kwh));
            }
        }
    }
}
