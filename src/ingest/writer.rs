//! Stores batches: what waits is merged and written in one transaction.
//!
//! When [`Writer::store`] returns, the readings are committed. Repeats are free, and a value that
//! is sent again with another number replaces the stored one. Readings that are newer than all that
//! this process has committed of their sensor are copied straight into the table; the others go
//! through the connection's staging table and an upsert, which costs twice as much.

mod fence;
mod mark;
mod newest;
mod partitions;
mod queue;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use chrono::Utc;
use deadpool_postgres::ClientWrapper;
use futures_util::SinkExt;
use futures_util::future::{join, join_all, join3};
use tokio_postgres::Statement;

use crate::ingest::batch::{Batch, to_copy};
use crate::ingest::copy_pool::{Pool, Session};
use crate::ingest::database::{DriverError, Unavailable};
use crate::ingest::reading::{Instant, Reading};
use crate::ingest::telemetry;
use fence::Fence;
use mark::{MARK, Marks};
use newest::{Newest, Ways};
use partitions::Partitions;
use queue::{Full, Outcome, Pushed, Queue, Taken};

const COPY: &str =
    "COPY lotwise.reading (time, value, plant_id, sensor_id) FROM STDIN (FORMAT binary)";

const STAGE: &str =
    "COPY pg_temp.reading_staging (time, value, plant_id, sensor_id) FROM STDIN (FORMAT binary)";

/// An unchanged value is not written, so that a repeated batch costs no dead rows.
const UPSERT: &str = "INSERT INTO lotwise.reading AS r (time, value, plant_id, sensor_id)
    SELECT time, value, plant_id, sensor_id FROM pg_temp.reading_staging
    ON CONFLICT (plant_id, sensor_id, time) DO UPDATE SET value = excluded.value
    WHERE r.value IS DISTINCT FROM excluded.value";

/// Longest wait for the commit, after which the sender had better keep its data and come again.
const PATIENCE: Duration = Duration::from_secs(20);

/// Longest transaction; one that takes longer is given up, and its connection with it.
const TRANSACTION: Duration = Duration::from_secs(60);

/// Tries of one batch: a repeat, a lost partition and a deadlock each take one.
const TRIES: usize = 4;

/// Writes to one database. Clones share what they know.
#[derive(Clone)]
pub struct Writer(Arc<Shared>);

struct Shared {
    pool: Pool,
    /// Most parts of a batch that are written at once.
    parts: usize,
    queue: Queue,
    newest: Newest,
    partitions: Partitions,
    fence: Fence,
}

impl Writer {
    /// A writer that takes its connections from `pool` (see [`crate::ingest::copy_pool`]), and runs
    /// at most as many transactions at once as the pool has connections.
    pub fn new(pool: Pool) -> Self {
        let parts = pool.status().max_size;
        let queue = Queue::new(parts);
        let (newest, partitions) = (Newest::default(), Partitions::default());
        Self(Arc::new(Shared { pool, parts, queue, newest, partitions, fence: Fence::default() }))
    }

    /// Stores the batch; returns how many readings it held. A caller that is dropped takes back
    /// what is not begun, and leaves a transaction that runs alone.
    ///
    /// # Errors
    /// The database does not take it now. Nothing or a part is stored, and sending the batch again
    /// is right.
    pub async fn store(&self, batch: Batch) -> Result<u64, Unavailable> {
        let count = batch.len() as u64;
        // One part after the other, so that a large batch does not fill the queue before others.
        for part in batch.split() {
            self.store_at_once(part.divide(self.0.parts)).await?;
        }
        Ok(count)
    }

    /// Stores parts that share no sensor, each in a transaction of its own where there are workers
    /// for it. Waits for all of them also when one fails, so that none is under way afterwards.
    async fn store_at_once(&self, parts: Vec<Batch>) -> Outcome {
        let stored = join_all(parts.into_iter().map(|part| self.store_part(part))).await;
        stored.into_iter().collect()
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
        self.0.fence.raised(&self.0.pool).await?;
        Ok(self.0.partitions.ensure(&self.0.pool, &weeks).await?)
    }

    /// Waits until what is queued is written, or has failed.
    pub async fn drained(&self) {
        self.0.queue.drained().await;
    }

    async fn store_part(&self, part: Batch) -> Outcome {
        if part.is_empty() {
            return Ok(());
        }
        let Pushed { receipt, start_worker } = self
            .0
            .queue
            .push(part)
            .map_err(|Full { readings }| Unavailable::from(DriverError::Full(readings)))?;
        if start_worker {
            spawn_worker(self.0.clone());
        }
        match tokio::time::timeout(PATIENCE, receipt).await {
            Ok(Ok(outcome)) => outcome,
            // The worker's transaction panicked, or the runtime ends.
            Ok(Err(_)) => Err(DriverError::Lost.into()),
            Err(_) => Err(DriverError::Slow(PATIENCE).into()),
        }
    }
}

fn spawn_worker(shared: Arc<Shared>) {
    tokio::spawn(work(shared));
}

/// Writes what waits until nothing does.
async fn work(shared: Arc<Shared>) {
    loop {
        // Requests that are ready to push come first, and share the transaction.
        tokio::task::yield_now().await;
        let Some(taken) = shared.queue.take() else { return };
        // A task of its own: a panic in it must not end the worker, which is counted.
        let transaction = taken.transaction;
        let settled = tokio::spawn(settle(shared.clone(), taken)).await;
        if settled.is_err() {
            shared.queue.settle(transaction, []);
        }
    }
}

/// Writes the batches and tells their senders.
async fn settle(shared: Arc<Shared>, Taken { transaction, batches }: Taken) {
    let count = batches.len();
    // A single batch has nobody to spoil it.
    let alone = if count > 1 { batches.clone() } else { Vec::new() };
    let mut doubts = Vec::new();
    let outcomes = match shared.write(Batch::merge(batches), &mut doubts).await {
        Err(error) if error.is_of_the_data() && !alone.is_empty() => {
            // One of them cannot be written: it must not take the others along.
            let mut outcomes = Vec::with_capacity(count);
            for batch in alone {
                let written = shared.write(batch, &mut doubts).await;
                outcomes.push(written.map_err(Unavailable::from));
            }
            outcomes
        }
        result => {
            let result = result.map_err(Arc::new);
            let outcome = || result.clone().map_err(|e| DriverError::Shared(e).into());
            std::iter::repeat_with(outcome).take(count).collect()
        }
    };
    if doubts.is_empty() {
        shared.queue.settle(transaction, outcomes);
    } else {
        shared.queue.settle_in_doubt(transaction, outcomes);
        tokio::spawn(resolve(shared, transaction, doubts));
    }
}

/// Ends the sessions that may still write, and lets go on what waits for that.
async fn resolve(shared: Arc<Shared>, transaction: u64, sessions: Vec<i32>) {
    for pid in sessions {
        while let Err(error) = fence::end(&shared.pool, pid).await {
            tracing::debug!(error.message = %error, "a session that was lost is not ended yet");
            tokio::time::sleep(fence::AGAIN).await;
        }
    }
    if shared.queue.resolved(transaction) {
        spawn_worker(shared);
    }
}

impl Shared {
    /// Writes a batch that fits one transaction. `doubts` gets the sessions that may still do it
    /// after this has failed.
    async fn write(&self, batch: Batch, doubts: &mut Vec<i32>) -> Result<(), DriverError> {
        self.fence.raised(&self.pool).await?;
        self.partitions.ensure(&self.pool, &batch.weeks()).await?;
        let mut ways = self.newest.ways(&batch);
        for _ in 1..TRIES {
            let Err(error) = self.try_once(&ways, doubts).await else {
                self.newest.committed(&batch);
                return Ok(());
            };
            match error.sqlstate().as_deref() {
                // A reading that seemed new was in the table.
                Some("23505") if !ways.copy.is_empty() => {
                    if let Ok(now) = Instant::from_utc(Utc::now()) {
                        self.newest.repeated(&ways.copy, now);
                    }
                    ways = Ways::careful(&batch);
                }
                // A partition that was there is gone: retention dropped it, or the database is new.
                Some("23514") => {
                    self.partitions.forget();
                    self.partitions.ensure(&self.pool, &batch.weeks()).await?;
                }
                // COPY sorts by partition first, so two batches with the same rows may meet.
                Some("40P01" | "40001") => ways = Ways::careful(&batch),
                _ => return Err(error),
            }
        }
        self.try_once(&ways, doubts).await?;
        self.newest.committed(&batch);
        Ok(())
    }

    async fn try_once(&self, ways: &Ways, doubts: &mut Vec<i32>) -> Result<(), DriverError> {
        let start = std::time::Instant::now();
        let session = self.pool.get().await?;
        let Session { client, pid } = &*session;
        let done = tokio::time::timeout(TRANSACTION, async {
            let statements = Statements::prepare(client).await?;
            transaction(client, &statements, ways).await
        });
        let result = match done.await {
            Ok(result) => result.map_err(DriverError::from),
            Err(_) => Err(DriverError::Slow(TRANSACTION)),
        };
        if let Err(error) = result {
            if error.leaves_doubt() {
                doubts.push(*pid);
                // Out of the pool: it is in the middle of something.
                drop(deadpool::managed::Object::take(session));
            }
            return Err(error);
        }
        let (copied, upserted) = (ways.copy.len(), ways.upsert.len());
        metrics::histogram!(telemetry::TRANSACTION_SECONDS).record(start.elapsed().as_secs_f64());
        metrics::histogram!(telemetry::TRANSACTION_READINGS).record((copied + upserted) as f64);
        for (way, readings) in [("copy", copied), ("upsert", upserted)] {
            if readings > 0 {
                metrics::counter!(telemetry::READINGS_WRITTEN, "way" => way)
                    .increment(readings as u64);
            }
        }
        Ok(())
    }
}

/// Prepared before the transaction begins, so that its requests can follow each other.
struct Statements {
    copy: Statement,
    stage: Statement,
    upsert: Statement,
    mark: Statement,
}

impl Statements {
    async fn prepare(client: &ClientWrapper) -> Result<Self, tokio_postgres::Error> {
        Ok(Self {
            copy: client.prepare_cached(COPY).await?,
            stage: client.prepare_cached(STAGE).await?,
            upsert: client.prepare_cached(UPSERT).await?,
            mark: client.prepare_cached(MARK).await?,
        })
    }
}

/// What one transaction consists of. Other statements that belong to the same readings go before
/// [`end`].
///
/// Requests are sent without a wait for the answers to those before them: `join` polls its futures
/// in order, and each sends its request when it is first polled. That is safe because a statement
/// that fails makes the server refuse the rest, and turns the commit into a rollback. All answers
/// are read, so that the connection is left in order.
async fn transaction(
    client: &ClientWrapper,
    statements: &Statements,
    ways: &Ways,
) -> Result<(), tokio_postgres::Error> {
    let marks = Marks::of(ways);
    let begin = client.batch_execute("BEGIN");
    let end = end(client, statements, &marks);
    if ways.upsert.is_empty() {
        let copied = copy(client, &statements.copy, &ways.copy);
        let (begun, copied, ended) = join3(begin, copied, end).await;
        return begun.and(copied).and(ended);
    }
    let staged = async {
        begin.await?;
        if !ways.copy.is_empty() {
            copy(client, &statements.copy, &ways.copy).await?;
        }
        copy(client, &statements.stage, &ways.upsert).await
    };
    if let Err(error) = staged.await {
        // If this fails the connection is gone, and the transaction with it.
        let _ = client.batch_execute("ROLLBACK").await;
        return Err(error);
    }
    let (upserted, ended) = join(client.execute(&statements.upsert, &[]), end).await;
    upserted.and(ended)
}

/// The marks, which hold a lock until the commit, and the commit.
async fn end(
    client: &ClientWrapper,
    statements: &Statements,
    marks: &Marks,
) -> Result<(), tokio_postgres::Error> {
    let marked = marks.write(client, &statements.mark);
    let (marked, committed) = join(marked, client.batch_execute("COMMIT")).await;
    marked.and(committed)
}

async fn copy(
    client: &ClientWrapper,
    statement: &Statement,
    readings: &[Reading],
) -> Result<(), tokio_postgres::Error> {
    let mut sink = pin!(client.copy_in(statement).await?);
    sink.send(Bytes::from(to_copy(readings))).await?;
    sink.finish().await?;
    Ok(())
}
