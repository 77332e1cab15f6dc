//! Plants and machines.

use chrono_tz::Tz;
use serde::Deserialize;
use sqlx::postgres::PgConnection;
use utoipa::ToSchema;

use super::{ItemError, Name, Resource, lookup};
use crate::domain::Key;
use crate::ingest::database::sqlstate;

/// A plant.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Plant {
    /// Its key.
    #[schema(value_type = String, example = "madrid")]
    key: Key,
    /// Its name.
    #[schema(value_type = String, example = "Madrid")]
    name: Name,
    /// IANA name; days, shifts and weeks follow it.
    #[schema(example = "Europe/Madrid")]
    time_zone: String,
    /// ISO 4217 code; EUR at first.
    #[schema(example = "EUR")]
    currency: Option<String>,
    /// Language of the plant; en at first.
    #[schema(value_type = Option<String>, example = "es")]
    locale: Option<Name>,
}

impl Resource for Plant {
    const NAME: &'static str = "plants";
    const LIST: &'static str = "SELECT row_to_json(x)::text FROM (
        SELECT key, name, time_zone, currency, locale FROM lotwise.plant
        WHERE $1::text[] IS NULL OR key = ANY($1) ORDER BY key LIMIT $2) x";

    fn plant(&self) -> &Key {
        &self.key
    }

    async fn upsert(&self, conn: &mut PgConnection) -> Result<(), ItemError> {
        let zone: Tz = self.time_zone.parse().map_err(|_| {
            let zone = &self.time_zone;
            ItemError::Invalid(format!("{zone:?} is not an IANA time zone such as Europe/Madrid"))
        })?;
        let iso = |c: &str| c.len() == 3 && c.bytes().all(|b| b.is_ascii_uppercase());
        if let Some(currency) = self.currency.as_deref().filter(|c| !iso(c)) {
            return Err(ItemError::Invalid(format!("{currency:?} is not a currency such as EUR")));
        }
        sqlx::query(
            "INSERT INTO lotwise.plant AS p (key, name, time_zone, currency, locale)
             VALUES ($1, $2, $3, coalesce($4, 'EUR'), coalesce($5, 'en'))
             ON CONFLICT (key) DO UPDATE SET name = excluded.name, time_zone = excluded.time_zone,
                currency = coalesce($4, p.currency), locale = coalesce($5, p.locale)",
        )
        .bind(self.key.as_str())
        .bind(self.name.as_str())
        .bind(zone.name())
        .bind(&self.currency)
        .bind(self.locale.as_ref().map(Name::as_str))
        .execute(conn)
        .await?;
        Ok(())
    }
}

/// A machine of a line.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// Its plant.
    #[schema(value_type = String, example = "madrid")]
    plant: Key,
    /// Its line.
    #[schema(value_type = String, example = "M1")]
    line: Key,
    /// Its key, unique in the plant.
    #[schema(value_type = String, example = "M1-oven")]
    key: Key,
    /// Its name.
    #[schema(value_type = String, example = "Oven of line 1")]
    name: Name,
}

impl Resource for Machine {
    const NAME: &'static str = "machines";
    const LIST: &'static str = "SELECT row_to_json(x)::text FROM (
        SELECT p.key AS plant, l.key AS line, m.key, m.name
        FROM lotwise.machine m JOIN lotwise.line l ON l.id = m.line_id JOIN lotwise.plant p ON p.id = m.plant_id
        WHERE $1::text[] IS NULL OR p.key = ANY($1) ORDER BY 1, 2, 3 LIMIT $2) x";

    fn plant(&self) -> &Key {
        &self.plant
    }

    async fn upsert(&self, conn: &mut PgConnection) -> Result<(), ItemError> {
        let plant_id = lookup::plant(conn, &self.plant).await?;
        let line_id = lookup::line(conn, plant_id, &self.plant, &self.line).await?;
        let done = sqlx::query(
            "INSERT INTO lotwise.machine (plant_id, line_id, key, name) VALUES ($1, $2, $3, $4)
             ON CONFLICT (plant_id, key) DO UPDATE SET name = excluded.name, line_id = excluded.line_id",
        )
        .bind(plant_id)
        .bind(line_id)
        .bind(self.key.as_str())
        .bind(self.name.as_str())
        .execute(conn)
        .await;
        match done {
            Err(e) if sqlstate(&e).as_deref() == Some("23503") => {
                Err(ItemError::Conflict(format!(
                    "machine \"{}\" has sensors, runs or states on its present line and cannot move: give the moved machine a new key",
                    self.key
                )))
            }
            done => Ok(done.map(drop)?),
        }
    }
}
