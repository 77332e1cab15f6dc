//! `/v1/mappings`: which sensor a field of line protocol is.

use std::collections::BTreeMap;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::post;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::context::both;
use super::problem::Problem;
use super::request::Body;
use super::single::{Deleted, problem};
use super::write::{LineProblem, Target};
use crate::domain::Key;
use crate::ingest::auth::Grant;
use crate::ingest::keys::Scope;
use crate::ingest::mapping::ANY;
use crate::ingest::mapping::item::{self, MappingItem};
use crate::ingest::mapping::store::Mappings;
use crate::ingest::mapping::trial::{TestedField, Trial};

/// The routes. A change is in use by the next request.
pub fn routes(mappings: Mappings) -> Router<App> {
    Router::new()
        .route("/v1/mappings", both::<MappingItem>().delete(delete))
        .route_layer(middleware::from_fn_with_state(mappings, note_change))
        .route("/v1/mappings/test", post(test))
}

async fn note_change(State(mappings): State<Mappings>, request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let response = next.run(request).await;
    if !reads {
        mappings.changed();
    }
    response
}

/// Which mapping to delete.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct MappingOf {
    /// Key of the plant.
    #[param(value_type = String)]
    plant: Key,
    /// Its measurement; `*` when left out.
    measurement: Option<String>,
    /// Its tags as a JSON object; none when left out.
    #[param(example = r#"{"slave_id": "1"}"#)]
    tags: Option<String>,
    /// Its field; `*` when left out.
    field: Option<String>,
}

/// Delete a mapping
///
/// Plant, measurement, tags and field are its key.
#[utoipa::path(delete, path = "/v1/mappings", operation_id = "delete_mapping", tag = "readings",
    security(("key" = [])), params(MappingOf),
    responses((status = 200, description = "It is deleted, if there was one", body = Deleted),
        (status = 404, description = "No such plant", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "It names what no mapping can have", body = Problem, content_type = "application/problem+json")))]
pub async fn delete(
    State(app): State<App>,
    grant: Grant,
    query: Result<Query<MappingOf>, QueryRejection>,
) -> Result<Json<Deleted>, Problem> {
    grant.require(Scope::Context)?;
    let bad = |detail: String| Problem::new(StatusCode::BAD_REQUEST, "parameter", detail);
    let Query(of) = query.map_err(|e| bad(e.body_text()))?;
    grant.require_plant(of.plant.as_str())?;
    let tags: BTreeMap<String, String> = match &of.tags {
        None => BTreeMap::new(),
        Some(tags) => serde_json::from_str(tags)
            .map_err(|e| bad(format!("tags is no JSON object of texts: {e}")))?,
    };
    let name = |name: &Option<String>| name.clone().unwrap_or_else(|| ANY.to_owned());
    let mut conn = app.pool.acquire().await.map_err(|e| problem(e.into()))?;
    let (measurement, field) = (name(&of.measurement), name(&of.field));
    let deleted = item::delete(&mut conn, &of.plant, &measurement, &tags, &field).await;
    Ok(Json(Deleted::new(deleted.map_err(problem)?)))
}

/// What would become of line protocol.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct MappingTest {
    /// Its fields, the first 1,000 of them.
    fields: Vec<TestedField>,
    /// Lines that cannot be read, and fields of plants that the API key is not for.
    errors: Vec<LineProblem>,
}

/// Say which sensor each field of line protocol would be
///
/// Takes what `/api/v2/write` takes, with the same parameters, and stores nothing.
#[utoipa::path(post, path = "/v1/mappings/test", operation_id = "test_mappings", tag = "readings",
    params(super::write::Parameters), security(("key" = [])),
    request_body(content = String, content_type = "text/plain", example = "modbus,name=oven,slave_id=1 energy=104505i"),
    responses((status = 200, description = "What each field becomes", body = MappingTest)))]
pub async fn test(
    State(app): State<App>,
    query: Result<Query<super::write::Parameters>, QueryRejection>,
    grant: Grant,
    Body(body): Body,
) -> Result<Json<MappingTest>, Problem> {
    grant.require(Scope::Readings)?;
    let target = Target::of(query, &grant)?;
    let mappings = app.mappings.current().await?;
    let naming = target.naming(&grant, &mappings);
    let mut trial =
        Trial::of(&body, target.precision, target.now, naming, |plant| grant.allows_plant(plant));
    let registered = app.intake.registered(trial.sensors()).await?;
    trial.set_registered(registered);
    let Trial { fields, errors } = trial;
    Ok(Json(MappingTest { fields, errors: errors.iter().map(LineProblem::from).collect() }))
}
