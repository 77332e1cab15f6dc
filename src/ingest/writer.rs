//! Stores batches: binary COPY into the connection's staging table, upsert, commit.
//!
//! When [`Writer::store`] returns, the readings are committed. Repeats are free, and a value that
//! is sent again with another number replaces the stored one.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use deadpool_postgres::Pool;
use futures_util::SinkExt;

use crate::ingest::batch::Batch;
use crate::ingest::database::{DriverError, Unavailable};

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
#[derive(Clone)]
pub struct Writer {
    pool: Pool,
    known_weeks: Arc<Mutex<HashSet<i32>>>,
}

impl Writer {
    /// A writer that takes its connections from `pool` (see [`crate::ingest::copy_pool`]).
    pub fn new(pool: Pool) -> Self {
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
        task.await?
    }

    /// Makes the partitions of this week and the next, so that no sender waits for them at the turn
    /// of the week: creating one needs the whole table for a moment.
    ///
    /// # Errors
    /// The database does not do it now.
    pub async fn prepare_weeks(&self) -> Result<(), Unavailable> {
        let week = Utc::now().timestamp() / 604_800;
        let weeks: Vec<i32> =
            [week, week + 1].into_iter().filter_map(|w| w.try_into().ok()).collect();
        self.ensure_partitions(&weeks).await
    }

    async fn store_part(&self, part: &Batch) -> Result<u64, Unavailable> {
        if part.is_empty() {
            return Ok(0);
        }
        let weeks = part.weeks();
        self.ensure_partitions(&weeks).await?;
        let copy = Bytes::from(part.to_copy());
        match self.upsert(copy.clone()).await {
            // A partition that was there is gone: retention dropped it, or the database is new.
            Err(e) if e.sqlstate().as_deref() == Some("23514") => {
                self.known().clear();
                self.ensure_partitions(&weeks).await?;
                Ok(self.upsert(copy).await?)
            }
            result => Ok(result?),
        }
    }

    async fn upsert(&self, copy: Bytes) -> Result<u64, DriverError> {
        let mut client = self.pool.get().await?;
        let (copy_in, upsert) =
            (client.prepare_cached(COPY).await?, client.prepare_cached(UPSERT).await?);
        let tx = client.transaction().await?;
        let mut sink = pin!(tx.copy_in(&copy_in).await?);
        sink.send(copy).await?;
        sink.finish().await?;
        let written = tx.execute(&upsert, &[]).await?;
        tx.commit().await?;
        Ok(written)
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
            let client = self.pool.get().await?;
            let statement = client.prepare_cached(ENSURE).await?;
            let made: i64 = client.query_one(&statement, &[&starts]).await?.try_get(0)?;
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
