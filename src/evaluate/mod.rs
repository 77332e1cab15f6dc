//! `lotwise evaluate`: the detectors against labelled data, with the shipped thresholds.
//!
//! Reads the files that `lotwise simulate` writes, or any others in that form (docs/analytics.md),
//! walks through them as time would, and counts what was found, missed and raised for nothing.

mod cli;
mod dataset;
mod energy;
mod report;
mod score;
mod vus;

#[cfg(test)]
mod tests;

pub use cli::{Args, run};
pub use dataset::{Dataset, Label, read};
pub use energy::EnergyReport;
pub use report::{Report, evaluate};
