//! InfluxDB line protocol, as Telegraf writes it.
//!
//! A line's sensor is its tag `sensor`, else the measurement. Field `value` belongs to that sensor,
//! any other field `F` to the sensor `KEY.F`; a tag `plant` goes before the request's bucket.

mod plain;

use std::borrow::Cow;

use influxdb_line_protocol::{Error, EscapedStr, FieldValue, ParsedLine, parse_lines};

use super::{Candidate, Parsed, Reason, RowError};
use crate::ingest::reading::{Finite, Instant};

/// Unit of the timestamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// Nanoseconds, as InfluxDB has it when nothing is said.
    #[default]
    Nanoseconds,
    /// Microseconds.
    Microseconds,
    /// Milliseconds.
    Milliseconds,
    /// Seconds.
    Seconds,
}

impl Precision {
    /// Reads the query parameter.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "ns" | "n" => Some(Self::Nanoseconds),
            "us" | "u" => Some(Self::Microseconds),
            "ms" => Some(Self::Milliseconds),
            "s" => Some(Self::Seconds),
            _ => None,
        }
    }

    fn per_second(self) -> i64 {
        match self {
            Self::Nanoseconds => 1_000_000_000,
            Self::Microseconds => 1_000_000,
            Self::Milliseconds => 1_000,
            Self::Seconds => 1,
        }
    }
}

/// Longest text field with line breaks in it, in lines.
const MAX_JOINED_LINES: usize = 64;

/// Reads a body. Lines without a time get `now`.
pub fn parse(body: &[u8], precision: Precision, now: Instant) -> Parsed<'_> {
    parts(body, precision, now, usize::MAX).next().unwrap_or_default()
}

/// Reads a body in parts of about so many rows, good or bad, so that memory grows with the part
/// and not with the body.
pub fn parts(body: &[u8], precision: Precision, now: Instant, rows: usize) -> Parts<'_> {
    Parts { lines: Lines { rest: body, number: 1 }, precision, now, rows }
}

/// The parts of a body.
pub struct Parts<'a> {
    lines: Lines<'a>,
    precision: Precision,
    now: Instant,
    rows: usize,
}

impl<'a> Iterator for Parts<'a> {
    type Item = Parsed<'a>;

    fn next(&mut self) -> Option<Parsed<'a>> {
        if self.lines.rest.is_empty() {
            return None;
        }
        let mut parsed = Parsed::default();
        while parsed.rows.len() + parsed.errors.len() < self.rows && !self.lines.rest.is_empty() {
            self.read_line(&mut parsed);
        }
        Some(parsed)
    }
}

impl<'a> Parts<'a> {
    /// What is not read yet.
    pub fn bytes_left(&self) -> usize {
        self.lines.rest.len()
    }

    fn read_line(&mut self, parsed: &mut Parsed<'a>) {
        let position = self.lines.number;
        if let Ok(line) = std::str::from_utf8(self.lines.first())
            && plain::read(line, position, self.precision, self.now, &mut parsed.rows)
        {
            return self.lines.skip(1);
        }
        match self.lines.read() {
            Ok(None) => {}
            Ok(Some(line)) => fields(position, &line, self.precision, self.now, parsed),
            Err(reason) => parsed.errors.push(RowError { position, reason }),
        }
    }
}

/// The lines that are left. Splitting comes before parsing, so that a line's unbalanced quote or
/// backslash cannot swallow the lines after it.
struct Lines<'a> {
    rest: &'a [u8],
    /// Of the first of them.
    number: usize,
}

type LineResult<'a> = Result<Option<ParsedLine<'a>>, Reason>;

impl<'a> Lines<'a> {
    /// The first line, without its end.
    fn first(&self) -> &'a [u8] {
        without_cr(&self.rest[..line_end(self.rest)])
    }

    fn skip(&mut self, lines: usize) {
        for _ in 0..lines {
            self.rest = self.rest.get(line_end(self.rest) + 1..).unwrap_or_default();
            self.number += 1;
        }
    }

    /// Reads the first line. One that ends inside a quoted text is tried together with the lines
    /// after it, and counts alone when that does not help.
    fn read(&mut self) -> LineResult<'a> {
        let first = self.first();
        let alone = whole(first);
        let joined = if alone.is_err() && unbalanced(first) { self.joined() } else { None };
        match joined {
            Some((line, lines)) => {
                self.skip(lines);
                Ok(line)
            }
            None => {
                self.skip(1);
                alone
            }
        }
    }

    /// The line that starts here and has line breaks in a text, and how many lines it takes.
    fn joined(&self) -> Option<(Option<ParsedLine<'a>>, usize)> {
        let mut end = line_end(self.rest);
        for lines in 2..=MAX_JOINED_LINES {
            let start = end + 1;
            let next = self.rest.get(start..).filter(|rest| !rest.is_empty())?;
            end = start + line_end(next);
            // The text ends where the count of quotes becomes even, and nowhere else.
            if unbalanced(without_cr(&self.rest[start..end])) {
                return whole(without_cr(&self.rest[..end])).ok().map(|line| (line, lines));
            }
        }
        None
    }
}

fn line_end(text: &[u8]) -> usize {
    memchr::memchr(b'\n', text).unwrap_or(text.len())
}

fn without_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn unbalanced(line: &[u8]) -> bool {
    let mut quotes = 0;
    let mut escaped = false;
    for byte in line {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quotes += 1,
            _ => {}
        }
    }
    quotes % 2 == 1
}

fn whole(text: &[u8]) -> LineResult<'_> {
    let text = std::str::from_utf8(text)
        .map_err(|_| Reason::Malformed("the line is not UTF-8".to_owned()))?;
    let mut lines = parse_lines(text);
    match (lines.next(), lines.next()) {
        (None, _) => Ok(None),
        (Some(Ok(line)), None) => Ok(Some(line)),
        (Some(Ok(_)), Some(_)) => Err(Reason::Malformed("the line holds two lines".to_owned())),
        (Some(Err(e)), _) => Err(Reason::Malformed(explain(&e))),
    }
}

fn explain(error: &Error) -> String {
    let what = match error {
        Error::GenericParsingError { .. } => "not line protocol".to_owned(),
        Error::FieldSetMissing => "no field that can be read".to_owned(),
        other => other.to_string(),
    };
    format!("{what}; a line is `measurement,tag=text field=number timestamp`")
}

/// One row for each field.
fn fields<'a>(
    position: usize,
    line: &ParsedLine<'a>,
    precision: Precision,
    now: Instant,
    parsed: &mut Parsed<'a>,
) {
    let time = match line.timestamp {
        None => Ok(now),
        Some(units) => Instant::from_epoch(units, precision.per_second()),
    };
    let time = match time {
        Ok(time) => time,
        Err(e) => return parsed.errors.push(RowError { position, reason: e.into() }),
    };
    let plant = line.tag_value("plant").map(text);
    let sensor = text(line.tag_value("sensor").unwrap_or(&line.series.measurement));
    for (field, value) in &line.field_set {
        let sensor = match field.as_str() {
            "value" => sensor.clone(),
            other => Cow::Owned(format!("{sensor}.{other}")),
        };
        match number(field.as_str(), value) {
            Ok(value) => {
                parsed.rows.push(Candidate { position, plant: plant.clone(), sensor, time, value });
            }
            Err(reason) => parsed.errors.push(RowError { position, reason }),
        }
    }
}

fn text<'a>(text: &EscapedStr<'a>) -> Cow<'a, str> {
    match text {
        EscapedStr::SingleSlice(slice) => Cow::Borrowed(slice),
        EscapedStr::CopiedValue(copy) => Cow::Owned(copy.clone()),
    }
}

fn number(field: &str, value: &FieldValue<'_>) -> Result<Finite, Reason> {
    let value = match value {
        FieldValue::I64(v) => *v as f64,
        FieldValue::U64(v) => *v as f64,
        FieldValue::F64(v) => *v,
        FieldValue::Boolean(v) => f64::from(u8::from(*v)),
        FieldValue::String(_) => return Err(Reason::NotANumber { field: field.to_owned() }),
    };
    Ok(Finite::new(value)?)
}

#[cfg(test)]
mod tests;
