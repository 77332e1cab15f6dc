//! InfluxDB line protocol, as Telegraf writes it.
//!
//! A line's sensor is its tag `sensor`, else the measurement. Field `value` belongs to that sensor,
//! any other field `F` to the sensor `KEY.F`; a tag `plant` goes before the request's bucket. A
//! plant's mappings go before these rules.

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
    parse_named(body, precision, now, Naming::default())
}

/// Reads a body. Lines without a time get `now`.
pub fn parse_named<'a>(
    body: &'a [u8],
    precision: Precision,
    now: Instant,
    naming: Naming<'_>,
) -> Parsed<'a> {
    let mut parsed = Parsed::default();
    read(body, precision, now, naming, &mut |item| match item {
        Item::Error(error) => parsed.errors.push(error),
        Item::Field(Field { position, plant, sensor, time, value, .. }) => match (sensor, value) {
            (None, _) => {}
            (Some(sensor), Ok(value)) => {
                parsed.rows.push(Candidate { position, plant, sensor, time, value });
            }
            (Some(_), Err(reason)) => parsed.errors.push(RowError { position, reason }),
        },
    });
    parsed
}

/// Gives each field, and each line that cannot be read, in their order.
pub fn read<'a>(
    body: &'a [u8],
    precision: Precision,
    now: Instant,
    naming: Naming<'_>,
    each: &mut impl FnMut(Item<'a, '_, '_>),
) {
    let lines = Lines::new(body);
    let mut next = 0;
    while next < lines.ends.len() {
        let number = next + 1;
        let (result, used) = one(&lines, next);
        next += used;
        match result {
            Ok(None) => {}
            Ok(Some(line)) => fields(number, &line, (precision, now), naming, each),
            Err(reason) => each(Item::Error(RowError { position: number, reason })),
        }
    }
}

/// Where the lines of a body start and end. Splitting comes before parsing, so that a line's
/// unbalanced quote or backslash cannot swallow the lines after it.
struct Lines<'a> {
    body: &'a [u8],
    ends: Vec<usize>,
}

impl<'a> Lines<'a> {
    fn new(body: &'a [u8]) -> Self {
        let mut ends: Vec<usize> =
            body.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(i, _)| i).collect();
        if body.last().is_some_and(|b| *b != b'\n') {
            ends.push(body.len());
        }
        Self { body, ends }
    }

    /// Lines `first ..= last` as one text, without the last line's end.
    fn text(&self, first: usize, last: usize) -> &'a [u8] {
        let start = if first == 0 { 0 } else { self.ends[first - 1] + 1 };
        let text = &self.body[start..self.ends[last]];
        text.strip_suffix(b"\r").unwrap_or(text)
    }
}

type LineResult<'a> = Result<Option<ParsedLine<'a>>, Reason>;

/// Reads line `first`, and how many lines it took. A line that ends inside a quoted text is tried
/// together with the lines after it, and counts alone when that does not help.
fn one<'a>(lines: &Lines<'a>, first: usize) -> (LineResult<'a>, usize) {
    let alone = whole(lines.text(first, first));
    if alone.is_err() && unbalanced(lines.text(first, first)) {
        let limit = (first + MAX_JOINED_LINES).min(lines.ends.len());
        for last in first + 1..limit {
            // The text ends where the count of quotes becomes even, and nowhere else.
            if unbalanced(lines.text(last, last)) {
                if let Ok(line) = whole(lines.text(first, last)) {
                    return (Ok(line), last - first + 1);
                }
                break;
            }
        }
    }
    (alone, 1)
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
