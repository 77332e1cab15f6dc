//! `POST /api/v2/write`: InfluxDB line protocol with InfluxDB's answers, as Telegraf expects them.
//!
//! Telegraf takes any 2xx as delivered, drops a batch after a 400, splits it after a 413 and sends
//! it again after 401, 403, 429 and 5xx. So a partial write is a 400, and bad data never a 5xx.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequest, Query, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use chrono::Utc;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::App;
use super::problem::Problem;
use super::request::{Body, discard};
use crate::ingest::auth::Grant;
use crate::ingest::batch::MAX_READINGS;
use crate::ingest::intake::{Source, Total};
use crate::ingest::keys::Scope;
use crate::ingest::mapping::store::AllMappings;
use crate::ingest::payload::RowError;
use crate::ingest::payload::line_protocol::{Naming, Precision, parts};
use crate::ingest::reading::Instant;

/// The query's parameters.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Parameters {
    /// Key of the plant, for lines without a tag `plant`.
    bucket: Option<String>,
    /// Key of the plant, where neither line, bucket nor API key says which.
    org: Option<String>,
    /// Unit of the timestamps: ns (when left out), us, ms or s.
    precision: Option<String>,
}

/// InfluxDB's form of an error.
#[derive(Debug, Serialize, ToSchema)]
pub struct WriteError {
    /// InfluxDB's code.
    #[schema(example = "invalid")]
    code: &'static str,
    /// What is wrong.
    message: String,
    /// Number of the first bad line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    /// The bad lines (at most 1,000 of them).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<LineProblem>,
}

/// Why a line, or a field of it, is not stored.
#[derive(Debug, Serialize, ToSchema)]
pub struct LineProblem {
    /// Number of the line, from 1.
    line: usize,
    /// The reason for programs.
    code: &'static str,
    /// The reason, and what to do about it.
    message: String,
}

impl From<&RowError> for LineProblem {
    fn from(RowError { position, reason }: &RowError) -> Self {
        Self { line: *position, code: reason.code(), message: reason.to_string() }
    }
}

/// Store readings from line protocol
///
/// The plant's mappings say which sensor a field is. Without one that fits, tag `sensor`, else the measurement, is the sensor's key. Field `value` belongs to that sensor,
/// any other field F to the sensor KEY.F. Good lines are stored whatever the others hold.
#[utoipa::path(post, path = "/api/v2/write", operation_id = "write_line_protocol", tag = "readings", params(Parameters),
    security(("key" = [])),
    request_body(content = String, content_type = "text/plain", example = "T1 value=21.5 1772344800000000000"),
    responses(
        (status = 204, description = "Everything is stored"),
        (status = 400, description = "Good lines are stored, the listed ones are not", body = WriteError)))]
pub async fn post(
    State(app): State<App>,
    query: Result<Query<Parameters>, QueryRejection>,
    grant: Result<Grant, Problem>,
    request: Request,
) -> Response {
    match write(&app, query, grant, request).await {
        Ok(total) if total.rejected == 0 => StatusCode::NO_CONTENT.into_response(),
        Ok(total) => (StatusCode::BAD_REQUEST, Json(partial(&total))).into_response(),
        Err(problem) => in_influx_form(&problem),
    }
}

async fn write(
    app: &App,
    query: Result<Query<Parameters>, QueryRejection>,
    grant: Result<Grant, Problem>,
    request: Request,
) -> Result<Total, Problem> {
    let grant = match grant.and_then(|grant| grant.require(Scope::Readings).map(|()| grant)) {
        Ok(grant) => grant,
        Err(problem) => {
            discard(request).await;
            return Err(problem);
        }
    };
    let target = Target::of(query, &grant)?;
    let Body(body) = Body::from_request(request, app).await?;
    let mappings = app.mappings.current().await?;
    let naming = target.naming(&grant, &mappings);
    let source = Source { protocol: "line_protocol", plant: target.plant.as_deref() };
    let mut parts = parts(&body, target.precision, target.now, naming, MAX_READINGS);
    let mut total = Total::default();
    loop {
        let _turn = app.room.rows(parts.bytes_left(), MAX_READINGS).await?;
        let Some(part) = parts.next() else { return Ok(total) };
        total.add(app.intake.take(&grant, part, source).await?);
    }
}

/// Where and when lines belong that do not say it themselves.
pub(super) struct Target {
    /// Key of the plant.
    pub plant: Option<String>,
    /// Unit of the times.
    pub precision: Precision,
    /// Time of arrival.
    pub now: Instant,
}

impl Target {
    /// What the query says, as far as the key may.
    pub fn of(
        query: Result<Query<Parameters>, QueryRejection>,
        grant: &Grant,
    ) -> Result<Self, Problem> {
        let bad = |detail: String| Problem::new(StatusCode::BAD_REQUEST, "parameter", detail);
        let Query(parameters) = query.map_err(|e| bad(e.body_text()))?;
        let precision = match parameters.precision.as_deref() {
            None | Some("") => Precision::default(),
            Some(text) => Precision::parse(text)
                .ok_or_else(|| bad(format!("unknown precision {text:?}: use ns, us, ms or s")))?,
        };
        let named = |name: Option<String>| name.filter(|name| !name.is_empty());
        let plant = named(parameters.bucket)
            .or_else(|| named(parameters.org).filter(|_| grant.only_plant().is_none()));
        if let Some(plant) = &plant {
            grant.require_plant(plant)?;
        }
        let now = Instant::from_utc(Utc::now())
            .map_err(|e| Problem::new(StatusCode::SERVICE_UNAVAILABLE, "clock", e.to_string()))?;
        Ok(Self { plant, precision, now })
    }

    /// How fields get their sensors.
    pub fn naming<'m>(&'m self, grant: &'m Grant, mappings: &'m AllMappings) -> Naming<'m> {
        Naming {
            mappings: Some(mappings).filter(|mappings| !mappings.is_empty()),
            default_plant: self.plant.as_deref().or(grant.only_plant()),
        }
    }
}

fn partial(total: &Total) -> WriteError {
    let Total { rejected, errors, .. } = total;
    let line = errors.first().map(|e| e.position);
    let first = errors.first().map(|e| format!("line {}: {}", e.position, e.reason));
    WriteError {
        code: "invalid",
        message: format!("partial write: {rejected} not stored; {}", first.unwrap_or_default()),
        line,
        errors: errors.iter().map(LineProblem::from).collect(),
    }
}

fn in_influx_form(problem: &Problem) -> Response {
    let status = match problem.status() {
        // Telegraf drops a batch after any other 4xx; after this one it sends two halves, which
        // take less time each.
        StatusCode::REQUEST_TIMEOUT => StatusCode::PAYLOAD_TOO_LARGE,
        status => status,
    };
    let code = match status {
        StatusCode::UNAUTHORIZED => "unauthorized",
        StatusCode::FORBIDDEN => "forbidden",
        StatusCode::PAYLOAD_TOO_LARGE => "request too large",
        StatusCode::TOO_MANY_REQUESTS => "too many requests",
        StatusCode::SERVICE_UNAVAILABLE => "unavailable",
        _ => "invalid",
    };
    let error =
        WriteError { code, message: problem.detail().to_owned(), line: None, errors: Vec::new() };
    let mut response = (status, Json(error)).into_response();
    problem.add_headers(&mut response);
    response
}
