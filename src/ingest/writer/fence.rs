//! Ends sessions at the server that may still write what this process does not know to be written.
//!
//! A connection that breaks, or a process that is killed, leaves the server with what it got: it may
//! carry the transaction out after a newer value for the same sensor and time was acknowledged, and
//! the older one would come last. So nothing is written there before the session is gone: those that
//! an earlier process left behind end before the first batch of this one.

use std::time::Duration;

use tokio::sync::OnceCell;

use crate::ingest::copy_pool::{APPLICATION, Pool};
use crate::ingest::database::DriverError;

/// How long to wait before another try.
pub const AGAIN: Duration = Duration::from_millis(500);

/// Ends the sessions of this database and login, waits for each, and says how many there were and
/// are still. With process number 0: all but the one that asks.
const END: &str = "SELECT count(*), count(*) FILTER (WHERE NOT gone) FROM (
        SELECT pg_terminate_backend(pid, 3000) AS gone FROM pg_stat_activity
        WHERE application_name = $1 AND datname = current_database() AND usename = session_user
          AND pid <> pg_backend_pid() AND $2 IN (0, pid)) AS ended";

/// Whether the sessions of earlier processes are gone.
#[derive(Debug, Default)]
pub struct Fence(OnceCell<()>);

impl Fence {
    /// Returns when no earlier process of this login can write any more. The writer calls it before
    /// its first use of the pool; later calls cost nothing.
    pub async fn raised(&self, pool: &Pool) -> Result<(), DriverError> {
        let raised = self.0.get_or_try_init(async || {
            let ended = end_sessions(pool, 0).await?;
            if ended > 0 {
                tracing::info!(session.count = ended, "ended sessions of an earlier process");
            }
            Ok::<_, DriverError>(())
        });
        raised.await.map(|_| ())
    }
}

/// Returns when the session with this process number at the server is gone.
pub async fn end(pool: &Pool, pid: i32) -> Result<(), DriverError> {
    end_sessions(pool, pid).await.map(drop)
}

/// How many sessions were ended.
async fn end_sessions(pool: &Pool, pid: i32) -> Result<i64, DriverError> {
    let session = pool.get().await?;
    let client = &session.client;
    // A URL may set a role that may not end the sessions of its own login.
    client.batch_execute("BEGIN; SET LOCAL ROLE NONE").await?;
    let ended = client.query_one(END, &[&APPLICATION, &pid]).await;
    client.batch_execute("ROLLBACK").await?;
    let ended = ended?;
    let (ended, left): (i64, i64) = (ended.try_get(0)?, ended.try_get(1)?);
    if left > 0 { Err(DriverError::Lingering(left)) } else { Ok(ended) }
}
