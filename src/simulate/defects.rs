//! What the way from the sensor to the file does to readings: gaps, late and repeated rows, and
//! counters that begin again.

use super::calendar::DAY_MIN;
use super::random::Stream;

/// A reading on its way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// Second since 1970.
    pub time: i64,
    /// Position of the sensor in the factory's list.
    pub sensor: usize,
    /// What.
    pub value: f64,
    /// Second at which it arrives: the order of the file.
    pub arrives: i64,
}

/// Minutes in which nothing of a sensor is stored. `everything` are the outages of the machine's
/// gateway, which all its sensors share.
pub fn gaps(stream: &mut Stream, minutes: usize, a_week: f64) -> Vec<(usize, usize)> {
    let mut gaps = Vec::new();
    let mut at = stream.exponential((7 * DAY_MIN) as f64 / a_week) as usize;
    while at < minutes {
        let length = stream.log_between(5.0, 180.0) as usize;
        gaps.push((at, at + length));
        at += length + stream.exponential((7 * DAY_MIN) as f64 / a_week) as usize;
    }
    gaps
}

/// Whether a minute lies in a gap.
pub fn is_lost(gaps: &[(usize, usize)], minute: usize) -> bool {
    let after = gaps.partition_point(|&(from, _)| from <= minute);
    after > 0 && minute < gaps[after - 1].1
}

/// Makes some readings late and repeats some, as a gateway that does not hear the answer does; then
/// puts all in the order in which they arrive.
pub fn disorder(stream: &mut Stream, mut readings: Vec<Reading>) -> Vec<Reading> {
    let mut repeated = Vec::new();
    for reading in &mut readings {
        if stream.chance(0.004) {
            reading.arrives += stream.log_between(60.0, 6.0 * 3600.0) as i64;
        }
        if stream.chance(0.002) {
            repeated.push(Reading { arrives: reading.arrives + 60, ..*reading });
        }
    }
    readings.extend(repeated);
    readings.sort_by_key(|reading| (reading.arrives, reading.time, reading.sensor));
    readings
}

/// A register that integrates, and now and then begins again at 0.
#[derive(Clone, Debug)]
pub struct Register {
    value: f64,
    resets_a_minute: f64,
}

impl Register {
    /// A register that has counted before, and is lost so many times a year.
    pub fn new(stream: &mut Stream, full: f64, resets_a_year: f64) -> Self {
        Self {
            value: full * stream.share(),
            resets_a_minute: resets_a_year / (365.0 * DAY_MIN as f64),
        }
    }

    /// Adds a minute's amount; the register's state after it.
    pub fn add(&mut self, stream: &mut Stream, amount: f64) -> f64 {
        if stream.chance(self.resets_a_minute) {
            self.value = 0.0;
        }
        self.value += amount;
        self.value
    }
}
