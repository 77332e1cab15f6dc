//! `lotwise evaluate`: the detectors against labelled data, with the shipped thresholds.
//!
//! Reads the files that `lotwise simulate` writes, or any others in that form (docs/analytics.md),
//! walks through them as time would, and counts what was found, missed and raised for nothing.

mod all;
mod charts;
mod cli;
mod dataset;
mod energy;
mod energy_picture;
mod formats;
mod modes;
mod nab;
mod picture;
mod report;
mod runs;
mod samples;
mod score;
mod truth;
mod vus;

#[cfg(test)]
mod tests;

pub use all::{Line, measure};
pub use cli::{Args, run};
pub use dataset::{Dataset, Label};
pub use energy::EnergyReport;
pub use energy_picture::energy_picture;
pub use formats::{Format, read};
pub use nab::Nab;
pub use picture::picture;
pub use report::{Report, evaluate, judge_all, report};
pub use samples::{Rates, Samples};
