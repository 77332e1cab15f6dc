//! How often control charts raise on a process that does not change, and how soon on one that does.

use std::fmt::Write;

use serde::Serialize;

use super::picture::{LEFT, PLOT, page, text};
use crate::analytics::robust;
use crate::analytics::spc::{Limits, Rule, ewma, violations};
use crate::simulate::Stream;

/// Points after which a chart that has not raised is given up.
const MOST_POINTS: usize = 10_000;
/// Sizes of baselines, and shifts in standard deviations, that are tried.
const BASELINES: [Option<usize>; 3] = [None, Some(30), Some(100)];
const SHIFTS: [f64; 4] = [0.0, 0.5, 1.0, 2.0];
/// Tops of the two charts of the picture, with the standard deviations that they show; their height.
const TOPS: [(f64, f64); 2] = [(28.0, 5.0), (170.0, 2.5)];
const TALL: f64 = 110.0;
const HEIGHT: usize = 306;

/// A kind of chart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Individuals, limits at 3 sigma alone.
    Limits,
    /// Individuals with the four rules of Western Electric.
    WesternElectric,
    /// Individuals with the eight rules of Nelson.
    Nelson,
    /// EWMA.
    Ewma,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Limits, Self::WesternElectric, Self::Nelson, Self::Ewma];

    fn name(self) -> &'static str {
        match self {
            Self::Limits => "limits",
            Self::WesternElectric => "western_electric",
            Self::Nelson => "nelson",
            Self::Ewma => "ewma",
        }
    }

    /// Whether each value raises.
    fn raises(self, values: &[f64], limits: &Limits) -> Vec<bool> {
        let rules: &[Rule] = match self {
            Self::Limits => &[Rule::Beyond3],
            Self::WesternElectric => &Rule::WESTERN_ELECTRIC,
            Self::Nelson => &Rule::NELSON,
            Self::Ewma => {
                return ewma(values, limits).iter().map(|point| point.is_beyond(limits)).collect();
            }
        };
        violations(values, limits, rules).iter().map(|rules| !rules.is_empty()).collect()
    }
}

/// Points until a chart raises first.
#[derive(Clone, Debug, Serialize)]
pub struct RunLength {
    /// Which chart.
    pub chart: Kind,
    /// Values that its limits come from; `None` where mean and standard deviation are known.
    pub baseline: Option<usize>,
    /// Standard deviations by which the process has shifted before the first point.
    pub shift: f64,
    /// Mean number of points, each at most 10,000.
    pub mean: f64,
    /// Median number of points.
    pub median: f64,
}

/// Run lengths on independent normal values, each from so many seeded trials.
pub fn run_lengths(trials: usize) -> Vec<RunLength> {
    let mut all = Vec::new();
    for chart in Kind::ALL {
        for baseline in BASELINES {
            for shift in SHIFTS {
                all.push(run_length(chart, baseline, shift, trials));
            }
        }
    }
    all
}

/// One of them.
pub fn run_length(chart: Kind, baseline: Option<usize>, shift: f64, trials: usize) -> RunLength {
    let of = |trial: usize| {
        let mut stream = Stream::new(trial as u64, &["run length"]);
        let known = Limits { centre: 0.0, sigma: 1.0, n: usize::MAX };
        let limits = baseline.map_or(Some(known), |count| {
            Limits::of(&(0..count).map(|_| stream.normal()).collect::<Vec<_>>())
        })?;
        let mut values: Vec<f64> = Vec::new();
        // Few charts need all points.
        for length in [50, 500, MOST_POINTS] {
            values.resize_with(length, || shift + stream.normal());
            let first = chart.raises(&values, &limits).iter().position(|raises| *raises);
            if let Some(first) = first {
                return Some(first as f64 + 1.0);
            }
        }
        Some(MOST_POINTS as f64)
    };
    let lengths: Vec<f64> = (0..trials).filter_map(of).collect();
    let mean = robust::mean(&lengths).unwrap_or(f64::NAN);
    let median = robust::median_of(&lengths).unwrap_or(f64::NAN);
    RunLength { chart, baseline, shift, mean, median }
}

/// Prints a row a chart and baseline.
pub fn print(lengths: &[RunLength]) {
    println!("points until a chart raises, mean (median)");
    print!("{:<18} {:>8}", "chart", "baseline");
    SHIFTS.iter().for_each(|shift| print!(" {:>16}", format!("shift {shift} sigma")));
    println!();
    for row in lengths.chunks(SHIFTS.len()) {
        let Some(first) = row.first() else { continue };
        let baseline = first.baseline.map_or("known".to_owned(), |count| count.to_string());
        print!("{:<18} {baseline:>8}", first.chart.name());
        row.iter().for_each(|it| print!(" {:>16}", format!("{:.1} ({})", it.mean, it.median)));
        println!();
    }
}

/// An SVG: sixty values of which the first thirty are the baseline, and the last twenty two sigma
/// higher, as individuals with Nelson's rules and as EWMA; what raises is red.
pub fn picture() -> Option<String> {
    let mut stream = Stream::new(7, &["control chart"]);
    let values: Vec<f64> =
        (0..60).map(|i| 100.0 + 4.0 * stream.normal() + if i < 40 { 0.0 } else { 8.0 }).collect();
    let limits = Limits::of(&values[..30])?;
    let smooth = ewma(&values, &limits);
    let mut svg = page(HEIGHT);
    let x = |index: usize| LEFT as f64 + (index as f64 + 0.5) / values.len() as f64 * PLOT as f64;
    let mut chart = |(top, shown): (f64, f64),
                     title: &str,
                     points: &[f64],
                     red: &[bool],
                     half: &dyn Fn(usize) -> f64| {
        let y = |sigmas: f64| top + TALL * (0.5 - sigmas.clamp(-shown, shown) / (2.0 * shown));
        let line = |of: &dyn Fn(usize) -> f64| {
            let at =
                |i: usize| format!("{}{:.1} {:.1}", if i == 0 { 'M' } else { 'L' }, x(i), y(of(i)));
            (0..points.len()).map(at).collect::<String>()
        };
        let sigmas = |i: usize| limits.sigmas(points[i]);
        let width = |i: usize| half(i) / limits.sigma;
        for (path, colour) in [
            (line(&|_| 0.0), "#999999"),
            (line(&|i| width(i)), "#d62728"),
            (line(&|i| -width(i)), "#d62728"),
            (line(&sigmas), "#1f77b4"),
        ] {
            let _ = writeln!(
                svg,
                "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"0.8\"/>"
            );
        }
        for (i, red) in red.iter().enumerate() {
            let colour = if *red { "#d62728" } else { "#1f77b4" };
            let _ = writeln!(
                svg,
                "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"2.2\" fill=\"{colour}\"/>",
                x(i),
                y(sigmas(i))
            );
        }
        text(&mut svg, LEFT as f64, top - 10.0, title);
    };
    let nelson = Kind::Nelson.raises(&values, &limits);
    chart(TOPS[0], "individuals, Nelson's rules", &values, &nelson, &|_| 3.0 * limits.sigma);
    let smoothed: Vec<f64> = smooth.iter().map(|point| point.value).collect();
    let beyond = Kind::Ewma.raises(&values, &limits);
    chart(TOPS[1], "EWMA of the same", &smoothed, &beyond, &|i| smooth[i].half_width);
    let foot = TOPS[1].0 + TALL + 18.0;
    text(
        &mut svg,
        LEFT as f64,
        foot,
        "limits from the first 30 values; the last 20 are 2 sigma higher; red: raised",
    );
    svg.push_str("</svg>\n");
    Some(svg)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_lengths_are_those_of_the_literature() {
        let near = |chart: Kind, shift: f64, want: f64| {
            let got = run_length(chart, None, shift, 600).mean;
            assert!((got / want - 1.0).abs() < 0.15, "{chart:?} at {shift}: {got}, not {want}");
        };
        // 1 / P(|z| > 3); Champ and Woodall (1987), table 1, for all four rules.
        near(Kind::Limits, 0.0, 370.4);
        near(Kind::Limits, 1.0, 43.9);
        near(Kind::WesternElectric, 0.0, 91.75);
        near(Kind::WesternElectric, 1.0, 9.22);
        // Lucas and Saccucci (1990): 500; the limits of the first points are narrower than theirs.
        near(Kind::Ewma, 0.0, 500.0);
        // Limits from thirty values are half of the time too narrow.
        let estimated = run_length(Kind::Limits, Some(30), 0.0, 600);
        assert!(estimated.median < 230.0 && estimated.mean > 500.0, "{estimated:?}");
    }

    #[test]
    fn the_picture_shows_what_raised() {
        let svg = picture().unwrap();
        assert_eq!(svg.matches("<circle").count(), 120);
        let raised = svg.lines().filter(|l| l.starts_with("<circle") && l.contains("#d62728"));
        assert!((10..40).contains(&raised.count()), "{svg}");
    }
}
