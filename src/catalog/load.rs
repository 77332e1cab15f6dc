//! Reads the catalog. A few small tables; the readings are not touched.

use chrono::NaiveTime;
use tokio_postgres::types::ToSql;

use super::{Catalog, Named, Plant, Sensor, Spot};
use crate::db::{Db, DbError, column};
use crate::domain::{Calendar, ShiftStart};

const PLANTS: &str = "SELECT id, key, name, time_zone FROM lotwise.plant ORDER BY key";
const LINES: &str = "SELECT id, plant_id, id, key, name FROM lotwise.line ORDER BY key, plant_id";
const MACHINES: &str =
    "SELECT id, plant_id, line_id, key, name FROM lotwise.machine ORDER BY key, plant_id";
const SENSORS: &str = "SELECT id, plant_id, line_id, machine_id, key, name, quantity, unit, kind, \
     interval_s, max_gap_s, rollover, parent_sensor_id FROM lotwise.sensor ORDER BY key, plant_id";
const SHIFTS: &str =
    "SELECT plant_id, key, name, starts_at FROM lotwise.shift ORDER BY plant_id, starts_at";

const NEWEST_LOTS: &str = "SELECT key FROM lotwise.lot ORDER BY id DESC LIMIT 400";

/// References, and operators, up to so many are kept: some hundred kilobytes.
const MOST_NAMED: i64 = 2_000;
const REFERENCES: &str = "SELECT x.plant_id, x.key, x.name FROM lotwise.reference x \
     JOIN lotwise.plant p ON p.id = x.plant_id WHERE x.plant_id = ANY($1::int4[]) \
     ORDER BY x.key, p.key LIMIT $2";
const OPERATORS: &str = "SELECT x.plant_id, x.key, x.name FROM lotwise.operator x \
     JOIN lotwise.plant p ON p.id = x.plant_id WHERE x.plant_id = ANY($1::int4[]) \
     ORDER BY x.key, p.key LIMIT $2";

/// A database that was not migrated yet has no such column, and all its readings.
const RAW_FROM: &str =
    "SELECT (to_jsonb(m) ->> 'raw_from')::timestamptz FROM lotwise.rollup_state m";

/// Reads the catalog, cut to the scope: plants and lines by key, empty is all.
///
/// A scope with lines hides what belongs to a whole plant, whose meters also count other lines.
///
/// # Errors
/// [`DbError`], whose text says what to do.
pub async fn load(db: &Db, plants: &[String], lines: &[String]) -> Result<Catalog, DbError> {
    let in_scope = |scope: &[String], key: &str| scope.is_empty() || scope.iter().any(|s| s == key);
    let mut catalog = Catalog { lines_only: !lines.is_empty(), ..Catalog::default() };
    for row in db.fetch(RAW_FROM).await? {
        catalog.raw_from = column(&row, 0)?;
    }
    for row in db.fetch(NEWEST_LOTS).await? {
        catalog.newest_lots.push(column(&row, 0)?);
    }
    for row in db.fetch(PLANTS).await? {
        let key: String = column(&row, 1)?;
        let zone: String = column(&row, 3)?;
        if in_scope(plants, &key) {
            let zone = zone
                .parse()
                .map_err(|_| DbError::Unexpected(format!("time zone {zone:?} of plant {key}")))?;
            catalog.plants.push(Plant {
                id: column(&row, 0)?,
                key,
                name: column(&row, 2)?,
                calendar: Calendar { zone, shifts: Vec::new() },
            });
        }
    }
    catalog.references = named(db, REFERENCES, &catalog).await?;
    catalog.operators = named(db, OPERATORS, &catalog).await?;
    for row in db.fetch(SHIFTS).await? {
        let plant: i32 = column(&row, 0)?;
        let shift = ShiftStart {
            key: column(&row, 1)?,
            name: column(&row, 2)?,
            starts_at: column::<NaiveTime>(&row, 3)?,
        };
        if let Some(plant) = catalog.plants.iter_mut().find(|p| p.id == plant) {
            plant.calendar.shifts.push(shift);
        }
    }
    for row in db.fetch(LINES).await? {
        let line = spot(&row)?;
        if catalog.plant(line.plant).is_some() && in_scope(lines, &line.key) {
            catalog.lines.push(line);
        }
    }
    for row in db.fetch(MACHINES).await? {
        let machine = spot(&row)?;
        if catalog.line(machine.line).is_some() {
            catalog.machines.push(machine);
        }
    }
    for row in db.fetch(SENSORS).await? {
        let sensor = sensor(&row)?;
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

/// The rows of a list, if they are few enough.
async fn named(db: &Db, sql: &str, catalog: &Catalog) -> Result<Option<Vec<Named>>, DbError> {
    let plants: Vec<i32> = catalog.plants.iter().map(|p| p.id).collect();
    let params: [&(dyn ToSql + Sync); 2] = [&plants, &(MOST_NAMED + 1)];
    let rows = db.query(sql, params.to_vec()).await?;
    if rows.len() > MOST_NAMED as usize {
        return Ok(None);
    }
    let read = |row: &tokio_postgres::Row| {
        Ok(Named { plant: column(row, 0)?, key: column(row, 1)?, name: column(row, 2)? })
    };
    rows.iter().map(read).collect::<Result<_, _>>().map(Some)
}

fn spot(row: &tokio_postgres::Row) -> Result<Spot, DbError> {
    Ok(Spot {
        id: column(row, 0)?,
        plant: column(row, 1)?,
        line: column(row, 2)?,
        key: column(row, 3)?,
        name: column(row, 4)?,
    })
}

fn sensor(row: &tokio_postgres::Row) -> Result<Sensor, DbError> {
    let kind: String = column(row, 8)?;
    Ok(Sensor {
        id: column(row, 0)?,
        plant: column(row, 1)?,
        line: column(row, 2)?,
        machine: column(row, 3)?,
        key: column(row, 4)?,
        name: column(row, 5)?,
        quantity: column(row, 6)?,
        unit: column(row, 7)?,
        kind: kind.parse().map_err(|e| DbError::Unexpected(format!("{e}")))?,
        interval_s: column(row, 9)?,
        max_gap_s: column(row, 10)?,
        rollover: column(row, 11)?,
        parent: column(row, 12)?,
    })
}
