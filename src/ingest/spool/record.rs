//! A record: rows of one request with all that storing them later needs. Pure.
//!
//! Layout, little-endian: version (u8), time of arrival (i64, microseconds since 1970), protocol;
//! of the API key its name, id (i32), windows into future and past (f64, seconds) and whether it may
//! register sensors (u8; if 1, how many incomplete and how many an hour, i32); then the number of sensors (u32) and for each its plant and key,
//! then the number of rows (u32) and for each the index of its sensor (u32), its time (i64,
//! microseconds since 1970) and value (f64). A text is its length (u16) and its bytes in UTF-8.
//!
//! Plants and sensors are keys and not ids: the database may be away when rows are written.

use std::collections::HashMap;

use super::frame::MAX_PAYLOAD;
use crate::ingest::keys::rules::{Registration, Window};
use crate::ingest::reading::{Finite, Instant};

const VERSION: u8 = 1;

/// Most rows of a record. With the longest keys a record still fits into a frame.
pub const MAX_ROWS: usize = 10_000;

// 20 bytes a row; a sensor of its own for each with two keys of 256 bytes; 256 KiB for the rest.
const _: () =
    assert!(MAX_ROWS * (20 + 2 * (2 + crate::domain::key::MAX_BYTES)) + 262_144 < MAX_PAYLOAD);

/// Who sent a record's rows, how and when.
#[derive(Debug, Clone, PartialEq)]
pub struct Origin {
    /// When they arrived.
    pub received: Instant,
    /// Protocol that they came in.
    pub protocol: String,
    /// Who sent them.
    pub sender: Sender,
}

/// What is kept of an API key with the rows that it sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Sender {
    /// Its name.
    pub key: String,
    /// Its row id.
    pub key_id: i32,
    /// How far ahead of their arrival the rows' times may be.
    pub future_window: Window,
    /// How far back they may be.
    pub past_window: Window,
    /// Whether and how many sensors it may register.
    pub registration: Option<Registration>,
}

/// A row: sensor by keys.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row<'a> {
    /// Key of the plant.
    pub plant: &'a str,
    /// Key of the sensor.
    pub sensor: &'a str,
    /// When.
    pub time: Instant,
    /// What.
    pub value: Finite,
}

/// A record that was read. Its texts are in the bytes that it was read from.
#[derive(Debug, Clone, PartialEq)]
pub struct Record<'a> {
    /// Where the rows are from.
    pub origin: Origin,
    /// The rows in the order in which they were sent.
    pub rows: Vec<Row<'a>>,
}

/// Bytes that are no record of a version that this program knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the record is not of a version that this program knows")]
pub struct Unreadable;

/// Payloads for the rows, each with its number of rows.
pub fn write(origin: &Origin, rows: &[Row<'_>]) -> Vec<(u32, Vec<u8>)> {
    // At most MAX_ROWS: fits.
    rows.chunks(MAX_ROWS).map(|rows| (rows.len() as u32, write_one(origin, rows))).collect()
}

fn write_one(origin: &Origin, rows: &[Row<'_>]) -> Vec<u8> {
    let mut places: HashMap<(&str, &str), u32> = HashMap::new();
    let mut sensors = Vec::new();
    let mut cells = Vec::with_capacity(rows.len() * 20);
    for row in rows {
        let place = *places.entry((row.plant, row.sensor)).or_insert_with(|| {
            sensors.push((row.plant, row.sensor));
            sensors.len() as u32 - 1
        });
        cells.extend_from_slice(&place.to_le_bytes());
        cells.extend_from_slice(&row.time.micros().to_le_bytes());
        cells.extend_from_slice(&row.value.get().to_le_bytes());
    }
    let mut out = vec![VERSION];
    out.extend_from_slice(&origin.received.micros().to_le_bytes());
    write_text(&mut out, &origin.protocol);
    write_sender(&mut out, &origin.sender);
    out.extend_from_slice(&(sensors.len() as u32).to_le_bytes());
    for (plant, sensor) in sensors {
        write_text(&mut out, plant);
        write_text(&mut out, sensor);
    }
    out.extend_from_slice(&(rows.len() as u32).to_le_bytes());
    out.extend_from_slice(&cells);
    out
}

fn write_sender(out: &mut Vec<u8>, sender: &Sender) {
    write_text(out, &sender.key);
    out.extend_from_slice(&sender.key_id.to_le_bytes());
    for window in [sender.future_window, sender.past_window] {
        out.extend_from_slice(&window.seconds().to_le_bytes());
    }
    out.push(u8::from(sender.registration.is_some()));
    if let Some(Registration { incomplete, per_hour }) = sender.registration {
        out.extend_from_slice(&incomplete.to_le_bytes());
        out.extend_from_slice(&per_hour.to_le_bytes());
    }
}

/// Keys are at most 256 bytes long; a longer name, which only informs, is cut.
fn write_text(out: &mut Vec<u8>, text: &str) {
    let text = &text[..text.floor_char_boundary(usize::from(u16::MAX))];
    out.extend_from_slice(&(text.len() as u16).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// Reads a payload.
///
/// # Errors
/// When it is none of this version.
pub fn read(payload: &[u8]) -> Result<Record<'_>, Unreadable> {
    let mut bytes = Bytes(payload);
    if bytes.u8()? != VERSION {
        return Err(Unreadable);
    }
    let received = bytes.instant()?;
    let (protocol, sender) = (bytes.text()?.to_owned(), bytes.sender()?);
    let mut sensors = Vec::new();
    for _ in 0..bytes.u32()? {
        sensors.push((bytes.text()?, bytes.text()?));
    }
    let mut rows = Vec::new();
    for _ in 0..bytes.u32()? {
        let (plant, sensor) = *sensors.get(bytes.u32()? as usize).ok_or(Unreadable)?;
        let (time, value) = (bytes.instant()?, bytes.value()?);
        rows.push(Row { plant, sensor, time, value });
    }
    match bytes.0 {
        [] => Ok(Record { origin: Origin { received, protocol, sender }, rows }),
        _ => Err(Unreadable),
    }
}

/// What is left to read.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Unreadable> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Unreadable)?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Unreadable> {
        self.take(N)?.try_into().map_err(|_| Unreadable)
    }

    fn u8(&mut self) -> Result<u8, Unreadable> {
        Ok(self.array::<1>()?[0])
    }

    fn u32(&mut self) -> Result<u32, Unreadable> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn i32(&mut self) -> Result<i32, Unreadable> {
        Ok(i32::from_le_bytes(self.array()?))
    }

    fn sender(&mut self) -> Result<Sender, Unreadable> {
        let (key, key_id) = (self.text()?.to_owned(), self.i32()?);
        let (future_window, past_window) = (self.window()?, self.window()?);
        let registration = match self.u8()? {
            0 => None,
            1 => Some(Registration { incomplete: self.i32()?, per_hour: self.i32()? }),
            _ => return Err(Unreadable),
        };
        Ok(Sender { key, key_id, future_window, past_window, registration })
    }

    fn window(&mut self) -> Result<Window, Unreadable> {
        Window::stored(f64::from_le_bytes(self.array()?)).ok_or(Unreadable)
    }

    fn instant(&mut self) -> Result<Instant, Unreadable> {
        let us = i64::from_le_bytes(self.array()?);
        Instant::from_epoch(us, 1_000_000).map_err(|_| Unreadable)
    }

    fn value(&mut self) -> Result<Finite, Unreadable> {
        Finite::new(f64::from_le_bytes(self.array()?)).map_err(|_| Unreadable)
    }

    fn text(&mut self) -> Result<&'a str, Unreadable> {
        let length = u16::from_le_bytes(self.array()?);
        std::str::from_utf8(self.take(usize::from(length))?).map_err(|_| Unreadable)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{MAX_ROWS, Origin, Row, Sender, read, write};
    use crate::ingest::keys::rules::{Registration, Window};
    use crate::ingest::reading::{Finite, Instant};

    fn at(us: i64) -> Instant {
        Instant::from_epoch(us, 1_000_000).expect("an instant")
    }

    fn origin() -> Origin {
        Origin { received: at(5), protocol: "json".into(), sender: sender("gateway") }
    }

    fn sender(key: &str) -> Sender {
        Sender {
            key: key.to_owned(),
            key_id: -7,
            future_window: Window::of_seconds(900),
            past_window: Window::UNLIMITED,
            registration: Some(Registration { incomplete: 3, per_hour: 2 }),
        }
    }

    fn row<'a>(plant: &'a str, sensor: &'a str, us: i64, value: f64) -> Row<'a> {
        Row { plant, sensor, time: at(us), value: Finite::new(value).expect("finite") }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            rows in prop::collection::vec(("[a-zñ]{1,3}", ".{1,3}", 0..4_000_000_000_000_000i64, -1e300..1e300), 0..50),
        ) {
            let rows: Vec<_> = rows.iter().map(|(p, s, t, v)| row(p, s, *t, *v)).collect();
            let payloads = write(&origin(), &rows);
            let mut back = Vec::new();
            for (count, payload) in &payloads {
                let record = read(payload).expect("a record");
                prop_assert_eq!((&record.origin, record.rows.len()), (&origin(), *count as usize));
                back.extend(record.rows);
            }
            prop_assert_eq!(back, rows);
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&bytes);
            let _ = read(&[&[1], &bytes[..]].concat());
        }

        #[test]
        fn a_shorter_or_longer_payload_is_none(cut in any::<prop::sample::Index>()) {
            let payload = &write(&origin(), &[row("p", "s", 1, 2.0), row("p", "t", 1, 2.0)])[0].1;
            prop_assert!(read(&payload[..cut.index(payload.len())]).is_err());
            prop_assert!(read(&[&payload[..], &[0]].concat()).is_err());
        }
    }

    #[test]
    fn many_rows_make_several_records() {
        let rows = vec![row("p", "s", 1, 2.0); 2 * MAX_ROWS + 1];
        let counts: Vec<_> = write(&origin(), &rows).iter().map(|(count, _)| *count).collect();
        assert_eq!(counts, [10_000, 10_000, 1]);
    }

    #[test]
    fn a_long_name_is_cut_at_a_character() {
        let long = Origin { sender: sender(&"ñ".repeat(60_000)), ..origin() };
        let payload = &write(&long, &[row("p", "s", 1, 2.0)])[0].1;
        assert_eq!(read(payload).expect("a record").origin.sender.key.len(), 65_534);
    }
}
