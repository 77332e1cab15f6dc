//! Mappings as they are sent, stored and deleted.

use std::collections::BTreeMap;

use serde::Deserialize;
use sqlx::postgres::PgConnection;
use sqlx::types::Json;
use utoipa::ToSchema;

use super::{ANY, Template};
use crate::domain::Key;
use crate::domain::key::MAX_BYTES;
use crate::ingest::context::{ItemError, Resource, Update, lookup};

/// Most tags of a mapping.
const MAX_TAGS: usize = 16;

/// Which sensor a field of line protocol is. Plant, measurement, tags and field are its key. Of
/// several that fit a field the most specific counts: of the measurement before `*`, then with more
/// tags before fewer, then of the field before `*`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Mapping)]
pub struct MappingItem {
    /// Its plant.
    #[schema(value_type = String, example = "madrid")]
    plant: Key,
    /// Name of the measurement; `*`, or left out: any.
    #[serde(default = "any")]
    #[schema(value_type = Option<String>, example = "modbus")]
    measurement: String,
    /// Tags that a line must have, with their values.
    #[serde(default)]
    #[schema(value_type = Option<BTreeMap<String, String>>, example = json!({"slave_id": "1"}))]
    tags: BTreeMap<String, String>,
    /// Name of the field; `*`, or left out: any.
    #[serde(default = "any")]
    #[schema(value_type = Option<String>, example = "energy")]
    field: String,
    /// Key of the sensor, or a template of it with `{tag:NAME}`, `{field}` and `{measurement}`;
    /// null: the field is left out.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "{tag:name}.{field}")]
    sensor: Update<String>,
    /// The reading is `value * factor + offset`, in the sensor's unit. 1 when left out or null.
    #[serde(default)]
    #[schema(value_type = Option<f64>, example = 0.1)]
    factor: Update<f64>,
    /// See `factor`. 0 when left out or null.
    #[serde(default)]
    #[schema(value_type = Option<f64>, example = 0.0)]
    offset: Update<f64>,
}

fn any() -> String {
    ANY.to_owned()
}

impl Resource for MappingItem {
    const NAME: &'static str = "mappings";
    const LIST: &'static str = "SELECT row_to_json(x)::text FROM (
        SELECT p.key AS plant, m.measurement, m.tags, m.field, m.sensor, m.factor, m.addend AS \"offset\"
        FROM lotwise.sensor_mapping m JOIN lotwise.plant p ON p.id = m.plant_id
        WHERE $1::text[] IS NULL OR p.key = ANY($1) ORDER BY 1, 2, m.tags, 4 LIMIT $2) x";

    fn plant(&self) -> &Key {
        &self.plant
    }

    async fn upsert(&self, conn: &mut PgConnection) -> Result<(), ItemError> {
        self.check()?;
        let plant_id = lookup::plant(conn, &self.plant).await?;
        let stored: Option<(Option<String>, f64, f64)> = sqlx::query_as(
            "SELECT sensor, factor, addend FROM lotwise.sensor_mapping
             WHERE plant_id = $1 AND measurement = $2 AND tags = $3 AND field = $4 FOR UPDATE",
        )
        .bind(plant_id)
        .bind(&self.measurement)
        .bind(Json(&self.tags))
        .bind(&self.field)
        .fetch_optional(&mut *conn)
        .await?;
        if stored.is_none() && self.sensor == Update::Keep {
            return Err(ItemError::Invalid(
                "sensor is missing: a key, a template such as \"{tag:name}.{field}\", or null to leave the field out"
                    .to_owned(),
            ));
        }
        let (sensor, factor, addend) = stored.unwrap_or((None, 1.0, 0.0));
        sqlx::query(
            "INSERT INTO lotwise.sensor_mapping (plant_id, measurement, tags, field, sensor, factor, addend)
             VALUES ($1, $2, $3, $4, $5, $6, $7)
             ON CONFLICT (plant_id, measurement, tags, field)
             DO UPDATE SET sensor = excluded.sensor, factor = excluded.factor, addend = excluded.addend",
        )
        .bind(plant_id)
        .bind(&self.measurement)
        .bind(Json(&self.tags))
        .bind(&self.field)
        .bind(self.sensor.clone().apply(sensor))
        .bind(self.factor.apply(Some(factor)).unwrap_or(1.0))
        .bind(self.offset.apply(Some(addend)).unwrap_or(0.0))
        .execute(conn)
        .await?;
        Ok(())
    }
}

impl MappingItem {
    /// What the database could store and nobody could mean.
    fn check(&self) -> Result<(), ItemError> {
        name("measurement", &self.measurement)?;
        name("field", &self.field)?;
        if self.tags.len() > MAX_TAGS {
            return Err(ItemError::Invalid(format!("a mapping has at most {MAX_TAGS} tags")));
        }
        for (tag, value) in &self.tags {
            name("a tag's name", tag)?;
            name("a tag's value", value)?;
        }
        if let Update::Set(sensor) = &self.sensor {
            Template::parse(sensor)
                .map_err(|e| ItemError::Invalid(format!("sensor {sensor:?}: {e}")))?;
        }
        let finite = |update: &Update<f64>| !matches!(update, Update::Set(v) if !v.is_finite());
        if !finite(&self.factor) || !finite(&self.offset) {
            return Err(ItemError::Invalid("factor and offset are finite numbers".to_owned()));
        }
        if self.factor == Update::Set(0.0) {
            return Err(ItemError::Invalid(
                "factor is 0: every reading would be the same".to_owned(),
            ));
        }
        Ok(())
    }
}

fn name(what: &str, text: &str) -> Result<(), ItemError> {
    if text.is_empty() || text.len() > MAX_BYTES || text.chars().any(char::is_control) {
        return Err(ItemError::Invalid(format!(
            "{what} {text:?} is empty, longer than {MAX_BYTES} bytes or has control characters"
        )));
    }
    Ok(())
}

/// Deletes a mapping; returns how many there were.
///
/// # Errors
/// [`ItemError`]: no such plant, or the database.
pub async fn delete(
    conn: &mut PgConnection,
    plant: &Key,
    measurement: &str,
    tags: &BTreeMap<String, String>,
    field: &str,
) -> Result<u64, ItemError> {
    // No mapping has such names, and PostgreSQL might choke on them.
    for text in
        [measurement, field].into_iter().chain(tags.iter().flat_map(|(n, v)| [n.as_str(), v]))
    {
        name("the name", text)?;
    }
    let plant_id = lookup::plant(conn, plant).await?;
    let done = sqlx::query(
        "DELETE FROM lotwise.sensor_mapping
         WHERE plant_id = $1 AND measurement = $2 AND tags = $3 AND field = $4",
    )
    .bind(plant_id)
    .bind(measurement)
    .bind(Json(tags))
    .bind(field)
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}
