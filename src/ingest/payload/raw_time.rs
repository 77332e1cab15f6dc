//! A time as JSON has it: RFC 3339 text or whole milliseconds since 1970.

use std::borrow::Cow;
use std::fmt;

use chrono::DateTime;
use serde::de::{self, Deserialize, Deserializer, Visitor};

use super::Reason;
use crate::ingest::reading::Instant;

/// Not checked yet, so that a bad time does not count as a row that cannot be read.
#[derive(Debug, PartialEq)]
pub enum RawTime<'a> {
    /// Milliseconds since 1970.
    Millis(i64),
    /// A text that should be RFC 3339.
    Text(Cow<'a, str>),
}

impl RawTime<'_> {
    /// The instant that is meant.
    pub fn parse(&self) -> Result<Instant, Reason> {
        match self {
            Self::Millis(ms) => Ok(Instant::from_epoch(*ms, 1_000)?),
            Self::Text(text) => {
                let time = DateTime::parse_from_rfc3339(text).map_err(|_| {
                    Reason::Malformed(format!(
                        "{text:?} is not an RFC 3339 time with offset, such as 2026-03-01T06:00:00Z"
                    ))
                })?;
                Ok(Instant::from_utc(time.to_utc())?)
            }
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for RawTime<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawTimeVisitor)
    }
}

struct RawTimeVisitor;

impl<'de> Visitor<'de> for RawTimeVisitor {
    type Value = RawTime<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an RFC 3339 time or whole milliseconds since 1970")
    }

    fn visit_i64<E: de::Error>(self, ms: i64) -> Result<Self::Value, E> {
        Ok(RawTime::Millis(ms))
    }

    fn visit_u64<E: de::Error>(self, ms: u64) -> Result<Self::Value, E> {
        // What is too large here is out of range later.
        Ok(RawTime::Millis(i64::try_from(ms).unwrap_or(i64::MAX)))
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(RawTime::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(RawTime::Text(Cow::Owned(text.to_owned())))
    }
}

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        RawTime::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}
