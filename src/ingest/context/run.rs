//! Runs: opened, closed and corrected by key.

mod set;
mod store;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::Deserialize;
use sqlx::postgres::PgConnection;
use utoipa::ToSchema;

use super::{ItemError, Resource, Set, Update, lookup};
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
    /// Good units made; null when that is not known.
    #[serde(default)]
    #[schema(value_type = Option<f64>, example = 480.0)]
    good_units: Update<f64>,
    /// Units scrapped; null when that is not known.
    #[serde(default)]
    #[schema(value_type = Option<f64>, example = 12.0)]
    scrap_units: Update<f64>,
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
    /// Good units made; null when that is not known.
    #[serde(default)]
    #[schema(value_type = Option<f64>, example = 480.0)]
    good_units: Update<f64>,
    /// Units scrapped; null when that is not known.
    #[serde(default)]
    #[schema(value_type = Option<f64>, example = 12.0)]
    scrap_units: Update<f64>,
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
        let change = self.as_change();
        let plant_id = lookup::plant(conn, &self.plant).await?;
        let run = store::RunKey { plant_id, plant: &self.plant, key: &self.key };
        let stored = store::stored(conn, &run).await?;
        store::write(conn, &run, &change, stored.as_ref()).await
    }

    async fn upsert_set(conn: &mut PgConnection, items: &[&Self]) -> sqlx::Result<Set> {
        set::upsert(conn, items).await
    }
}

impl Run {
    fn as_change(&self) -> RunChange {
        let run = self.clone();
        RunChange {
            line: Some(run.line),
            machine: run.machine,
            lot: Some(run.lot),
            reference: run.reference,
            operator: run.operator,
            started_at: Some(run.started_at),
            ended_at: run.ended_at,
            good_units: run.good_units,
            scrap_units: run.scrap_units,
        }
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
    let run = store::RunKey { plant_id, plant, key };
    let stored = store::stored(conn, &run).await?;
    let stored = stored.ok_or_else(|| lookup::unknown("run", plant, key))?;
    store::write(conn, &run, change, Some(&stored)).await
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
