//! The plugin's life: handshake, serving on a unix socket, shutdown by Grafana.

use std::io::Write;

use grafana_plugin_sdk::pluginv2::admission_control_server::AdmissionControlServer;
use grafana_plugin_sdk::pluginv2::data_server::DataServer;
use grafana_plugin_sdk::pluginv2::diagnostics_server::DiagnosticsServer;
use grafana_plugin_sdk::pluginv2::resource_conversion_server::ResourceConversionServer;
use grafana_plugin_sdk::pluginv2::resource_server::ResourceServer;
use grafana_plugin_sdk::pluginv2::stream_server::StreamServer;
use tokio::net::UnixListener;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::Server;

use super::{Plugin, go_plugin, logging, telemetry};

/// What Grafana sets so that nobody starts a plugin by hand, and the protocol that we speak.
const COOKIE: (&str, &str) = ("grafana_plugin_type", "datasource");
const PROTOCOL_VERSION: &str = "2";
/// The Go SDK's limit of a request.
const MAX_REQUEST_BYTES: usize = 16 * 1024 * 1024;

/// Why the plugin does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// Started by something else than Grafana.
    #[error(
        "this is a Grafana plugin: Grafana starts it. To install it, unpack the zip into Grafana's plugin folder and allow the plugin id buutech-lotwise-datasource"
    )]
    NotGrafana,
    /// Grafana speaks other protocol versions.
    #[error("Grafana offers plugin protocol versions {0:?}, this plugin speaks {PROTOCOL_VERSION}")]
    Protocol(String),
    /// The socket could not be made.
    #[error("no socket for Grafana: {0}")]
    Socket(#[from] std::io::Error),
    /// The server stopped.
    #[error("the gRPC server stopped: {0}")]
    Server(#[from] tonic::transport::Error),
}

/// Serves until Grafana says to stop.
///
/// # Errors
/// [`ServeError`] when not started by Grafana, or when no socket can be made.
pub async fn serve() -> Result<(), ServeError> {
    if std::env::var(COOKIE.0).as_deref() != Ok(COOKIE.1) {
        return Err(ServeError::NotGrafana);
    }
    let versions = std::env::var("PLUGIN_PROTOCOL_VERSIONS").unwrap_or_default();
    if !versions.is_empty() && !versions.split(',').any(|v| v.trim() == PROTOCOL_VERSION) {
        return Err(ServeError::Protocol(versions));
    }
    logging::init();
    telemetry::init();

    // Removed again when the folder is dropped.
    let folder = tempfile::Builder::new().prefix("lotwise-").tempdir()?;
    let socket = folder.path().join("plugin.sock");
    let listener = UnixListener::bind(&socket)?;
    let (controller, shutdown) = go_plugin::Controller::new();
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_service_status("plugin", tonic_health::ServingStatus::Serving).await;

    let plugin = Plugin::default();
    let server = Server::builder()
        .add_service(health_service)
        .add_service(controller)
        .add_service(go_plugin::Stdio)
        .add_service(go_plugin::Broker)
        .add_service(DiagnosticsServer::new(plugin.clone()))
        .add_service(
            DataServer::new(plugin.clone())
                .max_decoding_message_size(MAX_REQUEST_BYTES)
                .max_encoding_message_size(usize::MAX),
        )
        .add_service(
            ResourceServer::new(plugin.clone()).max_decoding_message_size(MAX_REQUEST_BYTES),
        )
        .add_service(StreamServer::new(plugin.clone()))
        .add_service(AdmissionControlServer::new(plugin.clone()))
        .add_service(ResourceConversionServer::new(plugin))
        .serve_with_incoming_shutdown(UnixListenerStream::new(listener), shutdown.wait());

    // go-plugin: core protocol | app protocol | network | address | wire protocol.
    println!("1|{PROTOCOL_VERSION}|unix|{}|grpc", socket.display());
    std::io::stdout().flush()?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "plugin started");

    // A graceful stop waits for open streams (stdio never ends), so it is not waited for long.
    let grace = shutdown.wait_then(std::time::Duration::from_millis(300));
    tokio::select! {
        done = server => done?,
        () = grace => {}
    }
    tracing::info!("plugin stopped");
    Ok(())
}
