//! The way into the database: rows to readings, and readings into the tables.

use sqlx::postgres::PgPool;

use crate::ingest::auth::Grant;
use crate::ingest::batch::Batch;
use crate::ingest::database::Unavailable;
use crate::ingest::directory::{Directory, Found};
use crate::ingest::freshness::Freshness;
use crate::ingest::payload::Parsed;
use crate::ingest::quarantine::{self, Held};
use crate::ingest::reading::{Instant, Reading};
use crate::ingest::validate::{Arrival, Validated, validate};
use crate::ingest::writer::Writer;

/// The way into one database. Clones share what they know of it.
#[derive(Clone)]
pub struct Direct {
    pool: PgPool,
    directory: Directory,
    writer: Writer,
    freshness: Freshness,
}

impl Direct {
    /// `pool` holds what waits in quarantine.
    pub fn new(pool: PgPool, directory: Directory, writer: Writer, freshness: Freshness) -> Self {
        Self { pool, directory, writer, freshness }
    }

    /// Finds each row's sensor, and checks what the key's holder may do.
    ///
    /// # Errors
    /// Only when the database had to be asked and does not answer.
    pub async fn resolve(
        &self,
        parsed: &Parsed<'_>,
        arrival: Arrival<'_>,
        grant: &Grant,
    ) -> Result<Validated, Unavailable> {
        validate(parsed, arrival, grant, &self.directory).await
    }

    /// Stores the readings, which came at `now`, and holds the others; when it returns, that is committed.
    ///
    /// # Errors
    /// The database does not take it now. Nothing or a part is stored, and doing it again is right.
    pub async fn commit(
        &self,
        readings: Vec<Reading>,
        held: &[Held],
        now: Instant,
    ) -> Result<(), Unavailable> {
        let batch = Batch::new(readings);
        let noted = self.freshness.note(&batch);
        self.writer.store(batch).await?;
        self.freshness.committed(&noted, now);
        quarantine::hold(&self.pool, held).await
    }

    /// Which of these sensors, each named with its plant, are registered.
    ///
    /// # Errors
    /// The database had to be asked and does not answer.
    pub async fn registered<'a>(
        &self,
        sensors: impl Iterator<Item = (&'a str, &'a str)> + Clone,
    ) -> Result<Vec<bool>, Unavailable> {
        self.directory.learn(sensors.clone()).await?;
        let known = self.directory.read();
        Ok(sensors.map(|(p, s)| matches!(known.find(p, s), Found::Sensor(..))).collect())
    }

    /// Waits until no transaction that was begun is under way, be it committed or not. One whose
    /// sender was told that it takes too long may end later.
    pub async fn quiet(&self) {
        self.writer.drained().await;
    }
}
