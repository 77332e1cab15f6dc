//! What is in the spool, as the writer, the drain and the metrics share it.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::ingest::reading::Instant;

/// A segment file with records that are not drained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Number in its name.
    pub number: u64,
    /// Bytes that are on stable storage.
    pub bytes: u64,
    /// Records that are not drained.
    pub records: u64,
    /// Rows in them.
    pub rows: u64,
    /// When the oldest of them arrived.
    pub oldest: Option<Instant>,
    /// Whether a part of it could not be read.
    pub damaged: bool,
}

/// How much waits in the spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Depth {
    /// Records.
    pub records: u64,
    /// Rows in them.
    pub rows: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// When the oldest record arrived.
    pub oldest: Option<Instant>,
}

/// The segments, oldest first.
#[derive(Debug, Default)]
pub struct Inventory(Mutex<Contents>);

#[derive(Debug, Default)]
struct Contents {
    segments: VecDeque<Segment>,
    aside_bytes: u64,
}

impl Inventory {
    /// What was found at the start; `aside_bytes` of files that wait for people.
    pub fn new(segments: Vec<Segment>, aside_bytes: u64) -> Self {
        Self(Mutex::new(Contents { segments: segments.into(), aside_bytes }))
    }

    /// The oldest segment.
    pub fn first(&self) -> Option<Segment> {
        self.lock().segments.front().copied()
    }

    /// Whether there is no segment.
    pub fn is_empty(&self) -> bool {
        self.lock().segments.is_empty()
    }

    /// Sums.
    pub fn depth(&self) -> Depth {
        let contents = self.lock();
        let sum = |part: fn(&Segment) -> u64| contents.segments.iter().map(part).sum::<u64>();
        Depth {
            records: sum(|s| s.records),
            rows: sum(|s| s.rows),
            bytes: sum(|s| s.bytes) + contents.aside_bytes,
            oldest: contents.segments.iter().find_map(|s| s.oldest),
        }
    }

    /// Durable records were added to the newest segment, which may be a new one.
    pub(super) fn appended(&self, added: Segment) {
        let mut contents = self.lock();
        match contents.segments.back_mut().filter(|newest| newest.number == added.number) {
            Some(newest) => {
                newest.bytes += added.bytes;
                newest.records += added.records;
                newest.rows += added.rows;
                newest.oldest = newest.oldest.or(added.oldest);
            }
            None => contents.segments.push_back(added),
        }
    }

    /// Records of the oldest segment are stored; the next of them arrived not before `oldest`.
    pub(super) fn drained(&self, records: u64, rows: u64, oldest: Option<Instant>) {
        if let Some(segment) = self.lock().segments.front_mut() {
            segment.records = segment.records.saturating_sub(records);
            segment.rows = segment.rows.saturating_sub(rows);
            segment.oldest = if segment.records == 0 { None } else { oldest.or(segment.oldest) };
        }
    }

    /// A part of the oldest segment cannot be read.
    pub(super) fn damaged(&self) {
        if let Some(segment) = self.lock().segments.front_mut() {
            segment.damaged = true;
        }
    }

    /// The segment's file is gone, or set aside.
    pub(super) fn removed(&self, segment: &Segment) {
        let mut contents = self.lock();
        contents.segments.retain(|kept| kept.number != segment.number);
        if segment.damaged {
            contents.aside_bytes += segment.bytes;
        }
    }

    /// A file that waits for people grew.
    pub(super) fn set_aside(&self, bytes: u64) {
        self.lock().aside_bytes += bytes;
    }

    fn lock(&self) -> MutexGuard<'_, Contents> {
        // Counters are sound even if a thread panicked while it held the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
