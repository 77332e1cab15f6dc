//! Runs the detectors off the async threads, as few at a time as there are processors, and keeps what
//! they said.
//!
//! What they say is a pure function of what they are given, so it is kept under a hash of that: a late
//! reading or a corrected run is another key, and no data source can see what another one's data made.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use sha2::{Digest, Sha256};
use tokio::sync::{OnceCell, Semaphore};

use super::super::AnswerError;
use crate::analytics::history::Machine;
use crate::analytics::monitor::{Outcome, monitor_while};
use crate::analytics::settings::Settings;

type Key = [u8; 32];
type Slot = Arc<OnceCell<Arc<Outcome>>>;

/// Outcomes that are kept; a machine and month takes 0.4 MB.
const KEPT: usize = 128;

static CACHE: Mutex<VecDeque<(Key, Slot)>> = Mutex::new(VecDeque::new());
static TURNS: LazyLock<Semaphore> = LazyLock::new(|| {
    Semaphore::new(std::thread::available_parallelism().map_or(1, std::num::NonZero::get))
});

/// What the detectors say of a machine. Panels that ask the same at once wait for one walk; it stops
/// when nobody waits any more.
pub(super) async fn outcome(machine: Machine) -> Result<Arc<Outcome>, AnswerError> {
    let slot = slot(key(&machine));
    slot.get_or_try_init(|| walk(machine)).await.cloned()
}

async fn walk(machine: Machine) -> Result<Arc<Outcome>, AnswerError> {
    let turn = TURNS.acquire().await.map_err(|_| AnswerError::Panic)?;
    let wanted = Wanted(Arc::new(AtomicBool::new(true)));
    let goes_on = wanted.0.clone();
    let task = tokio::task::spawn_blocking(move || {
        // Given back at the walk's own end, not when somebody stops to wait for it.
        let _turn = turn;
        monitor_while(&machine, &Settings::default(), &|| goes_on.load(Ordering::Relaxed))
    });
    task.await.ok().flatten().map(Arc::new).ok_or(AnswerError::Panic)
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
    while cache.len() > KEPT {
        cache.pop_front();
    }
    slot
}

/// Hash of everything that the detectors look at.
fn key(machine: &Machine) -> Key {
    let mut hash = Sha256::new();
    let text = |hash: &mut Sha256, text: &str| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    };
    let count = |hash: &mut Sha256, count: usize| hash.update((count as u64).to_le_bytes());
    text(&mut hash, &machine.key);
    count(&mut hash, machine.sensors.len());
    for sensor in &machine.sensors {
        text(&mut hash, &sensor.key);
        text(&mut hash, &sensor.unit);
        hash.update([sensor.quantity as u8, sensor.kind as u8]);
        hash.update(sensor.to_kilo.to_bits().to_le_bytes());
        count(&mut hash, sensor.times.len());
        for (time, value) in sensor.times.iter().zip(&sensor.values) {
            hash.update(time.to_le_bytes());
            hash.update(value.to_bits().to_le_bytes());
        }
    }
    count(&mut hash, machine.runs.len());
    for run in &machine.runs {
        text(&mut hash, &run.key);
        text(&mut hash, &run.reference);
        hash.update(run.start.to_le_bytes());
        hash.update(run.end.to_le_bytes());
    }
    count(&mut hash, machine.states.len());
    for span in &machine.states {
        text(&mut hash, &span.state);
        hash.update(span.start.to_le_bytes());
        hash.update(span.end.to_le_bytes());
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
        assert_ne!(key(&machine(5.0)), key(&machine(6.0)));
        let mut with_state = machine(5.0);
        with_state.states.push(Span { state: "off".into(), start: 0, end: 60 });
        assert_ne!(key(&machine(5.0)), key(&with_state));
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
