//! Readings on disk while the database is down or slow.
//!
//! An append-only log of checksummed records ([`frame`], [`record`]) in numbered segment files
//! ([`segment`], [`log`]) of one directory ([`folder`]). A thread makes batches durable before they
//! are acknowledged, many with one sync ([`committer`]); a task stores them in order when the
//! database is back ([`drain`]); the [`gate`] decides which way a new batch goes, so that the last
//! value written stays the last. Knows neither HTTP nor SQL.

pub mod committer;
pub mod drain;
pub mod folder;
pub mod frame;
pub mod gate;
pub mod inventory;
pub mod log;
pub mod record;
pub mod refused;
pub mod segment;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use chrono::Utc;
use tokio::sync::{Semaphore, mpsc, oneshot};

use committer::{Command, Committer};
use folder::Folder;
use gate::Gate;
use inventory::{Depth, Inventory};
use log::{Entry, Log};
use record::{Origin, Row, Sender};

/// Most bytes of the spool's files, unless told otherwise.
pub const MAX_BYTES: u64 = 1 << 30;

/// Where readings wait while the database is away.
#[derive(Debug, Clone, clap::Args)]
pub struct Settings {
    /// Directory that keeps readings while the database is down or slow; without it they are answered with 503 then
    #[arg(long = "spool", env = "LOTWISE_SPOOL", value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Most bytes in that directory; then the answer is 503
    #[arg(long = "spool-max-bytes", env = "LOTWISE_SPOOL_MAX_BYTES", value_name = "N", default_value_t = MAX_BYTES)]
    pub max_bytes: u64,
    /// How long a batch may take to be stored before it goes to the spool, in seconds
    #[arg(long = "spool-after-seconds", env = "LOTWISE_SPOOL_AFTER_SECONDS", value_name = "N", default_value_t = 3,
          value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub after_seconds: u64,
    /// How long an API key that the database confirmed is believed while the database cannot be asked, in seconds; only with --spool
    #[arg(long, env = "LOTWISE_KEY_GRACE_SECONDS", value_name = "N", default_value_t = 86_400)]
    pub key_grace_seconds: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { dir: None, max_bytes: MAX_BYTES, after_seconds: 3, key_grace_seconds: 86_400 }
    }
}

/// Size at which a new segment is begun.
const SEGMENT_BYTES: u64 = 16 * 1024 * 1024;

/// With less room than this in bytes the spool counts as full.
const ROOM_BYTES: u64 = 256 * 1024;

/// Bytes of batches that wait to be written, in KiB; more of them wait for memory.
const WAITING_KIB: u32 = 32 * 1024;

/// Why a batch is not in the spool.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SpoolError {
    /// No room.
    #[error("the spool is full: it has its {max_bytes} bytes")]
    Full {
        /// The limit.
        max_bytes: u64,
    },
    /// The file system does not take it.
    #[error("the spool cannot be written: {0}")]
    Io(Arc<io::Error>),
    /// The service is stopping.
    #[error("the spool is closed")]
    Closed,
}

/// The spool. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Spool {
    folder: Folder,
    gate: Arc<Gate>,
    inventory: Arc<Inventory>,
    commands: mpsc::Sender<Command>,
    memory: Arc<Semaphore>,
    patience: Duration,
    max_bytes: u64,
}

impl Spool {
    /// Opens the directory, and reads what a former process left in it.
    ///
    /// # Errors
    /// When the directory cannot be used, or another process has it.
    pub fn open(dir: PathBuf, settings: &Settings) -> anyhow::Result<Self> {
        let (folder, lock) = Folder::open(&dir)?;
        // Small spools have small segments, so that room is made in steps.
        let segment_bytes = SEGMENT_BYTES.min(settings.max_bytes / 8);
        let (log, inventory) = Log::open(folder.clone(), segment_bytes)
            .with_context(|| format!("the spool in {} cannot be read", dir.display()))?;
        let depth = inventory.depth();
        if depth.records > 0 {
            tracing::info!(
                file.path = %dir.display(), spool.rows = depth.rows, spool.bytes = depth.bytes,
                "readings of a former process are in the spool: storing them first"
            );
        }
        let gate = Gate::new(!inventory.is_empty());
        let (commands, receiver) = mpsc::channel(1_024);
        let committer = Committer {
            log,
            inventory: Arc::clone(&inventory),
            max_bytes: settings.max_bytes,
            lock,
        };
        std::thread::Builder::new()
            .name("lotwise-spool".to_owned())
            .spawn(move || committer.run(receiver))?;
        let memory = Arc::new(Semaphore::new(WAITING_KIB as usize));
        let patience = Duration::from_secs(settings.after_seconds);
        let max_bytes = settings.max_bytes;
        Ok(Self { folder, gate, inventory, commands, memory, patience, max_bytes })
    }

    /// Closes the direct way for a batch that goes into the spool.
    pub fn begin(&self) -> gate::Appending {
        self.gate.append()
    }

    /// Appends rows; when it returns they are on stable storage.
    ///
    /// # Errors
    /// When there is no room, or the file system does not take them. Then none is in the spool.
    pub async fn append(
        &self,
        appending: gate::Appending,
        protocol: &str,
        sender: Sender,
        rows: &[Row<'_>],
    ) -> Result<(), SpoolError> {
        if rows.is_empty() {
            return Ok(());
        }
        let received = crate::ingest::reading::Instant::now();
        let kib = rows.len().div_ceil(1_024).saturating_mul(20);
        let kib = u32::try_from(kib).unwrap_or(WAITING_KIB).min(WAITING_KIB);
        let _memory = self.memory.acquire_many(kib).await.map_err(|_| SpoolError::Closed)?;
        let origin = Origin { received, protocol: protocol.to_owned(), sender };
        let entry = Entry { received, payloads: record::write(&origin, rows) };
        let (done, result) = oneshot::channel();
        let append = Command::Append { entry, appending, done };
        self.commands.send(append).await.map_err(|_| SpoolError::Closed)?;
        result.await.unwrap_or(Err(SpoolError::Closed))
    }

    /// The direct way to the database; none while it is closed.
    pub fn direct(&self) -> Option<gate::Direct> {
        self.gate.direct()
    }

    /// How long the direct way may take.
    pub fn patience(&self) -> Duration {
        self.patience
    }

    /// Whether everything goes through the spool now.
    pub fn is_in_use(&self) -> bool {
        self.gate.is_spooling()
    }

    /// How much waits.
    pub fn depth(&self) -> Depth {
        self.inventory.depth()
    }

    /// Most bytes of its files.
    pub fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    /// Whether there is room for some more batches, by its limit and on the disk.
    pub fn has_room(&self) -> bool {
        let free = free_bytes(self.folder.path()).unwrap_or(0);
        self.depth().bytes + ROOM_BYTES.min(self.max_bytes / 8) < self.max_bytes
            && free > ROOM_BYTES
    }

    /// Its files.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Sets the gauges.
    pub fn measure(&self) {
        use crate::ingest::telemetry::{SPOOL_AGE, SPOOL_BYTES, SPOOL_RECORDS, SPOOL_ROWS};
        let depth = self.depth();
        metrics::gauge!(SPOOL_RECORDS).set(depth.records as f64);
        metrics::gauge!(SPOOL_ROWS).set(depth.rows as f64);
        metrics::gauge!(SPOOL_BYTES).set(depth.bytes as f64);
        metrics::gauge!(SPOOL_AGE).set(depth.oldest_age_seconds());
    }

    /// Ends the thread and lets go of the directory; what is in it stays.
    pub async fn close(&self) {
        let (done, closed) = oneshot::channel();
        if self.commands.send(Command::Close { done }).await.is_ok() {
            // Only dropped, never sent.
            let _ = closed.await;
        }
        let rows = self.depth().rows;
        if rows > 0 {
            tracing::warn!(spool.rows = rows, "readings stay in the spool until the next start");
        }
    }

    async fn remove(&self, number: u64, drained: u64) -> io::Result<bool> {
        let (done, result) = oneshot::channel();
        let closed = || io::Error::other(SpoolError::Closed);
        self.commands
            .send(Command::Remove { number, drained, done })
            .await
            .map_err(|_| closed())?;
        result.await.unwrap_or_else(|_| Err(closed()))
    }
}

/// Bytes that this user may still write to the file system of a directory.
///
/// # Errors
/// The file system's.
pub fn free_bytes(path: &std::path::Path) -> io::Result<u64> {
    let system = rustix::fs::statvfs(path)?;
    Ok(system.f_bavail.saturating_mul(system.f_frsize))
}

impl Depth {
    /// Seconds since the oldest record arrived; 0: there is none.
    pub fn oldest_age_seconds(&self) -> f64 {
        let age = |oldest: crate::ingest::reading::Instant| Utc::now() - oldest.to_utc();
        self.oldest.map_or(0.0, |oldest| age(oldest).as_seconds_f64().max(0.0))
    }
}

#[cfg(test)]
mod tests;
