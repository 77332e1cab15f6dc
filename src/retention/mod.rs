//! Retention: old readings are dropped, what they add up to in each hour and run stays.
//!
//! # What stays true
//!
//! Figures of whole hours and of whole runs that are kept do not change: a row of `rollup_hour` has the
//! first and the last reading of its hour and what lies between them adds up to, so segments between
//! hours are made from it as from readings (see [`crate::rollup`]). Where an edge cuts an hour whose
//! readings are gone, what is between its first and last reading is shared in proportion to time: parts
//! still add up to the whole. What needs single readings (readings as they are, envelopes, anomalies) has
//! none.
//!
//! # In which order
//!
//! 1. Nothing is dropped that is not final: all hours before the cut are made, none is marked, and the
//!    closed runs before it were gone through.
//! 2. `rollup_state.raw_from` moves to the cut, under the lock that every writer takes before its commit.
//!    From then on writers are refused there (the ingest service keeps such readings in quarantine), the
//!    worker leaves those hours alone, and queries read them from rows.
//! 3. After [`GRACE`], when nobody works with an older view, the chunks or partitions before the cut go.
//!
//! A drop that is interrupted is finished by the next one. Run by the owner role.

pub mod cli;

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use sqlx::Connection;
use sqlx::postgres::PgConnection;

use crate::{columnstore, rollup, schema};

/// From when readings are kept until the first is dropped: longer than the ingest service and the plugin
/// believe what they know (60 and 10 seconds) and than statements take.
pub const GRACE: Duration = Duration::from_secs(120);

/// Why nothing is dropped; says what to do.
#[derive(Debug, thiserror::Error)]
pub enum RetentionError {
    /// Hours before the cut are not made.
    #[error(
        "rollups are made before {built}, not before {cut}: run `lotwise ingest` or `lotwise rollup refresh` first", built = built.map_or("no time".to_owned(), time), cut = time(*cut)
    )]
    NotBuilt {
        /// Up to when they are made.
        built: Option<DateTime<Utc>>,
        /// The cut.
        cut: DateTime<Utc>,
    },
    /// Readings before the cut have just changed.
    #[error(
        "{marks} hours before {cut} wait to be made again because readings came late: run `lotwise ingest` or `lotwise rollup refresh`, and try again", cut = time(*cut)
    )]
    Marked {
        /// Hours that wait.
        marks: i64,
        /// The cut.
        cut: DateTime<Utc>,
    },
    /// Runs before the cut were not gone through.
    #[error(
        "{runs} closed runs before {cut} wait for their sums: run `lotwise ingest` or `lotwise rollup refresh`, and try again", cut = time(*cut)
    )]
    Runs {
        /// Runs that wait.
        runs: i64,
        /// The cut.
        cut: DateTime<Utc>,
    },
    /// The database refused.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

fn time(t: DateTime<Utc>) -> String {
    t.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// A chunk or partition of the readings.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct Part {
    /// Name of the table, quoted.
    pub name: String,
    /// Start.
    pub starts: DateTime<Utc>,
    /// End.
    pub ends: DateTime<Utc>,
    /// Bytes on disk, indexes included.
    pub bytes: i64,
}

/// Partitions are of a week and named by it (0001_schema.sql).
const PARTITIONS: &str = "SELECT format('%I.%I', n.nspname, c.relname) AS name, w.starts,
        w.starts + interval '168 hours' AS ends, pg_total_relation_size(c.oid) AS bytes
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    CROSS JOIN LATERAL (SELECT to_timestamp(substr(c.relname, 10)::float8 * 604800) AS starts) w
    WHERE i.inhparent = 'lotwise.reading'::regclass AND c.relname ~ '^reading_w-?[0-9]+$' ORDER BY w.starts";

/// The chunks or partitions of the readings, oldest first.
///
/// # Errors
/// The database does not answer.
pub async fn parts(conn: &mut PgConnection) -> sqlx::Result<Vec<Part>> {
    let list = match schema::has_partitions(conn).await? {
        true => PARTITIONS,
        false => columnstore::CHUNKS,
    };
    sqlx::query_as(list).fetch_all(conn).await
}

/// From when readings are kept; none: all are.
///
/// # Errors
/// The database does not answer.
pub async fn raw_from(conn: &mut PgConnection) -> sqlx::Result<Option<DateTime<Utc>>> {
    sqlx::query_scalar("SELECT raw_from FROM lotwise.rollup_state").fetch_one(conn).await
}

/// What goes: whole parts that end before `before`, and what an interrupted drop has left.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// From when readings stay.
    pub cut: DateTime<Utc>,
    /// The parts that go.
    pub parts: Vec<Part>,
    /// Runs that began before the cut and are still open: their start becomes one of hours.
    pub open_runs: i64,
}

const OPEN_RUNS: &str =
    "SELECT count(*) FROM lotwise.run WHERE started_at < $1 AND ended_at IS NULL";

/// Plans to keep the readings since `before`, by whole parts; none where there is nothing to drop.
///
/// # Errors
/// The database does not answer.
pub async fn plan(
    conn: &mut PgConnection,
    before: DateTime<Utc>,
) -> Result<Option<Plan>, RetentionError> {
    let kept = raw_from(conn).await?;
    let is_whole_hour = |t: DateTime<Utc>| t.timestamp_micros() % 3_600_000_000 == 0;
    let old: Vec<Part> = parts(conn)
        .await?
        .into_iter()
        .filter(|part| is_whole_hour(part.ends) && (part.ends <= before || Some(part.ends) <= kept))
        .collect();
    let Some(last) = old.iter().map(|part| part.ends).max() else { return Ok(None) };
    let cut = kept.map_or(last, |kept| kept.max(last));
    let open_runs = sqlx::query_scalar(OPEN_RUNS).bind(cut).fetch_one(&mut *conn).await?;
    Ok(Some(Plan { cut, parts: old, open_runs }))
}

/// Sensors without a reading have nothing to be made.
const BUILT: &str =
    "SELECT least(m.mark_until, (SELECT min(built_until) FROM lotwise.rollup_sensor))
    FROM lotwise.rollup_state m";

const MARKS: &str = "SELECT count(*) FROM lotwise.rollup_dirty WHERE hour < $1";

/// A run of which a sensor has no next reading for a month is not waited for (`rollup::runs`).
const RUNS: &str = "SELECT count(*) FROM lotwise.run r
    LEFT JOIN lotwise.rollup_run_done d ON d.run_id = r.id
    WHERE r.started_at < $1 AND r.ended_at < (SELECT mark_until FROM lotwise.rollup_state)
        AND (d.run_id IS NULL OR d.again)";

const MOVE: &str =
    "UPDATE lotwise.rollup_state SET raw_from = $1 WHERE raw_from IS NULL OR raw_from < $1";

const KEEP_KIND: &str = "UPDATE lotwise.rollup_sensor SET kept_kind = kind WHERE kept_kind IS NULL
    AND built_until > '-infinity'";

/// Moves `raw_from` to the cut, where everything before it is final.
///
/// # Errors
/// [`RetentionError`]; then nothing has changed.
pub async fn freeze(conn: &mut PgConnection, cut: DateTime<Utc>) -> Result<(), RetentionError> {
    let mut tx = conn.begin().await?;
    let moved = move_to(&mut tx, cut).await;
    // Now: a dropped transaction would keep the lock until the connection's next statement.
    match moved {
        Ok(()) => tx.commit().await?,
        Err(_) => tx.rollback().await?,
    }
    moved
}

async fn move_to(tx: &mut PgConnection, cut: DateTime<Utc>) -> Result<(), RetentionError> {
    sqlx::query("SET LOCAL lock_timeout = '10s'").execute(&mut *tx).await?;
    sqlx::query(rollup::MARK_LOCK).execute(&mut *tx).await?;
    let built: Option<DateTime<Utc>> = sqlx::query_scalar(BUILT).fetch_one(&mut *tx).await?;
    if built.is_none_or(|built| built < cut) {
        return Err(RetentionError::NotBuilt { built, cut });
    }
    let marks: i64 = sqlx::query_scalar(MARKS).bind(cut).fetch_one(&mut *tx).await?;
    if marks > 0 {
        return Err(RetentionError::Marked { marks, cut });
    }
    let runs: i64 = sqlx::query_scalar(RUNS).bind(cut).fetch_one(&mut *tx).await?;
    if runs > 0 {
        return Err(RetentionError::Runs { runs, cut });
    }
    sqlx::query(MOVE).bind(cut).execute(&mut *tx).await?;
    sqlx::query(KEEP_KIND).execute(&mut *tx).await?;
    Ok(())
}

/// Drops the parts before `raw_from`; how many.
///
/// # Errors
/// The database does not answer, or a statement holds a part for longer than ten seconds; what was
/// dropped stays so, and another call goes on.
pub async fn drop_parts(conn: &mut PgConnection) -> Result<usize, RetentionError> {
    let Some(cut) = raw_from(conn).await? else { return Ok(0) };
    let has_partitions = schema::has_partitions(conn).await?;
    sqlx::query("SET lock_timeout = '10s'").execute(&mut *conn).await?;
    let old: Vec<Part> = parts(conn).await?.into_iter().filter(|part| part.ends <= cut).collect();
    if old.is_empty() {
        return Ok(0);
    }
    if has_partitions {
        for part in &old {
            // A quoted name of the catalog, which no user has chosen.
            let drop = sqlx::AssertSqlSafe(format!("DROP TABLE {}", part.name));
            sqlx::query(drop).execute(&mut *conn).await?;
        }
    } else {
        let drop = "SELECT count(*) FROM public.drop_chunks('lotwise.reading', older_than => $1)";
        sqlx::query_scalar::<_, i64>(drop).bind(cut).fetch_one(&mut *conn).await?;
    }
    Ok(old.len())
}
