//! What people and devices write into files: times and numbers in their many forms. Pure; knows
//! neither CSV nor where the values go.

pub mod number;
pub mod time;
