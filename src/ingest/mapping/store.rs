//! The mappings of one database, kept in memory.
//!
//! They are asked for again when they are some seconds old or were changed here. While the database
//! does not answer, what is known stays in use: a mapping that is a little old is better than no
//! readings.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use sqlx::postgres::PgPool;
use sqlx::types::Json;
use tokio::sync::Mutex;

use super::{Mapping, PlantMappings, Scale, Target, Template};
use crate::ingest::database::Unavailable;
use crate::ingest::spool::folder::replace;

/// How long what is known is believed; another process's changes are seen after it.
const MAX_AGE: Duration = Duration::from_secs(10);

/// How long a request waits for newer mappings where there are some already.
const PATIENCE: Duration = Duration::from_secs(2);

const ALL: &str = "SELECT p.key, m.measurement, m.tags, m.field, m.sensor, m.factor, m.addend
    FROM lotwise.sensor_mapping m JOIN lotwise.plant p ON p.id = m.plant_id
    ORDER BY p.key, m.measurement, m.tags, m.field";

type Row = (String, String, Json<BTreeMap<String, String>>, String, Option<String>, f64, f64);

/// The mappings of all plants that have any.
#[derive(Debug, Default)]
pub struct AllMappings(HashMap<String, PlantMappings>);

impl AllMappings {
    /// Those of a plant; `None` where it has none.
    pub fn of(&self, plant: &str) -> Option<&PlantMappings> {
        self.0.get(plant)
    }

    /// Whether no plant has any.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The mappings of one database. Clones share what they know.
#[derive(Debug, Clone)]
pub struct Mappings {
    pool: PgPool,
    known: Arc<RwLock<Known>>,
    /// Held by the one that asks.
    asking: Arc<Mutex<()>>,
    file: Option<Arc<File>>,
}

/// Where they are kept for a process that starts while the database is down.
#[derive(Debug)]
struct File {
    path: PathBuf,
    /// What is in it.
    saved: Mutex<Vec<u8>>,
}

#[derive(Debug)]
struct Known {
    all: Option<Arc<AllMappings>>,
    /// When to ask again.
    due: Instant,
    /// Counts changes made here, and how many of them `all` has seen: an answer from before a
    /// change is no news of it.
    changes: u64,
    seen: u64,
}

/// What is known at a moment.
struct Snapshot {
    all: Option<Arc<AllMappings>>,
    due: Instant,
    outdated: bool,
}

impl Mappings {
    /// Knows nothing at first.
    pub fn new(pool: PgPool) -> Self {
        let known = Known { all: None, due: Instant::now(), changes: 0, seen: 0 };
        Self { pool, known: Arc::new(RwLock::new(known)), asking: Arc::default(), file: None }
    }

    /// Keeps them in a file too, for a start while the database is down.
    pub fn remembered_in(self, path: PathBuf) -> Self {
        Self { file: Some(Arc::new(File { path, saved: Mutex::default() })), ..self }
    }

    /// The mappings now.
    ///
    /// # Errors
    /// The database was never asked with success, and does not answer.
    pub async fn current(&self) -> Result<Arc<AllMappings>, Unavailable> {
        let now = self.known();
        // Without any, a reading could get the wrong sensor: there is nothing to fall back on.
        let Some(known) = now.all else { return self.first().await };
        if Instant::now() < now.due {
            return Ok(known);
        }
        // One request asks. Those beside it use what is known, unless it was changed here.
        let asking = if now.outdated {
            tokio::time::timeout(PATIENCE, self.asking.lock()).await.ok()
        } else {
            self.asking.try_lock().ok()
        };
        let Some(_asking) = asking else { return Ok(known) };
        match self.known() {
            Snapshot { all: Some(known), due, .. } if Instant::now() < due => return Ok(known),
            _ => {}
        }
        match tokio::time::timeout(PATIENCE, self.ask()).await {
            Ok(Ok(new)) => Ok(new),
            not_now => {
                if let Ok(Err(error)) = not_now {
                    tracing::warn!(error.message = %error, error.source = %error.source, "mappings not renewed");
                }
                self.write(|known| known.due = Instant::now() + MAX_AGE);
                Ok(known)
            }
        }
    }

    /// Those of the database, or, where it does not answer, of a former process.
    async fn first(&self) -> Result<Arc<AllMappings>, Unavailable> {
        let Some(file) = &self.file else { return self.ask().await };
        let asked = tokio::time::timeout(PATIENCE, self.ask()).await;
        let asked = asked.unwrap_or_else(|_| Err(sqlx::Error::PoolTimedOut.into()));
        match (asked, file.read()) {
            (Err(_), Some(rows)) => {
                let all = Arc::new(from_rows(rows));
                self.write(|known| {
                    known.all = Some(all.clone());
                    known.due = Instant::now() + MAX_AGE;
                });
                Ok(all)
            }
            (asked, _) => asked,
        }
    }

    /// Takes note of a change that is committed: the next request asks again.
    pub fn changed(&self) {
        self.write(|known| {
            known.changes += 1;
            known.due = Instant::now();
        });
    }

    async fn ask(&self) -> Result<Arc<AllMappings>, Unavailable> {
        let changes = self.write(|known| known.changes);
        let rows: Vec<Row> = sqlx::query_as(ALL).fetch_all(&self.pool).await?;
        if let Some(file) = &self.file {
            file.write(&rows).await;
        }
        let all = Arc::new(from_rows(rows));
        self.write(|known| {
            known.all = Some(all.clone());
            known.seen = changes;
            if known.changes == changes {
                known.due = Instant::now() + MAX_AGE;
            }
        });
        Ok(all)
    }

    fn known(&self) -> Snapshot {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        Snapshot { all: known.all.clone(), due: known.due, outdated: known.seen != known.changes }
    }

    fn write<T>(&self, change: impl FnOnce(&mut Known) -> T) -> T {
        change(&mut self.known.write().unwrap_or_else(PoisonError::into_inner))
    }
}

fn from_rows(rows: Vec<Row>) -> AllMappings {
    let mut lists: HashMap<String, Vec<Mapping>> = HashMap::new();
    for (plant, measurement, Json(tags), field, sensor, factor, offset) in rows {
        let target = match sensor.as_deref().map(Template::parse) {
            None => Target::LeftOut,
            Some(Ok(key)) => Target::Sensor { key, scale: Scale { factor, offset } },
            // Written past the API: as if it were not there.
            Some(Err(error)) => {
                tracing::warn!(plant, sensor, error.message = %error, "mapping not understood");
                continue;
            }
        };
        lists.entry(plant).or_default().push(Mapping { measurement, tags, field, target });
    }
    let plants = lists.into_iter().map(|(plant, list)| (plant, PlantMappings::new(list)));
    AllMappings(plants.collect())
}

impl File {
    /// What a former process wrote; none: nothing, or it cannot be read.
    fn read(&self) -> Option<Vec<Row>> {
        let text = std::fs::read(&self.path).ok()?;
        serde_json::from_slice(&text)
            .inspect_err(|error| {
                tracing::warn!(file.path = %self.path.display(), error.message = %error,
                    "remembered mappings cannot be read");
            })
            .ok()
    }

    /// Replaces it, if that changes anything. What cannot be written is only missed at a start.
    async fn write(&self, rows: &[Row]) {
        let Ok(text) = serde_json::to_vec(rows) else { return };
        let mut saved = self.saved.lock().await;
        if *saved == text {
            return;
        }
        let (path, copy) = (self.path.clone(), text.clone());
        let written = tokio::task::spawn_blocking(move || replace(&path, &copy)).await;
        match written.map_err(std::io::Error::other).and_then(|written| written) {
            Ok(()) => *saved = text,
            Err(error) => tracing::warn!(
                file.path = %self.path.display(), error.message = %error,
                "mappings cannot be remembered for a restart"
            ),
        }
    }
}
