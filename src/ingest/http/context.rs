//! `POST` and `GET /v1/plants`, `/v1/lines`, ...: the routes that all kinds of items have.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{MethodRouter, delete, get, patch};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::idempotency::{Begun, Once};
use super::problem::Problem;
use super::readings::{ItemProblem, Outcome};
use super::request::{Body, plants_asked};
use super::{App, single};
use crate::ingest::auth::Grant;
use crate::ingest::context::{
    self, Resource, count::Count, factor::Factor, lot::Lot, named::Line, named::Operator,
    named::Reference, place::Machine, place::Plant, run::Run, sensor::Sensor, shift::Shift,
    state::State as MachineState, target::Target, tariff::Tariff,
};
use crate::ingest::keys::Scope;
use crate::ingest::payload::json::no_list;
use crate::ingest::telemetry;

/// Both methods of all kinds of items, and the routes of single ones.
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
        .route("/v1/counts", both::<Count>().delete(single::delete_counts))
        .route("/v1/tariffs", both::<Tariff>())
        .route("/v1/factors", both::<Factor>())
        .route("/v1/targets", both::<Target>())
        .route("/v1/runs/{plant}/{key}", patch(single::patch_run).delete(single::delete_run))
        .route("/v1/tariffs/{plant}/{key}", delete(single::delete_tariff))
        .route("/v1/factors/{plant}/{kind}/{valid_from}", delete(single::delete_factor))
        .route("/v1/targets/{plant}/{reference}/{valid_from}", delete(single::delete_target))
}

/// Both methods of a kind of items.
pub(super) fn both<R: Resource>() -> MethodRouter<App> {
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
    once: Once,
    Body(body): Body,
) -> Result<Response, Problem> {
    grant.require(Scope::Context)?;
    let items = no_list(&body).and_then(|()| serde_json::from_slice(&body));
    let Items { items } = items.map_err(|e| {
        let detail = format!("the body is no list of items, {{\"items\": [...]}}: {e}");
        Problem::new(StatusCode::BAD_REQUEST, "body_malformed", detail)
    })?;
    let mut change = match once.begin(&app.pool, &grant, &body).await? {
        Begun::Answered(answer) => return Ok(answer),
        Begun::New(change) => change,
    };
    let refused = context::upsert_all::<R>(change.conn(), &grant, &items).await?;
    let accepted = items.len() - refused.len();
    let errors: Vec<_> = refused
        .into_iter()
        .map(|(index, e)| ItemProblem { index, code: e.code(), message: e.to_string() })
        .collect();
    let reasons: Vec<&'static str> = errors.iter().map(|e| e.code).collect();
    let outcome = Outcome { accepted, spooled: 0, rejected: errors.len(), errors };
    let answer = change.end(Ok((StatusCode::OK, Some(outcome)))).await?;
    // What is committed is counted.
    metrics::counter!(telemetry::CONTEXT_ACCEPTED, "resource" => R::NAME)
        .increment(accepted as u64);
    for reason in reasons {
        metrics::counter!(telemetry::CONTEXT_REJECTED, "reason" => reason).increment(1);
    }
    Ok(answer)
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
