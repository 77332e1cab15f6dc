//! The runs of the lots that are compared.

use chrono::{DateTime, Utc};

use super::{Param, Statement};
use crate::model::{Context, Filter};
use crate::plan::Selection;

/// Rows of [`super::runs::read`]: the lots are chosen among the newest runs, newest lot first.
const SQL: &str = "\
WITH candidate AS MATERIALIZED (
  SELECT r.lot_id, r.started_at
  FROM lotwise.run r
  JOIN lotwise.lot l ON l.id = r.lot_id
  JOIN lotwise.reference f ON f.id = l.reference_id
  LEFT JOIN lotwise.operator o ON o.id = r.operator_id
  WHERE r.plant_id = ANY($1::int4[]) AND r.line_id = ANY($2::int4[])
    AND (r.machine_id IS NULL OR r.machine_id = ANY($3::int4[]))
    AND ($4::timestamptz IS NULL OR r.started_at < $4)
    AND ($5::text[] IS NULL OR f.key = ANY($5))
    AND ($6::text[] IS NULL OR l.key = ANY($6))
    AND ($7::text[] IS NULL OR o.key = ANY($7))
  ORDER BY r.started_at DESC LIMIT $8
), chosen AS MATERIALIZED (
  SELECT lot_id, max(started_at) AS newest FROM candidate GROUP BY lot_id ORDER BY 2 DESC LIMIT $9
)
SELECT r.key, r.plant_id, r.line_id, r.machine_id, l.key, f.key, f.name, o.key, o.name,
       r.started_at, r.ended_at, coalesce(r.good_units, 0), coalesce(r.scrap_units, 0)
FROM chosen c
JOIN lotwise.run r ON r.lot_id = c.lot_id
JOIN lotwise.lot l ON l.id = r.lot_id
JOIN lotwise.reference f ON f.id = l.reference_id
LEFT JOIN lotwise.operator o ON o.id = r.operator_id
WHERE r.line_id = ANY($2::int4[]) AND (r.machine_id IS NULL OR r.machine_id = ANY($3::int4[]))
ORDER BY c.newest DESC, r.lot_id, r.started_at, r.line_id, r.machine_id LIMIT $8";

/// The runs of the lots that the filters name, or of the `newest` lots that began before `before`
/// and pass the filters; at most `runs` runs.
pub fn statement(
    selection: &Selection<'_>,
    context: &Context,
    before: DateTime<Utc>,
    newest: usize,
    runs: usize,
) -> Statement {
    let keys = |filter: &Filter| Box::new(filter.keys().map(<[_]>::to_vec)) as Param;
    let ids = |list: Vec<i32>| Box::new(list) as Param;
    // A lot that is named is shown whenever it was made.
    let named = context.lots != Filter::All;
    let params = vec![
        ids(selection.plants.iter().map(|p| p.id).collect()),
        ids(selection.lines.iter().map(|l| l.id).collect()),
        ids(selection.machines.iter().map(|m| m.id).collect()),
        Box::new((!named).then_some(before)) as Param,
        keys(&context.references),
        keys(&context.lots),
        keys(&context.operators),
        Box::new(runs as i64) as Param,
        Box::new(newest as i64) as Param,
    ];
    Statement::new(SQL, params, "")
}
