//! Stores batches: binary COPY into the connection's staging table, upsert, commit.
//!
//! When [`Writer::store`] returns, the readings are committed. Repeats are free, and a value that
//! is sent again with another number replaces the stored one.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use sqlx::postgres::PgPool;

use crate::ingest::batch::Batch;
use crate::ingest::database::{Unavailable, sqlstate};

const COPY: &str =
    "COPY pg_temp.reading_staging (time, value, plant_id, sensor_id) FROM STDIN (FORMAT binary)";

/// An unchanged value is not written, so that a repeated batch costs no dead rows.
const UPSERT: &str = "INSERT INTO lotwise.reading AS r (time, value, plant_id, sensor_id)
    SELECT time, value, plant_id, sensor_id FROM pg_temp.reading_staging
    ON CONFLICT (plant_id, sensor_id, time) DO UPDATE SET value = excluded.value
    WHERE r.value IS DISTINCT FROM excluded.value";

/// Creates partitions one by one, because the weeks of a batch may be years apart.
const ENSURE: &str =
    "SELECT coalesce(sum(lotwise.ensure_partitions(w, w)), 0) FROM unnest($1::timestamptz[]) w";

/// Partitions made in one transaction; each takes locks until its end.
const WEEKS_A_CALL: usize = 32;

/// Writes to one database. Clones share what they know.
#[derive(Debug, Clone)]
pub struct Writer {
    pool: PgPool,
    known_weeks: Arc<Mutex<HashSet<i32>>>,
}

impl Writer {
    /// A writer that takes its connections from `pool` (see [`crate::ingest::database::pool`]).
    pub fn new(pool: PgPool) -> Self {
        Self { pool, known_weeks: Arc::default() }
    }

    /// Stores the batch; returns how many readings are new or changed.
    ///
    /// # Errors
    /// The database does not take it now. Nothing or a part is stored, and sending the batch again
    /// is right.
    pub async fn store(&self, batch: Batch) -> Result<u64, Unavailable> {
        // A task of its own: a client that hangs up drops the request's future, and a COPY that is
        // dropped half-way would spoil the connection.
        let writer = self.clone();
        let task = tokio::spawn(async move {
            let mut written = 0;
            for part in batch.split() {
                written += writer.store_part(&part).await?;
            }
            Ok(written)
        });
        task.await.unwrap_or_else(|_| Err(sqlx::Error::WorkerCrashed.into()))
    }

    async fn store_part(&self, part: &Batch) -> Result<u64, Unavailable> {
        if part.is_empty() {
            return Ok(0);
        }
        let weeks = part.weeks();
        self.ensure_partitions(&weeks).await?;
        let copy = part.to_copy();
        match self.upsert(&copy).await {
            // A partition that was there is gone: retention dropped it, or the database is new.
            Err(e) if sqlstate(&e).as_deref() == Some("23514") => {
                self.known().clear();
                self.ensure_partitions(&weeks).await?;
                Ok(self.upsert(&copy).await?)
            }
            result => Ok(result?),
        }
    }

    async fn upsert(&self, copy: &[u8]) -> Result<u64, sqlx::Error> {
        let mut tx = self.pool.begin().await?;
        let mut stream = tx.copy_in_raw(COPY).await?;
        stream.send(copy).await?;
        stream.finish().await?;
        let done = sqlx::query(UPSERT).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(done.rows_affected())
    }

    /// In a transaction of its own: creating a partition locks the whole table for a moment.
    async fn ensure_partitions(&self, weeks: &[i32]) -> Result<(), Unavailable> {
        let missing: Vec<i32> = {
            let known = self.known();
            weeks.iter().filter(|week| !known.contains(week)).copied().collect()
        };
        for weeks in missing.chunks(WEEKS_A_CALL) {
            let starts: Vec<DateTime<Utc>> = weeks
                .iter()
                .filter_map(|week| DateTime::from_timestamp(i64::from(*week) * 604_800, 0))
                .collect();
            let made: i64 = sqlx::query_scalar(ENSURE).bind(&starts).fetch_one(&self.pool).await?;
            if made > 0 {
                tracing::info!(partition.count = made, "created partitions");
            }
            self.known().extend(weeks);
        }
        Ok(())
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashSet<i32>> {
        // A set of numbers is sound even if a thread panicked while it held the lock.
        self.known_weeks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
