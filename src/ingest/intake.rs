//! The way of every batch of readings after its parser: validate, sort, store, count; or, while the
//! database does not take it and there is a spool, onto disk.

use std::time::Duration;

use crate::ingest::auth::Grant;
use crate::ingest::database::Unavailable;
use crate::ingest::direct::Direct;
use crate::ingest::payload::{Parsed, RowError};
use crate::ingest::reading::Instant;
use crate::ingest::registration::Mode;
use crate::ingest::spool::{Spool, gate};
use crate::ingest::telemetry;
use crate::ingest::validate::{Arrival, Validated, screen};

/// Takes readings, whatever protocol they came in.
#[derive(Clone)]
pub struct Intake {
    direct: Direct,
    spool: Option<Spool>,
}

/// What became of a batch.
#[derive(Debug, Default, PartialEq)]
pub struct Taken {
    /// Rows that are stored now (or were before), or are in the spool.
    pub accepted: usize,
    /// How many of them are in the spool.
    pub spooled: usize,
    /// Why the others are not, in the order of the rows.
    pub errors: Vec<RowError>,
}

/// Most errors that are kept of a request, however many rows are bad.
pub const MAX_LISTED: usize = 1_000;

/// What became of the parts of a request.
#[derive(Debug, Default, PartialEq)]
pub struct Total {
    /// Rows that are stored now (or were before), or are in the spool.
    pub accepted: usize,
    /// How many of them are in the spool.
    pub spooled: usize,
    /// Rows that are not.
    pub rejected: usize,
    /// Why, for the first [`MAX_LISTED`] of them.
    pub errors: Vec<RowError>,
}

impl Total {
    /// Adds what became of the next part.
    pub fn add(&mut self, part: Taken) {
        let Taken { accepted, spooled, errors } = part;
        self.accepted += accepted;
        self.spooled += spooled;
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
    /// Without a spool, a batch that the database does not take is the sender's to keep.
    pub fn new(direct: Direct, spool: Option<Spool>) -> Self {
        Self { direct, spool }
    }

    /// The spool, where there is one.
    pub fn spool(&self) -> Option<&Spool> {
        self.spool.as_ref()
    }

    /// Stores what can be stored; when it returns `Ok`, that is committed, or on stable storage in
    /// the spool.
    ///
    /// # Errors
    /// The database does not take it now, and the spool, where there is one, neither. Nothing or a
    /// part is stored, and sending the batch again is right.
    pub async fn take(
        &self,
        grant: &Grant,
        parsed: Parsed<'_>,
        source: Source<'_>,
    ) -> Result<Taken, Unavailable> {
        let count = parsed.rows.len() + parsed.errors.len();
        grant.meter.charge(&grant.limits, count, std::time::Instant::now());
        let taken = match &self.spool {
            None => self.store(grant, &parsed, source).await,
            Some(spool) => self.store_or_spool(spool, grant, &parsed, source).await,
        };
        match &taken {
            Ok(taken) => {
                // What is spooled is counted when it is stored.
                count_accepted(source.protocol, taken.accepted - taken.spooled);
                taken.errors.iter().for_each(count_rejected);
            }
            Err(_) => grant.meter.refund(&grant.limits, count, std::time::Instant::now()),
        }
        taken
    }

    /// What [`Self::take`] would answer; stores, spools and counts nothing.
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
            self.direct.resolve(&parsed, arrival, grant).await?;
        Ok(Taken { accepted: readings.len() + would_be_new, spooled: 0, errors })
    }

    async fn store(
        &self,
        grant: &Grant,
        parsed: &Parsed<'_>,
        source: Source<'_>,
    ) -> Result<Taken, Unavailable> {
        let arrival = source.arrival(Mode::Register);
        let Validated { readings, errors, held, .. } =
            self.direct.resolve(parsed, arrival, grant).await?;
        let accepted = readings.len();
        self.direct.commit(readings, &held, arrival.now).await?;
        Ok(Taken { accepted, spooled: 0, errors })
    }

    async fn store_or_spool(
        &self,
        spool: &Spool,
        grant: &Grant,
        parsed: &Parsed<'_>,
        source: Source<'_>,
    ) -> Result<Taken, Unavailable> {
        if let Some(way) = spool.direct() {
            match self.store_in_time(way, spool.patience(), grant, parsed, source).await {
                Ok(taken) => return Ok(taken),
                Err(why) => {
                    tracing::warn!(error.message = why, "database away: readings go to the spool")
                }
            }
        }
        // At once, so that nothing newer goes straight into the database from here on.
        let appending = spool.begin();
        let (rows, errors) = screen(parsed, source.plant, grant);
        spool.append(appending, source.protocol, grant.sender(), &rows).await?;
        Ok(Taken { accepted: rows.len(), spooled: rows.len(), errors })
    }

    /// Stores the batch, or says why that did not happen in time.
    async fn store_in_time(
        &self,
        way: gate::Direct,
        patience: Duration,
        grant: &Grant,
        parsed: &Parsed<'_>,
        source: Source<'_>,
    ) -> Result<Taken, String> {
        let deadline = tokio::time::Instant::now() + patience;
        let late = |_| format!("no answer within {} s", patience.as_secs());
        let failed = |error: Unavailable| format!("{error}: {}", error.source);
        let arrival = source.arrival(Mode::Register);
        let resolved = self.direct.resolve(parsed, arrival, grant);
        let resolved = tokio::time::timeout_at(deadline, resolved).await.map_err(late)?;
        let Validated { readings, errors, held, .. } = resolved.map_err(failed)?;
        let accepted = readings.len();
        // Dropped when it is late or the sender leaves: what is not begun is taken back, and the
        // drain and newer values wait for what is.
        let commit = self.direct.commit(readings, &held, arrival.now);
        let stored = tokio::time::timeout_at(deadline, commit).await.map_err(late)?;
        stored.map_err(failed)?;
        drop(way);
        Ok(Taken { accepted, spooled: 0, errors })
    }

    /// Which of these sensors, each named with its plant, are registered.
    ///
    /// # Errors
    /// The database had to be asked and does not answer.
    pub async fn registered<'a>(
        &self,
        sensors: impl Iterator<Item = (&'a str, &'a str)> + Clone,
    ) -> Result<Vec<bool>, Unavailable> {
        self.direct.registered(sensors).await
    }
}

/// Counts stored readings.
pub fn count_accepted(protocol: impl Into<String>, readings: usize) {
    metrics::counter!(telemetry::READINGS_ACCEPTED, "protocol" => protocol.into())
        .increment(readings as u64);
}

/// Counts a refused row.
pub fn count_rejected(error: &RowError) {
    metrics::counter!(telemetry::READINGS_REJECTED, "reason" => error.reason.code()).increment(1);
}
