//! Tells the rollups which hours of which sensors a transaction changes.

use chrono::{DateTime, Utc};
use deadpool_postgres::ClientWrapper;
use tokio_postgres::Statement;

use super::newest::Ways;
use crate::ingest::reading::Reading;

/// Marks those hours that may be rolled up already; for readings in order that is none. The last
/// statement of the transaction, because it holds a lock until the commit (see [`crate::rollup`]).
pub const MARK: &str = "SELECT lotwise.rollup_mark($1, $2, $3)";

const HOUR_US: i64 = 3_600_000_000;

/// One reading's time of each hour of each sensor.
#[derive(Debug, Default, PartialEq)]
pub struct Marks {
    plants: Vec<i32>,
    sensors: Vec<i32>,
    times: Vec<DateTime<Utc>>,
}

impl Marks {
    /// The hours of readings that are sorted by plant, sensor and time, in two parts.
    pub fn of(ways: &Ways) -> Self {
        let mut marks = Self::default();
        marks.add(&ways.upsert);
        marks.add(&ways.copy);
        marks
    }

    fn add(&mut self, sorted: &[Reading]) {
        let key = |r: &Reading| (r.plant, r.sensor, r.time.micros().div_euclid(HOUR_US));
        for readings in sorted.chunk_by(|a, b| key(a) == key(b)) {
            self.plants.push(readings[0].plant.0);
            self.sensors.push(readings[0].sensor.0);
            self.times.push(readings[0].time.to_utc());
        }
    }

    /// Writes the marks by the prepared [`MARK`].
    pub async fn write(
        &self,
        client: &ClientWrapper,
        mark: &Statement,
    ) -> Result<(), tokio_postgres::Error> {
        client.execute(mark, &[&self.plants, &self.sensors, &self.times]).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{HOUR_US, Marks, Ways};
    use crate::domain::key::{PlantId, SensorId};
    use crate::ingest::reading::{Finite, Instant, Reading};

    #[test]
    fn an_hour_of_a_sensor_is_named_once() {
        let reading = |sensor, us| Reading {
            plant: PlantId(1),
            sensor: SensorId(sensor),
            time: Instant::from_epoch(us, 1_000_000).expect("time"),
            value: Finite::new(1.0).expect("value"),
        };
        let copy = vec![
            reading(1, HOUR_US - 1),
            reading(1, HOUR_US),
            reading(1, HOUR_US + 1),
            reading(2, HOUR_US + 2),
        ];
        let marks = Marks::of(&Ways { copy, upsert: vec![reading(1, 5)] });
        assert_eq!(marks.sensors, [1, 1, 1, 2]);
        assert_eq!(marks.plants.len(), 4);
        let micros: Vec<i64> = marks.times.iter().map(|t| t.timestamp_micros()).collect();
        assert_eq!(micros, [5, HOUR_US - 1, HOUR_US, HOUR_US + 2]);
    }
}
