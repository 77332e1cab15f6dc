//! Integration tests, on a real TimescaleDB and on plain PostgreSQL.
//!
//! They fail, and do not skip, without the two servers: `scripts/test` starts them.

mod abnormal_runs;
mod anomalies;
mod answers;
mod baseline;
mod columnstore;
mod conformance;
mod conservation;
mod dashboards;
mod demand;
mod demo;
mod doctor;
mod errors;
mod gateways;
mod golden;
mod ingest;
mod injection;
mod options;
mod oracle;
mod plans;
mod raw;
mod reader;
mod replay;
mod retention;
mod rollup;
mod saved;
mod schema;
mod spc;
#[allow(dead_code, reason = "the modules that use the rest follow")]
mod support;
mod trust;
