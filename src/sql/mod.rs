//! The statements of the plugin and their rows.
//!
//! Every value of a user is a bind parameter; no statement is put together from a user's text.

pub mod cell;
pub mod items;
pub mod last_seen;
pub mod latest;
pub mod lots;
mod packed;
pub mod picker;
pub mod rates;
pub mod raw;
pub mod runs;
pub mod states;
pub mod whole_runs;

use chrono::{DateTime, Utc};
use tokio_postgres::types::ToSql;

/// One bind parameter.
pub type Param = Box<dyn ToSql + Sync + Send>;

/// A statement with its parameters, ready for the database.
#[derive(Default)]
pub struct Statement {
    /// Text with `$1`, `$2`, ...
    pub sql: String,
    /// The parameters in order.
    pub params: Vec<Param>,
    /// The statement for people, with a note on its parameters.
    pub shown: String,
}

impl Statement {
    fn new(sql: impl Into<String>, params: Vec<Param>, note: &str) -> Self {
        let sql = sql.into();
        let shown = if note.is_empty() { sql.clone() } else { format!("{sql}\n-- {note}") };
        Self { sql, params, shown }
    }
}

/// What PostgreSQL stands for "no bound": far outside any reading.
pub(crate) fn far_past() -> DateTime<Utc> {
    DateTime::from_timestamp(-2_208_988_800, 0).unwrap_or(DateTime::<Utc>::MIN_UTC)
}

pub(crate) fn far_future() -> DateTime<Utc> {
    DateTime::from_timestamp(7_258_118_400, 0).unwrap_or(DateTime::<Utc>::MAX_UTC)
}
