//! `{"plant": "...", "readings": [{"sensor", "time", "value", "plant"?}]}`.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::raw_time::RawTime;
use super::{Candidate, Parsed, Reason, RowError};
use crate::ingest::reading::Finite;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "{\"plant\", \"readings\": [...]}")]
struct Body<'a> {
    #[serde(borrow, default)]
    plant: Option<Cow<'a, str>>,
    // Rows stay text at first: one that has the wrong type must not spoil the body.
    #[serde(borrow)]
    readings: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "a reading {\"sensor\", \"time\", \"value\"}")]
struct Row<'a> {
    #[serde(borrow, default)]
    plant: Option<Cow<'a, str>>,
    #[serde(borrow)]
    sensor: Cow<'a, str>,
    #[serde(borrow)]
    time: RawTime<'a>,
    value: f64,
}

/// Reads a body.
///
/// # Errors
/// Only a body that is no such JSON object fails as a whole.
pub fn parse(body: &[u8]) -> Result<Parsed<'_>, serde_json::Error> {
    let Body { plant, readings } = serde_json::from_slice(body)?;
    let mut parsed = Parsed { plant, rows: Vec::with_capacity(readings.len()), errors: Vec::new() };
    for (position, text) in readings.into_iter().enumerate() {
        match row(position, text) {
            Ok(row) => parsed.rows.push(row),
            Err(reason) => parsed.errors.push(RowError { position, reason }),
        }
    }
    Ok(parsed)
}

fn row(position: usize, text: &RawValue) -> Result<Candidate<'_>, Reason> {
    let row: Row = serde_json::from_str(text.get()).map_err(|e| Reason::Malformed(plain(&e)))?;
    Ok(Candidate {
        position,
        plant: row.plant,
        sensor: row.sensor,
        time: row.time.parse()?,
        value: Finite::new(row.value)?,
    })
}

/// The message without serde's "at line 1 column 20", which would count inside the row.
pub(crate) fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests;
