//! The shipped defaults of the detectors.

/// Thresholds and times. One set for every machine and every sensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// History without which nothing is raised, in days.
    pub least_history_days: f64,
    /// History that models are fitted to, in days.
    pub window_days: f64,
    /// Limits of the charts in robust sigmas, in the order of `Chart`.
    pub limits: [f64; 6],
    /// Cells in a row beyond the limit before a chart raises, in the same order.
    pub persistence: [u32; 6],
    /// Limit of the power at rest, in robust sigmas.
    pub resting_limit: f64,
    /// Power at rest is waste only above this share of the usual running power beyond what is usual.
    pub resting_share: f64,
    /// A sensor is stuck when it repeats its value so many times as long as ever before.
    pub stuck_factor: f64,
    /// Shortest repetition that counts as stuck, in minutes.
    pub stuck_min: f64,
    /// Largest standard deviation of a ratio quantity between runs of one reference that is believed.
    pub most_scatter: f64,
    /// Weight of the newest run in the chart over runs.
    pub runs_weight: f64,
    /// Calm minutes after which an event is over.
    pub calm_min: f64,
    /// Share of a sigma by which the slow offset of a machine may follow its runs, per day.
    pub adaptation_per_day: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            least_history_days: 10.0,
            window_days: 45.0,
            limits: [8.0, 7.0, 6.0, 5.5, 6.0, 5.0],
            persistence: [2, 3, 4, 5, 5, 10],
            resting_limit: 6.0,
            resting_share: 0.12,
            stuck_factor: 1.6,
            stuck_min: 12.0,
            most_scatter: 0.05,
            runs_weight: 0.35,
            calm_min: 60.0,
            adaptation_per_day: 0.25,
        }
    }
}
