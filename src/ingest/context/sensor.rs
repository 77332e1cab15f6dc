//! Sensors and the tree of meters.

use serde::Deserialize;
use sqlx::postgres::PgConnection;
use utoipa::ToSchema;

use super::field::above_zero;
use super::{ItemError, Name, Resource, Update, lookup};
use crate::domain::{Key, SensorKind};

/// A measuring point of a plant, line or machine.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Sensor {
    /// Its plant.
    #[schema(value_type = String, example = "madrid")]
    plant: Key,
    /// Its key, unique in the plant.
    #[schema(value_type = String, example = "M1-oven-T1")]
    key: Key,
    /// Its name.
    #[schema(value_type = String, example = "Oven temperature")]
    name: Name,
    /// What it measures: temperature, power, energy, count, pressure, ... in lower case.
    #[schema(value_type = String, example = "temperature")]
    quantity: Name,
    /// In what: °C, kW, kWh, unit, %, bar, ...
    #[schema(value_type = String, example = "°C")]
    unit: Name,
    /// gauge (a level), counter (a cumulative register) or delta (an amount for the interval that
    /// ends at the timestamp).
    #[schema(example = "gauge")]
    kind: String,
    /// Line that it measures. Follows from the machine.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "M1")]
    line: Update<Key>,
    /// Machine that it measures.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "M1-oven")]
    machine: Update<Key>,
    /// Usual time between readings, 60 at first; needed for a delta, where it is what a value covers.
    #[schema(example = 60.0)]
    interval_s: Option<f64>,
    /// A longer time without readings is not covered; at first 300 or three intervals.
    #[schema(example = 300.0)]
    max_gap_s: Option<f64>,
    /// Value at which a counter starts again from 0. Without it, a fall is a reset.
    #[serde(default)]
    #[schema(value_type = Option<f64>)]
    rollover: Update<f64>,
    /// Key of the meter that this one is a part of.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    parent: Update<Key>,
}

/// What is stored of a sensor that exists.
#[derive(sqlx::FromRow)]
struct Stored {
    id: i32,
    line_id: Option<i32>,
    machine_id: Option<i32>,
    kind: String,
    interval_s: f64,
    max_gap_s: f64,
    rollover: Option<f64>,
    parent_sensor_id: Option<i32>,
}

impl Resource for Sensor {
    const NAME: &'static str = "sensors";
    const LIST: &'static str = "SELECT row_to_json(x)::text FROM (
        SELECT p.key AS plant, l.key AS line, m.key AS machine, s.key, s.name, s.quantity, s.unit, s.kind,
            s.interval_s, s.max_gap_s, s.rollover, parent.key AS parent
        FROM lotwise.sensor s JOIN lotwise.plant p ON p.id = s.plant_id
        LEFT JOIN lotwise.line l ON l.id = s.line_id LEFT JOIN lotwise.machine m ON m.id = s.machine_id
        LEFT JOIN lotwise.sensor parent ON parent.id = s.parent_sensor_id
        WHERE $1::text[] IS NULL OR p.key = ANY($1) ORDER BY p.key, s.key LIMIT $2) x";

    fn plant(&self) -> &Key {
        &self.plant
    }

    async fn upsert(&self, conn: &mut PgConnection) -> Result<(), ItemError> {
        let plant_id = lookup::plant(conn, &self.plant).await?;
        let stored: Option<Stored> = sqlx::query_as(
            "SELECT id, line_id, machine_id, kind, interval_s, max_gap_s, rollover, parent_sensor_id
             FROM lotwise.sensor WHERE plant_id = $1 AND key = $2 FOR UPDATE",
        )
        .bind(plant_id)
        .bind(self.key.as_str())
        .fetch_optional(&mut *conn)
        .await?;
        let stored = stored.as_ref();
        let kind: SensorKind = self.kind.parse().map_err(|e| ItemError::Invalid(format!("{e}")))?;
        let (line_id, machine_id) = self.place(conn, plant_id, stored).await?;
        let parent_id = self.parent(conn, plant_id, stored).await?;
        let (interval_s, max_gap_s) = self.timing(kind, stored)?;
        let rollover = match self.rollover.apply(stored.and_then(|s| s.rollover)) {
            Some(value) => Some(above_zero("rollover", value)?),
            None => None,
        };
        sqlx::query(
            "INSERT INTO lotwise.sensor (plant_id, key, name, quantity, unit, kind, line_id, machine_id,
                interval_s, max_gap_s, rollover, parent_sensor_id)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
             ON CONFLICT (plant_id, key) DO UPDATE SET name = excluded.name, quantity = excluded.quantity,
                unit = excluded.unit, kind = excluded.kind, line_id = excluded.line_id,
                machine_id = excluded.machine_id, interval_s = excluded.interval_s,
                max_gap_s = excluded.max_gap_s, rollover = excluded.rollover,
                parent_sensor_id = excluded.parent_sensor_id",
        )
        .bind(plant_id)
        .bind(self.key.as_str())
        .bind(self.name.as_str())
        .bind(self.quantity.as_str())
        .bind(self.unit.as_str())
        .bind(kind.as_str())
        .bind(line_id)
        .bind(machine_id)
        .bind(interval_s)
        .bind(max_gap_s)
        .bind(rollover)
        .bind(parent_id)
        .execute(conn)
        .await?;
        Ok(())
    }
}

impl Sensor {
    /// Line and machine. A machine brings its line; another line takes the sensor off its machine.
    async fn place(
        &self,
        conn: &mut PgConnection,
        plant_id: i32,
        stored: Option<&Stored>,
    ) -> Result<(Option<i32>, Option<i32>), ItemError> {
        let old = (stored.and_then(|s| s.line_id), stored.and_then(|s| s.machine_id));
        let line_id = match &self.line {
            Update::Set(key) => Some(lookup::line(conn, plant_id, &self.plant, key).await?),
            Update::Clear => None,
            Update::Keep => old.0,
        };
        match &self.machine {
            Update::Set(key) => {
                let named = matches!(self.line, Update::Set(_)).then_some(line_id).flatten();
                let machine = lookup::machine_on(conn, plant_id, &self.plant, key, named).await?;
                Ok((Some(machine.line_id), Some(machine.id)))
            }
            Update::Keep if line_id == old.0 => Ok(old),
            Update::Keep | Update::Clear => Ok((line_id, None)),
        }
    }

    /// The meter above, which must not be one below.
    async fn parent(
        &self,
        conn: &mut PgConnection,
        plant_id: i32,
        stored: Option<&Stored>,
    ) -> Result<Option<i32>, ItemError> {
        let key = match &self.parent {
            Update::Keep => return Ok(stored.and_then(|s| s.parent_sensor_id)),
            Update::Clear => return Ok(None),
            Update::Set(key) => key,
        };
        let circle = || {
            let child = &self.key;
            ItemError::Invalid(format!(
                "meter \"{key}\" is a part of \"{child}\" and cannot be its parent"
            ))
        };
        if *key == self.key {
            return Err(circle());
        }
        let parent_id = lookup::sensor(conn, plant_id, &self.plant, key).await?;
        let Some(stored) = stored else { return Ok(Some(parent_id)) };
        let is_below: bool = sqlx::query_scalar(
            "WITH RECURSIVE above AS (
                SELECT parent_sensor_id AS id FROM lotwise.sensor WHERE id = $1
                UNION SELECT s.parent_sensor_id FROM above JOIN lotwise.sensor s ON s.id = above.id)
             SELECT EXISTS (SELECT FROM above WHERE id = $2)",
        )
        .bind(parent_id)
        .bind(stored.id)
        .fetch_one(conn)
        .await?;
        if is_below { Err(circle()) } else { Ok(Some(parent_id)) }
    }

    /// Interval and longest gap.
    fn timing(&self, kind: SensorKind, stored: Option<&Stored>) -> Result<(f64, f64), ItemError> {
        let was_delta = stored.is_some_and(|s| s.kind == SensorKind::Delta.as_str());
        if kind == SensorKind::Delta && self.interval_s.is_none() && !was_delta {
            return Err(ItemError::Invalid(
                "a delta sensor needs interval_s: the seconds that one value covers".to_owned(),
            ));
        }
        let interval_s = match self.interval_s {
            Some(value) => above_zero("interval_s", value)?,
            None => stored.map_or(60.0, |s| s.interval_s),
        };
        let max_gap_s = match self.max_gap_s {
            Some(value) => above_zero("max_gap_s", value)?,
            None => stored.map_or(f64::max(300.0, 3.0 * interval_s), |s| s.max_gap_s),
        };
        Ok((interval_s, max_gap_s))
    }
}
