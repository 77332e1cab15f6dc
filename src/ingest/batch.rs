//! Readings in the form in which they are stored: sorted, one per sensor and instant.

use crate::ingest::reading::Reading;

const WEEK_US: i64 = 604_800_000_000;

/// Most weeks of readings that one transaction may touch; each is a partition with its locks.
pub const MAX_WEEKS: usize = 200;

/// Most readings of one transaction: enough that what a transaction costs beside its rows does not
/// count, and few enough that others do not wait long behind it.
pub const MAX_READINGS: usize = 10_000;

/// Fewest readings for which a transaction of their own, beside another, saves more time than it
/// costs.
pub const WORTH_A_TRANSACTION: usize = 2_000;

/// Sorted by plant, sensor and time without repeats. The upsert needs it: PostgreSQL refuses to
/// write a row twice in one statement, and equal order in all writers prevents deadlocks.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Batch(Vec<Reading>);

impl Batch {
    /// Sorts the readings; of several for one sensor and instant the last one stays.
    pub fn new(mut readings: Vec<Reading>) -> Self {
        let key = |r: &Reading| (r.plant, r.sensor, r.time);
        readings.sort_by_key(key); // stable: equal ones stay in the order of arrival
        readings.dedup_by(|next, last| {
            let same = key(next) == key(last);
            if same {
                *last = *next;
            }
            same
        });
        Self(readings)
    }

    /// One batch of several in the order of their arrival: of several values for one sensor and
    /// instant the last one stays.
    pub fn merge(batches: Vec<Self>) -> Self {
        let mut batches = batches.into_iter();
        let Some(Self(mut readings)) = batches.next() else { return Self::default() };
        let rest = batches.as_slice();
        if rest.is_empty() {
            return Self(readings);
        }
        readings.reserve_exact(rest.iter().map(Self::len).sum());
        readings.extend(batches.flat_map(|Self(readings)| readings));
        Self::new(readings)
    }

    /// The readings, in order.
    pub fn readings(&self) -> &[Reading] {
        &self.0
    }

    /// How many readings there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nothing to store.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The weeks that the readings are in, as partitions count them.
    pub fn weeks(&self) -> Vec<i32> {
        let mut weeks: Vec<i32> = Vec::new();
        for week in self.0.iter().map(week) {
            // Neighbours are mostly of one week.
            if weeks.last() != Some(&week) {
                weeks.push(week);
            }
        }
        weeks.sort_unstable();
        weeks.dedup();
        weeks
    }

    /// Parts that fit one transaction each. Almost always one part.
    pub fn split(self) -> Vec<Self> {
        let weeks = self.weeks();
        if weeks.len() <= MAX_WEEKS && self.len() <= MAX_READINGS {
            return vec![self];
        }
        let of_weeks = |weeks: &[i32]| -> Vec<Reading> {
            self.0.iter().filter(|r| weeks.binary_search(&week(r)).is_ok()).copied().collect()
        };
        weeks
            .chunks(MAX_WEEKS)
            .map(of_weeks)
            .flat_map(|part| {
                part.chunks(MAX_READINGS).map(|p| Self(p.to_vec())).collect::<Vec<_>>()
            })
            .collect()
    }
}

impl Batch {
    /// About equal parts that may be written at the same time and in any order: at most `most`, each
    /// [worth a transaction](WORTH_A_TRANSACTION), no sensor in two of them.
    pub fn divide(self, most: usize) -> Vec<Self> {
        let parts = most.min(self.len() / WORTH_A_TRANSACTION).max(1);
        let mut rest = self.0;
        let mut divided = Vec::with_capacity(parts);
        for left in (2..=parts).rev() {
            let middle = rest.len() / left;
            let Some(at) = end_of_sensor(&rest, middle).filter(|at| *at < rest.len()) else {
                break;
            };
            let tail = rest.split_off(at);
            divided.push(Self(std::mem::replace(&mut rest, tail)));
        }
        divided.push(Self(rest));
        divided
    }
}

/// Where the readings of the sensor at `index - 1` end.
fn end_of_sensor(sorted: &[Reading], index: usize) -> Option<usize> {
    let sensor = |r: &Reading| (r.plant, r.sensor);
    let last = sensor(sorted.get(index.checked_sub(1)?)?);
    Some(index + sorted[index..].partition_point(|r| sensor(r) == last))
}

/// Readings in PostgreSQL's binary COPY format, columns time, value, plant_id, sensor_id.
pub fn to_copy(readings: &[Reading]) -> Vec<u8> {
    /// Microseconds from 1970 to 2000, where PostgreSQL starts to count.
    const EPOCH_2000_US: i64 = 946_684_800_000_000;
    let mut out = Vec::with_capacity(21 + ROW * readings.len());
    out.extend_from_slice(b"PGCOPY\n\xff\r\n\0");
    out.extend_from_slice(&[0; 8]); // no flags, no extension
    for reading in readings {
        // One write of a known length for each row: four fields, each with its length before it.
        let mut row = [0; ROW];
        row[0..2].copy_from_slice(&4_i16.to_be_bytes());
        row[2..6].copy_from_slice(&8_i32.to_be_bytes());
        row[6..14].copy_from_slice(&(reading.time.micros() - EPOCH_2000_US).to_be_bytes());
        row[14..18].copy_from_slice(&8_i32.to_be_bytes());
        row[18..26].copy_from_slice(&reading.value.get().to_be_bytes());
        row[26..30].copy_from_slice(&4_i32.to_be_bytes());
        row[30..34].copy_from_slice(&reading.plant.0.to_be_bytes());
        row[34..38].copy_from_slice(&4_i32.to_be_bytes());
        row[38..42].copy_from_slice(&reading.sensor.0.to_be_bytes());
        out.extend_from_slice(&row);
    }
    out.extend_from_slice(&(-1_i16).to_be_bytes());
    out
}

/// Bytes of one row.
const ROW: usize = 42;

fn week(reading: &Reading) -> i32 {
    // Instants are from 1970 up to 2100: fits.
    (reading.time.micros() / WEEK_US) as i32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Batch, MAX_READINGS, MAX_WEEKS, WEEK_US, WORTH_A_TRANSACTION, to_copy};
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

    #[test]
    fn splits_by_rows_and_loses_nothing() {
        let all: Vec<_> = (0..25_000).map(|t| reading(1, t, 0.0)).collect();
        let parts = Batch::new(all.clone()).split();
        assert_eq!(parts.iter().map(Batch::len).collect::<Vec<_>>(), [10_000, 10_000, 5_000]);
        assert!(parts.iter().all(|p| p.len() <= MAX_READINGS));
        assert_eq!(parts.into_iter().flat_map(|p| p.0).collect::<Vec<_>>(), all);
    }

    #[test]
    fn divides_between_sensors() {
        let sizes = |sensors: i32, each: i64, most| {
            let all = (0..sensors).flat_map(|s| (0..each).map(move |t| reading(s, t, 0.0)));
            let all: Vec<_> = all.collect();
            let parts = Batch::new(all.clone()).divide(most);
            let sizes: Vec<_> = parts.iter().map(Batch::len).collect();
            assert_eq!(parts.into_iter().flat_map(|p| p.0).collect::<Vec<_>>(), all);
            sizes
        };
        assert_eq!(sizes(1_000, 5, 4), [2_500, 2_500]);
        assert_eq!(sizes(1_000, 10, 4), [2_500, 2_500, 2_500, 2_500]);
        assert_eq!(sizes(1_000, 10, 1), [10_000]);
        assert_eq!(sizes(3, 1_500, 4), [3_000, 1_500], "whole sensors");
        assert_eq!(sizes(1, 10_000, 4), [10_000]);
        assert_eq!(sizes(100, 39, 4), [3_900], "two parts would be too small");
        assert_eq!(sizes(0, 0, 4), [0]);
        assert_eq!(WORTH_A_TRANSACTION, 2_000);
    }

    #[test]
    fn copies_as_postgresql_reads_it() {
        let row = [
            &[0, 4][..],
            &[0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1], // one microsecond after the start of 2000
            &[0, 0, 0, 8, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0], // 1.5
            &[0, 0, 0, 4, 0, 0, 0, 1],
            &[0, 0, 0, 4, 0, 0, 1, 2],
        ]
        .concat();
        let file = [b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0", &row[..], &[0xff, 0xff]].concat();
        assert_eq!(to_copy(&[reading(258, 946_684_800_000_001, 1.5)]), file);
    }

    proptest! {
        #[test]
        fn any_grouping_merges_to_the_same(
            rows in prop::collection::vec((0..4i32, 0..6i64), 0..60),
            cuts in prop::collection::vec(1..9usize, 60),
        ) {
            let mut rest: Vec<_> =
                rows.iter().enumerate().map(|(i, (s, t))| reading(*s, *t, i as f64)).collect();
            let whole = Batch::new(rest.clone());
            let mut groups = Vec::new();
            for cut in cuts {
                groups.push(Batch::new(rest.drain(..cut.min(rest.len())).collect()));
            }
            prop_assert_eq!(Batch::merge(groups), whole);
        }

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
