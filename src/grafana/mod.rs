//! The plugin as Grafana sees it: a child process that speaks gRPC. The only user of the SDK's
//! services.
//!
//! The SDK crate gives the protocol's types and service traits (`pluginv2`) and the log format; the
//! serving is ours, because what the SDK serves listens on TCP without `TCP_NODELAY`, lets one bad
//! query fail its neighbours and logs whole requests (ARCHITECTURE.md, "The SDK").

mod data;
mod diagnostics;
mod go_plugin;
mod in_flight;
mod instance;
mod logging;
mod resource;
mod serve;
mod telemetry;
mod trace;
mod unused;

use std::sync::Arc;

pub use serve::{ServeError, serve};

/// The services, with the data sources they know.
#[derive(Clone, Default)]
struct Plugin {
    instances: Arc<instance::Instances>,
}
