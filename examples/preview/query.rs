//! `POST /api/ds/query`: from the panel's JSON to the plugin and back.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Duration, Utc};
use grafana_plugin_sdk::pluginv2;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{App, frame};

/// What a panel posts.
#[derive(Deserialize)]
pub struct QueryRequest {
    queries: Vec<Map<String, Value>>,
    #[serde(default)]
    from: Value,
    #[serde(default)]
    to: Value,
}

/// Asks the plugin once for each data source, and answers with one result for each query.
pub async fn query(State(app): State<App>, Json(request): Json<QueryRequest>) -> Response {
    let now = Utc::now();
    let (Some(from), Some(to)) = (epoch_ms(&request.from, now), epoch_ms(&request.to, now)) else {
        let message = json!({"message": "from and to must be milliseconds since 1970"});
        return (StatusCode::BAD_REQUEST, Json(message)).into_response();
    };

    let mut by_datasource: BTreeMap<String, Vec<pluginv2::DataQuery>> = BTreeMap::new();
    for query in request.queries {
        let uid = query.get("datasource").and_then(|datasource| datasource["uid"].as_str());
        let uid = uid.unwrap_or_default().to_owned();
        by_datasource.entry(uid).or_default().push(data_query(query, from, to));
    }

    let mut results = Map::new();
    for (uid, queries) in by_datasource {
        results.extend(ask(&app, &uid, queries).await);
    }
    let failed = results.values().any(|result| result.get("error").is_some());
    let status = if failed {
        StatusCode::BAD_REQUEST // Grafana's, when any of the queries failed
    } else {
        StatusCode::OK
    };
    (status, Json(json!({ "results": results }))).into_response()
}

async fn ask(app: &App, uid: &str, queries: Vec<pluginv2::DataQuery>) -> Map<String, Value> {
    let ref_ids: Vec<String> = queries.iter().map(|query| query.ref_id.clone()).collect();
    let all_fail = |message: String, status: u16| {
        let failure =
            json!({"error": message, "errorSource": "plugin", "status": status, "frames": []});
        ref_ids.iter().map(|ref_id| (ref_id.clone(), failure.clone())).collect()
    };
    let Some(datasource) = app.datasources.get(uid) else {
        return all_fail(format!("there is no data source {uid:?}"), 404);
    };
    let request = pluginv2::QueryDataRequest {
        plugin_context: Some(datasource.plugin_context(&app.role)),
        queries,
        ..Default::default()
    };
    let answer = match app.plugin.clients().await {
        Ok(mut clients) => clients.data.query_data(request).await,
        Err(status) => Err(status),
    };
    match answer {
        Ok(answer) => {
            let mut responses = answer.into_inner().responses;
            let answered = ref_ids.iter().map(|ref_id| {
                let response = responses
                    .remove(ref_id)
                    .unwrap_or_else(|| failed("the plugin did not answer this query", 500));
                (ref_id.clone(), result_json(response))
            });
            answered.collect()
        }
        Err(status) => all_fail(format!("the plugin failed: {}", status.message()), 500),
    }
}

fn failed(message: &str, status: i32) -> pluginv2::DataResponse {
    pluginv2::DataResponse {
        error: message.to_owned(),
        error_source: "plugin".to_owned(),
        status,
        ..Default::default()
    }
}

fn data_query(query: Map<String, Value>, from: i64, to: i64) -> pluginv2::DataQuery {
    let text = |key: &str| query.get(key).and_then(Value::as_str).unwrap_or_default();
    let number = |key: &str, default| {
        query.get(key).and_then(Value::as_f64).map_or(default, |number| number as i64)
    };
    pluginv2::DataQuery {
        ref_id: text("refId").to_owned(),
        query_type: text("queryType").to_owned(),
        max_data_points: number("maxDataPoints", 100),
        interval_ms: number("intervalMs", 1_000),
        time_range: Some(pluginv2::TimeRange { from_epoch_ms: from, to_epoch_ms: to }),
        json: Value::Object(query).to_string().into_bytes(),
    }
}

fn result_json(response: pluginv2::DataResponse) -> Value {
    let mut error = response.error;
    let mut source = response.error_source;
    let mut status = response.status;
    let mut frames = Vec::new();
    for bytes in &response.frames {
        match frame::to_json(bytes) {
            Ok(frame) => frames.push(frame),
            Err(failure) => {
                error = failure.to_string();
                "plugin".clone_into(&mut source);
                status = 500;
            }
        }
    }
    if status == 0 {
        status = if error.is_empty() { 200 } else { 500 };
    }
    let mut result = json!({ "status": status, "frames": frames });
    if !error.is_empty() {
        result["error"] = json!(error);
        result["errorSource"] = json!(source);
    }
    result
}

/// Reads milliseconds since 1970 (a number or a text) or `now`, `now-6h`.
fn epoch_ms(value: &Value, now: DateTime<Utc>) -> Option<i64> {
    let text = match value {
        Value::Number(number) => return number.as_i64(),
        Value::String(text) => text,
        _ => return None,
    };
    let Some(offset) = text.strip_prefix("now") else {
        return text.parse().ok();
    };
    if offset.is_empty() {
        return Some(now.timestamp_millis());
    }
    let offset = offset.strip_prefix('-')?;
    let (digits, unit) = offset.split_at(offset.find(|c: char| !c.is_ascii_digit())?);
    let amount: i64 = digits.parse().ok()?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return None,
    };
    let back = Duration::try_seconds(amount.checked_mul(seconds)?)?;
    Some(now.checked_sub_signed(back)?.timestamp_millis())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_times_that_panels_send() {
        let now = DateTime::from_timestamp(1_000_000, 0).unwrap();
        for (value, expected) in [
            (json!(1_500), Some(1_500)),
            (json!("1500"), Some(1_500)),
            (json!("now"), Some(1_000_000_000)),
            (json!("now-6h"), Some(1_000_000_000 - 21_600_000)),
            (json!("now-1y"), None),
            (json!("now-9223372036854775807w"), None),
            (json!("yesterday"), None),
            (Value::Null, None),
        ] {
            assert_eq!(epoch_ms(&value, now), expected, "{value}");
        }
    }

    #[test]
    fn a_query_goes_to_the_plugin_whole() {
        let saved = json!({"refId": "B", "queryType": "kpi", "maxDataPoints": 800, "intervalMs": 60000.5, "place": {"plants": ["madrid"]}});
        let query = data_query(saved.as_object().unwrap().clone(), 1, 2);
        assert_eq!((query.ref_id.as_str(), query.query_type.as_str()), ("B", "kpi"));
        assert_eq!((query.max_data_points, query.interval_ms), (800, 60_000));
        assert_eq!(serde_json::from_slice::<Value>(&query.json).unwrap(), saved);
    }

    #[test]
    fn a_frame_that_cannot_be_decoded_fails_its_query() {
        let response =
            pluginv2::DataResponse { frames: vec![b"not arrow".to_vec()], ..Default::default() };
        let result = result_json(response);
        assert_eq!(result["status"], 500);
        assert_eq!(result["errorSource"], "plugin");
    }

    #[test]
    fn an_error_keeps_its_status_and_source() {
        let response = pluginv2::DataResponse {
            error: "unknown lot".to_owned(),
            error_source: "downstream".to_owned(),
            status: 400,
            ..Default::default()
        };
        assert_eq!(
            result_json(response),
            json!({"status": 400, "error": "unknown lot", "errorSource": "downstream", "frames": []})
        );
        assert_eq!(
            result_json(pluginv2::DataResponse::default()),
            json!({"status": 200, "frames": []})
        );
    }
}
