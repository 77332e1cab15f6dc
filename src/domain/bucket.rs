//! Buckets of time in the plant's time zone.
//!
//! A calendar bucket (hour, shift, day, week, month) follows the wall clock of the plant, so a day
//! has 23 or 25 hours when the clock changes, and a night shift 7 or 9.

use std::fmt;
use std::str::FromStr;

use chrono::{
    DateTime, Datelike, Days, Months, NaiveDate, NaiveDateTime, NaiveTime, TimeZone, Utc,
};
use chrono_tz::Tz;

use super::{Say, TimeRange};

/// How a range is cut into buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bucket {
    /// A fixed width chosen from what the panel can show.
    Auto,
    /// One bucket: the whole range.
    Whole,
    /// A fixed width in seconds, aligned to the plant's midnight.
    Width(u32),
    /// A wall-clock hour.
    Hour,
    /// A working shift of the plant.
    Shift,
    /// A day of the plant.
    Day,
    /// A week that starts on Monday.
    Week,
    /// A calendar month.
    Month,
}

/// The text names no bucket.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown bucket {0:?}: use auto, whole, hour, shift, day, week, month, or a width such as 30s, 5m, 6h or 1d"
)]
pub struct UnknownBucket(pub String);

impl Say for UnknownBucket {
    fn in_spanish(&self) -> String {
        let text = &self.0;
        format!(
            "paso de tiempo {text:?} desconocido: use auto, whole, hour, shift, day, week, month, o un ancho como 30s, 5m, 6h o 1d"
        )
    }
}

impl FromStr for Bucket {
    type Err = UnknownBucket;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Ok(match s {
            "" | "auto" => Self::Auto,
            "whole" => Self::Whole,
            "hour" => Self::Hour,
            "shift" => Self::Shift,
            "day" | "1d" => Self::Day,
            "week" | "1w" => Self::Week,
            "month" => Self::Month,
            width => {
                let unknown = || UnknownBucket(s.to_owned());
                let unit = width.chars().last().ok_or_else(unknown)?;
                let seconds = match unit {
                    's' => 1,
                    'm' => 60,
                    'h' => 3600,
                    'd' => 86_400,
                    _ => return Err(unknown()),
                };
                let count: u32 = width[..width.len() - 1].parse().map_err(|_| unknown())?;
                match count.checked_mul(seconds) {
                    Some(total) if (1..=366 * 86_400).contains(&total) => Self::Width(total),
                    _ => return Err(unknown()),
                }
            }
        })
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Whole => f.write_str("whole"),
            Self::Hour => f.write_str("hour"),
            Self::Shift => f.write_str("shift"),
            Self::Day => f.write_str("day"),
            Self::Week => f.write_str("week"),
            Self::Month => f.write_str("month"),
            Self::Width(s) if s % 86_400 == 0 => write!(f, "{}d", s / 86_400),
            Self::Width(s) if s % 3600 == 0 => write!(f, "{}h", s / 3600),
            Self::Width(s) if s % 60 == 0 => write!(f, "{}m", s / 60),
            Self::Width(s) => write!(f, "{s}s"),
        }
    }
}

/// How the Spanish editor calls it.
impl Say for Bucket {
    fn in_spanish(&self) -> String {
        match self {
            Self::Auto => "automático".to_owned(),
            Self::Whole => "todo el intervalo".to_owned(),
            Self::Hour => "una hora".to_owned(),
            Self::Shift => "un turno".to_owned(),
            Self::Day => "un día".to_owned(),
            Self::Week => "una semana".to_owned(),
            Self::Month => "un mes".to_owned(),
            Self::Width(_) => self.to_string(),
        }
    }
}

/// When a shift starts, every day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShiftStart {
    /// Key of the shift.
    pub key: String,
    /// Name shown to people.
    pub name: String,
    /// Local wall-clock time.
    pub starts_at: NaiveTime,
}

/// A plant's clock and shifts.
#[derive(Debug, Clone)]
pub struct Calendar {
    /// Time zone of the plant.
    pub zone: Tz,
    /// Shifts in the order of their starts; empty when the plant has none.
    pub shifts: Vec<ShiftStart>,
}

/// Why a range cannot be cut into the buckets asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CutError {
    /// The plant has no shifts.
    #[error("the plant has no shifts: create them with POST /v1/shifts, or choose another bucket")]
    NoShifts,
    /// More buckets than allowed.
    #[error(
        "{bucket} buckets over this time range are more than {limit} points a series: choose a wider bucket, auto, or a shorter time range"
    )]
    TooMany {
        /// The bucket asked for.
        bucket: Bucket,
        /// Most buckets allowed.
        limit: usize,
    },
}

impl Say for CutError {
    fn in_spanish(&self) -> String {
        match self {
            Self::NoShifts => {
                "la planta no tiene turnos: créelos con POST /v1/shifts, o elija otro paso de tiempo"
                    .to_owned()
            }
            Self::TooMany { bucket, limit } => format!(
                "los pasos de {} en este intervalo de tiempo son más de {limit} puntos por serie: elija un paso más ancho, automático, o un intervalo más corto",
                bucket.in_spanish()
            ),
        }
    }
}

impl Calendar {
    /// The edges of the buckets that cover `range`: first edge at or before its start, last at or
    /// after its end, strictly ascending. `Auto` counts as `Whole`: choose its width before.
    ///
    /// # Errors
    /// [`CutError`] when the plant has no shifts or there are more than `limit` buckets.
    pub fn edges(
        &self,
        bucket: Bucket,
        range: TimeRange,
        limit: usize,
    ) -> Result<Vec<DateTime<Utc>>, CutError> {
        if matches!(bucket, Bucket::Auto | Bucket::Whole) {
            return Ok(vec![range.from(), range.to()]);
        }
        if bucket == Bucket::Shift && self.shifts.is_empty() {
            return Err(CutError::NoShifts);
        }
        if let Bucket::Width(s) = bucket
            && range.seconds() / f64::from(s) > limit as f64
        {
            return Err(CutError::TooMany { bucket, limit });
        }
        let mut edges: Vec<DateTime<Utc>> = Vec::new();
        let mut period = self.period_of(bucket, range.from());
        'periods: loop {
            let next = self.next_period(bucket, period);
            for edge in self.edges_in(bucket, period, next) {
                if edge <= range.from() {
                    edges.clear();
                }
                if edges.last().is_none_or(|last| *last < edge) {
                    edges.push(edge);
                }
                if edge >= range.to() {
                    break 'periods;
                }
                if edges.len() > limit + 1 {
                    return Err(CutError::TooMany { bucket, limit });
                }
            }
            period = next;
        }
        Ok(edges)
    }

    /// The same wall-clock time so many days and months earlier.
    pub fn earlier(&self, t: DateTime<Utc>, days: u64, months: u32) -> DateTime<Utc> {
        let local = t.with_timezone(&self.zone).naive_local();
        let back = local.checked_sub_days(Days::new(days));
        let back = back.and_then(|t| t.checked_sub_months(Months::new(months)));
        back.map_or(t, |t| self.instant(t))
    }

    /// The shift that starts at `edge`.
    pub fn shift_at(&self, edge: DateTime<Utc>) -> Option<&ShiftStart> {
        let local = edge.with_timezone(&self.zone).time();
        self.shifts.iter().rev().find(|s| s.starts_at <= local).or(self.shifts.last())
    }

    /// The first instant of a day of the plant.
    pub fn midnight(&self, day: NaiveDate) -> DateTime<Utc> {
        self.instant(day.and_time(NaiveTime::MIN))
    }

    /// The first instant of a wall-clock moment; where the clock skips it, the instant of the skip.
    fn instant(&self, local: NaiveDateTime) -> DateTime<Utc> {
        match self.zone.from_local_datetime(&local).earliest() {
            Some(t) => t.with_timezone(&Utc),
            None => {
                // Skipped: the offset in force before the gap maps it to the gap's far side.
                let before =
                    self.zone.offset_from_utc_datetime(&(local - chrono::Duration::hours(24)));
                let offset = chrono::Offset::fix(&before).local_minus_utc();
                (local - chrono::Duration::seconds(i64::from(offset))).and_utc()
            }
        }
    }

    /// First local day of the period that holds `t`. A period is what edges are counted from: a
    /// day; for weeks, months and widths of days longer.
    fn period_of(&self, bucket: Bucket, t: DateTime<Utc>) -> NaiveDate {
        let day = t.with_timezone(&self.zone).date_naive();
        match bucket {
            Bucket::Week => day - Days::new(u64::from(day.weekday().num_days_from_monday())),
            Bucket::Month => day.with_day(1).unwrap_or(day),
            Bucket::Width(s) if s > 86_400 => {
                let days = i64::from(s.div_ceil(86_400));
                let number = i64::from(day.num_days_from_ce());
                day - Days::new(number.rem_euclid(days) as u64)
            }
            // A night shift belongs to the day before.
            Bucket::Shift => day - Days::new(1),
            _ => day,
        }
    }

    fn next_period(&self, bucket: Bucket, period: NaiveDate) -> NaiveDate {
        match bucket {
            Bucket::Week => period + Days::new(7),
            Bucket::Month => period + Months::new(1),
            Bucket::Width(s) if s > 86_400 => period + Days::new(u64::from(s.div_ceil(86_400))),
            _ => period + Days::new(1),
        }
    }

    /// Edges of the buckets that start inside the period `[first, next)`, ascending.
    fn edges_in(&self, bucket: Bucket, first: NaiveDate, next: NaiveDate) -> Vec<DateTime<Utc>> {
        let midnight = |d: NaiveDate| self.instant(d.and_time(NaiveTime::MIN));
        match bucket {
            Bucket::Shift => {
                self.shifts.iter().map(|s| self.instant(first.and_time(s.starts_at))).collect()
            }
            Bucket::Hour => every(midnight(first), midnight(next), 3600),
            Bucket::Width(s) if s <= 86_400 => every(midnight(first), midnight(next), s),
            _ => vec![midnight(first)],
        }
    }
}

/// Instants `start, start + seconds, ...` before `end`.
fn every(start: DateTime<Utc>, end: DateTime<Utc>, seconds: u32) -> Vec<DateTime<Utc>> {
    let step = chrono::Duration::seconds(i64::from(seconds));
    std::iter::successors(Some(start), |t| Some(*t + step)).take_while(|t| *t < end).collect()
}

/// The narrowest width, out of those that people read easily, of at least `at_least_s` seconds.
pub fn nice_width(at_least_s: f64) -> Bucket {
    const NICE: [u32; 20] = [
        1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200,
        86_400, 172_800, 604_800,
    ];
    let width = NICE.into_iter().find(|n| f64::from(*n) >= at_least_s);
    Bucket::Width(width.unwrap_or(2_592_000))
}

#[cfg(test)]
mod tests;
