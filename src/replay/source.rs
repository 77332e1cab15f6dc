//! The file of a replay: how it is written, and the plant and service that its rows are for.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use chrono::TimeDelta;
use chrono_tz::Tz;
use serde::Deserialize;
use serde_json::{Value, json};

use super::table::Rejected;
use crate::client::Client;
use crate::written::number::{Decimal, NumberFormat, Thousands};
use crate::written::time::{Ambiguous, Clock, Midnight, TimeFormat};

/// Arguments that every replay has.
#[derive(Debug, Clone, clap::Args)]
pub struct Source {
    /// The CSV file, with a header line.
    pub file: PathBuf,
    /// Address of the ingest service.
    #[arg(long, default_value = "http://127.0.0.1:8086", env = "LOTWISE_URL")]
    pub url: String,
    /// File with the API key.
    #[arg(long, env = "LOTWISE_KEY_FILE")]
    pub key_file: PathBuf,
    /// Key of the plant.
    #[arg(long)]
    pub plant: String,
    /// iso (2018-12-31 23:45), dmy (31/12/2018 23:45), mdy (12/31/2018 23:45), rfc3339, unix-s,
    /// unix-ms, or a pattern such as '%d/%m/%Y %H:%M'.
    #[arg(long, default_value = "iso")]
    pub time_format: TimeFormat,
    /// IANA time zone of the file's local times; with --create also the plant's.
    #[arg(long, default_value = "UTC")]
    pub time_zone: Tz,
    /// What to do with local times that occur twice, when the clocks go back.
    #[arg(long, value_enum, default_value = "order")]
    pub ambiguous: Ambiguous,
    /// Between the fields: a character, or tab.
    #[arg(long, default_value = ",", value_parser = parse_delimiter)]
    pub delimiter: u8,
    /// Decimals are marked by a comma.
    #[arg(long)]
    pub decimal_comma: bool,
    /// With --create: name of the plant.
    #[arg(long)]
    pub plant_name: Option<String>,
}

impl Source {
    /// The file's bytes.
    pub fn read(&self) -> anyhow::Result<Vec<u8>> {
        std::fs::read(&self.file).with_context(|| self.unreadable())
    }

    /// What to say when the file cannot be read.
    pub fn unreadable(&self) -> String {
        format!("cannot read {}", self.file.display())
    }

    /// How its numbers are written.
    pub fn numbers(&self) -> anyhow::Result<NumberFormat> {
        let decimal = if self.decimal_comma { Decimal::Comma } else { Decimal::Point };
        Ok(NumberFormat::new(decimal, Thousands::None)?)
    }

    /// How its times are written.
    pub fn clock(&self, midnight: Midnight, shift: TimeDelta) -> Clock {
        Clock {
            format: self.time_format.clone(),
            zone: Some(self.time_zone),
            midnight,
            ambiguous: self.ambiguous,
            shift,
        }
    }

    /// The ingest service, which answers.
    pub async fn client(&self) -> anyhow::Result<Client> {
        let client = Client::new(&self.url, &self.key_file, Duration::from_secs(120))?;
        client.reach().await?;
        Ok(client)
    }

    /// Registers the plant where it is missing.
    pub async fn create_plant(&self, client: &Client) -> anyhow::Result<()> {
        let name = self.plant_name.as_ref().unwrap_or(&self.plant);
        let plant = json!({ "key": self.plant, "name": name, "time_zone": self.time_zone.name() });
        create_missing(client, "plants", &[], vec![plant]).await
    }

    /// Registers lines of the plant that are missing.
    pub async fn create_lines(&self, client: &Client, keys: &[&str]) -> anyhow::Result<()> {
        let line = |key: &&str| json!({ "plant": self.plant, "key": key, "name": key });
        let lines = keys.iter().map(line).collect();
        create_missing(client, "lines", &[("plant", &self.plant)], lines).await
    }

    /// Prints the rows that were not stored; an error when there are any.
    pub fn report(&self, mut rejected: Vec<Rejected>, total: usize) -> anyhow::Result<()> {
        rejected.sort_by_key(|row| row.line);
        for row in &rejected {
            eprintln!("{}:{}: {}", self.file.display(), row.line, row.reason);
        }
        if !rejected.is_empty() {
            bail!("{} of {total} rows were rejected", rejected.len());
        }
        Ok(())
    }
}

/// Registers those items that are not there yet: the others keep their names and settings.
async fn create_missing(
    client: &Client,
    kind: &str,
    query: &[(&str, &str)],
    items: Vec<Value>,
) -> anyhow::Result<()> {
    #[derive(Deserialize)]
    struct Known {
        key: String,
    }
    let known: Vec<Known> = client.items(kind, &[query, &[("limit", "1000")]].concat()).await?;
    for item in items {
        if !known.iter().any(|known| item["key"] == known.key.as_str()) {
            put(client, kind, item).await?;
        }
    }
    Ok(())
}

/// Creates or corrects one item, which must be accepted.
pub async fn put(client: &Client, kind: &str, item: Value) -> anyhow::Result<()> {
    let outcome = client.put_items(kind, &[item]).await?;
    let reason = outcome.errors.first().map_or("no reason given", |error| error.message.as_str());
    ensure!(outcome.rejected == 0, "the {kind} item was not accepted: {reason}");
    Ok(())
}

fn parse_delimiter(text: &str) -> Result<u8, String> {
    match text.as_bytes() {
        b"tab" | b"\\t" => Ok(b'\t'),
        [one] if !one.is_ascii_alphanumeric() && !matches!(one, b'"' | b'\r' | b'\n') => Ok(*one),
        _ => Err(format!("'{text}' is not a delimiter; use one such as , or ; or tab")),
    }
}
