//! The golden lot: what the curve of a quantity usually looks like over a run of one reference at one
//! place, and how far a run is from it.
//!
//! Numbers in, numbers out. A curve is a value a step, counted from the run's own start; a value that
//! is not finite is a step of which nothing is known. Knows neither SQL nor Grafana, and compares only
//! what it is given: that no run is judged by itself or by later ones is the caller's part.

mod learn;

pub use learn::{Candidate, Choice, choose};

use super::robust;

/// Runs without which a step has no envelope: with fewer the spread between runs is a guess.
pub const FEWEST_RUNS: usize = 5;
/// Half the width of the band, in robust sigmas.
pub const BAND_SIGMAS: f64 = 3.0;
/// Steps on either side that share their spread with a step.
const NEIGHBOURS: usize = 2;
/// Runs that the spread of the whole curve weighs against a step's own.
const PARENT_RUNS: f64 = 4.0;
/// A step counts for at most so many sigmas in the score, so that one reading is not the whole of it.
pub const MOST_SIGMAS: f64 = 20.0;
/// Deviations are finite, whatever is compared.
const BOUND: f64 = 1e6;
/// Judged steps without which there is no score.
pub const FEWEST_STEPS: usize = 3;
/// Steps back inside the band that do not end a stretch outside.
const PAUSE: usize = 1;

/// What is usual in one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Band {
    /// Median over the runs, in the quantity's unit.
    pub median: f64,
    /// Robust standard deviation between runs, in the same unit; above 0.
    pub sigma: f64,
    /// Runs that reach this step.
    pub runs: usize,
}

impl Band {
    /// Lower end of the band: median - 3 sigma.
    pub fn lower(&self) -> f64 {
        self.median - BAND_SIGMAS * self.sigma
    }

    /// Upper end of the band: median + 3 sigma.
    pub fn upper(&self) -> f64 {
        self.median + BAND_SIGMAS * self.sigma
    }

    /// (value - median) / sigma, in robust sigmas; `None` for a value that is not finite.
    pub fn deviation(&self, value: f64) -> Option<f64> {
        let deviation = (value - self.median) / self.sigma;
        value.is_finite().then(|| deviation.clamp(-BOUND, BOUND))
    }
}

/// The golden curve of a reference at a place.
///
/// In each step j that at least [`FEWEST_RUNS`] runs reach, median_j = med_i x_ij, and with
/// r_ij = |x_ij - median_j| · √(n_j / (n_j - 1)):
///
/// - own_j = 1.4826 · med r over the runs and the steps j - 2 to j + 2, or the .9 quantile of r / 1.645
///   where that is more (runs that start hot after another reference are usual too),
/// - all = the same over all runs and steps,
/// - sigma_j = √((4 · all² + n_j · own_j²) / (4 + n_j)) · √(1 + 1.5 / n_j), at least a thousandth of
///   what the median curve spans.
///
/// Source: the functional band of medians and MADs (Hampel 1974), shrunk to the curve's own spread
/// (empirical Bayes; the weight of 4 is a choice); the last factor is the variance of a median,
/// π/2 · sigma² / n, of normal data. Units: those of the quantity.
///
/// Does not see: that deviations of neighbouring steps go together (a run that is 2 sigmas high
/// throughout stays inside the band, but not in the score), runs that are stretched in time when
/// aligned on elapsed time, and whatever most of the runs learned from have in common.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Envelope {
    /// A band a step; `None` where too few runs say what is usual.
    pub bands: Vec<Option<Band>>,
    /// Runs that it was learned from.
    pub runs: usize,
}

impl Envelope {
    /// Learns from the curves of runs; `None` where no step has runs enough.
    pub fn learn(curves: &[&[f64]]) -> Option<Self> {
        let steps = curves.iter().map(|curve| curve.len()).max().unwrap_or(0);
        let mut column = Vec::with_capacity(curves.len());
        let mut medians: Vec<Option<(f64, usize)>> = Vec::with_capacity(steps);
        for step in 0..steps {
            column.clear();
            column.extend(curves.iter().filter_map(|c| c.get(step)).filter(|v| v.is_finite()));
            let runs = column.len();
            let median = (runs >= FEWEST_RUNS).then(|| robust::median(&mut column)).flatten();
            medians.push(median.map(|median| (median, runs)));
        }
        let spread = spread(&medians)?;
        let deviations: Vec<Vec<f64>> = medians
            .iter()
            .enumerate()
            .map(|(step, median)| median.map_or_else(Vec::new, |m| around(curves, step, m)))
            .collect();
        let all = robust::scale_of(deviations.iter().flatten().copied().collect())?;
        let bands = medians.iter().enumerate().map(|(step, median)| {
            let (median, runs) = (*median)?;
            let mut near = Vec::new();
            let last = (step + NEIGHBOURS).min(steps - 1);
            for deviations in &deviations[step.saturating_sub(NEIGHBOURS)..=last] {
                near.extend_from_slice(deviations);
            }
            let own = robust::scale_of(near)?;
            let n = runs as f64;
            let variance = (PARENT_RUNS * all * all + n * own * own) / (PARENT_RUNS + n);
            let sigma = (variance.sqrt() * (1.0 + 1.5 / n).sqrt()).max(spread);
            Some(Band { median, sigma, runs }).filter(|b| b.sigma.is_finite())
        });
        Some(Self { bands: bands.collect(), runs: curves.len() })
    }

    /// Compares a run with it; `None` where fewer than [`FEWEST_STEPS`] steps can be compared.
    pub fn judge(&self, curve: &[f64]) -> Option<Verdict> {
        let deviations: Vec<Option<f64>> = curve
            .iter()
            .enumerate()
            .map(|(step, value)| self.bands.get(step).copied().flatten()?.deviation(*value))
            .collect();
        let judged = deviations.iter().flatten().count();
        if judged < FEWEST_STEPS {
            return None;
        }
        let steps = judged as f64;
        let square = |z: &f64| z.abs().min(MOST_SIGMAS).powi(2);
        let outside = deviations.iter().flatten().filter(|z| z.abs() > BAND_SIGMAS).count();
        let (mut difference, mut usual) = (0.0, 0.0);
        for (band, value) in self.pairs(curve) {
            difference += value - band.median;
            usual += band.median;
        }
        Some(Verdict {
            score: (deviations.iter().flatten().map(square).sum::<f64>() / steps).sqrt(),
            outside: outside as f64 / steps,
            mean_difference: difference / steps,
            usual: usual / steps,
            judged,
            stretches: self.stretches(curve, &deviations),
            deviations,
        })
    }

    /// Steps of a curve that can be compared, with their bands.
    fn pairs<'a>(&'a self, curve: &'a [f64]) -> impl Iterator<Item = (Band, f64)> + 'a {
        let bands = self.bands.iter().zip(curve);
        bands.filter_map(|(band, value)| Some(((*band)?, *value))).filter(|(_, v)| v.is_finite())
    }

    fn stretches(&self, curve: &[f64], deviations: &[Option<f64>]) -> Vec<Stretch> {
        let side = |step: usize| {
            deviations[step].filter(|z| z.abs() > BAND_SIGMAS).map(|z| z.is_sign_positive())
        };
        let mut found: Vec<(usize, usize, bool)> = Vec::new();
        for step in 0..deviations.len() {
            let Some(above) = side(step) else { continue };
            match found.last_mut().filter(|s| s.2 == above && step - s.1 <= PAUSE) {
                Some(stretch) => stretch.1 = step + 1,
                None => found.push((step, step + 1, above)),
            }
        }
        let describe = |(from, to, above): (usize, usize, bool)| {
            let inside = (from..to).filter_map(|step| {
                let band = self.bands.get(step).copied().flatten()?;
                Some((curve[step] - band.median, band.median, deviations[step]?))
            });
            let (mut difference, mut usual, mut worst, mut count) = (0.0, 0.0, 0.0_f64, 0.0);
            for (part, median, deviation) in inside {
                difference += part;
                usual += median;
                worst = worst.max(deviation.abs());
                count += 1.0;
            }
            Stretch { from, to, above, difference: difference / count, usual: usual / count, worst }
        };
        found.into_iter().map(describe).collect()
    }
}

/// Least sigma: a thousandth of what the median curve spans; of a constant, what rounding leaves.
fn spread(medians: &[Option<(f64, usize)>]) -> Option<f64> {
    let values = || medians.iter().flatten().map(|m| m.0);
    let (least, most) = (values().reduce(f64::min)?, values().reduce(f64::max)?);
    let rounding = 1e-9 * least.abs().max(most.abs());
    Some((1e-3 * (most - least)).max(rounding).max(f64::MIN_POSITIVE))
}

/// Absolute deviations of the runs from a step's median, widened because they are about their own.
fn around(curves: &[&[f64]], step: usize, (median, runs): (f64, usize)) -> Vec<f64> {
    let widened = (runs as f64 / (runs as f64 - 1.0)).sqrt();
    let values = curves.iter().filter_map(|c| c.get(step)).filter(|v| v.is_finite());
    values.map(|value| (value - median).abs() * widened).collect()
}

/// How far a run is from the golden curve.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// √(mean of z² over the judged steps), z in robust sigmas and cut at ±20: about 1 is usual.
    pub score: f64,
    /// Share of the judged steps outside the band of ±3 sigmas, 0 to 1.
    pub outside: f64,
    /// Mean of value - median over the judged steps, in the quantity's unit.
    pub mean_difference: f64,
    /// Mean of the medians over the same steps, in the quantity's unit.
    pub usual: f64,
    /// Steps that could be compared.
    pub judged: usize,
    /// Deviation of each step in robust sigmas.
    pub deviations: Vec<Option<f64>>,
    /// Where it left the band, in order of time.
    pub stretches: Vec<Stretch>,
}

/// Neighbouring steps outside the band, on one side; a single step back inside does not end it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stretch {
    /// First step.
    pub from: usize,
    /// First step after it.
    pub to: usize,
    /// Above the band, and not below.
    pub above: bool,
    /// Mean of value - median, in the quantity's unit.
    pub difference: f64,
    /// Mean of the medians, in the quantity's unit.
    pub usual: f64,
    /// Largest deviation, in robust sigmas.
    pub worst: f64,
}

#[cfg(test)]
mod tests;
