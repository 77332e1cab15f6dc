//! From what a CSV file calls a time to an instant: the format, the time zone, and the two habits
//! that meters have with them (stamping midnight with the day that ends, stamping the start of an
//! interval).

use std::fmt;

use chrono::{DateTime, Days, LocalResult, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

/// How times are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TimeFormat {
    /// An instant with its offset, RFC 3339.
    Rfc3339,
    /// Seconds since 1970.
    UnixSeconds,
    /// Milliseconds since 1970.
    UnixMillis,
    /// A local time, as one of these chrono patterns.
    Local(Vec<String>),
}

impl std::str::FromStr for TimeFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let local = |dates: &[&str], between: &[&str]| {
            let mut patterns = Vec::new();
            for date in dates {
                for gap in between {
                    for time in ["%H:%M:%S%.f", "%H:%M"] {
                        patterns.push(format!("{date}{gap}{time}"));
                    }
                }
            }
            Self::Local(patterns)
        };
        Ok(match text {
            "rfc3339" => Self::Rfc3339,
            "unix-s" => Self::UnixSeconds,
            "unix-ms" => Self::UnixMillis,
            "iso" => local(&["%Y-%m-%d"], &[" ", "T"]),
            "dmy" => local(&["%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y"], &[" "]),
            "mdy" => local(&["%m/%d/%Y"], &[" "]),
            pattern if pattern.contains('%') => {
                use chrono::format::{Item, StrftimeItems};
                if StrftimeItems::new(pattern).any(|item| matches!(item, Item::Error)) {
                    return Err(format!(
                        "'{pattern}' is not a time pattern; one is '%d/%m/%Y %H:%M'"
                    ));
                }
                Self::Local(vec![pattern.to_owned()])
            }
            other => {
                return Err(format!(
                    "'{other}' is not a time format; use iso, dmy, mdy, rfc3339, unix-s, unix-ms or a pattern such as '%d/%m/%Y %H:%M'"
                ));
            }
        })
    }
}

/// Which day a local time of exactly 00:00 belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Midnight {
    /// 00:00 is the first instant of the day that is written: the usual meaning.
    SameDay,
    /// 00:00 is the last instant of the day that is written, where a clock would show 24:00.
    NextDay,
}

/// What to do with a local time that occurs twice, when the clocks go back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Ambiguous {
    /// The first that is later than the row before; rejected where neither is.
    Order,
    /// The first of the two.
    Earlier,
    /// The second of the two.
    Later,
    /// Reject the row.
    Reject,
}

/// Why a time cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TimeError {
    /// Not in the format.
    Format,
    /// The clocks skip it.
    Skipped(Tz),
    /// It occurs twice.
    Twice(Tz),
}

impl fmt::Display for TimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format => write!(f, "is not a time in the given --time-format"),
            Self::Skipped(zone) => {
                write!(f, "does not exist in {zone}: the clocks go forward over it")
            }
            Self::Twice(zone) => {
                write!(f, "occurs twice in {zone}, when the clocks go back; see --ambiguous")
            }
        }
    }
}

/// Reads a file's times in its order.
#[derive(Clone, Debug)]
pub struct Clock {
    /// How they are written.
    pub format: TimeFormat,
    /// Where the clock hung.
    pub zone: Tz,
    /// Which day midnight belongs to.
    pub midnight: Midnight,
    /// What to do with times that occur twice.
    pub ambiguous: Ambiguous,
    /// Added to each instant: the interval, where its start is stamped.
    pub shift: TimeDelta,
    /// Instant of the row before.
    pub previous: Option<DateTime<Utc>>,
}

impl Clock {
    /// The instant that `text` means; for an interval, its end.
    pub fn read(&mut self, text: &str) -> Result<DateTime<Utc>, TimeError> {
        let instant = match &self.format {
            TimeFormat::Rfc3339 => DateTime::parse_from_rfc3339(text).ok().map(|at| at.to_utc()),
            TimeFormat::UnixSeconds => {
                text.parse().ok().and_then(|s| DateTime::from_timestamp(s, 0))
            }
            TimeFormat::UnixMillis => text.parse().ok().and_then(DateTime::from_timestamp_millis),
            TimeFormat::Local(patterns) => {
                let local = patterns
                    .iter()
                    .find_map(|pattern| NaiveDateTime::parse_from_str(text, pattern).ok());
                Some(self.resolve(local.ok_or(TimeError::Format)?)?)
            }
        };
        let instant = instant.ok_or(TimeError::Format)?;
        self.previous = Some(instant);
        instant.checked_add_signed(self.shift).ok_or(TimeError::Format)
    }

    fn resolve(&self, local: NaiveDateTime) -> Result<DateTime<Utc>, TimeError> {
        let local = match self.midnight {
            Midnight::NextDay if local.time() == NaiveTime::MIN => {
                local.checked_add_days(Days::new(1)).ok_or(TimeError::Format)?
            }
            _ => local,
        };
        match self.zone.from_local_datetime(&local) {
            LocalResult::Single(at) => Ok(at.to_utc()),
            LocalResult::None => Err(TimeError::Skipped(self.zone)),
            LocalResult::Ambiguous(earlier, later) => {
                let follows =
                    |at: &DateTime<Tz>| self.previous.is_none_or(|previous| *at > previous);
                let chosen = match self.ambiguous {
                    Ambiguous::Earlier => Some(earlier),
                    Ambiguous::Later => Some(later),
                    Ambiguous::Order => [earlier, later].into_iter().find(follows),
                    Ambiguous::Reject => None,
                };
                chosen.map(|at| at.to_utc()).ok_or(TimeError::Twice(self.zone))
            }
        }
    }
}
