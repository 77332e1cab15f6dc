//! States of machines in a time range.

use chrono::{DateTime, Utc};
use tokio_postgres::Row;

use super::{Param, Statement};
use crate::db::{DbError, column};
use crate::domain::TimeRange;

const SQL: &str = "\
SELECT s.machine_id, s.state, s.started_at, s.ended_at
FROM lotwise.state s
WHERE s.machine_id = ANY($1::int4[]) AND s.started_at < $3 AND (s.ended_at > $2 OR s.ended_at IS NULL)
ORDER BY s.machine_id, s.started_at
LIMIT $4";

/// A machine in one state.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// Row id of the machine.
    pub machine: i32,
    /// `running`, `idle`, `setup`, `stopped` or `off`.
    pub state: String,
    /// Start.
    pub started_at: DateTime<Utc>,
    /// End; `None` while it lasts.
    pub ended_at: Option<DateTime<Utc>>,
}

/// At most `limit` states of machines (row ids), by machine and start.
pub fn statement(machines: Vec<i32>, range: TimeRange, limit: usize) -> Statement {
    let params = vec![
        Box::new(machines) as Param,
        Box::new(range.from()) as Param,
        Box::new(range.to()) as Param,
        Box::new(limit as i64) as Param,
    ];
    Statement::new(SQL, params, "")
}

/// One row of the answer.
///
/// # Errors
/// [`DbError::Unexpected`] when the row is not of [`statement`].
pub fn read(row: &Row) -> Result<State, DbError> {
    Ok(State {
        machine: column(row, 0)?,
        state: column(row, 1)?,
        started_at: column(row, 2)?,
        ended_at: column(row, 3)?,
    })
}
