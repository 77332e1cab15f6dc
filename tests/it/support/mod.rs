//! What the integration tests share.

pub mod cluster;
pub mod command;
pub mod db;
pub mod fixture;
pub mod frame;
pub mod host;
pub mod ingest;
pub mod panel;
pub mod service;
pub mod source;
pub mod sums;
pub mod tsl;
