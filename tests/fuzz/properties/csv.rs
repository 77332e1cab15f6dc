//! `POST /v1/readings/csv`.

use lotwise::ingest::http::csv::Parameters;
use lotwise::ingest::payload::csv::{Dialect, File, Place};
use lotwise::ingest::payload::{Candidate, Reason};

use super::{rows_are_sound, rows_survive_as_json};

/// What the first byte chooses; any other byte takes the first line of the data as parameters.
const PARAMETERS: [&str; 6] = [
    r#"{"layout":"wide","time_zone":"UTC"}"#,
    r#"{"layout":"long","time_zone":"Europe/Madrid","ambiguous":"order","plant_column":"plant"}"#,
    r#"{"layout":"wide","delimiter":";","decimal":",","thousands":".","time_format":"dmy","time_zone":"Europe/Madrid","midnight":"next-day","encoding":"latin-1","prefix":"p-"}"#,
    r#"{"layout":"long","delimiter":"tab","thousands":"'","time_format":"unix-ms","skip_empty":true,"interval_start_s":900}"#,
    r##"{"layout":"wide","columns":"{\"#2\":\"a\",\"T\":\"b\"}","time_column":"#1","time_format":"mdy","time_zone":"America/New_York","ambiguous":"later"}"##,
    r#"{"layout":"long","time_format":"%Y%m%d%H%M%S%.f%z","interval_start_s":31622400}"#,
];

/// However the file is cut into blocks, the same readings and errors come out.
pub fn hold(data: &[u8]) {
    let Some((parameters, body)) = split(data) else { return };
    let Ok(parameters) = serde_json::from_slice::<Parameters>(parameters) else { return };
    let dialect = match parameters.dialect() {
        Ok(dialect) => dialect,
        Err(says) => return assert!(!says.is_empty()),
    };
    let (whole, again) = (read(body, &dialect, usize::MAX), read(body, &dialect, 1));
    assert_eq!(whole, again);
    assert_eq!(whole, read(body, &dialect, 3));
}

fn split(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let (choice, rest) = data.split_first()?;
    match PARAMETERS.get(usize::from(*choice)) {
        Some(parameters) => Some((parameters.as_bytes(), rest)),
        None => {
            let end = rest.iter().position(|byte| *byte == b'\n')?;
            Some((&rest[..end], &rest[end + 1..]))
        }
    }
}

type Cell = (Place, Result<(Option<String>, String, i64, u64), Reason>);

/// All readings and errors with their places.
fn read(body: &[u8], dialect: &Dialect, most: usize) -> Option<Vec<Cell>> {
    let mut file = match File::open(body, dialect) {
        Ok(file) => file,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return None;
        }
    };
    let lines = body.split(|byte| *byte == b'\n').count();
    let mut all = Vec::new();
    while let Some(block) = file.next_block(most) {
        rows_are_sound(&block.parsed, 0..block.places.len());
        rows_survive_as_json(&block.parsed);
        assert_eq!(block.parsed.rows.len() + block.parsed.errors.len(), block.places.len());
        let mut cells: Vec<Option<Cell>> = vec![None; block.places.len()];
        for row in &block.parsed.rows {
            let cell = (block.places[row.position], Ok(plain(row)));
            assert!(cells[row.position].replace(cell).is_none(), "one position twice");
        }
        for error in &block.parsed.errors {
            let cell = (block.places[error.position], Err(error.reason.clone()));
            assert!(cells[error.position].replace(cell).is_none(), "one position twice");
        }
        for place in &block.places {
            assert!((2..=lines).contains(&place.line), "{place:?} of {lines} lines");
            assert!(place.column != Some(0));
        }
        all.extend(cells.into_iter().flatten());
    }
    Some(all)
}

fn plain(row: &Candidate<'_>) -> (Option<String>, String, i64, u64) {
    let plant = row.plant.as_deref().map(str::to_owned);
    (plant, row.sensor.to_string(), row.time.micros(), row.value.get().to_bits())
}
