//! What is written down of each request: a line in the log, a measurement, an id.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;

use crate::ingest::telemetry;

/// Names a request in both sides' logs.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Longest id that is taken over from a client.
const MAX_ID: usize = 64;

/// Name of the key that a request came with; set when it is known. Never its secret.
#[derive(Debug, Clone, Default)]
pub struct KeyName(Arc<OnceLock<String>>);

impl KeyName {
    /// The key is known.
    pub fn set(&self, name: &str) {
        // The first stays; a request has one key.
        let _ = self.0.set(name.to_owned());
    }
}

/// Why a request was refused, for the log.
#[derive(Debug, Clone, Copy)]
pub struct Refused(pub &'static str);

/// Counts a request as open as long as it lives.
struct Open;

impl Open {
    fn start() -> Self {
        metrics::gauge!(telemetry::REQUESTS_OPEN).increment(1.0);
        Self
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        metrics::gauge!(telemetry::REQUESTS_OPEN).decrement(1.0);
    }
}

/// One log line, one measurement and one id for each request. Headers and bodies stay out of the
/// log: they hold keys and what plants make.
pub async fn observe(mut request: Request, next: Next) -> Response {
    let (start, _open) = (Instant::now(), Open::start());
    let id = request_id(request.headers().get(REQUEST_ID));
    let key = KeyName::default();
    request.extensions_mut().insert(key.clone());
    let method = request.method().clone();
    let route =
        request.extensions().get::<MatchedPath>().map_or("-", MatchedPath::as_str).to_owned();
    // What a handler logs carries the id.
    let span = tracing::info_span!("request", request.id = id);
    let mut response = next.run(request).instrument(span).await;
    let (status, seconds) = (response.status(), start.elapsed().as_secs_f64());
    metrics::histogram!(telemetry::REQUEST_SECONDS, "method" => method_label(method.as_str()),
        "route" => route.clone(), "status" => status.as_u16().to_string())
    .record(seconds);
    let refused = response.extensions().get::<Refused>().map(|refused| refused.0);
    /// The level must be a constant.
    macro_rules! log {
        ($level:ident) => {
            tracing::$level!(
                request.id = id,
                http.method = %method,
                http.route = route,
                http.status = status.as_u16(),
                error.code = refused,
                key.name = key.0.get(),
                duration_ms = seconds * 1e3,
                "request"
            )
        };
    }
    match status.as_u16() {
        500.. => log!(warn),
        400.. => log!(info),
        _ => log!(debug),
    }
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, id);
    }
    response
}

/// The client's id where it is a plain word, else a random one.
fn request_id(given: Option<&HeaderValue>) -> String {
    let is_plain = |id: &&str| {
        (1..=MAX_ID).contains(&id.len())
            && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b))
    };
    match given.and_then(|id| id.to_str().ok()).filter(is_plain) {
        Some(id) => id.to_owned(),
        None => format!("{:016x}", rand::random::<u64>()),
    }
}

/// A client may send any word as method; metrics must not grow with it.
fn method_label(method: &str) -> &'static str {
    ["GET", "POST", "PATCH", "DELETE", "HEAD"].into_iter().find(|m| *m == method).unwrap_or("other")
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::request_id;

    #[test]
    fn takes_over_plain_ids_only() {
        let id = |text: &'static str| request_id(Some(&HeaderValue::from_static(text)));
        assert_eq!(id("7f3a-B.c_d:1"), "7f3a-B.c_d:1");
        for odd in ["", "a b", "a\"b", "x=1", &*"y".repeat(65)] {
            let made = request_id(HeaderValue::from_str(odd).ok().as_ref());
            assert!(made.len() == 16 && made != odd, "{odd}");
        }
        assert_ne!(request_id(None), request_id(None));
    }
}
