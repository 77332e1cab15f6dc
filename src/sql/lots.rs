//! The runs of the lots that are compared.

use chrono::{DateTime, Utc};

use super::Statement;
use super::runs::{COLUMNS, FROM, filters, places};
use crate::model::{Context, Filter};
use crate::plan::Selection;

/// The runs of the lots that the filters name, or of the `newest` lots that began before `before`
/// and pass the filters; at most `runs` runs. There may be more lots than `newest` where they are named.
pub fn statement(
    selection: &Selection<'_>,
    context: &Context,
    before: DateTime<Utc>,
    newest: usize,
    runs: usize,
) -> Statement {
    let mut params = places(selection);
    params.push(Box::new(runs as i64));
    // To plan a statement takes longer than to find the runs of a few lots, so this one is short. With
    // an operator, the other runs of the same lots are wanted too.
    if let (Filter::Keys(_), Filter::All) = (&context.lots, &context.operators) {
        let filters = filters(context, &mut params);
        let sql = format!(
            "SELECT {COLUMNS}\nFROM {FROM}{filters}
ORDER BY max(r.started_at) OVER (PARTITION BY r.lot_id) DESC, r.lot_id, r.started_at, r.line_id, r.machine_id
LIMIT $4"
        );
        return Statement::new(sql, params, "");
    }
    params.push(Box::new(newest as i64));
    let filters = filters(context, &mut params);
    // A lot that is named is shown whenever it was made.
    let began = match context.lots {
        Filter::Keys(_) => String::new(),
        Filter::All => {
            params.push(Box::new(before));
            format!("\n  AND r.started_at < ${}::timestamptz", params.len())
        }
    };
    // The lots are chosen among the newest runs, newest lot first. Rows are those of `runs::read`.
    let sql = format!(
        "WITH candidate AS MATERIALIZED (
  SELECT r.lot_id, r.started_at FROM {FROM}{filters}{began}
  ORDER BY r.started_at DESC LIMIT $4
), chosen AS MATERIALIZED (
  SELECT lot_id, max(started_at) AS newest FROM candidate GROUP BY lot_id ORDER BY 2 DESC LIMIT $5
)
SELECT {COLUMNS}
FROM chosen c
JOIN lotwise.run r ON r.lot_id = c.lot_id
JOIN lotwise.lot l ON l.id = r.lot_id
JOIN lotwise.reference f ON f.id = l.reference_id
LEFT JOIN lotwise.operator o ON o.id = r.operator_id
WHERE r.line_id = ANY($2::int4[]) AND (r.machine_id IS NULL OR r.machine_id = ANY($3::int4[]))
ORDER BY c.newest DESC, r.lot_id, r.started_at, r.line_id, r.machine_id LIMIT $4"
    );
    Statement::new(sql, params, "")
}
