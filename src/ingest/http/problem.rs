//! Refused requests as RFC 9457 problems. Here, and only here, errors become HTTP statuses.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use super::observe::Refused;
use super::room::Crowded;
use crate::ingest::auth::Denied;
use crate::ingest::database::Unavailable;
use crate::ingest::rate::TooFast;
use crate::ingest::telemetry;

/// A problem document.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Problem {
    /// `urn:lotwise:problem:` and the code.
    #[serde(rename = "type")]
    #[schema(example = "urn:lotwise:problem:key_unknown")]
    kind: String,
    /// The status in words.
    title: &'static str,
    /// The HTTP status.
    #[schema(value_type = u16)]
    #[serde(serialize_with = "number")]
    status: StatusCode,
    /// What is wrong and what to do about it.
    detail: String,
    /// The reason for programs.
    code: &'static str,
    /// Seconds after which a client should try again, where that makes sense.
    #[serde(skip)]
    retry_after_s: u64,
}

/// Seconds after which a client should try again when nothing better is known.
const RETRY_AFTER_S: u64 = 5;

impl Problem {
    /// A problem of the given status.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        let title = status.canonical_reason().unwrap_or("Error");
        Self {
            kind: format!("urn:lotwise:problem:{code}"),
            title,
            status,
            detail: detail.into(),
            code,
            retry_after_s: RETRY_AFTER_S,
        }
    }

    /// The key's rate is used up; counted here.
    pub fn too_fast(key: &str, error: &TooFast) -> Self {
        metrics::counter!(telemetry::RATE_LIMITED, "key" => key.to_owned(),
            "measure" => error.measure.as_str())
        .increment(1);
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", error.to_string());
        Self { retry_after_s: error.wait_s, ..problem }
    }

    /// Not this time; logged here, once.
    pub fn unavailable(error: &Unavailable) -> Self {
        tracing::error!(error.message = %error, error.source = %error.source, "database unavailable");
        metrics::counter!(telemetry::UNAVAILABLE).increment(1);
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", error.to_string())
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// What is wrong.
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The headers that go with the status, and the code for the log.
    pub fn add_headers(&self, response: &mut Response) {
        response.extensions_mut().insert(Refused(self.code));
        let headers = response.headers_mut();
        match self.status {
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => {
                headers.insert(header::RETRY_AFTER, self.retry_after_s.into());
            }
            StatusCode::UNAUTHORIZED => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            _ => {}
        }
    }
}

fn number<S: serde::Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(&self)).into_response();
        let json = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        self.add_headers(&mut response);
        response
    }
}

impl From<Crowded> for Problem {
    fn from(Crowded: Crowded) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "crowded",
            "too many or too large bodies at once: keep the data and send it again later",
        )
    }
}

impl From<Unavailable> for Problem {
    fn from(error: Unavailable) -> Self {
        Self::unavailable(&error)
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        let code = match &denied {
            Denied::Unavailable(error) => return Self::unavailable(error),
            Denied::Missing => "key_missing",
            Denied::Unknown => "key_unknown",
            Denied::Expired(_) => "key_expired",
            Denied::Revoked(_) => "key_revoked",
            Denied::Replaced(_) => "key_replaced",
        };
        Self::new(StatusCode::UNAUTHORIZED, code, denied.to_string())
    }
}
