//! Many runs in a few statements.

use std::collections::{BTreeMap, HashMap};

use sqlx::postgres::PgConnection;

use super::store::{self, Stored};
use super::{Run, Set};
use crate::domain::Key;
use crate::ingest::context::{Update, lookup, lot};
use crate::ingest::reading::Instant;

/// What the items name; a line without a row names something that does not exist.
const NAMED: &str =
    "SELECT p.id AS plant_id, l.id AS line_id, m.id AS machine_id, lot.id AS lot_id,
        r.key AS reference, o.id AS operator_id
    FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]) WITH ORDINALITY
        AS i (plant, line, machine, lot, operator, nr)
    JOIN lotwise.plant p ON p.key = i.plant
    JOIN lotwise.line l ON l.plant_id = p.id AND l.key = i.line
    LEFT JOIN lotwise.machine m ON m.plant_id = p.id AND m.line_id = l.id AND m.key = i.machine
    LEFT JOIN lotwise.lot ON lot.plant_id = p.id AND lot.key = i.lot
    LEFT JOIN lotwise.reference r ON r.id = lot.reference_id
    LEFT JOIN lotwise.operator o ON o.plant_id = p.id AND o.key = i.operator
    WHERE i.machine IS NULL OR m.id IS NOT NULL
    ORDER BY i.nr";

const STORED: &str =
    "SELECT r.plant_id, r.key, r.line_id, r.machine_id, r.lot_id, r.operator_id, r.started_at,
        r.ended_at, r.good_units, r.scrap_units
    FROM unnest($1::int4[], $2::text[]) AS i (plant_id, key)
    JOIN lotwise.run r ON r.plant_id = i.plant_id AND r.key = i.key
    ORDER BY r.id FOR UPDATE OF r";

const UPSERT: &str = "INSERT INTO lotwise.run (plant_id, key, line_id, machine_id, lot_id, operator_id, started_at,
        ended_at, good_units, scrap_units)
    SELECT plant_id, key, line_id, machine_id, lot_id, operator_id, started_at, ended_at, good_units, scrap_units
    FROM unnest($1::int4[], $2::text[], $3::int4[], $4::int4[], $5::int4[], $6::int4[], $7::timestamptz[],
        $8::timestamptz[], $9::float8[], $10::float8[]) WITH ORDINALITY
        AS i (plant_id, key, line_id, machine_id, lot_id, operator_id, started_at, ended_at, good_units,
            scrap_units, nr)
    ORDER BY nr
    ON CONFLICT (plant_id, key) DO UPDATE SET line_id = excluded.line_id, machine_id = excluded.machine_id,
        lot_id = excluded.lot_id, operator_id = excluded.operator_id, started_at = excluded.started_at,
        ended_at = excluded.ended_at, good_units = excluded.good_units, scrap_units = excluded.scrap_units";

/// Ids of what an item names; `None`: it is new or not named.
#[derive(sqlx::FromRow)]
struct Ids {
    plant_id: i32,
    line_id: i32,
    machine_id: Option<i32>,
    lot_id: Option<i32>,
    reference: Option<String>,
    operator_id: Option<i32>,
}

/// A stored run with its natural key.
#[derive(sqlx::FromRow)]
struct Keyed {
    plant_id: i32,
    key: String,
    #[sqlx(flatten)]
    run: Stored,
}

/// Stores them. The table refuses overlaps and ends before starts.
pub async fn upsert(conn: &mut PgConnection, items: &[&Run]) -> sqlx::Result<Set> {
    let mut ids = named(conn, items).await?;
    if ids.len() != items.len() {
        return Ok(Set::Declined);
    }
    match create_missing(conn, items, &ids).await? {
        Missing::Nothing => {}
        Missing::Created => ids = named(conn, items).await?,
        Missing::Reference => return Ok(Set::Declined),
    }
    let stored = stored(conn, items, &ids).await?;
    let old = |ids: &Ids, item: &Run| stored.get(&(ids.plant_id, item.key.as_str().to_owned()));
    let new: Option<Vec<Stored>> =
        items.iter().zip(&ids).map(|(item, ids)| resolve(item, ids, old(ids, item))).collect();
    let Some(new) = new else { return Ok(Set::Declined) };
    let done = sqlx::query(UPSERT)
        .bind(ids.iter().map(|i| i.plant_id).collect::<Vec<_>>())
        .bind(items.iter().map(|i| i.key.as_str()).collect::<Vec<_>>())
        .bind(new.iter().map(|r| r.line_id).collect::<Vec<_>>())
        .bind(new.iter().map(|r| r.machine_id).collect::<Vec<_>>())
        .bind(new.iter().map(|r| r.lot_id).collect::<Vec<_>>())
        .bind(new.iter().map(|r| r.operator_id).collect::<Vec<_>>())
        .bind(new.iter().map(|r| r.started_at).collect::<Vec<_>>())
        .bind(new.iter().map(|r| r.ended_at).collect::<Vec<_>>())
        .bind(new.iter().map(|r| r.good_units).collect::<Vec<_>>())
        .bind(new.iter().map(|r| r.scrap_units).collect::<Vec<_>>())
        .execute(conn)
        .await?;
    Ok(Set::of(done.rows_affected(), items.len()))
}

async fn named(conn: &mut PgConnection, items: &[&Run]) -> sqlx::Result<Vec<Ids>> {
    sqlx::query_as(NAMED)
        .bind(items.iter().map(|i| i.plant.as_str()).collect::<Vec<_>>())
        .bind(items.iter().map(|i| i.line.as_str()).collect::<Vec<_>>())
        .bind(items.iter().map(|i| set(&i.machine)).collect::<Vec<_>>())
        .bind(items.iter().map(|i| i.lot.as_str()).collect::<Vec<_>>())
        .bind(items.iter().map(|i| set(&i.operator)).collect::<Vec<_>>())
        .fetch_all(conn)
        .await
}

fn set(key: &Update<Key>) -> Option<&str> {
    match key {
        Update::Set(key) => Some(key.as_str()),
        Update::Keep | Update::Clear => None,
    }
}

/// What became of lots and operators that the items name.
enum Missing {
    Nothing,
    Created,
    /// A new lot comes without its reference.
    Reference,
}

/// Creates lots, their references, and operators that are new. The first run of a new lot has to
/// name its reference.
async fn create_missing(
    conn: &mut PgConnection,
    items: &[&Run],
    ids: &[Ids],
) -> sqlx::Result<Missing> {
    let mut lots: BTreeMap<(&str, &str), &str> = BTreeMap::new();
    let mut operators: (Vec<&str>, Vec<&str>) = Default::default();
    for (item, ids) in items.iter().zip(ids) {
        let plant = item.plant.as_str();
        if ids.lot_id.is_none() && !lots.contains_key(&(plant, item.lot.as_str())) {
            let Some(reference) = &item.reference else { return Ok(Missing::Reference) };
            lots.insert((plant, item.lot.as_str()), reference.as_str());
        }
        if let (None, Some(operator)) = (ids.operator_id, set(&item.operator)) {
            operators.0.push(plant);
            operators.1.push(operator);
        }
    }
    if lots.is_empty() && operators.0.is_empty() {
        return Ok(Missing::Nothing);
    }
    lot::create(conn, &lots).await?;
    lookup::create_operators(conn, &operators.0, &operators.1).await?;
    Ok(Missing::Created)
}

async fn stored(
    conn: &mut PgConnection,
    items: &[&Run],
    ids: &[Ids],
) -> sqlx::Result<HashMap<(i32, String), Stored>> {
    let rows: Vec<Keyed> = sqlx::query_as(STORED)
        .bind(ids.iter().map(|i| i.plant_id).collect::<Vec<_>>())
        .bind(items.iter().map(|i| i.key.as_str()).collect::<Vec<_>>())
        .fetch_all(conn)
        .await?;
    Ok(rows.into_iter().map(|row| ((row.plant_id, row.key), row.run)).collect())
}

/// The run that the item makes of the stored one; `None` where the item may have to be refused.
fn resolve(item: &Run, ids: &Ids, old: Option<&Stored>) -> Option<Stored> {
    let reference = item.reference.as_ref();
    if reference.is_some_and(|named| ids.reference.as_deref() != Some(named.as_str())) {
        return None;
    }
    let machine_id = match (&item.machine, old) {
        (Update::Set(_), _) => Some(ids.machine_id?),
        (Update::Keep, Some(old)) if old.machine_id.is_some() && old.line_id != ids.line_id => {
            return None;
        }
        (Update::Keep, Some(old)) => old.machine_id,
        (Update::Keep, None) | (Update::Clear, _) => None,
    };
    let operator_id = match &item.operator {
        Update::Set(_) => Some(ids.operator_id?),
        Update::Keep => old.and_then(|o| o.operator_id),
        Update::Clear => None,
    };
    let good = store::units("good_units", item.good_units, old.and_then(|o| o.good_units));
    let scrap = store::units("scrap_units", item.scrap_units, old.and_then(|o| o.scrap_units));
    Some(Stored {
        line_id: ids.line_id,
        machine_id,
        lot_id: ids.lot_id?,
        operator_id,
        started_at: item.started_at.to_utc(),
        ended_at: item.ended_at.map(Instant::to_utc).apply(old.and_then(|o| o.ended_at)),
        good_units: good.ok()?,
        scrap_units: scrap.ok()?,
    })
}
