//! Runs that overlap a time range and pass the context filters.

use chrono::{DateTime, Utc};
use tokio_postgres::Row;

use super::{Param, Statement};
use crate::db::{DbError, column};
use crate::domain::TimeRange;
use crate::model::Context;
use crate::plan::{Run, Selection};

const SQL: &str = "\
SELECT r.key, r.plant_id, r.line_id, r.machine_id, l.key, f.key, f.name, o.key, o.name,
       r.started_at, r.ended_at, coalesce(r.good_units, 0), coalesce(r.scrap_units, 0)
FROM lotwise.run r
JOIN lotwise.lot l ON l.id = r.lot_id
JOIN lotwise.reference f ON f.id = l.reference_id
LEFT JOIN lotwise.operator o ON o.id = r.operator_id
WHERE r.plant_id = ANY($1::int4[]) AND r.line_id = ANY($2::int4[])
  AND (r.machine_id IS NULL OR r.machine_id = ANY($3::int4[]))
  AND r.started_at < $5 AND (r.ended_at > $4 OR r.ended_at IS NULL)
  AND ($6::text[] IS NULL OR f.key = ANY($6))
  AND ($7::text[] IS NULL OR l.key = ANY($7))
  AND ($8::text[] IS NULL OR o.key = ANY($8))
ORDER BY r.started_at DESC, r.line_id, r.machine_id
LIMIT $9";

/// The newest `limit` runs of the selection, newest first.
pub fn statement(
    selection: &Selection<'_>,
    context: &Context,
    range: TimeRange,
    limit: usize,
) -> Statement {
    let ids = |list: Vec<i32>| Box::new(list) as Param;
    let keys = |filter: &crate::model::Filter| Box::new(filter.keys().map(<[_]>::to_vec)) as Param;
    let params = vec![
        ids(selection.plants.iter().map(|p| p.id).collect()),
        ids(selection.lines.iter().map(|l| l.id).collect()),
        ids(selection.machines.iter().map(|m| m.id).collect()),
        Box::new(range.from()) as Param,
        Box::new(range.to()) as Param,
        keys(&context.references),
        keys(&context.lots),
        keys(&context.operators),
        Box::new(limit as i64) as Param,
    ];
    Statement::new(SQL, params, "")
}

/// One row of the answer.
///
/// # Errors
/// [`DbError::Unexpected`] when the row is not of [`statement`].
pub fn read(row: &Row) -> Result<Run, DbError> {
    let operator: Option<String> = column(row, 7)?;
    let operator_name: Option<String> = column(row, 8)?;
    Ok(Run {
        key: column(row, 0)?,
        plant: column(row, 1)?,
        line: column(row, 2)?,
        machine: column(row, 3)?,
        lot: column(row, 4)?,
        reference: column(row, 5)?,
        reference_name: column(row, 6)?,
        operator: operator.zip(operator_name),
        started_at: column::<DateTime<Utc>>(row, 9)?,
        ended_at: column(row, 10)?,
        good_units: column(row, 11)?,
        scrap_units: column(row, 12)?,
    })
}

const UNKNOWN: &str = "\
SELECT 'reference', k FROM unnest($2::text[]) k WHERE NOT EXISTS
  (SELECT FROM lotwise.reference x WHERE x.plant_id = ANY($1::int4[]) AND x.key = k)
UNION ALL
SELECT 'lot', k FROM unnest($3::text[]) k WHERE NOT EXISTS
  (SELECT FROM lotwise.lot x WHERE x.plant_id = ANY($1::int4[]) AND x.key = k)
UNION ALL
SELECT 'operator', k FROM unnest($4::text[]) k WHERE NOT EXISTS
  (SELECT FROM lotwise.operator x WHERE x.plant_id = ANY($1::int4[]) AND x.key = k)
LIMIT 1";

/// The first key of the context filters that no plant of the selection has: `(what, key)`.
pub fn unknown(selection: &Selection<'_>, context: &Context) -> Statement {
    let keys = |filter: &crate::model::Filter| {
        Box::new(filter.keys().map(<[_]>::to_vec).unwrap_or_default()) as Param
    };
    let plants: Vec<i32> = selection.plants.iter().map(|p| p.id).collect();
    let params = vec![
        Box::new(plants) as Param,
        keys(&context.references),
        keys(&context.lots),
        keys(&context.operators),
    ];
    Statement::new(UNKNOWN, params, "")
}
