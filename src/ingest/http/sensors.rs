//! `/v1/sensors/incomplete`: sensors that somebody should look at.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::problem::Problem;
use super::request::plants_asked;
use crate::ingest::auth::Grant;
use crate::ingest::keys::Scope;
use crate::ingest::sensors;

/// Which sensors.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Parameters {
    /// Key of a plant; all that the API key is for without it.
    plant: Option<String>,
    /// Most sensors to list, from 1 to 10,000; 1,000 without it.
    limit: Option<i64>,
}

/// A sensor that came with its first reading.
#[derive(Debug, Serialize, ToSchema)]
#[allow(dead_code, reason = "documents what the database puts together")]
pub struct IncompleteSensor {
    /// Key of the plant.
    plant: String,
    /// Key of the sensor.
    key: String,
    /// At first its key.
    name: String,
    /// `unknown`, until somebody says what it measures.
    #[schema(example = "unknown")]
    quantity: String,
    /// At first `unknown`.
    unit: String,
    /// At first gauge.
    #[schema(example = "gauge")]
    kind: String,
    /// Name of the API key that sent the reading; null for a sensor that was created so.
    registered_by: Option<String>,
    /// When it came.
    registered_at: Option<DateTime<Utc>>,
}

/// Sensors that are not completed.
#[derive(Debug, Serialize, ToSchema)]
pub struct IncompleteSensors {
    /// The sensors, by plant and key.
    #[schema(value_type = Vec<IncompleteSensor>)]
    items: Vec<Box<RawValue>>,
    /// Whether there are more.
    truncated: bool,
}

/// List sensors that are not completed
///
/// They came with their first reading (API keys with auto-registration). `POST /v1/sensors` with
/// their quantity, unit and kind completes them.
#[utoipa::path(get, path = "/v1/sensors/incomplete", operation_id = "list_incomplete_sensors", tag = "context",
    params(Parameters), security(("key" = [])),
    responses((status = 200, description = "Sensors of unknown quantity", body = IncompleteSensors)))]
pub async fn incomplete(
    State(app): State<App>,
    grant: Grant,
    query: Result<Query<Parameters>, QueryRejection>,
) -> Result<Json<IncompleteSensors>, Problem> {
    grant.require_any(&[Scope::Readings, Scope::Context])?;
    let Query(Parameters { plant, limit }) =
        query.map_err(|e| Problem::new(StatusCode::BAD_REQUEST, "parameter", e.body_text()))?;
    let plants = plants_asked(&grant, plant)?;
    let limit = limit.unwrap_or(1_000).clamp(1, 10_000);
    let mut rows = sensors::incomplete(&app.pool, plants, limit + 1).await?;
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    let truncated = rows.len() > most;
    rows.truncate(most);
    let items = rows.into_iter().filter_map(|row| RawValue::from_string(row).ok()).collect();
    Ok(Json(IncompleteSensors { items, truncated }))
}
