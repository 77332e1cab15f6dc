//! `POST /v1/readings`.

use lotwise::ingest::payload::json::parse;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{rows_are_sound, rows_survive_as_json};

#[derive(Deserialize)]
struct Rows<'a> {
    #[serde(borrow)]
    readings: Vec<&'a RawValue>,
}

/// Each row is accepted or refused, once, under its index.
pub fn hold(body: &[u8]) {
    let Ok(parsed) = parse(body) else { return };
    let rows: Rows = serde_json::from_slice(body).expect("a batch was accepted, so it is JSON");
    rows_are_sound(&parsed, 0..rows.readings.len());
    let mut positions: Vec<usize> = parsed.rows.iter().map(|row| row.position).collect();
    positions.extend(parsed.errors.iter().map(|error| error.position));
    positions.sort_unstable();
    assert_eq!(positions, (0..rows.readings.len()).collect::<Vec<_>>());
    rows_survive_as_json(&parsed);
}
