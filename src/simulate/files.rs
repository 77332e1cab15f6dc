//! The history as CSV files. Columns are documented in docs/analytics.md.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Context;
use chrono::{DateTime, SecondsFormat};

use super::calendar::DAY_MIN;
use super::factory::Factory;

/// Writes readings.csv, runs.csv, states.csv, labels.csv, consumption.csv and consumption_days.csv into
/// `directory`, which is made where it is missing.
pub fn write(factory: &Factory, directory: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(directory)
        .with_context(|| format!("cannot make {}", directory.display()))?;
    file(directory, "readings.csv", |out| readings(factory, out))?;
    file(directory, "runs.csv", |out| runs(factory, out))?;
    file(directory, "states.csv", |out| states(factory, out))?;
    file(directory, "labels.csv", |out| labels(factory, out))?;
    file(directory, "consumption.csv", |out| consumption(factory, out))?;
    file(directory, "consumption_days.csv", |out| consumption_days(factory, out))
}

fn file(
    directory: &Path,
    name: &str,
    fill: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>,
) -> anyhow::Result<()> {
    let path = directory.join(name);
    let written = File::create(&path).map(BufWriter::new).and_then(|mut out| {
        fill(&mut out)?;
        out.flush()
    });
    written.with_context(|| format!("cannot write {}", path.display()))
}

fn readings(factory: &Factory, out: &mut impl Write) -> std::io::Result<()> {
    writeln!(out, "time,machine,sensor,quantity,unit,kind,value")?;
    for reading in &factory.readings {
        let sensor = &factory.sensors[reading.sensor];
        writeln!(
            out,
            "{},{},{},{},{},{},{:.*}",
            instant(reading.time),
            sensor.machine,
            sensor.key,
            sensor.quantity,
            sensor.unit,
            sensor.kind,
            sensor.decimals,
            reading.value
        )?;
    }
    Ok(())
}

fn runs(factory: &Factory, out: &mut impl Write) -> std::io::Result<()> {
    writeln!(out, "run,machine,reference,lot,operator,start,end,good_units,scrap_units")?;
    for run in &factory.runs {
        writeln!(
            out,
            "{},{},{},{},{},{},{},{},{}",
            run.key,
            run.machine,
            run.reference,
            run.lot,
            run.operator,
            instant(run.start),
            instant(run.end),
            run.good,
            run.scrap
        )?;
    }
    Ok(())
}

fn states(factory: &Factory, out: &mut impl Write) -> std::io::Result<()> {
    writeln!(out, "machine,state,start,end")?;
    for state in &factory.states {
        let (start, end) = (instant(state.start), instant(state.end));
        writeln!(out, "{},{},{start},{end}", state.machine, state.state)?;
    }
    Ok(())
}

fn labels(factory: &Factory, out: &mut impl Write) -> std::io::Result<()> {
    writeln!(out, "machine,sensor,kind,start,end,size")?;
    for label in &factory.labels {
        let (start, end) = (instant(label.start), instant(label.end));
        writeln!(
            out,
            "{},{},{},{start},{end},{:.4}",
            label.machine, label.sensor, label.kind, label.size
        )?;
    }
    Ok(())
}

fn consumption(factory: &Factory, out: &mut impl Write) -> std::io::Result<()> {
    writeln!(out, "machine,reference,base_kw,kwh_per_unit,units,minutes")?;
    for it in &factory.consumption {
        writeln!(
            out,
            "{},{},{:.4},{:.6},{},{}",
            it.machine, it.reference, it.base_kw, it.kwh_per_unit, it.units, it.minutes
        )?;
    }
    Ok(())
}

fn consumption_days(factory: &Factory, out: &mut impl Write) -> std::io::Result<()> {
    writeln!(out, "machine,reference,day,kwh,units,minutes")?;
    for it in &factory.consumption_days {
        let day = instant(factory.start + 60 * (it.day * DAY_MIN) as i64);
        writeln!(
            out,
            "{},{},{day},{:.6},{},{}",
            it.machine, it.reference, it.kwh, it.units, it.minutes
        )?;
    }
    Ok(())
}

/// An instant as the API and the files have it.
pub fn instant(second: i64) -> String {
    DateTime::from_timestamp(second, 0)
        .unwrap_or_default()
        .to_rfc3339_opts(SecondsFormat::Secs, true)
}
