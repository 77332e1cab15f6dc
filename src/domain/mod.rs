//! What everything else speaks of: keys, ids and the kind of database.
//!
//! Shared by ingest and plugin. Knows neither SQL, HTTP nor Grafana.

pub mod database_kind;
pub mod key;
