//! Batches that wait for the database, in the order of their arrival.
//!
//! While a transaction runs the next one's batches gather, so that many small requests share one
//! commit and nobody waits for a timer. Knows nothing of the database.

mod running;

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::{Notify, oneshot};

use crate::ingest::batch::{Batch, MAX_READINGS, MAX_WEEKS, WORTH_A_TRANSACTION};
use crate::ingest::database::Unavailable;
use crate::ingest::telemetry;
use running::{Places, Running};

/// Most readings that wait; some 12 MB.
const MAX_WAITING: usize = 500_000;

/// What became of a batch: committed or not.
pub type Outcome = Result<(), Unavailable>;

/// A batch whose sender waits.
struct Waiting {
    /// Fits one transaction.
    batch: Batch,
    /// Closed when the sender does not wait any more.
    receipt: oneshot::Sender<Outcome>,
}

/// The batches of one transaction, in the order of their arrival.
pub struct Taken {
    /// What [`Queue::settle`] has to be told.
    pub transaction: u64,
    /// Never empty.
    pub batches: Vec<Batch>,
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
    running: Vec<Running>,
    /// Those that the server may still carry out, although they failed here and nobody waits for them.
    doubts: Vec<Running>,
    transactions: u64,
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
        let now = Instant::now();
        let pressing = state.readings >= WORTH_A_TRANSACTION * (state.coming() + 1)
            || state.running.iter().any(|r| r.is_stuck(now));
        let start_worker = state.workers == 0 || (state.workers < self.max_workers && pressing);
        state.workers += usize::from(start_worker);
        state.report();
        Ok(Pushed { receipt, start_worker })
    }

    /// For a worker: the batches of its next transaction; `None`: there is nothing that it can do,
    /// and it has to end. Every transaction has to be settled.
    ///
    /// A batch waits for a transaction that runs, or whose end is in doubt, when it writes to the
    /// same sensor and time: the older value must not come last. Its sender may have given it up
    /// and sent the newer one before its leaving is noticed here.
    pub fn take(&self) -> Option<Taken> {
        let mut state = self.state();
        let (mut batches, mut receipts) = (Vec::new(), Vec::new());
        let (mut readings, mut weeks) = (0, 0);
        let most = state.share();
        let mut left: VecDeque<Waiting> = VecDeque::new();
        let mut left_places: Vec<Places> = Vec::new();
        while let Some(next) = state.waiting.pop_front() {
            // Nobody waits for it any more, and it was not promised to anyone.
            if next.receipt.is_closed() {
                state.readings -= next.batch.len();
                continue;
            }
            let behind = state.under_way().any(|running| running.meets(&next.batch))
                || left_places.iter().any(|places| places.meet(&next.batch));
            if behind {
                left_places.push(Places::of(&next.batch));
                left.push_back(next);
                continue;
            }
            readings += next.batch.len();
            weeks += next.batch.weeks().len();
            let fits = readings <= most && weeks <= MAX_WEEKS;
            if !fits && !batches.is_empty() {
                state.waiting.push_front(next);
                break;
            }
            state.readings -= next.batch.len();
            batches.push(next.batch);
            receipts.push(next.receipt);
        }
        while let Some(next) = left.pop_back() {
            state.waiting.push_front(next);
        }
        state.report();
        if batches.is_empty() {
            // Under the same lock as the look into the queue, so that no batch is left behind: what
            // waits for a transaction is taken by its worker.
            state.workers -= 1;
            if state.workers == 0 {
                self.idle.notify_waiters();
            }
            return None;
        }
        state.transactions += 1;
        let transaction = state.transactions;
        let places = batches.iter().map(Places::of).collect();
        state.running.push(Running { transaction, since: Instant::now(), places, receipts });
        Some(Taken { transaction, batches })
    }

    /// The transaction is over. Tells the senders, in the order of the batches; without an outcome
    /// they learn that there is none.
    pub fn settle(&self, transaction: u64, outcomes: impl IntoIterator<Item = Outcome>) {
        self.end(transaction, outcomes, false);
    }

    /// The transaction has failed here, but the server may still carry it out: what writes to the
    /// same places waits until [`Queue::resolved`].
    pub fn settle_in_doubt(&self, transaction: u64, outcomes: impl IntoIterator<Item = Outcome>) {
        self.end(transaction, outcomes, true);
    }

    /// The server does not carry the transaction out any more. Whether the caller has to start a
    /// worker, as after [`Queue::push`].
    pub fn resolved(&self, transaction: u64) -> bool {
        let mut state = self.state();
        state.doubts.retain(|r| r.transaction != transaction);
        let start_worker = state.workers == 0 && !state.waiting.is_empty();
        state.workers += usize::from(start_worker);
        start_worker
    }

    fn end(&self, transaction: u64, outcomes: impl IntoIterator<Item = Outcome>, in_doubt: bool) {
        let mut state = self.state();
        let Some(index) = state.running.iter().position(|r| r.transaction == transaction) else {
            return;
        };
        let mut running = state.running.swap_remove(index);
        let receipts = std::mem::take(&mut running.receipts);
        if in_doubt {
            state.doubts.push(running);
        }
        drop(state);
        for (receipt, outcome) in receipts.into_iter().zip(outcomes) {
            // One who does not wait any more does not mind.
            let _ = receipt.send(outcome);
        }
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
    /// Most readings of the next transaction: what waits is shared with the other workers that come
    /// for it now.
    fn share(&self) -> usize {
        let workers = self.coming().max(1);
        self.readings.div_ceil(workers).clamp(WORTH_A_TRANSACTION, MAX_READINGS)
    }

    /// Workers that come for what waits.
    fn coming(&self) -> usize {
        self.workers.saturating_sub(self.running.len())
    }

    /// Transactions that the server may carry out.
    fn under_way(&self) -> impl Iterator<Item = &Running> {
        self.running.iter().chain(&self.doubts)
    }

    fn report(&self) {
        metrics::gauge!(telemetry::WAITING_READINGS).set(self.readings as f64);
    }
}

#[cfg(test)]
mod tests;
