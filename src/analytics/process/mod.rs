//! Machines of which nothing is known but their sensors: no runs, no states.
//!
//! What is usual comes from the sensors alone (`season`). One sensor is watched by charts that are
//! held to how far they have strayed before (`single`); several are watched together by a multivariate
//! EWMA ([`super::mewma`]), and the sensors that contribute most are the reason. Nothing has to be set:
//! the number of sensors, their interval and the length of the past decide. Where a stretch is known to
//! be normal (`Machine::normal`), it alone teaches.
//!
//! Does not see: what depends on what is being made. Give runs and states, and
//! [`super::monitor`] judges instead.

mod describe;
mod season;
mod several;
mod single;
mod tail;
mod walk;

#[cfg(test)]
mod tests;

pub use walk::watch_while;
