//! Emission factors of electrical energy.

use chrono::NaiveDate;
use serde::Deserialize;
use sqlx::postgres::PgConnection;
use utoipa::ToSchema;

use super::field::at_least_zero;
use super::validity::Validity;
use super::{ItemError, Name, Resource, Update, lookup};
use crate::domain::Key;

/// What a kWh of electricity emits, from one day to another. The first day is the key; the
/// validities of a plant's factors of one kind do not overlap.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Factor {
    /// Its plant.
    #[schema(value_type = String, example = "madrid")]
    plant: Key,
    /// `location_based`: the mean of the grid; `market_based`: what the contract says (GHG Protocol,
    /// Scope 2 Guidance).
    kind: FactorKind,
    /// First day of the plant's clock on which it holds.
    #[schema(example = "2026-01-01")]
    valid_from: NaiveDate,
    /// First day on which it no longer holds. Left out or null: until further notice.
    #[serde(default)]
    #[schema(value_type = Option<NaiveDate>, example = "2027-01-01")]
    valid_to: Update<NaiveDate>,
    /// kg of CO2 equivalent per kWh.
    #[schema(example = 0.108)]
    kg_co2_per_kwh: f64,
    /// Who says so.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "grid operator, mean of 2025")]
    source: Update<Name>,
}

/// Method of Scope 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FactorKind {
    /// Mean of the grid.
    LocationBased,
    /// What the contract says.
    MarketBased,
}

impl FactorKind {
    /// As the API and the database have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::LocationBased => "location_based",
            Self::MarketBased => "market_based",
        }
    }
}

impl Resource for Factor {
    const NAME: &'static str = "factors";
    const LIST: &'static str = "SELECT row_to_json(x)::text FROM (
        SELECT p.key AS plant, f.kind, f.valid_from, f.valid_to, f.kg_co2_per_kwh, f.source
        FROM lotwise.factor f JOIN lotwise.plant p ON p.id = f.plant_id
        WHERE $1::text[] IS NULL OR p.key = ANY($1) ORDER BY 1, 2, 3 DESC LIMIT $2) x";

    fn plant(&self) -> &Key {
        &self.plant
    }

    async fn upsert(&self, conn: &mut PgConnection) -> Result<(), ItemError> {
        let plant_id = lookup::plant(conn, &self.plant).await?;
        let stored: Option<(Option<NaiveDate>, Option<String>)> = sqlx::query_as(
            "SELECT valid_to, source FROM lotwise.factor
             WHERE plant_id = $1 AND kind = $2 AND valid_from = $3 FOR UPDATE",
        )
        .bind(plant_id)
        .bind(self.kind.as_str())
        .bind(self.valid_from)
        .fetch_optional(&mut *conn)
        .await?;
        let (stored_to, stored_source) = stored.unwrap_or_default();
        let validity = Validity::resolve(self.valid_from, self.valid_to, stored_to)?;
        let source = match &self.source {
            Update::Keep => stored_source,
            Update::Clear => None,
            Update::Set(name) => Some(name.as_str().to_owned()),
        };
        self.refuse_overlap(conn, plant_id, validity).await?;
        sqlx::query(
            "INSERT INTO lotwise.factor (plant_id, kind, valid_from, valid_to, kg_co2_per_kwh, source)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (plant_id, kind, valid_from) DO UPDATE SET valid_to = excluded.valid_to,
                kg_co2_per_kwh = excluded.kg_co2_per_kwh, source = excluded.source",
        )
        .bind(plant_id)
        .bind(self.kind.as_str())
        .bind(validity.from)
        .bind(validity.to)
        .bind(at_least_zero("kg_co2_per_kwh", self.kg_co2_per_kwh)?)
        .bind(source)
        .execute(conn)
        .await?;
        Ok(())
    }
}

impl Factor {
    /// The table has the same rule; asking first gives the other factor's validity.
    async fn refuse_overlap(
        &self,
        conn: &mut PgConnection,
        plant_id: i32,
        validity: Validity,
    ) -> Result<(), ItemError> {
        let other: Option<(NaiveDate, Option<NaiveDate>)> = sqlx::query_as(
            "SELECT valid_from, valid_to FROM lotwise.factor
             WHERE plant_id = $1 AND kind = $2 AND valid_from <> $3
                AND daterange(valid_from, valid_to) && daterange($3, $4)
             ORDER BY valid_from LIMIT 1",
        )
        .bind(plant_id)
        .bind(self.kind.as_str())
        .bind(validity.from)
        .bind(validity.to)
        .fetch_optional(conn)
        .await?;
        match other {
            None => Ok(()),
            Some((from, to)) => Err(ItemError::Overlap(format!(
                "{} factor ({validity}) overlaps factor ({}) of plant \"{}\": end or correct one of them",
                self.kind.as_str(),
                Validity { from, to },
                self.plant
            ))),
        }
    }
}

/// Deletes the factor that holds from a day on.
///
/// # Errors
/// [`ItemError`], [`ItemError::Missing`] among them.
pub async fn delete(
    conn: &mut PgConnection,
    plant: &Key,
    kind: FactorKind,
    valid_from: NaiveDate,
) -> Result<(), ItemError> {
    let plant_id = lookup::plant(conn, plant).await?;
    let done = sqlx::query(
        "DELETE FROM lotwise.factor WHERE plant_id = $1 AND kind = $2 AND valid_from = $3",
    )
    .bind(plant_id)
    .bind(kind.as_str())
    .bind(valid_from)
    .execute(conn)
    .await?;
    match done.rows_affected() {
        0 => Err(ItemError::Missing(format!(
            "plant \"{plant}\" has no {} factor from {valid_from}",
            kind.as_str()
        ))),
        _ => Ok(()),
    }
}
