//! What is found: events with a reason, which [`super::words`] says in a language.

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::domain::Language;

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
#[derive(Clone, Debug, PartialEq)]
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
    /// Why.
    pub reason: Reason,
}

/// Why something is abnormal, in no language yet. The energy is the finding's.
#[derive(Clone, Debug, PartialEq)]
pub struct Reason {
    /// What deviates, and by how much.
    pub what: What,
    /// What it is compared with.
    pub usual: Usual,
    /// Second since 1970 in which it began, where what it is compared with says no time.
    pub from: Option<i64>,
    /// How many minutes it lasted, where that is not said otherwise.
    pub minutes: Option<f64>,
}

/// What deviates. Sensors are keys.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// A sensor is off.
    Off {
        /// Which.
        sensor: String,
        /// By how much; less than nothing is below.
        by: Deviation,
    },
    /// A sensor is rougher.
    Rough(String),
    /// A sensor repeats a value.
    Stuck {
        /// Which.
        sensor: String,
        /// What it repeats.
        value: f64,
        /// Unit of the value.
        unit: String,
    },
    /// Sensors are not together as usual: those that contribute most, with their deviations in sigmas.
    Apart(Vec<(String, f64)>),
}

/// How far off.
#[derive(Clone, Debug, PartialEq)]
pub enum Deviation {
    /// As a share of the usual.
    Share(f64),
    /// As a difference.
    Difference {
        /// Value.
        value: f64,
        /// Digits behind its decimal mark that say something.
        digits: usize,
        /// Unit.
        unit: String,
    },
}

/// What something is compared with.
#[derive(Clone, Debug, PartialEq)]
pub enum Usual {
    /// The same minutes of other runs of a reference.
    Reference {
        /// Its key.
        key: String,
        /// Minutes since the start of the run, from and to.
        minutes: (f64, f64),
    },
    /// The same state of the machine.
    State(String),
    /// Its own level.
    Level,
    /// The same time of other days.
    TimeOfDay,
    /// The same time of other weeks.
    TimeOfWeek,
    /// All that is known.
    Past,
}

/// As files have it: the reason in English.
impl Serialize for Finding {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = serializer.serialize_struct("Finding", 10)?;
        fields.serialize_field("machine", &self.machine)?;
        fields.serialize_field("sensor", &self.sensor)?;
        fields.serialize_field("kind", &self.kind)?;
        fields.serialize_field("start", &self.start)?;
        fields.serialize_field("raised", &self.raised)?;
        fields.serialize_field("end", &self.end)?;
        fields.serialize_field("is_open", &self.is_open)?;
        fields.serialize_field("severity", &self.severity)?;
        fields.serialize_field("energy_kwh", &self.energy_kwh)?;
        fields.serialize_field("reason", &self.say(Language::En, None))?;
        fields.end()
    }
}
