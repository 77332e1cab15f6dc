//! Runs: opened, closed and corrected by key.

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Deserialize;
use sqlx::postgres::PgConnection;
use utoipa::ToSchema;

use super::field::at_least_zero;
use super::{ItemError, Resource, Update, lookup, lot};
use crate::domain::Key;
use crate::ingest::reading::Instant;

/// An interval in which one lot is made on a line or machine.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// Its plant.
    #[schema(value_type = String, example = "madrid")]
    plant: Key,
    /// Its key, unique in the plant.
    #[schema(value_type = String, example = "R-1001")]
    key: Key,
    /// Its line.
    #[schema(value_type = String, example = "M1")]
    line: Key,
    /// Its machine, when it is not on the whole line.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    machine: Update<Key>,
    /// What is made.
    #[schema(value_type = String, example = "L-2026-0117")]
    lot: Key,
    /// The lot's product; needed when the lot is new.
    #[schema(value_type = Option<String>, example = "REF-A")]
    reference: Option<Key>,
    /// By whom; created, with the key as name, when new.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "op-7")]
    operator: Update<Key>,
    /// Start: RFC 3339 with offset, or milliseconds since 1970.
    #[schema(value_type = String, example = "2026-03-01T06:00:00Z")]
    started_at: Instant,
    /// End. Left out or null while the run lasts.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "2026-03-01T08:30:00Z")]
    ended_at: Update<Instant>,
    /// Good units made.
    #[schema(example = 480.0)]
    good_units: Option<f64>,
    /// Units scrapped.
    #[schema(example = 12.0)]
    scrap_units: Option<f64>,
}

/// Changes of a run: any of its fields.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RunChange {
    /// Another line.
    #[schema(value_type = Option<String>)]
    line: Option<Key>,
    /// Another machine, or null for the whole line.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    machine: Update<Key>,
    /// Another lot.
    #[schema(value_type = Option<String>)]
    lot: Option<Key>,
    /// The product of a lot that is new.
    #[schema(value_type = Option<String>)]
    reference: Option<Key>,
    /// Another operator, or null.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    operator: Update<Key>,
    /// Another start.
    #[schema(value_type = Option<String>)]
    started_at: Option<Instant>,
    /// The end, or null to open the run again.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "2026-03-01T08:30:00Z")]
    ended_at: Update<Instant>,
    /// Good units made.
    #[schema(example = 480.0)]
    good_units: Option<f64>,
    /// Units scrapped.
    #[schema(example = 12.0)]
    scrap_units: Option<f64>,
}

impl Resource for Run {
    const NAME: &'static str = "runs";
    const LIST: &'static str = "SELECT row_to_json(x)::text FROM (
        SELECT p.key AS plant, r.key, l.key AS line, m.key AS machine, lot.key AS lot, ref.key AS reference,
            o.key AS operator, r.started_at, r.ended_at, r.good_units, r.scrap_units
        FROM lotwise.run r JOIN lotwise.plant p ON p.id = r.plant_id JOIN lotwise.line l ON l.id = r.line_id
        JOIN lotwise.lot ON lot.id = r.lot_id JOIN lotwise.reference ref ON ref.id = lot.reference_id
        LEFT JOIN lotwise.machine m ON m.id = r.machine_id LEFT JOIN lotwise.operator o ON o.id = r.operator_id
        WHERE $1::text[] IS NULL OR p.key = ANY($1) ORDER BY r.started_at DESC, r.key LIMIT $2) x";

    fn plant(&self) -> &Key {
        &self.plant
    }

    async fn upsert(&self, conn: &mut PgConnection) -> Result<(), ItemError> {
        let run = self.clone();
        let change = RunChange {
            line: Some(run.line),
            machine: run.machine,
            lot: Some(run.lot),
            reference: run.reference,
            operator: run.operator,
            started_at: Some(run.started_at),
            ended_at: run.ended_at,
            good_units: run.good_units,
            scrap_units: run.scrap_units,
        };
        let plant_id = lookup::plant(conn, &self.plant).await?;
        let stored = stored(conn, plant_id, &self.key).await?;
        write(conn, plant_id, &self.plant, &self.key, &change, stored).await
    }
}

/// Closes or corrects a run that exists.
///
/// # Errors
/// [`ItemError`], `unknown_run` among them.
pub async fn change(
    conn: &mut PgConnection,
    plant: &Key,
    key: &Key,
    change: &RunChange,
) -> Result<(), ItemError> {
    let plant_id = lookup::plant(conn, plant).await?;
    let stored = stored(conn, plant_id, key).await?;
    let stored = stored.ok_or_else(|| lookup::unknown("run", plant, key))?;
    write(conn, plant_id, plant, key, change, Some(stored)).await
}

/// Deletes a run.
///
/// # Errors
/// [`ItemError`], `unknown_run` among them.
pub async fn delete(conn: &mut PgConnection, plant: &Key, key: &Key) -> Result<(), ItemError> {
    let plant_id = lookup::plant(conn, plant).await?;
    let done = sqlx::query("DELETE FROM lotwise.run WHERE plant_id = $1 AND key = $2")
        .bind(plant_id)
        .bind(key.as_str())
        .execute(conn)
        .await?;
    if done.rows_affected() == 1 { Ok(()) } else { Err(lookup::unknown("run", plant, key)) }
}

#[derive(sqlx::FromRow)]
struct Stored {
    line_id: i32,
    machine_id: Option<i32>,
    lot_id: i32,
    operator_id: Option<i32>,
    started_at: DateTime<Utc>,
    ended_at: Option<DateTime<Utc>>,
    good_units: f64,
    scrap_units: f64,
}

async fn stored(conn: &mut PgConnection, plant_id: i32, key: &Key) -> sqlx::Result<Option<Stored>> {
    sqlx::query_as(
        "SELECT line_id, machine_id, lot_id, operator_id, started_at, ended_at, good_units, scrap_units
         FROM lotwise.run WHERE plant_id = $1 AND key = $2 FOR UPDATE",
    )
    .bind(plant_id)
    .bind(key.as_str())
    .fetch_optional(conn)
    .await
}

/// A field that a new run must have. [`Run`] has it; only a change can be without.
fn needed<T>(field: &str, change: Option<T>, stored: Option<T>) -> Result<T, ItemError> {
    change.or(stored).ok_or_else(|| ItemError::Invalid(format!("a new run needs {field}")))
}

async fn write(
    conn: &mut PgConnection,
    plant_id: i32,
    plant: &Key,
    key: &Key,
    change: &RunChange,
    old: Option<Stored>,
) -> Result<(), ItemError> {
    let old = old.as_ref();
    let line_id = match &change.line {
        Some(line) => Some(lookup::line(conn, plant_id, plant, line).await?),
        None => None,
    };
    let line_id = needed("line", line_id, old.map(|o| o.line_id))?;
    let machine_id = match &change.machine {
        Update::Clear => None,
        Update::Set(key) => {
            Some(lookup::machine_on(conn, plant_id, plant, key, Some(line_id)).await?.id)
        }
        Update::Keep => match old {
            Some(Stored { machine_id: Some(_), line_id: old_line, .. }) if *old_line != line_id => {
                return Err(ItemError::Invalid(format!(
                    "run \"{key}\" is on a machine of another line: send its machine too, or null for the whole line"
                )));
            }
            old => old.and_then(|o| o.machine_id),
        },
    };
    let lot_id = match (&change.lot, old) {
        (Some(lot), _) => {
            lot::of_run(conn, plant_id, plant, lot, change.reference.as_ref()).await?
        }
        (None, Some(old)) => match &change.reference {
            Some(reference) => lot::check_reference(conn, old.lot_id, reference).await?,
            None => old.lot_id,
        },
        (None, None) => return Err(ItemError::Invalid("a new run needs lot".to_owned())),
    };
    let operator_id = match &change.operator {
        Update::Set(operator) => Some(lookup::or_create_operator(conn, plant_id, operator).await?),
        Update::Clear => None,
        Update::Keep => old.and_then(|o| o.operator_id),
    };
    let started_at =
        needed("started_at", change.started_at.map(Instant::to_utc), old.map(|o| o.started_at))?;
    let ended_at = match change.ended_at {
        Update::Set(end) => Some(end.to_utc()),
        Update::Clear => None,
        Update::Keep => old.and_then(|o| o.ended_at),
    };
    check_order(started_at, ended_at)?;
    let units = |new: Option<f64>, old: Option<f64>| new.or(old).unwrap_or(0.0);
    let good = at_least_zero("good_units", units(change.good_units, old.map(|o| o.good_units)))?;
    let scrap =
        at_least_zero("scrap_units", units(change.scrap_units, old.map(|o| o.scrap_units)))?;
    refuse_overlap(conn, plant_id, key, (line_id, machine_id), (started_at, ended_at)).await?;
    sqlx::query(
        "INSERT INTO lotwise.run (plant_id, key, line_id, machine_id, lot_id, operator_id, started_at,
            ended_at, good_units, scrap_units)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         ON CONFLICT (plant_id, key) DO UPDATE SET line_id = excluded.line_id,
            machine_id = excluded.machine_id, lot_id = excluded.lot_id, operator_id = excluded.operator_id,
            started_at = excluded.started_at, ended_at = excluded.ended_at,
            good_units = excluded.good_units, scrap_units = excluded.scrap_units",
    )
    .bind(plant_id)
    .bind(key.as_str())
    .bind(line_id)
    .bind(machine_id)
    .bind(lot_id)
    .bind(operator_id)
    .bind(started_at)
    .bind(ended_at)
    .bind(good)
    .bind(scrap)
    .execute(conn)
    .await?;
    Ok(())
}

/// The table has the same rule; asking first gives the other run's name.
async fn refuse_overlap(
    conn: &mut PgConnection,
    plant_id: i32,
    key: &Key,
    (line_id, machine_id): (i32, Option<i32>),
    (started_at, ended_at): (DateTime<Utc>, Option<DateTime<Utc>>),
) -> Result<(), ItemError> {
    let other: Option<(String, DateTime<Utc>, Option<DateTime<Utc>>)> = sqlx::query_as(
        "SELECT key, started_at, ended_at FROM lotwise.run
         WHERE line_id = $1 AND coalesce(machine_id, 0) = coalesce($2, 0)
            AND tstzrange(started_at, ended_at) && tstzrange($3, $4) AND NOT (plant_id = $5 AND key = $6)
         ORDER BY started_at LIMIT 1",
    )
    .bind(line_id)
    .bind(machine_id)
    .bind(started_at)
    .bind(ended_at)
    .bind(plant_id)
    .bind(key.as_str())
    .fetch_optional(conn)
    .await?;
    match other {
        None => Ok(()),
        Some((other, start, end)) => Err(ItemError::Overlap(format!(
            "run \"{key}\" ({}) overlaps run {other:?} ({}) on the same place: close or correct one of them",
            interval(started_at, ended_at),
            interval(start, end),
        ))),
    }
}

/// An end must be after its start.
pub(super) fn check_order(
    start: DateTime<Utc>,
    end: Option<DateTime<Utc>>,
) -> Result<(), ItemError> {
    if end.is_some_and(|end| end <= start) {
        return Err(ItemError::Invalid(format!(
            "it ends before it starts: {}",
            interval(start, end)
        )));
    }
    Ok(())
}

/// For people: `2026-03-01T06:00:00Z to 2026-03-01T08:30:00Z`, or `... and still open`.
pub(super) fn interval(start: DateTime<Utc>, end: Option<DateTime<Utc>>) -> String {
    let text = |t: DateTime<Utc>| t.to_rfc3339_opts(SecondsFormat::AutoSi, true);
    match end {
        Some(end) => format!("{} to {}", text(start), text(end)),
        None => format!("from {} and still open", text(start)),
    }
}
