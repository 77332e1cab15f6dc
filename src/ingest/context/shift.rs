//! Shifts: named parts of the plant's day.

use chrono::NaiveTime;
use serde::Deserialize;
use sqlx::postgres::PgConnection;
use utoipa::ToSchema;

use super::{ItemError, Name, Resource, lookup};
use crate::domain::Key;
use crate::ingest::database::sqlstate;

/// A shift. It lasts until the plant's next one starts.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Shift {
    /// Its plant.
    #[schema(value_type = String, example = "madrid")]
    plant: Key,
    /// Its key.
    #[schema(value_type = String, example = "morning")]
    key: Key,
    /// Its name.
    #[schema(value_type = String, example = "Morning")]
    name: Name,
    /// Start on the plant's clock, HH:MM or HH:MM:SS.
    #[schema(example = "06:00")]
    starts_at: String,
}

impl Resource for Shift {
    const NAME: &'static str = "shifts";
    const LIST: &'static str = "SELECT row_to_json(x)::text FROM (
        SELECT p.key AS plant, s.key, s.name, s.starts_at FROM lotwise.shift s JOIN lotwise.plant p ON p.id = s.plant_id
        WHERE $1::text[] IS NULL OR p.key = ANY($1) ORDER BY p.key, s.starts_at LIMIT $2) x";

    fn plant(&self) -> &Key {
        &self.plant
    }

    async fn upsert(&self, conn: &mut PgConnection) -> Result<(), ItemError> {
        let text = self.starts_at.as_str();
        let starts_at = NaiveTime::parse_from_str(text, "%H:%M")
            .or_else(|_| NaiveTime::parse_from_str(text, "%H:%M:%S"))
            .map_err(|_| {
                ItemError::Invalid(format!("starts_at {text:?} is not a time such as 06:00"))
            })?;
        let plant_id = lookup::plant(conn, &self.plant).await?;
        let done = sqlx::query(
            "INSERT INTO lotwise.shift (plant_id, key, name, starts_at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (plant_id, key) DO UPDATE SET name = excluded.name, starts_at = excluded.starts_at",
        )
        .bind(plant_id)
        .bind(self.key.as_str())
        .bind(self.name.as_str())
        .bind(starts_at)
        .execute(conn)
        .await;
        match done {
            Err(e) if sqlstate(&e).as_deref() == Some("23505") => Err(ItemError::Conflict(
                format!("another shift of plant \"{}\" starts at {text} already", self.plant),
            )),
            done => Ok(done.map(drop)?),
        }
    }
}
