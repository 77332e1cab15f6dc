//! A machine's data, labels, score and findings as a picture, for people and for the documentation.

use std::fmt::Write;

use super::dataset::{Dataset, Label};
use crate::analytics::grid::{Grid, resample};
use crate::analytics::history::{Machine, Sensor};
use crate::analytics::monitor::Outcome;
use crate::analytics::robust;

const WIDTH: usize = 900;
pub(super) const LEFT: usize = 60;
pub(super) const PLOT: usize = WIDTH - LEFT - 10;
/// Top and height of the values, the score and the findings.
const VALUES: (f64, f64) = (28.0, 150.0);
const SCORE: (f64, f64) = (196.0, 70.0);
const FINDINGS: (f64, f64) = (278.0, 10.0);
const HEIGHT: usize = 312;
/// The score is cut here.
const MOST_SCORE: f64 = 4.0;

/// An SVG of a machine: the sensor with the most findings, its labels behind, the score with its limit,
/// and the findings as bars. Each column of pixels spans the smallest and the largest value in it.
/// `None` where there are no readings.
pub fn picture(dataset: &Dataset, machine: &Machine, outcome: &Outcome) -> Option<String> {
    let grid = Grid::of(machine)?;
    let sensor = main_sensor(machine, outcome)?;
    let values = resample(sensor, &grid);
    let column = |second: i64| {
        let share = (second - grid.start) as f64 / (grid.step as f64 * grid.cells as f64);
        LEFT as f64 + share.clamp(0.0, 1.0) * PLOT as f64
    };
    let mut svg = page(HEIGHT);
    for label in dataset.labels.iter().filter(|label| label.machine == machine.key) {
        svg.push_str(&shade(label, &column));
    }
    let title = format!("{}, {} {}", machine.key, sensor.key, sensor.unit);
    text(&mut svg, LEFT as f64, 16.0, title.trim());
    text(&mut svg, LEFT as f64, SCORE.0 - 6.0, "score, cut at 4; the line is the limit, 1");
    let end = FINDINGS.0 + FINDINGS.1;
    text(&mut svg, LEFT as f64, end + 18.0, "grey: labelled; bars: findings");
    let low = robust::quantile(&values, 0.0)?;
    let high = robust::quantile(&values, 1.0)?;
    band(&mut svg, &values, (low, high), VALUES, "#1f77b4");
    for (value, at) in [(high, VALUES.0 + 10.0), (low, VALUES.0 + VALUES.1)] {
        text(&mut svg, 2.0, at, &format!("{value:.4}").chars().take(8).collect::<String>());
    }
    let scores: Vec<f64> = (outcome.score.iter().zip(&outcome.judged))
        .map(|(&score, &judged)| if judged { f64::from(score).min(MOST_SCORE) } else { f64::NAN })
        .collect();
    band(&mut svg, &scores, (0.0, MOST_SCORE), SCORE, "#555555");
    let limit = SCORE.0 + SCORE.1 * (1.0 - 1.0 / MOST_SCORE);
    let right = LEFT + PLOT;
    let _ = writeln!(
        svg,
        "<path d=\"M{LEFT} {limit:.1}H{right}\" stroke=\"#d62728\" stroke-width=\"0.7\"/>"
    );
    for finding in &outcome.findings {
        let (from, to) = (column(finding.start), column(finding.end));
        let _ = writeln!(
            svg,
            "<rect x=\"{from:.1}\" y=\"{}\" width=\"{:.1}\" height=\"{}\" fill=\"#d62728\"/>",
            FINDINGS.0,
            (to - from).max(1.5),
            FINDINGS.1
        );
    }
    svg.push_str("</svg>\n");
    Some(svg)
}

/// The sensor with the most findings, the first one where there are none.
fn main_sensor<'a>(machine: &'a Machine, outcome: &Outcome) -> Option<&'a Sensor> {
    let found = |sensor: &&Sensor| {
        outcome.findings.iter().filter(|finding| finding.sensor == sensor.key).count()
    };
    let with = machine.sensors.iter().filter(|sensor| !sensor.times.is_empty());
    with.rev().max_by_key(found)
}

fn shade(label: &Label, column: &dyn Fn(i64) -> f64) -> String {
    let (from, to) = (column(label.start), column(label.end));
    let (top, bottom) = (VALUES.0, FINDINGS.0 + FINDINGS.1);
    format!(
        "<rect x=\"{from:.1}\" y=\"{top}\" width=\"{:.1}\" height=\"{}\" fill=\"#dddddd\"/>\n",
        (to - from).max(1.0),
        bottom - top
    )
}

/// The start of a picture.
pub(super) fn page(height: usize) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#ffffff\"/>\n"
    )
}

pub(super) fn text(svg: &mut String, x: f64, y: f64, text: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(svg, "<text x=\"{x}\" y=\"{y}\" fill=\"#222222\">{text}</text>");
}

/// A series as one path: up and down in each column of pixels.
fn band(
    svg: &mut String,
    values: &[f64],
    (low, high): (f64, f64),
    (top, height): (f64, f64),
    colour: &str,
) {
    let span = if high > low { high - low } else { 1.0 };
    let y = |value: f64| top + height * (1.0 - (value - low) / span);
    let mut path = String::new();
    let mut is_drawn = false;
    let columns = PLOT.min(values.len());
    for index in 0..columns {
        let cells = index * values.len() / columns..(index + 1) * values.len() / columns;
        let known = values[cells].iter().copied().filter(|value| value.is_finite());
        let (least, most) = known
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), value| (a.min(value), b.max(value)));
        if least > most {
            is_drawn = false;
            continue;
        }
        let x = LEFT as f64 + (index * PLOT) as f64 / columns as f64;
        let command = if is_drawn { 'L' } else { 'M' };
        let _ = write!(path, "{command}{x:.0} {:.1}V{:.1}", y(most), y(least));
        is_drawn = true;
    }
    let _ = writeln!(
        svg,
        "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"0.8\"/>"
    );
}
