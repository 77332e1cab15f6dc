//! Many states in three statements.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use sqlx::postgres::PgConnection;

use super::{Set, State};

const MACHINES: &str = "SELECT p.id, m.line_id, m.id
    FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS i (plant, machine, nr)
    JOIN lotwise.plant p ON p.key = i.plant
    JOIN lotwise.machine m ON m.plant_id = p.id AND m.key = i.machine
    ORDER BY i.nr";

const STORED: &str = "SELECT s.machine_id, s.started_at, s.ended_at
    FROM unnest($1::int4[], $2::timestamptz[]) AS i (machine_id, started_at)
    JOIN lotwise.state s ON s.machine_id = i.machine_id AND s.started_at = i.started_at
    ORDER BY 1, 2 FOR UPDATE OF s";

const UPSERT: &str = "INSERT INTO lotwise.state (plant_id, line_id, machine_id, state, started_at, ended_at)
    SELECT plant_id, line_id, machine_id, state, started_at, ended_at
    FROM unnest($1::int4[], $2::int4[], $3::int4[], $4::text[], $5::timestamptz[], $6::timestamptz[])
        WITH ORDINALITY AS i (plant_id, line_id, machine_id, state, started_at, ended_at, nr)
    ORDER BY nr
    ON CONFLICT (machine_id, started_at) DO UPDATE SET state = excluded.state, ended_at = excluded.ended_at";

/// Stores them. The table refuses overlaps and ends before starts.
pub async fn upsert(conn: &mut PgConnection, items: &[&State]) -> sqlx::Result<Set> {
    let plants: Vec<&str> = items.iter().map(|i| i.plant.as_str()).collect();
    let machines: Vec<&str> = items.iter().map(|i| i.machine.as_str()).collect();
    let found: Vec<(i32, i32, i32)> =
        sqlx::query_as(MACHINES).bind(&plants).bind(&machines).fetch_all(&mut *conn).await?;
    if found.len() != items.len() {
        return Ok(Set::Declined);
    }
    let machines: Vec<i32> = found.iter().map(|f| f.2).collect();
    let starts: Vec<DateTime<Utc>> = items.iter().map(|i| i.started_at.to_utc()).collect();
    let stored: Vec<(i32, DateTime<Utc>, Option<DateTime<Utc>>)> =
        sqlx::query_as(STORED).bind(&machines).bind(&starts).fetch_all(&mut *conn).await?;
    let stored: HashMap<(i32, DateTime<Utc>), Option<DateTime<Utc>>> =
        stored.into_iter().map(|(machine, start, end)| ((machine, start), end)).collect();
    let end = |index: usize| {
        let stored = stored.get(&(machines[index], starts[index])).copied().flatten();
        items[index].end(stored)
    };
    let ends: Vec<Option<DateTime<Utc>>> = (0..items.len()).map(end).collect();
    let done = sqlx::query(UPSERT)
        .bind(found.iter().map(|f| f.0).collect::<Vec<_>>())
        .bind(found.iter().map(|f| f.1).collect::<Vec<_>>())
        .bind(&machines)
        .bind(items.iter().map(|i| i.state.as_str()).collect::<Vec<_>>())
        .bind(&starts)
        .bind(ends)
        .execute(conn)
        .await?;
    Ok(Set::of(done.rows_affected(), items.len()))
}
