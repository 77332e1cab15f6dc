//! The energy signature of a reference: how fast it is made, at what temperature, and how much
//! energy a unit takes. These are the figures that analysis should find again.

use super::layout::LineSpec;
use super::noise::Noise;

/// Specific energy of neighbouring references of one line differs by at least this factor.
const STEP: f64 = 1.13;

/// How a reference is made on its line.
#[derive(Clone, Debug, PartialEq)]
pub struct Signature {
    /// Energy of the machines per unit at the nominal rate, in kWh.
    pub kwh_per_unit: f64,
    /// Nominal output while running, in units per hour.
    pub rate: f64,
    /// Power of all machines while running at the nominal rate, in kW.
    pub kw: f64,
    /// Process set-point, in °C.
    pub setpoint: f64,
    /// Usual share of scrap.
    pub scrap: f64,
    /// How the power is spread over the machines; adds up to 1.
    pub shares: Vec<f64>,
}

/// The signatures of a line's references, in their order.
pub fn of_line(seed: u64, line: &LineSpec) -> Vec<Signature> {
    let count = line.references.len();
    let noise = Noise::new(seed, &["signature", line.key]);
    // A seeded order of the steps, so that the catalogue's order says nothing about the energy.
    let mut steps: Vec<usize> = (0..count).collect();
    steps.sort_by_key(|&step| noise.bits(step as i64));
    let middle = (count as f64 - 1.0) / 2.0;
    line.references
        .iter()
        .zip(steps)
        .map(|((key, _), step)| {
            let own = Noise::new(seed, &["signature", line.key, key]);
            let kwh_per_unit = line.kw / line.rate
                * STEP.powf(step as f64 - middle)
                * (1.0 + 0.015 * own.white(0));
            // What takes more energy is usually made more slowly.
            let rate =
                line.rate * STEP.powf(-0.6 * (step as f64 - middle)) * (1.0 + 0.06 * own.white(1));
            Signature {
                kwh_per_unit,
                rate,
                kw: kwh_per_unit * rate,
                setpoint: line.setpoint[0] + line.setpoint[1] * own.white(2),
                scrap: 0.012 + 0.022 * own.share(3),
                shares: shares(line, own),
            }
        })
        .collect()
}

fn shares(line: &LineSpec, own: Noise) -> Vec<f64> {
    let tilted: Vec<f64> = (line.machines.iter().enumerate())
        .map(|(i, machine)| machine.share * (1.0 + 0.08 * own.white(10 + i as i64)))
        .collect();
    let sum: f64 = tilted.iter().sum();
    tilted.iter().map(|share| share / sum).collect()
}
