//! Abnormal runs: features of whole runs, and how far a run is from the usual of its reference at its
//! place, all features together.
//!
//! Numbers in, numbers out; knows neither SQL nor Grafana. Compares only what it is given: that no run
//! is judged by itself or by later ones is the caller's part.

mod feature;
mod matrix;
mod scatter;

pub use feature::{FEATURES, Feature, Features, Measure};

use super::robust;
use matrix::Cholesky;

/// Runs of a reference without which nothing is usual for it.
pub const FEWEST_RUNS: usize = 5;
/// Runs of the place that a reference's own spread is weighed against.
const PARENT_RUNS: f64 = 8.0;
/// A feature takes part when so many of the runs have it.
const LEAST_SHARE: f64 = 0.8;
/// Runs that the assumption of no correlation weighs.
const PRIOR_RUNS: f64 = 10.0;
/// Share of usual runs that the limit leaves inside.
pub const LIMIT_QUANTILE: f64 = 0.999;
/// Deviations are finite, whatever is compared.
const BOUND: f64 = 1e4;

/// A run of the past.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Position of its reference.
    pub reference: usize,
    /// What it was like.
    pub features: Features,
}

/// What is usual at one place.
///
/// Each feature x is taken as ln x where it is a ratio (kWh per unit, rate, power, duration) and as it
/// is where it is a difference (temperatures, shares). For reference r with n runs:
///
/// - centre = median x; own = 1.4826 · MAD · √(n / (n - 1)),
/// - sigma² = (8 · place² + n · own²) / (8 + n) · (1 + 1.5 / n), at least the feature's resolution;
///   `place` is the same MAD over all runs, each about its reference's centre,
/// - z = (x - centre) / sigma.
///
/// The correlation R of the z of all runs is the orthogonalised Gnanadesikan-Kettenring estimate
/// (Maronna and Zamar 2002) with MADs, shrunk to the identity: (m · R + 10 · I) / (m + 10) for m runs.
/// d² = zᵀ R⁻¹ z over the features that the run has, divided by its median over the past in units of
/// the chi-square median where that is above 1. The limit is the .999 quantile of chi-square with as
/// many degrees of freedom as features; the score d / √limit has no unit, and 1 is the limit.
///
/// Mean power does not take part where kWh per unit and rate do: it is their product.
///
/// Does not see: references with fewer than 5 runs, features that 4 of 5 runs lack, faults that most
/// of the past has, correlations that differ between references, and faults so short that a run's
/// means hide them.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    references: Vec<Option<Usual>>,
    /// The features that take part.
    active: Vec<Feature>,
    /// Correlation of the active features.
    correlation: Vec<Vec<f64>>,
    /// What d² is divided by.
    inflation: f64,
    /// Runs that it was learned from.
    pub runs: usize,
}

#[derive(Clone, Debug, PartialEq)]
struct Usual {
    runs: usize,
    centre: [Option<f64>; FEATURES],
    sigma: [f64; FEATURES],
}

/// Why a run is not judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// So many runs of its reference are known.
    TooFewRuns(usize),
    /// No feature is known of the run and of those before it.
    NoFeatures,
}

/// A feature of a run against the usual.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Deviation {
    /// Which.
    pub feature: Feature,
    /// Value of the run, in the feature's unit.
    pub value: f64,
    /// The usual value, in the same unit.
    pub usual: f64,
    /// Deviation in robust sigmas.
    pub sigmas: f64,
}

/// How far a run is from the usual.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// Robust Mahalanobis distance d.
    pub distance: f64,
    /// d over its limit: above 1 is abnormal.
    pub score: f64,
    /// Every known feature, the one that deviates most first.
    pub deviations: Vec<Deviation>,
    /// Runs of the reference that the usual rests on.
    pub runs: usize,
}

impl Verdict {
    /// Whether the run is abnormal.
    pub fn is_abnormal(&self) -> bool {
        self.score > 1.0
    }

    /// A feature against the usual.
    pub fn of(&self, feature: Feature) -> Option<&Deviation> {
        self.deviations.iter().find(|d| d.feature == feature)
    }
}

impl Model {
    /// Learns from runs of the past. `references` is the number of references.
    pub fn learn(samples: &[Sample], references: usize) -> Self {
        let mut by_reference: Vec<Vec<&Sample>> = vec![Vec::new(); references];
        for sample in samples {
            if let Some(list) = by_reference.get_mut(sample.reference) {
                list.push(sample);
            }
        }
        let place = place_sigmas(&by_reference);
        let references: Vec<Option<Usual>> =
            by_reference.iter().map(|runs| Usual::of(runs, &place)).collect();
        let mut model = Self {
            references,
            active: Vec::new(),
            correlation: Vec::new(),
            inflation: 1.0,
            runs: samples.len(),
        };
        let standardised: Vec<[Option<f64>; FEATURES]> =
            samples.iter().filter_map(|sample| model.standardise(sample)).collect();
        model.active = active(&standardised);
        let complete: Vec<Vec<f64>> = standardised
            .iter()
            .filter_map(|z| model.active.iter().map(|f| z[*f as usize]).collect())
            .collect();
        model.correlation = scatter::correlation(&complete, model.active.len(), PRIOR_RUNS);
        let mut ratios: Vec<f64> = standardised
            .iter()
            .filter_map(|z| model.square(z))
            .map(|(square, count)| square / chi_square_quantile(count, 0.5))
            .collect();
        model.inflation = robust::median(&mut ratios).unwrap_or(1.0).max(1.0);
        model
    }

    /// Compares a run with what is usual for its reference.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn judge(&self, sample: &Sample) -> Result<Verdict, Refusal> {
        let usual = self.references.get(sample.reference).and_then(Option::as_ref);
        let usual = usual.ok_or(Refusal::TooFewRuns(0))?;
        if usual.runs < FEWEST_RUNS {
            return Err(Refusal::TooFewRuns(usual.runs));
        }
        let z = self.standardise(sample).ok_or(Refusal::NoFeatures)?;
        let (square, count) = self.square(&z).ok_or(Refusal::NoFeatures)?;
        let distance = (square / self.inflation).sqrt();
        let deviation = |feature: Feature| {
            Some(Deviation {
                feature,
                value: sample.features.get(feature)?,
                usual: feature.measure().back(usual.centre[feature as usize]?),
                sigmas: z[feature as usize]?,
            })
        };
        let mut deviations: Vec<Deviation> =
            Feature::ALL.into_iter().filter_map(deviation).collect();
        deviations.sort_by(|a, b| b.sigmas.abs().total_cmp(&a.sigmas.abs()));
        Ok(Verdict {
            distance,
            score: distance / chi_square_quantile(count, LIMIT_QUANTILE).sqrt(),
            deviations,
            runs: usual.runs,
        })
    }

    /// Robust z of each feature that is known of the run and of its reference.
    fn standardise(&self, sample: &Sample) -> Option<[Option<f64>; FEATURES]> {
        let usual = self.references.get(sample.reference)?.as_ref()?;
        let mut z = [None; FEATURES];
        for feature in Feature::ALL {
            let index = feature as usize;
            let value = sample.features.transformed(feature);
            z[index] = value.zip(usual.centre[index]).map(|(value, centre)| {
                ((value - centre) / usual.sigma[index]).clamp(-BOUND, BOUND)
            });
        }
        Some(z)
    }

    /// zᵀ R⁻¹ z, and the number of features in it.
    fn square(&self, z: &[Option<f64>; FEATURES]) -> Option<(f64, usize)> {
        let known: Vec<usize> =
            (0..self.active.len()).filter(|i| z[self.active[*i] as usize].is_some()).collect();
        let values: Vec<f64> = known.iter().filter_map(|i| z[self.active[*i] as usize]).collect();
        let part: Vec<Vec<f64>> = known
            .iter()
            .map(|i| known.iter().map(|j| self.correlation[*i][*j]).collect())
            .collect();
        let square = Cholesky::of(&part)?.square(&values);
        (!known.is_empty() && square.is_finite()).then_some((square.max(0.0), known.len()))
    }
}

impl Usual {
    fn of(runs: &[&Sample], place: &[f64; FEATURES]) -> Option<Self> {
        if runs.is_empty() {
            return None;
        }
        let mut usual = Self { runs: runs.len(), centre: [None; FEATURES], sigma: [1.0; FEATURES] };
        for feature in Feature::ALL {
            let index = feature as usize;
            let values = values(runs, feature);
            let n = values.len() as f64;
            usual.centre[index] =
                robust::median_of(&values).filter(|_| values.len() >= FEWEST_RUNS);
            let own = robust::sigma(&values).unwrap_or(0.0) * (n / (n - 1.0).max(0.5)).sqrt();
            let variance =
                (PARENT_RUNS * place[index].powi(2) + n * own.powi(2)) / (PARENT_RUNS + n);
            let sigma = variance.sqrt() * (1.0 + 1.5 / n.max(1.0)).sqrt();
            usual.sigma[index] = sigma.max(feature.resolution());
        }
        Some(usual)
    }
}

fn values(runs: &[&Sample], feature: Feature) -> Vec<f64> {
    runs.iter().filter_map(|run| run.features.transformed(feature)).collect()
}

/// Spread of each feature between the runs of one reference, over all references.
fn place_sigmas(by_reference: &[Vec<&Sample>]) -> [f64; FEATURES] {
    let mut sigmas = [0.0; FEATURES];
    for feature in Feature::ALL {
        let mut deviations = Vec::new();
        for runs in by_reference {
            let values = values(runs, feature);
            let Some(centre) = robust::median_of(&values).filter(|_| values.len() >= 3) else {
                continue;
            };
            let n = values.len() as f64;
            let widened = (n / (n - 1.0)).sqrt();
            deviations.extend(values.iter().map(|value| (value - centre).abs() * widened));
        }
        let middle = robust::median(&mut deviations).unwrap_or(0.0);
        sigmas[feature as usize] = robust::MAD_TO_SIGMA * middle;
    }
    sigmas
}

/// The features that most runs have.
fn active(standardised: &[[Option<f64>; FEATURES]]) -> Vec<Feature> {
    let runs = standardised.len() as f64;
    let is_known = |feature: &Feature| {
        let count = standardised.iter().filter(|z| z[*feature as usize].is_some()).count();
        count > 0 && count as f64 >= LEAST_SHARE * runs
    };
    let mut active: Vec<Feature> = Feature::ALL.into_iter().filter(is_known).collect();
    let has = |feature| active.contains(&feature);
    if has(Feature::EnergyPerGoodUnit) && has(Feature::Rate) {
        active.retain(|feature| *feature != Feature::MeanPower);
    }
    active
}

/// The value that chi-square of so many degrees of freedom stays below with this probability, by the
/// approximation of Wilson and Hilferty (1931): k · (1 - 2/(9k) + u √(2/(9k)))³ with the normal
/// quantile u. Within 1 % from three degrees of freedom on, within 4 % of one.
pub fn chi_square_quantile(freedom: usize, probability: f64) -> f64 {
    let k = freedom.max(1) as f64;
    let spread = 2.0 / (9.0 * k);
    k * (1.0 - spread + normal_quantile(probability) * spread.sqrt()).max(0.0).powi(3)
}

/// The normal quantile by bisection of the error function's series; to 1e-9.
fn normal_quantile(probability: f64) -> f64 {
    let (mut low, mut high) = (-8.0, 8.0);
    while high - low > 1e-9 {
        let middle: f64 = (low + high) / 2.0;
        match normal_below(middle) < probability {
            true => low = middle,
            false => high = middle,
        }
    }
    (low + high) / 2.0
}

/// Φ(x) = 1/2 + φ(x) · Σ x^(2k+1) / (1·3·…·(2k+1)) (Marsaglia 2004).
fn normal_below(x: f64) -> f64 {
    let (mut sum, mut term, mut odd) = (x, x, 1.0);
    while term.abs() > 1e-17 * sum.abs() && odd < 500.0 {
        odd += 2.0;
        term *= x * x / odd;
        sum += term;
    }
    0.5 + sum * (-0.5 * x * x - 0.918_938_533_204_672_7).exp()
}

#[cfg(test)]
mod tests;
