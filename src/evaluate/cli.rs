//! The command: reads its arguments, writes JSON, prints a table.

use std::path::{Path, PathBuf};

use anyhow::Context;

use super::energy::{self, EnergyReport};
use super::formats::{self, Format};
use super::report::{Report, judge_all, report};
use super::{all, charts, energy_picture, modes, picture::picture, runs, truth};
use crate::analytics::settings::Settings;

/// Measure the detectors on labelled data.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Directory with readings.csv, and runs.csv, states.csv, labels.csv and normal.csv.
    #[arg(long, required_unless_present = "charts")]
    pub data: Option<PathBuf>,
    /// What the files look like.
    #[arg(long, value_enum, default_value_t)]
    pub format: Format,
    /// File for the figures, as JSON.
    #[arg(long)]
    pub json: Option<PathBuf>,
    /// Directory for a picture of each machine: values, labels, score and findings, as SVG; with
    /// --only-energy its shifts against the expected, and the CUSUM.
    #[arg(long)]
    pub pictures: Option<PathBuf>,
    /// Print the whole table of figures: simulated factories, and the data sets in DATA/tep and DATA/nab.
    #[arg(long, conflicts_with_all = ["format", "findings", "pictures", "shuffle_references"])]
    pub all: bool,
    /// First of the seeds of the simulated factories of the table.
    #[arg(long, default_value_t = 201, requires = "all")]
    pub first_seed: u64,
    /// How many seeds, one after another.
    #[arg(long, default_value_t = 5, requires = "all")]
    pub seeds: u64,
    /// File for the findings with their verdicts, as JSON lines.
    #[arg(long)]
    pub findings: Option<PathBuf>,
    /// Permute the references among the runs first: shows what context is worth.
    #[arg(long, value_name = "SEED")]
    pub shuffle_references: Option<u64>,
    /// Days at the start to which the energy baseline is fitted; the others are forecast.
    #[arg(long, default_value_t = 42, value_parser = clap::value_parser!(i64).range(3..=800))]
    pub baseline_days: i64,
    /// Clock of the plant, for the shifts (06:00, 14:00, 22:00) of the energy baseline.
    #[arg(long, default_value = "Europe/Madrid")]
    pub time_zone: chrono_tz::Tz,
    /// Only the energy baseline, without the detectors.
    #[arg(long)]
    pub only_energy: bool,
    /// Measure abnormal runs and golden curves, run by run, instead of the detectors over time.
    #[arg(long)]
    pub runs: bool,
    /// Measure operating modes: what they take for idle, by the states that the machines report.
    #[arg(long, conflicts_with = "runs")]
    pub modes: bool,
    /// Measure control charts on normal values: points until they raise. Needs no data.
    #[arg(long, conflicts_with_all = ["data", "all"])]
    pub charts: bool,
}

/// Trials of each figure of control charts.
const TRIALS: usize = 4_000;

/// Runs the command.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let json = args.json.as_ref();
    // Only charts have none.
    let data = args.data.clone().unwrap_or_default();
    if args.all {
        let seeds: Vec<u64> =
            (0..args.seeds).map(|seed| args.first_seed.saturating_add(seed)).collect();
        let lines = all::measure(&data, &seeds)?;
        print!("{}", all::table(&lines));
        save(json, &lines)?;
        return Ok(());
    }
    if args.charts {
        let lengths = charts::run_lengths(TRIALS);
        save(json, &lengths)?;
        if let (Some(directory), Some(svg)) = (&args.pictures, charts::picture()) {
            write(&directory.join("control-charts.svg"), svg)?;
        }
        charts::print(&lengths);
        return Ok(());
    }
    let mut dataset = formats::read(&data, args.format)?;
    if args.modes {
        let reports = modes::evaluate(&dataset);
        save(json, &reports)?;
        if let Some(directory) = &args.pictures {
            for report in &reports {
                let name = format!("{}-modes.svg", file_name(&report.machine));
                modes::picture(report).map_or(Ok(()), |svg| write(&directory.join(name), svg))?;
            }
        }
        modes::print(&reports);
        return Ok(());
    }
    if let Some(seed) = args.shuffle_references {
        dataset.shuffle_references(seed);
    }
    let settings = energy::Settings { baseline_days: args.baseline_days, zone: args.time_zone };
    let energy = energy::evaluate(&dataset, &truth::truth(&data)?, &settings);
    if args.only_energy {
        save(json, &energy)?;
        if let Some(directory) = &args.pictures {
            for machine in energy.iter().flat_map(|report| &report.machines) {
                if let Some(svg) = energy_picture(machine) {
                    write(
                        &directory.join(format!("{}-energy.svg", file_name(&machine.machine))),
                        svg,
                    )?;
                }
            }
        }
        print_energy(energy.as_ref());
        return Ok(());
    }
    if args.runs {
        let report = runs::evaluate(&dataset);
        save(json, &report)?;
        runs::print(&report);
        return Ok(());
    }
    let outcomes = judge_all(&dataset, &Settings::default());
    let (mut report, judged) = report(&dataset, &outcomes);
    report.energy = energy;
    if let Some(directory) = &args.pictures {
        for (machine, outcome) in dataset.machines.iter().zip(&outcomes) {
            if let Some(svg) = picture(&dataset, machine, outcome) {
                write(&directory.join(format!("{}.svg", file_name(&machine.key))), svg)?;
            }
        }
    }
    save(json, &report)?;
    if let Some(path) = &args.findings {
        let mut lines = String::new();
        for item in &judged {
            lines.push_str(&serde_json::to_string(item)?);
            lines.push('\n');
        }
        write(path, lines)?;
    }
    print(&report);
    print_energy(report.energy.as_ref());
    Ok(())
}

/// Writes what was measured, where a file for it is named.
fn save(path: Option<&PathBuf>, measured: &impl serde::Serialize) -> anyhow::Result<()> {
    let Some(path) = path else { return Ok(()) };
    write(path, serde_json::to_string_pretty(measured)? + "\n")
}

fn write(path: &Path, text: String) -> anyhow::Result<()> {
    std::fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
}

/// A key is a name of people's choice, a file's name is not.
fn file_name(key: &str) -> String {
    key.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).collect()
}

fn print_energy(report: Option<&EnergyReport>) {
    let Some(report) = report else {
        println!("energy baseline          no machine with a meter and runs");
        return;
    };
    let show = |value: Option<f64>| value.map_or("-".to_owned(), |v| format!("{:.1} %", 100.0 * v));
    println!("energy models            {} ({} refused)", report.models, report.refused);
    println!("k_ref within 3 %         {} of {}", report.within_3_percent, report.references);
    println!(
        "k_ref error              median {}, largest {}",
        show(report.median_error),
        show(report.largest_error)
    );
    println!(
        "CV(RMSE) of shifts       median {}, largest {}",
        show(report.cv_rmse_median),
        show(report.cv_rmse_largest)
    );
    println!(
        "the same, forecast       median {}, largest {}",
        show(report.cv_rmse_after_median),
        show(report.cv_rmse_after_largest)
    );
    println!(
        "lasting changes found    {} of {}, {} in 3 days",
        report.drifts_found, report.drifts, report.drifts_found_in_3_days
    );
    println!(
        "CUSUM false alarms       {} in {:.1} machine-weeks",
        report.false_alarms, report.machine_weeks
    );
}

fn print(report: &Report) {
    let show = |value: Option<f64>| value.map_or("-".to_owned(), |value| format!("{value:.3}"));
    println!("faults found             {} of {}", report.found, report.faults);
    println!("recall                   {}", show(report.recall));
    println!("precision                {}", show(report.precision));
    println!("F1                       {}", show(report.f1));
    println!(
        "false alarms             {} ({} a machine-week)",
        report.false_alarms,
        show(report.false_alarms_per_machine_week)
    );
    println!("by cell: detection rate  {}", show(report.samples.fault_detection_rate));
    println!("by cell: false alarms    {}", show(report.samples.false_alarm_rate));
    println!("NAB standard score       {}", show(report.nab.as_ref().map(|nab| nab.score)));
    println!("VUS-PR                   {}", show(report.vus_pr));
    println!("median delay, minutes    {}", show(report.median_delay_min));
    println!(
        "{:<20} {:>6} {:>6} {:>7} {:>6} {:>10}",
        "kind", "faults", "found", "recall", "named", "delay min"
    );
    for (kind, by) in &report.kinds {
        println!(
            "{kind:<20} {:>6} {:>6} {:>7.2} {:>6} {:>10}",
            by.faults,
            by.found,
            by.recall,
            by.named,
            show(by.median_delay_min)
        );
    }
}
