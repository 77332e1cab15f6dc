//! `POST /v1/readings`.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::problem::Problem;
use super::request::Body;
use crate::ingest::auth::Grant;
use crate::ingest::batch::MAX_READINGS;
use crate::ingest::intake::{Source, Total};
use crate::ingest::keys::Scope;
use crate::ingest::payload::{RowError, json};

/// A batch of readings.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"plant": "madrid", "readings": [
    {"sensor": "T1", "time": "2026-03-01T06:00:00Z", "value": 21.5},
    {"sensor": "T1", "time": 1772344860000_i64, "value": 21.7}]}))]
#[allow(dead_code, reason = "documents the body that payload::json reads without copying")]
pub struct ReadingsBody {
    /// Plant of the readings that name none. May be left out with a key for one plant.
    plant: Option<String>,
    /// The readings, in any order. Of several for one sensor and instant the last one stays.
    readings: Vec<ReadingItem>,
}

/// One reading.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "documents the row that payload::json reads without copying")]
pub struct ReadingItem {
    /// Plant, where it is not the batch's.
    plant: Option<String>,
    /// Key of the sensor.
    sensor: String,
    /// RFC 3339 with offset, or whole milliseconds since 1970.
    time: TimeItem,
    /// A finite number.
    value: f64,
}

/// A time, in one of two forms.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "documents a time")]
pub enum TimeItem {
    /// RFC 3339.
    Text(chrono::DateTime<chrono::Utc>),
    /// Milliseconds since 1970.
    Millis(i64),
}

/// How a batch is taken.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
#[derive(Default)]
pub struct Parameters {
    /// `true`: check every row and store none.
    dry_run: bool,
}

/// What became of a batch. What is counted as accepted is committed, or on stable storage in the
/// spool, unless it was a dry run.
#[derive(Debug, Serialize, ToSchema)]
pub struct Outcome {
    /// Rows that are stored now (or were before), or in the spool; of a dry run, rows that would be.
    pub accepted: usize,
    /// How many of the accepted rows are safe on the service's disk, because the database is away;
    /// they are stored when it is back. Left out when there are none.
    #[serde(skip_serializing_if = "is_zero")]
    #[schema(required = false)]
    pub spooled: usize,
    /// Rows that are not.
    pub rejected: usize,
    /// One entry for each rejected row; of a very bad batch the first 1,000.
    pub errors: Vec<ItemProblem>,
}

/// For fields that are left out when there is nothing to count.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
pub(super) fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl From<&Total> for Outcome {
    fn from(total: &Total) -> Self {
        let Total { accepted, spooled, rejected, errors } = total;
        let errors = errors.iter().map(ItemProblem::from).collect();
        Self { accepted: *accepted, spooled: *spooled, rejected: *rejected, errors }
    }
}

/// Why a row or item is not stored.
#[derive(Debug, Serialize, ToSchema)]
pub struct ItemProblem {
    /// Its index in the request's list, from 0.
    pub index: usize,
    /// The reason for programs.
    #[schema(example = "unknown_sensor")]
    pub code: &'static str,
    /// The reason, and what to do about it.
    pub message: String,
}

impl From<&RowError> for ItemProblem {
    fn from(error: &RowError) -> Self {
        let RowError { position, reason } = error;
        Self { index: *position, code: reason.code(), message: reason.to_string() }
    }
}

/// Store readings from JSON
///
/// A bad row never stops the good ones: they are stored, and the answer lists the others. With
/// `dry_run=true` nothing is stored, and the answer says what would have been.
#[utoipa::path(post, path = "/v1/readings", operation_id = "write_readings", tag = "readings", params(Parameters), request_body = ReadingsBody,
    security(("key" = [])),
    responses((status = 200, description = "Good rows are stored", body = Outcome)))]
pub async fn post(
    State(app): State<App>,
    query: Result<Query<Parameters>, QueryRejection>,
    grant: Grant,
    Body(body): Body,
) -> Result<Json<Outcome>, Problem> {
    grant.require(Scope::Readings)?;
    let Query(parameters) =
        query.map_err(|e| Problem::new(StatusCode::BAD_REQUEST, "parameter", e.body_text()))?;
    let mut parts = json::parts(&body, MAX_READINGS).map_err(|e| {
        let detail = format!("the body is no batch of readings: {e}");
        Problem::new(StatusCode::BAD_REQUEST, "body_malformed", detail)
    })?;
    let source = Source { protocol: "json", plant: None };
    let mut total = Total::default();
    loop {
        let _turn = app.room.rows(parts.bytes_left(), MAX_READINGS).await?;
        let Some(part) = parts.next() else { return Ok(Json(Outcome::from(&total))) };
        total.add(match parameters.dry_run {
            true => app.intake.check(&grant, part, source).await?,
            false => app.intake.take(&grant, part, source).await?,
        });
    }
}
