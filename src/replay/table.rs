//! A CSV file as records with the line in which each begins, and its columns by name.

use anyhow::{Context, bail};
use csv::ByteRecord;

/// A row that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Line in the file, from 1.
    pub line: u64,
    /// Why, for people.
    pub reason: String,
}

/// A file with a header line. Rows may be ragged.
pub struct Table<'a> {
    reader: csv::Reader<&'a [u8]>,
    names: Vec<String>,
    lines: LineCount<'a>,
    record: ByteRecord,
}

impl<'a> Table<'a> {
    /// Opens it, with or without a byte order mark.
    ///
    /// # Errors
    /// The first line cannot be read.
    pub fn open(file: &'a [u8], delimiter: u8) -> anyhow::Result<Self> {
        let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
        let mut reader =
            csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).from_reader(file);
        let headers = reader.byte_headers().context("the first line cannot be read")?;
        let names =
            headers.iter().map(|name| String::from_utf8_lossy(name).trim().to_owned()).collect();
        let lines = LineCount { file, line: 1, at: 0 };
        Ok(Self { reader, names, lines, record: ByteRecord::new() })
    }

    /// Names of the columns.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Position of a column by its name, or by `#N` for the Nth.
    ///
    /// # Errors
    /// There is none; the reason names those that there are.
    pub fn position(&self, wanted: &str) -> anyhow::Result<usize> {
        let columns = self.names.len();
        let number = wanted.strip_prefix('#').and_then(|digits| digits.parse::<usize>().ok());
        if let Some(number) = number {
            if (1..=columns).contains(&number) {
                return Ok(number - 1);
            }
            bail!("there is no column {wanted}: the file has {columns} columns");
        }
        match self.names.iter().position(|name| name == wanted) {
            Some(position) => Ok(position),
            None => bail!(
                "there is no column '{wanted}'; the file has: {} (is --delimiter right?)",
                self.names.join(", ")
            ),
        }
    }

    /// The next record.
    ///
    /// # Errors
    /// The rest of the file is not CSV.
    pub fn read(&mut self) -> anyhow::Result<Option<Record<'_>>> {
        let more = self.reader.read_byte_record(&mut self.record);
        if !more.context("the file is not readable as CSV")? {
            return Ok(None);
        }
        let byte = self.record.position().map_or(0, csv::Position::byte);
        Ok(Some(Record { line: self.lines.at(byte as usize), fields: &self.record }))
    }
}

/// A row of the file.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Line in which it begins, from 1.
    pub line: u64,
    fields: &'a ByteRecord,
}

impl Record<'_> {
    /// The text of a column, without blanks around it; the reason names it by `what` it is.
    ///
    /// # Errors
    /// The row has too few fields.
    pub fn field(&self, at: usize, what: &str) -> Result<String, String> {
        let bytes = self
            .fields
            .get(at)
            .ok_or_else(|| format!("has no {what} (only {} fields)", self.fields.len()))?;
        Ok(String::from_utf8_lossy(bytes).trim().to_owned())
    }
}

/// Counts a file's lines as an editor does. The csv crate's own count is one behind where lines end
/// with CRLF, or where empty lines come before a record.
struct LineCount<'a> {
    file: &'a [u8],
    line: u64,
    at: usize,
}

impl LineCount<'_> {
    /// The line of the record that begins at or after `byte`; records come in order.
    fn at(&mut self, byte: usize) -> u64 {
        let is_end = |at: usize| matches!(self.file.get(at), Some(b'\r' | b'\n'));
        let mut start = byte;
        while is_end(start) {
            start += 1;
        }
        let passed = self.file.get(self.at..start).unwrap_or_default();
        self.line += passed.iter().filter(|&&byte| byte == b'\n').count() as u64;
        self.at = start;
        self.line
    }
}
