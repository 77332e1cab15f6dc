//! The simulated factory: pure, no clock, no I/O.
//!
//! Everything is a function of the seed and of absolute time. The unit of work is a plant's local
//! week: `plan` decides what each line does, `physics` turns that into power, temperature and
//! output per minute, to which `faults` adds what goes wrong, `meters` integrates the counters. So any instant can be asked for, in any
//! order, and a stopped demo goes on where its data ends.

mod calendar;
mod faults;
pub mod layout;
mod meters;
mod noise;
mod physics;
mod plan;
mod sensors;
mod signature;
mod simulation;

#[cfg(test)]
mod tests;

pub use faults::FaultKind;
pub use plan::State;
pub use sensors::Sensor;
pub use signature::Signature;
pub use simulation::{FaultRecord, Reading, RunRecord, Simulation, StateRecord};
