//! A record's envelope in a segment file. Pure.
//!
//! All numbers are little-endian: `LWS1`, length of the payload (u32), rows in it (u32), sequence
//! (u64), durable (u64), CRC-32 of the payload (u32), CRC-32 of the 32 bytes before (u32), payload.
//! The header has a checksum of its own, so that a damaged length is not taken for a cut-off end.

/// Bytes before the payload.
pub const HEADER: usize = 36;

/// Largest payload in bytes; a frame with its header fits into [`MAX_FRAME`].
pub const MAX_PAYLOAD: usize = MAX_FRAME - HEADER;

/// Largest frame in bytes.
pub const MAX_FRAME: usize = 8 * 1024 * 1024;

const MAGIC: [u8; 4] = *b"LWS1";

/// A sound frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Number of the record, from 1, without gaps.
    pub sequence: u64,
    /// Highest sequence that was on stable storage when this frame was written. What is above it
    /// had not been acknowledged yet.
    pub durable: u64,
    /// Rows in the payload.
    pub rows: u32,
    /// The record.
    pub payload: &'a [u8],
}

/// Why no frame starts here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The bytes end before the frame does.
    CutOff,
    /// A checksum is wrong, or this never was a frame.
    Damaged,
}

impl Frame<'_> {
    /// Bytes of header and payload.
    pub fn size(&self) -> usize {
        HEADER + self.payload.len()
    }

    /// Appends the frame to `out`. The payload is at most [`MAX_PAYLOAD`] long.
    pub fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&MAGIC);
        // The caller's promise: fits.
        out.extend_from_slice(&(self.payload.len() as u32).to_le_bytes());
        out.extend_from_slice(&self.rows.to_le_bytes());
        out.extend_from_slice(&self.sequence.to_le_bytes());
        out.extend_from_slice(&self.durable.to_le_bytes());
        out.extend_from_slice(&crc32fast::hash(self.payload).to_le_bytes());
        let header = crc32fast::hash(&out[start..]);
        out.extend_from_slice(&header.to_le_bytes());
        out.extend_from_slice(self.payload);
    }
}

/// The frame that `bytes` start with.
///
/// # Errors
/// When there is no whole and sound one.
pub fn read(bytes: &[u8]) -> Result<Frame<'_>, Fault> {
    let Some((header, rest)) = bytes.split_at_checked(HEADER) else {
        let same = bytes.len().min(MAGIC.len());
        return Err(if bytes[..same] == MAGIC[..same] { Fault::CutOff } else { Fault::Damaged });
    };
    let u32_at = |at: usize| u32::from_le_bytes(array(header, at));
    let u64_at = |at: usize| u64::from_le_bytes(array(header, at));
    let length = u32_at(4) as usize;
    let sound = header[..4] == MAGIC && crc32fast::hash(&header[..32]) == u32_at(32);
    if !sound || length > MAX_PAYLOAD {
        return Err(Fault::Damaged);
    }
    let payload = rest.get(..length).ok_or(Fault::CutOff)?;
    if crc32fast::hash(payload) != u32_at(28) {
        return Err(Fault::Damaged);
    }
    Ok(Frame { sequence: u64_at(12), durable: u64_at(20), rows: u32_at(8), payload })
}

/// Where the next sound frame starts, at `from` or after it.
pub fn find(bytes: &[u8], from: usize) -> Option<usize> {
    (from..bytes.len()).find(|at| bytes[*at..].starts_with(&MAGIC) && read(&bytes[*at..]).is_ok())
}

/// `N` bytes at a place inside the header.
fn array<const N: usize>(header: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&header[at..at + N]);
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Fault, Frame, HEADER, find, read};

    fn file(payloads: &[Vec<u8>]) -> (Vec<u8>, Vec<usize>) {
        let (mut bytes, mut ends) = (Vec::new(), Vec::new());
        for (at, payload) in payloads.iter().enumerate() {
            let sequence = at as u64 + 1;
            Frame { sequence, durable: at as u64, rows: 7, payload }.write(&mut bytes);
            ends.push(bytes.len());
        }
        (bytes, ends)
    }

    /// The whole frames from the start on.
    fn whole(mut bytes: &[u8]) -> (Vec<Vec<u8>>, Option<Fault>) {
        let mut payloads = Vec::new();
        while !bytes.is_empty() {
            match read(bytes) {
                Ok(frame) => {
                    payloads.push(frame.payload.to_vec());
                    bytes = &bytes[frame.size()..];
                }
                Err(fault) => return (payloads, Some(fault)),
            }
        }
        (payloads, None)
    }

    fn payloads() -> impl Strategy<Value = Vec<Vec<u8>>> {
        prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..6)
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = (read(&bytes), find(&bytes, 0));
        }

        #[test]
        fn a_cut_leaves_exactly_the_whole_frames(payloads in payloads(), cut in any::<prop::sample::Index>()) {
            let (bytes, ends) = file(&payloads);
            let cut = cut.index(bytes.len() + 1);
            let before = ends.iter().filter(|end| **end <= cut).count();
            let (read, fault) = whole(&bytes[..cut]);
            prop_assert_eq!(&read[..], &payloads[..before]);
            let at_an_end = cut == 0 || ends.contains(&cut);
            prop_assert_eq!(fault, (!at_an_end).then_some(Fault::CutOff));
        }

        #[test]
        fn any_flipped_bit_is_found_and_only_its_frame_is_lost(
            payloads in payloads(), place in any::<prop::sample::Index>(), bit in 0..8u8,
        ) {
            let (mut bytes, ends) = file(&payloads);
            let place = place.index(bytes.len());
            bytes[place] ^= 1 << bit;
            let hit = ends.iter().filter(|end| **end <= place).count();
            let (read, fault) = whole(&bytes);
            prop_assert_eq!(&read[..], &payloads[..hit]);
            prop_assert_eq!(fault, Some(Fault::Damaged));
            let start = if hit == 0 { 0 } else { ends[hit - 1] };
            prop_assert_eq!(find(&bytes, start), (hit + 1 < ends.len()).then(|| ends[hit]));
        }
    }

    #[test]
    fn keeps_what_it_is_given() {
        let frame = Frame { sequence: u64::MAX, durable: 3, rows: 10_000, payload: b"x" };
        let mut bytes = Vec::new();
        frame.write(&mut bytes);
        assert_eq!((bytes.len(), read(&bytes)), (HEADER + 1, Ok(frame)));
    }
}
