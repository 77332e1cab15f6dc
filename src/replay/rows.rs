//! Reads the two columns of a CSV file. Every row becomes a reading or a reason, with its line.

use std::collections::HashMap;

use anyhow::{Context, bail};
use chrono::{DateTime, Utc};
use csv::ByteRecord;

use crate::written::number::NumberFormat;
use crate::written::time::Clock;

/// A row that can be posted.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Line in the file, from 1.
    pub line: u64,
    /// When.
    pub time: DateTime<Utc>,
    /// What.
    pub value: f64,
}

/// A row that cannot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Line in the file, from 1.
    pub line: u64,
    /// Why, for people.
    pub reason: String,
}

/// What a file holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// Rows to post, in the file's order.
    pub good: Vec<Row>,
    /// Rows that cannot be read.
    pub rejected: Vec<Rejected>,
    /// Rows without a value, left out because that was asked for.
    pub empty: u64,
}

/// What to do with an empty value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Empty {
    /// Reject the row.
    Reject,
    /// Leave the row out: nothing was measured.
    Skip,
}

/// Which columns to read, and how.
#[derive(Clone, Debug)]
pub struct Columns {
    /// Name of the time column, or `#N` for the Nth.
    pub time: String,
    /// Name of the value column, or `#N` for the Nth.
    pub value: String,
    /// Between the fields.
    pub delimiter: u8,
    /// How numbers are written.
    pub numbers: NumberFormat,
    /// What to do with an empty value.
    pub empty: Empty,
}

/// Reads a whole file. Fails only where nothing can be read: no such column, not CSV.
pub fn read(file: &[u8], columns: &Columns, clock: &Clock) -> anyhow::Result<Rows> {
    let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    let mut lines = LineCount { file, line: 1, at: 0 };
    // Rows may be ragged: a row that lacks one of the two columns is rejected by itself.
    let mut reader =
        csv::ReaderBuilder::new().delimiter(columns.delimiter).flexible(true).from_reader(file);
    let headers = reader.byte_headers().context("the first line cannot be read")?.clone();
    let (time, value) = (position(&headers, &columns.time)?, position(&headers, &columns.value)?);
    let mut rows = Rows::default();
    let mut seen: HashMap<DateTime<Utc>, u64> = HashMap::new();
    let mut record = ByteRecord::new();
    let mut previous = None;
    while reader.read_byte_record(&mut record).context("the file is not readable as CSV")? {
        let line = lines.at(record.position().map_or(0, csv::Position::byte) as usize);
        match row(&record, time, value, columns, clock, &mut previous) {
            Ok(None) => rows.empty += 1,
            Ok(Some((at, number))) => match seen.insert(at, line) {
                None => rows.good.push(Row { line, time: at, value: number }),
                // One value per sensor and time: a second one would replace the first in silence.
                Some(first) => {
                    seen.insert(at, first);
                    let reason = format!("has the same time as line {first} ({})", at.to_rfc3339());
                    rows.rejected.push(Rejected { line, reason });
                }
            },
            Err(reason) => rows.rejected.push(Rejected { line, reason }),
        }
    }
    Ok(rows)
}

/// Counts a file's lines as an editor does. The csv crate's own count is one behind where lines end
/// with CRLF, or where empty lines come before a record.
struct LineCount<'a> {
    file: &'a [u8],
    line: u64,
    at: usize,
}

impl LineCount<'_> {
    /// The line of the record that begins at or after `byte`; records come in order.
    fn at(&mut self, byte: usize) -> u64 {
        let is_end = |at: usize| matches!(self.file.get(at), Some(b'\r' | b'\n'));
        let mut start = byte;
        while is_end(start) {
            start += 1;
        }
        let passed = self.file.get(self.at..start).unwrap_or_default();
        self.line += passed.iter().filter(|&&byte| byte == b'\n').count() as u64;
        self.at = start;
        self.line
    }
}

fn row(
    record: &ByteRecord,
    time: usize,
    value: usize,
    columns: &Columns,
    clock: &Clock,
    previous: &mut Option<DateTime<Utc>>,
) -> Result<Option<(DateTime<Utc>, f64)>, String> {
    let field = |at: usize, what: &str| {
        let bytes = record
            .get(at)
            .ok_or_else(|| format!("has no {what} (only {} fields)", record.len()))?;
        Ok::<_, String>(String::from_utf8_lossy(bytes).trim().to_owned())
    };
    let (written, number) = (field(time, "time")?, field(value, "value")?);
    let at = clock.read(&written, previous).map_err(|error| format!("time '{written}' {error}"))?;
    if number.is_empty() {
        return match columns.empty {
            Empty::Skip => Ok(None),
            Empty::Reject => {
                Err("has an empty value; --skip-empty leaves such rows out".to_owned())
            }
        };
    }
    let number = columns.numbers.parse(&number).map_err(|error| format!("value {error}"))?;
    Ok(Some((at, number)))
}

fn position(headers: &ByteRecord, wanted: &str) -> anyhow::Result<usize> {
    if let Some(number) = wanted.strip_prefix('#').and_then(|digits| digits.parse::<usize>().ok()) {
        if (1..=headers.len()).contains(&number) {
            return Ok(number - 1);
        }
        bail!("there is no column {wanted}: the file has {} columns", headers.len());
    }
    let names: Vec<String> =
        headers.iter().map(|name| String::from_utf8_lossy(name).trim().to_owned()).collect();
    match names.iter().position(|name| name == wanted) {
        Some(position) => Ok(position),
        None => bail!(
            "there is no column '{wanted}'; the file has: {} (is --delimiter right?)",
            names.join(", ")
        ),
    }
}
