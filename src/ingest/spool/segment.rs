//! Reading a segment file: frame after frame, past what is damaged.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::frame::{self, Fault, MAX_FRAME};
use super::record;
use crate::ingest::reading::Instant;

/// Bytes read at once.
const CHUNK: usize = 1024 * 1024;

/// What comes next in a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A record's frame.
    Record {
        /// Number of the record.
        sequence: u64,
        /// Rows in it.
        rows: u32,
        /// The record.
        payload: Vec<u8>,
    },
    /// Bytes that are no frame.
    Gap(Gap),
}

/// Bytes that are no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// Where they start.
    pub at: u64,
    /// How many.
    pub bytes: u64,
    /// What the next sound frame says was durable; none: the file ends.
    pub durable: Option<u64>,
    /// Whether it looks like a write that was cut off: an incomplete frame, or space that was never
    /// written.
    pub cut_off: bool,
}

/// Walks through a segment.
#[derive(Debug)]
pub struct Walk {
    file: File,
    buffer: Vec<u8>,
    /// Place of the next frame in the buffer.
    next: usize,
    /// Place of the buffer in the file.
    base: u64,
    end: u64,
}

impl Walk {
    /// From the start of the file to `end`.
    ///
    /// # Errors
    /// The file system's.
    pub fn open(path: &Path, end: u64) -> io::Result<Self> {
        Ok(Self { file: File::open(path)?, buffer: Vec::new(), next: 0, base: 0, end })
    }

    /// How far it came, in bytes.
    pub fn offset(&self) -> u64 {
        self.base + self.next as u64
    }

    /// More was written.
    pub fn extend(&mut self, end: u64) {
        self.end = end;
    }

    /// The next frame or gap; none at the end.
    ///
    /// # Errors
    /// The file system's; the walk stays where it is.
    pub fn advance(&mut self) -> io::Result<Option<Found>> {
        let mut sizes = [CHUNK, MAX_FRAME].into_iter();
        loop {
            let left = self.end - self.offset();
            if left == 0 {
                return Ok(None);
            }
            if let Ok(frame) = frame::read(&self.buffer[self.next..]) {
                let (sequence, rows) = (frame.sequence, frame.rows);
                let (size, payload) = (frame.size(), frame.payload.to_vec());
                self.next += size;
                return Ok(Some(Found::Record { sequence, rows, payload }));
            }
            let is_whole = (self.buffer.len() - self.next) as u64 >= left;
            match sizes.next() {
                Some(size) if !is_whole => self.fill(size)?,
                _ => break,
            }
        }
        self.gap().map(|gap| Some(Found::Gap(gap)))
    }

    /// Reads from the next frame on.
    fn fill(&mut self, size: usize) -> io::Result<()> {
        let at = self.offset();
        self.buffer = read_at(&self.file, at, (self.end - at).min(size as u64))?;
        (self.base, self.next) = (at, 0);
        Ok(())
    }

    /// Goes on to the next sound frame, wherever it is. Rare: reads the rest of the segment.
    fn gap(&mut self) -> io::Result<Gap> {
        let at = self.offset();
        let rest = read_at(&self.file, at, self.end - at)?;
        let fault = frame::read(&rest);
        let skipped = frame::find(&rest, 1);
        let durable = skipped.and_then(|to| frame::read(&rest[to..]).ok()).map(|f| f.durable);
        let bytes = skipped.unwrap_or(rest.len()) as u64;
        let cut_off = fault == Err(Fault::CutOff) || rest.iter().all(|byte| *byte == 0);
        (self.buffer, self.next, self.base) = (Vec::new(), 0, at + bytes);
        Ok(Gap { at, bytes, durable, cut_off })
    }
}

fn read_at(file: &File, at: u64, count: u64) -> io::Result<Vec<u8>> {
    let count = usize::try_from(count).map_err(io::Error::other)?;
    let mut bytes = vec![0; count];
    file.read_exact_at(&mut bytes, at)?;
    Ok(bytes)
}

/// What a segment holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Scan {
    /// Records that can be read.
    pub records: u64,
    /// Rows in them.
    pub rows: u64,
    /// When the first of them arrived.
    pub oldest: Option<Instant>,
    /// Number of the last of them; 0: none.
    pub last: u64,
    /// Where the records end. What is behind was never acknowledged: the write was cut off.
    pub end: u64,
}

/// Reads a whole segment. `before` is the number of the last record before it, if it is known; only
/// the newest segment can end in a write that was cut off.
///
/// # Errors
/// The file system's.
pub fn scan(path: &Path, newest: bool, before: Option<u64>) -> io::Result<Scan> {
    let length = std::fs::metadata(path)?.len();
    let mut walk = Walk::open(path, length)?;
    let mut scan = Scan { last: before.unwrap_or(0), end: length, ..Scan::default() };
    let mut known = before.is_some();
    while let Some(found) = walk.advance()? {
        match found {
            Found::Record { sequence, rows, payload } => {
                scan.records += 1;
                scan.rows += u64::from(rows);
                scan.last = sequence;
                known = true;
                if scan.oldest.is_none() {
                    scan.oldest = record::read(&payload).ok().map(|record| record.origin.received);
                }
            }
            Found::Gap(gap) if newest && never_acknowledged(&gap, known.then_some(scan.last)) => {
                scan.end = gap.at;
                break;
            }
            Found::Gap(_) => {}
        }
    }
    Ok(scan)
}

/// Whether no record in the gap can have been acknowledged: what comes after it was written
/// together with it, before anything of it was durable. In doubt it may have been.
fn never_acknowledged(gap: &Gap, last: Option<u64>) -> bool {
    match (gap.durable, last) {
        (Some(durable), Some(last)) => durable <= last,
        (Some(_), None) => false,
        (None, _) => gap.cut_off,
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::super::frame::{Frame, HEADER};
    use super::{Found, Gap, Scan, Walk, scan};

    struct File {
        _folder: tempfile::TempDir,
        path: PathBuf,
    }

    fn file(bytes: &[u8]) -> File {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("segment");
        std::fs::write(&path, bytes).expect("write");
        File { _folder: folder, path }
    }

    /// Frames of one row with payloads of `size` bytes, as (sequence, durable).
    fn frames(size: usize, numbers: &[(u64, u64)]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (sequence, durable) in numbers {
            let payload = vec![*sequence as u8; size];
            let (sequence, durable) = (*sequence, *durable);
            Frame { sequence, durable, rows: 1, payload: &payload }.write(&mut bytes);
        }
        bytes
    }

    fn walk(file: &File) -> Vec<Result<u64, Gap>> {
        let length = std::fs::metadata(&file.path).expect("file").len();
        let mut walk = Walk::open(&file.path, length).expect("open");
        let mut found = Vec::new();
        while let Some(next) = walk.advance().expect("read") {
            found.push(match next {
                Found::Record { sequence, .. } => Ok(sequence),
                Found::Gap(gap) => Err(gap),
            });
        }
        assert_eq!(walk.offset(), length);
        found
    }

    #[test]
    fn walks_over_the_ends_of_chunks() {
        for size in [0, 1, 300_000, 1_048_576 - HEADER, 3_000_000] {
            let numbers: Vec<_> = (1..=9).map(|n| (n, n - 1)).collect();
            let file = file(&frames(size, &numbers));
            assert_eq!(walk(&file), (1..=9).map(Ok).collect::<Vec<_>>(), "{size}");
        }
    }

    #[test]
    fn goes_on_after_damage() {
        for size in [10, 700_000] {
            let mut bytes = frames(size, &[(1, 0), (2, 1), (3, 2), (4, 3)]);
            let frame = HEADER + size;
            bytes[frame + 5] ^= 1; // the length of the second one
            let file = file(&bytes);
            let gap =
                Gap { at: frame as u64, bytes: frame as u64, durable: Some(2), cut_off: false };
            assert_eq!(walk(&file), [Ok(1), Err(gap), Ok(3), Ok(4)]);
            // It was acknowledged: nothing is cut off.
            let found = scan(&file.path, true, Some(0)).expect("scan");
            assert_eq!((found.records, found.last, found.end), (3, 4, 4 * frame as u64));
        }
    }

    #[test]
    fn a_torn_end_is_cut_off_at_every_place() {
        let whole = frames(30, &[(1, 0), (2, 1), (3, 2)]);
        let frame = HEADER + 30;
        for cut in 0..whole.len() {
            let count = cut / frame;
            for torn in [whole[..cut].to_vec(), [&whole[..count * frame], &[0; 100]].concat()] {
                let found = scan(&file(&torn).path, true, None).expect("scan");
                let end = count * frame;
                assert_eq!((found.records, found.end), (count as u64, end as u64), "{cut}");
            }
        }
    }

    #[test]
    fn what_was_written_together_and_not_acknowledged_goes_together() {
        // 2, 3 and 4 were one write; after a power cut 3 is not there.
        let mut bytes = frames(30, &[(1, 0), (2, 1), (3, 1), (4, 1)]);
        let frame = HEADER + 30;
        bytes[2 * frame..3 * frame].fill(0);
        let found = scan(&file(&bytes).path, true, None).expect("scan");
        assert_eq!((found.records, found.end), (2, 2 * frame as u64));
        // In an older segment the same is damage: it was complete when the next one was begun.
        let found = scan(&file(&bytes).path, false, None).expect("scan");
        assert_eq!((found.records, found.end), (3, 4 * frame as u64));
    }

    #[test]
    fn a_damaged_last_record_may_have_been_acknowledged_and_is_kept() {
        let mut bytes = frames(30, &[(1, 0), (2, 1)]);
        *bytes.last_mut().expect("a byte") ^= 1;
        let length = bytes.len() as u64;
        let found = scan(&file(&bytes).path, true, None).expect("scan");
        assert_eq!((found.records, found.end), (1, length));
    }

    #[test]
    fn an_empty_file_is_empty() {
        let expected = Scan { last: 7, ..Scan::default() };
        assert_eq!(scan(&file(&[]).path, true, Some(7)).expect("scan"), expected);
    }
}
