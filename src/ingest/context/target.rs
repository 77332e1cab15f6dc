//! Targets of specific energy consumption, by reference.

use chrono::NaiveDate;
use serde::Deserialize;
use sqlx::postgres::PgConnection;
use utoipa::ToSchema;

use super::field::above_zero;
use super::validity::Validity;
use super::{ItemError, Resource, Update, lookup};
use crate::domain::Key;

/// The energy that a good unit of a reference should not exceed, from one day to another. The first
/// day is the key; the validities of a reference's targets do not overlap.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Its plant.
    #[schema(value_type = String, example = "madrid")]
    plant: Key,
    /// The product.
    #[schema(value_type = String, example = "REF-A")]
    reference: Key,
    /// First day of the plant's clock on which it holds.
    #[schema(example = "2026-01-01")]
    valid_from: NaiveDate,
    /// First day on which it no longer holds. Left out or null: until further notice.
    #[serde(default)]
    #[schema(value_type = Option<NaiveDate>)]
    valid_to: Update<NaiveDate>,
    /// kWh per good unit.
    #[schema(example = 0.85)]
    kwh_per_unit: f64,
}

impl Resource for Target {
    const NAME: &'static str = "targets";
    const LIST: &'static str = "SELECT row_to_json(x)::text FROM (
        SELECT p.key AS plant, r.key AS reference, t.valid_from, t.valid_to, t.kwh_per_unit
        FROM lotwise.target t JOIN lotwise.plant p ON p.id = t.plant_id
        JOIN lotwise.reference r ON r.id = t.reference_id
        WHERE $1::text[] IS NULL OR p.key = ANY($1) ORDER BY 1, 2, 3 DESC LIMIT $2) x";

    fn plant(&self) -> &Key {
        &self.plant
    }

    async fn upsert(&self, conn: &mut PgConnection) -> Result<(), ItemError> {
        let plant_id = lookup::plant(conn, &self.plant).await?;
        let reference_id = lookup::reference(conn, plant_id, &self.plant, &self.reference).await?;
        let stored: Option<Option<NaiveDate>> = sqlx::query_scalar(
            "SELECT valid_to FROM lotwise.target WHERE reference_id = $1 AND valid_from = $2 FOR UPDATE",
        )
        .bind(reference_id)
        .bind(self.valid_from)
        .fetch_optional(&mut *conn)
        .await?;
        let validity = Validity::resolve(self.valid_from, self.valid_to, stored.flatten())?;
        self.refuse_overlap(conn, reference_id, validity).await?;
        sqlx::query(
            "INSERT INTO lotwise.target (plant_id, reference_id, valid_from, valid_to, kwh_per_unit)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (plant_id, reference_id, valid_from) DO UPDATE SET valid_to = excluded.valid_to,
                kwh_per_unit = excluded.kwh_per_unit",
        )
        .bind(plant_id)
        .bind(reference_id)
        .bind(validity.from)
        .bind(validity.to)
        .bind(above_zero("kwh_per_unit", self.kwh_per_unit)?)
        .execute(conn)
        .await?;
        Ok(())
    }
}

impl Target {
    /// The table has the same rule; asking first gives the other target's validity.
    async fn refuse_overlap(
        &self,
        conn: &mut PgConnection,
        reference_id: i32,
        validity: Validity,
    ) -> Result<(), ItemError> {
        let other: Option<(NaiveDate, Option<NaiveDate>)> = sqlx::query_as(
            "SELECT valid_from, valid_to FROM lotwise.target
             WHERE reference_id = $1 AND valid_from <> $2
                AND daterange(valid_from, valid_to) && daterange($2, $3)
             ORDER BY valid_from LIMIT 1",
        )
        .bind(reference_id)
        .bind(validity.from)
        .bind(validity.to)
        .fetch_optional(conn)
        .await?;
        match other {
            None => Ok(()),
            Some((from, to)) => Err(ItemError::Overlap(format!(
                "target ({validity}) overlaps target ({}) of reference \"{}\": end or correct one of them",
                Validity { from, to },
                self.reference
            ))),
        }
    }
}

/// Deletes the target that holds from a day on.
///
/// # Errors
/// [`ItemError`], [`ItemError::Missing`] among them.
pub async fn delete(
    conn: &mut PgConnection,
    plant: &Key,
    reference: &Key,
    valid_from: NaiveDate,
) -> Result<(), ItemError> {
    let plant_id = lookup::plant(conn, plant).await?;
    let reference_id = lookup::reference(conn, plant_id, plant, reference).await?;
    let done =
        sqlx::query("DELETE FROM lotwise.target WHERE reference_id = $1 AND valid_from = $2")
            .bind(reference_id)
            .bind(valid_from)
            .execute(conn)
            .await?;
    match done.rows_affected() {
        0 => Err(ItemError::Missing(format!(
            "reference \"{reference}\" has no target from {valid_from}"
        ))),
        _ => Ok(()),
    }
}
