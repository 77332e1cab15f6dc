//! What the detectors are given: a machine's sensors, runs and states.

/// What a sensor measures, as far as the detectors care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// Power: a ratio scale, on which deviations are relative.
    Power,
    /// Energy.
    Energy,
    /// Temperature: deviations are differences.
    Temperature,
    /// Units made.
    Count,
    /// Anything else: deviations are differences.
    Other,
}

impl Quantity {
    /// What a word means; `Other` where it is none of these.
    pub fn of(word: &str) -> Self {
        match word {
            "power" => Self::Power,
            "energy" => Self::Energy,
            "temperature" => Self::Temperature,
            "count" => Self::Count,
            _ => Self::Other,
        }
    }
}

/// How a sensor's readings are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The level at an instant.
    Gauge,
    /// A register that grows; a fall is a restart from 0.
    Counter,
    /// The amount of the interval that ends at the time.
    Delta,
}

/// A sensor with its readings.
#[derive(Clone, Debug, PartialEq)]
pub struct Sensor {
    /// Key, unique on its machine.
    pub key: String,
    /// What is measured.
    pub quantity: Quantity,
    /// Unit, for words.
    pub unit: String,
    /// How to read it.
    pub kind: Kind,
    /// kW or kWh per unit of the readings; of another unit, `NaN`.
    pub to_kilo: f64,
    /// Seconds since 1970, strictly increasing.
    pub times: Vec<i64>,
    /// Values, as many.
    pub values: Vec<f64>,
}

/// A run: what is being made.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Key.
    pub key: String,
    /// Reference, as the paperwork says.
    pub reference: String,
    /// Second of the start and of the end; `i64::MAX` while it lasts.
    pub start: i64,
    /// See `start`.
    pub end: i64,
    /// Good units, where known.
    pub good_units: Option<f64>,
    /// Scrap units, where known.
    pub scrap_units: Option<f64>,
}

/// A stretch of one state.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    /// State; `running` is the one in which units are made.
    pub state: String,
    /// Second of the start and of the end; `i64::MAX` while it lasts.
    pub start: i64,
    /// See `start`.
    pub end: i64,
}

/// A machine's history.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Machine {
    /// Key.
    pub key: String,
    /// Sensors.
    pub sensors: Vec<Sensor>,
    /// Runs, by start, without overlap.
    pub runs: Vec<Run>,
    /// States, by start, without overlap. Empty where they are not reported.
    pub states: Vec<Span>,
    /// Seconds from and to which it is known to have been normal: where neither runs nor states are
    /// known, this stretch alone teaches what is usual.
    pub normal: Option<(i64, i64)>,
}
