//! What is usual: the median of a quantity per reference and phase of the run, shrunk to its parents.

use super::context::{PHASES, is_late};
use super::robust;

/// Runs that a parent weighs against a cell's own runs.
const PARENT_RUNS: f64 = 2.0;
/// Runs without which nothing is usual for a reference.
const FEWEST_RUNS: usize = 3;

/// One cell of the past.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Observation {
    /// Position of the reference.
    pub reference: usize,
    /// Phase of the run.
    pub phase: usize,
    /// Which run; observations of a run come one after another.
    pub run: usize,
    /// Value, in the sensor's unit.
    pub value: f64,
}

/// The middle of a run's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Middle {
    /// Their median.
    Median,
    /// Their mean: for counts, whose median is a whole number.
    Mean,
}

impl Middle {
    fn of(self, values: &mut Vec<f64>) -> Option<f64> {
        match self {
            Self::Median => robust::median(values),
            Self::Mean => robust::mean(values),
        }
    }
}

/// How deviations are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Relative to what is usual: for power and rates, whose zero means nothing.
    Ratio,
    /// As a difference: for temperatures and whatever has no true zero.
    Difference,
}

impl Measure {
    /// How far `value` is from `usual`: (value - usual) / |usual|, or value - usual.
    pub fn deviation(self, value: f64, usual: f64) -> f64 {
        match self {
            Self::Ratio if usual.abs() > f64::MIN_POSITIVE => (value - usual) / usual.abs(),
            Self::Ratio => f64::NAN,
            Self::Difference => value - usual,
        }
    }

    /// The value that deviates by so much.
    pub fn apply(self, usual: f64, deviation: f64) -> f64 {
        match self {
            Self::Ratio => usual + usual.abs() * deviation,
            Self::Difference => usual + deviation,
        }
    }
}

/// Median of a quantity by reference and phase.
///
/// `usual(reference, phase) = level(reference) ∘ profile(phase) ∘ own(reference, phase)`, where ∘ adds
/// a relative or absolute deviation (`Measure`). `level` is the median over the reference's runs of
/// each run's middle; `profile` the median deviation from it over all references, and `own` what is
/// left in the cell, each a median over runs multiplied by (n - 1) / (n + 2) for n runs, so that a cell
/// seen once does not move its parent. Method: empirical Bayes shrinkage of medians; the weight is a choice, not an estimate.
///
/// Does not see: differences between runs of one reference (the charts' scale has them), and anything
/// about a reference with fewer than three runs.
#[derive(Clone, Debug)]
pub struct Envelope {
    measure: Measure,
    levels: Vec<Option<Level>>,
    profile: [f64; PHASES],
    own: Vec<f64>,
}

#[derive(Clone, Copy, Debug)]
struct Level {
    value: f64,
    runs: usize,
}

impl Envelope {
    /// Fits to the past. `references` is the number of references.
    pub fn fit(
        observations: &[Observation],
        references: usize,
        measure: Measure,
        middle: Middle,
    ) -> Self {
        let levels = levels(observations, references, middle);
        let level = |reference: usize| levels.get(reference).copied().flatten();
        let mut by_phase: Vec<Cell> = vec![Cell::default(); PHASES];
        let mut by_cell: Vec<Cell> = vec![Cell::default(); references * PHASES];
        for item in observations {
            if let Some(level) = level(item.reference) {
                let deviation = measure.deviation(item.value, level.value);
                by_phase[item.phase].push(item.run, deviation, middle);
            }
        }
        let mut profile = [0.0; PHASES];
        for (entry, cell) in profile.iter_mut().zip(by_phase) {
            *entry = cell.shrunk(middle);
        }
        for item in observations {
            if let Some(level) = level(item.reference) {
                let parent = measure.apply(level.value, profile[item.phase]);
                let cell = &mut by_cell[item.reference * PHASES + item.phase];
                cell.push(item.run, measure.deviation(item.value, parent), middle);
            }
        }
        let own = by_cell.into_iter().map(|cell| cell.shrunk(middle)).collect();
        Self { measure, levels, profile, own }
    }

    /// What is usual, in the sensor's unit.
    pub fn usual(&self, reference: usize, phase: usize) -> Option<f64> {
        let level = self.levels.get(reference).copied().flatten()?;
        let own = self.own.get(reference * PHASES + phase)?;
        Some(self.measure.apply(self.measure.apply(level.value, *self.profile.get(phase)?), *own))
    }

    /// Deviation of a value from what is usual.
    pub fn deviation(&self, reference: usize, phase: usize, value: f64) -> Option<f64> {
        let usual = self.usual(reference, phase)?;
        Some(self.measure.deviation(value, usual)).filter(|deviation| deviation.is_finite())
    }

    /// Runs that a reference's level rests on.
    pub fn runs(&self, reference: usize) -> usize {
        self.levels.get(reference).copied().flatten().map_or(0, |level| level.runs)
    }

    /// Median of the references' levels: the machine's usual value while running.
    pub fn machine_level(&self) -> Option<f64> {
        let mut levels: Vec<f64> = self.levels.iter().flatten().map(|level| level.value).collect();
        robust::median(&mut levels)
    }

    /// How deviations are measured.
    pub fn measure(&self) -> Measure {
        self.measure
    }
}

fn levels(observations: &[Observation], references: usize, middle: Middle) -> Vec<Option<Level>> {
    let mut medians: Vec<Vec<f64>> = vec![Vec::new(); references];
    for run in observations.chunk_by(|a, b| a.run == b.run) {
        let late = run.iter().filter(|item| is_late(item.phase));
        let mut values: Vec<f64> = late.map(|item| item.value).collect();
        if values.len() < 5 {
            values = run.iter().map(|item| item.value).collect();
        }
        let own = run.first().and_then(|item| medians.get_mut(item.reference));
        if let Some(list) = own {
            list.extend(middle.of(&mut values));
        }
    }
    let level = |mut medians: Vec<f64>| {
        let runs = medians.len();
        robust::median(&mut medians).map(|value| Level { value, runs })
    };
    medians.into_iter().map(|list| level(list).filter(|l| l.runs >= FEWEST_RUNS)).collect()
}

/// Deviations of one cell, run by run.
#[derive(Clone, Debug, Default)]
struct Cell {
    /// Middles of the runs before.
    runs: Vec<f64>,
    /// Deviations of the newest run.
    current: Vec<f64>,
    run: Option<usize>,
}

impl Cell {
    fn push(&mut self, run: usize, deviation: f64, middle: Middle) {
        if self.run != Some(run) {
            self.close(middle);
            self.run = Some(run);
        }
        self.current.push(deviation);
    }

    fn close(&mut self, middle: Middle) {
        self.runs.extend(middle.of(&mut self.current));
        self.current.clear();
    }

    /// The median over the runs, so that one run of something else does not count.
    fn shrunk(mut self, middle: Middle) -> f64 {
        self.close(middle);
        let runs = self.runs.len() as f64;
        let weight = (runs - 1.0).max(0.0) / (runs + PARENT_RUNS);
        robust::median(&mut self.runs).unwrap_or(0.0) * weight
    }
}
