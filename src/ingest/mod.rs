//! The ingest service: readings and production context come in over HTTP and are in the database
//! when the answer is a 2xx.
//!
//! A posted batch passes, in this order: [`http`] (key, body limit, gzip), [`payload`] (text to
//! candidate rows, with the sensors that [`mapping`] says), and [`intake`], which takes it through
//! [`validate`] with the [`directory`] of sensors (candidates to readings that cannot fail any more),
//! [`batch`] (sorted, one value per sensor and instant) and [`writer`] (a queue, COPY or upsert, one
//! commit for many batches) on the way that [`direct`] puts together, or to the [`spool`] on disk
//! while the database is away. Context items pass [`http`] and [`context`]. Knows nothing of Grafana.

pub mod service;

pub mod http;

pub mod auth;
pub mod keys;
pub mod rate;

pub mod payload;
pub mod quarantine;
pub mod reading;
pub mod registration;
pub mod sensors;
pub mod validate;

pub mod batch;
pub mod context;
pub mod copy_pool;
pub mod database;
pub mod direct;
pub mod directory;
pub mod freshness;
pub mod intake;
pub mod mapping;
pub mod spool;
pub mod telemetry;
pub mod tls;
pub mod writer;
