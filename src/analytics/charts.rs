//! The control charts of one quantity of a machine while it runs: recursive statistics of the
//! deviations from what is usual. Each knows only the past of its run.

use super::window::Window;

/// A statistic of the deviations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Chart {
    /// Deviation now, less the median of the run's last quarter of an hour: a jump.
    Jump,
    /// Exponentially weighted mean over 8 minutes.
    Level8,
    /// The same over 25 minutes.
    Level25,
    /// The same over 90 minutes.
    Level90,
    /// Logarithm of the mean absolute step between neighbours over 20 minutes, without the largest
    /// quarter of the steps: roughness.
    Roughness,
    /// Exponentially weighted mean over the runs, of all references.
    Runs,
}

impl Chart {
    /// Those that `Track` computes.
    pub const OF_A_RUN: [Self; 5] =
        [Self::Jump, Self::Level8, Self::Level25, Self::Level90, Self::Roughness];
    /// Number of charts.
    pub const COUNT: usize = 6;
}

/// Values of the charts of a run, in the order of `Chart::OF_A_RUN`; `None` where there is too little
/// of the run.
pub type Statistics = [Option<f64>; 5];

/// An exponentially weighted mean that begins as a plain mean, so that its first values are not
/// drawn to zero.
///
/// m ← m + (x - m) · max(1/n, 1/w): EWMA with smoothing 1/w (Roberts 1959) once n reaches w.
/// Does not see: anything faster than about w samples.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ewma {
    /// Mean so far.
    pub mean: f64,
    /// Samples so far.
    pub count: u32,
}

impl Ewma {
    /// Takes a sample with a memory of `window` samples.
    pub fn push(&mut self, value: f64, window: f64) {
        self.count = self.count.saturating_add(1);
        self.mean += (value - self.mean) / f64::from(self.count).min(window.max(1.0));
    }
}

/// State of the charts through a run.
#[derive(Clone, Debug)]
pub struct Track {
    cells: Cells,
    recent: Window,
    levels: [Ewma; 3],
    steps: Window,
    last: Option<f64>,
}

/// The memories of the charts in cells of the grid, at least three each.
#[derive(Clone, Copy, Debug)]
struct Cells {
    levels: [f64; 3],
    steps: f64,
    recent: f64,
    least_recent: f64,
    least_run: f64,
}

const WINDOWS_MIN: [f64; 3] = [8.0, 25.0, 90.0];
const ROUGHNESS_MIN: f64 = 20.0;
const RECENT_MIN: f64 = 15.0;
/// Minutes before which there is no jump.
const LEAST_RECENT_MIN: f64 = 5.0;
/// Minutes without which a run has no level.
const LEAST_RUN_MIN: f64 = 15.0;

impl Track {
    /// At the start of a run, on a grid of cells of so many minutes.
    pub fn new(cell_min: f64) -> Self {
        let cells = |minutes: f64| (minutes / cell_min).max(3.0);
        Self {
            cells: Cells {
                levels: WINDOWS_MIN.map(cells),
                steps: cells(ROUGHNESS_MIN),
                recent: cells(RECENT_MIN),
                least_recent: cells(LEAST_RECENT_MIN),
                least_run: cells(LEAST_RUN_MIN),
            },
            recent: Window::default(),
            levels: [Ewma::default(); 3],
            steps: Window::default(),
            last: None,
        }
    }

    /// Takes the deviation of a cell, and gives the charts. `limit` cuts what a single cell can do to the
    /// levels.
    pub fn push(&mut self, deviation: f64, limit: f64) -> Statistics {
        let jump = (self.recent.len() as f64 >= self.cells.least_recent)
            .then(|| deviation - self.recent.median().unwrap_or(0.0));
        self.pass(deviation, limit);
        let least = |index: usize| (self.cells.levels[index] * 0.4).max(3.0);
        let [short, medium, long] = [0, 1, 2].map(|index| self.level(index, least(index)));
        let rough = (self.steps.len() as f64 >= self.cells.steps * 0.6)
            .then(|| low_mean(&mut self.steps))
            .filter(|step| *step > 0.0)
            .map(f64::ln);
        [jump, short, medium, long, rough]
    }

    /// Takes the deviation of a cell whose charts nobody looks at.
    pub fn pass(&mut self, deviation: f64, limit: f64) {
        if let Some(last) = self.last.replace(deviation) {
            self.steps.push((deviation - last).abs());
            if self.steps.len() as f64 > self.cells.steps {
                self.steps.pop();
            }
        }
        self.recent.push(deviation);
        if self.recent.len() as f64 > self.cells.recent {
            self.recent.pop();
        }
        for (level, window) in self.levels.iter_mut().zip(self.cells.levels) {
            level.push(deviation.clamp(-limit, limit), window);
        }
    }

    /// A cell of which nothing is known, or in which the machine stood still.
    pub fn interrupt(&mut self) {
        self.last = None;
    }

    /// Begins the levels anew.
    pub fn forget(&mut self) {
        self.levels = [Ewma::default(); 3];
    }

    /// The best estimate of the run's own level: the longest mean that has enough samples.
    pub fn run_level(&self) -> Option<f64> {
        self.level(2, self.cells.least_run)
    }

    /// A mean of so many samples at least.
    fn level(&self, index: usize, least: f64) -> Option<f64> {
        let level = self.levels[index];
        (f64::from(level.count) >= least).then_some(level.mean)
    }
}

/// What [`Track::run_level`] would be at the end of a run of these deviations.
pub fn level_of_run(deviations: impl Iterator<Item = f64>, cell_min: f64) -> Option<f64> {
    let mut track = Track::new(cell_min);
    let window = track.cells.levels[2];
    deviations.for_each(|deviation| track.levels[2].push(deviation, window));
    track.run_level()
}

/// Mean without the largest quarter. Unlike a median it does not jump from one step of the sensor's
/// resolution to the next.
fn low_mean(steps: &mut Window) -> f64 {
    let sorted = steps.sorted();
    let kept = (sorted.len() * 3 / 4).max(1);
    super::robust::mean(&sorted[..kept.min(sorted.len())]).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ewma_by_hand() {
        let mut ewma = Ewma::default();
        for value in [4.0, 8.0] {
            ewma.push(value, 4.0);
        }
        assert_eq!(ewma.mean, 6.0);
        for value in [6.0, 6.0, 10.0] {
            ewma.push(value, 4.0);
        }
        // 6, 6, then 6 + (10 - 6) / 4.
        assert_eq!(ewma.mean, 7.0);
    }

    #[test]
    fn a_jump_is_measured_from_the_last_quarter_of_an_hour() {
        let mut track = Track::new(1.0);
        for _ in 0..10 {
            track.push(1.0, f64::INFINITY);
        }
        assert_eq!(track.push(4.0, f64::INFINITY)[0], Some(3.0));
    }
}
