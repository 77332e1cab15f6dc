//! The sums that queries use, without the rest of the pipeline.

use chrono::{DateTime, Utc};
use lotwise::db::Db;
use lotwise::figures::walk::{self, Walk};
use lotwise::plan::{Items, Window};
use lotwise::sql::cell::{Cell, Ends};
use lotwise::sql::items;

/// The cells of windows cut at `edges`, read by three statements.
pub async fn cells(
    db: &Db,
    windows: &[Window<'_>],
    edges: &[DateTime<Utc>],
    items: Items,
    ends: Ends,
) -> Vec<Cell> {
    let since = |t: DateTime<Utc>| (t - edges[0]).num_microseconds().unwrap() as f64 / 1e6;
    let cuts: Vec<f64> = edges.iter().map(|edge| since(*edge)).collect();
    let mut cells = Vec::new();
    for mut wanted in items::wanted_apart(windows, edges, items, ends, None, 3) {
        let params = std::mem::take(&mut wanted.statement.params);
        for row in db.query(&wanted.statement.sql, params).await.unwrap() {
            let found = wanted.read(&row, |_| edges[0]).unwrap();
            let (from, to) = (since(found.part.range.from()), since(found.part.range.to()));
            let walk = Walk { window: found.window, sensor: found.part.sensor, from, to };
            cells.extend(walk::cells(&walk, &found.items, &cuts));
        }
    }
    cells
}
