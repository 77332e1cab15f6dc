//! What the integration tests share.

pub mod db;
pub mod ingest;
pub mod source;
