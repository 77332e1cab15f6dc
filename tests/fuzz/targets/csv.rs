//! Fuzzes the parser of this name.
#![no_main]

#[path = "../properties/mod.rs"]
#[allow(dead_code, reason = "each target uses its own part")]
mod properties;

libfuzzer_sys::fuzz_target!(|data: &[u8]| properties::csv::hold(data));
