//! The write side of the files: append, sync, rotate, remove. Blocks; used by one thread.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::Instant as Clock;

use super::folder::{Folder, private};
use super::frame::Frame;
use super::inventory::{Inventory, Segment};
use super::segment;
use crate::ingest::reading::Instant;
use crate::ingest::telemetry;

/// Payloads of one request with their numbers of rows, and when it arrived.
#[derive(Debug, Clone)]
pub struct Entry {
    /// When.
    pub received: Instant,
    /// Payloads.
    pub payloads: Vec<(u32, Vec<u8>)>,
}

/// The segment that is written to.
#[derive(Debug)]
struct Active {
    file: File,
    number: u64,
    bytes: u64,
}

/// The segments of a directory.
#[derive(Debug)]
pub struct Log {
    folder: Folder,
    inventory: Arc<Inventory>,
    segment_bytes: u64,
    active: Option<Active>,
    next_number: u64,
    /// Number of the last durable record.
    durable: u64,
}

impl Log {
    /// Reads what a former process left; what it had not finished writing is cut off.
    ///
    /// # Errors
    /// The file system's.
    pub fn open(folder: Folder, segment_bytes: u64) -> io::Result<(Self, Arc<Inventory>)> {
        let listing = folder.list()?;
        let mut segments = Vec::new();
        let mut before = None;
        for number in &listing.segments {
            let path = folder.segment(*number);
            let newest = listing.segments.last() == Some(number);
            let scan = segment::scan(&path, newest, before)?;
            let torn = fs::metadata(&path)?.len() - scan.end;
            if torn > 0 {
                let file = private().write(true).open(&path)?;
                file.set_len(scan.end)?;
                file.sync_all()?;
                tracing::warn!(
                    file.path = %path.display(), file.offset = scan.end, file.cut_off_bytes = torn,
                    "the spool's last write was cut off before it was acknowledged; dropped its bytes"
                );
            }
            if scan.end == 0 {
                fs::remove_file(&path)?;
                continue;
            }
            before = Some(scan.last);
            segments.push(Segment {
                number: *number,
                bytes: scan.end,
                records: scan.records,
                rows: scan.rows,
                oldest: scan.oldest,
                damaged: false,
            });
        }
        folder.sync()?;
        let inventory = Arc::new(Inventory::new(segments, listing.aside_bytes));
        let (next_number, durable) = (listing.highest + 1, before.unwrap_or(0));
        let shared = Arc::clone(&inventory);
        Ok((Self { folder, inventory, segment_bytes, active: None, next_number, durable }, shared))
    }

    /// Bytes that an entry takes.
    pub fn size(entry: &Entry) -> u64 {
        let frame = |(rows, payload): &(u32, Vec<u8>)| {
            Frame { sequence: 0, durable: 0, rows: *rows, payload }.size() as u64
        };
        entry.payloads.iter().map(frame).sum()
    }

    /// Appends the entries with one write; when it returns they are durable, all of them. After an
    /// error none of them is in the log.
    ///
    /// # Errors
    /// The file system's. The next attempt may succeed.
    pub fn append(&mut self, entries: &[Entry]) -> io::Result<()> {
        let (bytes, mut added) = self.frames(entries);
        let mut active = match self.active.take() {
            Some(active) if active.bytes + added.bytes <= self.segment_bytes => active,
            _ => self.create()?,
        };
        let written = active.file.write_all_at(&bytes, active.bytes);
        if let Err(error) = written {
            // The space must not stay taken, and no half frame before the next one.
            match active.file.set_len(active.bytes) {
                Ok(()) if active.bytes > 0 => self.active = Some(active),
                _ => self.abandon(&active),
            }
            return Err(error);
        }
        let start = Clock::now();
        let synced = active.file.sync_data();
        metrics::histogram!(telemetry::SPOOL_FSYNC_SECONDS).record(start.elapsed().as_secs_f64());
        if let Err(error) = synced {
            // What this file's cache holds is in doubt from now on: no more is written to it.
            let _ = active.file.set_len(active.bytes);
            self.abandon(&active);
            return Err(error);
        }
        active.bytes += added.bytes;
        added.number = active.number;
        self.active = Some(active);
        self.durable += added.records;
        self.inventory.appended(added);
        Ok(())
    }

    /// Removes the oldest segment for good, when all its bytes are drained; one that is damaged is
    /// renamed instead. False: more was appended since.
    ///
    /// # Errors
    /// The file system's; then it is still there.
    pub fn remove(&mut self, number: u64, drained: u64) -> io::Result<bool> {
        let Some(segment) = self.inventory.first() else { return Ok(true) };
        if segment.number != number {
            return Ok(true);
        }
        if segment.bytes != drained {
            return Ok(false);
        }
        self.active.take_if(|active| active.number == number);
        let path = self.folder.segment(number);
        let gone = match segment.damaged {
            true => fs::rename(path, self.folder.damaged(number)),
            false => fs::remove_file(path),
        };
        // Gone already: an earlier attempt ended between the two steps.
        gone.or_else(|e| if e.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(e) })?;
        self.folder.sync()?;
        self.inventory.removed(&segment);
        Ok(true)
    }

    fn frames(&self, entries: &[Entry]) -> (Vec<u8>, Segment) {
        let mut bytes = Vec::new();
        let oldest = entries.first().map(|entry| entry.received);
        let mut added =
            Segment { number: 0, bytes: 0, records: 0, rows: 0, oldest, damaged: false };
        for (rows, payload) in entries.iter().flat_map(|entry| &entry.payloads) {
            added.records += 1;
            added.rows += u64::from(*rows);
            let (sequence, durable) = (self.durable + added.records, self.durable);
            Frame { sequence, durable, rows: *rows, payload }.write(&mut bytes);
        }
        added.bytes = bytes.len() as u64;
        (bytes, added)
    }

    fn create(&mut self) -> io::Result<Active> {
        let number = self.next_number;
        let path = self.folder.segment(number);
        let file = private().write(true).create_new(true).open(&path)?;
        self.next_number += 1;
        let active = Active { file, number, bytes: 0 };
        // Without its name on stable storage the file's contents would be lost.
        self.folder.sync().inspect_err(|_| self.abandon(&active))?;
        Ok(active)
    }

    /// Nothing more is written to the file; an empty one is removed, as far as that is possible.
    fn abandon(&self, active: &Active) {
        if active.bytes == 0 {
            let _ = fs::remove_file(self.folder.segment(active.number));
        }
    }
}
