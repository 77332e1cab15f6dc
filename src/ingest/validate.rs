//! Candidate rows to readings that can be stored, or to the reason why not.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::domain::key::Key;
use crate::ingest::auth::Grant;
use crate::ingest::database::Unavailable;
use crate::ingest::directory::{Directory, Found, Known};
use crate::ingest::keys::rules::{Limits, Window};
use crate::ingest::payload::{Candidate, Parsed, Reason, RowError};
use crate::ingest::quarantine::{Held, Why};
use crate::ingest::reading::{Instant, Reading};
use crate::ingest::registration::{Mode, Newcomer};
use crate::ingest::spool::record::Row;

/// A batch after validation: each row is in one of the two lists (a line with several fields may
/// be in both).
#[derive(Debug, Default, PartialEq)]
pub struct Validated {
    /// What can be stored.
    pub readings: Vec<Reading>,
    /// What cannot, in the order of the rows.
    pub errors: Vec<RowError>,
    /// Those of them that wait in quarantine.
    pub held: Vec<Held>,
    /// Of a dry run, further rows that could be stored, of sensors that would be registered.
    pub would_be_new: usize,
}

/// How rows are looked at.
#[derive(Debug, Clone, Copy)]
pub struct Arrival<'a> {
    /// Plant of the rows that name none.
    pub default_plant: Option<&'a str>,
    /// When they came.
    pub now: Instant,
    /// Whether new sensors are registered, where the key may.
    pub mode: Mode,
}

/// Finds each row's sensor, and checks that the key's holder may write to its plant and in its time.
///
/// # Errors
/// Only when the database had to be asked for a sensor and does not answer.
pub async fn validate(
    parsed: &Parsed<'_>,
    arrival: Arrival<'_>,
    grant: &Grant,
    directory: &Directory,
) -> Result<Validated, Unavailable> {
    let Parsed { plant, rows, errors } = parsed;
    let mut errors = errors.clone();
    let default_plant = plant.as_deref().or(arrival.default_plant).or(grant.only_plant());
    let check = Check { default_plant, grant, times: Times::new(&grant.limits, arrival.now) };
    directory.forget_old();
    if let Some(readings) = check.all_sound(rows, &directory.read()) {
        return Ok(Validated { readings, errors, ..Validated::default() });
    }
    let wanted = || {
        let named = |row| plant_of(row, default_plant).ok().map(|plant| (plant, row));
        rows.iter().filter_map(named).map(|(plant, row)| (plant, row.sensor.as_ref()))
    };
    directory.learn(wanted()).await?;
    let pretended = match check.newcomers(rows, directory) {
        new if new.is_empty() => new,
        new => {
            let registered = directory.register(grant, &new, arrival.mode).await?;
            directory.learn(wanted()).await?;
            registered
        }
    };
    let known = directory.read();
    let mut readings = Vec::with_capacity(rows.len());
    let mut held = Vec::new();
    let mut would_be_new = 0;
    for row in rows {
        match check.resolve(row, &known) {
            Ok(reading) => readings.push(reading),
            Err(reason) => {
                let waits = waits(row, &reason, default_plant, &known);
                if arrival.mode == Mode::Pretend && is_among(waits.as_ref(), &pretended) {
                    would_be_new += 1;
                    continue;
                }
                held.extend(waits);
                errors.push(RowError { position: row.position, reason });
            }
        }
    }
    errors.sort_by_key(|e| e.position);
    Ok(Validated { readings, errors, held, would_be_new })
}

/// What can be said without the database: the rows that the key's holder may write, and why not the
/// others. Whether plant and sensor exist, and whether the time is right, is found out later.
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

/// Whether the reading's sensor is one that a dry run would have registered.
fn is_among(held: Option<&Held>, pretended: &BTreeSet<Newcomer>) -> bool {
    !pretended.is_empty()
        && held.is_some_and(|held| {
            held.why == Why::UnknownSensor && pretended.contains(&(held.plant, held.sensor.clone()))
        })
}

/// The reading as it waits in quarantine; `None` where its reason is none to keep it for.
fn waits(
    row: &Candidate<'_>,
    reason: &Reason,
    default_plant: Option<&str>,
    known: &Known,
) -> Option<Held> {
    let why = Why::of(reason)?;
    let plant = match known.find(plant_of(row, default_plant).ok()?, &row.sensor) {
        Found::NoPlant => return None,
        Found::NoSensor(plant) | Found::Sensor(plant, _) => plant,
    };
    Some(Held { plant, sensor: row.sensor.to_string(), time: row.time, value: row.value, why })
}

fn plant_of<'a>(row: &'a Candidate<'_>, default: Option<&'a str>) -> Result<&'a str, Reason> {
    row.plant.as_ref().map(Cow::as_ref).or(default).ok_or(Reason::PlantMissing)
}

/// When readings may be, in microseconds since 1970.
#[derive(Debug, Clone, Copy)]
struct Times {
    earliest: i64,
    latest: i64,
    limits: Limits,
}

impl Times {
    fn new(limits: &Limits, now: Instant) -> Self {
        // A conversion to an integer stops at its ends, so that no limit is no limit.
        let us = |window: Window| (window.seconds() * 1e6) as i64;
        Self {
            earliest: now.micros().saturating_sub(us(limits.past_window)),
            latest: now.micros().saturating_add(us(limits.future_window)),
            limits: *limits,
        }
    }

    fn check(&self, time: Instant) -> Result<(), Reason> {
        let seconds = |window: Window| window.seconds() as u64;
        if time.micros() > self.latest {
            return Err(Reason::InFuture { time, window_s: seconds(self.limits.future_window) });
        }
        if time.micros() < self.earliest {
            return Err(Reason::TooOld { time, window_s: seconds(self.limits.past_window) });
        }
        Ok(())
    }
}

/// What every row of a batch is checked against.
struct Check<'a> {
    default_plant: Option<&'a str>,
    grant: &'a Grant,
    times: Times,
}

impl Check<'_> {
    /// Sensors that are not registered, of rows that nothing else is wrong with; none where the key
    /// may not register them.
    fn newcomers(&self, rows: &[Candidate<'_>], directory: &Directory) -> BTreeSet<Newcomer> {
        if self.grant.limits.registration.is_none() {
            return BTreeSet::new();
        }
        let known = directory.read();
        let newcomer = |row: &Candidate<'_>| {
            let reason = self.resolve(row, &known).err()?;
            let held = waits(row, &reason, self.default_plant, &known)?;
            (held.why == Why::UnknownSensor).then_some((held.plant, held.sensor))
        };
        rows.iter().filter_map(newcomer).collect()
    }

    /// The readings, when all sensors are known and nothing is to be refused: almost always.
    fn all_sound(&self, rows: &[Candidate<'_>], known: &Known) -> Option<Vec<Reading>> {
        let mut readings = Vec::with_capacity(rows.len());
        for row in rows {
            readings.push(self.resolve(row, known).ok()?);
        }
        Some(readings)
    }

    fn resolve(&self, row: &Candidate<'_>, known: &Known) -> Result<Reading, Reason> {
        let plant = allowed(row, self.default_plant, self.grant)?;
        let found = known.find(plant, &row.sensor);
        if let Found::Sensor(plant, sensor) = found {
            self.times.check(row.time)?;
            if let Some(from) =
                known.raw_from().filter(|from| row.time.micros() < from.timestamp_micros())
            {
                return Err(Reason::NotKept { time: row.time, from });
            }
            return Ok(Reading { plant, sensor, time: row.time, value: row.value });
        }
        keys(plant, row)?;
        if found == Found::NoPlant {
            return Err(Reason::UnknownPlant(plant.to_owned()));
        }
        self.times.check(row.time)?;
        Err(Reason::UnknownSensor { plant: plant.to_owned(), sensor: row.sensor.to_string() })
    }
}
