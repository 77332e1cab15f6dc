//! `lotwise simulate`: a factory with ground truth, for developing and judging detectors.
//!
//! [`factory`] is pure: the same options give the same history, byte for byte. Nothing here knows
//! how a detector works; docs/analytics.md has the columns of the files.

mod calendar;
mod catalogue;
mod cli;
mod defects;
mod factory;
mod faults;
mod files;
mod items;
mod physics;
mod random;
mod schedule;
mod truth;

#[cfg(test)]
mod tests;

pub use cli::{Args, run};
pub use factory::{Drift, Factory, Options, factory};
pub use faults::Rarity;
pub use files::write;
pub use random::Stream;
pub use truth::{Consumption, Day};
