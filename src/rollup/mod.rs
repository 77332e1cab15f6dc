//! Rollups: what readings add up to in each hour and over each closed run, kept so that the figures
//! made from them are those of the readings.
//!
//! # Why they are exact
//!
//! **What a row holds.** A row of `rollup_hour` is a super-reading: the hour's first reading, what
//! the readings after it add up to, and the last reading. Every segment between neighbouring
//! readings lies either inside one hour, where it is part of the row, or between two neighbours of
//! which one ends an hour and the other starts one, where the query makes it from the two readings,
//! as it does from any two. So a reading changes the row of its own hour and no other, and a query
//! that takes whole hours from rows and the rest from readings adds up the same segments as one
//! that reads only readings.
//!
//! **When a row may be read.** A sensor's row of hour `h` is final when `h < built_until` and no
//! mark `(sensor, h)` is in `rollup_dirty`; all in the query's own snapshot. The invariant: *in
//! every snapshot, a final row (or its absence) is what the readings of that snapshot give, by the
//! rules in `rollup_sensor`.* Whatever is not final is read from the readings; so is a sensor whose
//! rules in the query (kind, interval, longest gap, roll-over) are not those in `rollup_sensor`.
//!
//! **Why the invariant holds.** Readings change in transactions that end with `rollup_mark` (SQL):
//! it takes the mark lock, shared, reads `mark_until`, and marks the changed hours before it. One
//! process at a time maintains rollups ([`try_lock`]).
//! 1. *Moving `mark_until` to T* takes the mark lock alone, so every writer that saw an older
//!    `mark_until` has ended. Hours before T are then computed in later transactions, which see
//!    all that those writers stored; writers after them mark.
//! 2. *A marked hour* is recomputed in the transaction that deletes its marks, by a statement that
//!    starts after the deletion: what it deletes is committed, so it sees those readings. A writer
//!    that commits later has a mark of its own, which was not deleted. A snapshot that sees the new
//!    row sees all readings that went into it, because their transactions ended before.
//! 3. *New rules of a sensor* are taken over in one statement that marks every row it has.
//!
//! Rows of `rollup_run` hold the sums of a whole window with the hours that they depend on: from
//! the reading before the window to the one after it (or as far as a reading could matter). They
//! are made only where all of that is before `built_until`, are read only where none of it is
//! marked, and are deleted in the transaction that deletes the marks. They are found by sensor,
//! start and end, so a corrected run finds none until it is gone through again.
//!
//! Rows are deterministic: the same readings give the same bytes, in whatever order they came.
//!
//! What is not seen: readings that are changed or deleted by hand, without `rollup_mark`. `lotwise
//! rollup check` finds them, `lotwise rollup rebuild` mends them.

pub mod check;
pub mod cli;
mod hours;
mod integrate;
mod lock;
mod mark;
pub mod rebuild;
mod runs;
mod sensors;
pub mod worker;

use std::str::FromStr;

use chrono::{DateTime, Utc};
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgConnection};

pub(crate) use lock::MARK_LOCK;
pub use lock::try_lock;

/// What one refresh did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Refreshed {
    /// Hours of sensors that were gone through because the time came.
    pub built: u64,
    /// Hours of sensors that were gone through again because a reading changed.
    pub settled: u64,
    /// Sums of runs that were made.
    pub runs: u64,
}

/// Statements are short and many: no parallel workers and no JIT. The sums' order must not depend
/// on them either. A lost commit is made again from what it did not delete, so none is waited for.
const SETTINGS: &str = "SET search_path = lotwise, pg_temp; SET timezone = 'UTC';
    SET default_transaction_isolation = 'read committed'; SET synchronous_commit = off;
    SET max_parallel_workers_per_gather = 0; SET jit = off; SET work_mem = '32MB';
    SET lock_timeout = '10s'";

/// Expected readings of one transaction: some tenths of a second.
const BUDGET: f64 = 300_000.0;

/// A connection for the functions of this module.
///
/// # Errors
/// The URL is wrong, or the database does not answer.
pub async fn connect(url: &str) -> sqlx::Result<PgConnection> {
    let options = PgConnectOptions::from_str(url)?.application_name("lotwise rollup");
    let mut conn = options.connect().await?;
    sqlx::raw_sql(SETTINGS).execute(&mut conn).await?;
    Ok(conn)
}

/// Makes everything that is due: hours before `until` (without it: before the start of the last full
/// hour), marked hours, runs. In bounded transactions; needs the lock ([`try_lock`]).
///
/// # Errors
/// The database does not answer. What was committed stays; another refresh goes on from there.
pub async fn refresh(
    conn: &mut PgConnection,
    until: Option<DateTime<Utc>>,
) -> sqlx::Result<Refreshed> {
    let mut done = Refreshed::default();
    while let Some(Refreshed { built, settled, runs }) = step(conn, until).await? {
        done.built += built;
        done.settled += settled;
        done.runs += runs;
    }
    Ok(done)
}

/// A bounded part of each kind of work, so that a stream of late readings keeps none of them from
/// going on; none when nothing is due.
///
/// # Errors
/// The database does not answer.
pub async fn step(
    conn: &mut PgConnection,
    until: Option<DateTime<Utc>>,
) -> sqlx::Result<Option<Refreshed>> {
    let moved = mark::advance(conn, until).await?;
    sensors::follow(conn).await?;
    let built = hours::build(conn).await?;
    let settled = hours::settle(conn).await?;
    runs::forget_changed(conn).await?;
    if moved {
        runs::retry(conn).await?;
    }
    // Runs wait until hours are made, because they need those after their end.
    let runs = match built {
        None => runs::build(conn).await?,
        Some(_) => Some(0),
    };
    if (built, settled, runs) == (None, None, None) {
        return Ok(None);
    }
    let count = |n: Option<u64>| n.unwrap_or(0);
    Ok(Some(Refreshed { built: count(built), settled: count(settled), runs: count(runs) }))
}

/// Expected readings in an hour.
fn cost_of_hour(interval_s: f64) -> f64 {
    (3_600.0 / interval_s).clamp(1.0, 36_000.0)
}
