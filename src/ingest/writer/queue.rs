//! Batches that wait for the database, in the order of their arrival.
//!
//! While a transaction runs the next one's batches gather, so that many small requests share one
//! commit and nobody waits for a timer. Knows nothing of the database.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};

use crate::ingest::batch::{Batch, MAX_READINGS, MAX_WEEKS};
use crate::ingest::database::Unavailable;
use crate::ingest::telemetry;

/// Most readings that wait; some 12 MB.
const MAX_WAITING: usize = 500_000;

/// Waiting readings that are worth another transaction beside those that run.
const WORTH_ANOTHER: usize = 2_000;

/// What became of a batch: committed or not.
pub type Outcome = Result<(), Unavailable>;

/// A batch whose sender waits.
pub struct Waiting {
    /// Fits one transaction.
    pub batch: Batch,
    /// Closed when the sender does not wait any more.
    pub receipt: oneshot::Sender<Outcome>,
}

/// The queue, and how many workers take from it.
pub struct Queue {
    state: Mutex<State>,
    max_workers: usize,
    idle: Notify,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Waiting>,
    readings: usize,
    workers: usize,
}

/// There are too many readings in the queue.
pub struct Full {
    /// How many.
    pub readings: usize,
}

/// What a batch that was pushed asks for.
pub struct Pushed {
    /// Says what became of it.
    pub receipt: oneshot::Receiver<Outcome>,
    /// The caller has to start a worker that calls [`Queue::take`] until it gets nothing.
    pub start_worker: bool,
}

impl Queue {
    /// An empty queue for so many workers at most.
    pub fn new(max_workers: usize) -> Self {
        Self { state: Mutex::default(), max_workers: max_workers.max(1), idle: Notify::new() }
    }

    /// Puts a batch at the end.
    pub fn push(&self, batch: Batch) -> Result<Pushed, Full> {
        let mut state = self.state();
        if state.readings > 0 && state.readings + batch.len() > MAX_WAITING {
            return Err(Full { readings: state.readings });
        }
        let (sender, receipt) = oneshot::channel();
        state.readings += batch.len();
        state.waiting.push_back(Waiting { batch, receipt: sender });
        let start_worker = state.workers == 0
            || (state.workers < self.max_workers && state.readings >= WORTH_ANOTHER);
        state.workers += usize::from(start_worker);
        state.report();
        Ok(Pushed { receipt, start_worker })
    }

    /// For a worker: the batches of its next transaction; `None`: there is nothing, and the worker
    /// has to end.
    pub fn take(&self) -> Option<Vec<Waiting>> {
        let mut state = self.state();
        let (mut taken, mut readings, mut weeks) = (Vec::new(), 0, 0);
        while let Some(next) = state.waiting.pop_front() {
            // Nobody waits for it any more, and it was not promised to anyone.
            if next.receipt.is_closed() {
                state.readings -= next.batch.len();
                continue;
            }
            readings += next.batch.len();
            weeks += next.batch.weeks().len();
            let fits = readings <= MAX_READINGS && weeks <= MAX_WEEKS;
            if !fits && !taken.is_empty() {
                state.waiting.push_front(next);
                break;
            }
            state.readings -= next.batch.len();
            taken.push(next);
        }
        state.report();
        if taken.is_empty() {
            // Under the same lock as the look into the queue, so that no batch is left behind.
            state.workers -= 1;
            if state.workers == 0 {
                self.idle.notify_waiters();
            }
            return None;
        }
        Some(taken)
    }

    /// Waits until everything is taken and done.
    pub async fn drained(&self) {
        loop {
            let idle = self.idle.notified();
            if self.state().workers == 0 {
                return;
            }
            idle.await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing in here can panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn report(&self) {
        metrics::gauge!(telemetry::WAITING_READINGS).set(self.readings as f64);
    }
}

#[cfg(test)]
mod tests;
