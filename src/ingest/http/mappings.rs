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
use crate::ingest::mapping::item::{self, MappingItem};
use crate::ingest::mapping::store::Mappings;
use crate::ingest::mapping::{ANY, Mapping};
use crate::ingest::payload::line_protocol::{Field, Item, Naming, read};
use crate::ingest::payload::{Reason, RowError};

/// Most fields that a test answers for.
const MAX_TESTED: usize = 1_000;

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

/// What would become of a field.
#[derive(Debug, Serialize, ToSchema)]
pub struct TestedField {
    /// Number of its line, from 1.
    line: usize,
    /// Its name.
    #[schema(example = "energy")]
    field: String,
    /// Key of the plant; null where none is named.
    plant: Option<String>,
    /// Key of the sensor; null where a mapping leaves the field out.
    #[schema(example = "oven.energy")]
    sensor: Option<String>,
    /// Whether the plant has that sensor.
    registered: bool,
    /// The reading, in the sensor's unit; null where there is none.
    value: Option<f64>,
    /// The mapping that fits; null: the rule without mappings.
    mapping: Option<UsedMapping>,
}

/// The key of a mapping.
#[derive(Debug, Serialize, ToSchema)]
pub struct UsedMapping {
    measurement: String,
    tags: BTreeMap<String, String>,
    field: String,
}

impl From<&Mapping> for UsedMapping {
    fn from(mapping: &Mapping) -> Self {
        let Mapping { measurement, tags, field, .. } = mapping.clone();
        Self { measurement, tags, field }
    }
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
    let mut test = MappingTest::default();
    read(&body, target.precision, target.now, naming, &mut |item| match item {
        _ if test.fields.len() + test.errors.len() >= MAX_TESTED => {}
        Item::Error(error) => test.errors.push(LineProblem::from(&error)),
        Item::Field(field) => match denied(&field, &grant) {
            Some(error) => test.errors.push(LineProblem::from(&error)),
            None => test.fields.push(tested(field, naming)),
        },
    });
    fn named(field: &TestedField) -> Option<(&str, &str)> {
        Some((field.plant.as_deref()?, field.sensor.as_deref()?))
    }
    let registered = app.intake.registered(test.fields.iter().filter_map(named)).await?;
    let with_sensor = test.fields.iter_mut().filter(|field| named(field).is_some());
    for (field, registered) in with_sensor.zip(registered) {
        field.registered = registered;
    }
    Ok(Json(test))
}

/// A key is told nothing of other plants.
fn denied(field: &Field<'_, '_, '_>, grant: &Grant) -> Option<RowError> {
    let plant = field.plant.as_deref().filter(|plant| !grant.allows_plant(plant))?;
    let reason = Reason::PlantNotAllowed(plant.to_owned());
    Some(RowError { position: field.position, reason })
}

fn tested(field: Field<'_, '_, '_>, naming: Naming<'_>) -> TestedField {
    let plant = field.plant.as_deref().or(naming.default_plant);
    TestedField {
        line: field.position,
        field: field.name.to_owned(),
        plant: plant.map(str::to_owned),
        value: field.sensor.is_some().then(|| field.value.ok().map(|v| v.get())).flatten(),
        sensor: field.sensor.map(|sensor| sensor.into_owned()),
        registered: false,
        mapping: field.mapping.map(UsedMapping::from),
    }
}
