//! `POST /api/v2/write`.

use lotwise::ingest::payload::line_protocol::{Precision, parse};
use lotwise::ingest::payload::{Candidate, Parsed, RowError};
use lotwise::ingest::reading::Instant;

use super::{rows_are_sound, rows_survive_as_json};

/// The first byte chooses the precision, the rest is the body.
pub fn hold(data: &[u8]) {
    let Some((choice, body)) = data.split_first() else { return };
    let precision = [
        Precision::Nanoseconds,
        Precision::Microseconds,
        Precision::Milliseconds,
        Precision::Seconds,
    ][usize::from(*choice) % 4];
    let now = Instant::from_epoch(1_700_000_000, 1).expect("a time");
    let parsed = parse(body, precision, now);
    let lines: Vec<&[u8]> = body.split(|byte| *byte == b'\n').collect();
    rows_are_sound(&parsed, 1..lines.len() + 1);
    rows_survive_as_json(&parsed);
    if !body.contains(&b'"') {
        each_line_stands_alone(&lines, &parsed, |line| parse(line, precision, now));
    }
}

/// Without quoted texts, which may hold line breaks, a body is the sum of its lines; and a line that
/// is neither blank nor a comment gives a row or an error.
fn each_line_stands_alone<'a>(
    lines: &[&'a [u8]],
    whole: &Parsed<'a>,
    parse: impl Fn(&'a [u8]) -> Parsed<'a>,
) {
    let mut rows: Vec<Candidate<'a>> = Vec::new();
    let mut errors: Vec<RowError> = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let mut alone = parse(line);
        let silent = alone.rows.is_empty() && alone.errors.is_empty();
        let text = line.trim_ascii();
        assert!(!silent || text.is_empty() || text[0] == b'#', "line {} vanished", index + 1);
        alone.rows.iter_mut().for_each(|row| row.position = index + 1);
        alone.errors.iter_mut().for_each(|error| error.position = index + 1);
        rows.append(&mut alone.rows);
        errors.append(&mut alone.errors);
    }
    assert_eq!((&rows, &errors), (&whole.rows, &whole.errors));
}
