//! Lots: what is made, of one reference.

use std::collections::BTreeMap;

use serde::Deserialize;
use sqlx::postgres::PgConnection;
use utoipa::ToSchema;

use super::{ItemError, Resource, Set, lookup};
use crate::domain::Key;

/// A lot. Sending it with another reference corrects the stored one.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Lot {
    /// Its plant.
    #[schema(value_type = String, example = "madrid")]
    plant: Key,
    /// Its key.
    #[schema(value_type = String, example = "L-2026-0117")]
    key: Key,
    /// Its product; created, with its key as name, when it is new.
    #[schema(value_type = String, example = "REF-A")]
    reference: Key,
}

impl Resource for Lot {
    const NAME: &'static str = "lots";
    const LIST: &'static str = "SELECT row_to_json(x)::text FROM (
        SELECT p.key AS plant, l.key, r.key AS reference
        FROM lotwise.lot l JOIN lotwise.plant p ON p.id = l.plant_id JOIN lotwise.reference r ON r.id = l.reference_id
        WHERE $1::text[] IS NULL OR p.key = ANY($1) ORDER BY l.id DESC LIMIT $2) x";

    fn plant(&self) -> &Key {
        &self.plant
    }

    async fn upsert(&self, conn: &mut PgConnection) -> Result<(), ItemError> {
        let plant_id = lookup::plant(conn, &self.plant).await?;
        let reference_id = lookup::or_create_reference(conn, plant_id, &self.reference).await?;
        sqlx::query(
            "INSERT INTO lotwise.lot (plant_id, key, reference_id) VALUES ($1, $2, $3)
             ON CONFLICT (plant_id, key) DO UPDATE SET reference_id = excluded.reference_id",
        )
        .bind(plant_id)
        .bind(self.key.as_str())
        .bind(reference_id)
        .execute(conn)
        .await?;
        Ok(())
    }

    async fn upsert_set(conn: &mut PgConnection, items: &[&Self]) -> sqlx::Result<Set> {
        let plants: Vec<&str> = items.iter().map(|i| i.plant.as_str()).collect();
        let keys: Vec<&str> = items.iter().map(|i| i.key.as_str()).collect();
        let references: Vec<&str> = items.iter().map(|i| i.reference.as_str()).collect();
        lookup::create_references(conn, &plants, &references).await?;
        let done = sqlx::query(
            "INSERT INTO lotwise.lot (plant_id, key, reference_id)
             SELECT p.id, i.key, r.id
             FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS i (plant, key, reference, nr)
             JOIN lotwise.plant p ON p.key = i.plant
             JOIN lotwise.reference r ON r.plant_id = p.id AND r.key = i.reference
             ORDER BY i.nr
             ON CONFLICT (plant_id, key) DO UPDATE SET reference_id = excluded.reference_id",
        )
        .bind(&plants)
        .bind(&keys)
        .bind(&references)
        .execute(conn)
        .await?;
        Ok(Set::of(done.rows_affected(), items.len()))
    }
}

/// The lot of a run. A new lot is created with its reference; a known lot keeps its reference, and
/// a run that says otherwise is refused, so that a typing error cannot relabel a lot's history.
pub(super) async fn of_run(
    conn: &mut PgConnection,
    plant_id: i32,
    plant: &Key,
    key: &Key,
    reference: Option<&Key>,
) -> Result<i32, ItemError> {
    let stored: Option<(i32, String)> = sqlx::query_as(
        "SELECT l.id, r.key FROM lotwise.lot l JOIN lotwise.reference r ON r.id = l.reference_id
         WHERE l.plant_id = $1 AND l.key = $2",
    )
    .bind(plant_id)
    .bind(key.as_str())
    .fetch_optional(&mut *conn)
    .await?;
    match (stored, reference) {
        (Some((id, stored)), Some(reference)) => {
            same_reference(id, key.as_str(), &stored, reference)
        }
        (Some((id, _)), None) => Ok(id),
        (None, None) => Err(lookup::unknown("lot", plant, key)),
        (None, Some(reference)) => {
            let reference_id = lookup::or_create_reference(conn, plant_id, reference).await?;
            Ok(sqlx::query_scalar(
                "INSERT INTO lotwise.lot (plant_id, key, reference_id) VALUES ($1, $2, $3) RETURNING id",
            )
            .bind(plant_id)
            .bind(key.as_str())
            .bind(reference_id)
            .fetch_one(conn)
            .await?)
        }
    }
}

/// Creates lots of runs, `(plant, lot)` with their references; known ones stay as they are.
pub(super) async fn create(
    conn: &mut PgConnection,
    lots: &BTreeMap<(&str, &str), &str>,
) -> sqlx::Result<()> {
    let plants: Vec<&str> = lots.keys().map(|key| key.0).collect();
    let references: Vec<&str> = lots.values().copied().collect();
    lookup::create_references(conn, &plants, &references).await?;
    sqlx::query(
        "INSERT INTO lotwise.lot (plant_id, key, reference_id)
         SELECT p.id, i.key, r.id FROM unnest($1::text[], $2::text[], $3::text[]) AS i (plant, key, reference)
         JOIN lotwise.plant p ON p.key = i.plant
         JOIN lotwise.reference r ON r.plant_id = p.id AND r.key = i.reference
         ORDER BY 1, 2
         ON CONFLICT (plant_id, key) DO NOTHING",
    )
    .bind(plants)
    .bind(lots.keys().map(|key| key.1).collect::<Vec<_>>())
    .bind(references)
    .execute(conn)
    .await
    .map(drop)
}

/// Checks the reference that a run names against that of its stored lot.
pub(super) async fn check_reference(
    conn: &mut PgConnection,
    lot_id: i32,
    reference: &Key,
) -> Result<i32, ItemError> {
    let (lot, stored): (String, String) = sqlx::query_as(
        "SELECT l.key, r.key FROM lotwise.lot l JOIN lotwise.reference r ON r.id = l.reference_id WHERE l.id = $1",
    )
    .bind(lot_id)
    .fetch_one(conn)
    .await?;
    same_reference(lot_id, &lot, &stored, reference)
}

fn same_reference(id: i32, lot: &str, stored: &str, reference: &Key) -> Result<i32, ItemError> {
    if stored == reference.as_str() {
        return Ok(id);
    }
    Err(ItemError::Conflict(format!(
        "lot {lot:?} has reference {stored:?}, not \"{reference}\": correct the lot with POST /v1/lots, or the run"
    )))
}
