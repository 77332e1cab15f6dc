//! The factory's time: a grid of minutes in UTC, the plant's clock on it, and the weather.

use chrono::{DateTime, Datelike, Days, NaiveDate, Timelike, Utc, Weekday};
use chrono_tz::Tz;

use super::random::{Autoregression, Stream};

/// Where the plant is.
pub const ZONE: Tz = chrono_tz::Europe::Madrid;

/// Minutes of a day.
pub const DAY_MIN: usize = 1440;

/// A stretch of whole minutes.
#[derive(Clone, Debug)]
pub struct Calendar {
    /// Second since 1970 of the first minute.
    pub start: i64,
    /// For each minute: hours of the plant's clock, and its weekday.
    local: Vec<(f64, Weekday)>,
}

impl Calendar {
    /// `days` days from the start of the day `first` in UTC.
    pub fn new(first: NaiveDate, days: usize) -> Self {
        let start = first.and_hms_opt(0, 0, 0).unwrap_or_default().and_utc().timestamp();
        let local = (0..days * DAY_MIN)
            .map(|minute| {
                let instant = DateTime::<Utc>::from_timestamp(start + minute as i64 * 60, 0);
                let local = instant.unwrap_or_default().with_timezone(&ZONE);
                let hours = f64::from(local.num_seconds_from_midnight()) / 3600.0;
                (hours, local.weekday())
            })
            .collect();
        Self { start, local }
    }

    /// Number of minutes.
    pub fn minutes(&self) -> usize {
        self.local.len()
    }

    /// Second since 1970 of a minute.
    pub fn second(&self, minute: usize) -> i64 {
        self.start + minute as i64 * 60
    }

    /// Whether the plant works at this minute with so many shifts; the night shift of Friday ends on
    /// Saturday 06:00. `saturday` tells for each week whether its Saturday morning is worked.
    pub fn is_open(&self, minute: usize, shifts: u32, saturday: &[bool]) -> bool {
        let (hour, weekday) = self.local[minute];
        let night = shifts == 3;
        match weekday {
            Weekday::Sat => {
                let worked = saturday.get(minute / (7 * DAY_MIN)).copied().unwrap_or_default();
                (night && hour < 6.0) || (worked && (6.0..14.0).contains(&hour))
            }
            Weekday::Sun => false,
            Weekday::Mon => hour >= 6.0 && (night || hour < 22.0),
            _ => night || (6.0..22.0).contains(&hour),
        }
    }

    /// The crew at work, by shift and week: 0, 1 or 2.
    pub fn crew(&self, minute: usize) -> usize {
        let shift = match self.local[minute].0 {
            hour if hour < 6.0 => 2,
            hour if hour < 14.0 => 0,
            hour if hour < 22.0 => 1,
            _ => 2,
        };
        (shift + minute / (7 * DAY_MIN)) % 3
    }

    /// Outdoor temperature in °C for each minute: season, day, weather of days, and a little noise.
    pub fn weather(&self, seed: u64) -> Vec<f64> {
        let stream = &mut Stream::new(seed, &["weather"]);
        let (mean, season, day) =
            (stream.between(11.0, 17.0), stream.between(6.0, 10.0), stream.between(2.5, 6.0));
        let mut fronts = Autoregression::new(2.5 * DAY_MIN as f64);
        let mut gusts = Autoregression::new(40.0);
        (0..self.minutes())
            .map(|minute| {
                let date = DateTime::<Utc>::from_timestamp(self.second(minute), 0);
                let of_year = f64::from(date.unwrap_or_default().ordinal0())
                    + (minute % DAY_MIN) as f64 / DAY_MIN as f64;
                let year = (std::f64::consts::TAU * (of_year - 200.0) / 365.25).cos();
                let hour = (std::f64::consts::TAU * (self.local[minute].0 - 15.5) / 24.0).cos();
                mean + season * year
                    + day * hour
                    + 3.0 * fronts.step(stream.normal())
                    + 0.3 * gusts.step(stream.normal())
            })
            .collect()
    }
}

/// A Monday of 2025, by seed.
pub fn seeded_monday(seed: u64) -> NaiveDate {
    let week = Stream::new(seed, &["start"]).below(52) as u64;
    let monday = NaiveDate::from_ymd_opt(2025, 1, 6).unwrap_or_default();
    monday.checked_add_days(Days::new(7 * week)).unwrap_or(monday)
}
