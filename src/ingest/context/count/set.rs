//! Many counts in four statements.

use chrono::{DateTime, Utc};
use sqlx::postgres::PgConnection;

use super::{Count, Made, Set};

const PLACES: &str = "SELECT p.id, coalesce(m.line_id, l.id), m.id
    FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS i (plant, line, machine, nr)
    JOIN lotwise.plant p ON p.key = i.plant
    LEFT JOIN lotwise.line l ON l.plant_id = p.id AND l.key = i.line
    LEFT JOIN lotwise.machine m ON m.plant_id = p.id AND m.key = i.machine AND m.line_id = coalesce(l.id, m.line_id)
    WHERE (i.line IS NULL OR l.id IS NOT NULL) AND (i.machine IS NULL OR m.id IS NOT NULL)
        AND (l.id IS NOT NULL OR m.id IS NOT NULL)
    ORDER BY i.nr";

/// Whether one of the places has counts of the other form.
const OTHER_FORM: &str = "SELECT EXISTS (
    SELECT FROM (SELECT DISTINCT * FROM unnest($1::int4[], $2::int4[]) AS x (line_id, machine_id)) i
    JOIN lotwise.production_count c ON c.line_id = i.line_id AND coalesce(c.machine_id, 0) = coalesce(i.machine_id, 0)
    WHERE (c.started_at IS NULL) <> $3)";

/// What a later statement keeps must not change in between.
const LOCK: &str = "SELECT 1 FROM (
        SELECT DISTINCT * FROM unnest($1::int4[], $2::int4[], $3::timestamptz[]) AS x (line_id, machine_id, key)) i
    JOIN lotwise.production_count c ON c.line_id = i.line_id AND coalesce(c.machine_id, 0) = coalesce(i.machine_id, 0)
        AND coalesce(c.started_at, c.ended_at) = i.key
    ORDER BY c.id FOR UPDATE OF c";

macro_rules! upsert {
    ($time:literal, $form:literal) => {
        concat!(
            "INSERT INTO lotwise.production_count (plant_id, line_id, machine_id, started_at, ended_at, good_units,
                scrap_units)
             SELECT i.plant_id, i.line_id, i.machine_id, i.started_at, i.ended_at, i.good,
                coalesce(i.scrap, c.scrap_units, 0)
             FROM unnest($1::int4[], $2::int4[], $3::int4[], $4::timestamptz[], $5::timestamptz[], $6::float8[],
                $7::float8[]) WITH ORDINALITY
                AS i (plant_id, line_id, machine_id, started_at, ended_at, good, scrap, nr)
             LEFT JOIN lotwise.production_count c ON i.scrap IS NULL AND c.line_id = i.line_id
                AND coalesce(c.machine_id, 0) = coalesce(i.machine_id, 0) AND c.",
            $time, " = i.", $time, " AND c.", $form,
            " ORDER BY i.nr
             ON CONFLICT (line_id, coalesce(machine_id, 0), ", $time, ") WHERE ", $form,
            " DO UPDATE SET ended_at = excluded.ended_at, good_units = excluded.good_units,
                scrap_units = excluded.scrap_units"
        )
    };
}

const UPSERT_AMOUNTS: &str = upsert!("started_at", "started_at IS NOT NULL");
const UPSERT_TOTALS: &str = upsert!("ended_at", "started_at IS NULL");

/// Stores them, when all are of one form. The table refuses overlaps.
pub async fn upsert(conn: &mut PgConnection, items: &[&Count]) -> sqlx::Result<Set> {
    let Ok(made) = items.iter().map(|i| i.made()).collect::<Result<Vec<Made>, _>>() else {
        return Ok(Set::Declined);
    };
    let totals = made.iter().filter(|m| m.start.is_none()).count();
    let upsert = match totals {
        0 => UPSERT_AMOUNTS,
        all if all == items.len() => UPSERT_TOTALS,
        _ => return Ok(Set::Declined),
    };
    let found: Vec<(i32, i32, Option<i32>)> = sqlx::query_as(PLACES)
        .bind(items.iter().map(|i| i.plant.as_str()).collect::<Vec<_>>())
        .bind(items.iter().map(|i| i.line.as_ref().map(|k| k.as_str())).collect::<Vec<_>>())
        .bind(items.iter().map(|i| i.machine.as_ref().map(|k| k.as_str())).collect::<Vec<_>>())
        .fetch_all(&mut *conn)
        .await?;
    if found.len() != items.len() {
        return Ok(Set::Declined);
    }
    let lines: Vec<i32> = found.iter().map(|f| f.1).collect();
    let machines: Vec<Option<i32>> = found.iter().map(|f| f.2).collect();
    let other_form: bool = sqlx::query_scalar(OTHER_FORM)
        .bind(&lines)
        .bind(&machines)
        .bind(totals > 0)
        .fetch_one(&mut *conn)
        .await?;
    if other_form {
        return Ok(Set::Declined);
    }
    if made.iter().any(|m| m.scrap.is_none()) {
        let keys: Vec<DateTime<Utc>> = made.iter().map(|m| m.start.unwrap_or(m.end)).collect();
        sqlx::query(LOCK).bind(&lines).bind(&machines).bind(keys).execute(&mut *conn).await?;
    }
    let done = sqlx::query(upsert)
        .bind(found.iter().map(|f| f.0).collect::<Vec<_>>())
        .bind(&lines)
        .bind(&machines)
        .bind(made.iter().map(|m| m.start).collect::<Vec<_>>())
        .bind(made.iter().map(|m| m.end).collect::<Vec<_>>())
        .bind(made.iter().map(|m| m.good).collect::<Vec<_>>())
        .bind(made.iter().map(|m| m.scrap).collect::<Vec<_>>())
        .execute(conn)
        .await?;
    Ok(Set::of(done.rows_affected(), items.len()))
}
