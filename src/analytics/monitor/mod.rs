//! Walks through a machine's history and raises events as they would have been raised then: models
//! are refitted once a day to what lies before, and a cell is judged by cells up to itself.
//!
//! Does not see: what was abnormal during the whole history, references in their first two runs
//! (only their jumps, roughness and repetitions are watched), and anything before
//! `Settings::least_history_days`.

mod channel;
mod describe;
mod joint;
mod model;
mod spread;
mod walk;

#[cfg(test)]
mod tests;

pub use walk::{Outcome, Progress, begin, go_on, monitor, monitor_while, settled_until};
