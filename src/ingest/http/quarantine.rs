//! `/v1/quarantine`: readings that wait for their sensor or their time.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::problem::Problem;
use super::request::plants_asked;
use crate::ingest::auth::Grant;
use crate::ingest::keys::Scope;
use crate::ingest::quarantine::{self, Replay, Which, Why};

/// Which readings.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Parameters {
    /// Key of a plant; all that the API key is for without it.
    plant: Option<String>,
    /// Only what is kept for this reason.
    #[param(inline)]
    reason: Option<Why>,
    /// Most readings to list, from 1 to 10,000; 1,000 without it.
    limit: Option<i64>,
}

/// Which readings, and whether they have to be due.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ReplayParameters {
    /// Key of a plant; all that the API key is for without it.
    plant: Option<String>,
    /// Only what is kept for this reason.
    #[param(inline)]
    reason: Option<Why>,
    /// `true`: also what is too old or still in the future. Needs the scope admin.
    #[serde(default)]
    force: bool,
}

/// A reading in quarantine.
#[derive(Debug, Serialize, ToSchema)]
#[allow(dead_code, reason = "documents what the database puts together")]
pub struct HeldReading {
    /// Key of the plant.
    plant: String,
    /// Key under which it was sent.
    sensor: String,
    /// When it was measured.
    time: chrono::DateTime<chrono::Utc>,
    /// What was measured.
    value: f64,
    /// Why it is not stored.
    #[schema(example = "unknown_sensor")]
    reason: String,
    /// When it was last sent.
    received_at: chrono::DateTime<chrono::Utc>,
}

/// Readings in quarantine.
#[derive(Debug, Serialize, ToSchema)]
pub struct HeldReadings {
    /// The readings, by plant, sensor and time.
    #[schema(value_type = Vec<HeldReading>)]
    items: Vec<Box<RawValue>>,
    /// Whether there are more.
    truncated: bool,
}

/// What a replay did.
#[derive(Debug, Serialize, ToSchema)]
pub struct Replayed {
    /// Readings that left the quarantine.
    #[schema(example = 120)]
    replayed: i64,
}

type Asked<P> = Result<Query<P>, QueryRejection>;

fn asked<P>(grant: &Grant, query: Asked<P>) -> Result<P, Problem> {
    grant.require(Scope::Readings)?;
    let Query(parameters) =
        query.map_err(|e| Problem::new(StatusCode::BAD_REQUEST, "parameter", e.body_text()))?;
    Ok(parameters)
}

/// List readings that wait
///
/// Those of unknown sensors, from the future and too old. They are kept for 30 days.
#[utoipa::path(get, path = "/v1/quarantine", operation_id = "list_quarantine", tag = "readings",
    params(Parameters), security(("key" = [])),
    responses((status = 200, description = "What is kept", body = HeldReadings)))]
pub async fn list(
    State(app): State<App>,
    grant: Grant,
    query: Asked<Parameters>,
) -> Result<Json<HeldReadings>, Problem> {
    let Parameters { plant, reason, limit } = asked(&grant, query)?;
    let which = Which { plants: plants_asked(&grant, plant)?, why: reason };
    let limit = limit.unwrap_or(1_000).clamp(1, 10_000);
    let mut rows = quarantine::list(&app.pool, &which, limit + 1).await?;
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    let truncated = rows.len() > most;
    rows.truncate(most);
    let items = rows.into_iter().filter_map(|row| RawValue::from_string(row).ok()).collect();
    Ok(Json(HeldReadings { items, truncated }))
}

/// Store readings of sensors that are registered by now
///
/// Those from the future when they are past, those that are too old only with `force=true`. A value
/// that the sensor has got in the meantime is newer, and stays.
#[utoipa::path(post, path = "/v1/quarantine/replay", operation_id = "replay_quarantine", tag = "readings",
    params(ReplayParameters), security(("key" = [])),
    responses((status = 200, description = "They are stored", body = Replayed)))]
pub async fn replay(
    State(app): State<App>,
    grant: Grant,
    query: Asked<ReplayParameters>,
) -> Result<Json<Replayed>, Problem> {
    let ReplayParameters { plant, reason, force } = asked(&grant, query)?;
    let replay = if force { Replay::Forced } else { Replay::Due };
    if replay == Replay::Forced {
        grant.require(Scope::Admin)?;
    }
    let which = Which { plants: plants_asked(&grant, plant)?, why: reason };
    let replayed = quarantine::replay(&app.pool, &which, replay).await?;
    Ok(Json(Replayed { replayed }))
}
