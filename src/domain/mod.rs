//! What the whole product agrees on: time ranges, plant-time buckets, sensor kinds.
//!
//! Knows neither SQL nor Grafana nor HTTP, and does no I/O.

pub mod bucket;
pub mod sensor;
pub mod time;

pub use bucket::{Bucket, Calendar, ShiftStart};
pub use sensor::SensorKind;
pub use time::TimeRange;
