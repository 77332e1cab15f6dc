//! Statistical process control: limits of individuals and EWMA charts, and the rules of Nelson and of
//! Western Electric that say when a process is not in control.
//!
//! Values that are not finite are left out: neighbours are then the values on either side.

use serde::Serialize;

use crate::domain::Language;

/// Expected range of two normal values in standard deviations (Montgomery, *Introduction to
/// Statistical Quality Control*, appendix VI): 2 / √π.
pub const D2: f64 = 1.128;
/// Upper limit of the moving range in mean moving ranges, `1 + 3 d3 / d2` (there).
pub const D4: f64 = 3.267;
/// Weight of the newest value in the EWMA, and its limit in standard deviations: one false alarm in
/// 500 points (Lucas and Saccucci 1990; Montgomery, table 9.11).
pub const LAMBDA: f64 = 0.2;
/// See [`LAMBDA`].
pub const EWMA_LIMIT: f64 = 2.962;
/// Values without which there are no limits.
pub const LEAST_VALUES: usize = 8;

/// Limits of an individuals chart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Limits {
    /// Mean.
    pub centre: f64,
    /// Standard deviation from point to point: mean moving range / [`D2`].
    pub sigma: f64,
    /// Values that they come from.
    pub n: usize,
}

impl Limits {
    /// Limits from the values of a baseline period, in their order: centre `x̄`, limits
    /// `x̄ ± 3 MR̄ / d2`. The moving range does not see slow drifts, which is why it is used: they must
    /// not widen the limits. `None` with fewer than [`LEAST_VALUES`] values.
    ///
    /// What it does not see: baselines that were never in control, and values that depend on their
    /// neighbours (the limits are then too narrow).
    pub fn of(values: &[f64]) -> Option<Self> {
        let known: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
        if known.len() < LEAST_VALUES {
            return None;
        }
        // Divided first, so that a sum of large values stays finite.
        let n = known.len() as f64;
        let centre = known.iter().map(|v| v / n).sum::<f64>();
        let steps = known.windows(2).map(|pair| (pair[1] - pair[0]).abs() / (n - 1.0));
        let sigma = steps.sum::<f64>() / D2;
        (centre.is_finite() && sigma.is_finite()).then_some(Self { centre, sigma, n: known.len() })
    }

    /// The line so many standard deviations above the centre.
    pub fn line(&self, sigmas: f64) -> f64 {
        self.centre + sigmas * self.sigma
    }

    /// How many standard deviations a value is above the centre. Where the baseline did not vary at
    /// all, anything else is infinitely far.
    pub fn sigmas(&self, value: f64) -> f64 {
        let above = value - self.centre;
        // What rounding of the mean leaves is no deviation.
        if above.abs() <= 1e-12 * self.centre.abs() { 0.0 } else { above / self.sigma }
    }
}

/// A rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// A point beyond 3 σ (Nelson 1, Western Electric 1).
    Beyond3,
    /// Nine in a row on one side of the centre (Nelson 2).
    Nine,
    /// Six in a row that rise, or fall (Nelson 3).
    Trend,
    /// Fourteen in a row that go up and down in turns (Nelson 4).
    Alternating,
    /// Two of three in a row beyond 2 σ on one side (Nelson 5, Western Electric 2).
    TwoOfThree,
    /// Four of five in a row beyond 1 σ on one side (Nelson 6, Western Electric 3).
    FourOfFive,
    /// Fifteen in a row within 1 σ (Nelson 7).
    Fifteen,
    /// Eight in a row beyond 1 σ, on whichever side (Nelson 8).
    EightBeyond1,
    /// Eight in a row on one side of the centre (Western Electric 4).
    Eight,
}

impl Rule {
    /// The rules of Nelson (1984), in his order.
    pub const NELSON: [Self; 8] = [
        Self::Beyond3,
        Self::Nine,
        Self::Trend,
        Self::Alternating,
        Self::TwoOfThree,
        Self::FourOfFive,
        Self::Fifteen,
        Self::EightBeyond1,
    ];
    /// The rules of Western Electric (*Statistical Quality Control Handbook*, 1956), in that order.
    pub const WESTERN_ELECTRIC: [Self; 4] =
        [Self::Beyond3, Self::TwoOfThree, Self::FourOfFive, Self::Eight];

    /// What it says, for people.
    pub fn words(self, language: Language) -> &'static str {
        let (en, es) = match self {
            Self::Beyond3 => ("beyond 3 sigma", "más allá de 3 sigma"),
            Self::Nine => {
                ("nine in a row on one side of the centre", "nueve seguidos a un lado del centro")
            }
            Self::Trend => ("six in a row rising or falling", "seis seguidos al alza o a la baja"),
            Self::Alternating => ("fourteen in a row alternating", "catorce seguidos que alternan"),
            Self::TwoOfThree => (
                "two of three beyond 2 sigma on one side",
                "dos de tres más allá de 2 sigma al mismo lado",
            ),
            Self::FourOfFive => (
                "four of five beyond 1 sigma on one side",
                "cuatro de cinco más allá de 1 sigma al mismo lado",
            ),
            Self::Fifteen => {
                ("fifteen in a row within 1 sigma", "quince seguidos dentro de 1 sigma")
            }
            Self::EightBeyond1 => (
                "eight in a row beyond 1 sigma on either side",
                "ocho seguidos más allá de 1 sigma a uno u otro lado",
            ),
            Self::Eight => {
                ("eight in a row on one side of the centre", "ocho seguidos a un lado del centro")
            }
        };
        language.pick(en, es)
    }

    /// Points that it looks at.
    fn span(self) -> usize {
        match self {
            Self::Beyond3 => 1,
            Self::Nine => 9,
            Self::Trend => 6,
            Self::Alternating => 14,
            Self::TwoOfThree => 3,
            Self::FourOfFive => 5,
            Self::Fifteen => 15,
            Self::EightBeyond1 | Self::Eight => 8,
        }
    }

    /// Whether the newest of `z`, in standard deviations from the centre, completes the pattern.
    fn fits(self, z: &[f64]) -> bool {
        let span = self.span();
        let Some(last) = z.len().checked_sub(span).map(|from| &z[from..]) else { return false };
        let newest = last[span - 1];
        // The newest point is one of those that are far; an old one is not raised again by a good one.
        let beyond = |sigmas: f64, least: usize| {
            let above = last.iter().filter(|z| **z > sigmas).count();
            let below = last.iter().filter(|z| **z < -sigmas).count();
            (above >= least && newest > sigmas) || (below >= least && newest < -sigmas)
        };
        match self {
            Self::Beyond3 => newest.abs() > 3.0,
            Self::Nine | Self::Eight => beyond(0.0, span),
            Self::Trend => {
                last.windows(2).all(|p| p[1] > p[0]) || last.windows(2).all(|p| p[1] < p[0])
            }
            Self::Alternating => {
                let steps: Vec<f64> = last.windows(2).map(|p| p[1] - p[0]).collect();
                steps.windows(2).all(|p| p[0] * p[1] < 0.0)
            }
            Self::TwoOfThree => beyond(2.0, 2),
            Self::FourOfFive => beyond(1.0, 4),
            Self::Fifteen => last.iter().all(|z| z.abs() < 1.0),
            Self::EightBeyond1 => last.iter().all(|z| z.abs() > 1.0),
        }
    }
}

/// The rules that each value completes, in the order of `rules`; each value is judged by itself and
/// those before it.
pub fn violations(values: &[f64], limits: &Limits, rules: &[Rule]) -> Vec<Vec<Rule>> {
    let mut z: Vec<f64> = Vec::with_capacity(values.len());
    values
        .iter()
        .map(|value| {
            if !value.is_finite() {
                return Vec::new();
            }
            // Bounded, so that differences of far values stay numbers.
            z.push(limits.sigmas(*value).clamp(-1e100, 1e100));
            rules.iter().copied().filter(|rule| rule.fits(&z)).collect()
        })
        .collect()
}

/// A point of an EWMA chart.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Smoothed {
    /// `z = λ x + (1-λ) z`, from the centre on.
    pub value: f64,
    /// Half width of the limits: `L σ √(λ / (2-λ) (1 - (1-λ)^2t))`.
    pub half_width: f64,
}

impl Smoothed {
    /// Whether it is beyond the limits.
    pub fn is_beyond(&self, limits: &Limits) -> bool {
        (self.value - limits.centre).abs() > self.half_width + 1e-12 * limits.centre.abs()
    }
}

/// The EWMA of values (Roberts 1959); of a value that is not finite `NaN`, without an effect on the
/// next.
pub fn ewma(values: &[f64], limits: &Limits) -> Vec<Smoothed> {
    let mut z = limits.centre;
    let mut forgotten = 1.0;
    values
        .iter()
        .map(|value| {
            if !value.is_finite() {
                return Smoothed { value: f64::NAN, half_width: f64::NAN };
            }
            z = LAMBDA * value + (1.0 - LAMBDA) * z;
            forgotten *= (1.0 - LAMBDA) * (1.0 - LAMBDA);
            let variance = LAMBDA / (2.0 - LAMBDA) * (1.0 - forgotten);
            Smoothed { value: z, half_width: EWMA_LIMIT * variance.sqrt() * limits.sigma }
        })
        .collect()
}

#[cfg(test)]
mod tests;
