//! The sums of a plan's windows, from the cheapest source that is exact.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use futures_util::future::try_join_all;

use super::{AnswerError, Source};
use crate::figures::walk::{self, Walk};
use crate::plan::{self, Items, Window};
use crate::sql::cell::{Cell, Ends};
use crate::sql::{Statement, items, whole_runs};

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
}

impl Sums {
    /// Why the plan is as it is, and why this was read.
    pub fn because(&self, plan: &str) -> String {
        let said: Vec<&str> =
            [plan, &self.reason].into_iter().filter(|reason| !reason.is_empty()).collect();
        said.join("; ")
    }
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
        let rest: Vec<Window<'_>> = left.iter().map(|&index| windows[index].clone()).collect();
        let reading = plan::choose(&rest, edges, source.catalog.raw_from);
        let what = (reading.items, reading.rows);
        let mut cells = walked(source, &rest, edges, what, ends, &mut sums.shown).await?;
        for cell in &mut cells {
            cell.window = left.get(cell.window).copied().unwrap_or(usize::MAX);
        }
        match sums.cells.is_empty() {
            true => sums.cells = cells,
            false => sums.cells.extend(cells),
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

/// Rows of readings or hours that are worth a connection of their own, and most connections of a query.
const WORTH_A_CONNECTION: f64 = 100_000.0;
const MOST_CONNECTIONS: usize = 4;

/// The cells of windows that share their edges, from readings or hours. Many are read over several
/// connections, as long as others do not need them: the database works on one statement with one core.
async fn walked(
    source: &Source<'_>,
    windows: &[Window<'_>],
    edges: &[DateTime<Utc>],
    (items, rows): (Items, f64),
    ends: Ends,
    shown: &mut String,
) -> Result<Vec<Cell>, AnswerError> {
    let origin = edges.first().copied().unwrap_or_default();
    let cuts = seconds(edges, origin);
    let useful = ((rows / WORTH_A_CONNECTION) as usize).clamp(1, MOST_CONNECTIONS);
    let count = if useful > 1 { useful.min(1 + source.db.spare() / 2) } else { 1 };
    let raw_from = source.catalog.raw_from;
    let mut wanted = items::wanted_apart(windows, edges, items, ends, raw_from, count);
    if let Some(first) = wanted.first() {
        show(shown, &first.statement);
    }
    let each = wanted.iter_mut().map(|wanted| walk_each(source, wanted, |_| (origin, &cuts)));
    Ok(try_join_all(each).await?.concat())
}

/// The cells of windows, each cut at the edges that `cuts` gives for it: the instant that they are
/// counted from, and the edges in seconds since then. Rows are added up as they arrive.
pub(super) async fn walk_each<'a>(
    source: &Source<'_>,
    wanted: &mut items::Wanted<'_>,
    cuts: impl Fn(usize) -> (DateTime<Utc>, &'a Vec<f64>),
) -> Result<Vec<Cell>, AnswerError> {
    let params = std::mem::take(&mut wanted.statement.params);
    let mut cells = Vec::new();
    let each = |row: &tokio_postgres::Row| -> Result<(), AnswerError> {
        let found = wanted.read(row, |window| cuts(window).0)?;
        let (origin, edges) = cuts(found.window);
        let [from, to] = [found.part.range.from(), found.part.range.to()].map(|t| since(t, origin));
        let walk = Walk { window: found.window, sensor: found.part.sensor, from, to };
        cells.extend(walk::cells(&walk, &found.items, edges));
        Ok(())
    };
    source.db.each(&wanted.statement.sql, params, each).await?;
    Ok(cells)
}

/// Edges in seconds since an origin.
pub(super) fn seconds(edges: &[DateTime<Utc>], origin: DateTime<Utc>) -> Vec<f64> {
    edges.iter().map(|edge| since(*edge, origin)).collect()
}

fn since(time: DateTime<Utc>, origin: DateTime<Utc>) -> f64 {
    (time.timestamp_micros() - origin.timestamp_micros()) as f64 / 1e6
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
    let many = whole_runs::are_many(&asked);
    let cells = match many.then(|| whole_runs::by_sensor(&asked)).flatten() {
        Some(mut by_sensor) => {
            let Statement { sql, params, shown: text } = std::mem::take(&mut by_sensor.statement);
            shown = text;
            let mut cells = Vec::with_capacity(asked.len());
            let each = |row: &tokio_postgres::Row| -> Result<(), AnswerError> {
                Ok(by_sensor.read(row, &mut cells)?)
            };
            source.db.each(&sql, params, each).await?;
            cells
        }
        None => read(source, whole_runs::statement(&asked), whole_runs::read, &mut shown).await?,
    };
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
    show(shown, &statement);
    let rows = source.db.query(&statement.sql, statement.params).await?;
    Ok(rows.iter().map(row).collect::<Result<_, _>>()?)
}

fn show(shown: &mut String, statement: &Statement) {
    if !shown.is_empty() {
        shown.push_str(";\n\n");
    }
    shown.push_str(&statement.shown);
}
