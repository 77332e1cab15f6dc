//! Runs the detectors off the async threads, as few at a time as there are processors, and keeps how far
//! they came.
//!
//! A history grows by a minute a minute, and a walk through it takes half a second for each sensor: so
//! the walk is kept as it stood at the start of the last day, and gone on with from there. How it stands is
//! a pure function of what was known until then, so it is kept under a hash of that: a late reading or a
//! corrected run is another key, and no data source can see what another one's data made.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use sha2::{Digest, Sha256};
use tokio::sync::{OnceCell, Semaphore};

use super::super::AnswerError;
use crate::analytics::history::Machine;
use crate::analytics::monitor::{Outcome, Progress, begin, go_on, monitor_while, settled_until};
use crate::analytics::settings::Settings;

type Key = [u8; 32];
type Slot = Arc<OnceCell<Arc<Kept>>>;

/// What is kept of a walk.
enum Kept {
    /// How it stood at the start of the last day.
    Begun(Box<Progress>),
    /// All that it gave, where it cannot be gone on with.
    Over(Arc<Outcome>),
}

/// Most walks that are kept, and bytes that they take in all: a machine with two sensors and 75 days of
/// minutes takes 3 MB.
const MOST: usize = 256;
const MOST_BYTES: usize = 96 * 1024 * 1024;

static CACHE: Mutex<VecDeque<(Key, Slot)>> = Mutex::new(VecDeque::new());
static TURNS: LazyLock<Semaphore> = LazyLock::new(|| {
    Semaphore::new(std::thread::available_parallelism().map_or(1, std::num::NonZero::get))
});

/// What the detectors say of a machine. Panels that ask the same at once wait for one walk; it stops
/// when nobody waits any more.
pub(super) async fn outcome(machine: Machine) -> Result<Arc<Outcome>, AnswerError> {
    let machine = Arc::new(machine);
    let until = settled_until(&machine);
    let slot = slot(key(&machine, until.unwrap_or(i64::MAX)));
    let walk = || {
        let machine = Arc::clone(&machine);
        off_the_threads(move |goes_on| match until {
            Some(_) => {
                begin(&machine, &Settings::default(), goes_on).map(|p| Kept::Begun(Box::new(p)))
            }
            None => {
                let outcome = monitor_while(&machine, &Settings::default(), goes_on)?;
                Some(Kept::Over(Arc::new(outcome)))
            }
        })
    };
    let kept = slot.get_or_try_init(|| async { walk().await.map(Arc::new) }).await?.clone();
    forget_the_oldest();
    if let Kept::Over(outcome) = &*kept {
        return Ok(outcome.clone());
    }
    let gone_on = off_the_threads(move |goes_on| {
        let settings = Settings::default();
        match &*kept {
            Kept::Begun(progress) => go_on(&machine, &settings, progress),
            Kept::Over(_) => None,
        }
        .or_else(|| monitor_while(&machine, &settings, goes_on))
    });
    gone_on.await.map(Arc::new)
}

/// Work in its turn, which asks now and then whether somebody waits for it still, and gives nothing when
/// that is not so.
async fn off_the_threads<T: Send + 'static>(
    work: impl FnOnce(&dyn Fn() -> bool) -> Option<T> + Send + 'static,
) -> Result<T, AnswerError> {
    let turn = TURNS.acquire().await.map_err(|_| AnswerError::Panic)?;
    let wanted = Wanted(Arc::new(AtomicBool::new(true)));
    let goes_on = wanted.0.clone();
    let task = tokio::task::spawn_blocking(move || {
        // Given back at the work's own end, not when somebody stops to wait for it.
        let _turn = turn;
        work(&|| goes_on.load(Ordering::Relaxed))
    });
    task.await.ok().flatten().ok_or(AnswerError::Panic)
}

/// Says no when it is dropped.
struct Wanted(Arc<AtomicBool>);

impl Drop for Wanted {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// The place of a key, which becomes the newest.
fn slot(key: Key) -> Slot {
    let mut cache = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
    let known = cache.iter().position(|(kept, _)| *kept == key);
    let entry = known.and_then(|at| cache.remove(at)).unwrap_or_else(|| (key, Slot::default()));
    let slot = entry.1.clone();
    cache.push_back(entry);
    slot
}

/// Keeps what fits, the newest first.
fn forget_the_oldest() {
    let mut cache = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
    let bytes = |slot: &Slot| match slot.get().map(|kept| &**kept) {
        Some(Kept::Begun(progress)) => progress.bytes(),
        // Scores, flags and powers of each cell.
        Some(Kept::Over(outcome)) => 9 * outcome.score.len(),
        None => 0,
    };
    let mut left = MOST_BYTES;
    let fit = cache.iter().rev().take(MOST).take_while(|(_, slot)| {
        let fits = bytes(slot) <= left;
        left = left.saturating_sub(bytes(slot));
        fits
    });
    let fit = fit.count();
    while cache.len() > fit {
        cache.pop_front();
    }
}

/// Hash of everything that the detectors look at before a second.
fn key(machine: &Machine, until: i64) -> Key {
    let mut hash = Sha256::new();
    let text = |hash: &mut Sha256, text: &str| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    };
    let count = |hash: &mut Sha256, count: usize| hash.update((count as u64).to_le_bytes());
    text(&mut hash, &machine.key);
    hash.update(until.to_le_bytes());
    count(&mut hash, machine.sensors.len());
    for sensor in &machine.sensors {
        text(&mut hash, &sensor.key);
        text(&mut hash, &sensor.unit);
        hash.update([sensor.quantity as u8, sensor.kind as u8]);
        hash.update(sensor.to_kilo.to_bits().to_le_bytes());
        let known = sensor.times.partition_point(|time| *time < until);
        count(&mut hash, known);
        for (time, value) in sensor.times.iter().zip(&sensor.values).take(known) {
            hash.update(time.to_le_bytes());
            hash.update(value.to_bits().to_le_bytes());
        }
    }
    let runs = machine.runs.iter().filter(|run| run.start < until);
    count(&mut hash, runs.clone().count());
    for run in runs {
        text(&mut hash, &run.key);
        text(&mut hash, &run.reference);
        hash.update(run.start.to_le_bytes());
        hash.update(run.end.min(until).to_le_bytes());
    }
    let states = machine.states.iter().filter(|span| span.start < until);
    count(&mut hash, states.clone().count());
    for span in states {
        text(&mut hash, &span.state);
        hash.update(span.start.to_le_bytes());
        hash.update(span.end.min(until).to_le_bytes());
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analytics::history::{Kind, Quantity, Sensor, Span};

    fn machine(last: f64) -> Machine {
        let sensor = Sensor {
            key: "power".into(),
            quantity: Quantity::Power,
            unit: "kW".into(),
            kind: Kind::Gauge,
            to_kilo: 1.0,
            times: (0..500).map(|minute| minute * 60).collect(),
            values: (0..500).map(|minute| if minute == 499 { last } else { 5.0 }).collect(),
        };
        Machine { key: "m".into(), sensors: vec![sensor], ..Machine::default() }
    }

    #[tokio::test]
    async fn the_same_data_is_walked_through_once_and_other_data_anew() {
        let first = outcome(machine(5.0)).await.unwrap();
        assert!(Arc::ptr_eq(&first, &outcome(machine(5.0)).await.unwrap()));
        assert!(!Arc::ptr_eq(&first, &outcome(machine(6.0)).await.unwrap()));
    }

    /// Three days of minutes at work, and so many minutes of a fourth.
    fn at_work(minutes: i64) -> Machine {
        let mut machine = machine(5.0);
        let all = 3 * 1440 + minutes;
        machine.sensors[0].times = (0..all).map(|minute| minute * 60).collect();
        machine.sensors[0].values = (0..all).map(|minute| (minute % 7) as f64).collect();
        let state = |state: &str, start, end| Span { state: state.into(), start, end };
        machine.states = vec![state("running", 0, 90_000), state("off", 90_000, i64::MAX)];
        machine
    }

    #[tokio::test]
    async fn what_comes_later_is_no_other_key_and_what_was_before_is() {
        let key_of = |machine: &Machine| key(machine, settled_until(machine).unwrap());
        let known = key_of(&at_work(10));
        assert_eq!(known, key_of(&at_work(700)), "the same day");
        assert_ne!(known, key_of(&at_work(1_500)), "the next day");
        let mut later = at_work(700);
        later.states[1].end = 3 * 86_400 + 600;
        later.states.push(Span { state: "running".into(), start: 3 * 86_400 + 600, end: i64::MAX });
        assert_eq!(known, key_of(&later), "a state that was open is over");
        later.states[1].end -= 700;
        assert_ne!(known, key_of(&later), "it was over before");
        let mut late = at_work(700);
        late.sensors[0].values[3] = 9.0;
        assert_ne!(known, key_of(&late), "a corrected reading");
        let begun = outcome(at_work(10)).await.unwrap();
        let on = outcome(at_work(700)).await.unwrap();
        assert_eq!((begun.score.len(), on.score.len()), (3 * 1440 + 10, 3 * 1440 + 700));
    }

    #[tokio::test]
    async fn who_stops_waiting_leaves_nothing_behind() {
        let asked = machine(7.0);
        // Polled once: the walk has begun, and its waiter goes.
        let mut future = Box::pin(outcome(asked.clone()));
        let _ = futures_util::poll!(&mut future);
        drop(future);
        assert_eq!(outcome(asked).await.unwrap().score.len(), 500);
    }
}
