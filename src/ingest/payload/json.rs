//! `{"plant": "...", "readings": [{"sensor", "time", "value", "plant"?}]}`.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::Error as _;
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
    no_list(body)?;
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
    let row: Row = from_object(text).map_err(|e| Reason::Malformed(plain(&e)))?;
    Ok(Candidate {
        position,
        plant: row.plant,
        sensor: row.sensor,
        time: row.time.parse()?,
        value: Finite::new(row.value)?,
    })
}

/// Reads an object's fields.
pub(crate) fn from_object<'a, T: Deserialize<'a>>(text: &'a RawValue) -> serde_json::Result<T> {
    no_list(text.get().as_bytes())?;
    serde_json::from_str(text.get())
}

/// Refuses a list where an object belongs: serde would take it for the fields' values in order.
pub(crate) fn no_list(json: &[u8]) -> serde_json::Result<()> {
    match json.trim_ascii_start().first() {
        Some(b'[') => Err(serde_json::Error::custom(
            "invalid type: a list, expected an object with named fields",
        )),
        _ => Ok(()),
    }
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
