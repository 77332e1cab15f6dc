//! Which runs a golden curve is learned from.

use super::{FEWEST_RUNS, robust};

/// A run that has ended, as far as the choice is concerned.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// kWh per good unit, where a meter and good units are known.
    pub energy_per_good_unit: Option<f64>,
    /// Seconds from start to end.
    pub seconds: f64,
    /// Scrapped units as a share of all units; `None` without units.
    pub scrap_share: Option<f64>,
}

/// Which runs to learn from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Choice {
    /// All good ones.
    Good,
    /// The share of the good ones (0 to 1) with least kWh per good unit, but at least 5.
    BestShare(f64),
    /// So many of the good ones with least kWh per good unit.
    BestRuns(usize),
}

/// Robust sigmas within which a run is a good one.
const GOOD_SIGMAS: f64 = 3.0;
/// Least scale of relative differences and of shares: one per cent.
const LEAST_SCALE: f64 = 0.01;

/// Positions of the runs to learn from.
///
/// A run is good when its logarithm of kWh per good unit and of its duration lie within 3 robust
/// sigmas (median, MAD, at least 1 %) of those of all candidates, and its scrap share is not more than
/// 3 sigmas above. What is not known is not held against it. The best are then those with least kWh
/// per good unit (a tie: the earlier one); none, where that is not known.
///
/// Does not see: what is wrong with most of the runs, and fewer than five candidates, which are all
/// good.
pub fn choose(candidates: &[Candidate], choice: Choice) -> Vec<usize> {
    let log = |value: Option<f64>| value.filter(|v| *v > 0.0 && v.is_finite()).map(f64::ln);
    let energy: Vec<Option<f64>> = candidates.iter().map(|c| log(c.energy_per_good_unit)).collect();
    let duration: Vec<Option<f64>> = candidates.iter().map(|c| log(Some(c.seconds))).collect();
    let scrap: Vec<Option<f64>> =
        candidates.iter().map(|c| c.scrap_share.filter(|s| s.is_finite())).collect();
    let (energy_z, duration_z, scrap_z) = (scores(&energy), scores(&duration), scores(&scrap));
    let good = (0..candidates.len()).filter(|&i| {
        energy_z[i].abs() <= GOOD_SIGMAS
            && duration_z[i].abs() <= GOOD_SIGMAS
            && scrap_z[i] <= GOOD_SIGMAS
    });
    let good: Vec<usize> = good.collect();
    let most = match choice {
        Choice::Good => return good,
        Choice::BestShare(share) => {
            let share = share.clamp(0.0, 1.0) * good.len() as f64;
            (share.ceil() as usize).max(FEWEST_RUNS)
        }
        Choice::BestRuns(runs) => runs,
    };
    let mut known: Vec<(f64, usize)> =
        good.into_iter().filter_map(|i| Some((energy[i]?, i))).collect();
    known.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let mut best: Vec<usize> = known.into_iter().take(most).map(|(_, index)| index).collect();
    best.sort_unstable();
    best
}

/// Robust z of each value; 0 where it is not known or there are too few to say.
fn scores(values: &[Option<f64>]) -> Vec<f64> {
    let known: Vec<f64> = values.iter().flatten().copied().collect();
    let scale = robust::median_of(&known).zip(robust::sigma(&known));
    let Some((centre, sigma)) = scale.filter(|_| known.len() >= FEWEST_RUNS) else {
        return vec![0.0; values.len()];
    };
    let sigma = sigma.max(LEAST_SCALE);
    values.iter().map(|value| value.map_or(0.0, |value| (value - centre) / sigma)).collect()
}
