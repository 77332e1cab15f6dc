//! Nothing acknowledged is ever lost: faults of every kind while clients send what they know.

mod broken_body;
mod corpus;
mod permutations;
pub mod soak;
mod telegraf;
