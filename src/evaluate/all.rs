//! The whole table of figures: simulated factories and the public data sets, with what is to be reached.

use std::path::Path;

use serde::Serialize;

use super::energy::{self, EnergyReport};
use super::formats::{self, Format};
use super::report::{Report, evaluate};
use super::truth;
use crate::analytics::robust;
use crate::analytics::settings::Settings;
use crate::simulate::{Drift, Options, Rarity, factory, write};

/// A figure and what is to be reached.
#[derive(Clone, Debug, Serialize)]
pub struct Line {
    /// Which data.
    pub data: String,
    /// Which figure.
    pub figure: &'static str,
    /// Measured.
    pub measured: Option<f64>,
    /// "at least" or "at most".
    pub bound: &'static str,
    /// What is to be reached.
    pub target: f64,
    /// Whether it is.
    pub is_reached: bool,
}

fn line(
    data: &str,
    figure: &'static str,
    measured: Option<f64>,
    bound: &'static str,
    target: f64,
) -> Line {
    let is_reached = measured.is_some_and(|measured| match bound {
        "at least" => measured >= target,
        _ => measured <= target,
    });
    Line { data: data.to_owned(), figure, measured, bound, target, is_reached }
}

/// Measures everything: `seeds` simulated factories of 4 machines and 60 days, of which each is dense,
/// dense with shuffled references, and rare; and the data sets in `data`/tep and `data`/nab.
pub fn measure(data: &Path, seeds: &[u64]) -> anyhow::Result<Vec<Line>> {
    let settings = Settings::default();
    let (mut dense, mut shuffled, mut rare) = (Vec::new(), Vec::new(), Vec::new());
    for &seed in seeds {
        let mut dataset = simulated(seed, Rarity::Dense)?;
        dense.push(evaluate(&dataset, &settings).0);
        dataset.shuffle_references(1);
        shuffled.push(evaluate(&dataset, &settings).0);
        rare.push(evaluate(&simulated(seed, Rarity::Rare)?, &settings).0);
    }
    let tep = evaluate(&formats::read(&data.join("tep"), Format::Tep)?, &settings).0;
    let nab = evaluate(&formats::read(&data.join("nab"), Format::Nab)?, &settings).0;
    let samples = tep.samples;
    let name = match seeds {
        [first, .., last] => format!("simulated, seeds {first} to {last}"),
        _ => "simulated".to_owned(),
    };
    let mut lines = pooled(&name, &dense, &shuffled, &rare);
    lines.extend(energy_lines(&name, seeds)?);
    let name = "Tennessee Eastman, development faults";
    lines.extend([
        line(name, "fault detection rate", samples.fault_detection_rate, "at least", 0.93),
        line(name, "false alarm rate", samples.false_alarm_rate, "at most", 0.02),
        line(
            "NAB, development series",
            "standard score",
            nab.nab.map(|n| n.score),
            "at least",
            60.0,
        ),
    ]);
    Ok(lines)
}

fn simulated(seed: u64, rarity: Rarity) -> anyhow::Result<super::Dataset> {
    let options = Options {
        seed,
        machines: 4,
        days: 60,
        quiet_days: 14,
        severity: 1.0,
        rarity,
        start: None,
        drift: None,
    };
    let directory = tempfile::tempdir()?;
    write(&factory(&options), directory.path())?;
    formats::read(directory.path(), Format::Lotwise)
}

/// Days at the start that energy models are fitted to; from then on every machine takes 5 % more.
const BASELINE_DAYS: usize = 42;

/// The energy baseline over factories without other faults: its coefficients, shifts after the
/// baseline period, a lasting change of 5 %, and false alarms of the CUSUM without one.
fn energy_lines(name: &str, seeds: &[u64]) -> anyhow::Result<Vec<Line>> {
    let settings =
        energy::Settings { baseline_days: BASELINE_DAYS as i64, zone: chrono_tz::Europe::Madrid };
    let measure = |seed: u64, drift: Option<Drift>| -> anyhow::Result<Option<EnergyReport>> {
        let (severity, rarity) = (0.0, Rarity::Rare);
        let options = Options {
            seed,
            machines: 4,
            days: 60,
            quiet_days: 14,
            severity,
            rarity,
            start: None,
            drift,
        };
        let directory = tempfile::tempdir()?;
        write(&factory(&options), directory.path())?;
        let dataset = formats::read(directory.path(), Format::Lotwise)?;
        Ok(energy::evaluate(&dataset, &truth::truth(directory.path())?, &settings))
    };
    let (mut steady, mut drifted) = (Vec::new(), Vec::new());
    for &seed in seeds {
        steady.extend(measure(seed, None)?);
        drifted.extend(measure(seed, Some(Drift { size: 0.05, from_day: BASELINE_DAYS }))?);
    }
    let sum = |reports: &[EnergyReport], of: &dyn Fn(&EnergyReport) -> f64| -> f64 {
        reports.iter().map(of).sum()
    };
    let share = |part: f64, all: f64| (all > 0.0).then(|| part / all);
    let within = sum(&steady, &|r| r.within_3_percent as f64);
    let shifts = steady.iter().filter_map(|r| r.cv_rmse_after_largest).reduce(f64::max);
    let found = sum(&drifted, &|r| r.drifts_found_in_3_days as f64);
    let alarms = sum(&steady, &|r| r.false_alarms as f64);
    let name = format!("{name}, without faults");
    Ok(vec![
        line(
            &name,
            "share of k_ref within 3 % of the truth",
            share(within, sum(&steady, &|r| r.references as f64)),
            "at least",
            1.0,
        ),
        line(&name, "CV(RMSE) of shifts, forecast, worst machine", shifts, "at most", 0.08),
        line(
            &name,
            "share of 5 % drifts found within 3 days",
            share(found, sum(&drifted, &|r| r.drifts as f64)),
            "at least",
            1.0,
        ),
        line(
            &name,
            "CUSUM false alarms per machine-week",
            share(alarms, sum(&steady, &|r| r.machine_weeks)),
            "at most",
            0.1,
        ),
    ])
}

/// Figures over all factories together; F1 of the worst one.
fn pooled(name: &str, dense: &[Report], shuffled: &[Report], rare: &[Report]) -> Vec<Line> {
    let sum = |reports: &[Report], of: &dyn Fn(&Report) -> f64| {
        reports.iter().map(of).filter(|value| value.is_finite()).sum::<f64>()
    };
    let share = |part: f64, all: f64| (all > 0.0).then(|| part / all);
    let recall = |kind: Option<&str>| {
        let of = |report: &Report, found: bool| match kind {
            None if found => report.found,
            None => report.faults,
            Some(kind) => {
                report.kinds.get(kind).map_or(0, |by| if found { by.found } else { by.faults })
            }
        };
        share(
            sum(dense, &|report| of(report, true) as f64),
            sum(dense, &|report| of(report, false) as f64),
        )
    };
    let false_alarms = share(
        sum(dense, &|report| report.false_alarms as f64),
        sum(dense, &|report| report.machine_weeks),
    );
    let found = sum(rare, &|report| report.found as f64);
    let real = share(found, found + sum(rare, &|report| report.false_alarms as f64));
    let f1: Vec<f64> = shuffled.iter().filter_map(|report| report.f1).collect();
    let (dense, rare) = (format!("{name}, dense"), format!("{name}, rare"));
    let blind = format!("{name}, references shuffled");
    vec![
        line(&dense, "recall", recall(None), "at least", 0.90),
        line(&dense, "false alarms per machine-week", false_alarms, "at most", 0.5),
        line(&dense, "recall, cooling failure", recall(Some("cooling_failure")), "at least", 0.70),
        line(&blind, "F1, largest", robust::quantile(&f1, 1.0), "at most", 0.40),
        line(&rare, "share of raised events that are real", real, "at least", 0.5),
    ]
}

/// The table as Markdown.
pub fn table(lines: &[Line]) -> String {
    let mut text = "| data | figure | measured | to reach | |\n|---|---|---|---|---|\n".to_owned();
    for line in lines {
        let measured = line.measured.map_or("-".to_owned(), |value| format!("{value:.3}"));
        let verdict = if line.is_reached { "reached" } else { "missed" };
        text.push_str(&format!(
            "| {} | {} | {measured} | {} {} | {verdict} |\n",
            line.data, line.figure, line.bound, line.target
        ));
    }
    text
}
