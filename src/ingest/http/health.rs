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
use crate::ingest::database::Unavailable;
use crate::ingest::reading::Instant;
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

/// The service can store.
#[derive(Debug, Serialize, ToSchema)]
pub struct Ready {
    /// Kind of the database.
    #[schema(example = "TimescaleDB 2.19.3 (Apache edition)")]
    database: String,
    /// Version of the schema.
    schema: i64,
}

/// Longest wait for the database's answer.
const READY_WITHIN: Duration = Duration::from_secs(3);

/// The database answers and has the right schema
#[utoipa::path(get, path = "/ready", tag = "operation",
    responses((status = 200, description = "Ready to store", body = Ready)))]
pub async fn ready(State(app): State<App>) -> Result<Json<Ready>, Problem> {
    let asked = tokio::time::timeout(READY_WITHIN, ask(&app)).await;
    let (kind, version) = asked.unwrap_or(Err(sqlx::Error::PoolTimedOut)).map_err(|source| {
        let error = Unavailable::from(source);
        tracing::debug!(error.source = %error.source, "not ready");
        not_ready(error.to_string())
    })?;
    match version {
        // A newer schema stays readable and writable for this version: migrations only add.
        Some(version) if version >= schema::LATEST => {
            Ok(Json(Ready { database: kind.to_string(), schema: version }))
        }
        _ => Err(not_ready(format!(
            "the schema has version {}, this service needs {}: run `lotwise migrate`",
            version.unwrap_or(0),
            schema::LATEST
        ))),
    }
}

async fn ask(app: &App) -> sqlx::Result<(crate::domain::DatabaseKind, Option<i64>)> {
    let mut conn = app.pool.acquire().await?;
    Ok((schema::database_kind(&mut conn).await?, schema::version(&mut conn).await?))
}

fn not_ready(detail: String) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not_ready", detail)
}

/// Metrics for Prometheus
#[utoipa::path(get, path = "/metrics", tag = "operation",
    responses((status = 200, description = "Prometheus text format", body = String, content_type = "text/plain")))]
pub async fn metrics(State(app): State<App>) -> Response {
    telemetry::measure_process();
    let mut text = telemetry::metrics().map(|handle| handle.render()).unwrap_or_default();
    text.push_str(&app.freshness.render(Instant::now()));
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}
