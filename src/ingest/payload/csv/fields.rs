//! The fields of one line.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder, Terminator};

use crate::ingest::payload::Reason;

/// A quoted field that goes on after the end of the line.
#[derive(Debug, PartialEq, Eq)]
pub struct OpenQuote;

/// Splits lines, and holds the fields of the last one.
#[derive(Debug)]
pub struct Fields {
    reader: Reader,
    delimiter: u8,
    text: Vec<u8>,
    ends: Vec<usize>,
}

impl Fields {
    /// For lines with this character between the fields.
    pub fn new(delimiter: u8) -> Self {
        // A carriage return inside a line is text.
        let reader =
            ReaderBuilder::new().delimiter(delimiter).terminator(Terminator::Any(b'\n')).build();
        Self { reader, delimiter, text: Vec::new(), ends: Vec::new() }
    }

    /// Takes a line, which has no line break in it.
    pub fn split(&mut self, line: &[u8]) -> Result<(), OpenQuote> {
        self.ends.clear();
        if line.is_empty() {
            return Ok(());
        }
        let most = line.iter().filter(|b| **b == self.delimiter).count() + 1;
        // The text never gets longer than the line. One more of each: full is an end too.
        self.text.resize(line.len() + 1, 0);
        self.ends.resize(most + 1, 0);
        let Self { reader, text, ends, .. } = self;
        let (_, _, written, found) = reader.read_record(line, text, ends);
        let (result, _, _, last) =
            reader.read_record(b"\n", &mut text[written..], &mut ends[found..]);
        if !matches!(result, ReadRecordResult::Record) {
            reader.reset();
            ends.clear();
            return Err(OpenQuote);
        }
        ends.truncate(found + last);
        Ok(())
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// One of them as it is; nothing where there is none.
    pub fn bytes(&self, at: usize) -> &[u8] {
        let start =
            at.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let end = self.ends.get(at).copied().unwrap_or(start);
        self.text.get(start..end).unwrap_or_default().trim_ascii()
    }

    /// One of them as text, without blanks at its ends.
    pub fn text(&self, at: usize) -> Result<&str, Reason> {
        std::str::from_utf8(self.bytes(at)).map(str::trim).map_err(|_| {
            Reason::Malformed("the text is not UTF-8; encoding=latin-1 may be right".to_owned())
        })
    }

    /// Whether there is nothing in any of them.
    pub fn all_blank(&self) -> bool {
        (0..self.len()).all(|at| self.bytes(at).is_empty())
    }

    /// Refuses a line that has not as many fields as the header: a decimal comma between commas
    /// would shift all that follows it. Empty ones at the end do not count.
    pub fn check_width(&self, width: usize) -> Result<(), Reason> {
        let more = (width..self.len()).any(|at| !self.bytes(at).is_empty());
        if more || self.len() < width {
            let reason = format!(
                "the line has {} fields, but the header has {width}: are delimiter and decimal right?",
                self.len()
            );
            return Err(Reason::Malformed(reason));
        }
        Ok(())
    }
}
