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
    // Text at first: it is read row by row, and a bad row must not spoil the body.
    #[serde(borrow)]
    readings: &'a RawValue,
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
    let mut parts = parts(body, usize::MAX)?;
    let plant = parts.plant.clone();
    Ok(parts.next().unwrap_or(Parsed { plant, ..Parsed::default() }))
}

/// Reads a body in parts of so many rows, so that memory grows with the part and not with the
/// body.
///
/// # Errors
/// Only a body that is no such JSON object fails as a whole.
pub fn parts(body: &[u8], rows: usize) -> Result<Parts<'_>, serde_json::Error> {
    no_list(body)?;
    let Body { plant, readings } = serde_json::from_slice(body)?;
    let list = readings.get().strip_prefix('[').and_then(|list| list.strip_suffix(']'));
    let rest = list.ok_or_else(|| serde_json::Error::custom("`readings` is not a list"))?;
    Ok(Parts { plant, rest: rest.trim_ascii_start(), position: 0, rows })
}

/// The parts of a body.
pub struct Parts<'a> {
    plant: Option<Cow<'a, str>>,
    /// The rows that are left, with commas between them; it is sound JSON.
    rest: &'a str,
    /// Of the first of them.
    position: usize,
    rows: usize,
}

impl<'a> Iterator for Parts<'a> {
    type Item = Parsed<'a>;

    fn next(&mut self) -> Option<Parsed<'a>> {
        if self.rest.is_empty() {
            return None;
        }
        let mut parsed = Parsed { plant: self.plant.clone(), ..Parsed::default() };
        while parsed.rows.len() + parsed.errors.len() < self.rows && !self.rest.is_empty() {
            let position = self.position;
            match self.row() {
                Ok(row) => parsed.rows.push(row),
                Err(reason) => parsed.errors.push(RowError { position, reason }),
            }
        }
        Some(parsed)
    }
}

impl<'a> Parts<'a> {
    /// What is not read yet.
    pub fn bytes_left(&self) -> usize {
        self.rest.len()
    }

    /// Takes the next row.
    fn row(&mut self) -> Result<Candidate<'a>, Reason> {
        let position = self.position;
        match self.read() {
            Ok((row, length)) => {
                self.skip(length);
                Ok(Candidate {
                    position,
                    plant: row.plant,
                    sensor: row.sensor,
                    time: row.time.parse()?,
                    value: Finite::new(row.value)?,
                })
            }
            Err(error) => {
                // Where the row ends is not known after an error in it.
                let mut stream = serde_json::Deserializer::from_str(self.rest).into_iter();
                let _: Option<serde_json::Result<&RawValue>> = stream.next();
                self.skip(stream.byte_offset());
                Err(Reason::Malformed(plain(&error)))
            }
        }
    }

    /// Reads the next row; gives it and its length.
    fn read(&self) -> serde_json::Result<(Row<'a>, usize)> {
        no_list(self.rest.as_bytes())?;
        let mut stream = serde_json::Deserializer::from_str(self.rest).into_iter();
        let row = stream.next().unwrap_or_else(|| Err(serde_json::Error::custom("no row")))?;
        Ok((row, stream.byte_offset()))
    }

    /// Goes behind a row of this length and the comma after it.
    fn skip(&mut self, length: usize) {
        // At least one byte, so that it ends whatever the rest is.
        let rest = self.rest.get(length.max(1)..).unwrap_or_default().trim_ascii_start();
        self.rest = rest.strip_prefix(',').unwrap_or(rest).trim_ascii_start();
        self.position += 1;
    }
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
