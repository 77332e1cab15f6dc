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
    /// Whether many lots have the text in their key ([`is_common`]).
    pub is_common: bool,
    /// Most choices.
    pub limit: usize,
}

/// So many of the newest lots are many: by going back from the newest, a page of choices is found soon.
const COMMON: usize = 20;

/// Newest lots among which text of one or two letters is looked for: their trigrams are of no help to
/// the index. Of all lots it finds those that begin with it.
const NEWEST: usize = 5_000;

/// Whether many lots have the text in their key, by `newest` of them.
///
/// A text of many lots is best looked for from the newest backwards, one of few by the index of
/// trigrams. PostgreSQL would choose by a few hundred keys that it has drawn, and when one of them
/// happens to contain the text it goes back through all lots for one that is rare.
pub fn is_common(search: &str, newest: &[String]) -> bool {
    let search = search.to_lowercase();
    let having = newest.iter().filter(|key| key.to_lowercase().contains(&search));
    having.take(COMMON).count() == COMMON
}

/// Whether the index of trigrams helps.
fn is_indexed(search: &str) -> bool {
    search.chars().filter(|c| c.is_alphanumeric()).count() >= 3
}

/// The choices, one more than the limit so that a cut can be seen. The text names only the restrictions
/// that there are, so that their indexes are used.
pub fn statement(subject: Subject, restrict: &Restrict) -> Statement {
    let mut params: Vec<Param> = vec![Box::new(restrict.plants.clone())];
    let mut text = Text { params: &mut params };
    let sql = match subject {
        Subject::References => {
            let matches = text.matches(&restrict.search, &["x.key", "x.name"]);
            let made =
                text.made("JOIN lotwise.lot l ON l.id = r.lot_id", "l.reference_id", restrict);
            format!(
                "{REFERENCES}{matches}{made}\nORDER BY x.key, p.key LIMIT {}",
                text.limit(restrict)
            )
        }
        Subject::Operators => {
            let matches = text.matches(&restrict.search, &["x.key", "x.name"]);
            let made = text.made("", "r.operator_id", restrict);
            format!(
                "{OPERATORS}{matches}{made}\nORDER BY x.key, p.key LIMIT {}",
                text.limit(restrict)
            )
        }
        Subject::Lots => lots(&mut text, restrict),
    };
    Statement::new(sql, params, "")
}

const REFERENCES: &str = "\
SELECT x.key, x.name, p.key FROM lotwise.reference x JOIN lotwise.plant p ON p.id = x.plant_id
WHERE x.plant_id = ANY($1::int4[])";

const OPERATORS: &str = "\
SELECT x.key, x.name, p.key FROM lotwise.operator x JOIN lotwise.plant p ON p.id = x.plant_id
WHERE x.plant_id = ANY($1::int4[])";

fn lots(text: &mut Text<'_>, restrict: &Restrict) -> String {
    let search = &restrict.search;
    let (from, matches) = if search.is_empty() || is_indexed(search) && restrict.is_common {
        ("lotwise.lot".to_owned(), text.matches(search, &["x.key"]))
    } else if is_indexed(search) {
        let contains = text.param(Box::new(contains(search)));
        // OFFSET keeps the order and the limit outside from choosing the way.
        let from = format!(
            "(SELECT l.* FROM lotwise.lot l WHERE l.plant_id = ANY($1::int4[]) AND l.key ILIKE {contains} OFFSET 0)"
        );
        (from, String::new())
    } else {
        let contains = text.param(Box::new(contains(search)));
        let begins = text.param(Box::new(format!("{}%", literal(search))));
        let from = format!(
            "(
  (SELECT n.* FROM (SELECT * FROM lotwise.lot l ORDER BY l.id DESC LIMIT {NEWEST}) n WHERE n.key ILIKE {contains})
  UNION
  (SELECT l.* FROM lotwise.lot l WHERE l.plant_id = ANY($1) AND l.key ILIKE {begins} ORDER BY l.id DESC LIMIT {NEWEST})
)"
        );
        (from, String::new())
    };
    let references = match &restrict.references {
        None => String::new(),
        Some(keys) => {
            format!("\n  AND f.key = ANY({}::text[])", text.param(Box::new(keys.clone())))
        }
    };
    let made = text.made("", "r.lot_id", restrict);
    format!(
        "SELECT x.key, x.key, f.key || ' ' || f.name FROM {from} x
JOIN lotwise.reference f ON f.id = x.reference_id
WHERE x.plant_id = ANY($1::int4[]){matches}{references}{made}
ORDER BY x.id DESC LIMIT {}",
        text.limit(restrict)
    )
}

/// A statement's text in the making: pieces of constants, and every value a parameter.
struct Text<'a> {
    params: &'a mut Vec<Param>,
}

impl Text<'_> {
    fn param(&mut self, param: Param) -> String {
        self.params.push(param);
        format!("${}", self.params.len())
    }

    fn matches(&mut self, search: &str, columns: &[&str]) -> String {
        if search.is_empty() {
            return String::new();
        }
        let pattern = self.param(Box::new(contains(search)));
        let each: Vec<String> = columns.iter().map(|c| format!("{c} ILIKE {pattern}")).collect();
        format!("\n  AND ({})", each.join(" OR "))
    }

    /// Only what has a run, on the lines and in the time, whose `column` is the choice.
    fn made(&mut self, join: &str, column: &str, restrict: &Restrict) -> String {
        let Restrict { lines, from, to, .. } = restrict;
        if lines.is_none() && from.is_none() && to.is_none() {
            return String::new();
        }
        let mut text =
            format!("\n  AND EXISTS (SELECT FROM lotwise.run r {join} WHERE {column} = x.id");
        if let Some(lines) = lines {
            let lines = self.param(Box::new(lines.clone()));
            text.push_str(&format!(" AND r.line_id = ANY({lines}::int4[])"));
        }
        if let Some(to) = to {
            let to = self.param(Box::new(*to));
            text.push_str(&format!(" AND r.started_at < {to}::timestamptz"));
        }
        if let Some(from) = from {
            let from = self.param(Box::new(*from));
            text.push_str(&format!(
                " AND (r.ended_at > {from}::timestamptz OR r.ended_at IS NULL)"
            ));
        }
        text.push(')');
        text
    }

    fn limit(&mut self, restrict: &Restrict) -> String {
        self.param(Box::new(restrict.limit as i64 + 1))
    }
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
