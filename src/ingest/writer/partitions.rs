//! The weekly partitions of plain PostgreSQL, made before readings need them.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::ingest::copy_pool::Pool;
use crate::ingest::database::DriverError;
use chrono::{DateTime, Utc};

/// Creates partitions one by one, because the weeks of a batch may be years apart.
const ENSURE: &str =
    "SELECT coalesce(sum(lotwise.ensure_partitions(w, w)), 0) FROM unnest($1::timestamptz[]) w";

/// Partitions made in one transaction; each takes locks until its end.
const WEEKS_A_CALL: usize = 32;

/// Tries of a call. One is lost for each partition that others make meanwhile.
const TRIES: usize = 8;

/// The weeks that are known to have their partition.
#[derive(Debug, Default)]
pub struct Partitions(Mutex<HashSet<i32>>);

impl Partitions {
    /// Makes the partitions of these weeks, as far as they are not known. Each call to the database
    /// is a transaction of its own: creating a partition locks the whole table for a moment.
    pub async fn ensure(&self, pool: &Pool, weeks: &[i32]) -> Result<(), DriverError> {
        let missing: Vec<i32> = {
            let known = self.known();
            weeks.iter().filter(|week| !known.contains(week)).copied().collect()
        };
        for weeks in missing.chunks(WEEKS_A_CALL) {
            let mut tries = 0;
            let made = loop {
                tries += 1;
                match make(pool, weeks).await {
                    // Another connection made one of them, and this one's server process looked
                    // before it had heard of that. The next statement knows.
                    Err(e) if tries < TRIES && e.sqlstate().as_deref() == Some("42P07") => {}
                    result => break result?,
                }
            };
            if made > 0 {
                tracing::info!(partition.count = made, "created partitions");
            }
            self.known().extend(weeks);
        }
        Ok(())
    }

    /// Forgets what is known: a partition that was there is gone.
    pub fn forget(&self) {
        self.known().clear();
    }

    fn known(&self) -> MutexGuard<'_, HashSet<i32>> {
        // A set of numbers is sound even if a thread panicked while it held the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn make(pool: &Pool, weeks: &[i32]) -> Result<i64, DriverError> {
    let starts: Vec<DateTime<Utc>> = weeks
        .iter()
        .filter_map(|week| DateTime::from_timestamp(i64::from(*week) * 604_800, 0))
        .collect();
    let session = pool.get().await?;
    let client = &session.client;
    let statement = client.prepare_cached(ENSURE).await?;
    Ok(client.query_one(&statement, &[&starts]).await?.try_get(0)?)
}
