//! From what a file calls a time to an instant: the format, the time zone, and the two habits that
//! meters have with them (stamping midnight with the day that ends, stamping the start of an
//! interval).

use chrono::format::{self, Item, Parsed, StrftimeItems};
use chrono::{DateTime, Days, LocalResult, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

/// How times are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TimeFormat {
    /// An instant with its offset, RFC 3339.
    Rfc3339,
    /// Seconds since 1970, with or without decimals.
    UnixSeconds,
    /// Whole milliseconds since 1970.
    UnixMillis,
    /// One of these patterns: a local time, or an instant where there is an offset in it.
    Patterns(Vec<Vec<Item<'static>>>),
}

/// A text that names no format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// A pattern with an unknown specifier.
    #[error("'{0}' is not a time pattern; one is '%d/%m/%Y %H:%M'")]
    Pattern(String),
    /// Neither a name nor a pattern.
    #[error(
        "'{0}' is not a time format; use iso, dmy, mdy, rfc3339, unix-s, unix-ms or a pattern such as '%d/%m/%Y %H:%M'"
    )]
    Name(String),
}

impl std::str::FromStr for TimeFormat {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<Self, FormatError> {
        match text {
            "rfc3339" => Ok(Self::Rfc3339),
            "unix-s" => Ok(Self::UnixSeconds),
            "unix-ms" => Ok(Self::UnixMillis),
            "iso" => patterns(&["%Y-%m-%d"], &[" ", "T"], &["", "%#z"]),
            "dmy" => patterns(&["%d/%m/%Y", "%d.%m.%Y", "%d-%m-%Y"], &[" "], &[""]),
            "mdy" => patterns(&["%m/%d/%Y"], &[" "], &[""]),
            pattern if pattern.contains('%') => Ok(Self::Patterns(vec![items(pattern)?])),
            other => Err(FormatError::Name(other.to_owned())),
        }
    }
}

/// All ways to put a date, what is between, a time of day and an offset together.
fn patterns(dates: &[&str], gaps: &[&str], offsets: &[&str]) -> Result<TimeFormat, FormatError> {
    let mut all = Vec::new();
    for date in dates {
        for gap in gaps {
            for time in ["%H:%M:%S%.f", "%H:%M"] {
                for offset in offsets {
                    all.push(items(&format!("{date}{gap}{time}{offset}"))?);
                }
            }
        }
    }
    Ok(TimeFormat::Patterns(all))
}

fn items(pattern: &str) -> Result<Vec<Item<'static>>, FormatError> {
    let items = StrftimeItems::new(pattern).parse_to_owned();
    items.map_err(|_| FormatError::Pattern(pattern.to_owned()))
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
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeError {
    /// Not in the format.
    #[error("is not a time in the given format")]
    Format,
    /// A local time of nowhere.
    #[error("has no offset, and no time zone is given")]
    NoZone,
    /// The clocks skip it.
    #[error("does not exist in {0}: the clocks go forward over it")]
    Skipped(Tz),
    /// It occurs twice.
    #[error(
        "occurs twice in {0}, when the clocks go back; `ambiguous` says which is meant: earlier, later or order"
    )]
    Twice(Tz),
}

/// Reads times.
#[derive(Clone, Debug)]
pub struct Clock {
    /// How they are written.
    pub format: TimeFormat,
    /// Where the clock hung that showed the local times.
    pub zone: Option<Tz>,
    /// Which day midnight belongs to.
    pub midnight: Midnight,
    /// What to do with times that occur twice.
    pub ambiguous: Ambiguous,
    /// Added to each instant: the interval, where its start is stamped.
    pub shift: TimeDelta,
}

/// What a pattern found.
enum Moment {
    Instant(DateTime<Utc>),
    Local(NaiveDateTime),
}

impl Clock {
    /// The instant that `text` means; for an interval, its end. `previous` is what the row before
    /// gave, before the shift, and becomes what this one gives.
    ///
    /// # Errors
    /// The text is no time, or a local time that does not say which instant it is.
    pub fn read(
        &self,
        text: &str,
        previous: &mut Option<DateTime<Utc>>,
    ) -> Result<DateTime<Utc>, TimeError> {
        let instant = match &self.format {
            TimeFormat::Rfc3339 => DateTime::parse_from_rfc3339(text).ok().map(|at| at.to_utc()),
            TimeFormat::UnixSeconds => unix_seconds(text),
            TimeFormat::UnixMillis => text.parse().ok().and_then(DateTime::from_timestamp_millis),
            TimeFormat::Patterns(patterns) => {
                match patterns.iter().find_map(|items| by_pattern(text, items)) {
                    None => None,
                    Some(Moment::Instant(at)) => Some(at),
                    Some(Moment::Local(local)) => Some(self.resolve(local, *previous)?),
                }
            }
        };
        let instant = instant.ok_or(TimeError::Format)?;
        *previous = Some(instant);
        instant.checked_add_signed(self.shift).ok_or(TimeError::Format)
    }

    fn resolve(
        &self,
        local: NaiveDateTime,
        previous: Option<DateTime<Utc>>,
    ) -> Result<DateTime<Utc>, TimeError> {
        let zone = self.zone.ok_or(TimeError::NoZone)?;
        let local = match self.midnight {
            Midnight::NextDay if local.time() == NaiveTime::MIN => {
                local.checked_add_days(Days::new(1)).ok_or(TimeError::Format)?
            }
            _ => local,
        };
        match zone.from_local_datetime(&local) {
            LocalResult::Single(at) => Ok(at.to_utc()),
            LocalResult::None => Err(TimeError::Skipped(zone)),
            LocalResult::Ambiguous(earlier, later) => {
                let follows = |at: &DateTime<Tz>| previous.is_none_or(|previous| *at > previous);
                let chosen = match self.ambiguous {
                    Ambiguous::Earlier => Some(earlier),
                    Ambiguous::Later => Some(later),
                    Ambiguous::Order => [earlier, later].into_iter().find(follows),
                    Ambiguous::Reject => None,
                };
                chosen.map(|at| at.to_utc()).ok_or(TimeError::Twice(zone))
            }
        }
    }
}

fn unix_seconds(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(whole) = text.parse() {
        return DateTime::from_timestamp(whole, 0);
    }
    let seconds: f64 = text.parse().ok().filter(|s: &f64| s.is_finite())?;
    DateTime::from_timestamp_micros((seconds * 1e6).round() as i64)
}

/// A date without a time of day is its midnight; an hour without minutes is full.
fn by_pattern(text: &str, items: &[Item<'static>]) -> Option<Moment> {
    let mut parsed = Parsed::new();
    format::parse(&mut parsed, text, items.iter()).ok()?;
    if parsed.offset().is_some() || parsed.timestamp().is_some() {
        let offset = chrono::FixedOffset::east_opt(parsed.offset().unwrap_or(0))?;
        let at = parsed.to_naive_datetime_with_offset(offset.local_minus_utc()).ok()?;
        return Some(Moment::Instant(at.and_local_timezone(offset).single()?.to_utc()));
    }
    if parsed.hour_mod_12().is_none() {
        return Some(Moment::Local(parsed.to_naive_date().ok()?.and_time(NaiveTime::MIN)));
    }
    if parsed.minute().is_none() {
        parsed.set_minute(0).ok()?;
    }
    parsed.to_naive_datetime_with_offset(0).ok().map(Moment::Local)
}

#[cfg(test)]
mod tests;
