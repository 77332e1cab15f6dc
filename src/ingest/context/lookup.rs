//! Ids of what an item names, or the error that says what is missing.

use sqlx::postgres::PgConnection;

use super::ItemError;
use crate::domain::Key;

type Found<T> = Result<T, ItemError>;

/// A machine and the line that it is on.
pub struct Machine {
    pub id: i32,
    pub line_id: i32,
    pub line_key: String,
}

pub async fn plant(conn: &mut PgConnection, key: &Key) -> Found<i32> {
    sqlx::query_scalar("SELECT id FROM lotwise.plant WHERE key = $1")
        .bind(key.as_str())
        .fetch_optional(conn)
        .await?
        .ok_or_else(|| ItemError::UnknownPlant(key.clone()))
}

pub async fn line(conn: &mut PgConnection, plant_id: i32, plant: &Key, key: &Key) -> Found<i32> {
    sqlx::query_scalar("SELECT id FROM lotwise.line WHERE plant_id = $1 AND key = $2")
        .bind(plant_id)
        .bind(key.as_str())
        .fetch_optional(conn)
        .await?
        .ok_or_else(|| unknown("line", plant, key))
}

pub async fn machine(
    conn: &mut PgConnection,
    plant_id: i32,
    plant: &Key,
    key: &Key,
) -> Found<Machine> {
    let row: Option<(i32, i32, String)> = sqlx::query_as(
        "SELECT m.id, m.line_id, l.key FROM lotwise.machine m JOIN lotwise.line l ON l.id = m.line_id
         WHERE m.plant_id = $1 AND m.key = $2",
    )
    .bind(plant_id)
    .bind(key.as_str())
    .fetch_optional(conn)
    .await?;
    row.map(|(id, line_id, line_key)| Machine { id, line_id, line_key })
        .ok_or_else(|| unknown("machine", plant, key))
}

/// A machine that has to be on the given line, where one is given.
pub async fn machine_on(
    conn: &mut PgConnection,
    plant_id: i32,
    plant: &Key,
    key: &Key,
    line_id: Option<i32>,
) -> Found<Machine> {
    let machine = machine(conn, plant_id, plant, key).await?;
    match line_id {
        Some(line_id) if line_id != machine.line_id => Err(ItemError::Invalid(format!(
            "machine \"{key}\" is on line {:?}: name that line, or move the machine with POST /v1/machines",
            machine.line_key
        ))),
        _ => Ok(machine),
    }
}

pub async fn sensor(conn: &mut PgConnection, plant_id: i32, plant: &Key, key: &Key) -> Found<i32> {
    sqlx::query_scalar("SELECT id FROM lotwise.sensor WHERE plant_id = $1 AND key = $2")
        .bind(plant_id)
        .bind(key.as_str())
        .fetch_optional(conn)
        .await?
        .ok_or_else(|| unknown("sensor", plant, key))
}

pub async fn reference(
    conn: &mut PgConnection,
    plant_id: i32,
    plant: &Key,
    key: &Key,
) -> Found<i32> {
    sqlx::query_scalar("SELECT id FROM lotwise.reference WHERE plant_id = $1 AND key = $2")
        .bind(plant_id)
        .bind(key.as_str())
        .fetch_optional(conn)
        .await?
        .ok_or_else(|| unknown("reference", plant, key))
}

/// Statements that make and find a row of a table that has just key and name.
struct Named {
    insert: &'static str,
    select: &'static str,
    insert_all: &'static str,
}

macro_rules! named {
    ($table:literal) => {
        Named {
            insert: concat!(
                "INSERT INTO lotwise.",
                $table,
                " (plant_id, key, name) VALUES ($1, $2, $2)
                 ON CONFLICT (plant_id, key) DO NOTHING RETURNING id"
            ),
            select: concat!("SELECT id FROM lotwise.", $table, " WHERE plant_id = $1 AND key = $2"),
            // One order of locks for all.
            insert_all: concat!(
                "INSERT INTO lotwise.",
                $table,
                " (plant_id, key, name)
                 SELECT DISTINCT p.id, i.key, i.key FROM unnest($1::text[], $2::text[]) AS i (plant, key)
                 JOIN lotwise.plant p ON p.key = i.plant
                 WHERE NOT EXISTS (SELECT FROM lotwise.",
                $table,
                " x WHERE x.plant_id = p.id AND x.key = i.key)
                 ORDER BY 1, 2
                 ON CONFLICT (plant_id, key) DO NOTHING"
            ),
        }
    };
}

/// The reference's id; created, with its key as name, when it is new.
pub async fn or_create_reference(conn: &mut PgConnection, plant_id: i32, key: &Key) -> Found<i32> {
    or_create(named!("reference"), conn, plant_id, key).await
}

/// The operator's id; created, with its key as name, when it is new.
pub async fn or_create_operator(conn: &mut PgConnection, plant_id: i32, key: &Key) -> Found<i32> {
    or_create(named!("operator"), conn, plant_id, key).await
}

/// Creates the references that are new, with their keys as names; unknown plants are passed over.
pub async fn create_references(
    conn: &mut PgConnection,
    plants: &[&str],
    keys: &[&str],
) -> sqlx::Result<()> {
    create_all(named!("reference").insert_all, conn, plants, keys).await
}

/// Creates the operators that are new, with their keys as names; unknown plants are passed over.
pub async fn create_operators(
    conn: &mut PgConnection,
    plants: &[&str],
    keys: &[&str],
) -> sqlx::Result<()> {
    create_all(named!("operator").insert_all, conn, plants, keys).await
}

async fn create_all(
    insert: &'static str,
    conn: &mut PgConnection,
    plants: &[&str],
    keys: &[&str],
) -> sqlx::Result<()> {
    sqlx::query(insert).bind(plants).bind(keys).execute(conn).await.map(drop)
}

async fn or_create(table: Named, conn: &mut PgConnection, plant_id: i32, key: &Key) -> Found<i32> {
    let made: Option<i32> = sqlx::query_scalar(table.insert)
        .bind(plant_id)
        .bind(key.as_str())
        .fetch_optional(&mut *conn)
        .await?;
    match made {
        Some(id) => Ok(id),
        None => {
            let found = sqlx::query_scalar(table.select).bind(plant_id).bind(key.as_str());
            Ok(found.fetch_one(conn).await?)
        }
    }
}

pub fn unknown(what: &'static str, plant: &Key, key: &Key) -> ItemError {
    ItemError::Unknown { what, key: key.clone(), plant: plant.clone() }
}
