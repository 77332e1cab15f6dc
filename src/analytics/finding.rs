//! What is found: events with a reason in words.

use serde::Serialize;

/// What kind of abnormality.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A few minutes far off.
    Spike,
    /// Another level for longer.
    LevelShift,
    /// A level that moved over several runs.
    Drift,
    /// A run at another process temperature from its start.
    WrongSetPoint,
    /// A process temperature that rises inside a run.
    CoolingFailure,
    /// Fewer units an hour.
    SlowProduction,
    /// Energy used while nothing is made.
    IdleWaste,
    /// A sensor that repeats its value.
    StuckSensor,
    /// A sensor that is rougher than usual.
    Noise,
    /// Sensors that are not together as they usually are.
    Pattern,
}

impl Kind {
    /// The word in files and frames.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Spike => "spike",
            Self::LevelShift => "level_shift",
            Self::Drift => "drift",
            Self::WrongSetPoint => "wrong_set_point",
            Self::CoolingFailure => "cooling_failure",
            Self::SlowProduction => "slow_production",
            Self::IdleWaste => "idle_waste",
            Self::StuckSensor => "stuck_sensor",
            Self::Noise => "noise",
            Self::Pattern => "pattern",
        }
    }
}

/// An event: one cause, as far as that can be told.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// Key of the machine.
    pub machine: String,
    /// Key of the sensor where it shows most.
    pub sensor: String,
    /// What.
    pub kind: Kind,
    /// Second since 1970 in which it was first abnormal.
    pub start: i64,
    /// Second at whose end it was known: alerts fire here.
    pub raised: i64,
    /// Second up to which it was abnormal, as far as the data goes.
    pub end: i64,
    /// Whether it was not over yet where the data ends.
    pub is_open: bool,
    /// Largest deviation, in robust sigmas of its chart.
    pub severity: f64,
    /// Energy beyond what is usual in kWh, where power is known.
    pub energy_kwh: Option<f64>,
    /// Why, for people.
    pub reason: String,
}
