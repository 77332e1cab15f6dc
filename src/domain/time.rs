//! Half-open intervals of UTC instants.

use chrono::{DateTime, Utc};

use super::Say;

/// `[from, to)`, never empty or reversed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeRange {
    from: DateTime<Utc>,
    to: DateTime<Utc>,
}

/// A range that ends before it starts, or is outside the years that the database can hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TimeRangeError {
    /// `to` is not after `from`.
    #[error(
        "the time range ends at {to}, which is not after its start {from}: choose an end after the start"
    )]
    Reversed {
        /// Start as given.
        from: DateTime<Utc>,
        /// End as given.
        to: DateTime<Utc>,
    },
    /// Milliseconds that are no instant between the years 1900 and 2200.
    #[error("the time range [{from_ms}, {to_ms}] ms lies outside the years 1900 to 2200")]
    OutOfBounds {
        /// Start in milliseconds since 1970.
        from_ms: i64,
        /// End in milliseconds since 1970.
        to_ms: i64,
    },
}

impl Say for TimeRangeError {
    fn in_spanish(&self) -> String {
        match self {
            Self::Reversed { from, to } => format!(
                "el intervalo de tiempo acaba el {to}, que no es posterior a su inicio {from}: elija un fin posterior al inicio"
            ),
            Self::OutOfBounds { from_ms, to_ms } => format!(
                "el intervalo de tiempo [{from_ms}, {to_ms}] ms está fuera de los años 1900 a 2200"
            ),
        }
    }
}

/// 1900-01-01 and 2200-01-01 in milliseconds since 1970.
const BOUNDS_MS: std::ops::Range<i64> = -2_208_988_800_000..7_258_118_400_000;

impl TimeRange {
    /// A range from two instants.
    ///
    /// # Errors
    /// [`TimeRangeError::Reversed`] when `to` is not after `from`.
    pub fn new(from: DateTime<Utc>, to: DateTime<Utc>) -> Result<Self, TimeRangeError> {
        if to <= from {
            return Err(TimeRangeError::Reversed { from, to });
        }
        Ok(Self { from, to })
    }

    /// A range from milliseconds since 1970, as Grafana sends it.
    ///
    /// # Errors
    /// [`TimeRangeError`] when the range is reversed or out of bounds.
    pub fn from_millis(from_ms: i64, to_ms: i64) -> Result<Self, TimeRangeError> {
        let at = |ms| {
            Some(ms).filter(|ms| BOUNDS_MS.contains(ms)).and_then(DateTime::from_timestamp_millis)
        };
        match (at(from_ms), at(to_ms)) {
            (Some(from), Some(to)) => Self::new(from, to),
            _ => Err(TimeRangeError::OutOfBounds { from_ms, to_ms }),
        }
    }

    /// First instant of the range.
    pub fn from(&self) -> DateTime<Utc> {
        self.from
    }

    /// First instant after the range.
    pub fn to(&self) -> DateTime<Utc> {
        self.to
    }

    /// Length in seconds.
    pub fn seconds(&self) -> f64 {
        epoch_seconds(self.to) - epoch_seconds(self.from)
    }

    /// The part of `[start, end)` inside this range, if any; an open end lasts to the range's end.
    pub fn clip(&self, start: DateTime<Utc>, end: Option<DateTime<Utc>>) -> Option<TimeRange> {
        let end = end.map_or(self.to, |e| e.min(self.to));
        TimeRange::new(start.max(self.from), end).ok()
    }
}

/// Seconds since 1970 with the microseconds that PostgreSQL keeps.
pub fn epoch_seconds(t: DateTime<Utc>) -> f64 {
    t.timestamp_micros() as f64 / 1e6
}

/// The instant of seconds since 1970, to the microsecond; `None` outside chrono's years.
pub fn from_epoch_seconds(s: f64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_micros((s * 1e6).round() as i64)
}
