//! Figures of whole runs, from the sums of their meters and thermometers.

use std::collections::BTreeMap;

use super::Sums;
use crate::plan::{Slices, Window};
use crate::sql::cell::Cell;

/// What a run's meters say.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct RunEnergy {
    /// kWh.
    pub energy: Option<f64>,
    /// Share of the meters' time with data, 0 to 1.
    pub coverage: f64,
    /// Cost in the plant's currency; `None` where no tariff is valid for a part of it.
    pub cost: Option<f64>,
}

/// What a run's thermometers say.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct RunHeat {
    /// Time-weighted mean, °C.
    pub mean: Option<f64>,
    /// Largest reading, °C.
    pub peak: Option<f64>,
}

/// Energy of each run, from the cells of its windows `(run, window)` cut at `slices`.
pub fn energy(
    windows: &[(usize, Window<'_>)],
    cells: &[Cell],
    slices: &Slices,
) -> BTreeMap<usize, RunEnergy> {
    let mut used: BTreeMap<usize, (super::Used, f64)> = BTreeMap::new();
    for cell in cells {
        let Some((run, window)) = windows.get(cell.window) else { continue };
        let mut sums = Sums::default();
        sums.add(cell);
        let entry = used.entry(*run).or_default();
        entry.0.add(sums.energy(window.sensor), slices.rate(window.sensor.plant, cell.bucket));
        entry.1 += cell.covered_s;
    }
    let mut expected: BTreeMap<usize, f64> = BTreeMap::new();
    for (run, window) in windows {
        *expected.entry(*run).or_default() += window.range.seconds();
    }
    let figures = |(run, (used, covered)): (usize, (super::Used, f64))| {
        let figures = used.figures();
        let coverage = super::ratio(covered, expected.get(&run).copied().unwrap_or(0.0));
        let energy = RunEnergy {
            energy: figures.energy,
            coverage: coverage.unwrap_or(0.0),
            cost: figures.cost,
        };
        (run, energy)
    };
    used.into_iter().map(figures).collect()
}

/// Temperatures of each run, from the cells of its windows `(run, window)`.
pub fn heat(windows: &[(usize, Window<'_>)], cells: &[Cell]) -> BTreeMap<usize, RunHeat> {
    let mut sums: BTreeMap<usize, Sums> = BTreeMap::new();
    for cell in cells {
        if let Some((run, _)) = windows.get(cell.window) {
            sums.entry(*run).or_default().add(cell);
        }
    }
    let figures = |(run, sums): (usize, Sums)| (run, RunHeat { mean: sums.mean(), peak: sums.max });
    sums.into_iter().map(figures).collect()
}
