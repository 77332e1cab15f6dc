//! Logs and metrics of the service.

use std::sync::OnceLock;
use std::time::Duration;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Starts the log on standard error. `RUST_LOG` chooses the level, `info` without it.
pub fn start_log(format: LogFormat) {
    // The drivers repeat the server's notices; what a request met is in our own lines.
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn,tokio_postgres=warn"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A log that runs already (in a test) stays.
    let _ = match format {
        LogFormat::Text => log.with_ansi(false).try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
}

/// Upper ends of the histogram's buckets in seconds.
const SECONDS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0];

/// Upper ends of the buckets in readings.
const READINGS: [f64; 8] = [1.0, 10.0, 100.0, 300.0, 1_000.0, 3_000.0, 5_000.0, 10_000.0];

/// Upper ends of the lag's buckets in seconds: from a gateway that sends at once to a buffer of days.
const LAGS: [f64; 9] = [1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0];

static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Starts the process's metrics, or gives those that run already. None when the process has other
/// metrics.
pub fn metrics() -> Option<&'static PrometheusHandle> {
    RECORDER.get_or_init(start_metrics).as_ref()
}

fn start_metrics() -> Option<PrometheusHandle> {
    let seconds = Matcher::Suffix("_seconds".to_owned());
    let recorder = PrometheusBuilder::new()
        .set_buckets_for_metric(seconds, &SECONDS)
        .ok()?
        .set_buckets_for_metric(Matcher::Full(TRANSACTION_READINGS.to_owned()), &READINGS)
        .ok()?
        .set_buckets_for_metric(Matcher::Full(LAG_SECONDS.to_owned()), &LAGS)
        .ok()?
        .build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).ok()?;
    metrics::describe_counter!(READINGS_ACCEPTED, "Readings stored, by protocol");
    metrics::describe_counter!(READINGS_REJECTED, "Readings refused, by reason");
    metrics::describe_counter!(CONTEXT_ACCEPTED, "Context items stored, by resource");
    metrics::describe_counter!(CONTEXT_REJECTED, "Context items refused, by reason");
    metrics::describe_counter!(UNAVAILABLE, "Requests answered with 503");
    metrics::describe_counter!(
        RATE_LIMITED,
        "Requests answered with 429, by key and by what there was too much of"
    );
    metrics::describe_counter!(
        SENSORS_REGISTERED,
        "Sensors registered by their first reading, by key"
    );
    metrics::describe_counter!(
        READINGS_LATE,
        "Readings stored that were older than the newest of their sensor by more than its interval"
    );
    metrics::describe_histogram!(
        LAG_SECONDS,
        "Age of the newest reading of each stored batch and plant"
    );
    metrics::describe_gauge!(REQUESTS_OPEN, "Requests that are not answered yet");
    metrics_process::Collector::default().describe();
    metrics::describe_counter!(TLS_REFUSED, "TLS handshakes that failed");
    metrics::describe_counter!(TLS_RELOADS_FAILED, "Changed TLS files that could not be used");
    metrics::describe_gauge!(
        TLS_NOT_AFTER,
        "When the TLS certificate expires, in seconds since 1970"
    );
    metrics::describe_histogram!(REQUEST_SECONDS, "Time to the answer, by route and status");
    metrics::describe_counter!(CROWDED, "Requests refused because too much was in memory");
    metrics::describe_gauge!(SPOOL_RECORDS, "Records in the spool");
    metrics::describe_gauge!(SPOOL_ROWS, "Rows in the spool");
    metrics::describe_gauge!(SPOOL_BYTES, "Bytes of the spool's files");
    metrics::describe_gauge!(SPOOL_AGE, "Age of the oldest record in the spool");
    metrics::describe_counter!(SPOOL_APPENDED, "Rows written to the spool");
    metrics::describe_counter!(SPOOL_DRAINED, "Rows taken out of the spool");
    metrics::describe_counter!(SPOOL_REFUSED, "Rows from the spool set aside in refused.jsonl");
    metrics::describe_counter!(SPOOL_LOST, "Records in the spool that cannot be read");
    metrics::describe_histogram!(
        SPOOL_FSYNC_SECONDS,
        "Time until a write to the spool was durable"
    );
    metrics::describe_gauge!(WAITING_READINGS, "Readings that wait for a transaction");
    metrics::describe_histogram!(TRANSACTION_READINGS, "Readings of a transaction");
    metrics::describe_histogram!(TRANSACTION_SECONDS, "Time from connection to commit");
    metrics::describe_counter!(READINGS_WRITTEN, "Readings committed, by way: copy or upsert");
    Some(handle)
}

/// Takes the process's memory, time and files into the metrics.
pub fn measure_process() {
    metrics_process::Collector::default().collect();
}

/// Keeps the histograms small; never returns.
pub async fn tidy_metrics() {
    let mut tick = tokio::time::interval(Duration::from_secs(5));
    loop {
        tick.tick().await;
        if let Some(handle) = metrics() {
            handle.run_upkeep();
        }
    }
}

/// Counter, label `protocol`.
pub const READINGS_ACCEPTED: &str = "lotwise_ingest_readings_accepted_total";
/// Counter, label `reason`.
pub const READINGS_REJECTED: &str = "lotwise_ingest_readings_rejected_total";
/// Counter, label `plant`.
pub const READINGS_LATE: &str = "lotwise_ingest_readings_late_total";
/// Histogram, label `plant`.
pub const LAG_SECONDS: &str = "lotwise_ingest_lag_seconds";
/// Gauge, labels `plant` and `sensor`, seconds since 1970.
pub const SENSOR_LAST_SEEN: &str = "lotwise_ingest_sensor_last_seen_timestamp_seconds";
/// Gauge, label `plant`, seconds since 1970.
pub const PLANT_LAST_SEEN: &str = "lotwise_ingest_plant_last_seen_timestamp_seconds";
/// Gauge, label `plant`.
pub const SENSORS_SILENT: &str = "lotwise_ingest_sensors_silent";
/// Gauge.
pub const REQUESTS_OPEN: &str = "lotwise_ingest_requests_open";
/// Counter, label `resource`.
pub const CONTEXT_ACCEPTED: &str = "lotwise_ingest_context_accepted_total";
/// Counter, label `reason`.
pub const CONTEXT_REJECTED: &str = "lotwise_ingest_context_rejected_total";
/// Counter.
pub const UNAVAILABLE: &str = "lotwise_ingest_unavailable_total";
/// Counter, labels `key` and `measure`.
pub const RATE_LIMITED: &str = "lotwise_ingest_rate_limited_total";
/// Counter, label `key`.
pub const SENSORS_REGISTERED: &str = "lotwise_ingest_sensors_registered_total";
/// Counter.
pub const TLS_REFUSED: &str = "lotwise_ingest_tls_handshakes_failed_total";
/// Counter.
pub const TLS_RELOADS_FAILED: &str = "lotwise_ingest_tls_reloads_failed_total";
/// Gauge, seconds since 1970.
pub const TLS_NOT_AFTER: &str = "lotwise_ingest_tls_not_after_timestamp_seconds";
/// Histogram, labels `method`, `route` and `status`.
pub const REQUEST_SECONDS: &str = "lotwise_ingest_request_seconds";
/// Gauge.
pub const SPOOL_RECORDS: &str = "lotwise_ingest_spool_records";
/// Gauge.
pub const SPOOL_ROWS: &str = "lotwise_ingest_spool_rows";
/// Gauge.
pub const SPOOL_BYTES: &str = "lotwise_ingest_spool_bytes";
/// Gauge, seconds.
pub const SPOOL_AGE: &str = "lotwise_ingest_spool_oldest_age_seconds";
/// Counter.
pub const SPOOL_APPENDED: &str = "lotwise_ingest_spool_appended_rows_total";
/// Counter.
pub const SPOOL_DRAINED: &str = "lotwise_ingest_spool_drained_rows_total";
/// Counter.
pub const SPOOL_REFUSED: &str = "lotwise_ingest_spool_refused_rows_total";
/// Counter.
pub const SPOOL_LOST: &str = "lotwise_ingest_spool_damaged_records_total";
/// Histogram.
pub const SPOOL_FSYNC_SECONDS: &str = "lotwise_ingest_spool_fsync_seconds";
/// Gauge.
pub const WAITING_READINGS: &str = "lotwise_ingest_waiting_readings";
/// Histogram.
pub const TRANSACTION_READINGS: &str = "lotwise_ingest_transaction_readings";
/// Histogram.
pub const TRANSACTION_SECONDS: &str = "lotwise_ingest_transaction_seconds";
/// Counter, label `way`: `copy` straight into the table, `upsert` where repeats are possible.
pub const READINGS_WRITTEN: &str = "lotwise_ingest_readings_written_total";
/// Counter.
pub const CROWDED: &str = "lotwise_ingest_crowded_total";
