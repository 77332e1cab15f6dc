//! Readings on a grid of equal steps. A cell knows only readings up to its own end.

use super::history::{Kind, Machine, Quantity, Sensor};
use super::robust;

/// A grid of equal steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Second of the first cell's start, a multiple of the step.
    pub start: i64,
    /// Length of a cell in seconds.
    pub step: i64,
    /// Number of cells.
    pub cells: usize,
}

/// Cells at most: about ten years of minutes.
const MOST_CELLS: i64 = 5_300_000;

impl Grid {
    /// The grid of a machine: from its first reading to its last, in steps of its fastest gauge, but
    /// no finer than a minute. `None` without readings.
    pub fn of(machine: &Machine) -> Option<Self> {
        let with = machine.sensors.iter().filter(|sensor| !sensor.times.is_empty());
        let first = with.clone().filter_map(|sensor| sensor.times.first()).min()?;
        let last = with.clone().filter_map(|sensor| sensor.times.last()).max()?;
        let interval = with.filter_map(interval).min().unwrap_or(60).max(60);
        let span = last.checked_sub(*first)?;
        let step = interval.max(span / MOST_CELLS + 1);
        let start = first.div_euclid(step) * step;
        let cells = usize::try_from((last - start) / step + 1).ok()?;
        Some(Self { start, step, cells })
    }

    /// The cell of a second, which may lie outside.
    pub fn cell(&self, second: i64) -> i64 {
        second.saturating_sub(self.start).div_euclid(self.step)
    }

    /// The cell of a second, moved into the grid's edges.
    pub fn clamped(&self, second: i64) -> usize {
        usize::try_from(self.cell(second).max(0)).unwrap_or(usize::MAX).min(self.cells)
    }

    /// Second at which a cell begins.
    pub fn second(&self, cell: usize) -> i64 {
        self.start + cell as i64 * self.step
    }

    /// Cells in so many minutes, at least one.
    pub fn cells_in(&self, minutes: f64) -> usize {
        ((minutes * 60.0 / self.step as f64).round() as usize).max(1)
    }

    /// Minutes of a cell.
    pub fn minutes(&self) -> f64 {
        self.step as f64 / 60.0
    }
}

/// Usual seconds between readings.
fn interval(sensor: &Sensor) -> Option<i64> {
    let steps: Vec<f64> =
        sensor.times.windows(2).take(2000).map(|pair| (pair[1] - pair[0]) as f64).collect();
    robust::median_of(&steps).map(|median| (median.round() as i64).max(1))
}

/// A sensor on the grid: the mean of a gauge's readings in each cell; of a counter or delta the rate
/// per hour since the reading before, in the cell of the reading that closes it. `NaN` where nothing
/// is known.
pub fn resample(sensor: &Sensor, grid: &Grid) -> Vec<f64> {
    match sensor.kind {
        Kind::Gauge => means(sensor, grid),
        Kind::Counter | Kind::Delta => rates(sensor, grid),
    }
}

fn means(sensor: &Sensor, grid: &Grid) -> Vec<f64> {
    let mut sums = vec![0.0; grid.cells];
    let mut counts = vec![0u32; grid.cells];
    for (&time, &value) in sensor.times.iter().zip(&sensor.values) {
        let cell = grid.clamped(time);
        if value.is_finite() && cell < grid.cells {
            sums[cell] += value;
            counts[cell] += 1;
        }
    }
    let mean =
        |(sum, &count): (f64, &u32)| if count > 0 { sum / f64::from(count) } else { f64::NAN };
    sums.into_iter().zip(&counts).map(mean).collect()
}

fn rates(sensor: &Sensor, grid: &Grid) -> Vec<f64> {
    let mut amounts = vec![0.0; grid.cells];
    let mut seconds = vec![0i64; grid.cells];
    // An amount over a longer time than this says too little about when.
    let longest = 5 * interval(sensor).unwrap_or(grid.step).max(grid.step);
    let mut last: Option<(i64, f64)> = None;
    for (&time, &value) in sensor.times.iter().zip(&sensor.values) {
        if !value.is_finite() {
            continue;
        }
        if let Some((before, register)) = last.replace((time, value)) {
            let amount = match sensor.kind {
                Kind::Delta => value,
                _ if value >= register => value - register,
                // A restart: what was counted before it is lost, so this step says nothing.
                _ => f64::NAN,
            };
            let cell = grid.clamped(time);
            if amount.is_finite() && time - before <= longest && cell < grid.cells {
                amounts[cell] += amount;
                seconds[cell] += time - before;
            }
        }
    }
    let rate = |(amount, &seconds): (f64, &i64)| {
        if seconds > 0 { amount * 3600.0 / seconds as f64 } else { f64::NAN }
    };
    amounts.into_iter().zip(&seconds).map(rate).collect()
}

/// Whether deviations of a quantity are relative.
pub fn is_ratio(quantity: Quantity) -> bool {
    matches!(quantity, Quantity::Power | Quantity::Energy | Quantity::Count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sensor(kind: Kind, times: &[i64], values: &[f64]) -> Sensor {
        Sensor {
            key: "s".into(),
            quantity: Quantity::Other,
            unit: String::new(),
            kind,
            to_kilo: 1.0,
            times: times.into(),
            values: values.into(),
        }
    }

    #[test]
    fn a_gauge_is_averaged_and_a_gap_is_unknown() {
        let gauge = sensor(Kind::Gauge, &[0, 30, 180], &[1.0, 3.0, 5.0]);
        let grid = Grid { start: 0, step: 60, cells: 4 };
        let values = resample(&gauge, &grid);
        assert_eq!((values[0], values[3]), (2.0, 5.0));
        assert!(values[1].is_nan() && values[2].is_nan());
    }

    #[test]
    fn a_counter_is_a_rate_that_survives_its_restart() {
        // 2 units in 60 s are 120 an hour; the fall at 120 s is unknown.
        let counter = sensor(Kind::Counter, &[0, 60, 120, 180], &[10.0, 12.0, 1.0, 2.0]);
        let grid = Grid { start: 0, step: 60, cells: 4 };
        let values = resample(&counter, &grid);
        assert!(values[0].is_nan() && values[2].is_nan());
        assert_eq!((values[1], values[3]), (120.0, 60.0));
    }
}
