//! CSV files with history: a column for each sensor (wide), or a column with the sensor (long).
//!
//! Each line is a record of its own, so a quote that is never closed spoils one line and not the
//! rest of the file. A file is read in blocks, so that memory does not grow with it.

mod columns;
mod fields;
mod line;
mod text;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};

use super::{Candidate, Parsed, Reason, RowError};
use crate::ingest::reading::{Finite, Instant};
use crate::written::number::NumberFormat;
use crate::written::time::Clock;
use columns::Columns;
use fields::{Fields, OpenQuote};
use line::Line;
use text::Lines;

/// How a file is written, as the request says it.
#[derive(Debug, Clone)]
pub struct Dialect {
    /// Which column holds what.
    pub layout: Layout,
    /// Between the fields.
    pub delimiter: u8,
    /// Of the text.
    pub encoding: Encoding,
    /// How values are written.
    pub numbers: NumberFormat,
    /// How times are written, and what they mean.
    pub clock: Clock,
    /// What an empty value means.
    pub empty: Empty,
}

/// Which column holds what. A column is named as in the header, or `#N` for the Nth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layout {
    /// A column for each sensor.
    Wide {
        /// The time's column.
        time: String,
        /// The others.
        sensors: Sensors,
    },
    /// A reading in each line.
    Long {
        /// The time's column.
        time: String,
        /// The column with the sensor's key.
        sensor: String,
        /// The value's column.
        value: String,
        /// The column with the plant's key; without one the request names the plant.
        plant: Option<String>,
    },
}

/// Which columns of a wide file are sensors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sensors {
    /// All but the time's; the key is this text and the header.
    All {
        /// Before the header.
        prefix: String,
    },
    /// These columns, and their sensors' keys.
    Named(BTreeMap<String, String>),
}

/// Of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8, with or without a byte order mark.
    Utf8,
    /// Windows-1252, which is Latin-1 with printable characters where Latin-1 has none.
    Latin1,
}

/// What an empty value means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Empty {
    /// A mistake.
    Reject,
    /// Nothing was measured.
    Skip,
}

/// Why nothing of a file can be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// No line.
    #[error("the file is empty: its first line has the columns' names")]
    Empty,
    /// Another encoding.
    #[error("the file is UTF-16: save it as UTF-8")]
    Utf16,
    /// Bytes that are no text.
    #[error("the first line is not UTF-8: save the file as UTF-8, or say encoding=latin-1")]
    NotUtf8,
    /// An open quote in the header.
    #[error("the first line has a quote that is not closed in it")]
    OpenQuote,
    /// More columns than anybody measures.
    #[error("the file has more than {MAX_COLUMNS} columns: split it")]
    TooManyColumns,
    /// No such column.
    #[error("there is no column {wanted:?}; the file has: {has} (is the delimiter right?)")]
    NoColumn {
        /// As the request names it.
        wanted: String,
        /// What there is.
        has: String,
    },
    /// Two columns of one name.
    #[error("column {0:?} occurs twice: name one of them by its number, such as #2")]
    Twice(String),
    /// Only a time.
    #[error("the file has no column besides the time's (is the delimiter right?)")]
    NoSensors,
}

/// Most columns of a file.
pub const MAX_COLUMNS: usize = 10_000;

/// Where in a file a reading or an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Number of the line, from 1.
    pub line: usize,
    /// Number of the column, from 1; `None` for the whole line.
    pub column: Option<usize>,
}

/// Some lines of a file.
#[derive(Debug, Default)]
pub struct Block<'a> {
    /// Rows and errors; their position is an index of `places`.
    pub parsed: Parsed<'a>,
    /// Where they are.
    pub places: Vec<Place>,
}

impl<'a> Block<'a> {
    fn add(&mut self, place: Place, row: Result<Row<'a>, Reason>) {
        let position = self.places.len();
        self.places.push(place);
        match row {
            Ok(Row { plant, sensor, time, value }) => {
                self.parsed.rows.push(Candidate { position, plant, sensor, time, value });
            }
            Err(reason) => self.parsed.errors.push(RowError { position, reason }),
        }
    }
}

/// A reading before it has a place.
struct Row<'a> {
    plant: Option<Cow<'a, str>>,
    sensor: Cow<'a, str>,
    time: Instant,
    value: Finite,
}

/// A file of which the header is read.
#[derive(Debug)]
pub struct File<'a> {
    dialect: &'a Dialect,
    lines: Lines<'a>,
    fields: Fields,
    columns: Columns,
    width: usize,
    previous: Previous,
}

impl<'a> File<'a> {
    /// Reads the header.
    ///
    /// # Errors
    /// The file cannot be read in this dialect at all.
    pub fn open(body: &'a [u8], dialect: &'a Dialect) -> Result<Self, FileError> {
        if body.starts_with(b"\xff\xfe") || body.starts_with(b"\xfe\xff") {
            return Err(FileError::Utf16);
        }
        let mut lines = Lines::new(body, dialect.encoding);
        let mut fields = Fields::new(dialect.delimiter);
        loop {
            let (_, line) = lines.next().ok_or(FileError::Empty)?;
            fields.split(&line).map_err(|OpenQuote| FileError::OpenQuote)?;
            if !fields.all_blank() {
                break;
            }
        }
        let columns = Columns::find(&fields, &dialect.layout)?;
        let width = fields.len();
        Ok(Self { dialect, lines, fields, columns, width, previous: Previous::default() })
    }

    /// The readings and errors of the next lines: `most` of them, and what is left of the last
    /// line; `None` at the end.
    pub fn next_block(&mut self, most: usize) -> Option<Block<'_>> {
        let Self { dialect, lines, fields, columns, width, previous } = self;
        let columns = &*columns;
        let mut block = Block::default();
        while block.places.len() < most {
            let Some((number, text)) = lines.next() else { break };
            let whole = Place { line: number, column: None };
            match fields.split(&text) {
                Err(OpenQuote) => {
                    let reason = "a quote is not closed; texts with line breaks cannot be read";
                    block.add(whole, Err(Reason::Malformed(reason.to_owned())));
                }
                Ok(()) if fields.all_blank() => {}
                Ok(()) => match fields.check_width(*width) {
                    Err(reason) => block.add(whole, Err(reason)),
                    Ok(()) => {
                        let line = Line { number, fields, dialect };
                        match columns {
                            Columns::Wide(wide) => wide.read(&line, previous, &mut block),
                            Columns::Long(long) => long.read(&line, previous, &mut block),
                        }
                    }
                },
            }
        }
        (!block.places.is_empty()).then_some(block)
    }
}

/// The instants of the rows before, by sensor: what tells the two hours apart when the clocks go
/// back.
#[derive(Debug, Default)]
struct Previous(HashMap<String, Option<DateTime<Utc>>>);

impl Previous {
    fn of(&mut self, sensor: &str) -> &mut Option<DateTime<Utc>> {
        self.0.entry(sensor.to_owned()).or_default()
    }
}

#[cfg(test)]
mod tests;
