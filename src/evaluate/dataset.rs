//! Labelled data in the documented form: readings.csv, and runs.csv, states.csv and labels.csv where
//! there are such.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context, bail};
use chrono::DateTime;
use csv::ByteRecord;

use crate::analytics::history::{Kind, Machine, Quantity, Run, Sensor, Span};
use crate::simulate::Stream;

/// Labelled data.
#[derive(Clone, Debug, Default)]
pub struct Dataset {
    /// Machines in order of appearance.
    pub machines: Vec<Machine>,
    /// The plant's own sensors: not judged, but energy may depend on them.
    pub plant: Vec<Sensor>,
    /// Ground truth.
    pub labels: Vec<Label>,
}

/// What really happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// Key of the machine.
    pub machine: String,
    /// Kind of fault; `wrong_label` is an error of the paperwork.
    pub kind: String,
    /// Second of the start and of the end.
    pub start: i64,
    /// See `start`.
    pub end: i64,
}

impl Dataset {
    /// Permutes the references among the runs of each machine: what is left of the detectors without
    /// a true context.
    pub fn shuffle_references(&mut self, seed: u64) {
        for machine in &mut self.machines {
            let mut references: Vec<String> =
                machine.runs.iter().map(|run| run.reference.clone()).collect();
            Stream::new(seed, &["shuffle", &machine.key]).shuffle(&mut references);
            for (run, reference) in machine.runs.iter_mut().zip(references) {
                run.reference = reference;
            }
        }
    }
}

/// Reads a directory.
pub fn read(directory: &Path) -> anyhow::Result<Dataset> {
    let mut dataset = Dataset::default();
    readings(&directory.join("readings.csv"), &mut dataset)?;
    let runs = directory.join("runs.csv");
    let states = directory.join("states.csv");
    let labels = directory.join("labels.csv");
    let normal = directory.join("normal.csv");
    if runs.exists() {
        read_runs(&runs, &mut dataset)?;
    }
    if states.exists() {
        read_states(&states, &mut dataset)?;
    }
    if labels.exists() {
        read_labels(&labels, &mut dataset)?;
    }
    if normal.exists() {
        read_normal(&normal, &mut dataset)?;
    }
    for machine in &mut dataset.machines {
        machine.runs.sort_by_key(|run| run.start);
        machine.states.sort_by_key(|span| span.start);
    }
    Ok(dataset)
}

/// A table with columns by name.
struct Table {
    reader: csv::Reader<std::fs::File>,
    columns: HashMap<String, usize>,
    record: ByteRecord,
    path: String,
}

impl Table {
    fn open(path: &Path) -> anyhow::Result<Self> {
        let name = path.display().to_string();
        let mut reader =
            csv::Reader::from_path(path).with_context(|| format!("cannot read {name}"))?;
        let columns = reader
            .headers()
            .with_context(|| format!("cannot read {name}"))?
            .iter()
            .enumerate()
            .map(|(index, column)| (column.trim().trim_start_matches('\u{feff}').to_owned(), index))
            .collect();
        Ok(Self { reader, columns, record: ByteRecord::new(), path: name })
    }

    fn column(&self, name: &str) -> anyhow::Result<usize> {
        match self.columns.get(name) {
            Some(&index) => Ok(index),
            None => bail!("{} has no column '{name}'", self.path),
        }
    }

    fn next(&mut self) -> anyhow::Result<bool> {
        let Self { reader, record, path, .. } = self;
        reader.read_byte_record(record).with_context(|| format!("{path} is not readable as CSV"))
    }

    fn bytes(&self, column: usize) -> &[u8] {
        self.record.get(column).unwrap_or_default()
    }

    fn text(&self, column: usize) -> String {
        String::from_utf8_lossy(self.bytes(column)).trim().to_owned()
    }

    fn second(&self, column: usize) -> anyhow::Result<i64> {
        let text = std::str::from_utf8(self.bytes(column)).unwrap_or_default().trim();
        match DateTime::parse_from_rfc3339(text) {
            Ok(time) => Ok(time.timestamp()),
            Err(error) => bail!("{}, line {}: time '{text}': {error}", self.path, self.line()),
        }
    }

    /// A time that may be missing: it lasts.
    fn open_second(&self, column: usize) -> anyhow::Result<i64> {
        if self.bytes(column).is_empty() { Ok(i64::MAX) } else { self.second(column) }
    }

    fn number(&self, column: Option<usize>) -> Option<f64> {
        std::str::from_utf8(self.bytes(column?)).ok()?.trim().parse().ok()
    }

    fn line(&self) -> u64 {
        self.record.position().map_or(0, csv::Position::line)
    }
}

fn readings(path: &Path, dataset: &mut Dataset) -> anyhow::Result<()> {
    let mut table = Table::open(path)?;
    let time = table.column("time")?;
    let keys = [table.column("machine")?, table.column("sensor")?];
    let value = table.column("value")?;
    let details = ["quantity", "unit", "kind"].map(|name| table.columns.get(name).copied());
    let mut known: HashMap<[Vec<u8>; 2], (Option<usize>, usize)> = HashMap::new();
    while table.next()? {
        let key = keys.map(|column| table.bytes(column).to_vec());
        let place = match known.get(&key) {
            Some(place) => *place,
            None => {
                let [machine, sensor] = keys.map(|column| table.text(column));
                let [quantity, unit, kind] = details
                    .map(|column| column.map(|column| table.text(column)).unwrap_or_default());
                let place = add_sensor(dataset, &machine, &sensor, [&quantity, &unit, &kind]);
                known.insert(key, place);
                place
            }
        };
        let (machine, sensor) = place;
        let second = table.second(time)?;
        let Some(number) = table.number(Some(value)).filter(|number| number.is_finite()) else {
            bail!("{}, line {}: the value is not a number", table.path, table.line());
        };
        let sensor = match machine {
            Some(machine) => &mut dataset.machines[machine].sensors[sensor],
            None => &mut dataset.plant[sensor],
        };
        sensor.times.push(second);
        sensor.values.push(number);
    }
    let own = dataset.machines.iter_mut().flat_map(|machine| &mut machine.sensors);
    own.chain(&mut dataset.plant).for_each(in_order);
    Ok(())
}

/// Sorts by time; of several values for one instant the last one in the file wins.
pub fn in_order(sensor: &mut Sensor) {
    let mut rows: Vec<(i64, f64)> =
        sensor.times.iter().copied().zip(sensor.values.iter().copied()).collect();
    rows.sort_by_key(|&(time, _)| time);
    rows.reverse();
    rows.dedup_by_key(|&mut (time, _)| time);
    rows.reverse();
    (sensor.times, sensor.values) = rows.into_iter().unzip();
}

fn add_sensor(
    dataset: &mut Dataset,
    machine: &str,
    key: &str,
    [quantity, unit, kind]: [&str; 3],
) -> (Option<usize>, usize) {
    let index = (!machine.is_empty()).then(|| machine_index(dataset, machine));
    let to_kilo = match unit {
        "W" | "Wh" => 0.001,
        "MW" | "MWh" => 1000.0,
        "MJ" => 1.0 / 3.6,
        _ => 1.0,
    };
    let sensor = Sensor {
        key: key.to_owned(),
        quantity: Quantity::of(quantity),
        unit: unit.to_owned(),
        kind: match kind {
            "counter" => Kind::Counter,
            "delta" => Kind::Delta,
            _ => Kind::Gauge,
        },
        to_kilo,
        times: Vec::new(),
        values: Vec::new(),
    };
    let sensors = match index {
        Some(index) => &mut dataset.machines[index].sensors,
        None => &mut dataset.plant,
    };
    sensors.push(sensor);
    (index, sensors.len() - 1)
}

fn machine_index(dataset: &mut Dataset, key: &str) -> usize {
    match dataset.machines.iter().position(|machine| machine.key == key) {
        Some(index) => index,
        None => {
            dataset.machines.push(Machine { key: key.to_owned(), ..Machine::default() });
            dataset.machines.len() - 1
        }
    }
}

fn read_runs(path: &Path, dataset: &mut Dataset) -> anyhow::Result<()> {
    let mut table = Table::open(path)?;
    let [run, machine, reference, start, end] = [
        table.column("run")?,
        table.column("machine")?,
        table.column("reference")?,
        table.column("start")?,
        table.column("end")?,
    ];
    let [good, scrap] = ["good_units", "scrap_units"].map(|name| table.columns.get(name).copied());
    while table.next()? {
        let index = machine_index(dataset, &table.text(machine));
        let run = Run {
            key: table.text(run),
            reference: table.text(reference),
            start: table.second(start)?,
            end: table.open_second(end)?,
            good_units: table.number(good),
            scrap_units: table.number(scrap),
        };
        dataset.machines[index].runs.push(run);
    }
    Ok(())
}

fn read_states(path: &Path, dataset: &mut Dataset) -> anyhow::Result<()> {
    let mut table = Table::open(path)?;
    let [machine, state, start, end] = [
        table.column("machine")?,
        table.column("state")?,
        table.column("start")?,
        table.column("end")?,
    ];
    while table.next()? {
        let index = machine_index(dataset, &table.text(machine));
        let span = Span {
            state: table.text(state),
            start: table.second(start)?,
            end: table.open_second(end)?,
        };
        dataset.machines[index].states.push(span);
    }
    Ok(())
}

fn read_normal(path: &Path, dataset: &mut Dataset) -> anyhow::Result<()> {
    let mut table = Table::open(path)?;
    let [machine, start, end] =
        [table.column("machine")?, table.column("start")?, table.column("end")?];
    while table.next()? {
        let stretch = (table.second(start)?, table.second(end)?);
        if stretch.0 >= stretch.1 {
            bail!("{}, line {}: the end is not after the start", table.path, table.line());
        }
        let index = machine_index(dataset, &table.text(machine));
        dataset.machines[index].normal = Some(stretch);
    }
    Ok(())
}

fn read_labels(path: &Path, dataset: &mut Dataset) -> anyhow::Result<()> {
    let mut table = Table::open(path)?;
    let [machine, kind, start, end] = [
        table.column("machine")?,
        table.column("kind")?,
        table.column("start")?,
        table.column("end")?,
    ];
    while table.next()? {
        dataset.labels.push(Label {
            machine: table.text(machine),
            kind: table.text(kind),
            start: table.second(start)?,
            end: table.second(end)?,
        });
    }
    Ok(())
}
