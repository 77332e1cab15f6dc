//! A machine's energy against what its production should have used, shift by shift, as a picture.

use std::fmt::Write;

use super::energy::{Course, MachineReport};
use super::picture::{self, page, text};

/// Top and height of the energy, and of the CUSUM.
const ENERGY: (f64, f64) = (28.0, 150.0);
const CUSUM: (f64, f64) = (206.0, 80.0);
const HEIGHT: usize = 320;
/// The share of the CUSUM's limit is cut here.
const MOST_SHARE: f64 = 4.0;

/// An SVG: actual energy of each shift as dots on the line of the expected, grey from the start of a
/// lasting change on, a dashed line where the baseline period ends; below, the CUSUM as a share of its
/// limit. `None` without a model.
pub fn energy_picture(report: &MachineReport) -> Option<String> {
    let course: &[Course] = &report.course;
    let (first, last) = (course.first()?, course.last()?);
    let length = (last.to - first.from).max(1) as f64;
    let (left, plot) = (picture::LEFT as f64, picture::PLOT as f64);
    let x = |second: i64| left + (second - first.from) as f64 / length * plot;
    let most = course.iter().flat_map(|c| [c.actual, c.expected]).filter(|v| v.is_finite());
    let most = most.fold(0.0, f64::max).max(1e-9);
    let y = |value: f64| ENERGY.0 + ENERGY.1 * (1.0 - value.max(0.0) / most);
    let mut svg = page(HEIGHT);
    let bottom = CUSUM.0 + CUSUM.1;
    if let Some(from) = report.change {
        let (from, right) = (x(from), left + plot);
        let _ = writeln!(
            svg,
            "<rect x=\"{from:.1}\" y=\"{}\" width=\"{:.1}\" height=\"{}\" fill=\"#dddddd\"/>",
            ENERGY.0,
            (right - from).max(1.0),
            bottom - ENERGY.0
        );
    }
    let learned = x(report.baseline_ends);
    let _ = writeln!(
        svg,
        "<path d=\"M{learned:.1} {}V{bottom}\" stroke=\"#222222\" stroke-width=\"0.7\" stroke-dasharray=\"4 3\"/>",
        ENERGY.0
    );
    let known = |c: &&Course| c.actual.is_finite() && c.expected.is_finite();
    let mut line = String::new();
    for c in course.iter().filter(known) {
        let command = if line.is_empty() { 'M' } else { 'L' };
        let _ = write!(line, "{command}{:.1} {:.1}", (x(c.from) + x(c.to)) / 2.0, y(c.expected));
    }
    let _ = writeln!(svg, "<path d=\"{line}\" fill=\"none\" stroke=\"#ff7f0e\"/>");
    for c in course.iter().filter(known) {
        let middle = (x(c.from) + x(c.to)) / 2.0;
        let _ = writeln!(
            svg,
            "<circle cx=\"{middle:.1}\" cy=\"{:.1}\" r=\"1.8\" fill=\"#1f77b4\"/>",
            y(c.actual)
        );
    }
    let share = |value: f64| CUSUM.0 + CUSUM.1 * (1.0 - value.clamp(0.0, MOST_SHARE) / MOST_SHARE);
    let mut line = String::new();
    for c in course.iter().filter(|c| c.from >= report.baseline_ends) {
        let command = if line.is_empty() { 'M' } else { 'L' };
        let _ = write!(line, "{command}{:.1} {:.1}", x(c.to), share(c.share));
    }
    let _ = writeln!(svg, "<path d=\"{line}\" fill=\"none\" stroke=\"#555555\"/>");
    let limit = share(1.0);
    let _ = writeln!(
        svg,
        "<path d=\"M{left} {limit:.1}H{}\" stroke=\"#d62728\" stroke-width=\"0.7\"/>",
        left + plot
    );
    text(
        &mut svg,
        left,
        16.0,
        &format!("{}: kWh of each shift, actual (dots) and expected (line)", report.machine),
    );
    text(&mut svg, 2.0, ENERGY.0 + 10.0, &format!("{most:.0}"));
    text(&mut svg, 2.0, ENERGY.0 + ENERGY.1, "0");
    text(
        &mut svg,
        left,
        CUSUM.0 - 8.0,
        "CUSUM as a share of its limit, cut at 4; the line is the limit, 1",
    );
    text(
        &mut svg,
        left,
        bottom + 20.0,
        "dashed: end of the baseline period; grey: the machine takes more from there on",
    );
    svg.push_str("</svg>\n");
    Some(svg)
}
