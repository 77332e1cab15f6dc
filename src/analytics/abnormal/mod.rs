//! Abnormal runs: features of whole runs, and how far a run is from the usual of its reference at its
//! place, all features together.
//!
//! Numbers in, numbers out; knows neither SQL nor Grafana. Compares only what it is given: that no run
//! is judged by itself or by later ones is the caller's part.

mod feature;
mod matrix;
mod scatter;

pub use feature::{FEATURES, Feature, Features, Measure};

use std::sync::LazyLock;

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
/// Logarithm of the factor by which a run may be shorter than usual: 4.
const SHORTEST_LOG: f64 = 1.386_294_361_119_890_6;
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
/// Each feature x is taken as ln x where it is a ratio (kWh per unit, rate, power, duration), as √x
/// where it is a share, and as it is where it is a difference (temperatures). For reference r with n runs:
///
/// - centre = median x; own = 1.4826 · MAD · √(n / (n - 1)),
/// - sigma² = (8 · place² + n · own²) / (8 + n) · (1 + 1.5 / n), at least the feature's resolution;
///   `place` is the same over all runs, each about its reference's centre, or the .9 quantile of the
///   deviations over 1.645 where that is more: long tails that are usual are no fault,
/// - z = (x - centre) / sigma.
///
/// The correlation R of the z of all runs is the orthogonalised Gnanadesikan-Kettenring estimate
/// (Maronna and Zamar 2002) with MADs, shrunk to the identity: (m · R + 10 · I) / (m + 10) for m runs.
/// d² = zᵀ R⁻¹ z over the features that the run has, divided by its median over the past in units of
/// the chi-square median where that is above 1. The limit is the .999 quantile of chi-square with as
/// many degrees of freedom as features; the score d / √limit has no unit, and 1 is the limit.
///
/// Mean power does not take part where kWh per unit and rate do: it is their product. Duration does
/// not either: it is told with the others, but how long a run lasts is planned (measured: with it, a
/// sixth fewer of the faulty runs are found at the same false alarms).
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
    /// It lasted less than a quarter of what is usual: its means say little.
    TooShort,
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
            .map(|(square, count)| square / CHI_SQUARE[count].median)
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
        let lasted = sample.features.transformed(Feature::Duration);
        let usually = usual.centre[Feature::Duration as usize];
        if lasted.zip(usually).is_some_and(|(lasted, usually)| lasted < usually - SHORTEST_LOG) {
            return Err(Refusal::TooShort);
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
            score: distance / CHI_SQUARE[count].limit.sqrt(),
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
        // Stops, and temperatures left over from the run before, make long tails that are no fault.
        let scale = match feature.measure() {
            Measure::Ratio => {
                robust::median(&mut deviations).map(|middle| robust::MAD_TO_SIGMA * middle)
            }
            Measure::Share | Measure::Difference => robust::scale_of(deviations),
        };
        sigmas[feature as usize] = scale.unwrap_or(0.0);
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
    active.retain(|feature| *feature != Feature::Duration);
    let has = |feature| active.contains(&feature);
    if has(Feature::EnergyPerGoodUnit) && has(Feature::Rate) {
        active.retain(|feature| *feature != Feature::MeanPower);
    }
    active
}

/// Of chi-square with as many degrees of freedom as its position.
struct ChiSquare {
    median: f64,
    limit: f64,
}

/// For each number of features that a distance can have.
static CHI_SQUARE: LazyLock<[ChiSquare; FEATURES + 1]> = LazyLock::new(|| {
    std::array::from_fn(|freedom| ChiSquare {
        median: chi_square_quantile(freedom, 0.5),
        limit: chi_square_quantile(freedom, LIMIT_QUANTILE),
    })
});

/// The value that chi-square of so many degrees of freedom stays below with this probability, by
/// bisection of its distribution; to 1e-9.
fn chi_square_quantile(freedom: usize, probability: f64) -> f64 {
    let freedom = freedom.max(1);
    let (mut low, mut high) = (0.0, 100.0 + 10.0 * freedom as f64);
    while high - low > 1e-9 {
        let middle: f64 = (low + high) / 2.0;
        match chi_square_below(freedom, middle) < probability {
            true => low = middle,
            false => high = middle,
        }
    }
    (low + high) / 2.0
}

/// P(χ²_k < x) = e^(-x/2) (x/2)^(k/2) / Γ(k/2 + 1) · (1 + y/(a+1) + y²/((a+1)(a+2)) + ...) with
/// y = x/2 and a = k/2: the series of the incomplete gamma function (Abramowitz and Stegun 6.5.29).
fn chi_square_below(freedom: usize, x: f64) -> f64 {
    let (a, y) = (freedom as f64 / 2.0, x / 2.0);
    // ln Γ(a + 1) of a half-integer, from Γ(1/2) = √π or Γ(1) = 1.
    let (mut gamma, mut at) = match freedom % 2 {
        1 => (0.5 * std::f64::consts::PI.ln(), 0.5),
        _ => (0.0, 1.0),
    };
    while at < a + 0.75 {
        gamma += f64::ln(at);
        at += 1.0;
    }
    let (mut sum, mut term, mut n) = (1.0, 1.0, a);
    while term > 1e-16 * sum {
        n += 1.0;
        term *= y / n;
        sum += term;
    }
    (a * y.max(f64::MIN_POSITIVE).ln() - y - gamma + sum.ln()).exp()
}

#[cfg(test)]
mod tests;
