//! What every route takes from a request: the key's grant and the body within its limit.

use std::time::Instant;

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, FailedToBufferBody};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};

use super::App;
use super::problem::Problem;
use crate::domain::Key;
use crate::ingest::auth::Grant;
use crate::ingest::keys::Scope;

impl FromRequestParts<App> for Grant {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let header = parts.headers.get(header::AUTHORIZATION).and_then(|h| h.to_str().ok());
        let grant = app.keys.grant(header).await?;
        // Every route that writes, those to come included; reading is free.
        if !parts.method.is_safe() {
            grant
                .meter
                .admit(&grant.limits, Instant::now())
                .map_err(|e| Problem::too_fast(&grant.key, &e))?;
        }
        Ok(grant)
    }
}

impl Grant {
    /// Stops a request that the key is not for.
    pub(super) fn require(&self, scope: Scope) -> Result<(), Problem> {
        if self.allows(scope) {
            return Ok(());
        }
        let detail = format!("API key {:?} lacks the scope {}", self.key, scope.as_str());
        Err(Problem::new(StatusCode::FORBIDDEN, "scope_missing", detail))
    }

    /// Stops a request that the key is for in none of these ways.
    pub(super) fn require_any(&self, scopes: &[Scope]) -> Result<(), Problem> {
        if scopes.iter().any(|scope| self.allows(*scope)) {
            return Ok(());
        }
        let names: Vec<_> = scopes.iter().map(|scope| scope.as_str()).collect();
        let detail = format!("API key {:?} lacks the scope {}", self.key, names.join(" or "));
        Err(Problem::new(StatusCode::FORBIDDEN, "scope_missing", detail))
    }

    /// Stops a request for a plant that the key is not for.
    pub(super) fn require_plant(&self, plant: &str) -> Result<(), Problem> {
        if self.allows_plant(plant) {
            return Ok(());
        }
        let detail = format!("API key {:?} is not for plant {plant:?}", self.key);
        Err(Problem::new(StatusCode::FORBIDDEN, "plant_not_allowed", detail))
    }
}

/// The plants that a listing is for: the one asked for, else those of the key (`None`: all).
pub(super) fn plants_asked(
    grant: &Grant,
    plant: Option<String>,
) -> Result<Option<Vec<String>>, Problem> {
    let Some(plant) = plant else { return Ok(grant.plants()) };
    grant.require_plant(&plant)?;
    // No plant has such a key, and PostgreSQL might choke on it.
    Key::parse(&plant)
        .map_err(|e| Problem::new(StatusCode::BAD_REQUEST, "parameter", e.to_string()))?;
    Ok(Some(vec![plant]))
}

/// The body, decompressed and within the limit.
pub struct Body(pub Bytes);

impl FromRequest<App> for Body {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        // The layer before removes the header when it decompresses.
        let encoding = request.headers().get(header::CONTENT_ENCODING);
        if encoding.is_some_and(|encoding| encoding != "identity") {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "encoding_unknown",
                "the body may be compressed with gzip, and with nothing else",
            ));
        }
        Bytes::from_request(request, app).await.map(Self).map_err(|rejection| match rejection {
            BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)) => {
                Problem::new(
                    StatusCode::PAYLOAD_TOO_LARGE,
                    "body_too_large",
                    format!(
                        "the body is larger than {} bytes after decompression: send smaller batches",
                        app.max_body_bytes
                    ),
                )
            }
            _ => Problem::new(
                StatusCode::BAD_REQUEST,
                "body_unreadable",
                "the body could not be read to its end: the connection broke, or the gzip data is damaged",
            ),
        })
    }
}
