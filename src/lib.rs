//! Lotwise: energy and process figures per lot, reference and machine.
//!
//! The library behind two binaries: `gpx_lotwise`, the Grafana backend datasource plugin, and
//! `lotwise`, the command line with the ingest service. ARCHITECTURE.md has the map.

pub mod catalog;
pub mod db;
pub mod domain;
pub mod ingest;
pub mod model;
pub mod schema;
