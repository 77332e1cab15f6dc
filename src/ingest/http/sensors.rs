//! `/v1/sensors/incomplete` and `/v1/sensors/silent`: sensors that somebody should look at.

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
use crate::domain::sensor::SILENT_INTERVALS;
use crate::ingest::auth::Grant;
use crate::ingest::keys::Scope;
use crate::ingest::sensors::{self, Silence};

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
    let (plants, limit) = (plants_asked(&grant, plant)?, rows_asked(limit));
    let rows = sensors::incomplete(&app.pool, plants, limit + 1).await?;
    let (items, truncated) = listed(rows, limit);
    Ok(Json(IncompleteSensors { items, truncated }))
}

fn rows_asked(limit: Option<i64>) -> i64 {
    limit.unwrap_or(1_000).clamp(1, 10_000)
}

/// The rows as they are answered, and whether there are more.
fn listed(mut rows: Vec<String>, limit: i64) -> (Vec<Box<RawValue>>, bool) {
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    let truncated = rows.len() > most;
    rows.truncate(most);
    let items = rows.into_iter().filter_map(|row| RawValue::from_string(row).ok()).collect();
    (items, truncated)
}

/// Which silent sensors.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SilentParameters {
    /// Key of a plant; all that the API key is for without it.
    plant: Option<String>,
    /// Seconds since the newest reading after which a sensor is silent, whatever its interval.
    #[param(minimum = 0, maximum = 1e9)]
    after_s: Option<f64>,
    /// Intervals since the newest reading after which a sensor is silent, unless its longest gap is
    /// longer; 3 without it. Not with `after_s`.
    #[param(minimum = 0, maximum = 1e9)]
    factor: Option<f64>,
    /// Most sensors to list, from 1 to 10,000; 1,000 without it.
    limit: Option<i64>,
}

/// A sensor that says nothing.
#[derive(Debug, Serialize, ToSchema)]
#[allow(dead_code, reason = "documents what the database puts together")]
pub struct SilentSensor {
    /// Key of the plant.
    plant: String,
    /// Key of the line.
    line: Option<String>,
    /// Key of the machine.
    machine: Option<String>,
    /// Key of the sensor.
    key: String,
    /// Its name.
    name: String,
    /// What it measures.
    quantity: String,
    /// Usual seconds between its readings.
    interval_s: f64,
    /// Seconds without a reading after which it is silent.
    silent_after_s: f64,
    /// Time of its newest reading that is not in the future; null: it never sent one.
    last_seen: Option<DateTime<Utc>>,
    /// Seconds since then.
    age_s: Option<f64>,
}

/// Silent sensors.
#[derive(Debug, Serialize, ToSchema)]
pub struct SilentSensors {
    /// The sensors, by plant and key.
    #[schema(value_type = Vec<SilentSensor>)]
    items: Vec<Box<RawValue>>,
    /// Whether there are more.
    truncated: bool,
}

/// List silent sensors
///
/// Those whose newest reading is older than three of their intervals and than their longest gap, and
/// those that never sent one.
#[utoipa::path(get, path = "/v1/sensors/silent", operation_id = "list_silent_sensors", tag = "context",
    params(SilentParameters), security(("key" = [])),
    responses((status = 200, description = "Sensors that are silent now", body = SilentSensors)))]
pub async fn silent(
    State(app): State<App>,
    grant: Grant,
    query: Result<Query<SilentParameters>, QueryRejection>,
) -> Result<Json<SilentSensors>, Problem> {
    grant.require_any(&[Scope::Readings, Scope::Context])?;
    let bad = |detail: String| Problem::new(StatusCode::BAD_REQUEST, "parameter", detail);
    let Query(SilentParameters { plant, after_s, factor, limit }) =
        query.map_err(|e| bad(e.body_text()))?;
    let number = |name: &str, value: f64| {
        // Larger numbers would overflow beside an interval.
        let is_sound = (0.0..=1e9).contains(&value);
        is_sound.then_some(value).ok_or_else(|| bad(format!("{name} must be from 0 to 1e9")))
    };
    let silence = match (after_s, factor) {
        (Some(_), Some(_)) => return Err(bad("give after_s or factor, not both".to_owned())),
        (Some(after_s), None) => Silence::Seconds(number("after_s", after_s)?),
        (None, Some(factor)) => Silence::Intervals(number("factor", factor)?),
        (None, None) => Silence::Intervals(SILENT_INTERVALS),
    };
    let (plants, limit) = (plants_asked(&grant, plant)?, rows_asked(limit));
    let rows = sensors::silent(&app.pool, plants, silence, limit + 1).await?;
    let (items, truncated) = listed(rows, limit);
    Ok(Json(SilentSensors { items, truncated }))
}
