//! Kinds of sensors and what their values mean.

use std::fmt;
use std::str::FromStr;

/// Intervals without a reading after which a sensor is silent, unless its longest gap is longer.
pub const SILENT_INTERVALS: f64 = 3.0;

/// Seconds without a reading after which a sensor is silent.
pub fn silent_after_s(interval_s: f64, max_gap_s: f64) -> f64 {
    (SILENT_INTERVALS * interval_s).max(max_gap_s)
}

/// How a sensor's values relate to time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SensorKind {
    /// A level at an instant, such as a temperature or a power.
    Gauge,
    /// A cumulative count that resets or rolls over, such as an energy meter's register.
    Counter,
    /// An amount per interval that ends at the timestamp, as utility meters deliver it.
    Delta,
}

impl SensorKind {
    /// Seconds from a reading within which a neighbour still matters; `None`: however far it is.
    pub fn reach_s(self, max_gap_s: f64, interval_s: f64) -> Option<f64> {
        match self {
            Self::Gauge => Some(max_gap_s),
            Self::Delta => Some(interval_s),
            Self::Counter => None,
        }
    }

    /// The text stored in `sensor.kind`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gauge => "gauge",
            Self::Counter => "counter",
            Self::Delta => "delta",
        }
    }
}

impl fmt::Display for SensorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is none of `gauge`, `counter`, `delta`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown sensor kind {0:?}: use gauge, counter or delta")]
pub struct UnknownKind(pub String);

impl FromStr for SensorKind {
    type Err = UnknownKind;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        match s {
            "gauge" => Ok(Self::Gauge),
            "counter" => Ok(Self::Counter),
            "delta" => Ok(Self::Delta),
            other => Err(UnknownKind(other.to_owned())),
        }
    }
}
