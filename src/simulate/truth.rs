//! What the energy of a machine really depends on, for judging energy models: base load, and kWh
//! above it for each unit of each reference, in minutes without a fault.

use std::collections::BTreeMap;

use super::calendar::DAY_MIN;
use super::catalogue::Machine;
use super::faults::Fault;
use super::physics::Traces;
use super::schedule::{Schedule, State};

/// The true consumption of a reference on a machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Consumption {
    /// Key of the machine.
    pub machine: String,
    /// Key of the reference.
    pub reference: String,
    /// Mean power while off, kW.
    pub base_kw: f64,
    /// kWh above the base load while running, divided by the units made.
    pub kwh_per_unit: f64,
    /// Units made.
    pub units: f64,
    /// Minutes of running.
    pub minutes: usize,
}

/// What a reference took on one day.
#[derive(Clone, Debug, PartialEq)]
pub struct Day {
    /// Key of the machine.
    pub machine: String,
    /// Key of the reference.
    pub reference: String,
    /// The day, counted from 0.
    pub day: usize,
    /// kWh above the base load while running.
    pub kwh: f64,
    /// Units made.
    pub units: f64,
    /// Minutes of running.
    pub minutes: usize,
}

/// Minutes without a fault.
struct Healthy<'a> {
    machine: &'a Machine,
    schedule: &'a Schedule,
    traces: &'a Traces,
    faulty: Vec<bool>,
}

impl Healthy<'_> {
    fn minutes(&self, until: usize) -> impl Iterator<Item = usize> + '_ {
        (0..until.min(self.faulty.len())).filter(|&minute| !self.faulty[minute])
    }

    /// Mean power while off.
    fn base_kw(&self, until: usize) -> f64 {
        let off = self.minutes(until).filter(|&minute| self.schedule.states[minute] == State::Off);
        let (sum, count) = off.fold((0.0, 0usize), |(sum, count), minute| {
            (sum + self.traces.true_power[minute], count + 1)
        });
        sum / count.max(1) as f64
    }

    /// By reference and day.
    fn days(&self, base_kw: f64) -> BTreeMap<(usize, usize), Day> {
        let mut days = BTreeMap::new();
        for minute in self.minutes(usize::MAX) {
            let running = self.schedule.states[minute] == State::Running;
            let Some(run) = self.schedule.run_of[minute].filter(|_| running) else { continue };
            let (index, day) = (self.schedule.runs[run].reference, minute / DAY_MIN);
            let sum = days.entry((index, day)).or_insert_with(|| Day {
                machine: self.machine.key.clone(),
                reference: self.machine.references[index].key.clone(),
                day,
                kwh: 0.0,
                units: 0.0,
                minutes: 0,
            });
            sum.kwh += (self.traces.true_power[minute] - base_kw) / 60.0;
            sum.units += self.traces.units[minute];
            sum.minutes += 1;
        }
        days
    }
}

/// The true consumption of everything that a machine has made: up to day `until` by reference, and all
/// of it by reference and day.
pub fn consumption(
    machine: &Machine,
    schedule: &Schedule,
    faults: &[Fault],
    traces: &Traces,
    until: usize,
) -> (Vec<Consumption>, Vec<Day>) {
    let mut faulty = vec![false; schedule.states.len()];
    for fault in faults {
        let to = fault.to.min(faulty.len());
        faulty[fault.from.min(to)..to].fill(true);
    }
    let healthy = Healthy { machine, schedule, traces, faulty };
    let base_kw = healthy.base_kw(until.saturating_mul(DAY_MIN));
    let days = healthy.days(base_kw);
    let of = |index: usize| {
        let own = days.range((index, 0)..(index, until)).map(|(_, day)| day);
        let (kwh, units, minutes) = own.fold((0.0, 0.0, 0), |(kwh, units, minutes), day| {
            (kwh + day.kwh, units + day.units, minutes + day.minutes)
        });
        (units > 0.0).then(|| Consumption {
            machine: machine.key.clone(),
            reference: machine.references[index].key.clone(),
            base_kw,
            kwh_per_unit: kwh / units,
            units,
            minutes,
        })
    };
    let whole = (0..machine.references.len()).filter_map(of).collect();
    (whole, days.into_values().collect())
}
