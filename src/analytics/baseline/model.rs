//! The fitted model and what it expects; or why there is none.

use std::collections::HashMap;

use super::observe::{Interval, Observations};
use super::quality::Quality;
use crate::domain::Say;

/// A coefficient with its standard error.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Coefficient {
    /// Value.
    pub value: f64,
    /// Standard error, with the dependence of neighbouring intervals.
    pub error: f64,
}

/// What the energy of a reference is proportional to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Measure {
    /// Units made.
    Units {
        /// Units an hour that it is usually made at.
        rate: f64,
    },
    /// Hours of production: nobody counted units in the baseline period.
    Hours,
}

/// A reference's part of the model.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    /// Key.
    pub key: String,
    /// What its energy is proportional to.
    pub measure: Measure,
    /// kWh above the base a unit, or an hour, by its measure.
    pub k: Coefficient,
    /// Share of `k` that is its own data's and not the machine's, 0 to 1.
    pub own: f64,
    /// Units made in the intervals fitted to.
    pub units: f64,
    /// Hours of production in them.
    pub hours: f64,
}

/// A driver's part of the model.
#[derive(Clone, Debug, PartialEq)]
pub struct Driver {
    /// Name.
    pub name: String,
    /// kW for each unit of the driver above `centre`, whatever is made.
    pub slope: Coefficient,
    /// Relative change of the energy of production for each unit of the driver above `centre`.
    pub share: Coefficient,
    /// Mean over the baseline period; there the driver adds nothing.
    pub centre: f64,
    /// Least and largest value of the baseline period: the valid range.
    pub range: (f64, f64),
}

/// A fitted model.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// kW that are used whatever is made.
    pub base: Coefficient,
    /// kW above the base in each resting state.
    pub states: Vec<(String, Coefficient)>,
    /// References, in order of appearance.
    pub references: Vec<Reference>,
    /// Drivers.
    pub drivers: Vec<Driver>,
    /// kW above the base while anything is made: the machine's own model, for references that were
    /// never seen.
    pub production_kw: f64,
    /// Share of the energy of production that goes with the units, 0 to 1; the rest goes with the time
    /// in which they are made.
    pub by_units: f64,
    /// Coefficients in all.
    pub coefficients: usize,
    /// Largest production in an interval, kWh an hour: the valid range goes up to it.
    pub largest_kw: f64,
    /// Figures over the intervals that it was fitted to.
    pub quality: Quality,
    /// Position of each reference.
    pub(super) index: HashMap<String, usize>,
}

/// What is expected of an interval; the parts add up to `energy`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Expected {
    /// kWh in all.
    pub energy: f64,
    /// kWh of the base.
    pub base: f64,
    /// kWh of resting states, above the base.
    pub resting: f64,
    /// kWh of production, above the base.
    pub production: f64,
    /// kWh of drivers; less than nothing where they save.
    pub drivers: f64,
    /// Whether it is within what the baseline period has seen: references, drivers, and power.
    pub is_valid: bool,
    /// Whether the baseline period has seen its references.
    pub is_known: bool,
}

impl Model {
    /// What the model expects of an interval. A reference that was never seen uses what the machine
    /// uses for anything it makes; a run without units what its reference uses in the time; a driver
    /// that is not known counts as average.
    pub fn expected(&self, names: &Observations, interval: &Interval) -> Expected {
        let mut out = Expected { is_valid: true, is_known: true, ..Expected::default() };
        out.base = self.base.value * interval.hours;
        for &(state, hours) in &interval.resting {
            let name = names.states.get(state);
            let term = self.states.iter().find(|(known, _)| Some(known) == name);
            out.resting += term.map_or(0.0, |(_, kw)| kw.value) * hours;
        }
        for made in &interval.made {
            let name = names.references.get(made.reference);
            let known = name.and_then(|name| self.index.get(name)).map(|&i| &self.references[i]);
            out.is_known &= known.is_some();
            out.production += match known {
                None => self.production_kw * made.hours,
                Some(known) => known.energy(made.units, made.hours, self.by_units),
            };
        }
        for (driver, &value) in self.drivers.iter().zip(&interval.drivers) {
            if value.is_finite() {
                let production = self.production_kw * interval.production_hours();
                let kwh = driver.slope.value * interval.hours + driver.share.value * production;
                out.drivers += kwh * (value - driver.centre);
                let margin = 0.05 * (driver.range.1 - driver.range.0);
                out.is_valid &=
                    value >= driver.range.0 - margin && value <= driver.range.1 + margin;
            }
        }
        out.is_valid &= out.is_known;
        out.is_valid &= out.production <= 1.1 * self.largest_kw * interval.hours;
        out.energy = out.base + out.resting + out.production + out.drivers;
        out
    }
}

impl Reference {
    fn energy(&self, units: f64, hours: f64, by_units: f64) -> f64 {
        match self.measure {
            Measure::Units { rate } => self.k.value * effective(units, hours, rate, by_units),
            Measure::Hours => self.k.value * hours,
        }
    }
}

/// Units that energy goes with: what was made, and what is usually made in the time, by share. What
/// nobody has counted yet is what is usual. At the usual rate both are the units made.
pub(super) fn effective(units: f64, hours: f64, rate: f64, by_units: f64) -> f64 {
    let usual = rate * hours;
    if units > 0.0 { by_units * units + (1.0 - by_units) * usual } else { usual }
}

/// Least intervals with known energy, and with production.
pub(super) const LEAST_INTERVALS: usize = 48;
pub(super) const LEAST_PRODUCING: usize = 12;
/// Largest CV(RMSE) over the intervals fitted to: ASHRAE Guideline 14 asks 30 % of hourly models; as
/// far again, and the model is no better than a guess.
pub(super) const MOST_CV: f64 = 0.5;

/// Why the data carries no model; the text says what to change.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// Too few intervals with known energy.
    #[error(
        "the baseline period has {known} intervals (hours, or days of meters that send less often) of known energy, at least {LEAST_INTERVALS} are needed: choose a longer period, or look at the data quality of the meters"
    )]
    TooShort {
        /// Intervals with known energy.
        known: usize,
    },
    /// Too little production.
    #[error(
        "only {producing} intervals of the baseline period have production, at least {LEAST_PRODUCING} are needed: choose a longer period, or send runs with POST /v1/runs"
    )]
    NoProduction {
        /// Intervals with production.
        producing: usize,
    },
    /// The meter does not move.
    #[error("the meter counts nothing in the baseline period: choose another period or place")]
    NoEnergy,
    /// Production does not explain the energy.
    #[error(
        "production explains too little of the energy: the model misses by {cv_percent:.0} % of the mean (CV(RMSE)), more than {most:.0} %; look for a driver such as outdoor temperature, runs that are missing, or meters that measure something else too",
        most = MOST_CV * 100.0
    )]
    Poor {
        /// CV(RMSE) in percent.
        cv_percent: f64,
    },
    /// Numbers that are not finite.
    #[error(
        "the readings of the baseline period are beyond what can be calculated with: look at the data quality of the meters"
    )]
    Numbers,
}

impl Say for Refusal {
    fn in_spanish(&self) -> String {
        match self {
            Self::TooShort { known } => format!(
                "el periodo de referencia tiene {known} intervalos (horas, o días de contadores que envían menos) con energía conocida y hacen falta al menos {LEAST_INTERVALS}: elija un periodo más largo o mire la calidad de los datos de los contadores"
            ),
            Self::NoProduction { producing } => format!(
                "solo {producing} intervalos del periodo de referencia tienen producción y hacen falta al menos {LEAST_PRODUCING}: elija un periodo más largo o envíe fabricaciones con POST /v1/runs"
            ),
            Self::NoEnergy => {
                "el contador no cuenta nada en el periodo de referencia: elija otro periodo o lugar"
                    .to_owned()
            }
            Self::Poor { cv_percent } => format!(
                "la producción explica muy poco de la energía: el modelo se desvía un {cv_percent:.0} % de la media (CV(RMSE)), más del {:.0} %; busque un factor como la temperatura exterior, fabricaciones que falten o contadores que midan también otra cosa",
                MOST_CV * 100.0
            ),
            Self::Numbers => {
                "con las lecturas del periodo de referencia no se puede calcular: mire la calidad de los datos de los contadores".to_owned()
            }
        }
    }
}
