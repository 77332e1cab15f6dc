//! The way of every batch of readings after its parser: validate, sort, store, count.

use sqlx::postgres::PgPool;

use crate::ingest::auth::Grant;
use crate::ingest::batch::Batch;
use crate::ingest::database::Unavailable;
use crate::ingest::directory::{Directory, Found};
use crate::ingest::freshness::Freshness;
use crate::ingest::payload::{Parsed, RowError};
use crate::ingest::quarantine;
use crate::ingest::reading::Instant;
use crate::ingest::registration::Mode;
use crate::ingest::telemetry;
use crate::ingest::validate::{Arrival, Validated, validate};
use crate::ingest::writer::Writer;

/// Takes readings, whatever protocol they came in.
#[derive(Clone)]
pub struct Intake {
    pool: PgPool,
    directory: Directory,
    writer: Writer,
    freshness: Freshness,
}

/// What became of a batch.
#[derive(Debug, Default, PartialEq)]
pub struct Taken {
    /// Rows that are stored now (or were before).
    pub accepted: usize,
    /// Why the others are not, in the order of the rows.
    pub errors: Vec<RowError>,
}

/// Most errors that are kept of a request, however many rows are bad.
pub const MAX_LISTED: usize = 1_000;

/// What became of the parts of a request.
#[derive(Debug, Default, PartialEq)]
pub struct Total {
    /// Rows that are stored now (or were before).
    pub accepted: usize,
    /// Rows that are not.
    pub rejected: usize,
    /// Why, for the first [`MAX_LISTED`] of them.
    pub errors: Vec<RowError>,
}

impl Total {
    /// Adds what became of the next part.
    pub fn add(&mut self, part: Taken) {
        let Taken { accepted, errors } = part;
        self.accepted += accepted;
        self.rejected += errors.len();
        let room = MAX_LISTED - self.errors.len();
        self.errors.extend(errors.into_iter().take(room));
    }
}

/// How a batch came.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// Name of the protocol, for the metrics.
    pub protocol: &'static str,
    /// Plant of the rows that name none, where the request names one beside the body.
    pub plant: Option<&'a str>,
}

impl<'a> Source<'a> {
    fn arrival(self, mode: Mode) -> Arrival<'a> {
        Arrival { default_plant: self.plant, now: Instant::now(), mode }
    }
}

impl Intake {
    /// `pool` holds what waits in quarantine.
    pub fn new(pool: PgPool, directory: Directory, writer: Writer, freshness: Freshness) -> Self {
        Self { pool, directory, writer, freshness }
    }

    /// Stores what can be stored; when it returns `Ok`, that is committed.
    ///
    /// # Errors
    /// The database does not take it now. Nothing or a part is stored, and sending the batch again
    /// is right.
    pub async fn take(
        &self,
        grant: &Grant,
        parsed: Parsed<'_>,
        source: Source<'_>,
    ) -> Result<Taken, Unavailable> {
        let count = parsed.rows.len() + parsed.errors.len();
        grant.meter.charge(&grant.limits, count, std::time::Instant::now());
        let taken = self.store(grant, parsed, source).await;
        if taken.is_err() {
            grant.meter.refund(&grant.limits, count, std::time::Instant::now());
        }
        taken
    }

    async fn store(
        &self,
        grant: &Grant,
        parsed: Parsed<'_>,
        source: Source<'_>,
    ) -> Result<Taken, Unavailable> {
        let arrival = source.arrival(Mode::Register);
        let Validated { readings, errors, held, .. } =
            validate(parsed, arrival, grant, &self.directory).await?;
        let accepted = readings.len();
        let batch = Batch::new(readings);
        let noted = self.freshness.note(&batch);
        self.writer.store(batch).await?;
        self.freshness.committed(&noted, arrival.now);
        quarantine::hold(&self.pool, &held).await?;
        metrics::counter!(telemetry::READINGS_ACCEPTED, "protocol" => source.protocol)
            .increment(accepted as u64);
        for error in &errors {
            metrics::counter!(telemetry::READINGS_REJECTED, "reason" => error.reason.code())
                .increment(1);
        }
        Ok(Taken { accepted, errors })
    }

    /// What [`Self::take`] would answer; stores and counts nothing.
    ///
    /// # Errors
    /// The database had to be asked for a sensor and does not answer.
    pub async fn check(
        &self,
        grant: &Grant,
        parsed: Parsed<'_>,
        source: Source<'_>,
    ) -> Result<Taken, Unavailable> {
        let arrival = source.arrival(Mode::Pretend);
        let Validated { readings, errors, would_be_new, .. } =
            validate(parsed, arrival, grant, &self.directory).await?;
        Ok(Taken { accepted: readings.len() + would_be_new, errors })
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
}
