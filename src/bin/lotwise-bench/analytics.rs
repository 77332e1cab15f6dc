//! The detectors and models over 100,000 points.
//!
//! Each method gets 100,000 readings in memory, as the plugin has them after the query, and is timed in
//! rounds; beside it stands the time in which the same machine sorts as many numbers, which is what a
//! single median needs. What counts is the time on the processor (of the thread, as Linux accounts it),
//! so that whatever else the machine does hardly matters; rounds of method and floor alternate.

use std::hint::black_box;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;

use chrono::DateTime;
use lotwise::analytics::abnormal::{self, Feature, Features};
use lotwise::analytics::baseline::cusum::{Chart, State};
use lotwise::analytics::baseline::{self, Observations, observe};
use lotwise::analytics::demand::{Quarter, by_period};
use lotwise::analytics::golden;
use lotwise::analytics::history::{Kind, Machine, Quantity, Run, Sensor, Span};
use lotwise::analytics::mewma;
use lotwise::analytics::modes::modes;
use lotwise::analytics::monitor::{begin, go_on, monitor};
use lotwise::analytics::settings::Settings;
use lotwise::analytics::spc::{Limits, Rule, ewma, violations};
use lotwise::domain::tariff::Period;

use crate::report::{Figure, Report};
use crate::sample::Sample;

/// Analytics: milliseconds for 100,000 points.
#[derive(clap::Args)]
pub struct Args {
    /// Rounds of each method
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Only methods whose name contains this; all without it
    #[arg(long, default_value = "")]
    only: String,
    /// Write the figures to this file
    #[arg(long)]
    json: Option<PathBuf>,
}

const POINTS: usize = 100_000;
/// Calls in a round, because the processor's time is accounted in steps of some milliseconds.
const CALLS: u32 = 5;

/// A method with what it is given.
type Method = (&'static str, Box<dyn Fn()>);

/// Measures and prints.
pub fn run(args: Args) -> anyhow::Result<()> {
    let mut results = Vec::new();
    for (name, method) in methods().into_iter().filter(|(name, _)| name.contains(&args.only)) {
        method();
        let (mut took, mut floors) = (Vec::new(), Vec::new());
        for _ in 0..args.rounds.max(1) {
            floors.push(floor()?);
            let start = on_processor()?;
            for _ in 0..CALLS {
                method();
            }
            took.push((on_processor()? - start) / CALLS);
        }
        let (took, floors) = (Sample::new(took), Sample::new(floors));
        let floor = Some(floors.quantile(0.5));
        results.push(Figure::new(name.to_owned(), took.quantile(0.5), "ms", floor));
    }
    Report { results }.publish(args.json.as_deref())
}

/// Time that this thread has spent on a processor.
fn on_processor() -> anyhow::Result<Duration> {
    const FILE: &str = "/proc/thread-self/schedstat";
    let text = std::fs::read_to_string(FILE).with_context(|| format!("cannot read {FILE}"))?;
    let first = text.split_whitespace().next().unwrap_or_default();
    let nanoseconds = first.parse().with_context(|| format!("{FILE} begins with '{first}'"))?;
    Ok(Duration::from_nanos(nanoseconds))
}

/// Time in which as many numbers are sorted.
fn floor() -> anyhow::Result<Duration> {
    let values = noise(1, POINTS);
    let mut copies = vec![values; 4 * CALLS as usize];
    let start = on_processor()?;
    for values in &mut copies {
        values.sort_unstable_by(f64::total_cmp);
        black_box(values);
    }
    Ok((on_processor()? - start) / (4 * CALLS))
}

fn methods() -> Vec<Method> {
    let settings = Settings::default;
    // A fit to all that there is, and the charts once over it.
    let fitted_once =
        || Settings { least_history_days: 69.0, window_days: 70.0, ..Settings::default() };
    let for_one_fit = factory(1);
    let with_runs = factory(1);
    let again = factory(1);
    let progress = begin(&again, &settings(), &|| true);
    let five_with_runs = factory(5);
    let alone = process(1, 300);
    let eight = process(8, 60);
    let many = process(50, 180);
    let rows = noise(7, POINTS);
    let mut all = models();
    let detectors: Vec<Method> = vec![
        (
            "detectors, 1 sensor, a minute, with runs, one fit",
            Box::new(move || {
                black_box(monitor(&for_one_fit, &fitted_once()));
            }),
        ),
        (
            "detectors, 1 sensor, a minute, with runs, a fit a day",
            Box::new(move || {
                black_box(monitor(&with_runs, &settings()));
            }),
        ),
        (
            "detectors, 1 sensor, a minute, with runs, a minute later",
            Box::new(move || {
                black_box(progress.as_ref().and_then(|known| go_on(&again, &settings(), known)));
            }),
        ),
        (
            "detectors, 5 sensors, a minute, with runs, a fit a day",
            Box::new(move || {
                black_box(monitor(&five_with_runs, &settings()));
            }),
        ),
        (
            "detectors, 1 sensor, five minutes, no runs",
            Box::new(move || {
                black_box(monitor(&alone, &settings()));
            }),
        ),
        (
            "detectors, 8 sensors, a minute, no runs",
            Box::new(move || {
                black_box(monitor(&eight, &settings()));
            }),
        ),
        (
            "detectors, 50 sensors, three minutes, no runs",
            Box::new(move || {
                black_box(monitor(&many, &settings()));
            }),
        ),
        (
            "multivariate EWMA, 8 sensors, fit and charts",
            Box::new(move || {
                let model = mewma::Model::fit(&rows, 8);
                let mut track = mewma::Track::new(8);
                for row in rows.chunks_exact(8) {
                    if let Some(model) = &model {
                        black_box(track.push(row, model));
                    }
                }
            }),
        ),
    ];
    all.splice(0..0, detectors);
    all
}

/// What is fitted once to a period, and what is judged by it.
fn models() -> Vec<Method> {
    const STEPS: usize = 500;
    let values = noise(3, POINTS);
    let curves = noise(5, POINTS);
    let samples = runs_of_four_references();
    let hours = energy_by_hour();
    let powers: Vec<f64> = noise(9, POINTS)
        .iter()
        .enumerate()
        .map(|(i, n)| if i % 9 == 0 { 10.0 } else { 100.0 } + n)
        .collect();
    let quarters: Vec<f64> = noise(13, POINTS).iter().map(|n| 400.0 + 50.0 * n).collect();
    let period = Period {
        period: "P1".to_owned(),
        price_per_kwh: 0.18,
        contracted_kw: Some(420.0),
        price_per_kw_year: None,
        excess_price_per_kw: Some(3.36),
    };
    vec![
        (
            "SPC, individuals with all rules and EWMA",
            Box::new(move || {
                let Some(limits) = Limits::of(&values) else { return };
                black_box((violations(&values, &limits, &Rule::NELSON), ewma(&values, &limits)));
            }),
        ),
        (
            "golden lot, 200 curves of 500 steps, learned and judged",
            Box::new(move || {
                let curves: Vec<&[f64]> = curves.chunks_exact(STEPS).collect();
                let golden = golden::Envelope::learn(&curves);
                for curve in curves {
                    black_box(golden.as_ref().and_then(|golden| golden.judge(curve)));
                }
            }),
        ),
        (
            "abnormal runs, 12,500 runs of eight features, learned and judged",
            Box::new(move || {
                let model = abnormal::Model::learn(&samples, REFERENCES);
                for sample in &samples {
                    black_box(model.judge(sample).ok());
                }
            }),
        ),
        (
            "baseline, 100,000 hours of four references, fit and CUSUM",
            Box::new(move || {
                let Ok(model) = baseline::fit(&hours) else { return };
                let steps: Vec<(f64, f64)> = hours
                    .intervals
                    .iter()
                    .map(|hour| (model.expected(&hours, hour).energy, hour.energy))
                    .collect();
                let Some(chart) = Chart::new(&steps, 2_000.0) else { return };
                let walk =
                    |state, &(expected, actual): &(f64, f64)| chart.step(state, expected, actual);
                black_box(steps.iter().fold(State::default(), walk));
            }),
        ),
        (
            "demand, 100,000 quarters of an hour",
            Box::new(move || {
                let quarters: Vec<Quarter<'_>> = (0..)
                    .zip(&quarters)
                    .map(|(index, kw)| Quarter {
                        start: DateTime::from_timestamp(index * 900, 0).unwrap_or_default(),
                        kw: Some(*kw),
                        month: (2026 + (index / 35_040) as i32, 1 + (index / 2_920 % 12) as u32),
                        period: Some(&period),
                    })
                    .collect();
                black_box(by_period(&quarters));
            }),
        ),
        (
            "operating modes",
            Box::new(move || {
                black_box(modes(&powers, &powers));
            }),
        ),
    ]
}

const REFERENCES: usize = 4;

/// Eight features a run, all by chance about what is usual of its reference.
fn runs_of_four_references() -> Vec<abnormal::Sample> {
    let noise = noise(17, POINTS);
    let runs = noise.chunks_exact(abnormal::FEATURES).enumerate();
    runs.map(|(run, noise)| {
        let mut features = Features::default();
        for (feature, noise) in Feature::ALL.into_iter().zip(noise) {
            features.set(feature, Some(0.2 + 0.05 * noise + 0.1 * (run % REFERENCES) as f64));
        }
        abnormal::Sample { reference: run % REFERENCES, features }
    })
    .collect()
}

/// A machine that makes a reference for four hours, then another; and rests for two.
fn energy_by_hour() -> Observations {
    let noise = noise(19, POINTS);
    let edges: Vec<i64> = (0..=POINTS as i64).map(|hour| hour * 3_600).collect();
    let run = |start: usize| Run {
        key: start.to_string(),
        reference: format!("R{}", start / 6 % REFERENCES),
        start: start as i64 * 3_600,
        end: (start as i64 + 4) * 3_600,
        good_units: Some(400.0),
        scrap_units: None,
    };
    let runs: Vec<Run> = (0..POINTS - 6).step_by(6).map(run).collect();
    let alone = baseline::Machine::alone(Vec::new(), runs.len());
    let mut observed = observe(&edges, &runs, &[alone]);
    for (hour, noise) in observed.intervals.iter_mut().zip(noise) {
        hour.energy = 10.0 + 20.0 * hour.production_hours() * (1.0 + 0.05 * noise);
    }
    observed
}

/// Numbers in [-1, 1) that look like chance.
fn noise(seed: u64, count: usize) -> Vec<f64> {
    let number = |position: u64| {
        let mut z = (position ^ (seed << 40)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 52) as f64 - 1.0
    };
    (0..count as u64).map(number).collect()
}

fn gauge(key: String, quantity: Quantity, step: i64, values: Vec<f64>) -> Sensor {
    Sensor {
        key,
        quantity,
        unit: "kW".to_owned(),
        kind: Kind::Gauge,
        to_kilo: 1.0,
        times: (0..values.len() as i64).map(|cell| cell * step).collect(),
        values,
    }
}

/// A machine that makes four references in turns, four hours each with half an hour between.
fn factory(sensors: usize) -> Machine {
    const CYCLE: usize = 270;
    const REST: usize = 30;
    let minutes = POINTS / sensors;
    let sensor = |index: usize| {
        let noise = noise(index as u64 + 11, minutes);
        let level = |minute: usize| match minute % CYCLE {
            0..REST => 10.0,
            _ => 100.0 + 20.0 * (minute / CYCLE % 4) as f64,
        };
        let values = (0..minutes).map(|m| level(m) * (1.0 + 0.02 * noise[m])).collect();
        let quantity = if index == 0 { Quantity::Power } else { Quantity::Temperature };
        gauge(format!("s{index}"), quantity, 60, values)
    };
    let second = |minute: usize| 60 * minute as i64;
    let turns = 0..minutes.div_ceil(CYCLE);
    let run = |turn: usize| Run {
        key: turn.to_string(),
        reference: format!("R{}", turn % 4),
        start: second(turn * CYCLE + REST),
        end: second((turn + 1) * CYCLE),
        good_units: None,
        scrap_units: None,
    };
    let span = |state: &str, from: usize, to: usize| Span {
        state: state.to_owned(),
        start: second(from),
        end: second(to),
    };
    Machine {
        key: "m".to_owned(),
        sensors: (0..sensors).map(sensor).collect(),
        runs: turns.clone().map(run).collect(),
        states: turns
            .flat_map(|turn| {
                let from = turn * CYCLE;
                [span("idle", from, from + REST), span("running", from + REST, from + CYCLE)]
            })
            .collect(),
        normal: None,
    }
}

/// Sensors that follow the day, and of which nothing else is known.
fn process(sensors: usize, step: i64) -> Machine {
    let cells = POINTS / sensors;
    let day = (86_400 / step) as usize;
    let sensor = |index: usize| {
        let noise = noise(index as u64 + 31, cells);
        let daily = |cell: usize| (cell % day) as f64 / day as f64 * std::f64::consts::TAU;
        let values = (0..cells).map(|c| 50.0 + 5.0 * daily(c).sin() + noise[c]).collect();
        gauge(format!("s{index}"), Quantity::Other, step, values)
    };
    Machine {
        key: "m".to_owned(),
        sensors: (0..sensors).map(sensor).collect(),
        ..Machine::default()
    }
}
