//! Operating modes against machines that do report their states: what would have been taken for idle,
//! had they not.

use std::fmt::Write;

use serde::Serialize;

use super::dataset::Dataset;
use super::picture::{LEFT, PLOT, page, text};
use crate::analytics::context::{Context, Doing};
use crate::analytics::grid::{Grid, resample};
use crate::analytics::history::{Kind, Machine, Quantity};
use crate::analytics::modes::{Modes, modes};
use crate::analytics::robust;

/// Minutes at the start that the modes are found in.
const LEARNING_MIN: f64 = 14.0 * 1440.0;
/// Top and height of the histogram, and its columns.
const BARS: (f64, f64) = (28.0, 150.0);
const COLUMNS: usize = 120;
const HEIGHT: usize = 224;

/// A machine with states, runs and a power sensor.
#[derive(Clone, Debug, Serialize)]
pub struct ModesReport {
    /// Key.
    pub machine: String,
    /// Power and share of each mode; none where no mode is idle.
    pub modes: Vec<(f64, f64)>,
    /// Power below which the machine idles.
    pub idle_below: Option<f64>,
    /// Cells after the learning in another state than `running`, and those of them below the limit.
    pub resting: usize,
    /// See `resting`.
    pub resting_below: usize,
    /// Cells in state `running`, and those of them below the limit.
    pub running: usize,
    /// See `running`.
    pub running_below: usize,
    /// Powers of the judged cells, with whether the machine ran, for the picture.
    #[serde(skip)]
    pub cells: Vec<(f64, bool)>,
}

/// Looks for the modes of each machine without its states, and judges them by the states.
pub fn evaluate(dataset: &Dataset) -> Vec<ModesReport> {
    dataset.machines.iter().filter_map(one).collect()
}

fn one(machine: &Machine) -> Option<ModesReport> {
    let is_power = |s: &&crate::analytics::history::Sensor| {
        s.quantity == Quantity::Power && s.kind == Kind::Gauge
    };
    let sensor = machine.sensors.iter().find(is_power)?;
    if machine.states.is_empty() || machine.runs.is_empty() {
        return None;
    }
    let grid = Grid::of(machine)?;
    let power = resample(sensor, &grid);
    let learned = grid.cells_in(LEARNING_MIN).min(grid.cells);
    let runs: Vec<f64> = (machine.runs.iter())
        .filter_map(|run| {
            let (from, to) = (grid.clamped(run.start), grid.clamped(run.end).min(learned));
            robust::median_of(power.get(from..to)?)
        })
        .collect();
    let found = modes(&power[..learned], &runs);
    let context = Context::of(machine, &grid);
    let cells: Vec<(f64, bool)> = (learned..grid.cells)
        .filter(|&cell| power[cell].is_finite())
        .filter_map(|cell| match context.cells[cell] {
            Doing::Running { .. } => Some((power[cell], true)),
            Doing::Resting { .. } => Some((power[cell], false)),
            Doing::Unknown => None,
        })
        .collect();
    Some(report(&machine.key, found, cells))
}

fn report(machine: &str, found: Option<Modes>, cells: Vec<(f64, bool)>) -> ModesReport {
    let idle_below = found.as_ref().map(|modes| modes.idle_below);
    let count = |ran: bool, limit: f64| {
        cells.iter().filter(|(power, is_running)| *is_running == ran && *power < limit).count()
    };
    let below = |ran: bool| idle_below.map_or(0, |limit| count(ran, limit));
    ModesReport {
        machine: machine.to_owned(),
        modes: found
            .map(|found| found.modes.iter().map(|mode| (mode.level, mode.share)).collect())
            .unwrap_or_default(),
        idle_below,
        resting: count(false, f64::INFINITY),
        resting_below: below(false),
        running: count(true, f64::INFINITY),
        running_below: below(true),
        cells,
    }
}

/// Prints a line a machine.
pub fn print(reports: &[ModesReport]) {
    let share = |part: usize, all: usize| match all {
        0 => "-".to_owned(),
        all => format!("{:.2} %", 100.0 * part as f64 / all as f64),
    };
    println!("{:<10} {:>10} {:>16} {:>16}", "machine", "idle below", "rest below", "running below");
    for it in reports {
        let limit = it.idle_below.map_or("-".to_owned(), |limit| format!("{limit:.2}"));
        println!(
            "{:<10} {limit:>10} {:>16} {:>16}",
            it.machine,
            share(it.resting_below, it.resting),
            share(it.running_below, it.running)
        );
    }
    let sum = |of: fn(&ModesReport) -> usize| reports.iter().map(of).sum::<usize>();
    println!(
        "{:<10} {:>10} {:>16} {:>16}",
        "all",
        "",
        share(sum(|r| r.resting_below), sum(|r| r.resting)),
        share(sum(|r| r.running_below), sum(|r| r.running))
    );
}

/// An SVG: how often each power was used, on a logarithmic axis, at rest in orange and while the
/// machine ran in blue; a red line below which it counts as idle, and a tick for each mode.
pub fn picture(report: &ModesReport) -> Option<String> {
    let limit = report.idle_below?;
    let known: Vec<(f64, bool)> = report.cells.iter().copied().filter(|c| c.0 > 0.0).collect();
    let low = known.iter().map(|c| c.0).reduce(f64::min)?.max(limit / 1_000.0);
    let high = known.iter().map(|c| c.0).reduce(f64::max)?.max(low * 1.01);
    let place = |power: f64| ((power.max(low) / low).ln() / (high / low).ln()).clamp(0.0, 1.0);
    let mut counts = [[0_u32; 2]; COLUMNS];
    for (power, ran) in &known {
        let column = ((place(*power) * COLUMNS as f64) as usize).min(COLUMNS - 1);
        counts[column][usize::from(*ran)] += 1;
    }
    // The middle of rest is a peak that would hide the others: heights are roots.
    let height = |count: u32| f64::from(count).sqrt();
    let most = counts.iter().map(|c| height(c[0]) + height(c[1])).fold(1.0, f64::max);
    let width = PLOT as f64 / COLUMNS as f64;
    let mut svg = page(HEIGHT);
    for (column, count) in counts.iter().enumerate() {
        let x = LEFT as f64 + column as f64 * width;
        let mut bottom = BARS.0 + BARS.1;
        for (count, colour) in count.iter().zip(["#ff7f0e", "#1f77b4"]) {
            let tall = height(*count) / most * BARS.1;
            bottom -= tall;
            let _ = writeln!(
                svg,
                "<rect x=\"{x:.1}\" y=\"{bottom:.1}\" width=\"{:.1}\" height=\"{tall:.1}\" fill=\"{colour}\"/>",
                width - 0.5
            );
        }
    }
    let foot = BARS.0 + BARS.1;
    let at = |power: f64| LEFT as f64 + place(power) * PLOT as f64;
    let _ = writeln!(svg, "<path d=\"M{:.1} {}V{foot}\" stroke=\"#d62728\"/>", at(limit), BARS.0);
    for (level, _) in &report.modes {
        let x = at(*level);
        let _ = writeln!(svg, "<path d=\"M{x:.1} {foot}V{}\" stroke=\"#222222\"/>", foot + 8.0);
        text(&mut svg, x - 10.0, foot + 20.0, &format!("{level:.1}"));
    }
    text(
        &mut svg,
        LEFT as f64,
        16.0,
        &format!("{}: how often each power was used (kW, root of the count)", report.machine),
    );
    text(
        &mut svg,
        LEFT as f64,
        foot + 36.0,
        "orange: at rest, blue: running, as the machine reports; red: below it counts as idle; ticks: modes",
    );
    svg.push_str("</svg>\n");
    Some(svg)
}
