//! Runs that overlap a time range and pass the context filters.

use chrono::{DateTime, Utc};
use tokio_postgres::Row;

use super::{Param, Statement};
use crate::db::{DbError, column};
use crate::domain::TimeRange;
use crate::model::Context;
use crate::plan::{Run, Selection};

/// What a run is read as, by [`read`].
pub(super) const COLUMNS: &str =
    "r.key, r.plant_id, r.line_id, r.machine_id, l.key, f.key, f.name, o.key, o.name,
       r.started_at, r.ended_at, r.good_units, r.scrap_units";

/// Runs with what they are of. The text names only the filters that there are: a plan for any parameters
/// would have to read everything where one may be null.
pub(super) const FROM: &str = "lotwise.run r
JOIN lotwise.lot l ON l.id = r.lot_id
JOIN lotwise.reference f ON f.id = l.reference_id
LEFT JOIN lotwise.operator o ON o.id = r.operator_id
WHERE r.plant_id = ANY($1::int4[]) AND l.plant_id = ANY($1) AND r.line_id = ANY($2::int4[])
  AND (r.machine_id IS NULL OR r.machine_id = ANY($3::int4[]))";

/// Parameters $1 to $3.
pub(super) fn places(selection: &Selection<'_>) -> Vec<Param> {
    let ids = |list: Vec<i32>| Box::new(list) as Param;
    vec![
        ids(selection.plants.iter().map(|p| p.id).collect()),
        ids(selection.lines.iter().map(|l| l.id).collect()),
        ids(selection.machines.iter().map(|m| m.id).collect()),
    ]
}

/// The context filters that there are, with their parameters.
pub(super) fn filters(context: &Context, params: &mut Vec<Param>) -> String {
    let mut text = String::new();
    for (column, filter) in
        [("f.key", &context.references), ("l.key", &context.lots), ("o.key", &context.operators)]
    {
        if let Some(keys) = filter.keys() {
            params.push(Box::new(keys.to_vec()));
            text.push_str(&format!("\n  AND {column} = ANY(${}::text[])", params.len()));
        }
    }
    text
}

/// Ranges up to which the index on line and interval is worth its price; longer ones are a large part of
/// what there is.
const SHORT_S: f64 = 31.0 * 86_400.0;

/// The newest `limit` runs of the selection, newest first.
pub fn statement(
    selection: &Selection<'_>,
    context: &Context,
    range: TimeRange,
    limit: usize,
) -> Statement {
    let mut params = places(selection);
    params.push(Box::new(range.from()));
    params.push(Box::new(range.to()));
    let during = match range.seconds() <= SHORT_S {
        true => "\n  AND tstzrange(r.started_at, r.ended_at) && tstzrange($4, $5)",
        false => "",
    };
    let filters = filters(context, &mut params);
    params.push(Box::new(limit as i64));
    let sql = format!(
        "SELECT {COLUMNS}\nFROM {FROM}{during}
  AND r.started_at < $5 AND (r.ended_at > $4 OR r.ended_at IS NULL){filters}
ORDER BY r.started_at DESC, r.line_id, r.machine_id
LIMIT ${}",
        params.len()
    );
    Statement::new(sql, params, "")
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
