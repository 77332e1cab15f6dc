//! Public data sets in the files in which they are published.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use chrono::NaiveDateTime;

use super::dataset::{Dataset, Label};
use crate::analytics::history::{Kind, Machine, Quantity, Sensor};

/// What the files of a directory look like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// readings.csv and the others, as docs/analytics.md describes them.
    #[default]
    Lotwise,
    /// Tennessee Eastman process: d00 (normal, to learn from) and dNN_te (runs of fault NN), as .csv
    /// with a header or as .dat without.
    Tep,
    /// Numenta Anomaly Benchmark: a CSV with timestamp and value for each series, and windows.json.
    Nab,
}

/// Reads a directory.
pub fn read(directory: &Path, format: Format) -> anyhow::Result<Dataset> {
    match format {
        Format::Lotwise => super::dataset::read(directory),
        Format::Tep => tep(directory),
        Format::Nab => nab(directory),
    }
}

/// Seconds between rows of the Tennessee Eastman data.
const TEP_STEP_S: i64 = 180;
/// Variables: 41 measured, 11 manipulated.
const TEP_VARIABLES: usize = 52;
/// Row of a test run in which its fault begins, where no column says so: after eight hours.
const TEP_FAULT_ROW: usize = 160;
/// The data has no times, so it begins here: 2000-01-01.
const TEP_START: i64 = 946_684_800;

/// Each test run is a machine: the normal run d00, of which it is told that it is normal, and then the
/// test run. Its label begins with the fault and ends with the run.
fn tep(directory: &Path) -> anyhow::Result<Dataset> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(directory)
        .with_context(|| format!("cannot read {}", directory.display()))?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .collect();
    files.sort();
    let named = |stem: &str| {
        let mut found =
            ["csv", "dat"].map(|end| directory.join(format!("{stem}.{end}"))).into_iter();
        found.find(|path| path.exists())
    };
    let Some(normal) = named("d00") else {
        bail!("{} has no d00.csv or d00.dat, the normal run to learn from", directory.display());
    };
    let normal = tep_rows(&normal)?;
    let mut dataset = Dataset::default();
    for file in files {
        let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
        let is_table = file.extension().is_some_and(|end| end == "csv" || end == "dat");
        let Some(run) = stem.strip_suffix("_te").filter(|_| is_table) else { continue };
        let rows = tep_rows(&file)?;
        let is_faulty = |row: usize| match rows[row].get(TEP_VARIABLES) {
            Some(fault) => *fault != 0.0,
            None => run != "d00" && row >= TEP_FAULT_ROW,
        };
        let second = |row: usize| TEP_START + (normal.len() + row) as i64 * TEP_STEP_S;
        if let Some(first) = (0..rows.len()).find(|&row| is_faulty(row)) {
            dataset.labels.push(Label {
                machine: run.to_owned(),
                kind: format!("fault_{}", run.trim_start_matches('d')),
                start: second(first),
                end: second(rows.len()),
            });
        }
        let all: Vec<&Vec<f64>> = normal.iter().chain(&rows).collect();
        let sensors = (0..TEP_VARIABLES)
            .map(|index| gauge(&tep_name(index), column(&all, index), TEP_START, TEP_STEP_S))
            .collect();
        dataset.machines.push(Machine {
            key: run.to_owned(),
            sensors,
            normal: Some((TEP_START, second(0))),
            ..Machine::default()
        });
    }
    if dataset.machines.is_empty() {
        bail!("{} has no test run dNN_te.csv or dNN_te.dat", directory.display());
    }
    Ok(dataset)
}

fn column(rows: &[&Vec<f64>], index: usize) -> Vec<f64> {
    rows.iter().map(|row| row[index]).collect()
}

fn tep_name(index: usize) -> String {
    if index < 41 { format!("XMEAS{}", index + 1) } else { format!("XMV{}", index - 40) }
}

fn gauge(key: &str, values: Vec<f64>, start: i64, step: i64) -> Sensor {
    Sensor {
        key: key.to_owned(),
        quantity: Quantity::Other,
        unit: String::new(),
        kind: Kind::Gauge,
        to_kilo: f64::NAN,
        times: (0..values.len() as i64).map(|row| start + row * step).collect(),
        values,
    }
}

/// Rows of numbers; a first line of words is skipped, and a table on its side turned.
fn tep_rows(path: &Path) -> anyhow::Result<Vec<Vec<f64>>> {
    let name = path.display();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
    let mut rows: Vec<Vec<f64>> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let cells = line.split([',', ' ', '\t']).map(str::trim).filter(|cell| !cell.is_empty());
        match cells.map(str::parse).collect::<Result<Vec<f64>, _>>() {
            Ok(row) if row.is_empty() => {}
            Ok(row) => rows.push(row),
            Err(_) if index == 0 => {}
            Err(error) => bail!("{name}, line {}: {error}", index + 1),
        }
    }
    if rows.len() == TEP_VARIABLES && rows[0].len() > TEP_VARIABLES + 1 {
        let turned = (0..rows[0].len()).map(|column| {
            rows.iter().map(|row| row.get(column).copied().unwrap_or(f64::NAN)).collect()
        });
        rows = turned.collect();
    }
    match rows.iter().position(|row| row.len() < TEP_VARIABLES) {
        Some(row) => bail!("{name}, row {}: fewer than {TEP_VARIABLES} numbers", row + 1),
        None => Ok(rows),
    }
}

/// Each series is a machine with one sensor, each window a label.
fn nab(directory: &Path) -> anyhow::Result<Dataset> {
    let path = directory.join("windows.json");
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    let windows: BTreeMap<String, Vec<[String; 2]>> = serde_json::from_str(&text)
        .with_context(|| format!("{} is not a list of windows by file", path.display()))?;
    let mut dataset = Dataset::default();
    for (file, windows) in windows {
        let base = file.rsplit('/').next().unwrap_or(&file);
        let candidates = [directory.join(&file), directory.join(base)];
        let Some(path) = candidates.iter().find(|path| path.exists()) else {
            bail!("{} has no {base}", directory.display());
        };
        let key = base.trim_end_matches(".csv").to_owned();
        let sensor = nab_series(path)?;
        for [start, end] in windows {
            // The last row belongs to the window.
            let (start, end) = (nab_second(&start)?, nab_second(&end)? + 1);
            let (machine, kind) = (key.clone(), "anomaly".to_owned());
            dataset.labels.push(Label { machine, kind, start, end });
        }
        dataset.machines.push(Machine { key, sensors: vec![sensor], ..Machine::default() });
    }
    Ok(dataset)
}

fn nab_second(text: &str) -> anyhow::Result<i64> {
    let time = NaiveDateTime::parse_from_str(text.trim(), "%Y-%m-%d %H:%M:%S%.f");
    Ok(time.with_context(|| format!("time '{text}'"))?.and_utc().timestamp())
}

fn nab_series(path: &Path) -> anyhow::Result<Sensor> {
    let name = path.display();
    let mut reader = csv::Reader::from_path(path).with_context(|| format!("cannot read {name}"))?;
    let mut sensor = gauge("value", Vec::new(), 0, 1);
    for (index, record) in reader.records().enumerate() {
        let record = record.with_context(|| format!("{name} is not readable as CSV"))?;
        let at = || format!("{name}, row {}", index + 1);
        let time = nab_second(record.get(0).unwrap_or_default()).with_context(at)?;
        let value: f64 = record.get(1).unwrap_or_default().trim().parse().with_context(at)?;
        sensor.times.push(time);
        sensor.values.push(value);
    }
    super::dataset::in_order(&mut sensor);
    Ok(sensor)
}
