//! Lotwise: energy and process figures per lot, reference and machine.
//!
//! The library behind two binaries: `gpx_lotwise`, the Grafana backend datasource plugin, and
//! `lotwise`, the command line with the ingest service. ARCHITECTURE.md has the map.

pub mod analytics;
pub mod answer;
pub mod catalog;
pub mod client;
pub mod columnstore;
pub mod db;
pub mod demo;
pub mod doctor;
pub mod domain;
pub mod evaluate;
pub mod figures;
pub mod frame;
pub mod grafana;
pub mod ingest;
pub mod model;
pub mod plan;
pub mod reader;
pub mod replay;
pub mod retention;
pub mod rollup;
pub mod schema;
pub mod simulate;
pub mod sql;
pub mod tls;
pub mod written;
