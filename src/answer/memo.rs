//! Fitted models that are kept: pure functions of what they are given, under a hash of that.
//!
//! A late reading or a corrected run is another key, and no data source can see what another one's
//! data made. Work runs off the async threads, as few at a time as there are processors; who asks
//! the same at once waits for one fit, and nobody's waiting leaves nothing behind.

use std::collections::VecDeque;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use sha2::{Digest, Sha256};
use tokio::sync::{OnceCell, Semaphore};

use super::AnswerError;

type Slots<T> = VecDeque<([u8; 32], Arc<OnceCell<Arc<T>>>)>;

/// Some newest results of one kind of work.
pub(super) struct Memo<T> {
    kept: usize,
    slots: Mutex<Slots<T>>,
}

static TURNS: LazyLock<Semaphore> = LazyLock::new(|| {
    Semaphore::new(std::thread::available_parallelism().map_or(1, std::num::NonZero::get))
});

impl<T: Send + Sync + 'static> Memo<T> {
    /// Keeps so many results.
    pub const fn new(kept: usize) -> Self {
        Self { kept, slots: Mutex::new(VecDeque::new()) }
    }

    /// What is kept under a key, or else what `work` makes of it.
    ///
    /// # Errors
    /// [`AnswerError::Panic`] when the work panics.
    pub async fn get(
        &self,
        key: Key,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Arc<T>, AnswerError> {
        let slot = self.slot(key.0.finalize().into());
        let made = slot.get_or_try_init(async || {
            let turn = TURNS.acquire().await.map_err(|_| AnswerError::Panic)?;
            let task = tokio::task::spawn_blocking(move || {
                let _turn = turn;
                Arc::new(work())
            });
            task.await.map_err(|_| AnswerError::Panic)
        });
        made.await.cloned()
    }

    /// The place of a key, which becomes the newest.
    fn slot(&self, key: [u8; 32]) -> Arc<OnceCell<Arc<T>>> {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let known = slots.iter().position(|(kept, _)| *kept == key);
        let entry = known.and_then(|at| slots.remove(at)).unwrap_or_else(|| (key, Arc::default()));
        let slot = entry.1.clone();
        slots.push_back(entry);
        while slots.len() > self.kept {
            slots.pop_front();
        }
        slot
    }
}

/// A hash of everything that a model is made of. Each part is written with its length, so that no two
/// inputs are one text.
pub(super) struct Key(Sha256);

impl Key {
    /// Of a kind of model, with the version of its method.
    pub fn of(kind: &str) -> Self {
        Self(Sha256::new()).text(kind)
    }

    pub fn text(mut self, text: &str) -> Self {
        self.0.update((text.len() as u64).to_le_bytes());
        self.0.update(text);
        self
    }

    pub fn numbers(mut self, numbers: &[f64]) -> Self {
        self.0.update((numbers.len() as u64).to_le_bytes());
        for number in numbers {
            self.0.update(number.to_bits().to_le_bytes());
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn the_same_is_made_once_and_the_oldest_goes() {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let memo: Memo<usize> = Memo::new(2);
        let ask = async |numbers: &[f64]| {
            let work = || MADE.fetch_add(1, Ordering::Relaxed);
            *memo.get(Key::of("test").numbers(numbers), work).await.unwrap()
        };
        assert_eq!((ask(&[1.0]).await, ask(&[1.0]).await), (0, 0));
        assert_eq!((ask(&[2.0]).await, ask(&[1.0]).await), (1, 0));
        assert_eq!(ask(&[3.0]).await, 2);
        assert_eq!(ask(&[1.0]).await, 0, "used since, so it stays");
        assert_eq!(ask(&[2.0]).await, 3, "the oldest has gone");
    }

    #[test]
    fn no_two_inputs_are_one_key() {
        let hash = |key: Key| -> [u8; 32] { key.0.finalize().into() };
        let ab = hash(Key::of("m").text("ab").text("c"));
        assert_ne!(ab, hash(Key::of("m").text("a").text("bc")));
        let one = hash(Key::of("m").numbers(&[1.0]).numbers(&[2.0]));
        assert_ne!(one, hash(Key::of("m").numbers(&[1.0, 2.0])));
    }
}
