//! The rest of Grafana's HTTP API that the page needs: settings, data sources, dashboards.

use axum::{
    Json,
    body::Bytes,
    extract::{Path, RawQuery, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode},
    response::{IntoResponse, Response},
};
use grafana_plugin_sdk::pluginv2::{self, check_health_response::HealthStatus};
use serde_json::{Map, Value, json};

use crate::{App, datasource::Change, provisioning};

/// An answer that is not a success, as Grafana words it.
pub struct Failure(StatusCode, String);

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        (self.0, Json(json!({ "message": self.1 }))).into_response()
    }
}

impl From<tonic::Status> for Failure {
    fn from(status: tonic::Status) -> Self {
        let message = format!("the plugin failed: {}", status.message());
        Self(StatusCode::INTERNAL_SERVER_ERROR, message)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self(StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}"))
    }
}

fn not_found(what: &str) -> Failure {
    Failure(StatusCode::NOT_FOUND, format!("{what} not found"))
}

/// `GET /api/frontend/settings`
pub async fn frontend_settings(State(app): State<App>) -> Result<Json<Value>, Failure> {
    let meta = app.plugin_meta()?;
    let mut datasources = Map::new();
    let mut default = Value::Null;
    for datasource in app.datasources.all() {
        if datasource.plugin() != meta["id"] {
            continue;
        }
        if default.is_null() || datasource.is_default() {
            default = json!(datasource.name());
        }
        datasources.insert(datasource.name().to_owned(), datasource.instance_json(&meta));
    }
    Ok(Json(json!({
        "appUrl": "", "appSubUrl": "", "defaultDatasource": default, "datasources": datasources,
        "panels": {}, "apps": {}, "featureToggles": {},
        "buildInfo": {"version": "12.4.0", "edition": "Lotwise preview", "env": "development"},
    })))
}

/// `GET /api/plugins/:id/settings`
pub async fn plugin_settings(
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Failure> {
    let mut meta = app.plugin_meta()?;
    if meta["id"] != id {
        return Err(not_found("plugin"));
    }
    meta["enabled"] = json!(true);
    Ok(Json(meta))
}

/// `GET /api/datasources/uid/:uid`
pub async fn datasource(
    State(app): State<App>,
    Path(uid): Path<String>,
) -> Result<Json<Value>, Failure> {
    let datasource = app.datasources.get(&uid);
    let datasource = datasource.ok_or_else(|| not_found("data source"))?;
    Ok(Json(datasource.settings_json()))
}

/// `PUT /api/datasources/uid/:uid`
pub async fn save_datasource(
    State(app): State<App>,
    Path(uid): Path<String>,
    Json(change): Json<Change>,
) -> Result<Json<Value>, Failure> {
    let saved = app.datasources.change(&uid, change);
    let saved = saved.ok_or_else(|| not_found("data source"))?;
    Ok(Json(json!({
        "message": "Datasource updated", "name": saved.name(), "datasource": saved.settings_json(),
    })))
}

/// `GET /api/datasources/uid/:uid/health`
pub async fn health(State(app): State<App>, Path(uid): Path<String>) -> Result<Response, Failure> {
    let datasource = app.datasources.get(&uid);
    let datasource = datasource.ok_or_else(|| not_found("data source"))?;
    let request = pluginv2::CheckHealthRequest {
        plugin_context: Some(datasource.plugin_context(&app.role)),
        ..Default::default()
    };
    let mut clients = app.plugin.clients().await?;
    let answer = clients.diagnostics.check_health(request).await?.into_inner();
    let (code, status) = match answer.status() {
        HealthStatus::Ok => (StatusCode::OK, "OK"),
        HealthStatus::Error => (StatusCode::BAD_REQUEST, "ERROR"),
        HealthStatus::Unknown => (StatusCode::BAD_REQUEST, "UNKNOWN"),
    };
    let mut body = json!({ "status": status, "message": answer.message });
    if let Ok(details) = serde_json::from_slice::<Value>(&answer.json_details) {
        body["details"] = details;
    }
    Ok((code, Json(body)).into_response())
}

/// `* /api/datasources/uid/:uid/resources/*path`
pub async fn resource(
    State(app): State<App>,
    Path((uid, path)): Path<(String, String)>,
    RawQuery(parameters): RawQuery,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Failure> {
    let datasource = app.datasources.get(&uid);
    let datasource = datasource.ok_or_else(|| not_found("data source"))?;
    let request = pluginv2::CallResourceRequest {
        plugin_context: Some(datasource.plugin_context(&app.role)),
        url: match parameters {
            Some(parameters) => format!("{path}?{parameters}"),
            None => path.clone(),
        },
        path,
        method: method.to_string(),
        headers: forwarded(&headers),
        body,
    };
    let mut clients = app.plugin.clients().await?;
    let mut stream = clients.resource.call_resource(request).await?.into_inner();
    let Some(first) = stream.message().await? else {
        return Err(tonic::Status::internal("it gave no answer to a resource call").into());
    };
    let mut body = first.body.to_vec();
    while let Some(next) = stream.message().await? {
        body.extend_from_slice(&next.body);
    }
    let code = u16::try_from(first.code).ok();
    let code = code.and_then(|code| StatusCode::from_u16(code).ok());
    let mut response = (code.unwrap_or(StatusCode::BAD_GATEWAY), body).into_response();
    for (name, values) in first.headers {
        for value in values.values {
            let (Ok(name), Ok(value)) = (HeaderName::try_from(&name), HeaderValue::try_from(value))
            else {
                continue;
            };
            if name != "content-length" && name != "transfer-encoding" {
                response.headers_mut().insert(name, value);
            }
        }
    }
    Ok(response)
}

/// `GET /api/search`
pub async fn search(State(app): State<App>) -> Result<Json<Value>, Failure> {
    let dashboards = provisioning::dashboards(&app.provisioning)?;
    let entries = dashboards.iter().map(|dashboard| {
        json!({
            "uid": dashboard["uid"], "title": dashboard["title"], "type": "dash-db",
            "description": dashboard["description"], "tags": dashboard["tags"],
            "url": format!("/d/{}", dashboard["uid"].as_str().unwrap_or_default()),
        })
    });
    Ok(Json(entries.collect()))
}

/// `GET /api/v1/provisioning/alert-rules`
pub async fn alert_rules(State(app): State<App>) -> Result<Json<Value>, Failure> {
    Ok(Json(provisioning::alert_rules(&app.provisioning)?.into()))
}

/// `GET /api/dashboards/uid/:uid`; read anew each time, so that an edited file shows at reload.
pub async fn dashboard(
    State(app): State<App>,
    Path(uid): Path<String>,
) -> Result<Json<Value>, Failure> {
    let dashboards = provisioning::dashboards(&app.provisioning)?;
    let found = dashboards.into_iter().find(|known| known["uid"] == uid);
    let dashboard = found.ok_or_else(|| not_found("dashboard"))?;
    let meta = json!({"url": format!("/d/{uid}"), "provisioned": true, "canEdit": false});
    Ok(Json(json!({ "dashboard": dashboard, "meta": meta })))
}

/// Anything else under `/api`.
pub async fn unknown() -> Failure {
    not_found("this part of Grafana's API")
}

/// The headers of a browser that Grafana passes on; never a cookie or a token.
fn forwarded(headers: &HeaderMap) -> std::collections::HashMap<String, pluginv2::StringList> {
    const PASSED: [&str; 4] = ["accept", "accept-language", "content-type", "user-agent"];
    let mut passed = std::collections::HashMap::new();
    for name in PASSED {
        let values = headers.get_all(name).iter();
        let values = values.filter_map(|value| value.to_str().ok().map(str::to_owned));
        let values: Vec<String> = values.collect();
        if !values.is_empty() {
            passed.insert(name.to_owned(), pluginv2::StringList { values });
        }
    }
    passed
}
