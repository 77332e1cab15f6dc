//! The energy baseline: what production should have used, and how far the meter is from it.
//!
//! `E = base × hours + Σ k_ref × units_ref + Σ p_state × hours_state + Σ c_driver × (driver - mean) ×
//! hours`, the standard form of an energy performance indicator (ISO 50006), fitted robustly
//! ([`fit()`]) to intervals ([`observe()`]) of a baseline period. [`quality()`] says how good it is,
//! [`cusum`] when deviations add up to a drift, [`uses()`] what the energy was used for.

pub mod cusum;
mod fit;
mod linear;
mod model;
mod observe;
mod quality;
mod uses;

pub use fit::fit;
pub use model::{Coefficient, Driver, Expected, Measure, Model, Reference, Refusal};
pub use observe::{Interval, Machine, Made, Observations, UNNAMED, observe};
pub use quality::{Quality, quality};
pub use uses::{Part, Use, uses};

#[cfg(test)]
mod tests;
