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
    /// Fits to the runs of the past. `references` is the number of references.
    pub fn fit(runs: &[&RunMiddles], references: usize, measure: Measure) -> Self {
        let levels = levels(runs, references);
        let level = |run: &RunMiddles| levels.get(run.reference).copied().flatten();
        let mut by_phase: Vec<Vec<f64>> = vec![Vec::new(); PHASES];
        for run in runs {
            let Some(level) = level(run) else { continue };
            for &(phase, value) in &run.phases {
                by_phase[phase].extend(finite(measure.deviation(value, level.value)));
            }
        }
        let profile: [f64; PHASES] = std::array::from_fn(|phase| shrunk(&mut by_phase[phase]));
        let mut by_cell: Vec<Vec<f64>> = vec![Vec::new(); references * PHASES];
        for run in runs {
            let Some(level) = level(run) else { continue };
            for &(phase, value) in &run.phases {
                let parent = measure.apply(level.value, profile[phase]);
                by_cell[run.reference * PHASES + phase]
                    .extend(finite(measure.deviation(value, parent)));
            }
        }
        let own = by_cell.iter_mut().map(shrunk).collect();
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

/// The middles of one run's values. Those of its deviations follow from them: a deviation is a rising
/// straight line of the value, which neither a median nor a mean minds.
#[derive(Clone, Debug, PartialEq)]
pub struct RunMiddles {
    reference: usize,
    /// Of its settled part; of all where that is short.
    level: Option<f64>,
    /// Of each phase that it has values in.
    phases: Vec<(usize, f64)>,
}

impl RunMiddles {
    /// Of a run's observations; `None` without any.
    pub fn of<'a>(
        run: impl Iterator<Item = &'a Observation> + Clone,
        middle: Middle,
    ) -> Option<Self> {
        let reference = run.clone().next()?.reference;
        let late = run.clone().filter(|item| is_late(item.phase));
        let mut values: Vec<f64> = late.map(|item| item.value).collect();
        if values.len() < 5 {
            values = run.clone().map(|item| item.value).collect();
        }
        let level = middle.of(&mut values);
        let mut by_phase: [Vec<f64>; PHASES] = std::array::from_fn(|_| Vec::new());
        for item in run {
            by_phase[item.phase].push(item.value);
        }
        let phases = by_phase.iter_mut().enumerate();
        let phases = phases.filter_map(|(phase, values)| Some((phase, middle.of(values)?)));
        Some(Self { reference, level, phases: phases.collect() })
    }
}

fn levels(runs: &[&RunMiddles], references: usize) -> Vec<Option<Level>> {
    let mut middles: Vec<Vec<f64>> = vec![Vec::new(); references];
    for run in runs {
        if let Some(list) = middles.get_mut(run.reference) {
            list.extend(run.level);
        }
    }
    let level = |mut middles: Vec<f64>| {
        let runs = middles.len();
        robust::median(&mut middles).map(|value| Level { value, runs })
    };
    middles.into_iter().map(|list| level(list).filter(|l| l.runs >= FEWEST_RUNS)).collect()
}

fn finite(value: f64) -> Option<f64> {
    Some(value).filter(|value| value.is_finite())
}

/// The median over the runs, so that one run of something else does not count.
fn shrunk(middles: &mut Vec<f64>) -> f64 {
    let runs = middles.len() as f64;
    let weight = (runs - 1.0).max(0.0) / (runs + PARENT_RUNS);
    robust::median(middles).unwrap_or(0.0) * weight
}
