//! What the whole product agrees on: keys, time ranges, plant-time buckets, sensor kinds, states
//! of machines, tariffs, kinds of database, languages.
//!
//! Knows neither SQL nor Grafana nor HTTP, and does no I/O.

pub mod bucket;
pub mod database_kind;
pub mod key;
pub mod language;
pub mod sensor;
pub mod span;
pub mod state;
pub mod tariff;
pub mod time;

pub use bucket::{Bucket, Calendar, ShiftStart};
pub use database_kind::DatabaseKind;
pub use key::Key;
pub use language::{Language, Say, Words};
pub use sensor::SensorKind;
pub use state::MachineState;
pub use time::TimeRange;
