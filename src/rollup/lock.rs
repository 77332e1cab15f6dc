//! One process at a time maintains the rollups of a database, and none moves on what writers mark by while
//! one of them commits.

use sqlx::postgres::PgConnection;

/// Waits until every writer that saw the old time has ended, and lets no other begin to mark
/// meanwhile. Writers hold the lock only while they commit.
pub(crate) const MARK_LOCK: &str = "SELECT pg_advisory_xact_lock(hashtext('lotwise.rollup_mark'))";

/// Takes the lock for as long as the connection lives; false when another connection has it.
///
/// # Errors
/// The database does not answer.
pub async fn try_lock(conn: &mut PgConnection) -> sqlx::Result<bool> {
    sqlx::query_scalar("SELECT pg_try_advisory_lock(hashtext('lotwise.rollup_worker'))")
        .fetch_one(conn)
        .await
}
