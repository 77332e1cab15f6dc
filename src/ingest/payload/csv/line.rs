//! One line to readings.

use std::borrow::Cow;

use chrono::{DateTime, Utc};

use super::columns::{Long, Wide};
use super::fields::Fields;
use super::{Block, Dialect, Empty, Place, Previous, Row};
use crate::ingest::payload::Reason;
use crate::ingest::reading::{Finite, Instant};
use crate::written::time::Ambiguous;

/// A line that has as many fields as the header.
pub struct Line<'a> {
    /// From 1.
    pub number: usize,
    /// What is in it.
    pub fields: &'a Fields,
    /// How it is written.
    pub dialect: &'a Dialect,
}

impl Line<'_> {
    fn place(&self, column: usize) -> Place {
        Place { line: self.number, column: Some(column + 1) }
    }

    fn time(&self, at: usize, previous: &mut Option<DateTime<Utc>>) -> Result<Instant, Reason> {
        let text = self.fields.text(at)?;
        let time = self.dialect.clock.read(text, previous);
        let time = time.map_err(|source| Reason::WrittenTime { text: text.to_owned(), source })?;
        Ok(Instant::from_utc(time)?)
    }

    /// `None` where nothing was measured.
    fn value(&self, at: usize) -> Option<Result<Finite, Reason>> {
        let text = match self.fields.text(at) {
            Ok("") if self.dialect.empty == Empty::Skip => return None,
            Ok("") => return Some(Err(Reason::EmptyValue)),
            Ok(text) => text,
            Err(reason) => return Some(Err(reason)),
        };
        let number = self.dialect.numbers.parse(text);
        Some(number.map_err(Reason::from).and_then(|number| Ok(Finite::new(number)?)))
    }
}

impl Wide {
    /// A reading for each value.
    pub fn read<'a>(&'a self, line: &Line<'_>, previous: &mut Previous, block: &mut Block<'a>) {
        let time = match line.time(self.time, previous.of("")) {
            Ok(time) => time,
            Err(reason) => return block.add(line.place(self.time), Err(reason)),
        };
        for (column, key) in &self.sensors {
            if let Some(value) = line.value(*column) {
                let sensor = Cow::Borrowed(key.as_str());
                let row = value.map(|value| Row { plant: None, sensor, time, value });
                block.add(line.place(*column), row);
            }
        }
        for column in &self.unnamed {
            if !line.fields.bytes(*column).is_empty() {
                let reason = "the column has no name in the header".to_owned();
                block.add(line.place(*column), Err(Reason::Malformed(reason)));
            }
        }
    }
}

impl Long {
    /// One reading at the most.
    pub fn read<'a>(&self, line: &Line<'_>, previous: &mut Previous, block: &mut Block<'a>) {
        match self.row(line, previous) {
            Ok(None) => {}
            Ok(Some(row)) => block.add(line.place(self.value), Ok(row)),
            Err((column, reason)) => block.add(line.place(column), Err(reason)),
        }
    }

    fn row<'a>(
        &self,
        line: &Line<'_>,
        previous: &mut Previous,
    ) -> Result<Option<Row<'a>>, (usize, Reason)> {
        let text = |at: usize| line.fields.text(at).map_err(|reason| (at, reason));
        let sensor = text(self.sensor)?;
        let plant = self.plant.map(text).transpose()?.filter(|plant| !plant.is_empty());
        let mut none = None;
        let before = match line.dialect.clock.ambiguous {
            Ambiguous::Order => previous.of(&format!("{}\0{sensor}", plant.unwrap_or_default())),
            _ => &mut none,
        };
        let time = line.time(self.time, before).map_err(|e| (self.time, e))?;
        let value = match line.value(self.value) {
            None => return Ok(None),
            Some(value) => value.map_err(|e| (self.value, e))?,
        };
        let own = |text: &str| Cow::Owned(text.to_owned());
        Ok(Some(Row { plant: plant.map(own), sensor: own(sensor), time, value }))
    }
}
