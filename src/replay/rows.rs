//! Reads the two columns of a CSV file. Every row becomes a reading or a reason, with its line.

use std::collections::HashMap;

use chrono::{DateTime, Utc};

use super::table::{Record, Rejected, Table};
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
    let mut table = Table::open(file, columns.delimiter)?;
    let (time, value) = (table.position(&columns.time)?, table.position(&columns.value)?);
    let mut rows = Rows::default();
    let mut seen: HashMap<DateTime<Utc>, u64> = HashMap::new();
    let mut previous = None;
    while let Some(record) = table.read()? {
        let line = record.line;
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

fn row(
    record: &Record<'_>,
    time: usize,
    value: usize,
    columns: &Columns,
    clock: &Clock,
    previous: &mut Option<DateTime<Utc>>,
) -> Result<Option<(DateTime<Utc>, f64)>, String> {
    let (written, number) = (record.field(time, "time")?, record.field(value, "value")?);
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
