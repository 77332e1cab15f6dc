//! What must be true of the parsers for every input. The fuzzing programs and the test that replays
//! the kept corpus (tests/it/trust/corpus.rs) share it.

pub mod context;
pub mod csv;
pub mod json;
pub mod line_protocol;
pub mod query;

use chrono::SecondsFormat;
use lotwise::ingest::payload::{Candidate, Parsed, json as json_parser};

/// 2100-01-01T00:00:00Z in microseconds since 1970.
const END_US: i64 = 4_102_444_800_000_000;

/// Times and values are such as can be stored, and positions are inside `positions`.
fn rows_are_sound(parsed: &Parsed<'_>, positions: std::ops::Range<usize>) {
    for row in &parsed.rows {
        assert!((0..END_US).contains(&row.time.micros()), "time of {row:?}");
        assert!(row.value.get().is_finite(), "value of {row:?}");
        assert!(positions.contains(&row.position), "{} of {positions:?}", row.position);
    }
    for error in &parsed.errors {
        assert!(positions.contains(&error.position), "{} of {positions:?}", error.position);
        assert!(!error.reason.to_string().is_empty() && !error.reason.code().is_empty());
    }
}

/// The accepted rows, written as a JSON batch, are read back as they are: every protocol takes the
/// same plants, sensors, times and values, bit by bit.
fn rows_survive_as_json(parsed: &Parsed<'_>) {
    let items: Vec<_> = parsed.rows.iter().map(as_json).collect();
    let body = serde_json::json!({"plant": parsed.plant, "readings": items}).to_string();
    let again = json_parser::parse(body.as_bytes()).expect("our own batch can be read");
    assert_eq!(again.errors, [], "from {body}");
    assert_eq!(again.plant, parsed.plant);
    assert_eq!(again.rows.len(), parsed.rows.len());
    for (again, row) in again.rows.iter().zip(&parsed.rows) {
        assert_eq!((&again.plant, &again.sensor), (&row.plant, &row.sensor));
        assert_eq!(again.time, row.time);
        assert_eq!(again.value.get().to_bits(), row.value.get().to_bits(), "{row:?}");
    }
}

fn as_json(row: &Candidate<'_>) -> serde_json::Value {
    let time = row.time.to_utc().to_rfc3339_opts(SecondsFormat::Micros, true);
    let mut item =
        serde_json::json!({"sensor": row.sensor, "time": time, "value": row.value.get()});
    if let Some(plant) = &row.plant {
        item["plant"] = plant.as_ref().into();
    }
    item
}
