//! What every route takes from a request: the key's grant and the body within its limit.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use axum::body::{BodyDataStream, Bytes, HttpBody};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use futures_util::StreamExt;

use super::App;
use super::observe::KeyName;
use super::problem::Problem;
use super::room::Share;
use crate::domain::Key;
use crate::ingest::auth::Grant;
use crate::ingest::keys::Scope;

impl FromRequestParts<App> for Grant {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let header = parts.headers.get(header::AUTHORIZATION).and_then(|h| h.to_str().ok());
        let grant = app.keys.grant(header).await?;
        if let Some(name) = parts.extensions.get::<KeyName>() {
            name.set(&grant.key);
        }
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

/// The body, decompressed and within the limit. Its share of the memory is given back with the last
/// clone of the bytes.
pub struct Body(pub Bytes);

impl FromRequest<App> for Body {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        // The layer before removes the header when it decompresses, and the length with it.
        let encoding = request.headers().get(header::CONTENT_ENCODING);
        if encoding.is_some_and(|encoding| encoding != "identity") {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "encoding_unknown",
                "the body may be compressed with gzip, and with nothing else",
            ));
        }
        let announced = request.body().size_hint().exact();
        let announced = announced.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
        let limit = app.max_body_bytes;
        if announced.is_some_and(|bytes| bytes > limit) {
            return Err(too_large(limit));
        }
        let share = app.room.share(announced.unwrap_or(UNKNOWN_LENGTH).min(limit)).await?;
        let frames = request.into_body().into_data_stream();
        let text = receive(frames, share, announced, app).await?;
        Ok(Self(Bytes::from_owner(text)))
    }
}

/// What a body of unknown length is taken for at first.
const UNKNOWN_LENGTH: usize = 64 * 1_024;

/// A body and its share of the memory.
struct Text {
    bytes: Vec<u8>,
    share: Share,
}

impl AsRef<[u8]> for Text {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

async fn receive(
    mut frames: BodyDataStream,
    share: Share,
    announced: Option<usize>,
    app: &App,
) -> Result<Text, Problem> {
    let (limit, timeout) = (app.max_body_bytes, app.body_timeout);
    let mut text = Text { bytes: Vec::new(), share };
    let mut left = timeout;
    loop {
        // Only the sender's time counts, not the wait for room.
        let asked = Instant::now();
        let frame = tokio::time::timeout(left, frames.next()).await.map_err(|_| slow(timeout))?;
        left = left.saturating_sub(asked.elapsed());
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|e| unreadable(&e))?;
        let length = text.bytes.len() + frame.len();
        if length > limit {
            return Err(too_large(limit));
        }
        text.share.grow(length).await?;
        if length > text.bytes.capacity() {
            // Memory that is not written to costs nothing yet, should the body never come.
            let capacity = announced.unwrap_or(2 * length).min(text.share.bytes()).max(length);
            text.bytes.reserve_exact(capacity - text.bytes.len());
        }
        text.bytes.extend_from_slice(&frame);
    }
    text.share.shrink(text.bytes.capacity());
    Ok(text)
}

/// Reads and forgets some of a body, so that its sender comes to read the answer.
pub(super) async fn discard(request: Request) {
    const MOST: usize = 1024 * 1024;
    const WAIT: Duration = Duration::from_secs(2);
    let mut frames = request.into_body().into_data_stream();
    let _ = tokio::time::timeout(WAIT, async {
        let mut read = 0;
        while let Some(Ok(frame)) = frames.next().await {
            read += frame.len();
            if read > MOST {
                break;
            }
        }
    })
    .await;
}

fn too_large(limit: usize) -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "body_too_large",
        format!("the body is larger than {limit} bytes after decompression: send smaller batches"),
    )
}

fn slow(timeout: Duration) -> Problem {
    let detail = format!(
        "the body did not arrive within {} s: send smaller batches, or compress them with gzip",
        timeout.as_secs()
    );
    Problem::new(StatusCode::REQUEST_TIMEOUT, "body_slow", detail)
}

fn unreadable(error: &(dyn std::error::Error + 'static)) -> Problem {
    if ended_early(error) {
        return Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "body_incomplete",
            "the connection ended before the body did: send it again",
        );
    }
    Problem::new(
        StatusCode::BAD_REQUEST,
        "body_unreadable",
        "the body could not be read to its end: its gzip data or its chunks are damaged",
    )
}

/// Whether the connection's sending side ended in the middle of the body. Something on the way did
/// that, and the sender may still hear the answer: a 400 would make Telegraf drop good data.
fn ended_early(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut causes = std::iter::successors(Some(error), |error| error.source());
    // Damaged gzip data can end early too, in a body that is whole.
    causes.any(|cause| cause.is::<hyper::Error>())
        && causes.any(|cause| {
            cause.downcast_ref::<std::io::Error>().is_some_and(|e| {
                !matches!(e.kind(), ErrorKind::InvalidData | ErrorKind::InvalidInput)
            })
        })
}
