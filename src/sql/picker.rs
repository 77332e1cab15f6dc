//! Choices of references, lots and operators for the pickers. Places come from the catalog.

use chrono::{DateTime, Utc};
use tokio_postgres::Row;

use super::{Param, Statement};
use crate::db::{DbError, column};

/// What to choose from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// References (products).
    References,
    /// Lots.
    Lots,
    /// Operators.
    Operators,
}

/// One choice.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Choice {
    /// What the query stores.
    pub value: String,
    /// What people read.
    pub label: String,
    /// More about it.
    pub description: String,
}

/// Restrictions of the choices. Empty lists restrict nothing but the scope.
#[derive(Debug, Clone, Default)]
pub struct Restrict {
    /// Row ids of the plants; never empty.
    pub plants: Vec<i32>,
    /// Row ids of the lines on which something must have been made; `None` is any.
    pub lines: Option<Vec<i32>>,
    /// Reference keys; `None` is any.
    pub references: Option<Vec<String>>,
    /// Only what was made in this time.
    pub from: Option<DateTime<Utc>>,
    /// Only what was made in this time.
    pub to: Option<DateTime<Utc>>,
    /// Text that key or name contains, any case.
    pub search: String,
    /// Most choices.
    pub limit: usize,
}

const REFERENCES: &str = "\
SELECT x.key, x.name, p.key FROM lotwise.reference x JOIN lotwise.plant p ON p.id = x.plant_id
WHERE x.plant_id = ANY($1::int4[]) AND $3::text[] IS NOT DISTINCT FROM $3
  AND (x.key ILIKE $6 OR x.name ILIKE $6)
  AND (($2::int4[] IS NULL AND $4::timestamptz IS NULL AND $5::timestamptz IS NULL) OR EXISTS (
    SELECT FROM lotwise.lot l JOIN lotwise.run r ON r.lot_id = l.id
    WHERE l.reference_id = x.id AND ($2 IS NULL OR r.line_id = ANY($2))
      AND ($5 IS NULL OR r.started_at < $5) AND ($4 IS NULL OR r.ended_at > $4 OR r.ended_at IS NULL)))
ORDER BY x.key, p.key LIMIT $7";

const LOTS: &str = "\
SELECT x.key, x.key, f.key || ' ' || f.name FROM lotwise.lot x
JOIN lotwise.reference f ON f.id = x.reference_id
WHERE x.plant_id = ANY($1::int4[]) AND ($3::text[] IS NULL OR f.key = ANY($3))
  AND x.key ILIKE $6
  AND (($2::int4[] IS NULL AND $4::timestamptz IS NULL AND $5::timestamptz IS NULL) OR EXISTS (
    SELECT FROM lotwise.run r
    WHERE r.lot_id = x.id AND ($2 IS NULL OR r.line_id = ANY($2))
      AND ($5 IS NULL OR r.started_at < $5) AND ($4 IS NULL OR r.ended_at > $4 OR r.ended_at IS NULL)))
ORDER BY x.id DESC LIMIT $7";

/// Text of one or two letters: their trigrams are of no help to the index, so it is looked for among the
/// newest lots; others must begin with it.
const LOTS_SHORT: &str = "\
SELECT x.key, x.key, f.key || ' ' || f.name FROM (
  (SELECT n.* FROM (SELECT * FROM lotwise.lot l ORDER BY l.id DESC LIMIT 5000) n WHERE n.key ILIKE $6)
  UNION
  (SELECT l.* FROM lotwise.lot l WHERE l.plant_id = ANY($1) AND l.key ILIKE $8 ORDER BY l.id DESC LIMIT 5000)
) x
JOIN lotwise.reference f ON f.id = x.reference_id
WHERE x.plant_id = ANY($1::int4[]) AND ($3::text[] IS NULL OR f.key = ANY($3))
  AND (($2::int4[] IS NULL AND $4::timestamptz IS NULL AND $5::timestamptz IS NULL) OR EXISTS (
    SELECT FROM lotwise.run r
    WHERE r.lot_id = x.id AND ($2 IS NULL OR r.line_id = ANY($2))
      AND ($5 IS NULL OR r.started_at < $5) AND ($4 IS NULL OR r.ended_at > $4 OR r.ended_at IS NULL)))
ORDER BY x.id DESC LIMIT $7";

const OPERATORS: &str = "\
SELECT x.key, x.name, p.key FROM lotwise.operator x JOIN lotwise.plant p ON p.id = x.plant_id
WHERE x.plant_id = ANY($1::int4[]) AND $3::text[] IS NOT DISTINCT FROM $3
  AND (x.key ILIKE $6 OR x.name ILIKE $6)
  AND (($2::int4[] IS NULL AND $4::timestamptz IS NULL AND $5::timestamptz IS NULL) OR EXISTS (
    SELECT FROM lotwise.run r
    WHERE r.operator_id = x.id AND ($2 IS NULL OR r.line_id = ANY($2))
      AND ($5 IS NULL OR r.started_at < $5) AND ($4 IS NULL OR r.ended_at > $4 OR r.ended_at IS NULL)))
ORDER BY x.key, p.key LIMIT $7";

/// The choices, one more than the limit so that a cut can be seen.
pub fn statement(subject: Subject, restrict: &Restrict) -> Statement {
    let letters = restrict.search.chars().filter(|c| c.is_alphanumeric()).count();
    let short = subject == Subject::Lots && (1..3).contains(&letters);
    let sql = match subject {
        Subject::References => REFERENCES,
        Subject::Lots if short => LOTS_SHORT,
        Subject::Lots => LOTS,
        Subject::Operators => OPERATORS,
    };
    let mut params: Vec<Param> = vec![
        Box::new(restrict.plants.clone()),
        Box::new(restrict.lines.clone()),
        Box::new(restrict.references.clone()),
        Box::new(restrict.from),
        Box::new(restrict.to),
        Box::new(contains(&restrict.search)),
        Box::new(restrict.limit as i64 + 1),
    ];
    if short {
        params.push(Box::new(format!("{}%", literal(&restrict.search))));
    }
    Statement::new(sql, params, "")
}

/// One row of the answer.
///
/// # Errors
/// [`DbError::Unexpected`] when the row is not of [`statement`].
pub fn read(row: &Row) -> Result<Choice, DbError> {
    Ok(Choice { value: column(row, 0)?, label: column(row, 1)?, description: column(row, 2)? })
}

/// A LIKE pattern for "contains".
fn contains(search: &str) -> String {
    format!("%{}%", literal(search))
}

/// Text with LIKE's own signs taken literally.
fn literal(search: &str) -> String {
    search.replace('\\', r"\\").replace('%', r"\%").replace('_', r"\_")
}
