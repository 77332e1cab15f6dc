//! The sums of a plan's windows, from the cheapest source that is exact.

use std::collections::HashSet;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use super::{AnswerError, Source};
use crate::frame::Notice;
use crate::plan::{self, Items, Window};
use crate::sql::integrate::{self, Cell, Ends};
use crate::sql::{Statement, whole_runs};

/// Cells of the windows, with where they come from.
#[derive(Debug, Default)]
pub(super) struct Sums {
    /// A cell a window and bucket.
    pub cells: Vec<Cell>,
    /// For `meta.custom.source`: `runs`, `hours`, `readings`, or two of them.
    pub source: String,
    /// Why, in words.
    pub reason: String,
    /// Rows that were to be read, estimated.
    pub rows: f64,
    /// The statements for people.
    pub shown: String,
    /// What the reader should know.
    pub notice: Option<Notice>,
}

/// Reads them. Whole runs whose sums are kept come from there, the rest from hours or readings.
pub(super) async fn fetch(
    source: &Source<'_>,
    windows: &[Window<'_>],
    edges: &[DateTime<Utc>],
    ends: Ends,
) -> Result<Sums, AnswerError> {
    let mut sums = Sums::default();
    let mut left: Vec<usize> = (0..windows.len()).collect();
    let mut said = Vec::new();
    if ends == Ends::Omit {
        let uncut = plan::uncut(windows, edges);
        let kept = kept(source, windows, &uncut, &mut sums).await?;
        if kept > 0 {
            let found: HashSet<usize> = sums.cells.iter().map(|c| c.window).collect();
            left.retain(|index| !found.contains(index));
            said.push((
                "runs",
                format!("{kept} of {} windows from the sums kept of whole runs", windows.len()),
            ));
            sums.rows += kept as f64;
        }
    }
    if !left.is_empty() {
        let mut rest: Vec<Window<'_>> = left.iter().map(|&index| windows[index].clone()).collect();
        let mut reading = plan::choose(&rest, edges);
        let mut statement = None;
        if let Some(from) = source.catalog.readings_from.filter(|from| reaches(&rest, *from)) {
            let (moved, cuts) = plan::to_hours(&rest, edges, from);
            let kept = |(index, window): (&usize, Option<Window<'_>>)| window.map(|_| *index);
            let is_old = rest.iter().any(|w| w.range.from() < from);
            left = left.iter().zip(moved.clone()).filter_map(kept).collect();
            rest = moved.into_iter().flatten().collect();
            reading.items = Items::Hours;
            if is_old {
                let at = from.to_rfc3339_opts(SecondsFormat::Secs, true);
                let text = format!(
                    "Readings before {at} are not kept: what begins or ends before it does so at the nearest full hour."
                );
                reading.reason = format!(
                    "hours from rollups, because readings before {at} are not kept: edges before it are at the nearest full hour"
                );
                sums.notice = Some(Notice::Info(text));
            }
            statement = Some(integrate::statement_of_hours_since(&rest, &cuts, ends, from));
        }
        let statement =
            statement.unwrap_or_else(|| integrate::statement(&rest, edges, reading.items, ends));
        for cell in read(source, statement, integrate::read, &mut sums.shown).await? {
            let window = left.get(cell.window).copied().unwrap_or(usize::MAX);
            sums.cells.push(Cell { window, ..cell });
        }
        let name = match reading.items {
            Items::Readings => "readings",
            Items::Hours => "hours",
        };
        said.push((name, reading.reason));
        sums.rows += reading.rows;
    }
    let (names, reasons): (Vec<&str>, Vec<String>) = said.into_iter().unzip();
    (sums.source, sums.reason) = (names.join(", "), reasons.join("; "));
    Ok(sums)
}

/// Readings further apart than this across the time from which they are kept are not joined.
const LONGEST_GAP: TimeDelta = TimeDelta::days(31);

/// Whether the neighbours of a window may be older than the readings that are kept.
fn reaches(windows: &[Window<'_>], readings_from: DateTime<Utc>) -> bool {
    windows.iter().any(|w| w.range.from() < readings_from + LONGEST_GAP)
}

/// Adds the cells of windows that are kept; gives how many.
async fn kept(
    source: &Source<'_>,
    windows: &[Window<'_>],
    uncut: &[(usize, usize)],
    sums: &mut Sums,
) -> Result<usize, AnswerError> {
    if uncut.is_empty() {
        return Ok(0);
    }
    let asked: Vec<Window<'_>> = uncut.iter().map(|(index, _)| windows[*index].clone()).collect();
    let mut shown = String::new();
    let cells = read(source, whole_runs::statement(&asked), whole_runs::read, &mut shown).await?;
    let mut seen = HashSet::new();
    for cell in cells {
        // A window that is two runs comes twice.
        if let Some(&(window, bucket)) = uncut.get(cell.window).filter(|_| seen.insert(cell.window))
        {
            sums.cells.push(Cell { window, bucket, ..cell });
        }
    }
    if !seen.is_empty() {
        sums.shown = shown;
    }
    Ok(seen.len())
}

async fn read(
    source: &Source<'_>,
    statement: Statement,
    row: impl Fn(&tokio_postgres::Row) -> Result<Cell, crate::db::DbError>,
    shown: &mut String,
) -> Result<Vec<Cell>, AnswerError> {
    if !shown.is_empty() {
        shown.push_str(";\n\n");
    }
    shown.push_str(&statement.shown);
    let rows = source.db.query(&statement.sql, statement.params).await?;
    Ok(rows.iter().map(row).collect::<Result<_, _>>()?)
}
