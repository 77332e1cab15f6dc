//! Counters: what has passed since a meter's register last began at 0.
//!
//! Every meter is exchanged once in 52 weeks, at a local Monday 00:00, so that a register's value
//! depends on at most a year before it and not on when the simulation started. A forgetful meter
//! also loses its register at a full hour in about every second week. In both cases the reading at
//! that instant is the last one of the old register, so that nothing is lost.

use super::calendar::{Minute, Week};
use super::noise::Noise;
use super::physics::PlantWeek;
use super::sensors::{Measures, Sensor};

/// A counter's register within one week.
#[derive(Clone, Debug)]
pub struct Register {
    start: Minute,
    /// What has passed since the week began, at the start of each minute and at the week's end.
    passed: Vec<f64>,
    /// When it is set to 0.
    reset: Option<Minute>,
}

/// What a week leaves of a register for the next one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Carry {
    /// So much was added.
    Added(f64),
    /// It began again, and came to this value.
    Restarted(f64),
}

impl Register {
    /// The register of counter `sensor` over `week`; `None` for a gauge.
    pub fn new(seed: u64, sensor: &Sensor, plant: &PlantWeek, week: Week) -> Option<Self> {
        let minutes = (plant.end - plant.start) as usize;
        let mut passed = Vec::with_capacity(minutes + 1);
        let mut sum = 0.0;
        passed.push(sum);
        for i in 0..minutes {
            sum += match sensor.measures {
                Measures::PlantEnergy => plant.power(i) / 60.0,
                Measures::LineEnergy(line) => plant.line_power(line, i) / 60.0,
                Measures::MachineEnergy(line, machine) => {
                    plant.lines[line].power[machine][i] / 60.0
                }
                Measures::Output(line) => plant.lines[line].output[i],
                _ => return None,
            };
            passed.push(sum);
        }
        let noise = Noise::new(seed, &["reset", &sensor.key]);
        let forgets = sensor.forgetful && noise.bits(week.0).is_multiple_of(2);
        let reset =
            forgets.then(|| plant.start + 60 * (6 + (noise.bits(-week.0 - 1) % 110) as i64));
        Some(Self { start: plant.start, passed, reset })
    }

    /// What passed between the week's start and `second`.
    pub fn passed(&self, second: i64) -> f64 {
        let offset = second - self.start * 60;
        let last = self.passed.len() - 1;
        let minute = (offset.div_euclid(60).max(0) as usize).min(last);
        let part = offset.rem_euclid(60) as f64 / 60.0;
        let next = self.passed[(minute + 1).min(last)];
        self.passed[minute] + (next - self.passed[minute]) * part
    }

    /// The register's value at `second` when the week began at `before`.
    pub fn value(&self, before: f64, second: i64) -> f64 {
        match self.reset {
            Some(reset) if second > reset * 60 => self.passed(second) - self.passed(reset * 60),
            _ => before + self.passed(second),
        }
    }

    /// What the week leaves behind.
    pub fn carry(&self) -> Carry {
        let total = self.passed.last().copied().unwrap_or_default();
        match self.reset {
            Some(reset) => Carry::Restarted(total - self.passed(reset * 60)),
            None => Carry::Added(total),
        }
    }
}

/// The week in which the meter that `sensor` has in `week` was put in.
pub fn installed(seed: u64, sensor: &Sensor, week: Week) -> Week {
    let offset = (Noise::new(seed, &["exchange", &sensor.key]).bits(0) % 52) as i64;
    Week(week.0 - (week.0 + offset).rem_euclid(52))
}
