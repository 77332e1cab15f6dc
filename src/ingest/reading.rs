//! A validated reading: every value of these types can be stored.

use chrono::{DateTime, Utc};

use crate::domain::key::{PlantId, SensorId};

/// An instant from 1970 up to 2100, to the microsecond, as the database keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Instant(i64);

/// The instant is before 1970 or not before 2100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the time is not between the years 1970 and 2100: check its unit (JSON: milliseconds; line protocol: see `precision`)"
)]
pub struct TimeOutOfRange;

/// 2100-01-01T00:00:00Z in microseconds since 1970.
const END_US: i64 = 4_102_444_800_000_000;

impl Instant {
    /// From a number of units since 1970; `per_second` units make a second. What is finer than a
    /// microsecond is cut off.
    pub fn from_epoch(units: i64, per_second: i64) -> Result<Self, TimeOutOfRange> {
        let us = (i128::from(units) * 1_000_000).div_euclid(i128::from(per_second));
        i64::try_from(us).ok().filter(|us| (0..END_US).contains(us)).map(Self).ok_or(TimeOutOfRange)
    }

    /// This instant by the service's clock (the nearest one where that is out of order).
    pub fn now() -> Self {
        Self(Utc::now().timestamp_micros().clamp(0, END_US - 1))
    }

    /// From a date and time.
    pub fn from_utc(time: DateTime<Utc>) -> Result<Self, TimeOutOfRange> {
        Self::from_epoch(time.timestamp_micros(), 1_000_000)
    }

    /// Microseconds since 1970.
    pub fn micros(self) -> i64 {
        self.0
    }

    /// As the database driver takes it.
    pub fn to_utc(self) -> DateTime<Utc> {
        // Always inside chrono's years.
        DateTime::from_timestamp_micros(self.0).unwrap_or_default()
    }
}

/// A number that is neither NaN nor infinite.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Finite(f64);

/// NaN or an infinity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the value is not a finite number")]
pub struct NotFinite;

impl Finite {
    /// Checks the number.
    pub fn new(value: f64) -> Result<Self, NotFinite> {
        // Adding 0 turns -0 into 0, which the database would keep apart when it compares bytes.
        if value.is_finite() { Ok(Self(value + 0.0)) } else { Err(NotFinite) }
    }

    /// The number.
    pub fn get(self) -> f64 {
        self.0
    }
}

/// One value of one sensor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// Where the sensor is.
    pub plant: PlantId,
    /// What measured.
    pub sensor: SensorId,
    /// When.
    pub time: Instant,
    /// What was measured.
    pub value: Finite,
}

#[cfg(test)]
mod tests {
    use super::{Finite, Instant, TimeOutOfRange};

    #[test]
    fn takes_every_unit_and_cuts_below_the_microsecond() {
        assert_eq!(
            Instant::from_epoch(1_700_000_000, 1).map(Instant::micros),
            Ok(1_700_000_000_000_000)
        );
        assert_eq!(
            Instant::from_epoch(1_700_000_000_001, 1_000).map(Instant::micros),
            Ok(1_700_000_000_001_000)
        );
        assert_eq!(Instant::from_epoch(1_999, 1_000_000_000).map(Instant::micros), Ok(1));
    }

    #[test]
    fn refuses_other_centuries() {
        for (units, per_second) in
            [(-1, 1), (4_102_444_800, 1), (i64::MAX, 1), (i64::MIN, 1_000_000_000)]
        {
            assert_eq!(Instant::from_epoch(units, per_second), Err(TimeOutOfRange));
        }
    }

    #[test]
    fn refuses_what_is_not_finite() {
        assert!(Finite::new(f64::NAN).is_err() && Finite::new(f64::INFINITY).is_err());
        assert_eq!(Finite::new(-0.0).map(|v| v.get().is_sign_positive()), Ok(true));
    }
}
