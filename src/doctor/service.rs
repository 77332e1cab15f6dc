//! The ingest service.

use std::time::Duration;

use serde_json::Value;

use super::Finding;

/// Longer than the service itself waits for its database.
const WITHIN: Duration = Duration::from_secs(10);

const CHECK: &str = "ingest service";

/// Asks the service whether it can store.
pub async fn check(url: &str) -> Finding {
    match ask(url).await {
        Ok((status, body)) if status.is_success() => {
            let text = |field: &str| body[field].as_str().unwrap_or("?").to_owned();
            let rows = body["spool"]["rows"].as_u64().unwrap_or(0);
            match body["database"].as_str() {
                Some("down") => {
                    let found = format!("the database is down, {rows} readings wait in the spool");
                    Finding::warn(CHECK, found, text("detail"))
                }
                _ if rows > 0 => {
                    let found = format!("ready, {rows} readings wait in the spool");
                    Finding::warn(CHECK, found, "it stores them now; its log says if it cannot")
                }
                _ => Finding::ok(CHECK, format!("ready, {}", text("database"))),
            }
        }
        Ok((status, body)) => match body["detail"].as_str() {
            Some(detail) => Finding::fail(CHECK, "not ready", detail),
            None => Finding::fail(
                CHECK,
                format!("answers {status}"),
                "is something else there? --url is the address of `lotwise ingest`",
            ),
        },
        Err(error) => Finding::fail(
            CHECK,
            format!("no answer ({})", innermost(&error.without_url())),
            "start `lotwise ingest`, or correct --url",
        ),
    }
}

async fn ask(url: &str) -> reqwest::Result<(reqwest::StatusCode, Value)> {
    let http = reqwest::Client::builder().timeout(WITHIN).build()?;
    let answer = http.get(format!("{}/ready", url.trim_end_matches('/'))).send().await?;
    let status = answer.status();
    Ok((status, answer.json().await.unwrap_or(Value::Null)))
}

/// The cause that says most: `connection refused`, not `error sending request`.
fn innermost(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => innermost(source),
        None => error.to_string(),
    }
}
