//! Routes of single items: runs are changed, and runs, tariffs, factors, targets and counts deleted.

use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::idempotency::{Begun, Once};
use super::problem::Problem;
use super::request::Body;
use crate::domain::Key;
use crate::ingest::auth::Grant;
use crate::ingest::context::factor::FactorKind;
use crate::ingest::context::run::RunChange;
use crate::ingest::context::{ItemError, count, factor, run, target, tariff};
use crate::ingest::keys::Scope;
use crate::ingest::payload::json::{no_list, plain};
use crate::ingest::reading::Instant;

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
    once: Once,
    path: Named<(String, String)>,
    Body(body): Body,
) -> Result<Response, Problem> {
    let (plant, key) = path_of(&grant, path)?;
    let (plant, key) = (plant_of(&grant, &plant)?, key_of("run", &key)?);
    let fields: RunChange = no_list(&body)
        .and_then(|()| serde_json::from_slice(&body))
        .map_err(|e| Problem::new(StatusCode::BAD_REQUEST, "body_malformed", plain(&e)))?;
    let mut change = match once.begin(&app.pool, &grant, &body).await? {
        Begun::Answered(answer) => return Ok(answer),
        Begun::New(change) => change,
    };
    let outcome = run::change(change.conn(), &plant, &key, &fields).await;
    change.end(no_content(outcome)).await
}

/// Delete a run
#[utoipa::path(delete, path = "/v1/runs/{plant}/{key}", tag = "context", security(("key" = [])),
    params(("plant" = String, Path, description = "Key of the plant"), ("key" = String, Path, description = "Key of the run")),
    responses((status = 204, description = "The run is deleted"),
        (status = 404, description = "No such plant or run", body = Problem, content_type = "application/problem+json")))]
pub async fn delete_run(
    State(app): State<App>,
    grant: Grant,
    once: Once,
    path: Named<(String, String)>,
) -> Result<Response, Problem> {
    let (plant, key) = path_of(&grant, path)?;
    let (plant, key) = (plant_of(&grant, &plant)?, key_of("run", &key)?);
    let mut change = match once.begin(&app.pool, &grant, &[]).await? {
        Begun::Answered(answer) => return Ok(answer),
        Begun::New(change) => change,
    };
    let outcome = run::delete(change.conn(), &plant, &key).await;
    change.end(no_content(outcome)).await
}

/// Delete a tariff
#[utoipa::path(delete, path = "/v1/tariffs/{plant}/{key}", tag = "context", security(("key" = [])),
    params(("plant" = String, Path, description = "Key of the plant"), ("key" = String, Path, description = "Key of the tariff")),
    responses((status = 204, description = "The tariff is deleted"),
        (status = 404, description = "No such plant or tariff", body = Problem, content_type = "application/problem+json")))]
pub async fn delete_tariff(
    State(app): State<App>,
    grant: Grant,
    once: Once,
    path: Named<(String, String)>,
) -> Result<Response, Problem> {
    let (plant, key) = path_of(&grant, path)?;
    let (plant, key) = (plant_of(&grant, &plant)?, key_of("tariff", &key)?);
    let mut change = match once.begin(&app.pool, &grant, &[]).await? {
        Begun::Answered(answer) => return Ok(answer),
        Begun::New(change) => change,
    };
    let outcome = tariff::delete(change.conn(), &plant, &key).await;
    change.end(no_content(outcome)).await
}

/// Delete an emission factor
#[utoipa::path(delete, path = "/v1/factors/{plant}/{kind}/{valid_from}", tag = "context", security(("key" = [])),
    params(("plant" = String, Path, description = "Key of the plant"), ("kind" = FactorKind, Path, description = "Its kind"),
        ("valid_from" = NaiveDate, Path, description = "First day on which it holds")),
    responses((status = 204, description = "The factor is deleted"),
        (status = 404, description = "No such plant or factor", body = Problem, content_type = "application/problem+json")))]
pub async fn delete_factor(
    State(app): State<App>,
    grant: Grant,
    once: Once,
    path: Named<(String, FactorKind, NaiveDate)>,
) -> Result<Response, Problem> {
    let (plant, kind, from) = path_of(&grant, path)?;
    let plant = plant_of(&grant, &plant)?;
    let mut change = match once.begin(&app.pool, &grant, &[]).await? {
        Begun::Answered(answer) => return Ok(answer),
        Begun::New(change) => change,
    };
    let outcome = factor::delete(change.conn(), &plant, kind, from).await;
    change.end(no_content(outcome)).await
}

/// Delete a target
#[utoipa::path(delete, path = "/v1/targets/{plant}/{reference}/{valid_from}", tag = "context", security(("key" = [])),
    params(("plant" = String, Path, description = "Key of the plant"), ("reference" = String, Path, description = "Key of the reference"),
        ("valid_from" = NaiveDate, Path, description = "First day on which it holds")),
    responses((status = 204, description = "The target is deleted"),
        (status = 404, description = "No such plant, reference or target", body = Problem, content_type = "application/problem+json")))]
pub async fn delete_target(
    State(app): State<App>,
    grant: Grant,
    once: Once,
    path: Named<(String, String, NaiveDate)>,
) -> Result<Response, Problem> {
    let (plant, reference, from) = path_of(&grant, path)?;
    let (plant, reference) = (plant_of(&grant, &plant)?, key_of("reference", &reference)?);
    let mut change = match once.begin(&app.pool, &grant, &[]).await? {
        Begun::Answered(answer) => return Ok(answer),
        Begun::New(change) => change,
    };
    let outcome = target::delete(change.conn(), &plant, &reference, from).await;
    change.end(no_content(outcome)).await
}

/// Which counts to delete.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct CountsOf {
    /// Key of the plant.
    #[param(value_type = String)]
    plant: Key,
    /// Key of the line.
    #[param(value_type = Option<String>)]
    line: Option<Key>,
    /// Key of the machine; without it the counts of the whole line.
    #[param(value_type = Option<String>)]
    machine: Option<Key>,
    /// First start of a count (of totals, first time): RFC 3339 with offset.
    #[param(value_type = String, example = "2026-03-01T06:00:00Z")]
    from: Instant,
    /// The end of the starts.
    #[param(value_type = String, example = "2026-03-02T06:00:00Z")]
    to: Instant,
}

/// How much was deleted.
#[derive(Debug, Serialize, ToSchema)]
pub struct Deleted {
    /// Number of items.
    #[schema(example = 96)]
    deleted: u64,
}

impl Deleted {
    /// So many.
    pub(super) fn new(deleted: u64) -> Self {
        Self { deleted }
    }
}

/// Delete counts of a line or machine
#[utoipa::path(delete, path = "/v1/counts", operation_id = "delete_counts", tag = "context",
    security(("key" = [])), params(CountsOf),
    responses((status = 200, description = "They are deleted", body = Deleted),
        (status = 404, description = "No such plant", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "It names a line or machine that does not exist, or none", body = Problem, content_type = "application/problem+json")))]
pub async fn delete_counts(
    State(app): State<App>,
    grant: Grant,
    once: Once,
    query: Result<Query<CountsOf>, QueryRejection>,
) -> Result<Response, Problem> {
    grant.require(Scope::Context)?;
    let Query(of) =
        query.map_err(|e| Problem::new(StatusCode::BAD_REQUEST, "parameter", e.body_text()))?;
    grant.require_plant(of.plant.as_str())?;
    let mut change = match once.begin(&app.pool, &grant, &[]).await? {
        Begun::Answered(answer) => return Ok(answer),
        Begun::New(change) => change,
    };
    let (line, machine) = (of.line.as_ref(), of.machine.as_ref());
    let outcome = count::delete(change.conn(), &of.plant, line, machine, of.from..of.to).await;
    let outcome = outcome.map(|deleted| (StatusCode::OK, Some(Deleted { deleted })));
    change.end(outcome.map_err(problem)).await
}

/// What a path names.
type Named<T> = Result<Path<T>, PathRejection>;

fn path_of<T>(grant: &Grant, path: Named<T>) -> Result<T, Problem> {
    grant.require(Scope::Context)?;
    let Path(path) =
        path.map_err(|e| Problem::new(StatusCode::BAD_REQUEST, "parameter", e.body_text()))?;
    Ok(path)
}

/// The plant of a path, for which the key must be.
fn plant_of(grant: &Grant, plant: &str) -> Result<Key, Problem> {
    grant.require_plant(plant)?;
    key_of("plant", plant)
}

/// Nothing has a key that cannot be one.
fn key_of(what: &str, text: &str) -> Result<Key, Problem> {
    Key::parse(text).map_err(|e| {
        let code = if what == "run" { "unknown_run" } else { "missing" };
        Problem::new(StatusCode::NOT_FOUND, code, e.to_string())
    })
}

/// The answer of a change that has nothing to tell.
fn no_content(done: Result<(), ItemError>) -> Result<(StatusCode, Option<()>), Problem> {
    done.map(|()| (StatusCode::NO_CONTENT, None)).map_err(problem)
}

pub(super) fn problem(error: ItemError) -> Problem {
    let error = match error.or_unavailable() {
        Ok(error) => error,
        Err(unavailable) => return unavailable.into(),
    };
    let status = match &error {
        ItemError::UnknownPlant(_)
        | ItemError::Missing(_)
        | ItemError::Unknown { what: "run", .. } => StatusCode::NOT_FOUND,
        ItemError::Overlap(_) | ItemError::Conflict(_) => StatusCode::CONFLICT,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    };
    Problem::new(status, error.code(), error.to_string())
}
