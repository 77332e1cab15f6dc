//! `lotwise replay-runs`: posts a CSV file of production: what was made on which line, when, how much.

use std::collections::BTreeSet;

use anyhow::{Context, bail};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Map, Value};

use super::source::Source;
use super::table::{Record, Rejected, Table};
use super::told;
use crate::client::{Client, progress::Progress};
use crate::written::number::NumberFormat;
use crate::written::time::{Clock, Midnight};

/// Runs in a request.
const BATCH: usize = 500;

/// What a column can hold: fields of a run, in the words of the ingest API.
const FIELDS: [&str; 10] = [
    "key",
    "line",
    "machine",
    "lot",
    "reference",
    "operator",
    "started_at",
    "ended_at",
    "good_units",
    "scrap_units",
];

/// The fields that a row cannot be without.
const NEEDED: [&str; 3] = ["lot", "started_at", "line"];

/// Post a CSV file of runs: lots with their reference, line, start, end and units.
///
/// Columns are found by the names key, line, machine, lot, reference, operator, started_at, ended_at,
/// good_units and scrap_units; --column says where one has another name. Only lot and started_at are
/// needed, and line, unless --line names it. A lot that is new needs its reference. Without a key, line
/// and start are the key, so that the same file can be posted again.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The file and where it goes; the key needs the scope context.
    #[command(flatten)]
    pub source: Source,
    /// Where a field has another name in the file, such as lot=Lote or started_at=#3; repeatable.
    #[arg(long = "column", value_name = "FIELD=COLUMN", value_parser = parse_column)]
    pub columns: Vec<(String, String)>,
    /// The line of all rows, where the file has no column for it.
    #[arg(long)]
    pub line: Option<String>,
    /// Register the plant and its lines where they are missing. Lots, references and operators always are.
    #[arg(long)]
    pub create: bool,
}

/// A row that can be posted: a run as the API takes it.
#[derive(Clone, Debug, PartialEq)]
struct Row {
    line: u64,
    run: Map<String, Value>,
}

/// Runs the command; an error when any row was rejected.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let source = &args.source;
    let (rows, rejected) = read(&source.read()?, &args).with_context(|| source.unreadable())?;
    let client = source.client().await?;
    if args.create {
        source.create_plant(&client).await?;
        let lines: BTreeSet<&str> =
            rows.iter().filter_map(|row| row.run["line"].as_str()).collect();
        source.create_lines(&client, &Vec::from_iter(lines)).await?;
    }
    let refused = post(&client, &rows).await?;
    let total = rows.len() + rejected.len();
    println!(
        "{total} runs, {} stored, {} rejected",
        rows.len() - refused.len(),
        total - rows.len() + refused.len()
    );
    source.report([rejected, refused].concat(), total)
}

/// Where the fields are in the file, and how they are written.
struct Reader<'a> {
    positions: Vec<(&'static str, usize)>,
    clock: Clock,
    numbers: NumberFormat,
    args: &'a Args,
    /// Start of the row before, by which times that occur twice are told apart.
    previous: Option<DateTime<Utc>>,
}

fn read(file: &[u8], args: &Args) -> anyhow::Result<(Vec<Row>, Vec<Rejected>)> {
    let mut table = Table::open(file, args.source.delimiter)?;
    let mut reader = Reader {
        positions: positions(&table, args)?,
        clock: args.source.clock(Midnight::SameDay, TimeDelta::zero()),
        numbers: args.source.numbers()?,
        args,
        previous: None,
    };
    let (mut rows, mut rejected) = (Vec::new(), Vec::new());
    while let Some(record) = table.read()? {
        match reader.run(record) {
            Ok(run) => rows.push(Row { line: record.line, run }),
            Err(reason) => rejected.push(Rejected { line: record.line, reason }),
        }
    }
    Ok((rows, rejected))
}

/// Fields that the file has, with their columns.
fn positions(table: &Table<'_>, args: &Args) -> anyhow::Result<Vec<(&'static str, usize)>> {
    let mut found = Vec::new();
    for field in FIELDS {
        let named = args.columns.iter().find(|(known, _)| known == field);
        match named {
            Some((_, column)) => found.push((field, table.position(column)?)),
            None => found.extend(table.position(field).ok().map(|at| (field, at))),
        }
    }
    for needed in NEEDED {
        let is_given = needed == "line" && args.line.is_some();
        if !is_given && !found.iter().any(|(field, _)| *field == needed) {
            let or = if needed == "line" { ", or --line KEY" } else { "" };
            bail!(
                "there is no column '{needed}'; say which it is with --column {needed}=NAME{or}; the file has: {}",
                table.names().join(", ")
            );
        }
    }
    Ok(found)
}

impl Reader<'_> {
    /// The run of a row. Empty cells are left out: they say nothing.
    fn run(&mut self, record: Record<'_>) -> Result<Map<String, Value>, String> {
        let mut run = Map::new();
        let mut start = None;
        for &(field, at) in &self.positions {
            let text = record.field(at, field)?;
            if text.is_empty() {
                continue;
            }
            let value = match field {
                "started_at" => {
                    let time = instant(&self.clock, field, &text, &mut self.previous)?;
                    start = Some(time);
                    written(time)
                }
                // The end is the first such time after the start.
                "ended_at" => written(instant(&self.clock, field, &text, &mut start.clone())?),
                "good_units" | "scrap_units" => {
                    let number = self.numbers.parse(&text);
                    number.map_err(|error| format!("{field} {error}"))?.into()
                }
                _ => text.into(),
            };
            run.insert(field.to_owned(), value);
        }
        self.complete(run)
    }

    /// With plant, line and key, which the file may leave out.
    fn complete(&self, mut run: Map<String, Value>) -> Result<Map<String, Value>, String> {
        run.insert("plant".to_owned(), self.args.source.plant.as_str().into());
        if let (Some(line), false) = (&self.args.line, run.contains_key("line")) {
            run.insert("line".to_owned(), line.as_str().into());
        }
        for needed in NEEDED {
            if !run.contains_key(needed) {
                return Err(format!("has no {needed}"));
            }
        }
        if !run.contains_key("key") {
            let part = |field: &str| run.get(field).and_then(Value::as_str);
            let parts = ["line", "machine", "started_at"].map(part);
            let key = parts.into_iter().flatten().collect::<Vec<_>>().join(" ");
            run.insert("key".to_owned(), key.into());
        }
        Ok(run)
    }
}

fn instant(
    clock: &Clock,
    field: &str,
    text: &str,
    previous: &mut Option<DateTime<Utc>>,
) -> Result<DateTime<Utc>, String> {
    clock.read(text, previous).map_err(|error| format!("{field} '{text}' {error}"))
}

fn written(time: DateTime<Utc>) -> Value {
    time.to_rfc3339_opts(SecondsFormat::AutoSi, true).into()
}

/// Posts rows; those that the API refused.
async fn post(client: &Client, rows: &[Row]) -> anyhow::Result<Vec<Rejected>> {
    let mut progress = Progress::new("runs", rows.len() as u64);
    let mut refused = Vec::new();
    for batch in rows.chunks(BATCH) {
        let runs: Vec<_> = batch.iter().map(|row| &row.run).collect();
        let outcome = client.put_items("runs", &runs).await?;
        let lines: Vec<u64> = batch.iter().map(|row| row.line).collect();
        refused.extend(told(&outcome, &lines)?.1);
        progress.add(batch.len() as u64);
    }
    progress.finish();
    Ok(refused)
}

fn parse_column(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((field, column)) if FIELDS.contains(&field) && !column.is_empty() => {
            Ok((field.to_owned(), column.to_owned()))
        }
        _ => Err(format!("'{text}' is not FIELD=COLUMN with a field of {}", FIELDS.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn args(more: &[&str]) -> Args {
        let needed = ["x", "runs.csv", "--key-file", "k", "--plant", "mill"];
        Line::parse_from(needed.iter().chain(more)).args
    }

    #[test]
    fn reads_a_continental_file_with_names_of_its_own() {
        let file = "Lote;Producto;Inicio;Fin;Buenas\r\n\r\nL-1;A;25/10/2026 02:30;25/10/2026 02:10;1,5\r\n";
        let args = args(&[
            "--line",
            "M1",
            "--delimiter",
            ";",
            "--decimal-comma",
            "--time-format",
            "dmy",
            "--time-zone",
            "Europe/Madrid",
            "--column",
            "lot=Lote",
            "--column",
            "reference=Producto",
            "--column",
            "started_at=Inicio",
            "--column",
            "ended_at=Fin",
            "--column",
            "good_units=#5",
        ]);
        let (rows, rejected) = read(file.as_bytes(), &args).unwrap();
        assert_eq!(rejected, []);
        assert_eq!(rows[0].line, 3);
        // The clocks go back at 03:00: ten past two comes again after half past two.
        let expected = serde_json::json!({
            "plant": "mill", "key": "M1 2026-10-25T00:30:00Z", "line": "M1", "lot": "L-1", "reference": "A",
            "started_at": "2026-10-25T00:30:00Z", "ended_at": "2026-10-25T01:10:00Z", "good_units": 1.5,
        });
        assert_eq!(Value::Object(rows[0].run.clone()), expected);
    }

    #[test]
    fn a_bad_row_says_why_and_leaves_the_others() {
        let file = "line,lot,started_at,good_units\nM1,L-1,2026-01-01 06:00,12\nM1,,2026-01-01 07:00,1\n\
                    M1,L-2,yesterday,1\nM1,L-3,2026-01-01 08:00,many\nM1,L-4\n";
        let (rows, rejected) = read(file.as_bytes(), &args(&[])).unwrap();
        assert_eq!(rows.len(), 1);
        let said: Vec<_> = rejected.iter().map(|row| (row.line, row.reason.as_str())).collect();
        assert_eq!(
            said,
            [
                (3, "has no lot"),
                (4, "started_at 'yesterday' is not a time in the given format"),
                (5, "good_units 'many' is not a number"),
                (6, "has no started_at (only 2 fields)"),
            ]
        );
    }

    #[test]
    fn a_column_that_is_missing_is_asked_for() {
        let error = read(b"lot,start\n", &args(&["--line", "M1"])).unwrap_err().to_string();
        assert!(error.contains("--column started_at=NAME"), "{error}");
        assert!(error.contains("lot, start"), "{error}");
    }
}
