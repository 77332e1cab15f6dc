//! `POST /v1/readings/csv`: files with history.

mod parameters;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use super::problem::Problem;
use super::readings::is_zero;
use super::request::Body;
use crate::ingest::auth::Grant;
use crate::ingest::intake::Source;
use crate::ingest::keys::Scope;
use crate::ingest::payload::csv::{Block, File, Place};
pub use parameters::Parameters;

/// Readings that are stored together; memory is bounded by it and not by the file.
const BLOCK: usize = 10_000;

/// Most errors that an answer lists.
const MAX_LISTED: usize = 1_000;

/// What became of a file. What is counted as accepted is committed, or on stable storage in the
/// spool, unless it was a dry run.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct FileOutcome {
    /// Readings that are stored now (or were before); of a dry run, readings that would be.
    accepted: usize,
    /// How many of the accepted readings are safe on the service's disk, because the database is
    /// away; they are stored when it is back. Left out when there are none.
    #[serde(skip_serializing_if = "is_zero")]
    #[schema(required = false)]
    spooled: usize,
    /// Readings that are not, and lines of which nothing can be read.
    rejected: usize,
    /// Why, for the first 1,000 of them.
    errors: Vec<CellProblem>,
}

/// Why a reading or a line of a file is not stored.
#[derive(Debug, Serialize, ToSchema)]
pub struct CellProblem {
    /// Number of the line, from 1.
    #[schema(example = 17)]
    line: usize,
    /// Number of the column, from 1; left out where it is the whole line.
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<usize>,
    /// The reason for programs.
    #[schema(example = "not_a_number")]
    code: &'static str,
    /// The reason, and what to do about it.
    message: String,
}

/// Store readings from a CSV file
///
/// For history. The first line names the columns. A bad line or value never stops the good ones:
/// they are stored, and the answer lists the others. With `dry_run=true` nothing is stored, and the
/// answer says what would have been. After a 503 a part may be stored; sending the file again is
/// right.
#[utoipa::path(post, path = "/v1/readings/csv", operation_id = "write_csv", tag = "readings", params(Parameters),
    security(("key" = [])),
    request_body(content = String, content_type = "text/csv", example = "time,T1,T2\n2026-03-01T06:00:00Z,21.5,180\n"),
    responses((status = 200, description = "Good readings are stored", body = FileOutcome)))]
pub async fn post(
    State(app): State<App>,
    query: Result<Query<Parameters>, QueryRejection>,
    grant: Grant,
    Body(body): Body,
) -> Result<Json<FileOutcome>, Problem> {
    grant.require(Scope::Readings)?;
    let Query(parameters) =
        query.map_err(|e| Problem::new(StatusCode::BAD_REQUEST, "parameter", e.body_text()))?;
    let plant = parameters.plant.as_deref().filter(|plant| !plant.is_empty());
    if let Some(plant) = plant {
        grant.require_plant(plant)?;
    }
    let dialect = parameters
        .dialect()
        .map_err(|detail| Problem::new(StatusCode::BAD_REQUEST, "parameter", detail))?;
    let mut file = File::open(&body, &dialect)
        .map_err(|e| Problem::new(StatusCode::BAD_REQUEST, "body_malformed", e.to_string()))?;
    let source = Source { protocol: "csv", plant };
    let mut outcome = FileOutcome::default();
    loop {
        let _turn = app.room.rows(body.len(), BLOCK).await?;
        let Some(Block { parsed, places }) = file.next_block(BLOCK) else { break };
        let taken = if parameters.dry_run {
            app.intake.check(&grant, parsed, source).await?
        } else {
            app.intake.take(&grant, parsed, source).await?
        };
        outcome.accepted += taken.accepted;
        outcome.spooled += taken.spooled;
        outcome.rejected += taken.errors.len();
        let room = MAX_LISTED.saturating_sub(outcome.errors.len());
        outcome.errors.extend(taken.errors.iter().take(room).map(|error| {
            // Positions are indexes of the block's places.
            let place = places.get(error.position).copied();
            let Place { line, column } = place.unwrap_or(Place { line: 0, column: None });
            CellProblem {
                line,
                column,
                code: error.reason.code(),
                message: error.reason.to_string(),
            }
        }));
    }
    Ok(Json(outcome))
}
