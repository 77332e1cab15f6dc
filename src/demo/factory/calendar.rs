//! Local weeks of a plant and the hours in which its lines are manned.
//!
//! All instants are whole minutes since 1970 in UTC. A local week starts on Monday 00:00, so no
//! run crosses from one week into the next: production ends on Saturday 06:00 at the latest.

use chrono::{DateTime, Datelike, Days, LocalResult, NaiveDate, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;

use super::layout::Manning;

/// Minutes since 1970 in UTC.
pub type Minute = i64;

/// A week of a plant, counted from the week of Monday, 5 January 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Week(pub i64);

impl Week {
    /// The local week that `minute` falls in.
    pub fn of(minute: Minute, zone: Tz) -> Self {
        let instant = DateTime::<Utc>::from_timestamp(minute * 60, 0).unwrap_or_default();
        let days = instant.with_timezone(&zone).date_naive().signed_duration_since(first_monday());
        Self(days.num_days().div_euclid(7))
    }

    /// The Monday that it starts with.
    pub fn monday(self) -> NaiveDate {
        let days = Days::new(self.0.unsigned_abs() * 7);
        let monday = first_monday();
        let moved =
            if self.0 < 0 { monday.checked_sub_days(days) } else { monday.checked_add_days(days) };
        moved.unwrap_or(monday)
    }

    /// First minute of the week.
    pub fn start(self, zone: Tz) -> Minute {
        local_minute(self.monday(), 0, zone)
    }

    /// First minute of the next week.
    pub fn end(self, zone: Tz) -> Minute {
        Self(self.0 + 1).start(zone)
    }

    /// Short name, `26W48`.
    pub fn label(self) -> String {
        let week = self.monday().iso_week();
        format!("{:02}W{:02}", week.year().rem_euclid(100), week.week())
    }
}

/// The instant of a local wall-clock time, `minute_of_day` counted on the clock's face. A time that
/// the clocks skip becomes the first one after the gap; one that occurs twice, its first.
pub fn local_minute(date: NaiveDate, minute_of_day: u32, zone: Tz) -> Minute {
    let (carried, minute) = (minute_of_day / 1440, minute_of_day % 1440);
    let date = date.checked_add_days(Days::new(carried.into())).unwrap_or(date);
    let time = NaiveTime::from_num_seconds_from_midnight_opt(minute * 60, 0).unwrap_or_default();
    let mut local = date.and_time(time);
    loop {
        match zone.from_local_datetime(&local) {
            LocalResult::Single(at) | LocalResult::Ambiguous(at, _) => return at.timestamp() / 60,
            LocalResult::None => local += chrono::Duration::minutes(15),
        }
    }
}

/// The intervals of `week` in which a line is manned, in order, none touching the next.
pub fn manned(week: Week, manning: Manning, zone: Tz) -> Vec<[Minute; 2]> {
    let mut windows: Vec<[Minute; 2]> = Vec::new();
    for day in 0..5 {
        let Some(date) = week.monday().checked_add_days(Days::new(day)) else { continue };
        if is_holiday(date) {
            continue;
        }
        let last = match manning {
            Manning::ThreeShifts => 30 * 60,
            Manning::TwoShifts => 22 * 60,
        };
        let window = [local_minute(date, 6 * 60, zone), local_minute(date, last, zone)];
        match windows.last_mut() {
            Some(previous) if previous[1] == window[0] => previous[1] = window[1],
            _ => windows.push(window),
        }
    }
    windows
}

/// Which of the three shifts works at `minute`: 0 from 06:00, 1 from 14:00, 2 from 22:00 local.
pub fn shift_at(minute: Minute, zone: Tz) -> usize {
    match minute_of_day(minute, zone) / 60 {
        6..14 => 0,
        14..22 => 1,
        _ => 2,
    }
}

/// What the clock on the wall shows, in minutes since midnight.
pub fn minute_of_day(minute: Minute, zone: Tz) -> i64 {
    use chrono::Timelike;
    let instant = DateTime::<Utc>::from_timestamp(minute * 60, 0).unwrap_or_default();
    i64::from(instant.with_timezone(&zone).num_seconds_from_midnight() / 60)
}

/// Days on which both plants stand still.
fn is_holiday(date: NaiveDate) -> bool {
    matches!((date.month(), date.day()), (1, 1) | (5, 1) | (12, 24..=26 | 31))
}

fn first_monday() -> NaiveDate {
    NaiveDate::from_ymd_opt(1970, 1, 5).unwrap_or_default()
}
