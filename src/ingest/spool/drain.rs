//! Stores what is in the spool, in order, as soon as the database takes it.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant as Clock};

use futures_util::future::try_join_all;
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinHandle};

use super::Spool;
use super::inventory::Segment;
use super::record::{self, Record};
use super::refused::{self, Refused};
use super::segment::{Found, Gap, Walk};
use crate::ingest::auth::Grant;
use crate::ingest::database::Unavailable;
use crate::ingest::direct::Direct;
use crate::ingest::intake::{count_accepted, count_rejected};
use crate::ingest::payload::{Candidate, Parsed, RowError};
use crate::ingest::quarantine::{Held, Why};
use crate::ingest::reading::{Instant, Reading};
use crate::ingest::registration::Mode;
use crate::ingest::telemetry;
use crate::ingest::validate::Arrival;

/// Rows that are stored together, unless a single record has more.
const MERGE_ROWS: u64 = 40_000;

/// Parts of them that are stored at once; each sensor is in one of them.
const PARTS: i32 = 4;

/// How often in a row the database has to refuse a record for its data before it is taken apart.
const REFUSALS: u32 = 4;

/// Refused parts of a record that are taken apart further: enough to find four bad rows among
/// 10,000. What is refused after them is set aside as a whole.
const PROBES: u32 = 64;

/// First and longest time between two attempts.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));

/// Why a step did not succeed; the same step is tried again.
#[derive(Debug, thiserror::Error)]
enum StepError {
    #[error("{0}: {source}", source = .0.source)]
    Database(#[from] Unavailable),
    #[error("the spool's files: {0}")]
    Files(#[from] io::Error),
}

/// The task that drains.
#[derive(Debug)]
pub struct Draining {
    task: JoinHandle<()>,
    stop: oneshot::Sender<()>,
}

impl Draining {
    /// Starts it.
    pub fn start(spool: Spool, direct: Direct) -> Self {
        let (stop, stopped) = oneshot::channel();
        let (at_once, refusals) = (usize::MAX, 0);
        let drain = Drain { spool, direct, walk: None, batch: None, at_once, refusals, last: None };
        let task = tokio::spawn(async move {
            tokio::select! {
                () = drain.run() => {}
                _ = stopped => {}
            }
        });
        Self { task, stop }
    }

    /// Stops it; what is left stays for the next process.
    ///
    /// # Errors
    /// When it panicked before.
    pub async fn stop(self) -> Result<(), JoinError> {
        let _ = self.stop.send(());
        self.task.await
    }
}

struct Drain {
    spool: Spool,
    direct: Direct,
    /// Place in the segment of this number.
    walk: Option<(u64, Walk)>,
    /// What was read and is not stored yet.
    batch: Option<Batch>,
    /// Records that are stored together; fewer after the database refused some.
    at_once: usize,
    /// How often in a row the first record was refused alone.
    refusals: u32,
    /// Number of the last record that was read.
    last: Option<u64>,
}

/// Records that are stored together.
#[derive(Debug, Default)]
struct Batch {
    rows: u64,
    /// Rows and payload of each.
    records: VecDeque<(u32, Vec<u8>)>,
    gaps: Vec<(Gap, u64)>,
    last: Option<u64>,
}

impl Drain {
    async fn run(mut self) {
        loop {
            self.spool.gate.closed().await;
            let (start, before) = (Clock::now(), self.spool.depth().rows);
            self.empty().await;
            let duration_s = start.elapsed().as_secs_f64();
            if before > 0 {
                tracing::info!(
                    duration_s,
                    "the spool is empty: readings go straight to the database"
                );
            }
        }
    }

    /// Stores everything, and opens the direct way.
    async fn empty(&mut self) {
        let (mut wait, mut failed) = (BACKOFF.0, false);
        loop {
            let step = match self.spool.inventory.first() {
                Some(segment) => self.step(segment).await,
                None => {
                    if self.spool.gate.reopen(|| self.spool.inventory.is_empty()) {
                        return;
                    }
                    self.spool.gate.appended().await;
                    continue;
                }
            };
            match step {
                Ok(()) if !failed => {}
                Ok(()) => {
                    tracing::info!("storing what is in the spool");
                    (wait, failed) = (BACKOFF.0, false);
                }
                Err(error) => {
                    let depth = self.spool.depth();
                    let (rows, age_s) = (depth.rows, depth.oldest_age_seconds());
                    // Once at the start, and then as often as the longest wait.
                    if !failed || wait >= BACKOFF.1 {
                        tracing::warn!(error.message = %error, spool.rows = rows, spool.age_s = age_s,
                            "what is in the spool cannot be stored yet");
                    }
                    failed = true;
                    tokio::time::sleep(wait.mul_f64(rand::random_range(0.75..1.25))).await;
                    wait = (wait * 2).min(BACKOFF.1);
                }
            }
        }
    }

    /// One batch of the oldest segment, or its removal when it has no more.
    async fn step(&mut self, segment: Segment) -> Result<(), StepError> {
        if self.batch.is_none() {
            self.read(segment).await?;
        }
        let Some(batch) = &self.batch else {
            // Without a walk the file is gone already.
            let drained = self.walk.as_ref().map_or(0, |(_, walk)| walk.offset());
            if self.spool.remove(segment.number, drained).await? {
                self.walk = None;
            }
            return Ok(());
        };
        let count = batch.records.len().min(self.at_once);
        let newest = match self.store(batch, count).await {
            Err(StepError::Database(error)) if error.source.is_of_the_data() => {
                // Smaller transactions may be within its limits, and one record that it does not
                // take must not hold up those before it.
                self.at_once = (count / 2).max(1);
                self.refusals += u32::from(count == 1 && error.source.is_for_good());
                if self.refusals < REFUSALS {
                    return Err(error.into());
                }
                self.take_apart(batch).await?
            }
            stored => stored?,
        };
        self.refusals = 0;
        self.at_once = self.at_once.saturating_mul(2);
        self.stored(count, newest);
        Ok(())
    }

    /// The first records of the batch are stored.
    fn stored(&mut self, count: usize, newest: Option<Instant>) {
        let Some(batch) = &mut self.batch else { return };
        let rows = batch.records.drain(..count).map(|(rows, _)| u64::from(rows)).sum();
        metrics::counter!(telemetry::SPOOL_DRAINED).increment(rows);
        self.spool.inventory.drained(count as u64, rows, newest);
        if batch.records.is_empty() {
            self.batch = None;
        }
    }

    /// Reads the next batch; none at the end of the segment.
    async fn read(&mut self, segment: Segment) -> Result<(), StepError> {
        let mut walk = match self.walk.take() {
            Some((number, walk)) if number == segment.number => walk,
            _ => match Walk::open(&self.spool.folder.segment(segment.number), segment.bytes) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    return self.gone(segment).await;
                }
                walk => walk?,
            },
        };
        walk.extend(segment.bytes);
        let mut last = self.last;
        let read = tokio::task::spawn_blocking(move || {
            let batch = read_batch(&mut walk, &mut last);
            (walk, batch)
        });
        let (walk, batch) = read.await.map_err(io::Error::other)?;
        self.walk = Some((segment.number, walk));
        let batch = batch?;
        for (gap, lost) in &batch.gaps {
            tracing::error!(
                file.path = %self.spool.folder.segment(segment.number).display(),
                file.kept_as = %self.spool.folder.damaged(segment.number).display(),
                file.offset = gap.at, file.damaged_bytes = gap.bytes, spool.lost_records = lost,
                "records in the spool cannot be read; going on behind them, and keeping the file"
            );
            metrics::counter!(telemetry::SPOOL_LOST).increment((*lost).max(1));
            self.spool.inventory.damaged();
        }
        self.last = batch.last;
        self.batch = (!batch.records.is_empty()).then_some(batch);
        Ok(())
    }

    /// Somebody removed the file; nothing can bring it back, and the others must not wait for it.
    async fn gone(&self, segment: Segment) -> Result<(), StepError> {
        tracing::error!(
            file.path = %self.spool.folder.segment(segment.number).display(),
            spool.lost_records = segment.records, "a file of the spool was removed before it was stored"
        );
        metrics::counter!(telemetry::SPOOL_LOST).increment(segment.records);
        self.spool.remove(segment.number, segment.bytes).await?;
        Ok(())
    }

    /// Stores the first records of a batch; gives the time of arrival of the last of them.
    async fn store(&self, batch: &Batch, count: usize) -> Result<Option<Instant>, StepError> {
        let mut records = Vec::with_capacity(count);
        for (_, payload) in batch.records.iter().take(count) {
            match record::read(payload) {
                Ok(record) => records.push(record),
                Err(error) => self.unreadable(&error),
            }
        }
        self.store_records(&records).await?;
        Ok(records.last().map(|record| record.origin.received))
    }

    /// Stores what the database takes of the first record, and sets the other rows aside; gives its
    /// time of arrival.
    async fn take_apart(&self, batch: &Batch) -> Result<Option<Instant>, StepError> {
        let record = batch.records.front().and_then(|(_, payload)| record::read(payload).ok());
        let Some(Record { origin, rows }) = record else { return Ok(None) };
        let mut refused = Vec::new();
        let mut probes = 0;
        // The rows' order counts: the first part is on top.
        let mut parts = vec![&rows[..]];
        while let Some(part) = parts.pop() {
            let record = Record { origin: origin.clone(), rows: part.to_vec() };
            match self.store_records(&[record]).await {
                Ok(()) => {}
                Err(StepError::Database(error)) if error.source.is_for_good() => {
                    probes += 1;
                    let (first, second) = part.split_at(part.len() / 2);
                    if first.is_empty() || probes > PROBES {
                        let why = &error.source;
                        refused.extend(part.iter().map(|r| Refused::by_database(r, &origin, why)));
                    } else {
                        parts.extend([second, first]);
                    }
                }
                Err(error) => return Err(error),
            }
        }
        if !refused.is_empty() {
            self.set_aside(&refused).await?;
        }
        Ok(Some(origin.received))
    }

    async fn store_records(&self, records: &[Record<'_>]) -> Result<(), StepError> {
        let mut sorted = Sorted::default();
        for record in records {
            sorted.add(record, &self.direct).await?;
        }
        let Sorted { readings, held, refused, accepted, rejected } = sorted;
        // A transaction of before that was given up may still end: not after newer values.
        self.direct.quiet().await;
        let now = Instant::now();
        let parts = parts(readings).into_iter().map(|part| self.direct.commit(part, &[], now));
        try_join_all(parts).await?;
        self.direct.commit(Vec::new(), &held, now).await?;
        if !refused.is_empty() {
            self.set_aside(&refused).await?;
        }
        for (protocol, readings) in accepted {
            count_accepted(protocol, readings);
        }
        rejected.iter().for_each(count_rejected);
        Ok(())
    }

    /// A sound frame of another version of this program: a people's case, like damage.
    fn unreadable(&self, error: &record::Unreadable) {
        tracing::error!(error.message = %error, "a record in the spool is kept aside with its file");
        metrics::counter!(telemetry::SPOOL_LOST).increment(1);
        self.spool.inventory.damaged();
    }

    async fn set_aside(&self, refused: &[Refused<'_>]) -> io::Result<()> {
        let (path, lines) = (self.spool.folder.refused(), refused::lines(refused)?);
        let (bytes, shown) = (lines.len() as u64, path.display().to_string());
        let written = tokio::task::spawn_blocking(move || refused::append(&path, &lines));
        written.await.map_err(io::Error::other)??;
        self.spool.inventory.set_aside(bytes);
        metrics::counter!(telemetry::SPOOL_REFUSED).increment(refused.len() as u64);
        tracing::error!(
            file.path = shown,
            reading.count = refused.len(),
            "readings from the spool cannot be stored: they are in this file, with the reasons"
        );
        Ok(())
    }
}

/// Rows of several records by what becomes of them.
#[derive(Default)]
struct Sorted<'a> {
    readings: Vec<Reading>,
    held: Vec<Held>,
    refused: Vec<Refused<'a>>,
    /// Readings by protocol.
    accepted: Vec<(String, usize)>,
    rejected: Vec<RowError>,
}

impl<'a> Sorted<'a> {
    async fn add(&mut self, record: &'a Record<'a>, direct: &Direct) -> Result<(), Unavailable> {
        let grant = Grant::of_checked_rows(&record.origin.sender);
        // The time windows are about the clock at which the rows came, not this one.
        let (now, mode) = (record.origin.received, Mode::Register);
        let arrival = Arrival { default_plant: None, now, mode };
        let validated = direct.resolve(&candidates(record), arrival, &grant).await?;
        self.accepted.push((record.origin.protocol.clone(), validated.readings.len()));
        self.readings.extend(validated.readings);
        self.held.extend(validated.held);
        for error in &validated.errors {
            let row = record.rows.get(error.position);
            if let (None, Some(row)) = (Why::of(&error.reason), row) {
                self.refused.push(Refused::new(row, &record.origin, &error.reason));
            }
        }
        self.rejected.extend(validated.errors);
        Ok(())
    }
}

/// Readings by their sensors, so that the parts may be stored in any order.
fn parts(readings: Vec<Reading>) -> Vec<Vec<Reading>> {
    let mut parts = vec![Vec::new(); PARTS as usize];
    for reading in readings {
        parts[reading.sensor.0.rem_euclid(PARTS) as usize].push(reading);
    }
    parts
}

/// The rows as a parser gives them.
fn candidates<'a>(record: &Record<'a>) -> Parsed<'a> {
    let candidate = |(position, row): (usize, &record::Row<'a>)| Candidate {
        position,
        plant: Some(Cow::Borrowed(row.plant)),
        sensor: Cow::Borrowed(row.sensor),
        time: row.time,
        value: row.value,
    };
    let rows = record.rows.iter().enumerate().map(candidate).collect();
    Parsed { plant: None, rows, errors: Vec::new() }
}

/// Reads records of some thousand rows, and counts those that are missing.
fn read_batch(walk: &mut Walk, last: &mut Option<u64>) -> io::Result<Batch> {
    let mut batch = Batch::default();
    let mut gap = None;
    while batch.rows < MERGE_ROWS {
        let found = match walk.advance() {
            // What was read before comes first; the next attempt meets the error again.
            Err(_) if !batch.records.is_empty() || gap.is_some() => break,
            found => found?,
        };
        match found {
            None => break,
            Some(Found::Gap(found)) => {
                // Behind what was read before it the numbers tell how many records it had.
                if let Some(earlier) = gap.replace(found) {
                    batch.gaps.push((earlier, 0));
                }
            }
            Some(Found::Record { sequence, rows, payload }) => {
                let expected = last.map_or(sequence, |last| last + 1);
                if let Some(gap) = gap.take() {
                    batch.gaps.push((gap, sequence.saturating_sub(expected)));
                } else if sequence != expected {
                    tracing::error!(
                        spool.expected_record = expected,
                        spool.record = sequence,
                        "records are missing in the spool: was a file removed?"
                    );
                }
                *last = Some(sequence);
                batch.rows += u64::from(rows);
                batch.records.push_back((rows, payload));
            }
        }
    }
    batch.gaps.extend(gap.map(|gap| (gap, 0)));
    batch.last = *last;
    Ok(batch)
}
