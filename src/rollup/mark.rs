//! The time up to which writers mark what they change.

use chrono::{DateTime, Utc};
use sqlx::Connection;
use sqlx::postgres::PgConnection;

use super::MARK_LOCK;

/// The start of the last full hour: in-order readings are not late, and few hours are not rolled up.
const NEXT: &str = "SELECT date_bin('1 hour', t.until, 'epoch')
    FROM (SELECT coalesce($1::timestamptz, now() - interval '1 hour') AS until) t, rollup_state s
    WHERE s.mark_until IS NULL OR s.mark_until < date_bin('1 hour', t.until, 'epoch')";

/// Writers that commit meanwhile wait behind this lock: a writer that hangs must not keep them for
/// long. Then nothing is lost, and the time moves on later.
const PATIENCE: &str = "SET LOCAL lock_timeout = '1s'";

const MOVE: &str =
    "UPDATE rollup_state SET mark_until = $1 WHERE mark_until IS NULL OR mark_until < $1";

/// Moves the time on to the last full hour before `until` (now, without it); says whether it moved.
/// It never moves back.
pub(super) async fn advance(
    conn: &mut PgConnection,
    until: Option<DateTime<Utc>>,
) -> sqlx::Result<bool> {
    let next: Option<DateTime<Utc>> =
        sqlx::query_scalar(NEXT).bind(until).fetch_optional(&mut *conn).await?;
    let Some(next) = next else { return Ok(false) };
    let mut tx = conn.begin().await?;
    sqlx::query(PATIENCE).execute(&mut *tx).await?;
    sqlx::query(MARK_LOCK).execute(&mut *tx).await?;
    sqlx::query(MOVE).bind(next).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(true)
}
