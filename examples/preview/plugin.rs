//! Keeps the plugin running, as Grafana does: looks once a second and starts it again when it died.

use std::{path::PathBuf, time::Duration};

use grafana_plugin_sdk::pluginv2::{
    data_client::DataClient, diagnostics_client::DiagnosticsClient, resource_client::ResourceClient,
};
use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
};
use tonic::{Status, transport::Channel};

use crate::host::{Host, Launch};

/// Clients of the running plugin.
#[derive(Clone)]
pub struct Clients {
    /// Queries.
    pub data: DataClient<Channel>,
    /// Health check.
    pub diagnostics: DiagnosticsClient<Channel>,
    /// The plugin's own end points.
    pub resource: ResourceClient<Channel>,
}

impl From<&Host> for Clients {
    fn from(host: &Host) -> Self {
        Self { data: host.data(), diagnostics: host.diagnostics(), resource: host.resource() }
    }
}

/// A handle on the plugin, whether or not it runs at the moment.
#[derive(Clone)]
pub struct Plugin(watch::Receiver<Option<Clients>>);

impl Plugin {
    /// The clients; waits a moment for a plugin that is just being started again.
    pub async fn clients(&self) -> Result<Clients, Status> {
        let mut running = self.0.clone();
        let waited =
            tokio::time::timeout(Duration::from_secs(3), running.wait_for(Option::is_some));
        match waited.await {
            Ok(Ok(clients)) => {
                clients.clone().ok_or_else(|| Status::unavailable("the plugin is not running"))
            }
            _ => {
                Err(Status::unavailable("the plugin is not running; the preview's output says why"))
            }
        }
    }
}

/// Stops the plugin when the preview ends.
pub struct Supervisor {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Supervisor {
    /// Stops the plugin and waits for its end.
    pub async fn stop(self) {
        let _ = self.stop.send(());
        let _ = self.task.await;
    }
}

/// Starts the plugin and keeps it running.
pub fn supervise(program: PathBuf) -> (Plugin, Supervisor) {
    let (sender, receiver) = watch::channel(None);
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(keep_running(program, sender, stopped));
    (Plugin(receiver), Supervisor { stop, task })
}

async fn keep_running(
    program: PathBuf,
    clients: watch::Sender<Option<Clients>>,
    mut stopped: oneshot::Receiver<()>,
) {
    let launch = Launch::new(&program).on_log(log_line);
    let mut ticker = tokio::time::interval(Duration::from_secs(1));
    ticker.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut running: Option<Host> = None;
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            _ = ticker.tick() => {}
        }
        if let Some(status) = running.as_mut().and_then(Host::exit_status) {
            tracing::warn!(plugin.status = %status, "the plugin ended; starting it again");
            running = None;
            clients.send_replace(None);
        }
        if running.is_none() {
            match launch.start().await {
                Ok(host) => {
                    let took = host.start_took().as_millis();
                    tracing::info!(
                        plugin.pid = host.pid(),
                        plugin.start_ms = took,
                        "the plugin runs"
                    );
                    clients.send_replace(Some(Clients::from(&host)));
                    running = Some(host);
                }
                Err(error) => {
                    tracing::error!(error = format!("{error:#}"), "the plugin did not start");
                }
            }
        }
    }
    clients.send_replace(None);
    if let Some(host) = running {
        match host.stop().await {
            Ok(stopped) if !stopped.killed => {}
            Ok(_) => tracing::warn!("the plugin had to be killed"),
            Err(error) => tracing::warn!(error = format!("{error:#}"), "the plugin did not stop"),
        }
    }
}

/// Passes on a line that the plugin logged, at the level that it says.
fn log_line(line: &str) {
    let level = serde_json::from_str::<serde_json::Value>(line)
        .ok()
        .and_then(|entry| entry["@level"].as_str().map(str::to_owned));
    match level.as_deref() {
        Some("error") => tracing::error!(target: "plugin", "{line}"),
        Some("warn") => tracing::warn!(target: "plugin", "{line}"),
        Some("info") => tracing::info!(target: "plugin", "{line}"),
        _ => tracing::debug!(target: "plugin", "{line}"),
    }
}
