//! Candidate rows to readings that can be stored, or to the reason why not.

use std::borrow::Cow;

use crate::domain::key::Key;
use crate::ingest::auth::Grant;
use crate::ingest::database::Unavailable;
use crate::ingest::directory::{Directory, Found, Known};
use crate::ingest::payload::{Candidate, Parsed, Reason, RowError};
use crate::ingest::quarantine::Held;
use crate::ingest::reading::Reading;
use crate::ingest::spool::record::Row;

/// A batch after validation: each row is in one of the two lists (a line with several fields may
/// be in both).
#[derive(Debug, Default, PartialEq)]
pub struct Validated {
    /// What can be stored.
    pub readings: Vec<Reading>,
    /// What cannot, in the order of the rows.
    pub errors: Vec<RowError>,
    /// Those of them that wait for their sensor to be registered.
    pub held: Vec<Held>,
}

/// Finds each row's sensor, and checks that the key's holder may write to its plant.
///
/// # Errors
/// Only when the database had to be asked for a sensor and does not answer.
pub async fn validate(
    parsed: &Parsed<'_>,
    default_plant: Option<&str>,
    grant: &Grant,
    directory: &Directory,
) -> Result<Validated, Unavailable> {
    let Parsed { plant, rows, errors } = parsed;
    let mut errors = errors.clone();
    let default_plant = plant.as_deref().or(default_plant).or(grant.only_plant());
    let wanted = rows.iter().filter_map(|row| {
        plant_of(row, default_plant).ok().map(|plant| (plant, row.sensor.as_ref()))
    });
    directory.learn(wanted).await?;
    let known = directory.read();
    let mut readings = Vec::with_capacity(rows.len());
    let mut held = Vec::new();
    for row in rows {
        match resolve(row, default_plant, grant, &known) {
            Ok(reading) => readings.push(reading),
            Err(reason) => {
                held.extend(waits(row, &reason, &known));
                errors.push(RowError { position: row.position, reason });
            }
        }
    }
    errors.sort_by_key(|e| e.position);
    Ok(Validated { readings, errors, held })
}

/// What can be said without the database: the rows that the key's holder may write, and why not the
/// others. Whether plant and sensor exist is found out later.
pub fn screen<'a>(
    parsed: &'a Parsed<'_>,
    default_plant: Option<&'a str>,
    grant: &'a Grant,
) -> (Vec<Row<'a>>, Vec<RowError>) {
    let default_plant = parsed.plant.as_deref().or(default_plant).or(grant.only_plant());
    let mut errors = parsed.errors.clone();
    let mut rows = Vec::with_capacity(parsed.rows.len());
    for row in &parsed.rows {
        match allowed(row, default_plant, grant).and_then(|plant| keys(plant, row)) {
            Ok(row) => rows.push(row),
            Err(reason) => errors.push(RowError { position: row.position, reason }),
        }
    }
    errors.sort_by_key(|e| e.position);
    (rows, errors)
}

/// The reading as it waits for its sensor; `None` where another reason refuses it.
fn waits(row: &Candidate<'_>, reason: &Reason, known: &Known) -> Option<Held> {
    let Reason::UnknownSensor { plant, sensor } = reason else { return None };
    match known.find(plant, sensor) {
        Found::NoSensor(plant) => {
            Some(Held { plant, sensor: sensor.clone(), time: row.time, value: row.value })
        }
        _ => None,
    }
}

fn plant_of<'a>(row: &'a Candidate<'_>, default: Option<&'a str>) -> Result<&'a str, Reason> {
    row.plant.as_ref().map(Cow::as_ref).or(default).ok_or(Reason::PlantMissing)
}

/// The row's plant, when the key is for it.
fn allowed<'a>(
    row: &'a Candidate<'_>,
    default_plant: Option<&'a str>,
    grant: &Grant,
) -> Result<&'a str, Reason> {
    let plant = plant_of(row, default_plant)?;
    match grant.allows_plant(plant) {
        true => Ok(plant),
        false => Err(Reason::PlantNotAllowed(plant.to_owned())),
    }
}

/// The row by its keys, when they can be keys.
fn keys<'a>(plant: &'a str, row: &'a Candidate<'_>) -> Result<Row<'a>, Reason> {
    let sensor = row.sensor.as_ref();
    for text in [plant, sensor] {
        Key::parse(text).map_err(|source| Reason::BadKey { text: text.to_owned(), source })?;
    }
    Ok(Row { plant, sensor, time: row.time, value: row.value })
}

fn resolve(
    row: &Candidate<'_>,
    default_plant: Option<&str>,
    grant: &Grant,
    known: &Known,
) -> Result<Reading, Reason> {
    let plant = allowed(row, default_plant, grant)?;
    match known.find(plant, &row.sensor) {
        Found::Sensor(plant, sensor) => {
            Ok(Reading { plant, sensor, time: row.time, value: row.value })
        }
        not_found => {
            keys(plant, row)?;
            let plant = plant.to_owned();
            Err(match not_found {
                Found::NoPlant => Reason::UnknownPlant(plant),
                _ => Reason::UnknownSensor { plant, sensor: row.sensor.to_string() },
            })
        }
    }
}
