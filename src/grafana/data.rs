//! QueryData: every query of a request answered on its own, so that one failure stays its own, and
//! identical ones under way answered once.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use chrono::Utc;
use futures_util::future::join_all;
use grafana_plugin_sdk::pluginv2 as pb;
use tokio::task::JoinHandle;
use tonic::{Request, Response, Status, async_trait};

use super::Plugin;
use super::in_flight::Answer;
use super::instance::Instance;
use super::telemetry::{self, Measured};
use super::trace::Trace;
use crate::answer::{self, AnswerError, Source};
use crate::db::Db;
use crate::domain::{Say, TimeRange};
use crate::model::{self, QueryType};
use crate::plan::{Ask, PlanError};

#[async_trait]
impl pb::data_server::Data for Plugin {
    async fn query_data(
        &self,
        request: Request<pb::QueryDataRequest>,
    ) -> Result<Response<pb::QueryDataResponse>, Status> {
        let trace = Trace::of(request.metadata());
        let pb::QueryDataRequest { plugin_context, queries, headers, .. } = request.into_inner();
        let by = By { trace, alert: from_alert(&headers) };
        let tasks = queries.into_iter().map(|query| {
            let ref_id = query.ref_id.clone();
            let instance = self.instances.get(plugin_context.as_ref());
            let by = by.clone();
            async move {
                let measured = Measured::start(kind(&query));
                let started = std::time::Instant::now();
                let result = match instance {
                    Ok(instance) => {
                        let (in_flight, of_task) = (&instance.in_flight, instance.clone());
                        let (asked, of_query) = (query.clone(), by.clone());
                        let answer = || isolated(of_task, asked, of_query);
                        in_flight.join(&query, by.alert, answer).await
                    }
                    Err(e) => Err(Arc::new(AnswerError::Db(e))),
                };
                measured.end(outcome(&result));
                let id = by.trace.as_ref().map_or("", |t| &*t.id);
                (ref_id, respond(&query, id, result, started.elapsed()))
            }
        });
        let mut responses: HashMap<String, pb::DataResponse> = HashMap::new();
        for (ref_id, response) in join_all(tasks).await {
            match responses.entry(ref_id) {
                Entry::Vacant(slot) => drop(slot.insert(response)),
                Entry::Occupied(mut slot) => merge(slot.get_mut(), response),
            }
        }
        Ok(Response::new(pb::QueryDataResponse { responses }))
    }

    type QueryChunkedDataStream = tokio_stream::Empty<Result<pb::QueryChunkedDataResponse, Status>>;

    async fn query_chunked_data(
        &self,
        _: Request<pb::QueryChunkedDataRequest>,
    ) -> Result<Response<Self::QueryChunkedDataStream>, Status> {
        Err(Status::unimplemented("Lotwise answers queries whole: use QueryData"))
    }
}

/// Beside the query, how Grafana asks.
#[derive(Debug, Clone)]
struct By {
    trace: Option<Trace>,
    /// For an alert rule.
    alert: bool,
}

/// Type of a query, for metrics.
fn kind(query: &pb::DataQuery) -> &'static str {
    #[derive(serde::Deserialize)]
    struct Typed {
        #[serde(rename = "type", default)]
        kind: QueryType,
    }
    serde_json::from_slice::<Typed>(&query.json).map_or("unknown", |typed| typed.kind.as_str())
}

/// Outcome of a query, for metrics.
fn outcome(result: &Answer) -> &'static str {
    match result.as_ref().map_err(|error| error.status()) {
        Ok(_) => "ok",
        Err(400) => "refused",
        Err(500) => "plugin",
        Err(_) => "database",
    }
}

/// True when Grafana asks for an alert rule, as the header says that it sets then.
fn from_alert(headers: &HashMap<String, String>) -> bool {
    let name =
        |key: &str| key.strip_prefix("http_").unwrap_or(key).eq_ignore_ascii_case("FromAlert");
    headers.iter().any(|(key, value)| name(key) && value == "true")
}

/// A task that ends with whoever waits for it: dropping the request cancels its SQL.
struct Bound<T>(JoinHandle<T>);

impl<T> Drop for Bound<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Answers one query in a task of its own, so that a panic is that query's error.
async fn isolated(instance: Arc<Instance>, query: pb::DataQuery, by: By) -> Answer {
    let mut task = Bound(tokio::spawn(async move { one(&instance, &query, by).await }));
    (&mut task.0).await.unwrap_or(Err(AnswerError::Panic)).map_err(Arc::new)
}

async fn one(
    instance: &Instance,
    query: &pb::DataQuery,
    by: By,
) -> Result<Vec<Vec<u8>>, AnswerError> {
    // Lets a test see a real panic travel through a real request; absent from release builds.
    #[cfg(debug_assertions)]
    if std::env::var("LOTWISE_TEST_PANIC_REF_ID").is_ok_and(|id| id == query.ref_id) {
        panic!("LOTWISE_TEST_PANIC_REF_ID asked for a panic");
    }
    let range = query.time_range.unwrap_or_default();
    let range = TimeRange::from_millis(range.from_epoch_ms, range.to_epoch_ms)?;
    let ask = Ask {
        range,
        interval_s: (query.interval_ms.max(0) as f64) / 1000.0,
        max_data_points: usize::try_from(query.max_data_points).unwrap_or(0).max(1),
        max_points: instance.settings.max_points,
        now: Utc::now(),
    };
    let sampled = by.trace.filter(|trace| trace.sampled).map(|trace| trace.id);
    let db = instance.db.next_turn().traced(sampled);
    let answered = attempt(instance, &db, query, &ask, by.alert).await;
    // A place made a moment ago may not be in the catalog yet.
    let answered = match answered {
        Err(AnswerError::Plan(PlanError::Unknown { .. } | PlanError::NoSensor { .. })) => {
            instance.forget_catalog().await;
            attempt(instance, &db, query, &ask, by.alert).await
        }
        other => other,
    };
    // A dashboard that asks for power is no mistake where only energy is metered. An alert rule that
    // watches nothing is one.
    let answered = match answered {
        Err(AnswerError::Plan(error @ PlanError::NoSensor { .. })) if !by.alert => {
            answer::without_sensors(&error, model::language(&query.json))
        }
        other => other?,
    };
    // One by one: a frame is gone when its bytes are there.
    let write = |f: crate::frame::Frame| f.into_arrow(&query.ref_id);
    let frames: Vec<Vec<u8>> = answered.into_iter().map(write).collect::<Result<_, _>>()?;
    let bytes: usize = frames.iter().map(Vec::len).sum();
    metrics::counter!(telemetry::BYTES).increment(bytes as u64);
    Ok(frames)
}

async fn attempt(
    instance: &Instance,
    db: &Db,
    query: &pb::DataQuery,
    ask: &Ask,
    alert: bool,
) -> Result<Vec<crate::frame::Frame>, AnswerError> {
    let catalog = instance.catalog().await?;
    let source = Source { db, catalog: &catalog };
    match alert {
        true => answer::answer_alert(&source, &query.json, ask).await,
        false => answer::answer(&source, &query.json, ask).await,
    }
}

/// One answer to two queries of the same ref id: all frames, or the first error.
fn merge(response: &mut pb::DataResponse, other: pb::DataResponse) {
    match (response.error.is_empty(), other.error.is_empty()) {
        (true, true) => response.frames.extend(other.frames),
        (true, false) => *response = other,
        (false, _) => {}
    }
}

fn respond(
    query: &pb::DataQuery,
    trace: &str,
    result: Answer,
    took: std::time::Duration,
) -> pb::DataResponse {
    let ref_id = &*query.ref_id;
    match result {
        Ok(frames) => {
            let seconds = took.as_secs_f64();
            tracing::debug!(
                query.ref_id = ref_id,
                query.seconds = seconds,
                traceID = trace,
                "answered"
            );
            pb::DataResponse { frames, status: 200, ..Default::default() }
        }
        Err(error) => {
            let source = if error.is_plugin_fault() { "plugin" } else { "downstream" };
            tracing::warn!(
                query.ref_id = ref_id, %error, error.source = source, traceID = trace, "not answered"
            );
            pb::DataResponse {
                error: error.say(model::language(&query.json)),
                status: i32::from(error.status()),
                error_source: source.to_owned(),
                ..Default::default()
            }
        }
    }
}
