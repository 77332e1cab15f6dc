//! Logs as Grafana reads them: one JSON object a line on stderr.

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Longest line that Grafana parses is 64 KiB; a panic message is cut well below.
const MAX_PANIC_CHARS: usize = 4_000;

/// Starts logging and turns panics into log lines.
///
/// The level is `[plugin.buutech-lotwise-datasource] log_level` of Grafana's configuration (info).
/// Only this crate's events are let through below warn: the libraries' debug lines would repeat
/// requests, and with them secrets.
pub(super) fn init() {
    let level = std::env::var("GF_PLUGIN_LOG_LEVEL").unwrap_or_default();
    let level = match level.to_ascii_lowercase().as_str() {
        level @ ("trace" | "debug" | "info" | "warn" | "error") => level.to_owned(),
        _ => "info".to_owned(),
    };
    let filter = tracing_subscriber::EnvFilter::new(format!("warn,lotwise={level}"));
    let layer = grafana_plugin_sdk::backend::layer();
    // A second call, as in tests, keeps the first subscriber.
    let _ = tracing_subscriber::registry().with(filter).with(layer).try_init();
    std::panic::set_hook(Box::new(|info| {
        let message: String = info.to_string().chars().take(MAX_PANIC_CHARS).collect();
        tracing::error!(panic.message = %message, "a task panicked");
    }));
}
