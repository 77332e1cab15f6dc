//! Durations of many calls, and what is said of them.

use std::time::Duration;

/// Durations in milliseconds, sorted.
pub struct Sample(Vec<f64>);

impl Sample {
    /// A sample of durations; must not be empty.
    pub fn new(durations: impl IntoIterator<Item = Duration>) -> Self {
        let mut ms: Vec<f64> = durations.into_iter().map(|d| d.as_secs_f64() * 1e3).collect();
        ms.sort_by(f64::total_cmp);
        Self(ms)
    }

    /// The smallest duration that this share of the calls did not exceed.
    pub fn quantile(&self, share: f64) -> f64 {
        let rank = (share * self.0.len() as f64).ceil() as usize;
        self.0.get(rank.clamp(1, self.0.len()) - 1).copied().unwrap_or(f64::NAN)
    }

    /// Percentage of the calls that took longer.
    pub fn percent_over(&self, ms: f64) -> f64 {
        let over = self.0.iter().filter(|d| **d > ms).count();
        100.0 * over as f64 / self.0.len() as f64
    }
}
