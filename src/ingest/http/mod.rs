//! The HTTP edge: routes, limits, and errors as answers.

pub mod context;
pub mod csv;
pub mod health;
pub mod idempotency;
pub mod mappings;
pub mod observe;
pub mod openapi;
pub mod problem;
pub mod quarantine;
pub mod readings;
pub mod request;
pub mod room;
pub mod sensors;
pub mod single;
pub mod write;

use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware;
use axum::routing::{get, post};
use sqlx::postgres::PgPool;
use tower_http::decompression::RequestDecompressionLayer;

use crate::ingest::auth::Keys;
use crate::ingest::freshness::Freshness;
use crate::ingest::intake::Intake;
use crate::ingest::mapping::store::Mappings;
use problem::Problem;
use room::Room;

/// What the routes share.
#[derive(Clone)]
pub struct App {
    /// The database, for context and look-ups.
    pub pool: PgPool,
    /// API keys.
    pub keys: Keys,
    /// Which sensors fields of line protocol are.
    pub mappings: Mappings,
    /// The way of readings into the database.
    pub intake: Intake,
    /// What the metrics say of the sensors.
    pub freshness: Freshness,
    /// Largest body after decompression.
    pub max_body_bytes: usize,
    /// Longest time that a sender may take for a body.
    pub body_timeout: Duration,
    /// Memory for bodies.
    pub room: Room,
}

/// The metrics, where they have an address of their own.
pub fn metrics_router(app: App) -> Router {
    Router::new()
        .route("/metrics", get(health::metrics))
        .route("/health", get(health::health))
        .route("/ready", get(health::ready))
        .fallback(no_such_route)
        .with_state(app)
}

async fn no_such_route() -> Problem {
    let hint = "GET /openapi.json lists the routes";
    Problem::new(StatusCode::NOT_FOUND, "no_such_route", hint)
}

/// The service; with `/metrics` unless they have an address of their own.
pub fn router(app: App, with_metrics: bool) -> Router {
    let metrics = if with_metrics { get(health::metrics) } else { get(no_such_route) };
    Router::new()
        .route("/v1/readings", post(readings::post))
        .route("/v1/readings/csv", post(csv::post))
        .route("/api/v2/write", post(write::post))
        .route("/v1/quarantine", get(quarantine::list))
        .route("/v1/quarantine/replay", post(quarantine::replay))
        .route("/v1/sensors/incomplete", get(sensors::incomplete))
        .route("/v1/sensors/silent", get(sensors::silent))
        .merge(mappings::routes(app.mappings.clone()))
        .merge(context::routes())
        .route("/health", get(health::health))
        .route("/ready", get(health::ready))
        .route("/metrics", metrics)
        .route("/openapi.json", get(openapi::serve))
        .fallback(no_such_route)
        .method_not_allowed_fallback(|| async {
            Problem::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method",
                "GET /openapi.json lists each route's methods",
            )
        })
        .layer(RequestDecompressionLayer::new().pass_through_unaccepted(true))
        .layer(middleware::from_fn(observe::observe))
        .with_state(app)
}
