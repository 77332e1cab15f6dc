//! Lotwise preview: shows the provisioned dashboards and the plugin's editors in a plain browser,
//! without Grafana.
//!
//! The server starts the built plugin, speaks Grafana's host protocol to it and offers the part of
//! Grafana's HTTP API that the page in `frontend/preview` needs. A development tool: it has no
//! login, keeps changed settings in memory only and is never shipped.

mod api;
mod datasource;
mod frame;
mod guard;
#[path = "../../tests/it/support/host.rs"]
mod host;
mod plugin;
mod provisioning;
mod query;

use std::{fs, net::SocketAddr, path::PathBuf, sync::Arc};

use anyhow::{Context, Result};
use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{HeaderValue, header},
    middleware,
    routing::{any, get, post},
};
use clap::Parser;
use serde_json::{Value, json};
use tower::ServiceBuilder;
use tower_http::services::{ServeDir, ServeFile};

/// Shows Lotwise dashboards in a plain browser, without Grafana.
#[derive(Parser)]
struct Args {
    /// The plugin's executable.
    #[arg(long, default_value = "target/debug/gpx_lotwise")]
    plugin: PathBuf,
    /// Folder with datasources/*.yaml and dashboards/*.json, as Grafana reads it.
    #[arg(long, default_value = "provisioning")]
    provisioning: PathBuf,
    /// The plugin's built front end.
    #[arg(long, default_value = "frontend/dist")]
    dist: PathBuf,
    /// The built page.
    #[arg(long, default_value = "frontend/preview/dist")]
    web: PathBuf,
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:3300")]
    listen: SocketAddr,
    /// Role of the user that the plugin is told of: Viewer, Editor or Admin.
    #[arg(long, default_value = "Admin")]
    role: String,
}

/// What every request needs.
#[derive(Clone)]
struct App {
    plugin: plugin::Plugin,
    datasources: Arc<datasource::Datasources>,
    provisioning: Arc<PathBuf>,
    dist: Arc<PathBuf>,
    role: Arc<str>,
    loopback_only: bool,
}

impl App {
    /// What Grafana's front end knows of the plugin. Read anew each time, for a rebuilt front end.
    fn plugin_meta(&self) -> Result<Value> {
        let file = self.dist.join("plugin.json");
        let text = fs::read(&file)
            .with_context(|| format!("{} is missing: build the front end first", file.display()))?;
        let mut meta: Value = serde_json::from_slice(&text).context("plugin.json")?;
        let base = format!("public/plugins/{}", meta["id"].as_str().unwrap_or_default());
        for size in ["small", "large"] {
            if let Some(logo) = meta["info"]["logos"][size].as_str() {
                meta["info"]["logos"][size] = json!(format!("{base}/{logo}"));
            }
        }
        meta["module"] = json!(format!("{base}/module.js"));
        meta["baseUrl"] = json!(base);
        Ok(meta)
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_default_env();
    tracing_subscriber::fmt()
        .with_env_filter(filter.unwrap_or_else(|_| "info".into()))
        .with_writer(std::io::stderr)
        .init();

    let datasources = provisioning::datasources(&args.provisioning)?;
    let (plugin, supervisor) = plugin::supervise(args.plugin);
    let app = App {
        plugin,
        datasources: Arc::new(datasource::Datasources::new(datasources)),
        provisioning: Arc::new(args.provisioning),
        dist: Arc::new(args.dist.clone()),
        role: args.role.into(),
        loopback_only: args.listen.ip().is_loopback(),
    };
    let listener = tokio::net::TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("cannot listen on {}", args.listen))?;
    tracing::info!("Lotwise preview: http://{}/", listener.local_addr()?);
    axum::serve(listener, routes(app, args.dist, args.web))
        .with_graceful_shutdown(asked_to_stop())
        .await?;
    supervisor.stop().await;
    Ok(())
}

fn routes(app: App, dist: PathBuf, web: PathBuf) -> Router {
    let one_datasource = Router::new()
        .route("/", get(api::datasource).put(api::save_datasource))
        .route("/health", get(api::health))
        .route("/resources/{*path}", any(api::resource));
    let api = Router::new()
        .route("/frontend/settings", get(api::frontend_settings))
        .route("/plugins/{id}/settings", get(api::plugin_settings))
        .nest("/datasources/uid/{uid}", one_datasource)
        .route("/ds/query", post(query::query))
        .route("/dashboards/uid/{uid}", get(api::dashboard))
        .route("/search", get(api::search))
        .route("/v1/provisioning/alert-rules", get(api::alert_rules))
        .fallback(api::unknown);

    // A rebuilt bundle must be seen at the next reload.
    let fresh = ServiceBuilder::new().layer(middleware::map_response(
        |mut response: axum::response::Response| async {
            let no_cache = HeaderValue::from_static("no-cache");
            response.headers_mut().insert(header::CACHE_CONTROL, no_cache);
            response
        },
    ));
    let icons = web.join("public/build/img/icons");
    Router::new()
        .nest("/api", api)
        .nest_service("/public/plugins/buutech-lotwise-datasource", ServeDir::new(dist))
        .nest_service(
            "/public/build/img/icons",
            // The npm package of Grafana's components ships only some of the icons they use.
            ServeDir::new(&icons).fallback(ServeFile::new(icons.join("missing.svg"))),
        )
        .nest_service("/public", ServeDir::new(web.join("public")))
        .nest_service("/build", ServeDir::new(web.join("build")))
        // The page itself finds out what /d/:uid, /explore and the other addresses mean.
        .fallback_service(ServeFile::new(web.join("index.html")))
        .layer(fresh)
        .layer(DefaultBodyLimit::max(host::MAX_MESSAGE_BYTES))
        .layer(middleware::from_fn_with_state(app.clone(), guard::own_origin_only))
        .with_state(app)
}

async fn asked_to_stop() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
