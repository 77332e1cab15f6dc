//! Which sensors there are: the database's answer, kept in memory.
//!
//! A sensor that is not known is asked for at once, so one that was created a moment ago works.
//! What is known is forgotten after a minute, so that a database that was replaced is noticed.

use std::collections::{BTreeSet, HashSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::{Duration, Instant};

use ahash::AHashMap as HashMap;
use chrono::{DateTime, Utc};
use sqlx::postgres::PgPool;

use crate::domain::key::{Key, PlantId, SensorId};
use crate::ingest::auth::Grant;
use crate::ingest::database::Unavailable;
use crate::ingest::registration::{self, Mode, Newcomer};

const MAX_AGE: Duration = Duration::from_secs(60);

/// With the time before which readings are not kept, which a database that was not migrated has not.
const LOOKUP: &str = "SELECT p.key, p.id, s.key, s.id,
        (SELECT (to_jsonb(m) ->> 'raw_from')::timestamptz FROM lotwise.rollup_state m)
    FROM unnest($1::text[], $2::text[]) AS wanted (plant, sensor)
    JOIN lotwise.plant p ON p.key = wanted.plant
    LEFT JOIN lotwise.sensor s ON s.plant_id = p.id AND s.key = wanted.sensor";

/// What is known of the plants.
#[derive(Debug)]
pub struct Known {
    // Only what the database holds gets in here, so a fast hash is safe.
    plants: HashMap<Key, Plant>,
    raw_from: Option<DateTime<Utc>>,
    since: Instant,
}

#[derive(Debug)]
struct Plant {
    id: PlantId,
    sensors: HashMap<Key, SensorId>,
}

/// What a look-up found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// No such plant.
    NoPlant,
    /// The plant has no such sensor.
    NoSensor(PlantId),
    /// The sensor.
    Sensor(PlantId, SensorId),
}

impl Known {
    fn nothing() -> Self {
        Self { plants: HashMap::new(), raw_from: None, since: Instant::now() }
    }

    /// From when readings are kept; none: all are.
    pub fn raw_from(&self) -> Option<DateTime<Utc>> {
        self.raw_from
    }

    /// Looks a sensor up.
    pub fn find(&self, plant: &str, sensor: &str) -> Found {
        match self.plants.get(plant) {
            None => Found::NoPlant,
            Some(plant) => match plant.sensors.get(sensor) {
                None => Found::NoSensor(plant.id),
                Some(id) => Found::Sensor(plant.id, *id),
            },
        }
    }
}

/// The sensors of one database. Clones share what they know.
#[derive(Debug, Clone)]
pub struct Directory {
    pool: PgPool,
    known: Arc<RwLock<Known>>,
}

impl Directory {
    /// Knows nothing at first.
    pub fn new(pool: PgPool) -> Self {
        Self { pool, known: Arc::new(RwLock::new(Known::nothing())) }
    }

    /// Makes sure that these sensors are known, as far as they exist.
    ///
    /// # Errors
    /// When the database had to be asked and does not answer.
    pub async fn learn<'a>(
        &self,
        wanted: impl Iterator<Item = (&'a str, &'a str)>,
    ) -> Result<(), Unavailable> {
        let missing: HashSet<(&str, &str)> = {
            let known = self.read();
            wanted.filter(|(p, s)| !matches!(known.find(p, s), Found::Sensor(..))).collect()
        };
        // What cannot be a key does not exist, and PostgreSQL might choke on it.
        let (plants, sensors): (Vec<&str>, Vec<&str>) = missing
            .into_iter()
            .filter(|(p, s)| Key::parse(p).is_ok() && Key::parse(s).is_ok())
            .unzip();
        if plants.is_empty() {
            return Ok(());
        }
        type Row = (String, i32, Option<String>, Option<i32>, Option<DateTime<Utc>>);
        let rows: Vec<Row> =
            sqlx::query_as(LOOKUP).bind(&plants).bind(&sensors).fetch_all(&self.pool).await?;
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        for (plant, plant_id, sensor, sensor_id, raw_from) in rows {
            known.raw_from = raw_from;
            let Ok(plant) = Key::parse(&plant) else { continue };
            let fresh = Plant { id: PlantId(plant_id), sensors: HashMap::new() };
            let entry = known.plants.entry(plant).or_insert(fresh);
            if let (Some(Ok(key)), Some(id)) = (sensor.map(|s| Key::parse(&s)), sensor_id) {
                entry.sensors.insert(key, SensorId(id));
            }
        }
        Ok(())
    }

    /// Registers sensors that are new, as far as the key may; gives those that were registered (or,
    /// pretending, would have been). They are not known before they are learned.
    ///
    /// # Errors
    /// The database does not take them now.
    pub async fn register(
        &self,
        grant: &Grant,
        new: &BTreeSet<Newcomer>,
        mode: Mode,
    ) -> Result<BTreeSet<Newcomer>, Unavailable> {
        let Some(bounds) = grant.limits.registration else { return Ok(BTreeSet::new()) };
        registration::register(&self.pool, grant, bounds, new, mode).await
    }

    /// What is known now. Not to be held across an `await`.
    pub fn read(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets all when it is older than a minute; to be called before [`Self::read`].
    pub fn forget_old(&self) {
        if self.read().since.elapsed() > MAX_AGE {
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            *known = Known::nothing();
        }
    }
}
