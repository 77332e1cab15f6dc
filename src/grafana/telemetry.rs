//! What the plugin measures of itself, in Prometheus' text format for Grafana's CollectMetrics.

use std::sync::OnceLock;
use std::time::Instant;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use crate::db::telemetry as db;

/// Counter of queries, by type and outcome: ok, refused (what is asked cannot be answered), database,
/// plugin, cancelled.
const QUERIES: &str = "lotwise_queries_total";
/// Histogram of the time to the answer, by type.
const QUERY_SECONDS: &str = "lotwise_query_seconds";
/// Gauge of queries that are being answered.
const UNDER_WAY: &str = "lotwise_queries_under_way";
/// Counter of queries that shared the answer of an identical one under way.
pub(super) const JOINED: &str = "lotwise_queries_joined_total";
/// Counter of bytes of frames.
pub(super) const BYTES: &str = "lotwise_answer_bytes_total";
/// Counter of looks at a catalog, by result: hit, miss.
pub(super) const CATALOG: &str = "lotwise_catalog_reads_total";

/// Upper ends of the histograms' buckets in seconds.
const SECONDS: [f64; 13] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Starts measuring.
pub(super) fn init() {
    RECORDER.get_or_init(|| {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
            .ok()?
            .build_recorder();
        let handle = recorder.handle();
        metrics::set_global_recorder(recorder).ok()?;
        metrics::describe_counter!(QUERIES, "Queries, by type and outcome");
        metrics::describe_histogram!(QUERY_SECONDS, "Time to the answer, by type");
        metrics::describe_gauge!(UNDER_WAY, "Queries that are being answered");
        metrics::describe_counter!(JOINED, "Queries that shared the answer of an identical one");
        metrics::describe_counter!(BYTES, "Bytes of answered frames");
        metrics::describe_counter!(CATALOG, "Looks at a catalog, by result: hit or miss");
        metrics::describe_counter!(db::STATEMENTS, "Statements, by outcome");
        metrics::describe_histogram!(
            db::STATEMENT_SECONDS,
            "Time from the wish for a connection to the last row"
        );
        metrics::describe_counter!(
            db::ROWS,
            "Rows that databases sent; one may hold thousands of readings"
        );
        metrics_process::Collector::default().describe();
        Some(handle)
    });
}

/// The text, empty before [`init`].
pub(super) fn text() -> String {
    let Some(Some(handle)) = RECORDER.get() else { return String::new() };
    metrics_process::Collector::default().collect();
    handle.run_upkeep();
    handle.render()
}

/// A query under way; dropped before its end, it counts as cancelled.
pub(super) struct Measured {
    kind: &'static str,
    began: Instant,
    ended: bool,
}

impl Measured {
    pub(super) fn start(kind: &'static str) -> Self {
        metrics::gauge!(UNDER_WAY).increment(1.0);
        Self { kind, began: Instant::now(), ended: false }
    }

    pub(super) fn end(mut self, outcome: &'static str) {
        self.ended = true;
        self.count(outcome);
    }

    fn count(&self, outcome: &'static str) {
        metrics::gauge!(UNDER_WAY).decrement(1.0);
        metrics::counter!(QUERIES, "type" => self.kind, "outcome" => outcome).increment(1);
        let seconds = self.began.elapsed().as_secs_f64();
        metrics::histogram!(QUERY_SECONDS, "type" => self.kind).record(seconds);
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        if !self.ended {
            self.count("cancelled");
        }
    }
}
