//! CallResource: what the cascading pickers of the editors choose from.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use grafana_plugin_sdk::pluginv2 as pb;
use serde_json::json;
use tonic::{Request, Response, Status, async_trait};

use super::Plugin;
use super::instance::Instance;
use crate::answer::choices::{UnknownSubject, Wanted, choices};
use crate::answer::{AnswerError, Source};
use crate::domain::{Language, Say};
use crate::model::{Filter, Place};

/// Choices when the request names no limit, and at most.
const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1_000;

#[async_trait]
impl pb::resource_server::Resource for Plugin {
    type CallResourceStream = tokio_stream::Once<Result<pb::CallResourceResponse, Status>>;

    async fn call_resource(
        &self,
        request: Request<pb::CallResourceRequest>,
    ) -> Result<Response<Self::CallResourceStream>, Status> {
        let request = request.into_inner();
        let answered = match self.instances.get(request.plugin_context.as_ref()) {
            Ok(instance) => answer(&instance, &request).await,
            Err(e) => Err(Refusal::Answer(e.into())),
        };
        let (code, body) = match answered {
            Ok(body) => (200, body),
            Err(refusal) => {
                tracing::warn!(resource.path = %request.path, error = %refusal, "not answered");
                refusal.http(
                    Parameters::parse(&request).and_then(|p| p.language()).unwrap_or_default(),
                )
            }
        };
        let kind = pb::StringList { values: vec!["application/json".to_owned()] };
        Ok(Response::new(tokio_stream::once(Ok(pb::CallResourceResponse {
            code,
            headers: HashMap::from([("Content-Type".to_owned(), kind)]),
            body: body.to_string().into_bytes().into(),
        }))))
    }
}

/// A resource call without an answer.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error(transparent)]
    NotFound(#[from] UnknownSubject),
    #[error("only GET is answered here")]
    Method,
    #[error("parameter {0}: {1}")]
    Parameter(&'static str, String),
    #[error("parameter {0} has a NUL character, which no key has: remove it")]
    Nul(String),
    #[error(transparent)]
    Answer(#[from] AnswerError),
}

impl Refusal {
    fn http(&self, language: Language) -> (i32, serde_json::Value) {
        let (status, code) = match self {
            Self::NotFound(_) => (404, "not_found"),
            Self::Method => (405, "method_not_allowed"),
            Self::Parameter(..) | Self::Nul(_) => (400, "invalid_parameter"),
            Self::Answer(e) if e.status() == 400 => (400, "invalid_parameter"),
            Self::Answer(e) => (i32::from(e.status()), "database"),
        };
        // People see the errors of answers; those of parameters are for who writes the calls.
        let message = match self {
            Self::Answer(e) => e.say(language),
            other => other.to_string(),
        };
        (status, json!({"code": code, "message": message}))
    }
}

/// The query parameters of a call; each may repeat.
struct Parameters(Vec<(String, String)>);

impl Parameters {
    fn parse(request: &pb::CallResourceRequest) -> Result<Self, Refusal> {
        let query = request.url.split_once('?').map_or("", |(_, query)| query);
        let all: Vec<_> = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        // PostgreSQL has no text with one.
        match all.iter().find(|(_, value)| value.contains('\0')) {
            Some((name, _)) => Err(Refusal::Nul(name.clone())),
            None => Ok(Self(all)),
        }
    }

    fn list(&self, name: &str) -> Vec<String> {
        self.0.iter().filter(|(k, _)| k == name).map(|(_, v)| v.clone()).collect()
    }

    fn one(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(k, v)| k == name && !v.is_empty()).map(|(_, v)| v.as_str())
    }

    fn time(&self, name: &'static str) -> Result<Option<DateTime<Utc>>, Refusal> {
        let parse = |text: &str| match text.parse::<i64>() {
            Ok(ms) => DateTime::from_timestamp_millis(ms),
            Err(_) => text.parse().ok(),
        };
        self.one(name)
            .map(|text| {
                let hint = "use ISO 8601 such as 2026-01-31T00:00:00Z, or milliseconds since 1970";
                parse(text)
                    .ok_or_else(|| Refusal::Parameter(name, format!("{text:?} is no time: {hint}")))
            })
            .transpose()
    }

    fn language(&self) -> Result<Language, Refusal> {
        match self.one("language") {
            None | Some("en") => Ok(Language::En),
            Some("es") => Ok(Language::Es),
            Some(_) => Err(Refusal::Parameter("language", "use en or es".to_owned())),
        }
    }

    fn limit(&self) -> Result<usize, Refusal> {
        match self.one("limit").map(str::parse::<usize>) {
            None => Ok(DEFAULT_LIMIT),
            Some(Ok(n)) if (1..=MAX_LIMIT).contains(&n) => Ok(n),
            Some(_) => Err(Refusal::Parameter("limit", format!("use 1 to {MAX_LIMIT}"))),
        }
    }
}

async fn answer(
    instance: &Instance,
    request: &pb::CallResourceRequest,
) -> Result<serde_json::Value, Refusal> {
    if request.method != "GET" {
        return Err(Refusal::Method);
    }
    let subject = request.path.trim_matches('/').parse()?;
    let parameters = Parameters::parse(request)?;
    let filter = |name| Filter::from_list(parameters.list(name));
    let wanted = Wanted {
        subject,
        place: Place {
            plants: filter("plant"),
            lines: filter("line"),
            machines: filter("machine"),
            sensors: Filter::All,
            quantity: parameters.one("quantity").filter(|q| *q != "*").map(str::to_owned),
        },
        references: filter("reference"),
        from: parameters.time("from")?,
        to: parameters.time("to")?,
        search: parameters.one("search").unwrap_or_default().to_owned(),
        limit: parameters.limit()?,
        language: parameters.language()?,
    };
    let catalog = instance.catalog().await.map_err(AnswerError::from)?;
    let source = Source { db: &instance.db, catalog: &catalog };
    Ok(json!(choices(&source, &wanted).await?))
}
