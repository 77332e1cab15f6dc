//! What clients send: text to candidate rows, and the reasons why a row is refused.
//!
//! Parsers are pure. A bad row becomes a [`RowError`] and never stops the rows beside it.

pub mod csv;
pub mod json;
pub mod line_protocol;
mod raw_time;

use std::borrow::Cow;

use chrono::{DateTime, SecondsFormat, Utc};

use crate::domain::key::KeyError;
use crate::domain::span;
use crate::ingest::reading::{Finite, Instant, NotFinite, TimeOutOfRange};
use crate::written::{number::NumberError, time::TimeError};

/// A row with a sound time and value, whose sensor is not looked up yet.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate<'a> {
    /// Index of the row in the batch, or number of the line.
    pub position: usize,
    /// Plant that the row itself names.
    pub plant: Option<Cow<'a, str>>,
    /// Key of the sensor.
    pub sensor: Cow<'a, str>,
    /// When.
    pub time: Instant,
    /// What.
    pub value: Finite,
}

/// A refused row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowError {
    /// Index of the row in the batch, or number of the line.
    pub position: usize,
    /// Why.
    pub reason: Reason,
}

/// Why a row is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The row cannot be read.
    #[error("{0}")]
    Malformed(String),
    /// A text where a number belongs.
    #[error("field {field:?} is a text, not a number")]
    NotANumber {
        /// The field.
        field: String,
    },
    /// NaN or infinite.
    #[error(transparent)]
    NotFinite(#[from] NotFinite),
    /// Not a time in our centuries.
    #[error(transparent)]
    Time(#[from] TimeOutOfRange),
    /// A text that is no time, or does not say which instant it means.
    #[error("time '{text}' {source}")]
    WrittenTime {
        /// As written.
        text: String,
        /// Why.
        source: TimeError,
    },
    /// A text that is no number.
    #[error("value {0}")]
    WrittenNumber(#[from] NumberError),
    /// Nothing where a number belongs.
    #[error("the value is empty: skip_empty=true leaves it out")]
    EmptyValue,
    /// Neither row nor request says which plant.
    #[error("the plant is missing: name it in the request or in the row")]
    PlantMissing,
    /// The API key is for other plants.
    #[error("this API key may not write to plant {0:?}")]
    PlantNotAllowed(String),
    /// A key that cannot exist.
    #[error("{text:?} cannot be a key: {source}")]
    BadKey {
        /// The text.
        text: String,
        /// Why.
        source: KeyError,
    },
    /// No such plant.
    #[error("unknown plant {0:?}: create it first with POST /v1/plants")]
    UnknownPlant(String),
    /// No such sensor.
    #[error("unknown sensor {sensor:?} in plant {plant:?}: create it first with POST /v1/sensors")]
    UnknownSensor {
        /// The plant.
        plant: String,
        /// The sensor.
        sensor: String,
    },
    /// Further ahead of the service's clock than the key may be.
    #[error(
        "the time {at} is more than {window} ahead of this service's clock: kept in quarantine",
        at = .time.to_utc().to_rfc3339_opts(SecondsFormat::AutoSi, true), window = span::words(*.window_s)
    )]
    InFuture {
        /// Time of the reading.
        time: Instant,
        /// How far ahead it may be.
        window_s: u64,
    },
    /// Older than the key may send.
    #[error(
        "the time {at} is more than {window} ago, older than this API key may send: kept in quarantine",
        at = .time.to_utc().to_rfc3339_opts(SecondsFormat::AutoSi, true), window = span::words(*.window_s)
    )]
    TooOld {
        /// Time of the reading.
        time: Instant,
        /// How old it may be.
        window_s: u64,
    },
    /// Older than the readings that are kept.
    #[error(
        "the time {at} is before {from}, from when readings are kept: kept in quarantine",
        at = .time.to_utc().to_rfc3339_opts(SecondsFormat::AutoSi, true), from = .from.to_rfc3339_opts(SecondsFormat::AutoSi, true)
    )]
    NotKept {
        /// Time of the reading.
        time: Instant,
        /// From when readings are kept.
        from: DateTime<Utc>,
    },
}

impl Reason {
    /// The reason for programs, in answers and metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::NotANumber { .. } => "not_a_number",
            Self::NotFinite(_) => "not_finite",
            Self::Time(_) => "time_out_of_range",
            Self::WrittenTime { source: TimeError::Skipped(_), .. } => "time_skipped",
            Self::WrittenTime { source: TimeError::Twice(_), .. } => "time_ambiguous",
            Self::WrittenTime { .. } => "malformed",
            Self::WrittenNumber(NumberError::NotFinite(_)) => "not_finite",
            Self::WrittenNumber(_) => "not_a_number",
            Self::EmptyValue => "empty_value",
            Self::PlantMissing => "plant_missing",
            Self::PlantNotAllowed(_) => "plant_not_allowed",
            Self::BadKey { .. } => "bad_key",
            Self::UnknownPlant(_) => "unknown_plant",
            Self::UnknownSensor { .. } => "unknown_sensor",
            Self::InFuture { .. } => "in_future",
            Self::TooOld { .. } => "too_old",
            Self::NotKept { .. } => "not_kept",
        }
    }
}

/// What a parser made of a body.
#[derive(Debug, Default, PartialEq)]
pub struct Parsed<'a> {
    /// Plant that the body names for all its rows.
    pub plant: Option<Cow<'a, str>>,
    /// The rows that can be read.
    pub rows: Vec<Candidate<'a>>,
    /// The others.
    pub errors: Vec<RowError>,
}
