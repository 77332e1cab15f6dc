//! `lotwise replay`: posts a column of a CSV file as a sensor's readings.
//!
//! [`rows`] reads the file and does no I/O of its own; this module registers the sensor where asked,
//! posts, and reports every row that was not stored with its line number.

pub mod rows;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use chrono::{SecondsFormat, TimeDelta};
use chrono_tz::Tz;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::{Client, progress::Progress};
use crate::written::number::{Decimal, NumberFormat, Thousands};
use crate::written::time::{Ambiguous, Clock, Midnight, TimeFormat};
use rows::{Columns, Empty, Rejected, Row};

/// Readings in a request.
const BATCH: usize = 5_000;

/// Post a column of a CSV file as a sensor's readings.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The CSV file, with a header line.
    pub file: PathBuf,
    /// Address of the ingest service.
    #[arg(long, default_value = "http://127.0.0.1:8086", env = "LOTWISE_URL")]
    pub url: String,
    /// File with the API key (scope readings; with --create also context).
    #[arg(long, env = "LOTWISE_KEY_FILE")]
    pub key_file: PathBuf,
    /// Key of the plant.
    #[arg(long)]
    pub plant: String,
    /// Key of the sensor.
    #[arg(long)]
    pub sensor: String,
    /// Name of the column with the time, or #N for the Nth.
    #[arg(long)]
    pub time_column: String,
    /// Name of the column with the value, or #N for the Nth.
    #[arg(long)]
    pub value_column: String,
    /// iso (2018-12-31 23:45), dmy (31/12/2018 23:45), mdy (12/31/2018 23:45), rfc3339, unix-s,
    /// unix-ms, or a pattern such as '%d/%m/%Y %H:%M'.
    #[arg(long, default_value = "iso")]
    pub time_format: TimeFormat,
    /// IANA time zone of the file's local times; with --create also the plant's.
    #[arg(long, default_value = "UTC")]
    pub time_zone: Tz,
    /// Which day a time of exactly 00:00 belongs to. Meters that stamp the end of an interval may
    /// write the last one of a day as 00:00 of that same day: that is next-day.
    #[arg(long, value_enum, default_value = "same-day")]
    pub midnight_belongs_to: Midnight,
    /// What to do with local times that occur twice, when the clocks go back.
    #[arg(long, value_enum, default_value = "order")]
    pub ambiguous: Ambiguous,
    /// The file stamps the start of each interval instead of its end; needs --interval-s.
    #[arg(long, requires = "interval_s")]
    pub interval_start: bool,
    /// Between the fields: a character, or tab.
    #[arg(long, default_value = ",", value_parser = parse_delimiter)]
    pub delimiter: u8,
    /// Decimals are marked by a comma.
    #[arg(long)]
    pub decimal_comma: bool,
    /// Leave rows without a value out instead of rejecting them.
    #[arg(long)]
    pub skip_empty: bool,
    /// Register the sensor, and the plant where there is none with this key.
    #[arg(long, requires_all = ["quantity", "unit"])]
    pub create: bool,
    /// With --create: name of the plant.
    #[arg(long)]
    pub plant_name: Option<String>,
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
    let file = std::fs::read(&args.file);
    let file = file.with_context(|| format!("cannot read {}", args.file.display()))?;
    let clock = clock(&args);
    let rows = rows::read(&file, &columns(&args)?, &clock)
        .with_context(|| format!("cannot read {}", args.file.display()))?;
    let client = Client::new(&args.url, &args.key_file, Duration::from_secs(120))?;
    client.reach().await?;
    if args.create {
        create(&client, &args).await?;
    }
    let (stored, refused) = post(&client, &args, &rows.good).await?;
    report(&args, &rows, &stored, rows.rejected.iter().chain(&refused))
}

fn clock(args: &Args) -> Clock {
    let seconds = if args.interval_start { args.interval_s.unwrap_or_default() } else { 0.0 };
    Clock {
        format: args.time_format.clone(),
        zone: Some(args.time_zone),
        midnight: args.midnight_belongs_to,
        ambiguous: args.ambiguous,
        shift: TimeDelta::milliseconds((seconds * 1000.0) as i64),
    }
}

fn columns(args: &Args) -> anyhow::Result<Columns> {
    let decimal = if args.decimal_comma { Decimal::Comma } else { Decimal::Point };
    Ok(Columns {
        time: args.time_column.clone(),
        value: args.value_column.clone(),
        delimiter: args.delimiter,
        numbers: NumberFormat::new(decimal, Thousands::None)?,
        empty: if args.skip_empty { Empty::Skip } else { Empty::Reject },
    })
}

/// Registers the sensor; the plant only where it is missing, so that its name and zone stay.
async fn create(client: &Client, args: &Args) -> anyhow::Result<()> {
    #[derive(Deserialize)]
    struct Plant {
        key: String,
    }
    let plants: Vec<Plant> = client.items("plants", &[("limit", "1000")]).await?;
    if !plants.iter().any(|plant| plant.key == args.plant) {
        let name = args.plant_name.as_ref().unwrap_or(&args.plant);
        let plant = json!({ "key": args.plant, "name": name, "time_zone": args.time_zone.name() });
        put(client, "plants", plant).await?;
    }
    let mut sensor = json!({
        "plant": args.plant, "key": args.sensor, "quantity": args.quantity, "unit": args.unit,
        "kind": args.kind, "name": args.sensor_name.as_ref().unwrap_or(&args.sensor),
    });
    if let Some(interval) = args.interval_s {
        // Two missing values in a row are bridged, more are a gap.
        sensor["interval_s"] = interval.into();
        sensor["max_gap_s"] = (3.0 * interval).max(300.0).into();
    }
    put(client, "sensors", sensor).await
}

async fn put(client: &Client, kind: &str, item: Value) -> anyhow::Result<()> {
    let outcome = client.put_items(kind, &[item]).await?;
    let reason = outcome.errors.first().map_or("no reason given", |error| error.message.as_str());
    ensure!(outcome.rejected == 0, "the {kind} item was not accepted: {reason}");
    Ok(())
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
        let outcome = client.put_readings(&args.plant, &readings).await?;
        let before = refused.len();
        for (index, row) in batch.iter().enumerate() {
            match outcome.errors.iter().find(|error| error.index == index) {
                Some(error) => {
                    refused.push(Rejected { line: row.line, reason: error.message.clone() })
                }
                None => stored.push(row.clone()),
            }
        }
        ensure!(
            (refused.len() - before) as u64 == outcome.rejected,
            "the API rejected {} rows of a batch but named only {}",
            outcome.rejected,
            refused.len() - before
        );
        progress.add(batch.len() as u64);
    }
    progress.finish();
    Ok((stored, refused))
}

fn report<'a>(
    args: &Args,
    rows: &rows::Rows,
    stored: &[Row],
    rejected: impl Iterator<Item = &'a Rejected>,
) -> anyhow::Result<()> {
    let mut rejected: Vec<&Rejected> = rejected.collect();
    rejected.sort_by_key(|row| row.line);
    for row in &rejected {
        eprintln!("{}:{}: {}", args.file.display(), row.line, row.reason);
    }
    let total = rows.good.len() + rows.rejected.len() + rows.empty as usize;
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
    if !rejected.is_empty() {
        bail!("{} of {total} rows were rejected", rejected.len());
    }
    Ok(())
}

fn parse_delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        b"tab" | b"\\t" => Ok(b'\t'),
        [one] if !one.is_ascii_alphanumeric() && !matches!(one, b'"' | b'\r' | b'\n') => Ok(*one),
        _ => Err(format!("'{text}' is not a delimiter; use one such as , or ; or tab")),
    }
}

fn parse_seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if seconds.is_finite() && seconds > 0.0 && seconds < 1e9 => Ok(seconds),
        _ => Err(format!("'{text}' is not a number of seconds")),
    }
}
