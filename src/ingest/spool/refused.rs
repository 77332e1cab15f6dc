//! `refused.jsonl`: rows from the spool that the database does not take at all, for people.
//!
//! They were acknowledged when the database could not be asked, so they must not get lost. A line
//! has the fields of a reading as `POST /v1/readings` takes it, and why it was refused.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Serialize;

use super::folder::private;
use super::record::{Origin, Row};
use crate::ingest::database::DriverError;
use crate::ingest::payload::Reason;

/// A line.
#[derive(Debug, Serialize)]
pub struct Refused<'a> {
    plant: &'a str,
    sensor: &'a str,
    time: String,
    value: f64,
    code: &'static str,
    message: String,
    key: &'a str,
    protocol: &'a str,
    received_at: String,
}

impl<'a> Refused<'a> {
    /// A row, where it is from, and why it is refused.
    pub fn new(row: &Row<'a>, origin: &'a Origin, reason: &Reason) -> Self {
        Self::with(row, origin, reason.code(), reason.to_string())
    }

    /// A row that is sound as far as this program can tell, and what the database says about it.
    pub fn by_database(row: &Row<'a>, origin: &'a Origin, error: &DriverError) -> Self {
        Self::with(row, origin, "refused_by_database", error.to_string())
    }

    fn with(row: &Row<'a>, origin: &'a Origin, code: &'static str, message: String) -> Self {
        Self {
            plant: row.plant,
            sensor: row.sensor,
            time: text(row.time.to_utc()),
            value: row.value.get(),
            code,
            message,
            key: &origin.sender.key,
            protocol: &origin.protocol,
            received_at: text(origin.received.to_utc()),
        }
    }
}

fn text(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true)
}

/// Lines for the file.
///
/// # Errors
/// Never in practice: all values can be JSON.
pub fn lines(rows: &[Refused<'_>]) -> io::Result<Vec<u8>> {
    let mut lines = Vec::new();
    for row in rows {
        serde_json::to_writer(&mut lines, row)?;
        lines.push(b'\n');
    }
    Ok(lines)
}

/// Appends lines to the file; when it returns they are on stable storage.
///
/// # Errors
/// The file system's; what was written is cut off again.
pub fn append(path: &Path, lines: &[u8]) -> io::Result<()> {
    let is_new = !path.exists();
    let mut file = private().read(true).append(true).create(true).open(path)?;
    let length = file.metadata()?.len();
    let mut all = Vec::new();
    if length > 0 {
        // A line that a killed process did not finish is ended.
        let mut last = [0];
        file.read_exact_at(&mut last, length - 1)?;
        all.extend((last != *b"\n").then_some(b'\n'));
    }
    all.extend_from_slice(lines);
    let written = file.write_all(&all).and_then(|()| file.sync_all());
    if let Err(error) = written {
        let _ = file.set_len(length);
        return Err(error);
    }
    match path.parent() {
        Some(folder) if is_new => File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::{Refused, append, lines};
    use crate::ingest::keys::rules::Window;
    use crate::ingest::payload::Reason;
    use crate::ingest::reading::{Finite, Instant};
    use crate::ingest::spool::record::{Origin, Row, Sender};

    #[test]
    fn each_row_is_a_line_with_its_reason() {
        let time = |us| Instant::from_epoch(us, 1_000_000).expect("an instant");
        let (protocol, key) = ("json".to_owned(), "gateway".to_owned());
        let window = Window::UNLIMITED;
        let (future_window, past_window) = (window, window);
        let sender = Sender { key, key_id: 1, future_window, past_window, registration: None };
        let origin = Origin { received: time(2_000_000), protocol, sender };
        let value = Finite::new(0.5).expect("finite");
        let row = Row { plant: "nix", sensor: "T\"1", time: time(1_500_000), value };
        let reason = Reason::UnknownPlant("nix".to_owned());
        let lines = lines(&[Refused::new(&row, &origin, &reason)]).expect("lines");
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("refused.jsonl");
        append(&path, &lines).expect("first");
        std::fs::write(&path, [&lines[..], b"{\"pla"].concat()).expect("a torn line");
        append(&path, &lines).expect("second");
        let text = std::fs::read_to_string(&path).expect("read");
        let line = concat!(
            r#"{"plant":"nix","sensor":"T\"1","time":"1970-01-01T00:00:01.500Z","value":0.5,"#,
            r#""code":"unknown_plant","message":"unknown plant \"nix\": create it first with POST /v1/plants","#,
            r#""key":"gateway","protocol":"json","received_at":"1970-01-01T00:00:02Z"}"#
        );
        assert_eq!(text, format!("{line}\n{{\"pla\n{line}\n"));
        let mode = std::fs::metadata(&path).expect("file").permissions().mode() & 0o777;
        assert_eq!(mode & 0o077, 0, "{mode:o}");
    }
}
