//! Production counts of lines and machines.

mod set;

use std::ops::Range;

use chrono::{DateTime, Utc};
use serde::Deserialize;
use sqlx::postgres::PgConnection;
use utoipa::ToSchema;

use super::field::at_least_zero;
use super::run::{check_order, interval};
use super::{ItemError, Resource, Set, lookup};
use crate::domain::Key;
use crate::ingest::reading::Instant;

/// Units made on a line or machine. Either of an interval (`started_at`, `ended_at`, `good_units`,
/// `scrap_units`; its start is the key), or as a counter shows them (`time`, `good_total`,
/// `scrap_total`; the time is the key): a total that falls starts again from 0. One place has counts
/// of one form. Which run they belong to follows from the time.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Count {
    /// Its plant.
    #[schema(value_type = String, example = "madrid")]
    plant: Key,
    /// Its line; may be left out with a machine.
    #[schema(value_type = Option<String>, example = "M1")]
    line: Option<Key>,
    /// Its machine, when it is not of the whole line.
    #[schema(value_type = Option<String>)]
    machine: Option<Key>,
    /// Start: RFC 3339 with offset, or milliseconds since 1970.
    #[schema(value_type = Option<String>, example = "2026-03-01T06:00:00Z")]
    started_at: Option<Instant>,
    /// End.
    #[schema(value_type = Option<String>, example = "2026-03-01T06:15:00Z")]
    ended_at: Option<Instant>,
    /// Good units made in the interval.
    #[schema(example = 52.0)]
    good_units: Option<f64>,
    /// Units scrapped in the interval; 0 at first.
    #[schema(example = 1.0)]
    scrap_units: Option<f64>,
    /// When the counter was read.
    #[schema(value_type = Option<String>)]
    time: Option<Instant>,
    /// Good units that the counter shows.
    good_total: Option<f64>,
    /// Scrapped units that the counter shows; 0 at first.
    scrap_total: Option<f64>,
}

/// A line or machine, by id.
#[derive(Debug, Clone, Copy)]
struct Place {
    plant_id: i32,
    line_id: i32,
    machine_id: Option<i32>,
}

/// What a count says, as the table has it.
#[derive(Debug, Clone, Copy)]
struct Made {
    /// None: a counter, read at the end.
    start: Option<DateTime<Utc>>,
    end: DateTime<Utc>,
    good: f64,
    /// None: what is stored, else 0.
    scrap: Option<f64>,
}

impl Resource for Count {
    const NAME: &'static str = "counts";
    const LIST: &'static str = "SELECT json_strip_nulls(row_to_json(x))::text FROM (
        SELECT p.key AS plant, l.key AS line, m.key AS machine, c.started_at,
            CASE WHEN c.started_at IS NOT NULL THEN c.ended_at END AS ended_at,
            CASE WHEN c.started_at IS NOT NULL THEN c.good_units END AS good_units,
            CASE WHEN c.started_at IS NOT NULL THEN c.scrap_units END AS scrap_units,
            CASE WHEN c.started_at IS NULL THEN c.ended_at END AS time,
            CASE WHEN c.started_at IS NULL THEN c.good_units END AS good_total,
            CASE WHEN c.started_at IS NULL THEN c.scrap_units END AS scrap_total
        FROM lotwise.production_count c JOIN lotwise.plant p ON p.id = c.plant_id
        JOIN lotwise.line l ON l.id = c.line_id LEFT JOIN lotwise.machine m ON m.id = c.machine_id
        WHERE $1::text[] IS NULL OR p.key = ANY($1) ORDER BY c.ended_at DESC, 1, 2, 3 LIMIT $2) x";

    fn plant(&self) -> &Key {
        &self.plant
    }

    async fn upsert(&self, conn: &mut PgConnection) -> Result<(), ItemError> {
        let made = self.made()?;
        let line = self.line.as_ref();
        let place = place(conn, &self.plant, line, self.machine.as_ref()).await?;
        self.refuse_other_form(conn, place).await?;
        if let Some(start) = made.start {
            self.refuse_overlap(conn, place, start, made.end).await?;
        }
        sqlx::query(match made.start {
            Some(_) => {
                "INSERT INTO lotwise.production_count AS c (plant_id, line_id, machine_id, started_at, ended_at,
                    good_units, scrap_units)
                 VALUES ($1, $2, $3, $4, $5, $6, coalesce($7, 0))
                 ON CONFLICT (line_id, coalesce(machine_id, 0), started_at) WHERE started_at IS NOT NULL
                 DO UPDATE SET ended_at = excluded.ended_at, good_units = excluded.good_units,
                    scrap_units = coalesce($7, c.scrap_units)"
            }
            None => {
                "INSERT INTO lotwise.production_count AS c (plant_id, line_id, machine_id, started_at, ended_at,
                    good_units, scrap_units)
                 VALUES ($1, $2, $3, $4, $5, $6, coalesce($7, 0))
                 ON CONFLICT (line_id, coalesce(machine_id, 0), ended_at) WHERE started_at IS NULL
                 DO UPDATE SET good_units = excluded.good_units, scrap_units = coalesce($7, c.scrap_units)"
            }
        })
        .bind(place.plant_id)
        .bind(place.line_id)
        .bind(place.machine_id)
        .bind(made.start)
        .bind(made.end)
        .bind(made.good)
        .bind(made.scrap)
        .execute(conn)
        .await?;
        Ok(())
    }

    async fn upsert_set(conn: &mut PgConnection, items: &[&Self]) -> sqlx::Result<Set> {
        set::upsert(conn, items).await
    }
}

impl Count {
    /// The one of the two forms that the item has.
    fn made(&self) -> Result<Made, ItemError> {
        let units = |field: &'static str, value: Option<f64>| {
            value.map(|v| at_least_zero(field, v)).transpose()
        };
        let interval = self.started_at.is_some()
            || self.ended_at.is_some()
            || self.good_units.is_some()
            || self.scrap_units.is_some();
        let total = self.time.is_some() || self.good_total.is_some() || self.scrap_total.is_some();
        match (self.started_at, self.ended_at, self.good_units, self.time, self.good_total) {
            (Some(start), Some(end), Some(good), ..) if !total => {
                check_order(start.to_utc(), Some(end.to_utc()))?;
                Ok(Made {
                    start: Some(start.to_utc()),
                    end: end.to_utc(),
                    good: at_least_zero("good_units", good)?,
                    scrap: units("scrap_units", self.scrap_units)?,
                })
            }
            (.., Some(time), Some(good)) if !interval => Ok(Made {
                start: None,
                end: time.to_utc(),
                good: at_least_zero("good_total", good)?,
                scrap: units("scrap_total", self.scrap_total)?,
            }),
            _ => Err(ItemError::Invalid(
                "a count has either started_at, ended_at and good_units, or time and good_total"
                    .to_owned(),
            )),
        }
    }

    fn place_words(&self) -> String {
        match (&self.machine, &self.line) {
            (Some(machine), _) => format!("machine \"{machine}\""),
            (None, Some(line)) => format!("line \"{line}\""),
            (None, None) => String::new(),
        }
    }

    /// Amounts and totals of one place would count units twice.
    async fn refuse_other_form(
        &self,
        conn: &mut PgConnection,
        place: Place,
    ) -> Result<(), ItemError> {
        let other: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM lotwise.production_count WHERE line_id = $1
                AND coalesce(machine_id, 0) = coalesce($2, 0) AND (started_at IS NULL) <> $3)",
        )
        .bind(place.line_id)
        .bind(place.machine_id)
        .bind(self.time.is_some())
        .fetch_one(conn)
        .await?;
        if !other {
            return Ok(());
        }
        let (stored, sent) = match self.time {
            Some(_) => ("amounts of intervals", "totals"),
            None => ("totals of a counter", "amounts"),
        };
        Err(ItemError::Conflict(format!(
            "{} has {stored}, and {sent} would count units twice: keep to one form, or delete the others with DELETE /v1/counts",
            self.place_words()
        )))
    }

    /// The table has the same rule; asking first gives the other interval.
    async fn refuse_overlap(
        &self,
        conn: &mut PgConnection,
        place: Place,
        start: DateTime<Utc>,
        end: DateTime<Utc>,
    ) -> Result<(), ItemError> {
        let other: Option<(DateTime<Utc>, DateTime<Utc>)> = sqlx::query_as(
            "SELECT started_at, ended_at FROM lotwise.production_count
             WHERE line_id = $1 AND coalesce(machine_id, 0) = coalesce($2, 0) AND started_at IS NOT NULL
                AND tstzrange(started_at, ended_at) && tstzrange($3, $4) AND started_at <> $3
             ORDER BY started_at LIMIT 1",
        )
        .bind(place.line_id)
        .bind(place.machine_id)
        .bind(start)
        .bind(end)
        .fetch_optional(conn)
        .await?;
        match other {
            None => Ok(()),
            Some((other_start, other_end)) => Err(ItemError::Overlap(format!(
                "the count of {} overlaps the count of {} on {}: correct or delete one of them",
                interval(start, Some(end)),
                interval(other_start, Some(other_end)),
                self.place_words()
            ))),
        }
    }
}

/// The place of a count.
async fn place(
    conn: &mut PgConnection,
    plant: &Key,
    line: Option<&Key>,
    machine: Option<&Key>,
) -> Result<Place, ItemError> {
    let plant_id = lookup::plant(conn, plant).await?;
    let on = match line {
        Some(key) => Some(lookup::line(conn, plant_id, plant, key).await?),
        None => None,
    };
    match (machine, on) {
        (Some(key), line_id) => {
            let machine = lookup::machine_on(conn, plant_id, plant, key, line_id).await?;
            Ok(Place { plant_id, line_id: machine.line_id, machine_id: Some(machine.id) })
        }
        (None, Some(line_id)) => Ok(Place { plant_id, line_id, machine_id: None }),
        (None, None) => Err(ItemError::Invalid("a count needs a line or a machine".to_owned())),
    }
}

/// Deletes the counts of a line or machine that start (totals: were read) in the interval;
/// returns how many.
///
/// # Errors
/// [`ItemError`]: something named does not exist.
pub async fn delete(
    conn: &mut PgConnection,
    plant: &Key,
    line: Option<&Key>,
    machine: Option<&Key>,
    starts: Range<Instant>,
) -> Result<u64, ItemError> {
    check_order(starts.start.to_utc(), Some(starts.end.to_utc()))?;
    let place = place(conn, plant, line, machine).await?;
    let done = sqlx::query(
        "DELETE FROM lotwise.production_count WHERE line_id = $1 AND coalesce(machine_id, 0) = coalesce($2, 0)
            AND coalesce(started_at, ended_at) >= $3 AND coalesce(started_at, ended_at) < $4",
    )
    .bind(place.line_id)
    .bind(place.machine_id)
    .bind(starts.start.to_utc())
    .bind(starts.end.to_utc())
    .execute(conn)
    .await?;
    Ok(done.rows_affected())
}
