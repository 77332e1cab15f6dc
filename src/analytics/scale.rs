//! How far a chart's statistic usually strays, by reference and phase, shrunk to the machine.

use super::context::PHASES;
use super::robust;

/// Runs that the machine's scale weighs against a reference's own runs.
const PARENT_RUNS: f64 = 8.0;
/// A phase's scale is at most this much wider or narrower than the machine's.
const PHASE_FACTOR: (f64, f64) = (0.6, 8.0);

/// One value of a statistic in the past.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Position of the reference.
    pub reference: usize,
    /// Phase of the run.
    pub phase: usize,
    /// Which run; samples of a run come one after another.
    pub run: usize,
    /// Value of the statistic.
    pub value: f64,
}

/// Bounds of a scale, in the statistic's unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// Least: what the sensor's resolution allows.
    pub least: f64,
    /// Most: a reference whose runs scatter more than this is not known well enough to be a norm.
    pub most: f64,
}

/// Conditioned centre and standard deviation of a statistic.
///
/// sigma²(reference) = (8 · sigma²(machine) + n · sigma²(own)) / (8 + n) for n runs, each from the
/// median absolute deviation; times a factor per phase; times √(1 + 1.5/n), because the reference's
/// own median is an estimate. Does not see: changes of scale inside a phase, and tails.
#[derive(Clone, Debug)]
pub struct Scale {
    centre: f64,
    references: Vec<Own>,
    machine: f64,
    phases: [f64; PHASES],
    bounds: Bounds,
}

#[derive(Clone, Copy, Debug, Default)]
struct Own {
    centre: f64,
    sigma: f64,
    runs: f64,
}

/// Whether a statistic is about zero by construction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Centre {
    /// It is.
    Zero,
    /// Its usual value has to be found.
    Median,
}

impl Scale {
    /// Fits to the past; `None` without samples of at least three runs.
    pub fn fit(
        samples: &[Sample],
        references: usize,
        centre: Centre,
        bounds: Bounds,
    ) -> Option<Self> {
        let mut own: Vec<(Vec<f64>, usize)> = vec![(Vec::new(), 0); references];
        let mut runs = 0;
        for run in samples.chunk_by(|a, b| a.run == b.run) {
            let Some(entry) = own.get_mut(run[0].reference) else { continue };
            entry.0.extend(run.iter().map(|sample| sample.value));
            entry.1 += 1;
            runs += 1;
        }
        if runs < 3 {
            return None;
        }
        let middle = match centre {
            Centre::Zero => 0.0,
            Centre::Median => {
                robust::median(&mut samples.iter().map(|sample| sample.value).collect())?
            }
        };
        let references: Vec<Own> = own
            .iter()
            .map(|(values, runs)| {
                let runs = *runs as f64;
                let shrink = runs / (runs + 3.0);
                let centre = match centre {
                    Centre::Zero => 0.0,
                    Centre::Median => {
                        middle + shrink * (robust::median_of(values).unwrap_or(middle) - middle)
                    }
                };
                Own { centre, sigma: robust::sigma_about(values, centre).unwrap_or(0.0), runs }
            })
            .collect();
        let mut deviations: Vec<f64> = Vec::with_capacity(samples.len());
        let mut phased: Vec<Vec<f64>> = vec![Vec::new(); PHASES];
        for sample in samples {
            let Some(own) = references.get(sample.reference) else { continue };
            // A reference made once agrees with its own median: its spread is seen too small.
            let correction = (own.runs / (own.runs - 1.0).max(0.5)).sqrt();
            let deviation = (sample.value - own.centre).abs() * correction;
            deviations.push(deviation);
            phased[sample.phase].push(deviation);
        }
        let machine = robust::MAD_TO_SIGMA * robust::median(&mut deviations)?;
        let mut phases = [1.0; PHASES];
        for (factor, values) in phases.iter_mut().zip(&mut phased) {
            // A phase that few runs reach is not known to be different.
            let weight = values.len() as f64 / (values.len() as f64 + 60.0);
            if let Some(median) = robust::median(values).filter(|_| machine > 0.0) {
                let ratio = robust::MAD_TO_SIGMA * median / machine;
                *factor = (1.0 + weight * (ratio - 1.0)).clamp(PHASE_FACTOR.0, PHASE_FACTOR.1);
            }
        }
        Some(Self { centre: middle, references, machine, phases, bounds })
    }

    /// Standardised deviation of a statistic from what is usual, in robust sigmas.
    pub fn standardise(&self, reference: usize, phase: usize, value: f64) -> f64 {
        let own = self.references.get(reference).copied().unwrap_or_default();
        let centre = if own.runs > 0.0 { own.centre } else { self.centre };
        (value - centre) / self.sigma(reference, phase)
    }

    /// Standard deviation in the statistic's unit.
    pub fn sigma(&self, reference: usize, phase: usize) -> f64 {
        let own = self.references.get(reference).copied().unwrap_or_default();
        let variance = (PARENT_RUNS * self.machine.powi(2) + own.runs * own.sigma.powi(2))
            / (PARENT_RUNS + own.runs);
        let estimated = (1.0 + 1.5 / own.runs.max(1.0)).sqrt();
        let factor = self.phases.get(phase).copied().unwrap_or(1.0);
        (variance.sqrt() * estimated).min(self.bounds.most).max(self.bounds.least) * factor
    }
}
