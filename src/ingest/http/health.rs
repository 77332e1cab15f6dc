//! `/health`, `/ready`, `/metrics`.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use super::problem::Problem;
use crate::domain::DatabaseKind;
use crate::ingest::database::Unavailable;
use crate::ingest::reading::Instant;
use crate::ingest::spool::Spool;
use crate::ingest::telemetry;
use crate::schema;

/// The process answers. The fields are those of InfluxDB's health check too.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    name: &'static str,
    #[schema(example = "pass")]
    status: &'static str,
    version: &'static str,
}

/// The process is up
#[utoipa::path(get, path = "/health", tag = "operation",
    responses((status = 200, description = "The process is up", body = Health)))]
pub async fn health() -> Json<Health> {
    Json(Health { name: "lotwise", status: "pass", version: env!("CARGO_PKG_VERSION") })
}

/// The service can take readings.
#[derive(Debug, Serialize, ToSchema)]
pub struct Ready {
    /// Kind of the database; `down` when it cannot store now, and readings go to the spool.
    #[schema(example = "TimescaleDB 2.19.3 (Apache edition)")]
    database: String,
    /// Version of the schema, when the database can store.
    #[serde(skip_serializing_if = "Option::is_none")]
    schema: Option<i64>,
    /// What is wrong with the database, when it cannot store.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// The readings on the service's disk, where there is a spool.
    #[serde(skip_serializing_if = "Option::is_none")]
    spool: Option<SpoolDepth>,
}

/// Readings that wait for the database.
#[derive(Debug, Serialize, ToSchema)]
pub struct SpoolDepth {
    /// How many.
    rows: u64,
    /// Bytes of the spool's files.
    bytes: u64,
    /// Bytes that the files may have.
    max_bytes: u64,
    /// Seconds since the oldest came.
    oldest_age_s: f64,
}

impl SpoolDepth {
    fn of(spool: &Spool) -> Self {
        let (depth, max_bytes) = (spool.depth(), spool.max_bytes());
        let oldest_age_s = depth.oldest_age_seconds();
        Self { rows: depth.rows, bytes: depth.bytes, max_bytes, oldest_age_s }
    }
}

/// Longest wait for the database's answer.
const READY_WITHIN: Duration = Duration::from_secs(3);

/// The service can take readings
///
/// The database answers and has the right schema. Or it does not, and there is room in the spool:
/// then senders can go on, and `database` is `down`.
#[utoipa::path(get, path = "/ready", tag = "operation",
    responses((status = 200, description = "Ready to take readings", body = Ready)))]
pub async fn ready(State(app): State<App>) -> Result<Json<Ready>, Problem> {
    let spool = app.intake.spool();
    let depth = spool.map(SpoolDepth::of);
    match database(&app).await {
        Ok((kind, version)) => {
            let (database, schema) = (kind.to_string(), Some(version));
            Ok(Json(Ready { database, schema, detail: None, spool: depth }))
        }
        Err(detail) if spool.is_some_and(Spool::has_room) => {
            let (database, detail) = ("down".to_owned(), Some(detail));
            Ok(Json(Ready { database, schema: None, detail, spool: depth }))
        }
        Err(detail) => Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", detail)),
    }
}

/// Kind and schema version of a database that can store, or why it cannot.
async fn database(app: &App) -> Result<(DatabaseKind, i64), String> {
    let asked = tokio::time::timeout(READY_WITHIN, ask(app)).await;
    let (kind, version) = asked.unwrap_or(Err(sqlx::Error::PoolTimedOut)).map_err(|source| {
        let error = Unavailable::from(source);
        tracing::debug!(error.source = %error.source, "not ready");
        error.to_string()
    })?;
    // A newer schema stays readable and writable for this version: migrations only add.
    match version {
        Some(version) if version >= schema::LATEST => Ok((kind, version)),
        _ => Err(format!(
            "the schema has version {}, this service needs {}: run `lotwise migrate`",
            version.unwrap_or(0),
            schema::LATEST
        )),
    }
}

async fn ask(app: &App) -> sqlx::Result<(DatabaseKind, Option<i64>)> {
    let mut conn = app.pool.acquire().await?;
    Ok((schema::database_kind(&mut conn).await?, schema::version(&mut conn).await?))
}

/// Metrics for Prometheus
#[utoipa::path(get, path = "/metrics", tag = "operation",
    responses((status = 200, description = "Prometheus text format", body = String, content_type = "text/plain")))]
pub async fn metrics(State(app): State<App>) -> Response {
    if let Some(spool) = app.intake.spool() {
        spool.measure();
    }
    telemetry::measure_process();
    let mut text = telemetry::metrics().map(|handle| handle.render()).unwrap_or_default();
    text.push_str(&app.freshness.render(Instant::now()));
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}
