//! Rules for what no distribution describes: a value that repeats, and power while nothing is made.

use super::charts::Ewma;
use super::robust;

/// Counts how often a value has been repeated.
///
/// Does not see: a sensor stuck at a value that it usually repeats for as long.
#[derive(Clone, Copy, Debug, Default)]
pub struct Repetition {
    last: Option<f64>,
    /// Cells since the value last changed.
    pub cells: u32,
}

impl Repetition {
    /// Takes a cell's value; the number of cells for which it has been the same.
    pub fn push(&mut self, value: f64) -> u32 {
        if self.last.replace(value) == Some(value) {
            self.cells = self.cells.saturating_add(1);
        } else {
            self.cells = 0;
        }
        self.cells
    }
}

/// What a machine uses in a resting state: median and robust standard deviation of the power.
///
/// Does not see: waste that was there during the whole history.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Resting {
    /// Median, in the sensor's unit.
    pub usual: f64,
    /// Standard deviation, in the sensor's unit; never below 5 % of the median.
    pub sigma: f64,
}

impl Resting {
    /// Fits to the past.
    pub fn fit(values: &[f64]) -> Option<Self> {
        let usual = robust::median_of(values)?;
        let sigma =
            robust::sigma_about(values, usual)?.max(0.05 * usual.abs()).max(f64::MIN_POSITIVE);
        (values.len() >= 30).then_some(Self { usual, sigma })
    }
}

/// Watches the power at rest: a mean over ten minutes, so that a door that opens is no waste.
#[derive(Clone, Copy, Debug, Default)]
pub struct RestingTrack(Ewma);

impl RestingTrack {
    /// Takes a cell's power on a grid of cells of so many minutes; the mean once it rests on ten
    /// minutes.
    pub fn push(&mut self, value: f64, cell_min: f64) -> Option<f64> {
        let cells = (10.0 / cell_min).max(1.0);
        self.0.push(value, cells);
        (f64::from(self.0.count) >= cells).then_some(self.0.mean)
    }
}
