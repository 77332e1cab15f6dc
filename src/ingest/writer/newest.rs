//! The newest reading of each sensor that this process has committed: what is newer needs no guard
//! against repeats.
//!
//! Only a guess at what the database holds, since others may write to it too. A wrong guess costs
//! time and nothing else: the unique index catches it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use ahash::AHashMap as HashMap;

use crate::domain::key::{PlantId, SensorId};
use crate::ingest::batch::Batch;
use crate::ingest::reading::{Instant, Reading};

/// The newest committed instants. Grows with the number of sensors that send.
#[derive(Debug, Default)]
pub struct Newest(Mutex<HashMap<(PlantId, SensorId), Instant>>);

/// A batch by the way in which its readings are written; both parts are in the batch's order.
#[derive(Debug, Clone, PartialEq)]
pub struct Ways {
    /// Newer than all that is known of their sensors: COPY straight into the table.
    pub copy: Vec<Reading>,
    /// The others: COPY into the staging table, then the upsert.
    pub upsert: Vec<Reading>,
}

impl Newest {
    /// Chooses each reading's way. A sensor that is not known yet is taken for a new one.
    pub fn ways(&self, batch: &Batch) -> Ways {
        let mut ways = Ways { copy: Vec::with_capacity(batch.len()), upsert: Vec::new() };
        let newest = self.lock();
        for readings in of_one_sensor(batch.readings()) {
            let known = newest.get(&sensor(&readings[0]));
            let after = known.map_or(0, |known| readings.partition_point(|r| r.time <= *known));
            ways.upsert.extend_from_slice(&readings[..after]);
            ways.copy.extend_from_slice(&readings[after..]);
        }
        ways
    }

    /// The batch is committed.
    pub fn committed(&self, batch: &Batch) {
        self.raise(batch.readings(), |last| last);
    }

    /// Some of these readings were in the table before. Their sensors' readings up to `now` are
    /// taken for repeats from here on: a sender that repeats its history must not fail first each
    /// time.
    pub fn repeated(&self, readings: &[Reading], now: Instant) {
        self.raise(readings, |last| last.max(now));
    }

    fn raise(&self, sorted: &[Reading], to: impl Fn(Instant) -> Instant) {
        let mut newest = self.lock();
        for readings in of_one_sensor(sorted) {
            let last = to(readings[readings.len() - 1].time);
            newest
                .entry(sensor(&readings[0]))
                .and_modify(|known| *known = last.max(*known))
                .or_insert(last);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(PlantId, SensorId), Instant>> {
        // A guess stays a guess even if a thread panicked while it held the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ways {
    /// Everything by the way that takes repeats.
    pub fn careful(batch: &Batch) -> Self {
        Self { copy: Vec::new(), upsert: batch.readings().to_vec() }
    }
}

/// The readings of each sensor; never an empty slice.
fn of_one_sensor(sorted: &[Reading]) -> impl Iterator<Item = &[Reading]> {
    sorted.chunk_by(|a, b| sensor(a) == sensor(b))
}

fn sensor(reading: &Reading) -> (PlantId, SensorId) {
    (reading.plant, reading.sensor)
}

#[cfg(test)]
mod tests {
    use super::{Newest, Ways};
    use crate::domain::key::{PlantId, SensorId};
    use crate::ingest::batch::Batch;
    use crate::ingest::reading::{Finite, Instant, Reading};

    fn at(second: i64) -> Instant {
        Instant::from_epoch(second, 1).expect("time")
    }

    fn reading(sensor: i32, second: i64) -> Reading {
        let value = Finite::new(1.0).expect("value");
        Reading { plant: PlantId(1), sensor: SensorId(sensor), time: at(second), value }
    }

    fn batch(rows: &[(i32, i64)]) -> Batch {
        Batch::new(rows.iter().map(|(sensor, second)| reading(*sensor, *second)).collect())
    }

    type Rows = Vec<(i32, i64)>;

    fn ways(newest: &Newest, rows: &[(i32, i64)]) -> (Rows, Rows) {
        let Ways { copy, upsert } = newest.ways(&batch(rows));
        let plain = |readings: Vec<Reading>| {
            readings.iter().map(|r| (r.sensor.0, r.time.micros() / 1_000_000)).collect()
        };
        (plain(copy), plain(upsert))
    }

    #[test]
    fn only_what_is_newer_is_copied() {
        let newest = Newest::default();
        assert_eq!(ways(&newest, &[(1, 10), (2, 10)]), (vec![(1, 10), (2, 10)], vec![]));
        newest.committed(&batch(&[(1, 10), (1, 20)]));
        newest.committed(&batch(&[(1, 5)]));
        let (copy, upsert) = ways(&newest, &[(1, 5), (1, 20), (1, 21), (2, 10)]);
        assert_eq!(copy, [(1, 21), (2, 10)]);
        assert_eq!(upsert, [(1, 5), (1, 20)]);
    }

    #[test]
    fn a_repeat_makes_the_past_suspect() {
        let newest = Newest::default();
        newest.repeated(&[reading(1, 10), reading(2, 200)], at(100));
        let (copy, upsert) = ways(&newest, &[(1, 99), (1, 101), (2, 150), (2, 201), (3, 1)]);
        assert_eq!(copy, [(1, 101), (2, 201), (3, 1)]);
        assert_eq!(upsert, [(1, 99), (2, 150)]);
    }
}
