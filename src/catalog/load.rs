//! Reads the catalog. A few small tables; the readings are not touched.

use chrono::{DateTime, NaiveTime, Utc};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use tokio_postgres::types::ToSql;

use super::{Catalog, Named, Plant, Sensor, Spot};
use crate::db::{Db, DbError, column};
use crate::domain::{Calendar, SensorKind, ShiftStart};

/// All of it in one statement: one way to the database, and one state of it. A column a table, its rows
/// as JSON lists in the order of the fields that they are read into.
///
/// `$1`: keys of the plants, all where there is none; `$2`: most references, and most operators, one more
/// than are kept. A database that was not migrated yet has no `raw_from`, and all its readings.
const CATALOG: &str = "
WITH plants AS (
  SELECT id, key, name, time_zone FROM lotwise.plant WHERE $1::text[] = '{}' OR key = ANY($1)
)
SELECT
  (SELECT json_agg(json_build_array(id, key, name, time_zone) ORDER BY key) FROM plants)::text,
  (SELECT json_agg(json_build_array(plant_id, key, name, starts_at) ORDER BY plant_id, starts_at)
    FROM lotwise.shift)::text,
  (SELECT json_agg(json_build_array(id, plant_id, id, key, name) ORDER BY key, plant_id)
    FROM lotwise.line)::text,
  (SELECT json_agg(json_build_array(id, plant_id, line_id, key, name) ORDER BY key, plant_id)
    FROM lotwise.machine)::text,
  (SELECT json_agg(json_build_array(id, plant_id, line_id, machine_id, key, name, quantity, unit,
      kind, interval_s, max_gap_s, rollover, parent_sensor_id) ORDER BY key, plant_id)
    FROM lotwise.sensor)::text,
  (SELECT json_agg(json_build_array(x.plant_id, x.key, x.name) ORDER BY x.key, x.plant) FROM (
    SELECT r.plant_id, r.key, r.name, p.key AS plant
    FROM lotwise.reference r JOIN plants p ON p.id = r.plant_id ORDER BY r.key, p.key LIMIT $2
  ) x)::text,
  (SELECT json_agg(json_build_array(x.plant_id, x.key, x.name) ORDER BY x.key, x.plant) FROM (
    SELECT o.plant_id, o.key, o.name, p.key AS plant
    FROM lotwise.operator o JOIN plants p ON p.id = o.plant_id ORDER BY o.key, p.key LIMIT $2
  ) x)::text,
  (SELECT json_agg(x.key ORDER BY x.id DESC) FROM (
    SELECT id, key FROM lotwise.lot ORDER BY id DESC LIMIT 400
  ) x)::text,
  (SELECT (to_jsonb(m) ->> 'raw_from')::timestamptz FROM lotwise.rollup_state m)";

/// References, and operators, up to so many are kept: some hundred kilobytes.
const MOST_NAMED: i64 = 2_000;

/// A number as PostgreSQL writes it into JSON, where infinity is a text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Float {
    Finite(f64),
    Text(String),
}

impl Float {
    fn value<E: serde::de::Error>(self) -> Result<f64, E> {
        match self {
            Self::Finite(value) => Ok(value),
            Self::Text(text) => {
                text.parse().map_err(|_| E::custom(format_args!("{text:?} for a number")))
            }
        }
    }
}

pub(super) fn number<'de, D: Deserializer<'de>>(json: D) -> Result<f64, D::Error> {
    Float::deserialize(json)?.value()
}

pub(super) fn number_if_any<'de, D: Deserializer<'de>>(json: D) -> Result<Option<f64>, D::Error> {
    Option::<Float>::deserialize(json)?.map(Float::value).transpose()
}

pub(super) fn kind<'de, D: Deserializer<'de>>(json: D) -> Result<SensorKind, D::Error> {
    String::deserialize(json)?.parse().map_err(D::Error::custom)
}

/// Reads the catalog, cut to the scope: plants and lines by key, empty is all.
///
/// A scope with lines hides what belongs to a whole plant, whose meters also count other lines.
///
/// # Errors
/// [`DbError`], whose text says what to do.
pub async fn load(db: &Db, plants: &[String], lines: &[String]) -> Result<Catalog, DbError> {
    let params: [&(dyn ToSql + Sync); 2] = [&plants, &(MOST_NAMED + 1)];
    let rows = db.query(CATALOG, params.to_vec()).await?;
    let row = rows.first().ok_or_else(|| DbError::Unexpected("no catalog".to_owned()))?;
    let mut catalog = Catalog {
        lines_only: !lines.is_empty(),
        raw_from: column::<Option<DateTime<Utc>>>(row, 8)?,
        newest_lots: list(row, 7)?,
        references: named(list(row, 5)?),
        operators: named(list(row, 6)?),
        ..Catalog::default()
    };
    for (id, key, name, zone) in list::<(i32, String, String, String)>(row, 0)? {
        let zone = zone
            .parse()
            .map_err(|_| DbError::Unexpected(format!("time zone {zone:?} of plant {key}")))?;
        let calendar = Calendar { zone, shifts: Vec::new() };
        catalog.plants.push(Plant { id, key, name, calendar });
    }
    for (plant, key, name, starts_at) in list::<(i32, String, String, NaiveTime)>(row, 1)? {
        if let Some(plant) = catalog.plants.iter_mut().find(|p| p.id == plant) {
            plant.calendar.shifts.push(ShiftStart { key, name, starts_at });
        }
    }
    for line in list::<Spot>(row, 2)? {
        let in_scope = lines.is_empty() || lines.contains(&line.key);
        if in_scope && catalog.plant(line.plant).is_some() {
            catalog.lines.push(line);
        }
    }
    for machine in list::<Spot>(row, 3)? {
        if catalog.line(machine.line).is_some() {
            catalog.machines.push(machine);
        }
    }
    for sensor in list::<Sensor>(row, 4)? {
        let visible = match sensor.line {
            Some(line) => catalog.line(line).is_some(),
            None => !catalog.lines_only && catalog.plant(sensor.plant).is_some(),
        };
        if visible {
            catalog.sensors.push(sensor);
        }
    }
    Ok(catalog)
}

/// The rows of a table; none where the database has none.
fn list<T: DeserializeOwned>(row: &tokio_postgres::Row, index: usize) -> Result<Vec<T>, DbError> {
    let Some(json) = column::<Option<&str>>(row, index)? else { return Ok(Vec::new()) };
    serde_json::from_str(json).map_err(|e| DbError::Unexpected(format!("catalog: {e}")))
}

/// A list, if it is short enough.
fn named(rows: Vec<Named>) -> Option<Vec<Named>> {
    Some(rows).filter(|rows| rows.len() <= MOST_NAMED as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_without_end_are_read() {
        let row =
            r#"[7, 1, null, null, "s", "S", "power", "kW", "gauge", 60, "Infinity", null, 3]"#;
        let sensor: Sensor = serde_json::from_str(row).unwrap();
        assert_eq!((sensor.id, sensor.interval_s, sensor.parent), (7, 60.0, Some(3)));
        assert!(sensor.max_gap_s.is_infinite());
        let wrong = r#"[7, 1, null, null, "s", "S", "power", "kW", "gauge", 60, "many", null, 3]"#;
        assert!(serde_json::from_str::<Sensor>(wrong).is_err());
    }
}
