//! References (products) and operators: a key and a name.

use serde::Deserialize;
use sqlx::postgres::PgConnection;
use utoipa::ToSchema;

use super::{ItemError, Name, Resource, lookup};
use crate::domain::Key;

/// A product.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// Its plant.
    #[schema(value_type = String, example = "madrid")]
    plant: Key,
    /// Its key.
    #[schema(value_type = String, example = "REF-A")]
    key: Key,
    /// Its name.
    #[schema(value_type = String, example = "Bracket 40 mm")]
    name: Name,
}

impl Resource for Reference {
    const NAME: &'static str = "references";
    const LIST: &'static str = "SELECT row_to_json(x)::text FROM (
        SELECT p.key AS plant, r.key, r.name FROM lotwise.reference r JOIN lotwise.plant p ON p.id = r.plant_id
        WHERE $1::text[] IS NULL OR p.key = ANY($1) ORDER BY 1, 2 LIMIT $2) x";

    fn plant(&self) -> &Key {
        &self.plant
    }

    async fn upsert(&self, conn: &mut PgConnection) -> Result<(), ItemError> {
        let plant_id = lookup::plant(conn, &self.plant).await?;
        sqlx::query(
            "INSERT INTO lotwise.reference (plant_id, key, name) VALUES ($1, $2, $3)
             ON CONFLICT (plant_id, key) DO UPDATE SET name = excluded.name",
        )
        .bind(plant_id)
        .bind(self.key.as_str())
        .bind(self.name.as_str())
        .execute(conn)
        .await?;
        Ok(())
    }
}

/// A person or crew that runs a line or machine.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Operator {
    /// The plant.
    #[schema(value_type = String, example = "madrid")]
    plant: Key,
    /// The key.
    #[schema(value_type = String, example = "op-7")]
    key: Key,
    /// The name.
    #[schema(value_type = String, example = "Crew 7")]
    name: Name,
}

impl Resource for Operator {
    const NAME: &'static str = "operators";
    const LIST: &'static str = "SELECT row_to_json(x)::text FROM (
        SELECT p.key AS plant, o.key, o.name FROM lotwise.operator o JOIN lotwise.plant p ON p.id = o.plant_id
        WHERE $1::text[] IS NULL OR p.key = ANY($1) ORDER BY 1, 2 LIMIT $2) x";

    fn plant(&self) -> &Key {
        &self.plant
    }

    async fn upsert(&self, conn: &mut PgConnection) -> Result<(), ItemError> {
        let plant_id = lookup::plant(conn, &self.plant).await?;
        sqlx::query(
            "INSERT INTO lotwise.operator (plant_id, key, name) VALUES ($1, $2, $3)
             ON CONFLICT (plant_id, key) DO UPDATE SET name = excluded.name",
        )
        .bind(plant_id)
        .bind(self.key.as_str())
        .bind(self.name.as_str())
        .execute(conn)
        .await?;
        Ok(())
    }
}
