//! Client of the ingest API, for the commands that post to it. Knows how to authenticate, compress
//! and try again; knows nothing of what is posted.

pub mod progress;

#[cfg(test)]
mod tests;

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use flate2::{Compression, write::GzEncoder};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url, header};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

/// What went wrong between this client and the API.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address is not one.
    #[error("'{0}' is not an http:// or https:// address; give one such as http://127.0.0.1:8086")]
    Address(String),
    /// The key file cannot be used.
    #[error(
        "cannot read the key file {path}: {reason}; make one with `lotwise key create --name demo --scope readings --scope context --out {path}`"
    )]
    KeyFile {
        /// Path as given.
        path: String,
        /// Why.
        reason: String,
    },
    /// No answer.
    #[error("no answer from {url} ({reason}); is `lotwise ingest` running there?")]
    Unreachable {
        /// The address asked.
        url: String,
        /// Why.
        reason: String,
    },
    /// The API refused.
    #[error("{url} answered {status}: {detail}")]
    Refused {
        /// The address asked.
        url: String,
        /// Status of the answer.
        status: StatusCode,
        /// What the API says about it.
        detail: String,
    },
    /// The answer is not what the API promises.
    #[error("{url} gave an answer that is not understood: {reason}")]
    Answer {
        /// The address asked.
        url: String,
        /// Why.
        reason: String,
    },
}

/// One row that the API did not take.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct RowError {
    /// Position in what was posted, from 0.
    pub index: usize,
    /// Code, for machines.
    #[serde(default)]
    pub code: String,
    /// Reason, for people.
    #[serde(default)]
    pub message: String,
}

/// Answer to a batch.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Outcome {
    /// Rows taken.
    pub accepted: u64,
    /// Rows not taken.
    pub rejected: u64,
    /// Why; the API may list only the first ones.
    #[serde(default)]
    pub errors: Vec<RowError>,
}

/// A connection to the ingest API.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    authorization: header::HeaderValue,
    patience: Duration,
}

impl Client {
    /// A client for the API at `url` with the key in `key_file`. A database or service that is away
    /// is waited for as long as `patience`.
    pub fn new(url: &str, key_file: &Path, patience: Duration) -> Result<Self, ClientError> {
        let base = Url::parse(url).ok().filter(|base| matches!(base.scheme(), "http" | "https"));
        let base = base.ok_or_else(|| ClientError::Address(url.to_owned()))?;
        let unreadable =
            |reason: String| ClientError::KeyFile { path: key_file.display().to_string(), reason };
        let key =
            std::fs::read_to_string(key_file).map_err(|error| unreadable(error.to_string()))?;
        let mut authorization = header::HeaderValue::from_str(&format!("Bearer {}", key.trim()))
            .map_err(|_| unreadable("it does not hold a key".to_owned()))?;
        authorization.set_sensitive(true);
        // Fails when a provider is there already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().timeout(Duration::from_secs(120)).build();
        let http = http.map_err(|error| ClientError::Address(format!("{url} ({error})")))?;
        Ok(Self { http, base, authorization, patience })
    }

    /// Asks whether the service is there at all, without waiting for it.
    pub async fn reach(&self) -> Result<(), ClientError> {
        let path = "/health";
        match self.request(Method::GET, path, &[]).send().await {
            Ok(response) if response.status().is_success() => Ok(()),
            Ok(response) => Err(self.refusal(path, response).await),
            Err(error) => Err(self.unreachable(path, &error)),
        }
    }

    /// Creates or corrects context items of one kind (`plants`, `runs`, ...).
    pub async fn put_items<T: Serialize>(
        &self,
        kind: &str,
        items: &[T],
    ) -> Result<Outcome, ClientError> {
        let body = encode(&serde_json::json!({ "items": items }))?;
        let path = format!("/v1/{kind}");
        self.answer(
            &path,
            self.send(Method::POST, &path, &[], Some(("application/json", body))).await?,
        )
        .await
    }

    /// Lists context items of one kind.
    pub async fn items<T: DeserializeOwned>(
        &self,
        kind: &str,
        query: &[(&str, &str)],
    ) -> Result<Vec<T>, ClientError> {
        #[derive(Deserialize)]
        struct Items<T> {
            items: Vec<T>,
        }
        let path = format!("/v1/{kind}");
        let response = self.send(Method::GET, &path, query, None).await?;
        Ok(self.answer::<Items<T>>(&path, response).await?.items)
    }

    /// Posts readings as JSON; rows that are not taken are in the outcome.
    pub async fn put_readings<T: Serialize>(
        &self,
        plant: &str,
        readings: &[T],
    ) -> Result<Outcome, ClientError> {
        let body = encode(&serde_json::json!({ "plant": plant, "readings": readings }))?;
        let path = "/v1/readings";
        self.answer(
            path,
            self.send(Method::POST, path, &[], Some(("application/json", body))).await?,
        )
        .await
    }

    /// Posts readings of a plant as line protocol with times in seconds; all must be taken.
    pub async fn write_lines(&self, plant: &str, lines: &str) -> Result<(), ClientError> {
        let mut gzip = GzEncoder::new(Vec::with_capacity(lines.len() / 5), Compression::fast());
        let path = "/api/v2/write";
        let body = gzip.write_all(lines.as_bytes()).and_then(|()| gzip.finish());
        let body = body.map_err(|error| self.not_understood(path, error))?;
        let query = [("org", "lotwise"), ("bucket", plant), ("precision", "s")];
        self.send(Method::POST, path, &query, Some(("text/plain; charset=utf-8", body))).await?;
        Ok(())
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<(&str, Vec<u8>)>,
    ) -> Result<Response, ClientError> {
        let started = Instant::now();
        let mut pause = Duration::from_millis(250);
        let mut told = false;
        loop {
            let mut request = self.request(method.clone(), path, query);
            if let Some((kind, body)) = &body {
                request = request.header(header::CONTENT_TYPE, *kind).body(body.clone());
                if body.starts_with(&[0x1f, 0x8b]) {
                    request = request.header(header::CONTENT_ENCODING, "gzip");
                }
            }
            let (error, wait) = match request.send().await {
                Ok(response) if response.status().is_success() => return Ok(response),
                Ok(response) => {
                    let again = matches!(
                        response.status(),
                        StatusCode::SERVICE_UNAVAILABLE
                            | StatusCode::TOO_MANY_REQUESTS
                            | StatusCode::BAD_GATEWAY
                    );
                    let wait = again.then(|| retry_after(&response).unwrap_or(pause));
                    (self.refusal(path, response).await, wait)
                }
                Err(error) => (self.unreachable(path, &error), Some(pause)),
            };
            match wait {
                Some(wait) if started.elapsed() + wait < self.patience => {
                    // A pause of a second or two is normal under load; a longer one is worth a word.
                    if !told && started.elapsed() > Duration::from_secs(2) {
                        eprintln!("{error}; trying again for {} s", self.patience.as_secs());
                        told = true;
                    }
                    tokio::time::sleep(wait).await;
                    pause = (pause * 2).min(Duration::from_secs(10));
                }
                _ => return Err(error),
            }
        }
    }

    fn request(&self, method: Method, path: &str, query: &[(&str, &str)]) -> RequestBuilder {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path().trim_end_matches('/')));
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        self.http.request(method, url).header(header::AUTHORIZATION, self.authorization.clone())
    }

    async fn refusal(&self, path: &str, response: Response) -> ClientError {
        let status = response.status();
        let text = response.text().await.unwrap_or_default();
        let problem: Value = serde_json::from_str(&text).unwrap_or_default();
        let field = |name: &str| problem.get(name).and_then(Value::as_str);
        let detail = field("detail").or(field("message")).or(field("title")).unwrap_or(text.trim());
        ClientError::Refused { url: self.url(path), status, detail: detail.to_owned() }
    }

    fn unreachable(&self, path: &str, error: &reqwest::Error) -> ClientError {
        // The innermost cause is the one that says something: connection refused, timed out.
        let mut cause: &dyn std::error::Error = error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        ClientError::Unreachable { url: self.url(path), reason: cause.to_string() }
    }

    fn not_understood(&self, path: &str, reason: impl ToString) -> ClientError {
        ClientError::Answer { url: self.url(path), reason: reason.to_string() }
    }

    async fn answer<T: DeserializeOwned>(
        &self,
        path: &str,
        response: Response,
    ) -> Result<T, ClientError> {
        response.json().await.map_err(|error| self.not_understood(path, error))
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base.as_str().trim_end_matches('/'))
    }
}

fn encode(value: &Value) -> Result<Vec<u8>, ClientError> {
    serde_json::to_vec(value)
        .map_err(|error| ClientError::Answer { url: String::new(), reason: error.to_string() })
}

fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}
