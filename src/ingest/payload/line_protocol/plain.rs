//! Lines as machines write them: without quotes, escapes and blanks too many, of plants without
//! mappings. They are read faster than by the full parser, which gets all the others.
//!
//! What is read here, the full parser reads as the same rows; a property test compares them.

use std::borrow::Cow;

use super::{Naming, Precision};
use crate::ingest::mapping::store::AllMappings;
use crate::ingest::payload::Candidate;
use crate::ingest::reading::{Finite, Instant};

/// Adds the line's rows if it is plain and sound. Otherwise `false`, and nothing is added.
pub fn read<'a>(
    line: &'a str,
    position: usize,
    times: (Precision, Instant),
    naming: Naming<'_>,
    rows: &mut Vec<Candidate<'a>>,
) -> bool {
    let before = rows.len();
    let sound = try_read(line, position, times, naming, rows).is_some();
    if !sound {
        rows.truncate(before);
    }
    sound
}

fn try_read<'a>(
    line: &'a str,
    position: usize,
    (precision, now): (Precision, Instant),
    naming: Naming<'_>,
    rows: &mut Vec<Candidate<'a>>,
) -> Option<()> {
    // Without an early end, so that many bytes are looked at together.
    let odd = line.bytes().fold(false, |odd, b| odd | (b < b' ') | (b == b'"') | (b == b'\\'));
    if odd || line.starts_with('#') {
        return None;
    }
    let (series, rest) = line.split_once(' ')?;
    let (fields, time) = match rest.split_once(' ') {
        None => (rest, now),
        Some((fields, time)) => {
            (fields, Instant::from_epoch(integer(time)?, precision.per_second()).ok()?)
        }
    };
    let Series { sensor, plant } = Series::read(series)?;
    let mapped = |mappings: &AllMappings| {
        plant.or(naming.default_plant).is_some_and(|plant| mappings.of(plant).is_some())
    };
    if naming.mappings.is_some_and(mapped) {
        return None;
    }
    for field in fields.split(',') {
        let (key, value) = pair(field)?;
        let sensor = match key {
            "value" => Cow::Borrowed(sensor),
            other => Cow::Owned(format!("{sensor}.{other}")),
        };
        let value = Finite::new(number(value)?).ok()?;
        rows.push(Candidate { position, plant: plant.map(Cow::Borrowed), sensor, time, value });
    }
    Some(())
}

struct Series<'a> {
    sensor: &'a str,
    plant: Option<&'a str>,
}

impl<'a> Series<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let (measurement, mut tags) = match text.split_once(',') {
            None => (text, None),
            Some((measurement, tags)) => (measurement, Some(tags)),
        };
        if measurement.is_empty() {
            return None;
        }
        let (mut sensor, mut plant) = (None, None);
        while let Some(rest) = tags {
            let tag = match rest.split_once(',') {
                None => {
                    tags = None;
                    rest
                }
                Some((tag, rest)) => {
                    tags = Some(rest);
                    tag
                }
            };
            let (key, value) = pair(tag)?;
            // Of a tag that is there twice the first counts.
            match key {
                "sensor" => sensor = sensor.or(Some(value)),
                "plant" => plant = plant.or(Some(value)),
                _ => {}
            }
        }
        Some(Self { sensor: sensor.unwrap_or(measurement), plant })
    }
}

/// `key=value`, neither of them empty.
fn pair(text: &str) -> Option<(&str, &str)> {
    text.split_once('=').filter(|(key, value)| !key.is_empty() && !value.is_empty())
}

fn number(text: &str) -> Option<f64> {
    if let Some(signed) = text.strip_suffix('i') {
        return integer(signed).map(|v| v as f64);
    }
    if let Some(unsigned) = text.strip_suffix('u') {
        let digits = unsigned.bytes().all(|b| b.is_ascii_digit());
        return unsigned.parse::<u64>().ok().filter(|_| digits).map(|v| v as f64);
    }
    is_float(text.as_bytes()).then(|| text.parse().ok())?
}

/// Digits with or without a minus sign.
fn integer(text: &str) -> Option<i64> {
    if text.starts_with('+') { None } else { text.parse().ok() }
}

/// `-`? digits (`.` digits)? ((`e` | `E`) (`+` | `-`)? digits)?
fn is_float(text: &[u8]) -> bool {
    let digits = |text: &[u8]| text.iter().take_while(|b| b.is_ascii_digit()).count();
    let mut rest = text.strip_prefix(b"-").unwrap_or(text);
    let whole = digits(rest);
    rest = &rest[whole..];
    if whole == 0 {
        return false;
    }
    if let Some(fraction) = rest.strip_prefix(b".") {
        let count = digits(fraction);
        rest = &fraction[count..];
        if count == 0 {
            return false;
        }
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let exponent = exponent.strip_prefix(b"+").unwrap_or(exponent);
        let exponent = match exponent.len() == rest.len() - 1 {
            true => exponent.strip_prefix(b"-").unwrap_or(exponent),
            false => exponent,
        };
        let count = digits(exponent);
        rest = &exponent[count..];
        if count == 0 {
            return false;
        }
    }
    rest.is_empty()
}

#[cfg(test)]
mod tests;
