//! When deviations from the baseline add up: the tabular CUSUM (Page 1954; Montgomery,
//! *Introduction to Statistical Quality Control*, 9.1).

use super::super::robust;

/// Smallest relative change of the consumption that is watched for.
pub const CHANGE: f64 = 0.05;

/// A CUSUM of energy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chart {
    /// Share of the expected energy that a step may deviate without being counted: two fifths of
    /// [`CHANGE`]. Half of it finds a change of that size soonest from a true model; but wear,
    /// maintenance and the weather have moved the machine by one or two percent since.
    pub slack: f64,
    /// Decision interval in kWh.
    pub limit: f64,
    /// Standard deviation of a step's deviation in kWh, with the dependence of neighbours.
    pub sigma: f64,
    /// Steps between false alarms that the limit is made for.
    pub run_length: f64,
}

/// Where a chart stands.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct State {
    /// Sum of what was used beyond expectation and slack, kWh, at least 0.
    pub over: f64,
    /// The same of what was saved.
    pub under: f64,
}

impl State {
    /// The larger sum as a share of the limit, positive for more and negative for less consumption;
    /// beyond 1 or -1 it has changed.
    pub fn share(&self, chart: &Chart) -> f64 {
        let larger = if self.over >= self.under { self.over } else { -self.under };
        larger / chart.limit
    }
}

impl Chart {
    /// The chart for deviations such as those of the baseline period, pairs of `(expected, actual)`
    /// kWh by step, with one false alarm in `run_length` steps (Siegmund 1985:
    /// `ARL = (exp(2Δb) - 2Δb - 1) / 2Δ²`, `b = h + 1.166`, Δ the slack in sigmas). Steps that are
    /// not finite are left out; `None` with fewer than ten, or where nothing is expected.
    ///
    /// σ² is the robust variance times `1 + 2 Σ ρ_j` of the first six autocorrelations, as far as
    /// they are positive: lots and shifts make neighbours alike.
    pub fn new(steps: &[(f64, f64)], run_length: f64) -> Option<Self> {
        let known: Vec<(f64, f64)> =
            steps.iter().copied().filter(|(e, y)| e.is_finite() && y.is_finite()).collect();
        let expected = known.iter().map(|(e, _)| e).sum::<f64>() / known.len() as f64;
        if known.len() < LEAST_STEPS || expected <= 0.0 {
            return None;
        }
        // Steps at rest neither drift nor vary.
        let working: Vec<(f64, f64)> =
            known.iter().copied().filter(|(e, _)| *e > expected / 2.0).collect();
        let expected = working.iter().map(|(e, _)| e).sum::<f64>() / working.len() as f64;
        let deviations: Vec<f64> = working.iter().map(|(e, y)| y - e).collect();
        // Exact data would have no limit at all.
        let sigma = robust::sigma_about(&deviations, 0.0)?.max(1e-3 * expected);
        let sigma = sigma * dependence(&deviations, 4.0 * sigma).sqrt();
        let slack = SLACK * CHANGE;
        let run_length = run_length * working.len() as f64 / known.len() as f64;
        let limit = sigma * interval(slack * expected / sigma, run_length);
        Some(Self { slack, limit: limit.max(LEAST_LIMIT * expected), sigma, run_length })
    }

    /// Takes a step; what is not known changes nothing. A single step never makes an alarm, however far
    /// it is off: a lot under a wrong label is no change for good (after the robust CUSUM of Lucas and
    /// Crosier 1982).
    pub fn step(&self, state: State, expected: f64, actual: f64) -> State {
        let deviation = actual - expected;
        if !deviation.is_finite() {
            return state;
        }
        let slack = self.slack * expected.max(0.0);
        let most = slack + MOST_OF_A_STEP * self.limit;
        let deviation = deviation.clamp(-most, most);
        // Bounded, so that the end of a long drift is seen as soon as its start.
        let next = |sum: f64, by: f64| (sum + by - slack).clamp(0.0, 2.0 * self.limit);
        State { over: next(state.over, deviation), under: next(state.under, -deviation) }
    }

    /// Whether the chart is beyond its limit, in either direction.
    pub fn is_alarm(&self, state: State) -> bool {
        state.over > self.limit || state.under > self.limit
    }
}

const LEAST_STEPS: usize = 10;
/// Least limit, as a share of the energy of a working step. Wear, crews and weather move a machine
/// slowly by a few percent, which the deviations of one baseline period may not show.
const LEAST_LIMIT: f64 = 0.04;
/// See [`Chart::slack`].
const SLACK: f64 = 0.4;
/// Largest share of the limit that one step may add.
const MOST_OF_A_STEP: f64 = 0.7;
/// Lags of the dependence.
const LAGS: usize = 6;

/// `1 + 2 Σ ρ_j` over the first positive autocorrelations of what is not beyond `most`.
fn dependence(deviations: &[f64], most: f64) -> f64 {
    let clipped: Vec<f64> = deviations.iter().map(|d| d.clamp(-most, most)).collect();
    let variance: f64 = clipped.iter().map(|d| d * d).sum();
    if variance <= 0.0 {
        return 1.0;
    }
    let lag =
        |j: usize| clipped.iter().zip(&clipped[j..]).map(|(a, b)| a * b).sum::<f64>() / variance;
    let lags = 1..=LAGS.min(clipped.len() - 1);
    1.0 + 2.0 * lags.map(lag).take_while(|rho| *rho > 0.0).sum::<f64>()
}

/// Decision interval in sigmas for a slack of `drift` sigmas, by bisection of Siegmund's formula.
fn interval(drift: f64, run_length: f64) -> f64 {
    let length = |h: f64| {
        let b = 2.0 * drift * (h + 1.166);
        (b.exp() - b - 1.0) / (2.0 * drift * drift)
    };
    let (mut low, mut high) = (0.0, 200.0);
    for _ in 0..100 {
        let middle = (low + high) / 2.0;
        if length(middle) < run_length { low = middle } else { high = middle }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::Stream;

    #[test]
    fn the_interval_is_that_of_the_tables() {
        // Montgomery, table 9.4: k = 1/2, h = 5 has ARL 465, h = 4 has 168, one-sided 2 × that.
        assert!((interval(0.5, 930.0) - 5.0).abs() < 0.03, "{}", interval(0.5, 930.0));
        assert!((interval(0.5, 336.0) - 4.0).abs() < 0.03, "{}", interval(0.5, 336.0));
    }

    #[test]
    fn sums_by_hand() {
        let chart = Chart { slack: 0.025, limit: 10.0, sigma: 4.0, run_length: 100.0 };
        // 8 over with a slack of 2.5, twice: 5.5, 11; then 20 under, of which 7 beyond the slack count.
        let mut state = chart.step(State::default(), 100.0, 108.0);
        assert_eq!(state, State { over: 5.5, under: 0.0 });
        state = chart.step(state, 100.0, f64::NAN);
        state = chart.step(state, 100.0, 108.0);
        assert_eq!((state.over, chart.is_alarm(state), state.share(&chart)), (11.0, true, 1.1));
        state = chart.step(state, 100.0, 80.0);
        assert_eq!(state, State { over: 0.0, under: 7.0 });
        assert!(!chart.is_alarm(state), "one lot under a wrong label");
        state = chart.step(state, 100.0, 80.0);
        assert_eq!((state.over, state.under), (0.0, 14.0));
        assert_eq!(
            (chart.is_alarm(state), state.share(&chart)),
            (true, -1.4),
            "savings are news too"
        );
    }

    #[test]
    fn a_drift_of_five_percent_is_found_and_calm_is_kept() {
        let mut stream = Stream::new(9, &["cusum"]);
        let mut steps = |count: usize, factor: f64| -> Vec<(f64, f64)> {
            (0..count).map(|_| (100.0, 100.0 * factor + 3.0 * stream.normal())).collect()
        };
        let chart = Chart::new(&steps(90, 1.0), 1000.0).unwrap();
        assert!((chart.sigma - 3.0).abs() < 1.5 && chart.limit >= 5.0, "{chart:?}");
        let alarms = |steps: &[(f64, f64)]| {
            let mut state = State::default();
            steps.iter().position(|&(e, y)| {
                state = chart.step(state, e, y);
                chart.is_alarm(state)
            })
        };
        assert_eq!(alarms(&steps(200, 1.0)), None);
        assert!(alarms(&steps(30, 1.05)).is_some_and(|at| at < 9));
        assert!(alarms(&steps(30, 0.95)).is_some_and(|at| at < 9));
        assert_eq!(Chart::new(&[(100.0, 100.0); 5], 1000.0), None);
        assert_eq!(Chart::new(&[(0.0, 0.0); 50], 1000.0), None);
    }
}
