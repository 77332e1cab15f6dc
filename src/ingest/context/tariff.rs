//! Electricity tariffs of plants.

use chrono::NaiveDate;
use serde::Deserialize;
use sqlx::postgres::PgConnection;
use sqlx::types::Json;
use utoipa::ToSchema;

use super::validity::Validity;
use super::{ItemError, Name, Resource, Update, lookup};
use crate::domain::Key;
use crate::domain::tariff::{Period, Rule, Terms};

/// Prices of electrical energy and power from one day to another, in the plant's currency. The
/// validities of a plant's tariffs do not overlap.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Tariff {
    /// Its plant.
    #[schema(value_type = String, example = "madrid")]
    plant: Key,
    /// Its key, unique in the plant.
    #[schema(value_type = String, example = "2026")]
    key: Key,
    /// Its name; the key at first.
    #[schema(value_type = Option<String>, example = "3.0TD 2026")]
    name: Option<Name>,
    /// First day of the plant's clock on which it holds; needed when it is new.
    #[schema(example = "2026-01-01")]
    valid_from: Option<NaiveDate>,
    /// First day on which it no longer holds. Left out or null: until further notice.
    #[serde(default)]
    #[schema(value_type = Option<NaiveDate>, example = "2027-01-01")]
    valid_to: Update<NaiveDate>,
    /// Periods with their prices; needed when it is new.
    #[schema(value_type = Option<Vec<Period>>)]
    periods: Option<Vec<Period>>,
    /// Which period holds when: rules in order, the first that fits decides; needed when it is new.
    #[schema(value_type = Option<Vec<Rule>>)]
    calendar: Option<Vec<Rule>>,
    /// Holidays, for rules with the day `holiday`.
    #[schema(example = json!(["2026-01-06"]))]
    holidays: Option<Vec<NaiveDate>>,
}

#[derive(sqlx::FromRow)]
struct Stored {
    name: String,
    valid_from: NaiveDate,
    valid_to: Option<NaiveDate>,
    periods: Json<Vec<Period>>,
    calendar: Json<Vec<Rule>>,
    holidays: Vec<NaiveDate>,
}

impl Resource for Tariff {
    const NAME: &'static str = "tariffs";
    const LIST: &'static str = "SELECT row_to_json(x)::text FROM (
        SELECT p.key AS plant, t.key, t.name, t.valid_from, t.valid_to, t.periods, t.calendar, t.holidays
        FROM lotwise.tariff t JOIN lotwise.plant p ON p.id = t.plant_id
        WHERE $1::text[] IS NULL OR p.key = ANY($1) ORDER BY p.key, t.valid_from DESC LIMIT $2) x";

    fn plant(&self) -> &Key {
        &self.plant
    }

    async fn upsert(&self, conn: &mut PgConnection) -> Result<(), ItemError> {
        let plant_id = lookup::plant(conn, &self.plant).await?;
        let stored: Option<Stored> = sqlx::query_as(
            "SELECT name, valid_from, valid_to, periods, calendar, holidays FROM lotwise.tariff
             WHERE plant_id = $1 AND key = $2 FOR UPDATE",
        )
        .bind(plant_id)
        .bind(self.key.as_str())
        .fetch_optional(&mut *conn)
        .await?;
        let (new, validity) = self.over(stored)?;
        self.refuse_overlap(conn, plant_id, validity).await?;
        sqlx::query(
            "INSERT INTO lotwise.tariff (plant_id, key, name, valid_from, valid_to, periods, calendar, holidays)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
             ON CONFLICT (plant_id, key) DO UPDATE SET name = excluded.name, valid_from = excluded.valid_from,
                valid_to = excluded.valid_to, periods = excluded.periods, calendar = excluded.calendar,
                holidays = excluded.holidays",
        )
        .bind(plant_id)
        .bind(self.key.as_str())
        .bind(new.name)
        .bind(validity.from)
        .bind(validity.to)
        .bind(new.periods)
        .bind(new.calendar)
        .bind(new.holidays)
        .execute(conn)
        .await?;
        Ok(())
    }
}

impl Tariff {
    /// The tariff that the item makes of the stored one, if that can be.
    fn over(&self, stored: Option<Stored>) -> Result<(Stored, Validity), ItemError> {
        let needed = |field| ItemError::Invalid(format!("a new tariff needs {field}"));
        let old = stored.as_ref();
        let name = self.name.as_ref().map(Name::as_str).or(old.map(|o| o.name.as_str()));
        let valid_from = self.valid_from.or(old.map(|o| o.valid_from));
        let periods = self.periods.as_ref().or(old.map(|o| &o.periods.0));
        let calendar = self.calendar.as_ref().or(old.map(|o| &o.calendar.0));
        let holidays = self.holidays.as_ref().or(old.map(|o| &o.holidays));
        let from = valid_from.ok_or_else(|| needed("valid_from"))?;
        let validity = Validity::resolve(from, self.valid_to, old.and_then(|o| o.valid_to))?;
        let new = Stored {
            name: name.unwrap_or(self.key.as_str()).to_owned(),
            valid_from: validity.from,
            valid_to: validity.to,
            periods: Json(periods.cloned().ok_or_else(|| needed("periods"))?),
            calendar: Json(calendar.cloned().ok_or_else(|| needed("calendar"))?),
            holidays: holidays.cloned().unwrap_or_default(),
        };
        Terms::new(new.periods.0.clone(), &new.calendar, new.holidays.iter().copied())
            .map_err(|e| ItemError::Invalid(format!("tariff \"{}\": {e}", self.key)))?;
        Ok((new, validity))
    }

    /// The table has the same rule; asking first gives the other tariff's name.
    async fn refuse_overlap(
        &self,
        conn: &mut PgConnection,
        plant_id: i32,
        validity: Validity,
    ) -> Result<(), ItemError> {
        let other: Option<(String, NaiveDate, Option<NaiveDate>)> = sqlx::query_as(
            "SELECT key, valid_from, valid_to FROM lotwise.tariff
             WHERE plant_id = $1 AND key <> $2 AND daterange(valid_from, valid_to) && daterange($3, $4)
             ORDER BY valid_from LIMIT 1",
        )
        .bind(plant_id)
        .bind(self.key.as_str())
        .bind(validity.from)
        .bind(validity.to)
        .fetch_optional(conn)
        .await?;
        match other {
            None => Ok(()),
            Some((key, from, to)) => Err(ItemError::Overlap(format!(
                "tariff \"{}\" ({validity}) overlaps tariff {key:?} ({}) of plant \"{}\": end or correct one of them",
                self.key,
                Validity { from, to },
                self.plant
            ))),
        }
    }
}

/// Deletes a tariff.
///
/// # Errors
/// [`ItemError`], [`ItemError::Missing`] among them.
pub async fn delete(conn: &mut PgConnection, plant: &Key, key: &Key) -> Result<(), ItemError> {
    let plant_id = lookup::plant(conn, plant).await?;
    let done = sqlx::query("DELETE FROM lotwise.tariff WHERE plant_id = $1 AND key = $2")
        .bind(plant_id)
        .bind(key.as_str())
        .execute(conn)
        .await?;
    match done.rows_affected() {
        0 => Err(ItemError::Missing(format!("plant \"{plant}\" has no tariff \"{key}\""))),
        _ => Ok(()),
    }
}
