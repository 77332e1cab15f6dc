//! Transactions that run, as far as others may have to wait for them.

use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::Outcome;
use crate::domain::key::{PlantId, SensorId};
use crate::ingest::batch::Batch;
use crate::ingest::reading::{self, Reading};

/// A transaction that takes longer is no reason for others to wait for their turn: its connection
/// may be dead.
const STUCK: Duration = Duration::from_secs(1);

/// A transaction.
pub struct Running {
    /// Its number.
    pub transaction: u64,
    /// When it was taken.
    pub since: Instant,
    /// Of its batches.
    pub places: Vec<Places>,
    /// Of its batches.
    pub receipts: Vec<oneshot::Sender<Outcome>>,
}

/// The sensors and times that a batch writes, sorted.
pub struct Places(Vec<Place>);

type Place = (PlantId, SensorId, reading::Instant);

impl Running {
    /// Whether it takes unusually long.
    pub fn is_stuck(&self, now: Instant) -> bool {
        now.duration_since(self.since) > STUCK
    }

    /// Whether it writes a sensor and time that the batch writes, too.
    pub fn meets(&self, batch: &Batch) -> bool {
        self.places.iter().any(|places| places.meet(batch))
    }
}

impl Places {
    /// The batch's.
    pub fn of(batch: &Batch) -> Self {
        Self(batch.readings().iter().map(place).collect())
    }

    /// Whether the batch writes one of them.
    pub fn meet(&self, batch: &Batch) -> bool {
        let mut rest = self.0.as_slice();
        for wanted in batch.readings().iter().map(place) {
            // Mostly the times of a sensor are newer than all of these.
            if rest.first().is_some_and(|first| *first < wanted) {
                rest = &rest[rest.partition_point(|place| *place < wanted)..];
            }
            match rest.first() {
                None => return false,
                Some(place) if *place == wanted => return true,
                Some(_) => {}
            }
        }
        false
    }
}

fn place(reading: &Reading) -> Place {
    (reading.plant, reading.sensor, reading.time)
}
