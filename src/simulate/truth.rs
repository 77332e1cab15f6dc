//! What the energy of a machine really depends on, for judging energy models: base load, and kWh
//! above it for each unit of each reference, in minutes without a fault.

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

/// The true consumption of everything that a machine has made, up to minute `until`.
pub fn consumption(
    machine: &Machine,
    schedule: &Schedule,
    faults: &[Fault],
    traces: &Traces,
    until: usize,
) -> Vec<Consumption> {
    let until = until.min(schedule.states.len());
    let mut faulty = vec![false; schedule.states.len()];
    for fault in faults {
        let to = fault.to.min(faulty.len());
        faulty[fault.from.min(to)..to].fill(true);
    }
    let healthy = |minute: &usize| !faulty[*minute];
    let off: Vec<f64> = (0..until)
        .filter(healthy)
        .filter(|&minute| schedule.states[minute] == State::Off)
        .map(|minute| traces.true_power[minute])
        .collect();
    let base_kw = off.iter().sum::<f64>() / off.len().max(1) as f64;
    let mut sums = vec![(0.0, 0.0, 0usize); machine.references.len()];
    for minute in (0..until).filter(healthy) {
        let run = schedule.run_of[minute].filter(|_| schedule.states[minute] == State::Running);
        if let Some(run) = run {
            let sum = &mut sums[schedule.runs[run].reference];
            sum.0 += (traces.true_power[minute] - base_kw) / 60.0;
            sum.1 += traces.units[minute];
            sum.2 += 1;
        }
    }
    let made = machine.references.iter().zip(sums).filter(|(_, (_, units, _))| *units > 0.0);
    made.map(|(reference, (kwh, units, minutes))| Consumption {
        machine: machine.key.clone(),
        reference: reference.key.clone(),
        base_kw,
        kwh_per_unit: kwh / units,
        units,
        minutes,
    })
    .collect()
}
