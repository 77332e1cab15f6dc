//! `lotwise replay`: posts a column of a CSV file as a sensor's readings; `replay-runs`: one of production.
//!
//! [`rows`] reads the file and does no I/O of its own, [`runs`] is the other command; this module registers the sensor where asked,
//! posts, and reports every row that was not stored with its line number.

pub mod rows;
pub mod runs;
pub mod source;
pub mod table;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use anyhow::{Context, ensure};
use chrono::{SecondsFormat, TimeDelta};
use serde_json::{Value, json};

use crate::client::{Client, Outcome, progress::Progress};
use crate::written::time::{Clock, Midnight};
use rows::{Columns, Empty, Row};
use source::{Source, put};
use table::Rejected;

/// Readings in a request.
const BATCH: usize = 5_000;

/// Post a column of a CSV file as a sensor's readings.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The file and where it goes; the key needs the scope readings, with --create also context.
    #[command(flatten)]
    pub source: Source,
    /// Key of the sensor.
    #[arg(long)]
    pub sensor: String,
    /// Name of the column with the time, or #N for the Nth.
    #[arg(long)]
    pub time_column: String,
    /// Name of the column with the value, or #N for the Nth.
    #[arg(long)]
    pub value_column: String,
    /// Which day a time of exactly 00:00 belongs to. Meters that stamp the end of an interval may
    /// write the last one of a day as 00:00 of that same day: that is next-day.
    #[arg(long, value_enum, default_value = "same-day")]
    pub midnight_belongs_to: Midnight,
    /// The file stamps the start of each interval instead of its end; needs --interval-s.
    #[arg(long, requires = "interval_s")]
    pub interval_start: bool,
    /// Leave rows without a value out instead of rejecting them.
    #[arg(long)]
    pub skip_empty: bool,
    /// Register the sensor, and the plant and line where there is none with this key.
    #[arg(long, requires_all = ["quantity", "unit"])]
    pub create: bool,
    /// With --create: key of the line that the sensor belongs to; the whole plant without it.
    #[arg(long)]
    pub line: Option<String>,
    /// With --create: name of the sensor.
    #[arg(long)]
    pub sensor_name: Option<String>,
    /// With --create: what is measured, such as energy or temperature.
    #[arg(long)]
    pub quantity: Option<String>,
    /// With --create: its unit, such as kWh or °C.
    #[arg(long)]
    pub unit: Option<String>,
    /// With --create: a level (gauge), a cumulative register (counter), or an amount per interval
    /// that ends at the time (delta).
    #[arg(long, value_parser = ["gauge", "counter", "delta"], default_value = "gauge")]
    pub kind: String,
    /// With --create: seconds between readings; for a delta, the time that a value covers.
    #[arg(long, value_parser = parse_seconds)]
    pub interval_s: Option<f64>,
}

/// Runs the command; an error when any row was rejected.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let source = &args.source;
    let rows = rows::read(&source.read()?, &columns(&args)?, &clock(&args))
        .with_context(|| source.unreadable())?;
    let client = source.client().await?;
    if args.create {
        create(&client, &args).await?;
    }
    let (stored, refused) = post(&client, &args, &rows.good).await?;
    report(&args, rows, &stored, refused)
}

fn clock(args: &Args) -> Clock {
    let seconds = if args.interval_start { args.interval_s.unwrap_or_default() } else { 0.0 };
    let shift = TimeDelta::milliseconds((seconds * 1000.0) as i64);
    args.source.clock(args.midnight_belongs_to, shift)
}

fn columns(args: &Args) -> anyhow::Result<Columns> {
    Ok(Columns {
        time: args.time_column.clone(),
        value: args.value_column.clone(),
        delimiter: args.source.delimiter,
        numbers: args.source.numbers()?,
        empty: if args.skip_empty { Empty::Skip } else { Empty::Reject },
    })
}

/// Registers the sensor; plant and line only where they are missing, so that their names stay.
async fn create(client: &Client, args: &Args) -> anyhow::Result<()> {
    args.source.create_plant(client).await?;
    if let Some(line) = &args.line {
        args.source.create_lines(client, &[line]).await?;
    }
    let mut sensor = json!({
        "plant": args.source.plant, "key": args.sensor, "quantity": args.quantity, "unit": args.unit,
        "kind": args.kind, "name": args.sensor_name.as_ref().unwrap_or(&args.sensor),
    });
    if let Some(line) = &args.line {
        sensor["line"] = line.as_str().into();
    }
    if let Some(interval) = args.interval_s {
        // Two missing values in a row are bridged, more are a gap.
        sensor["interval_s"] = interval.into();
        sensor["max_gap_s"] = (3.0 * interval).max(300.0).into();
    }
    put(client, "sensors", sensor).await
}

/// What became of a batch, of whose rows `lines` are the lines in the file: the indices of those that
/// were taken, and the others with the reason.
fn told(outcome: &Outcome, lines: &[u64]) -> anyhow::Result<(Vec<usize>, Vec<Rejected>)> {
    let reasons: BTreeMap<usize, &str> =
        outcome.errors.iter().map(|error| (error.index, &*error.message)).collect();
    let (mut taken, mut refused) = (Vec::new(), Vec::new());
    for (index, line) in lines.iter().enumerate() {
        match reasons.get(&index) {
            Some(reason) => refused.push(Rejected { line: *line, reason: (*reason).to_owned() }),
            None => taken.push(index),
        }
    }
    ensure!(
        refused.len() as u64 == outcome.rejected,
        "the API rejected {} rows of a batch but named only {}",
        outcome.rejected,
        refused.len()
    );
    Ok((taken, refused))
}

/// Posts rows; those stored, and those that the API refused.
async fn post(
    client: &Client,
    args: &Args,
    rows: &[Row],
) -> anyhow::Result<(Vec<Row>, Vec<Rejected>)> {
    let mut progress = Progress::new("readings", rows.len() as u64);
    let (mut stored, mut refused) = (Vec::new(), Vec::new());
    for batch in rows.chunks(BATCH) {
        let readings: Vec<Value> = (batch.iter())
            .map(|row| {
                let time = row.time.to_rfc3339_opts(SecondsFormat::AutoSi, true);
                json!({ "sensor": args.sensor, "time": time, "value": row.value })
            })
            .collect();
        let outcome = client.put_readings(&args.source.plant, &readings).await?;
        let lines: Vec<u64> = batch.iter().map(|row| row.line).collect();
        let (taken, not) = told(&outcome, &lines)?;
        stored.extend(taken.into_iter().map(|index| batch[index].clone()));
        refused.extend(not);
        progress.add(batch.len() as u64);
    }
    progress.finish();
    Ok((stored, refused))
}

fn report(
    args: &Args,
    rows: rows::Rows,
    stored: &[Row],
    refused: Vec<Rejected>,
) -> anyhow::Result<()> {
    let total = rows.good.len() + rows.rejected.len() + rows.empty as usize;
    let rejected = [rows.rejected, refused].concat();
    let sum: f64 = stored.iter().map(|row| row.value).sum();
    println!(
        "{total} rows, {} stored, {} empty, {} rejected",
        stored.len(),
        rows.empty,
        rejected.len()
    );
    if let (Some(first), Some(last)) =
        (stored.iter().min_by_key(|row| row.time), stored.iter().max_by_key(|row| row.time))
    {
        println!("from {} to {}, sum {sum}", first.time.to_rfc3339(), last.time.to_rfc3339());
    }
    args.source.report(rejected, total)
}

fn parse_seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds.is_finite() && seconds > 0.0 && seconds < 1e9 => Ok(seconds),
        _ => Err(format!("'{text}' is not a number of seconds")),
    }
}
