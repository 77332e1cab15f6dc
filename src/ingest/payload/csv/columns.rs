//! What the header says: which field of a line is what.

use std::collections::HashSet;

use super::fields::Fields;
use super::{FileError, Layout, MAX_COLUMNS, Sensors};

/// Which field is what, counted from 0.
#[derive(Debug)]
pub enum Columns {
    /// A column for each sensor.
    Wide(Wide),
    /// A reading in each line.
    Long(Long),
}

/// Fields of a wide file.
#[derive(Debug)]
pub struct Wide {
    /// The time.
    pub time: usize,
    /// Values, and their sensors' keys.
    pub sensors: Vec<(usize, String)>,
    /// Columns without a name, which must be empty.
    pub unnamed: Vec<usize>,
}

/// Fields of a long file.
#[derive(Debug)]
pub struct Long {
    /// The time.
    pub time: usize,
    /// The sensor's key.
    pub sensor: usize,
    /// The value.
    pub value: usize,
    /// The plant's key.
    pub plant: Option<usize>,
}

impl Columns {
    /// Finds the columns of the layout in the header.
    pub fn find(header: &Fields, layout: &Layout) -> Result<Self, FileError> {
        if header.len() > MAX_COLUMNS {
            return Err(FileError::TooManyColumns);
        }
        let names: Result<Vec<&str>, _> = (0..header.len()).map(|at| header.text(at)).collect();
        let names = names.map_err(|_| FileError::NotUtf8)?;
        Ok(match layout {
            Layout::Wide { time, sensors } => Self::Wide(wide(&names, time, sensors)?),
            Layout::Long { time, sensor, value, plant } => Self::Long(Long {
                time: position(&names, time)?,
                sensor: position(&names, sensor)?,
                value: position(&names, value)?,
                plant: plant.as_ref().map(|plant| position(&names, plant)).transpose()?,
            }),
        })
    }
}

fn wide(names: &[&str], time: &str, sensors: &Sensors) -> Result<Wide, FileError> {
    let time = position(names, time)?;
    let mut wide = Wide { time, sensors: Vec::new(), unnamed: Vec::new() };
    match sensors {
        Sensors::Named(keys) => {
            for (name, key) in keys {
                wide.sensors.push((position(names, name)?, key.clone()));
            }
        }
        Sensors::All { prefix } => {
            let mut seen = HashSet::new();
            for (at, name) in names.iter().enumerate().filter(|(at, _)| *at != time) {
                if name.is_empty() {
                    wide.unnamed.push(at);
                } else if seen.insert(name) {
                    wide.sensors.push((at, format!("{prefix}{name}")));
                } else {
                    return Err(FileError::Twice((*name).to_owned()));
                }
            }
        }
    }
    if wide.sensors.is_empty() { Err(FileError::NoSensors) } else { Ok(wide) }
}

/// A column by its name, or by `#` and its number from 1.
fn position(names: &[&str], wanted: &str) -> Result<usize, FileError> {
    let numbered = wanted.strip_prefix('#').and_then(|digits| digits.parse::<usize>().ok());
    let mut found = names.iter().enumerate().filter(|(_, name)| **name == wanted).map(|(at, _)| at);
    match (numbered.and_then(|n| n.checked_sub(1)), found.next(), found.next()) {
        (_, Some(_), Some(_)) => Err(FileError::Twice(wanted.to_owned())),
        (_, Some(at), None) => Ok(at),
        (Some(at), None, _) if at < names.len() => Ok(at),
        _ => Err(FileError::NoColumn { wanted: wanted.to_owned(), has: listed(names) }),
    }
}

/// The names, as far as a person reads them.
fn listed(names: &[&str]) -> String {
    const SHOWN: usize = 20;
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("{name:?}")).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
