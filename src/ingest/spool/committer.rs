//! The thread that writes the log: many requests that wait share one write and one sync.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::SpoolError;
use super::folder::Lock;
use super::gate::Appending;
use super::inventory::Inventory;
use super::log::{Entry, Log};
use crate::ingest::telemetry;

/// Bytes that one write takes at most, unless a single batch is larger.
const GROUP_BYTES: u64 = 8 * 1024 * 1024;

/// What the thread is asked for.
#[derive(Debug)]
pub enum Command {
    /// Make a batch durable.
    Append {
        /// The batch.
        entry: Entry,
        /// Keeps the direct way closed until it is done, even if the client hung up.
        appending: Appending,
        /// For the result.
        done: oneshot::Sender<Result<(), SpoolError>>,
    },
    /// Remove a segment of which so many bytes are drained; false: there is more in it.
    Remove {
        /// Its number.
        number: u64,
        /// Bytes.
        drained: u64,
        /// For the result.
        done: oneshot::Sender<std::io::Result<bool>>,
    },
    /// End, and let go of the directory.
    Close {
        /// Dropped when that is done.
        done: oneshot::Sender<()>,
    },
}

/// The log with its limit and its lock.
#[derive(Debug)]
pub struct Committer {
    /// The files.
    pub log: Log,
    /// What is in them.
    pub inventory: Arc<Inventory>,
    /// Most bytes of all files.
    pub max_bytes: u64,
    /// Held until the thread ends.
    pub lock: Lock,
}

type Waiting = (Entry, Appending, oneshot::Sender<Result<(), SpoolError>>);

impl Committer {
    /// Works until it is told to close, or nobody is left to ask.
    pub fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let mut next = commands.blocking_recv();
        while let Some(command) = next.take() {
            match command {
                Command::Append { entry, appending, done } => {
                    let mut group = vec![(entry, appending, done)];
                    next = gather(&mut commands, &mut group);
                    self.commit(group);
                }
                Command::Remove { number, drained, done } => {
                    let _ = done.send(self.log.remove(number, drained));
                }
                Command::Close { done } => {
                    drop(self);
                    drop(done);
                    return;
                }
            }
            if next.is_none() {
                next = commands.blocking_recv();
            }
        }
    }

    /// Those that fit are appended; every one gets its answer.
    fn commit(&mut self, group: Vec<Waiting>) {
        let mut used = self.inventory.depth().bytes;
        let (mut entries, mut waiting) = (Vec::new(), Vec::new());
        for (entry, appending, done) in group {
            let size = Log::size(&entry);
            if used + size > self.max_bytes {
                let _ = done.send(Err(SpoolError::Full { max_bytes: self.max_bytes }));
                continue;
            }
            used += size;
            entries.push(entry);
            waiting.push((appending, done));
        }
        if entries.is_empty() {
            return;
        }
        let rows = entries.iter().flat_map(|e| &e.payloads).map(|(rows, _)| u64::from(*rows));
        let rows: u64 = rows.sum();
        let result = self.log.append(&entries).map_err(|error| SpoolError::Io(Arc::new(error)));
        if result.is_ok() {
            metrics::counter!(telemetry::SPOOL_APPENDED).increment(rows);
        }
        for (appending, done) in waiting {
            // The answer after the inventory, and both before the gate may open.
            let _ = done.send(result.clone());
            drop(appending);
        }
    }
}

/// Adds the batches that wait already; gives a command that is something else.
fn gather(commands: &mut mpsc::Receiver<Command>, group: &mut Vec<Waiting>) -> Option<Command> {
    let mut bytes: u64 = group.iter().map(|(entry, ..)| Log::size(entry)).sum();
    while bytes < GROUP_BYTES {
        match commands.try_recv() {
            Ok(Command::Append { entry, appending, done }) => {
                bytes += Log::size(&entry);
                group.push((entry, appending, done));
            }
            Ok(other) => return Some(other),
            Err(_) => return None,
        }
    }
    None
}
