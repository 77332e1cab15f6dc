//! States of machines.

mod set;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use sqlx::postgres::PgConnection;
use utoipa::ToSchema;

use super::run::{check_order, interval};
use super::{ItemError, Resource, Set, Update, lookup};
use crate::domain::Key;
use crate::ingest::reading::Instant;

/// What a machine was doing in an interval. The start is the key: sending it again closes or
/// corrects the state.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Its plant.
    #[schema(value_type = String, example = "madrid")]
    plant: Key,
    /// The machine.
    #[schema(value_type = String, example = "M1-oven")]
    machine: Key,
    /// running, idle, setup, stopped or off.
    state: StateName,
    /// Start: RFC 3339 with offset, or milliseconds since 1970.
    #[schema(value_type = String, example = "2026-03-01T06:00:00Z")]
    started_at: Instant,
    /// End. Left out or null while the state lasts.
    #[serde(default)]
    #[schema(value_type = Option<String>, example = "2026-03-01T06:20:00Z")]
    ended_at: Update<Instant>,
}

/// What machines do.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum StateName {
    Running,
    Idle,
    Setup,
    Stopped,
    Off,
}

impl StateName {
    fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Idle => "idle",
            Self::Setup => "setup",
            Self::Stopped => "stopped",
            Self::Off => "off",
        }
    }
}

impl Resource for State {
    const NAME: &'static str = "states";
    const LIST: &'static str = "SELECT row_to_json(x)::text FROM (
        SELECT p.key AS plant, m.key AS machine, s.state, s.started_at, s.ended_at
        FROM lotwise.state s JOIN lotwise.plant p ON p.id = s.plant_id JOIN lotwise.machine m ON m.id = s.machine_id
        WHERE $1::text[] IS NULL OR p.key = ANY($1) ORDER BY s.started_at DESC, 1, 2 LIMIT $2) x";

    fn plant(&self) -> &Key {
        &self.plant
    }

    async fn upsert(&self, conn: &mut PgConnection) -> Result<(), ItemError> {
        let plant_id = lookup::plant(conn, &self.plant).await?;
        let machine = lookup::machine(conn, plant_id, &self.plant, &self.machine).await?;
        let start = self.started_at.to_utc();
        let stored: Option<Option<DateTime<Utc>>> = sqlx::query_scalar(
            "SELECT ended_at FROM lotwise.state WHERE machine_id = $1 AND started_at = $2 FOR UPDATE",
        )
        .bind(machine.id)
        .bind(start)
        .fetch_optional(&mut *conn)
        .await?;
        let end = self.end(stored.flatten());
        check_order(start, end)?;
        self.refuse_overlap(conn, machine.id, start, end).await?;
        sqlx::query(
            "INSERT INTO lotwise.state (plant_id, line_id, machine_id, state, started_at, ended_at)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (machine_id, started_at) DO UPDATE SET state = excluded.state, ended_at = excluded.ended_at",
        )
        .bind(plant_id)
        .bind(machine.line_id)
        .bind(machine.id)
        .bind(self.state.as_str())
        .bind(start)
        .bind(end)
        .execute(conn)
        .await?;
        Ok(())
    }

    async fn upsert_set(conn: &mut PgConnection, items: &[&Self]) -> sqlx::Result<Set> {
        set::upsert(conn, items).await
    }
}

impl State {
    /// The end, over the stored one.
    fn end(&self, stored: Option<DateTime<Utc>>) -> Option<DateTime<Utc>> {
        self.ended_at.map(Instant::to_utc).apply(stored)
    }

    /// The table has the same rule; asking first gives the other state.
    async fn refuse_overlap(
        &self,
        conn: &mut PgConnection,
        machine_id: i32,
        start: DateTime<Utc>,
        end: Option<DateTime<Utc>>,
    ) -> Result<(), ItemError> {
        let other: Option<(String, DateTime<Utc>, Option<DateTime<Utc>>)> = sqlx::query_as(
            "SELECT state, started_at, ended_at FROM lotwise.state
             WHERE machine_id = $1 AND tstzrange(started_at, ended_at) && tstzrange($2, $3) AND started_at <> $2
             ORDER BY started_at LIMIT 1",
        )
        .bind(machine_id)
        .bind(start)
        .bind(end)
        .fetch_optional(conn)
        .await?;
        match other {
            None => Ok(()),
            Some((state, other_start, other_end)) => Err(ItemError::Overlap(format!(
                "state {} ({}) overlaps state {state} ({}) of machine \"{}\": close or correct one of them",
                self.state.as_str(),
                interval(start, end),
                interval(other_start, other_end),
                self.machine
            ))),
        }
    }
}
