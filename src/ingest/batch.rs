//! Readings in the form in which they are stored: sorted, one per sensor and instant.

use crate::ingest::reading::Reading;

const WEEK_US: i64 = 604_800_000_000;

/// Weeks of readings that one transaction may touch; each is a partition with its locks.
const MAX_WEEKS: usize = 200;

/// Sorted by plant, sensor and time without repeats. The upsert needs it: PostgreSQL refuses to
/// write a row twice in one statement, and equal order in all writers prevents deadlocks.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Batch(Vec<Reading>);

impl Batch {
    /// Sorts the readings; of several for one sensor and instant the last one stays.
    pub fn new(mut readings: Vec<Reading>) -> Self {
        let key = |r: &Reading| (r.plant, r.sensor, r.time);
        readings.sort_by_key(key); // stable: equal ones stay in the order of arrival
        let mut unique: Vec<Reading> = Vec::with_capacity(readings.len());
        for reading in readings {
            match unique.last_mut() {
                Some(last) if key(last) == key(&reading) => *last = reading,
                _ => unique.push(reading),
            }
        }
        Self(unique)
    }

    /// Whether there is nothing to store.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The weeks that the readings are in, as partitions count them.
    pub fn weeks(&self) -> Vec<i32> {
        let mut weeks: Vec<i32> = self.0.iter().map(week).collect();
        weeks.sort_unstable();
        weeks.dedup();
        weeks
    }

    /// Parts that touch at most 200 weeks each. Almost always one part.
    pub fn split(self) -> Vec<Self> {
        let weeks = self.weeks();
        if weeks.len() <= MAX_WEEKS {
            return vec![self];
        }
        let part = |weeks: &[i32]| {
            Self(self.0.iter().filter(|r| weeks.binary_search(&week(r)).is_ok()).copied().collect())
        };
        weeks.chunks(MAX_WEEKS).map(part).collect()
    }

    /// In PostgreSQL's binary COPY format, columns time, value, plant_id, sensor_id.
    pub fn to_copy(&self) -> Vec<u8> {
        /// Microseconds from 1970 to 2000, where PostgreSQL starts to count.
        const EPOCH_2000_US: i64 = 946_684_800_000_000;
        let mut out = Vec::with_capacity(21 + 42 * self.0.len());
        out.extend_from_slice(b"PGCOPY\n\xff\r\n\0");
        out.extend_from_slice(&[0; 8]); // no flags, no extension
        for reading in &self.0 {
            out.extend_from_slice(&4_i16.to_be_bytes());
            out.extend_from_slice(&8_i32.to_be_bytes());
            out.extend_from_slice(&(reading.time.micros() - EPOCH_2000_US).to_be_bytes());
            out.extend_from_slice(&8_i32.to_be_bytes());
            out.extend_from_slice(&reading.value.get().to_be_bytes());
            out.extend_from_slice(&4_i32.to_be_bytes());
            out.extend_from_slice(&reading.plant.0.to_be_bytes());
            out.extend_from_slice(&4_i32.to_be_bytes());
            out.extend_from_slice(&reading.sensor.0.to_be_bytes());
        }
        out.extend_from_slice(&(-1_i16).to_be_bytes());
        out
    }
}

fn week(reading: &Reading) -> i32 {
    // Instants are from 1970 up to 2100: fits.
    (reading.time.micros() / WEEK_US) as i32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Batch, MAX_WEEKS, WEEK_US};
    use crate::domain::key::{PlantId, SensorId};
    use crate::ingest::reading::{Finite, Instant, Reading};

    fn reading(sensor: i32, us: i64, value: f64) -> Reading {
        Reading {
            plant: PlantId(1),
            sensor: SensorId(sensor),
            time: Instant::from_epoch(us, 1_000_000).expect("time"),
            value: Finite::new(value).expect("value"),
        }
    }

    #[test]
    fn keeps_the_last_of_several() {
        let batch = Batch::new(vec![reading(2, 5, 1.0), reading(1, 9, 2.0), reading(2, 5, 3.0)]);
        assert_eq!(batch.0, [reading(1, 9, 2.0), reading(2, 5, 3.0)]);
    }

    #[test]
    fn splits_by_weeks_and_loses_nothing() {
        let all: Vec<_> = (0..450).map(|w| reading(1, w * WEEK_US, w as f64)).collect();
        let parts = Batch::new(all.clone()).split();
        assert!(parts.iter().all(|p| p.weeks().len() <= MAX_WEEKS));
        assert_eq!(parts.into_iter().flat_map(|p| p.0).collect::<Vec<_>>(), all);
    }

    proptest! {
        #[test]
        fn is_strictly_sorted_with_the_last_values(rows in prop::collection::vec((0..4i32, 0..6i64), 0..60)) {
            let readings: Vec<_> =
                rows.iter().enumerate().map(|(i, (s, t))| reading(*s, *t, i as f64)).collect();
            let batch = Batch::new(readings.clone());
            prop_assert!(batch.0.windows(2).all(|w| (w[0].sensor, w[0].time) < (w[1].sensor, w[1].time)));
            for stored in &batch.0 {
                let last = readings.iter().rfind(|r| (r.sensor, r.time) == (stored.sensor, stored.time));
                prop_assert_eq!(last, Some(stored));
            }
        }
    }
}
