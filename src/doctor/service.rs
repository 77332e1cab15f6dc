//! The ingest service.

use std::path::Path;
use std::time::Duration;

use chrono::{SecondsFormat, TimeDelta, Utc};
use reqwest::tls::TlsInfo;
use reqwest::{Certificate, Client, Identity};
use serde_json::Value;

use super::Finding;
use crate::tls;

/// Longer than the service itself waits for its database.
const WITHIN: Duration = Duration::from_secs(10);

const CHECK: &str = "ingest service";

/// Below this the certificate should have been renewed by now.
const RENEWED_BEFORE: TimeDelta = TimeDelta::days(21);

/// Asks the service whether it can store, and looks at its certificate.
pub async fn check(url: &str, ca: Option<&Path>, client_cert: Option<&Path>) -> Vec<Finding> {
    let client = match client(ca, client_cert) {
        Ok(client) => client,
        Err(reason) => {
            return vec![Finding::fail(CHECK, reason, "correct --ca or --client-cert")];
        }
    };
    match ask(&client, url).await {
        Ok(answer) => {
            let certificate = answer.certificate.as_deref().map(certificate);
            [ready(&answer)].into_iter().chain(certificate).collect()
        }
        Err(error) => vec![Finding::fail(
            CHECK,
            format!("no answer ({})", innermost(&error.without_url())),
            "start `lotwise ingest`, or correct --url (https needs an authority that is known here, or --ca)",
        )],
    }
}

struct Answer {
    status: reqwest::StatusCode,
    body: Value,
    /// Of the service, where it speaks TLS.
    certificate: Option<Vec<u8>>,
}

/// What a service says that takes readings.
fn taking(body: &Value) -> Finding {
    let text = |field: &str| body[field].as_str().unwrap_or("?");
    let rows = body["spool"]["rows"].as_u64().unwrap_or(0);
    if text("database") == "down" {
        let found = format!("the database is down, {rows} readings wait in the spool");
        Finding::warn(CHECK, found, text("detail"))
    } else if rows > 0 {
        let found = format!("ready, {rows} readings wait in the spool");
        Finding::warn(CHECK, found, "it stores them now; its log says if it cannot")
    } else {
        Finding::ok(CHECK, format!("ready, {}", text("database")))
    }
}

fn ready(Answer { status, body, .. }: &Answer) -> Finding {
    if status.is_success() {
        return taking(body);
    }
    match body["detail"].as_str() {
        Some(detail) => Finding::fail(CHECK, "not ready", detail),
        None => Finding::fail(
            CHECK,
            format!("answers {status}"),
            "is something else there? --url is the address of `lotwise ingest`",
        ),
    }
}

/// How long the certificate is still good for.
fn certificate(der: &[u8]) -> Finding {
    let check = "TLS certificate";
    match tls::expiry(der) {
        Ok(until) => {
            let left = until - Utc::now();
            let until = until.to_rfc3339_opts(SecondsFormat::Secs, true);
            let found = format!("valid until {until}, {} days more", left.num_days());
            if left < RENEWED_BEFORE {
                let advice = "renew it; `lotwise ingest` takes the new files without a restart";
                return Finding::warn(check, found, advice);
            }
            Finding::ok(check, found)
        }
        Err(error) => Finding::warn(check, error.to_string(), "make it anew"),
    }
}

fn client(ca: Option<&Path>, client_cert: Option<&Path>) -> Result<Client, String> {
    let read = |path: &Path| std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()));
    let mut client = Client::builder().timeout(WITHIN).tls_info(true);
    if let Some(path) = ca {
        let authorities = Certificate::from_pem_bundle(&read(path)?);
        client = client.tls_certs_only(authorities.map_err(|e| innermost(&e))?);
    }
    if let Some(path) = client_cert {
        client = client.identity(Identity::from_pem(&read(path)?).map_err(|e| innermost(&e))?);
    }
    client.build().map_err(|e| innermost(&e))
}

async fn ask(client: &Client, url: &str) -> reqwest::Result<Answer> {
    let answer = client.get(format!("{}/ready", url.trim_end_matches('/'))).send().await?;
    let tls = answer.extensions().get::<TlsInfo>();
    let certificate = tls.and_then(TlsInfo::peer_certificate).map(<[u8]>::to_vec);
    let status = answer.status();
    Ok(Answer { status, body: answer.json().await.unwrap_or(Value::Null), certificate })
}

/// The cause that says most: `connection refused`, not `error sending request`.
fn innermost(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => innermost(source),
        None => error.to_string(),
    }
}
