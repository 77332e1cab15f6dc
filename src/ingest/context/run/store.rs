//! A change of a run, resolved against what is stored, checked and written.

use chrono::{DateTime, Utc};
use sqlx::postgres::PgConnection;

use super::{RunChange, check_order, interval};
use crate::domain::Key;
use crate::ingest::context::field::at_least_zero;
use crate::ingest::context::{ItemError, Update, lookup, lot};
use crate::ingest::reading::Instant;

/// Which run.
pub struct RunKey<'a> {
    pub plant_id: i32,
    pub plant: &'a Key,
    pub key: &'a Key,
}

/// A run as the table has it.
#[derive(sqlx::FromRow)]
pub struct Stored {
    pub line_id: i32,
    pub machine_id: Option<i32>,
    pub lot_id: i32,
    pub operator_id: Option<i32>,
    pub started_at: DateTime<Utc>,
    pub ended_at: Option<DateTime<Utc>>,
    pub good_units: Option<f64>,
    pub scrap_units: Option<f64>,
}

/// The stored run, locked until the end of the transaction.
pub async fn stored(conn: &mut PgConnection, run: &RunKey<'_>) -> sqlx::Result<Option<Stored>> {
    sqlx::query_as(
        "SELECT line_id, machine_id, lot_id, operator_id, started_at, ended_at, good_units, scrap_units
         FROM lotwise.run WHERE plant_id = $1 AND key = $2 FOR UPDATE",
    )
    .bind(run.plant_id)
    .bind(run.key.as_str())
    .fetch_optional(conn)
    .await
}

/// Applies the change to the stored run (none: to a new one).
pub async fn write(
    conn: &mut PgConnection,
    run: &RunKey<'_>,
    change: &RunChange,
    old: Option<&Stored>,
) -> Result<(), ItemError> {
    let (line_id, machine_id) = place(conn, run, change, old).await?;
    let lot_id = lot(conn, run, change, old).await?;
    let operator_id = match &change.operator {
        Update::Set(key) => Some(lookup::or_create_operator(conn, run.plant_id, key).await?),
        Update::Clear => None,
        Update::Keep => old.and_then(|o| o.operator_id),
    };
    let start = change.started_at.map(Instant::to_utc);
    let started_at = needed("started_at", start, old.map(|o| o.started_at))?;
    let ended_at = change.ended_at.map(Instant::to_utc).apply(old.and_then(|o| o.ended_at));
    check_order(started_at, ended_at)?;
    let new = Stored {
        line_id,
        machine_id,
        lot_id,
        operator_id,
        started_at,
        ended_at,
        good_units: units("good_units", change.good_units, old.and_then(|o| o.good_units))?,
        scrap_units: units("scrap_units", change.scrap_units, old.and_then(|o| o.scrap_units))?,
    };
    refuse_overlap(conn, run, &new).await?;
    upsert(conn, run, &new).await
}

/// Units, where they are known.
pub fn units(
    field: &'static str,
    change: Update<f64>,
    old: Option<f64>,
) -> Result<Option<f64>, ItemError> {
    change.apply(old).map(|units| at_least_zero(field, units)).transpose()
}

/// A field that a new run must have.
fn needed<T>(field: &str, change: Option<T>, stored: Option<T>) -> Result<T, ItemError> {
    change.or(stored).ok_or_else(|| ItemError::Invalid(format!("a new run needs {field}")))
}

/// Line and machine.
async fn place(
    conn: &mut PgConnection,
    run: &RunKey<'_>,
    change: &RunChange,
    old: Option<&Stored>,
) -> Result<(i32, Option<i32>), ItemError> {
    let line_id = match &change.line {
        Some(key) => Some(lookup::line(conn, run.plant_id, run.plant, key).await?),
        None => None,
    };
    let line_id = needed("line", line_id, old.map(|o| o.line_id))?;
    let machine_id = match (&change.machine, old) {
        (Update::Set(key), _) => {
            let on = Some(line_id);
            Some(lookup::machine_on(conn, run.plant_id, run.plant, key, on).await?.id)
        }
        (Update::Keep, Some(old)) if old.machine_id.is_some() && old.line_id != line_id => {
            return Err(ItemError::Invalid(format!(
                "run \"{}\" is on a machine of another line: send its machine too, or null for the whole line",
                run.key
            )));
        }
        (Update::Keep, Some(old)) => old.machine_id,
        (Update::Keep, None) | (Update::Clear, _) => None,
    };
    Ok((line_id, machine_id))
}

async fn lot(
    conn: &mut PgConnection,
    run: &RunKey<'_>,
    change: &RunChange,
    old: Option<&Stored>,
) -> Result<i32, ItemError> {
    match (&change.lot, &change.reference, old) {
        (Some(key), reference, _) => {
            lot::of_run(conn, run.plant_id, run.plant, key, reference.as_ref()).await
        }
        (None, Some(reference), Some(old)) => {
            lot::check_reference(conn, old.lot_id, reference).await
        }
        (None, None, Some(old)) => Ok(old.lot_id),
        (None, _, None) => needed("lot", None, None),
    }
}

/// The table has the same rule; asking first gives the other run's name.
async fn refuse_overlap(
    conn: &mut PgConnection,
    run: &RunKey<'_>,
    new: &Stored,
) -> Result<(), ItemError> {
    let other: Option<(String, DateTime<Utc>, Option<DateTime<Utc>>)> = sqlx::query_as(
        "SELECT key, started_at, ended_at FROM lotwise.run
         WHERE line_id = $1 AND coalesce(machine_id, 0) = coalesce($2, 0)
            AND tstzrange(started_at, ended_at) && tstzrange($3, $4) AND NOT (plant_id = $5 AND key = $6)
         ORDER BY started_at LIMIT 1",
    )
    .bind(new.line_id)
    .bind(new.machine_id)
    .bind(new.started_at)
    .bind(new.ended_at)
    .bind(run.plant_id)
    .bind(run.key.as_str())
    .fetch_optional(conn)
    .await?;
    match other {
        None => Ok(()),
        Some((other, start, end)) => Err(ItemError::Overlap(format!(
            "run \"{}\" ({}) overlaps run {other:?} ({}) on the same place: close or correct one of them",
            run.key,
            interval(new.started_at, new.ended_at),
            interval(start, end),
        ))),
    }
}

async fn upsert(conn: &mut PgConnection, run: &RunKey<'_>, new: &Stored) -> Result<(), ItemError> {
    sqlx::query(
        "INSERT INTO lotwise.run (plant_id, key, line_id, machine_id, lot_id, operator_id, started_at,
            ended_at, good_units, scrap_units)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         ON CONFLICT (plant_id, key) DO UPDATE SET line_id = excluded.line_id,
            machine_id = excluded.machine_id, lot_id = excluded.lot_id, operator_id = excluded.operator_id,
            started_at = excluded.started_at, ended_at = excluded.ended_at,
            good_units = excluded.good_units, scrap_units = excluded.scrap_units",
    )
    .bind(run.plant_id)
    .bind(run.key.as_str())
    .bind(new.line_id)
    .bind(new.machine_id)
    .bind(new.lot_id)
    .bind(new.operator_id)
    .bind(new.started_at)
    .bind(new.ended_at)
    .bind(new.good_units)
    .bind(new.scrap_units)
    .execute(conn)
    .await?;
    Ok(())
}
