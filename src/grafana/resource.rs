//! CallResource: what the cascading pickers of the editors choose from.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use grafana_plugin_sdk::pluginv2 as pb;
use serde_json::json;
use tonic::{Request, Response, Status, async_trait};

use super::Plugin;
use super::instance::Instance;
use crate::answer::AnswerError;
use crate::model::{Filter, Place};
use crate::plan::{PlanError, Selection, select};
use crate::sql::picker::{self, Choice, Restrict, Subject};

/// Choices when the request names no limit, and at most.
const DEFAULT_LIMIT: usize = 100;
const MAX_LIMIT: usize = 1_000;

/// What can be picked: the paths of this resource.
const SUBJECTS: [&str; 8] =
    ["plants", "lines", "machines", "sensors", "quantities", "references", "lots", "operators"];

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
                refusal.http()
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
    #[error("no resource {0:?}: there are {list}", list = SUBJECTS.join(", "))]
    NotFound(String),
    #[error("only GET is answered here")]
    Method,
    #[error("parameter {0}: {1}")]
    Parameter(&'static str, String),
    #[error(transparent)]
    Answer(#[from] AnswerError),
}

impl Refusal {
    fn http(&self) -> (i32, serde_json::Value) {
        let (status, code) = match self {
            Self::NotFound(_) => (404, "not_found"),
            Self::Method => (405, "method_not_allowed"),
            Self::Parameter(..) => (400, "invalid_parameter"),
            Self::Answer(e) if e.status() == 400 => (400, "invalid_parameter"),
            Self::Answer(e) => (i32::from(e.status()), "database"),
        };
        (status, json!({"code": code, "message": self.to_string()}))
    }
}

/// The query parameters of a call; each may repeat.
struct Parameters(Vec<(String, String)>);

impl Parameters {
    fn parse(request: &pb::CallResourceRequest) -> Self {
        let query = request.url.split_once('?').map_or("", |(_, query)| query);
        Self(url::form_urlencoded::parse(query.as_bytes()).into_owned().collect())
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
    let subject = request.path.trim_matches('/');
    if !SUBJECTS.contains(&subject) {
        return Err(Refusal::NotFound(subject.to_owned()));
    }
    let parameters = Parameters::parse(request);
    let limit = parameters.limit()?;
    let search = parameters.one("search").unwrap_or_default().to_lowercase();
    let catalog = instance.catalog().await.map_err(AnswerError::from)?;
    let filter = |name| Filter::from_list(parameters.list(name));
    // A picker offers what lies inside the choices above it, and not inside itself or below.
    let depth = match subject {
        "plants" => 0,
        "lines" | "references" | "lots" | "operators" => 1,
        "machines" => 2,
        _ => 3,
    };
    let below = |level, name| if depth >= level { filter(name) } else { Filter::All };
    let place = Place {
        plants: below(1, "plant"),
        lines: if depth >= 2 || matches!(subject, "references" | "lots" | "operators") {
            filter("line")
        } else {
            Filter::All
        },
        machines: below(3, "machine"),
        sensors: Filter::All,
        quantity: None,
    };
    // A choice further up that has gone (a variable's old value) offers nothing, which is no error.
    let selection = match select(&place, &catalog) {
        Ok(selection) => selection,
        Err(PlanError::Unknown { .. }) => return Ok(json!({"items": [], "truncated": false})),
        Err(e) => return Err(AnswerError::from(e).into()),
    };
    let plant = |id| catalog.plant(id).map(|p| p.name.clone()).unwrap_or_default();
    let choice = |value: &str, label: &str, description: String| Choice {
        value: value.to_owned(),
        label: label.to_owned(),
        description,
    };
    let quantity = parameters.one("quantity").filter(|q| *q != "*");
    let choices: Vec<Choice> = match subject {
        "plants" => {
            selection.plants.iter().map(|p| choice(&p.key, &p.name, p.zone().to_string())).collect()
        }
        "lines" => {
            selection.lines.iter().map(|l| choice(&l.key, &l.name, plant(l.plant))).collect()
        }
        "machines" => {
            selection.machines.iter().map(|m| choice(&m.key, &m.name, plant(m.plant))).collect()
        }
        "sensors" => selection
            .sensors
            .iter()
            .filter(|s| quantity.is_none_or(|q| q == s.quantity))
            .map(|s| choice(&s.key, &s.name, format!("{}, {}", s.quantity, s.unit)))
            .collect(),
        "quantities" => {
            let mut seen: Vec<(&str, &str)> =
                selection.sensors.iter().map(|s| (s.quantity.as_str(), s.unit.as_str())).collect();
            seen.sort_unstable();
            seen.dedup_by_key(|q| q.0);
            seen.into_iter().map(|(q, unit)| choice(q, q, unit.to_owned())).collect()
        }
        "references" | "lots" | "operators" => {
            return context(instance, subject, &selection, &parameters, limit).await;
        }
        other => return Err(Refusal::NotFound(other.to_owned())),
    };
    let mut choices: Vec<Choice> = choices
        .into_iter()
        .filter(|c| {
            c.value.to_lowercase().contains(&search) || c.label.to_lowercase().contains(&search)
        })
        .collect();
    // Lines of the same key in two plants are one choice: the query filters by key.
    choices.dedup_by(|a, b| a.value == b.value);
    Ok(listing(choices, limit))
}

async fn context(
    instance: &Instance,
    subject: &str,
    selection: &Selection<'_>,
    parameters: &Parameters,
    limit: usize,
) -> Result<serde_json::Value, Refusal> {
    let scoped = !instance.settings.lines.is_empty();
    let by_line = scoped || Filter::from_list(parameters.list("line")) != Filter::All;
    let restrict = Restrict {
        plants: selection.plants.iter().map(|p| p.id).collect(),
        lines: by_line.then(|| selection.lines.iter().map(|l| l.id).collect()),
        references: Filter::from_list(parameters.list("reference")).keys().map(<[_]>::to_vec),
        from: parameters.time("from")?,
        to: parameters.time("to")?,
        search: parameters.one("search").unwrap_or_default().to_owned(),
        limit,
    };
    let subject = match subject {
        "references" => Subject::References,
        "lots" => Subject::Lots,
        _ => Subject::Operators,
    };
    let statement = picker::statement(subject, &restrict);
    let rows =
        instance.db.query(&statement.sql, statement.params).await.map_err(AnswerError::from)?;
    let choices = rows.iter().map(picker::read).collect::<Result<Vec<_>, _>>();
    Ok(listing(choices.map_err(AnswerError::from)?, limit))
}

fn listing(mut choices: Vec<Choice>, limit: usize) -> serde_json::Value {
    let truncated = choices.len() > limit;
    choices.truncate(limit);
    json!({"items": choices, "truncated": truncated})
}
