//! InfluxDB line protocol, as Telegraf writes it.
//!
//! A line's sensor is its tag `sensor`, else the measurement. Field `value` belongs to that sensor,
//! any other field `F` to the sensor `KEY.F`; a tag `plant` goes before the request's bucket. A
//! plant's mappings go before these rules.

mod plain;

use std::borrow::Cow;

use influxdb_line_protocol::{Error, EscapedStr, FieldValue, ParsedLine, parse_lines};

use super::{Candidate, Parsed, Reason, RowError};
use crate::ingest::mapping::store::AllMappings;
use crate::ingest::mapping::{self, Mapped, Mapping, Scale};
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

/// About the length of a line, to make room for a part's rows at once.
const USUAL_LINE_BYTES: usize = 40;

/// Longest text field with line breaks in it, in lines.
const MAX_JOINED_LINES: usize = 64;

/// How fields get their sensors.
#[derive(Debug, Clone, Copy, Default)]
pub struct Naming<'m> {
    /// The mappings; `None`: there are none.
    pub mappings: Option<&'m AllMappings>,
    /// Plant of the lines that name none.
    pub default_plant: Option<&'m str>,
}

/// A field of a line.
pub struct Field<'a, 'l, 'm> {
    /// Number of the line, from 1.
    pub position: usize,
    /// Plant that the line names.
    pub plant: Option<Cow<'a, str>>,
    /// Its name.
    pub name: &'l str,
    /// The mapping that fits.
    pub mapping: Option<&'m Mapping>,
    /// Key of its sensor; `None` where a mapping leaves the field out.
    pub sensor: Option<Cow<'a, str>>,
    /// Time of its line.
    pub time: Instant,
    /// The reading's value.
    pub value: Result<Finite, Reason>,
}

/// What is in a body.
pub enum Item<'a, 'l, 'm> {
    /// A field.
    Field(Field<'a, 'l, 'm>),
    /// A line that cannot be read.
    Error(RowError),
}

/// Reads a body without mappings. Lines without a time get `now`.
pub fn parse(body: &[u8], precision: Precision, now: Instant) -> Parsed<'_> {
    parts(body, precision, now, Naming::default(), usize::MAX).next().unwrap_or_default()
}

/// Reads a body in parts of about so many rows, good or bad, so that memory grows with the part
/// and not with the body. Lines without a time get `now`.
pub fn parts<'a, 'm>(
    body: &'a [u8],
    precision: Precision,
    now: Instant,
    naming: Naming<'m>,
    rows: usize,
) -> Parts<'a, 'm> {
    Parts { lines: Lines { rest: body, number: 1 }, precision, now, naming, rows }
}

/// The parts of a body.
pub struct Parts<'a, 'm> {
    lines: Lines<'a>,
    precision: Precision,
    now: Instant,
    naming: Naming<'m>,
    rows: usize,
}

impl<'a> Iterator for Parts<'a, '_> {
    type Item = Parsed<'a>;

    fn next(&mut self) -> Option<Parsed<'a>> {
        if self.lines.rest.is_empty() {
            return None;
        }
        let mut parsed = Parsed::default();
        parsed.rows.reserve(self.rows.min(self.lines.rest.len() / USUAL_LINE_BYTES + 1));
        while parsed.rows.len() + parsed.errors.len() < self.rows && !self.lines.rest.is_empty() {
            self.read_line(&mut parsed);
        }
        Some(parsed)
    }
}

impl<'a> Parts<'a, '_> {
    /// What is not read yet.
    pub fn bytes_left(&self) -> usize {
        self.lines.rest.len()
    }

    fn read_line(&mut self, parsed: &mut Parsed<'a>) {
        let (position, times) = (self.lines.number, (self.precision, self.now));
        if let Ok(line) = std::str::from_utf8(self.lines.first())
            && plain::read(line, position, times, self.naming, &mut parsed.rows)
        {
            return self.lines.skip(1);
        }
        self.lines.items(times, self.naming, &mut |item| match item {
            Item::Error(error) => parsed.errors.push(error),
            Item::Field(Field { position, plant, sensor, time, value, .. }) => {
                match (sensor, value) {
                    (None, _) => {}
                    (Some(sensor), Ok(value)) => {
                        parsed.rows.push(Candidate { position, plant, sensor, time, value });
                    }
                    (Some(_), Err(reason)) => parsed.errors.push(RowError { position, reason }),
                }
            }
        });
    }
}

/// Gives each field, and each line that cannot be read, in their order.
pub fn read<'a>(
    body: &'a [u8],
    precision: Precision,
    now: Instant,
    naming: Naming<'_>,
    each: &mut impl FnMut(Item<'a, '_, '_>),
) {
    let mut lines = Lines { rest: body, number: 1 };
    while !lines.rest.is_empty() {
        lines.items((precision, now), naming, each);
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

    /// Gives what is in the first line.
    fn items(
        &mut self,
        times: (Precision, Instant),
        naming: Naming<'_>,
        each: &mut impl FnMut(Item<'a, '_, '_>),
    ) {
        let position = self.number;
        match self.read() {
            Ok(None) => {}
            Ok(Some(line)) => fields(position, &line, times, naming, each),
            Err(reason) => each(Item::Error(RowError { position, reason })),
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

impl mapping::Line for ParsedLine<'_> {
    fn measurement(&self) -> &str {
        self.series.measurement.as_str()
    }

    fn tag(&self, name: &str) -> Option<&str> {
        self.tag_value(name).map(EscapedStr::as_str)
    }
}

fn fields<'a>(
    position: usize,
    line: &ParsedLine<'a>,
    (precision, now): (Precision, Instant),
    naming: Naming<'_>,
    each: &mut impl FnMut(Item<'a, '_, '_>),
) {
    let time = match line.timestamp {
        None => Ok(now),
        Some(units) => Instant::from_epoch(units, precision.per_second()),
    };
    let time = match time {
        Ok(time) => time,
        Err(e) => return each(Item::Error(RowError { position, reason: e.into() })),
    };
    let plant = line.tag_value("plant").map(text);
    let mappings =
        naming.mappings.and_then(|all| all.of(plant.as_deref().or(naming.default_plant)?));
    let key = text(line.tag_value("sensor").unwrap_or(&line.series.measurement));
    for (name, value) in &line.field_set {
        let name = name.as_str();
        let mapped = mappings.and_then(|mappings| mappings.find(line, name));
        let (mapping, sensor, scale) = match mapped {
            Some(Mapped { mapping, sensor: Some((key, scale)) }) => {
                (Some(mapping), Some(Cow::Owned(key)), Some(scale))
            }
            Some(Mapped { mapping, sensor: None }) => (Some(mapping), None, None),
            None if name == "value" => (None, Some(key.clone()), None),
            None => (None, Some(Cow::Owned(format!("{key}.{name}"))), None),
        };
        let value = number(name, value, scale);
        let plant = plant.clone();
        each(Item::Field(Field { position, plant, name, mapping, sensor, time, value }));
    }
}

fn text<'a>(text: &EscapedStr<'a>) -> Cow<'a, str> {
    match text {
        EscapedStr::SingleSlice(slice) => Cow::Borrowed(slice),
        EscapedStr::CopiedValue(copy) => Cow::Owned(copy.clone()),
    }
}

fn number(field: &str, value: &FieldValue<'_>, scale: Option<Scale>) -> Result<Finite, Reason> {
    let value = match value {
        FieldValue::I64(v) => *v as f64,
        FieldValue::U64(v) => *v as f64,
        FieldValue::F64(v) => *v,
        FieldValue::Boolean(v) => f64::from(u8::from(*v)),
        FieldValue::String(_) => return Err(Reason::NotANumber { field: field.to_owned() }),
    };
    Ok(Finite::new(scale.map_or(value, |scale| scale.apply(value)))?)
}

#[cfg(test)]
mod tests;
