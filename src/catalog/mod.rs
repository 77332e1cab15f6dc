//! The places a data source may show: plants, lines, machines, sensors and shifts, already cut to
//! its scope.
//!
//! Whatever is not in the catalog does not exist for later stages, so the scope cannot be forgotten
//! by a query type. Knows neither the query model nor Grafana.

mod load;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::Deserialize;

use crate::domain::{Calendar, SensorKind};
pub use load::load;

/// A plant with its clock.
#[derive(Debug, Clone)]
pub struct Plant {
    /// Row id.
    pub id: i32,
    /// Key.
    pub key: String,
    /// Name shown to people.
    pub name: String,
    /// Clock and shifts.
    pub calendar: Calendar,
}

/// A line or a machine.
#[derive(Debug, Clone, Deserialize)]
pub struct Spot {
    /// Row id.
    pub id: i32,
    /// Row id of the plant.
    pub plant: i32,
    /// Row id of the line; of a line, its own.
    pub line: i32,
    /// Key.
    pub key: String,
    /// Name shown to people.
    pub name: String,
}

/// A measuring point.
#[derive(Debug, Clone, Deserialize)]
pub struct Sensor {
    /// Row id.
    pub id: i32,
    /// Row id of the plant.
    pub plant: i32,
    /// Row id of the line; of a machine's sensor too.
    pub line: Option<i32>,
    /// Row id of the machine.
    pub machine: Option<i32>,
    /// Key.
    pub key: String,
    /// Name shown to people.
    pub name: String,
    /// Quantity, such as `temperature`.
    pub quantity: String,
    /// Unit, such as `°C`.
    pub unit: String,
    /// What its values mean.
    #[serde(deserialize_with = "load::kind")]
    pub kind: SensorKind,
    /// Nominal seconds between readings; of a delta, what a value covers.
    #[serde(deserialize_with = "load::number")]
    pub interval_s: f64,
    /// A gap longer than this many seconds is not covered.
    #[serde(deserialize_with = "load::number")]
    pub max_gap_s: f64,
    /// Value at which a counter starts again from 0.
    #[serde(deserialize_with = "load::number_if_any")]
    pub rollover: Option<f64>,
    /// Row id of the meter that this one is a part of.
    pub parent: Option<i32>,
}

/// A reference or an operator.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Named {
    /// Row id of the plant.
    pub plant: i32,
    /// Key.
    pub key: String,
    /// Name shown to people.
    pub name: String,
}

/// All places of one data source.
#[derive(Debug, Clone, Default)]
pub struct Catalog {
    /// Plants by key order.
    pub plants: Vec<Plant>,
    /// Lines by key order.
    pub lines: Vec<Spot>,
    /// Machines by key order.
    pub machines: Vec<Spot>,
    /// Sensors by key order.
    pub sensors: Vec<Sensor>,
    /// True when the scope names lines, so that there may be others which must not show.
    pub lines_only: bool,
    /// From when readings are kept, at a full hour; before it there are sums of hours and runs. `None`:
    /// all are kept.
    pub raw_from: Option<DateTime<Utc>>,
    /// Keys of some hundred of the newest lots, whatever the scope: what keys look like.
    pub newest_lots: Vec<String>,
    /// References of the plants by key order; `None`: they are too many to be kept.
    pub references: Option<Vec<Named>>,
    /// Operators of the plants by key order; `None`: they are too many to be kept.
    pub operators: Option<Vec<Named>>,
}

impl Catalog {
    /// The plant of a row id.
    pub fn plant(&self, id: i32) -> Option<&Plant> {
        self.plants.iter().find(|p| p.id == id)
    }

    /// The line of a row id.
    pub fn line(&self, id: i32) -> Option<&Spot> {
        self.lines.iter().find(|l| l.id == id)
    }

    /// The machine of a row id.
    pub fn machine(&self, id: i32) -> Option<&Spot> {
        self.machines.iter().find(|m| m.id == id)
    }
}

impl Plant {
    /// The plant's time zone.
    pub fn zone(&self) -> Tz {
        self.calendar.zone
    }
}
