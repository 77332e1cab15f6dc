//! The document's examples: exchanges with the service, in an order in which they work on an empty
//! database. A test has these exchanges with the real service (`tests/it/ingest/examples.rs`).

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder};
use utoipa::openapi::{Content, OpenApi, PathItem, RefOr};

/// A request and its answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Exchange {
    /// Method, path and query.
    pub request: String,
    /// JSON, or the text of another kind of body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
    /// Status of the answer.
    pub status: u16,
    /// JSON of the answer; null where it has no body.
    pub answer: Value,
}

/// All of them.
///
/// # Errors
/// The file is no JSON, which a test would notice.
pub fn exchanges() -> serde_json::Result<Vec<Exchange>> {
    serde_json::from_str(include_str!("examples.json"))
}

static EXCHANGES: LazyLock<Vec<Exchange>> = LazyLock::new(|| exchanges().unwrap_or_default());

/// What an error of a whole request looks like: status, code, InfluxDB's code, words.
pub const REFUSALS: [(u16, &str, &str, &str); 11] = [
    (400, "parameter", "invalid", "unknown precision \"h\": use ns, us, ms or s"),
    (
        401,
        "key_unknown",
        "unauthorized",
        "this API key is not known: make one with `lotwise key create`",
    ),
    (403, "plant_not_allowed", "forbidden", "API key \"gateway\" is not for plant \"porto\""),
    (
        404,
        "unknown_run",
        "invalid",
        "unknown run \"R-9\" in plant \"madrid\": create it first with POST /v1/runs",
    ),
    (
        408,
        "body_slow",
        "request too large",
        "the body did not arrive within 30 s: send smaller batches, or compress them with gzip",
    ),
    (
        409,
        "idempotency_in_progress",
        "invalid",
        "a request with this Idempotency-Key is still at work: wait for its answer, then repeat",
    ),
    (
        413,
        "body_too_large",
        "request too large",
        "the body is larger than 16777216 bytes after decompression: send smaller batches",
    ),
    (
        415,
        "encoding_unknown",
        "invalid",
        "the body may be compressed with gzip, and with nothing else",
    ),
    (
        422,
        "idempotency_key_reused",
        "invalid",
        "this Idempotency-Key was used for another request: use a new key for each change",
    ),
    (
        429,
        "rate_limited",
        "too many requests",
        "this API key may send 500 readings a second: try again in 3 s",
    ),
    (
        503,
        "unavailable",
        "unavailable",
        "the database cannot be reached: check that PostgreSQL runs, and --database-url",
    ),
];

/// Puts the examples into the document.
pub fn add(api: &mut OpenApi) {
    for (path, item) in &mut api.paths.paths {
        for (method, operation) in operations(item) {
            let of_it = EXCHANGES.iter().filter_map(|exchange| {
                let (of, target) = exchange.request.split_once(' ')?;
                let values = (of == method).then(|| values(path, target)).flatten()?;
                Some((exchange, values))
            });
            let of_it: Vec<_> = of_it.collect();
            for (exchange, values) in &of_it {
                add_exchange(operation, exchange, values);
            }
            add_refusals(operation, path);
        }
    }
}

/// The operations of a path with their methods.
pub fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let PathItem { get, post, patch, delete, .. } = item;
    [("GET", get), ("POST", post), ("PATCH", patch), ("DELETE", delete)]
        .into_iter()
        .filter_map(|(method, operation)| operation.as_mut().map(|operation| (method, operation)))
}

/// The parameters of a path and query that fit the template; `None` where they do not.
fn values(template: &str, target: &str) -> Option<Vec<(String, String)>> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let (wanted, got): (Vec<_>, Vec<_>) =
        (template.split('/').collect(), path.split('/').collect());
    if wanted.len() != got.len() {
        return None;
    }
    let mut values = Vec::new();
    for (wanted, got) in wanted.into_iter().zip(got) {
        match wanted.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) => values.push((name.to_owned(), got.to_owned())),
            None if wanted == got => {}
            None => return None,
        }
    }
    let query = url::form_urlencoded::parse(query.as_bytes());
    values.extend(query.map(|(name, value)| (name.into_owned(), value.into_owned())));
    Some(values)
}

/// The first example of each thing stays.
fn add_exchange(operation: &mut Operation, exchange: &Exchange, values: &[(String, String)]) {
    if exchange.status < 400 {
        for parameter in operation.parameters.iter_mut().flatten() {
            if let RefOr::T(parameter) = parameter
                && let Some((_, value)) = values.iter().find(|(name, _)| *name == parameter.name)
            {
                *parameter = with_example(std::mem::take(parameter), value);
            }
        }
        if let Some(RefOr::T(body)) = &mut operation.request_body {
            set(body.content.values_mut(), exchange.body.as_ref());
        }
    }
    if let Some(RefOr::T(response)) =
        operation.responses.responses.get_mut(&exchange.status.to_string())
    {
        set(response.content.values_mut(), Some(&exchange.answer));
    }
}

fn with_example(parameter: Parameter, value: &str) -> Parameter {
    // Numbers and truth values as such, everything else as text.
    let value = match serde_json::from_str(value) {
        Ok(value @ (Value::Number(_) | Value::Bool(_))) if parameter.name != "key" => value,
        _ => Value::from(value),
    };
    ParameterBuilder::from(parameter).example(Some(value)).build()
}

fn set<'a>(contents: impl Iterator<Item = &'a mut RefOr<Content>>, example: Option<&Value>) {
    for content in contents {
        if let RefOr::T(content) = content
            && content.example.is_none()
        {
            content.example = example.cloned();
        }
    }
}

fn add_refusals(operation: &mut Operation, path: &str) {
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else { continue };
        let refusal = REFUSALS.into_iter().find(|refusal| refusal.0.to_string() == *status);
        if let Some(mut refusal) = refusal {
            if path == "/ready" {
                refusal.1 = "not_ready";
            }
            let example = refused(refusal, path == "/api/v2/write");
            set(response.content.values_mut(), Some(&example));
        }
    }
}

/// The body of a refusal.
pub fn refused(
    (status, code, influx_code, words): (u16, &str, &str, &str),
    is_influx: bool,
) -> Value {
    if is_influx {
        return json!({"code": influx_code, "message": words});
    }
    let title = axum::http::StatusCode::from_u16(status).ok();
    json!({
        "type": format!("urn:lotwise:problem:{code}"),
        "title": title.and_then(|status| status.canonical_reason()),
        "status": status,
        "detail": words,
        "code": code,
    })
}
