//! Which way a batch goes: straight to the database, or into the spool.
//!
//! The order of acknowledged values must hold, so there are three rules. While anything is in the
//! spool, everything goes through it. The drain starts only when no direct write is under way, for
//! one that is late would come after newer values. And the direct way opens again only when the
//! spool's files are gone and nothing is being appended.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Shared by all requests and the drain.
#[derive(Debug, Default)]
pub struct Gate {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    spooling: bool,
    /// Direct writes under way.
    direct: usize,
    /// Batches that are being appended.
    appending: usize,
}

/// A direct write under way, until it is dropped.
#[derive(Debug)]
pub struct Direct(Arc<Gate>);

/// A batch that is being appended, until it is dropped.
#[derive(Debug)]
pub struct Appending(Arc<Gate>);

impl Gate {
    /// `spooling`: something is in the spool already.
    pub fn new(spooling: bool) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State { spooling, ..State::default() }),
            changed: Notify::new(),
        })
    }

    /// The direct way; none: it is closed.
    pub fn direct(self: &Arc<Self>) -> Option<Direct> {
        let mut state = self.lock();
        if state.spooling {
            return None;
        }
        state.direct += 1;
        Some(Direct(Arc::clone(self)))
    }

    /// Closes the direct way, for a batch that goes into the spool.
    pub fn append(self: &Arc<Self>) -> Appending {
        let mut state = self.lock();
        state.spooling = true;
        state.appending += 1;
        drop(state);
        self.changed.notify_waiters();
        Appending(Arc::clone(self))
    }

    /// Opens the direct way again if the spool is empty and stays so.
    pub fn reopen(&self, is_empty: impl FnOnce() -> bool) -> bool {
        let mut state = self.lock();
        if state.appending == 0 && is_empty() {
            state.spooling = false;
        }
        !state.spooling
    }

    /// Whether the direct way is closed.
    pub fn is_spooling(&self) -> bool {
        self.lock().spooling
    }

    /// Waits until the direct way is closed and no direct write is under way.
    pub async fn closed(&self) {
        self.until(|state| state.spooling && state.direct == 0).await;
    }

    /// Waits until nothing is being appended.
    pub async fn appended(&self) {
        self.until(|state| state.appending == 0).await;
    }

    async fn until(&self, is_so: impl Fn(&State) -> bool) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // Before the look, so that no change in between is missed.
            changed.as_mut().enable();
            if is_so(&self.lock()) {
                return;
            }
            changed.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Direct {
    fn drop(&mut self) {
        self.0.lock().direct -= 1;
        self.0.changed.notify_waiters();
    }
}

impl Drop for Appending {
    fn drop(&mut self) {
        self.0.lock().appending -= 1;
        self.0.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::Gate;

    #[test]
    fn the_drain_waits_for_direct_writes_and_the_direct_way_for_the_drain() {
        let gate = Gate::new(false);
        let direct = gate.direct().expect("open");
        let appending = gate.append();
        assert!(gate.direct().is_none(), "closed from the first append on");
        assert!(gate.closed().now_or_never().is_none(), "a direct write is under way");
        drop(direct);
        assert!(gate.closed().now_or_never().is_some());
        assert!(!gate.reopen(|| true), "something is being appended");
        assert!(gate.appended().now_or_never().is_none());
        drop(appending);
        assert!(gate.appended().now_or_never().is_some());
        assert!(!gate.reopen(|| false), "something is in the spool");
        assert!(gate.reopen(|| true) && gate.direct().is_some());
    }

    #[test]
    fn what_a_former_process_left_closes_it() {
        assert!(Gate::new(true).direct().is_none());
    }

    #[tokio::test]
    async fn wakes_who_waits() {
        let gate = Gate::new(true);
        let direct_way = gate.append();
        let waiting = tokio::spawn({
            let gate = gate.clone();
            async move { gate.appended().await }
        });
        tokio::task::yield_now().await;
        drop(direct_way);
        waiting.await.expect("woken");
    }
}
