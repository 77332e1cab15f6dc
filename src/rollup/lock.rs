//! One process at a time maintains the rollups of a database.

use sqlx::postgres::PgConnection;

/// Takes the lock for as long as the connection lives; false when another connection has it.
///
/// # Errors
/// The database does not answer.
pub async fn try_lock(conn: &mut PgConnection) -> sqlx::Result<bool> {
    sqlx::query_scalar("SELECT pg_try_advisory_lock(hashtext('lotwise.rollup_worker'))")
        .fetch_one(conn)
        .await
}
