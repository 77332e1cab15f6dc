//! How fresh what comes in is: the newest reading of each sensor, late readings, and the lag of the
//! plants. For the metrics only.
//!
//! Knows what this process has stored, and at its start what the database holds. A batch costs one
//! look-up for each of its sensors.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ahash::AHashMap as HashMap;
use chrono::{DateTime, Utc};
use sqlx::postgres::PgPool;
use tokio::sync::Notify;

use crate::domain::key::{PlantId, SensorId};
use crate::domain::sensor::SILENT_INTERVALS;
use crate::ingest::batch::Batch;
use crate::ingest::reading::Instant;
use crate::ingest::telemetry::{
    LAG_SECONDS, PLANT_LAST_SEEN, READINGS_LATE, SENSOR_LAST_SEEN, SENSORS_SILENT,
};

/// How often sensors are read again; at once, but not more often than the second, where one sends
/// that is not known.
const EVERY: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_secs(1);

/// When the database did not answer.
const AGAIN: Duration = Duration::from_secs(5);

/// Sensors whose newest reading is asked for in one statement.
const PROBES: usize = 500;

const PLANTS: &str = "SELECT id, key FROM lotwise.plant";

/// All sensors, the first ones with their key.
const SENSORS: &str =
    "SELECT s.plant_id, s.id, s.interval_s, greatest($2 * s.interval_s, s.max_gap_s),
        CASE WHEN row_number() OVER (ORDER BY p.key, s.key) <= $1 THEN s.key END
    FROM lotwise.sensor s JOIN lotwise.plant p ON p.id = s.plant_id";

const NEWEST: &str = "SELECT x.plant_id, x.sensor_id, newest.time
    FROM unnest($1::int4[], $2::int4[]) AS x (plant_id, sensor_id)
    CROSS JOIN LATERAL (SELECT r.time FROM lotwise.reading r
        WHERE r.plant_id = x.plant_id AND r.sensor_id = x.sensor_id AND r.time <= now()
        ORDER BY r.time DESC LIMIT 1) newest";

type Id = (PlantId, SensorId);

/// What is known of a sensor.
#[derive(Debug, Clone, Default)]
struct Sensor {
    newest: Option<Instant>,
    /// From the database; `None` until it was read.
    timing: Option<Timing>,
    /// Its key, where it is among those that are shown.
    key: Option<String>,
}

#[derive(Debug, Clone, Copy)]
struct Timing {
    interval_us: i64,
    silent_after_us: i64,
}

#[derive(Debug, Default)]
struct Known {
    plants: HashMap<PlantId, String>,
    sensors: HashMap<Id, Sensor>,
    /// Whose newest reading was asked for.
    probed: HashSet<Id>,
}

/// The freshness of one service. Clones share what they know.
#[derive(Debug, Clone, Default)]
pub struct Freshness {
    known: Arc<Mutex<Known>>,
    unknown: Arc<Notify>,
}

/// What a batch tells once it is committed.
#[derive(Debug, Default)]
pub struct Noted {
    newest: Vec<(Id, Instant)>,
    late: Vec<(PlantId, u64)>,
}

impl Freshness {
    /// Looks at a batch before it is stored.
    pub fn note(&self, batch: &Batch) -> Noted {
        let mut noted = Noted::default();
        let known = self.lock();
        for readings in batch.readings().chunk_by(|a, b| (a.plant, a.sensor) == (b.plant, b.sensor))
        {
            let [first, .., last] = readings else {
                // One reading is first and last.
                let Some(only) = readings.first() else { continue };
                noted.add(&known, (only.plant, only.sensor), only.time, |limit| {
                    u64::from(only.time.micros() < limit)
                });
                continue;
            };
            noted.add(&known, (first.plant, first.sensor), last.time, |limit| {
                readings.partition_point(|r| r.time.micros() < limit) as u64
            });
        }
        noted
    }

    /// The batch is committed.
    pub fn committed(&self, noted: &Noted, now: Instant) {
        let mut known = self.lock();
        let mut plants: BTreeMap<PlantId, Instant> = BTreeMap::new();
        let mut is_unknown = false;
        for ((plant, sensor), time) in &noted.newest {
            let entry = known.sensors.entry((*plant, *sensor)).or_default();
            entry.newest = entry.newest.max(Some(*time));
            is_unknown |= entry.timing.is_none();
            let newest = plants.entry(*plant).or_insert(*time);
            *newest = (*newest).max(*time);
        }
        for (plant, newest) in plants {
            if let Some(key) = known.plants.get(&plant) {
                // A clock that is ahead has no lag.
                let lag_s = (now.micros() - newest.micros()).max(0) as f64 / 1e6;
                metrics::histogram!(LAG_SECONDS, "plant" => key.clone()).record(lag_s);
            }
        }
        for (plant, count) in &noted.late {
            if let Some(key) = known.plants.get(plant) {
                metrics::counter!(READINGS_LATE, "plant" => key.clone()).increment(*count);
            }
        }
        drop(known);
        if is_unknown {
            self.unknown.notify_one();
        }
    }

    /// Reads names and intervals again and again, and each shown sensor's newest reading once; never
    /// returns. `shown`: the most sensors that get a metric of their own.
    pub async fn follow(self, pool: PgPool, shown: i64) {
        loop {
            let wait = match self.refresh(&pool, shown).await {
                Ok(()) => EVERY,
                Err(error) => {
                    tracing::debug!(error.message = %error, "the sensors could not be read");
                    AGAIN
                }
            };
            let _ = tokio::time::timeout(wait, self.unknown.notified()).await;
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn refresh(&self, pool: &PgPool, shown: i64) -> sqlx::Result<()> {
        let plants: Vec<(i32, String)> = sqlx::query_as(PLANTS).fetch_all(pool).await?;
        let sensors: Vec<(i32, i32, f64, f64, Option<String>)> =
            sqlx::query_as(SENSORS).bind(shown).bind(SILENT_INTERVALS).fetch_all(pool).await?;
        let mut new: Vec<Id> = Vec::new();
        {
            let mut known = self.lock();
            known.plants = plants.into_iter().map(|(id, key)| (PlantId(id), key)).collect();
            for (plant, sensor, interval_s, silent_after_s, key) in sensors {
                let id = (PlantId(plant), SensorId(sensor));
                // A conversion to an integer stops at its ends.
                let us = |seconds: f64| (seconds * 1e6) as i64;
                let timing =
                    Timing { interval_us: us(interval_s), silent_after_us: us(silent_after_s) };
                let is_new = key.is_some() && known.probed.insert(id);
                let entry = known.sensors.entry(id).or_default();
                (entry.timing, entry.key) = (Some(timing), key);
                if is_new {
                    new.push(id);
                }
            }
        }
        for ids in new.chunks(PROBES) {
            if let Err(error) = self.probe(pool, ids).await {
                // Once more with the next refresh.
                let mut known = self.lock();
                new.iter().for_each(|id| {
                    known.probed.remove(id);
                });
                return Err(error);
            }
        }
        Ok(())
    }

    async fn probe(&self, pool: &PgPool, ids: &[Id]) -> sqlx::Result<()> {
        let plants: Vec<i32> = ids.iter().map(|(plant, _)| plant.0).collect();
        let sensors: Vec<i32> = ids.iter().map(|(_, sensor)| sensor.0).collect();
        let newest: Vec<(i32, i32, DateTime<Utc>)> =
            sqlx::query_as(NEWEST).bind(plants).bind(sensors).fetch_all(pool).await?;
        let mut known = self.lock();
        for (plant, sensor, time) in newest {
            if let Ok(time) = Instant::from_utc(time) {
                let entry = known.sensors.entry((PlantId(plant), SensorId(sensor))).or_default();
                entry.newest = entry.newest.max(Some(time));
            }
        }
        Ok(())
    }

    /// The shown sensors and the plants, in Prometheus's text format.
    pub fn render(&self, now: Instant) -> String {
        let known = self.lock();
        let mut plants: BTreeMap<&str, (Option<Instant>, u64)> = BTreeMap::new();
        let mut sensors: BTreeMap<(&str, &str), Instant> = BTreeMap::new();
        for ((plant, _), sensor) in &known.sensors {
            let (Some(plant), Some(timing)) = (known.plants.get(plant), sensor.timing) else {
                continue;
            };
            let (newest, silent) = plants.entry(plant).or_default();
            *newest = (*newest).max(sensor.newest);
            let Some(key) = &sensor.key else { continue };
            let age_us = sensor.newest.map(|newest| now.micros() - newest.micros());
            *silent += u64::from(age_us.is_none_or(|age_us| age_us > timing.silent_after_us));
            if let Some(newest) = sensor.newest {
                sensors.insert((plant, key), newest);
            }
        }
        let mut text = String::new();
        gauge(
            &mut text,
            SENSOR_LAST_SEEN,
            "Time of the sensor's newest reading, in seconds since 1970",
        );
        for ((plant, sensor), newest) in sensors {
            let (plant, sensor) = (escaped(plant), escaped(sensor));
            let labels = format!("plant=\"{plant}\",sensor=\"{sensor}\"");
            line(&mut text, SENSOR_LAST_SEEN, &labels, newest.micros() as f64 / 1e6);
        }
        gauge(
            &mut text,
            PLANT_LAST_SEEN,
            "Time of the plant's newest reading, in seconds since 1970",
        );
        for (plant, (newest, _)) in &plants {
            if let Some(newest) = newest {
                let labels = format!("plant=\"{}\"", escaped(plant));
                line(&mut text, PLANT_LAST_SEEN, &labels, newest.micros() as f64 / 1e6);
            }
        }
        gauge(&mut text, SENSORS_SILENT, "Sensors without a reading for longer than they may be");
        for (plant, (_, silent)) in &plants {
            line(
                &mut text,
                SENSORS_SILENT,
                &format!("plant=\"{}\"", escaped(plant)),
                *silent as f64,
            );
        }
        text
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // Times and names are sound even if a thread panicked while it held the lock.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Noted {
    /// `late` counts the readings before a time in microseconds.
    fn add(&mut self, known: &Known, id: Id, newest: Instant, late: impl Fn(i64) -> u64) {
        self.newest.push((id, newest));
        let Some(sensor) = known.sensors.get(&id) else { return };
        if let (Some(before), Some(timing)) = (sensor.newest, sensor.timing) {
            match late(before.micros().saturating_sub(timing.interval_us)) {
                0 => {}
                count => self.late.push((id.0, count)),
            }
        }
    }
}

fn gauge(text: &mut String, name: &str, help: &str) {
    // Writing to a String does not fail.
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
}

fn line(text: &mut String, name: &str, labels: &str, value: f64) {
    let _ = writeln!(text, "{name}{{{labels}}} {value}");
}

/// A label's value as the text format wants it. (Keys hold no line breaks.)
fn escaped(value: &str) -> String {
    value.replace('\\', r"\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use super::{Freshness, Sensor, Timing};
    use crate::domain::key::{PlantId, SensorId};
    use crate::ingest::batch::Batch;
    use crate::ingest::reading::{Finite, Instant, Reading};

    fn at(s: i64) -> Instant {
        Instant::from_epoch(s, 1).expect("time")
    }

    fn batch(times: &[i64]) -> Batch {
        let reading = |s: &i64| Reading {
            plant: PlantId(1),
            sensor: SensorId(7),
            time: at(*s),
            value: Finite::new(1.0).expect("value"),
        };
        Batch::new(times.iter().map(reading).collect())
    }

    fn known() -> Freshness {
        let freshness = Freshness::default();
        let timing = Timing { interval_us: 60_000_000, silent_after_us: 300_000_000 };
        let mut known = freshness.lock();
        known.plants.insert(PlantId(1), "a\"b".to_owned());
        let sensor =
            |key: &str| Sensor { newest: None, timing: Some(timing), key: Some(key.to_owned()) };
        known.sensors.insert((PlantId(1), SensorId(7)), sensor(r"x\y"));
        known.sensors.insert((PlantId(1), SensorId(8)), sensor("never"));
        drop(known);
        freshness
    }

    #[test]
    fn late_is_more_than_an_interval_before_the_newest() {
        let freshness = known();
        let late = |times: &[i64]| {
            let noted = freshness.note(&batch(times));
            freshness.committed(&noted, at(2_000));
            noted.late.iter().map(|(_, count)| count).sum::<u64>()
        };
        assert_eq!(late(&[900, 100, 1_000]), 0, "nothing was there before");
        assert_eq!(late(&[940]), 0, "an interval is no delay");
        assert_eq!(late(&[939]), 1);
        assert_eq!(late(&[1, 2, 940, 1_060]), 2);
        assert_eq!(late(&[1_000]), 0);
        assert_eq!(late(&[999]), 1);
    }

    #[test]
    fn shows_the_newest_readings_and_who_is_silent() {
        let freshness = known();
        let noted = freshness.note(&batch(&[1_000, 1_000]));
        assert!(!freshness.render(at(1_000)).contains("} 1000"), "not committed yet");
        freshness.committed(&noted, at(1_001));
        let text = freshness.render(at(1_300));
        let sensor =
            r#"lotwise_ingest_sensor_last_seen_timestamp_seconds{plant="a\"b",sensor="x\\y"} 1000"#;
        assert!(text.contains(sensor), "{text}");
        assert!(text.contains(r#"plant_last_seen_timestamp_seconds{plant="a\"b"} 1000"#), "{text}");
        assert!(text.contains(r#"sensors_silent{plant="a\"b"} 1"#), "who never sent: {text}");
        let later = freshness.render(at(1_301));
        assert!(later.contains(r#"sensors_silent{plant="a\"b"} 2"#), "{later}");
    }
}
