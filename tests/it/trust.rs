//! Nothing acknowledged is ever lost: faults of every kind while clients send what they know.

mod soak;
