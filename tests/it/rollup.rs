//! Rollups: whatever order readings come in, they end in the same rows, which are what the readings
//! give.

mod command;
pub mod factory;
mod random;
mod service;
