//! `POST` and `GET /v1/plants`, `/v1/lines`, ... and the routes of a single run.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{MethodRouter, get};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::problem::Problem;
use super::readings::{ItemProblem, Outcome};
use super::request::{Body, plants_asked};
use crate::domain::Key;
use crate::ingest::auth::Grant;
use crate::ingest::context::run::{self, Run, RunChange};
use crate::ingest::context::{
    self, ItemError, Resource, lot::Lot, named::Line, named::Operator, named::Reference,
    place::Machine, place::Plant, sensor::Sensor, shift::Shift, state::State as MachineState,
};
use crate::ingest::keys::Scope;
use crate::ingest::payload::json::plain;
use crate::ingest::telemetry;

/// Both methods of all kinds of items.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/v1/plants", both::<Plant>())
        .route("/v1/lines", both::<Line>())
        .route("/v1/machines", both::<Machine>())
        .route("/v1/sensors", both::<Sensor>())
        .route("/v1/shifts", both::<Shift>())
        .route("/v1/references", both::<Reference>())
        .route("/v1/operators", both::<Operator>())
        .route("/v1/lots", both::<Lot>())
        .route("/v1/runs", both::<Run>())
        .route("/v1/states", both::<MachineState>())
}

fn both<R: Resource>() -> MethodRouter<App> {
    get(list::<R>).post(upsert::<R>)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Items<'a> {
    // Items stay text at first: one that has a wrong type must not spoil the others.
    #[serde(borrow)]
    items: Vec<&'a RawValue>,
}

async fn upsert<R: Resource>(
    State(app): State<App>,
    grant: Grant,
    Body(body): Body,
) -> Result<Json<Outcome>, Problem> {
    grant.require(Scope::Context)?;
    let Items { items } = serde_json::from_slice(&body).map_err(|e| {
        let detail = format!("the body is no list of items, {{\"items\": [...]}}: {e}");
        Problem::new(StatusCode::BAD_REQUEST, "body_malformed", detail)
    })?;
    let refused = context::upsert_all::<R>(&app.pool, &grant, &items).await?;
    let accepted = items.len() - refused.len();
    metrics::counter!(telemetry::CONTEXT_ACCEPTED, "resource" => R::NAME)
        .increment(accepted as u64);
    for (_, error) in &refused {
        metrics::counter!(telemetry::CONTEXT_REJECTED, "reason" => error.code()).increment(1);
    }
    let errors: Vec<_> = refused
        .into_iter()
        .map(|(index, e)| ItemProblem { index, code: e.code(), message: e.to_string() })
        .collect();
    Ok(Json(Outcome { accepted, spooled: 0, rejected: errors.len(), errors }))
}

/// Which items to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ListParameters {
    /// Key of a plant; all that the API key is for without it.
    plant: Option<String>,
    /// Most items, from 1 to 10,000; 1,000 without it.
    limit: Option<i64>,
}

/// Items, with the fields that a POST takes.
#[derive(Debug, Serialize, ToSchema)]
pub struct Listed {
    /// The items.
    #[schema(value_type = Vec<Object>)]
    items: Vec<Box<RawValue>>,
    /// Whether there are more.
    truncated: bool,
}

async fn list<R: Resource>(
    State(app): State<App>,
    grant: Grant,
    query: Result<Query<ListParameters>, QueryRejection>,
) -> Result<Json<Listed>, Problem> {
    grant.require(Scope::Context)?;
    let Query(ListParameters { plant, limit }) =
        query.map_err(|e| Problem::new(StatusCode::BAD_REQUEST, "parameter", e.body_text()))?;
    let plants = plants_asked(&grant, plant)?;
    let limit = limit.unwrap_or(1_000).clamp(1, 10_000);
    let mut items = context::list::<R>(&app.pool, plants, limit + 1).await?;
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    let truncated = items.len() > most;
    items.truncate(most);
    Ok(Json(Listed { items, truncated }))
}

/// Close or correct a run
///
/// Fields that are left out stay as they are; `"ended_at": null` opens the run again.
#[utoipa::path(patch, path = "/v1/runs/{plant}/{key}", tag = "context", request_body = RunChange,
    security(("key" = [])),
    params(("plant" = String, Path, description = "Key of the plant"), ("key" = String, Path, description = "Key of the run")),
    responses((status = 204, description = "The run is changed"),
        (status = 404, description = "No such plant or run", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "It would overlap another run, or contradicts its lot", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "It names something that does not exist, or contradicts itself", body = Problem, content_type = "application/problem+json")))]
pub async fn patch_run(
    State(app): State<App>,
    grant: Grant,
    path: RunPath,
    Body(body): Body,
) -> Result<StatusCode, Problem> {
    let (plant, key) = run_of(&grant, path)?;
    let change: RunChange = serde_json::from_slice(&body)
        .map_err(|e| Problem::new(StatusCode::BAD_REQUEST, "body_malformed", plain(&e)))?;
    let mut tx = app.pool.begin().await.map_err(ItemError::from).map_err(problem)?;
    run::change(&mut tx, &plant, &key, &change).await.map_err(problem)?;
    tx.commit().await.map_err(ItemError::from).map_err(problem)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Delete a run
#[utoipa::path(delete, path = "/v1/runs/{plant}/{key}", tag = "context", security(("key" = [])),
    params(("plant" = String, Path, description = "Key of the plant"), ("key" = String, Path, description = "Key of the run")),
    responses((status = 204, description = "The run is deleted"),
        (status = 404, description = "No such plant or run", body = Problem, content_type = "application/problem+json")))]
pub async fn delete_run(
    State(app): State<App>,
    grant: Grant,
    path: RunPath,
) -> Result<StatusCode, Problem> {
    let (plant, key) = run_of(&grant, path)?;
    let mut conn = app.pool.acquire().await.map_err(ItemError::from).map_err(problem)?;
    run::delete(&mut conn, &plant, &key).await.map_err(problem)?;
    Ok(StatusCode::NO_CONTENT)
}

/// Plant and key of a run.
type RunPath = Result<Path<(String, String)>, PathRejection>;

fn run_of(grant: &Grant, path: RunPath) -> Result<(Key, Key), Problem> {
    grant.require(Scope::Context)?;
    let Path((plant, key)) =
        path.map_err(|e| Problem::new(StatusCode::BAD_REQUEST, "parameter", e.body_text()))?;
    grant.require_plant(&plant)?;
    let key_of = |text: &str| {
        Key::parse(text)
            .map_err(|e| Problem::new(StatusCode::NOT_FOUND, "unknown_run", e.to_string()))
    };
    Ok((key_of(&plant)?, key_of(&key)?))
}

fn problem(error: ItemError) -> Problem {
    let error = match error.or_unavailable() {
        Ok(error) => error,
        Err(unavailable) => return unavailable.into(),
    };
    let status = match &error {
        ItemError::UnknownPlant(_) | ItemError::Unknown { what: "run", .. } => {
            StatusCode::NOT_FOUND
        }
        ItemError::Overlap(_) | ItemError::Conflict(_) => StatusCode::CONFLICT,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    };
    Problem::new(status, error.code(), error.to_string())
}
