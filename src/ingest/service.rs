//! `lotwise ingest`: reads the settings, wires the parts, serves until it is told to stop.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::serve::{Listener, ListenerExt};
use sqlx::postgres::PgPool;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::ingest::auth::Keys;
use crate::ingest::direct::Direct;
use crate::ingest::directory::Directory;
use crate::ingest::freshness::Freshness;
use crate::ingest::http::room::Room;
use crate::ingest::http::{self, App, idempotency};
use crate::ingest::intake::Intake;
use crate::ingest::keys::cli::rules::parse_burst;
use crate::ingest::keys::grace::Grace;
use crate::ingest::keys::rules::{Limits, Rate, Window};
use crate::ingest::mapping::store::Mappings;
use crate::ingest::spool::drain::Draining;
use crate::ingest::spool::{self, Spool};
use crate::ingest::telemetry::{self, LogFormat};
use crate::ingest::tls::{Tls, TlsArgs, TlsListener};
use crate::ingest::writer::Writer;
use crate::ingest::{copy_pool, database, quarantine};
use crate::rollup;

/// Take readings and production context over HTTP and store them.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// postgres://WRITER:PASSWORD@HOST:5432/DATABASE; the user needs the role lotwise_writer
    #[arg(long, env = "LOTWISE_DATABASE_URL", hide_env_values = true)]
    pub database_url: String,
    /// Address and port to listen on
    #[arg(long, env = "LOTWISE_LISTEN", default_value = "127.0.0.1:8086")]
    pub listen: String,
    /// Largest body in bytes, after decompression
    #[arg(long, env = "LOTWISE_MAX_BODY_BYTES", default_value_t = 16 * 1024 * 1024)]
    pub max_body_bytes: usize,
    /// How long a sender may take for a body, in seconds
    #[arg(long, env = "LOTWISE_BODY_SECONDS", default_value_t = 30)]
    pub body_seconds: u64,
    /// Most connections that write readings; a few more serve context and look-ups
    #[arg(long, env = "LOTWISE_WRITERS", default_value_t = 4)]
    pub writers: usize,
    /// How long an API key is believed without asking the database again, in seconds
    #[arg(long, env = "LOTWISE_KEY_CACHE_SECONDS", default_value_t = 5)]
    pub key_cache_seconds: u64,
    /// What holds for keys that have no rule of their own.
    #[command(flatten)]
    pub limits: LimitArgs,
    /// Certificate and key for HTTPS.
    #[command(flatten)]
    pub tls: TlsArgs,
    /// Serve /metrics (which names plants, sensors and keys) at this address only, without TLS
    #[arg(long, env = "LOTWISE_METRICS_LISTEN", value_name = "ADDRESS")]
    pub metrics_listen: Option<String>,
    /// Most sensors with a metric of their own, the first by plant and key
    #[arg(long, env = "LOTWISE_METRICS_SENSORS", value_name = "N", default_value_t = 5_000)]
    pub metrics_sensors: u32,
    /// Readings on disk while the database is away
    #[command(flatten)]
    pub spool: spool::Settings,
    /// How often rollups are brought up to date, in seconds; 0: not by this process
    #[arg(long, env = "LOTWISE_ROLLUP_SECONDS", default_value_t = 10)]
    pub rollup_seconds: u64,
    /// Form of the log on standard error
    #[arg(long, env = "LOTWISE_LOG_FORMAT", value_enum, default_value_t)]
    pub log_format: LogFormat,
}

/// What holds for keys that have no rule of their own.
#[derive(Debug, Clone, Copy, clap::Args)]
#[group(skip)]
pub struct LimitArgs {
    /// How far ahead of this clock a reading may be: 15m, or none
    #[arg(long, env = "LOTWISE_FUTURE_WINDOW", value_name = "TIME", default_value = "15m", value_parser = Window::parse)]
    pub future_window: Window,
    /// How old a reading may be when it arrives: 7d, or none, as uploads of history need it
    #[arg(long, env = "LOTWISE_PAST_WINDOW", value_name = "TIME", default_value = "none", value_parser = Window::parse)]
    pub past_window: Window,
    /// Most readings a second and key, on average: a number, or none
    #[arg(long, env = "LOTWISE_RATE", value_name = "READINGS", default_value = "none", value_parser = Rate::parse)]
    pub rate: Rate,
    /// Most writing requests a second and key, on average: a number, or none
    #[arg(long, env = "LOTWISE_REQUEST_RATE", value_name = "REQUESTS", default_value = "none", value_parser = Rate::parse)]
    pub request_rate: Rate,
    /// As much as the rates give in this time may come at once
    #[arg(long, env = "LOTWISE_BURST", value_name = "TIME", default_value = "10s", value_parser = parse_burst)]
    pub burst: f64,
}

impl Default for LimitArgs {
    fn default() -> Self {
        let Limits { future_window, past_window, readings, requests, burst_s, .. } =
            Limits::default();
        Self { future_window, past_window, rate: readings, request_rate: requests, burst: burst_s }
    }
}

impl LimitArgs {
    fn limits(self) -> Limits {
        let Self { future_window, past_window, rate, request_rate, burst } = self;
        Limits {
            future_window,
            past_window,
            readings: rate,
            requests: request_rate,
            burst_s: burst,
            registration: None,
        }
    }
}

/// Connections for context, keys and look-ups.
const CONTEXT_CONNECTIONS: u32 = 4;

/// How long open requests may take to finish after a stop signal.
const DRAIN: Duration = Duration::from_secs(30);

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// When the settings are wrong or the address is taken.
pub async fn run(args: Args) -> anyhow::Result<()> {
    telemetry::start_log(args.log_format);
    let listener = bind(&args.listen).await?;
    let stop = stop_signal()?;
    serve(listener, &args, stop).await
}

/// Serves on the listener until `stop` is ready; then open requests are finished.
///
/// # Errors
/// When the settings are wrong.
pub async fn serve(
    listener: TcpListener,
    args: &Args,
    stop: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()> {
    telemetry::metrics();
    let Parts { app, writer, direct, spool, grace } = parts(args)?;
    let tidy = tokio::spawn(telemetry::tidy_metrics());
    let prepare = tokio::spawn(keep_house(writer.clone(), app.pool.clone()));
    let pool = app.pool.clone();
    let refresh = grace.map(|grace| {
        let pool = pool.clone();
        tokio::spawn(async move { grace.refresh(&pool).await })
    });
    let draining = spool.clone().map(|spool| Draining::start(spool, direct));
    let rollups = (args.rollup_seconds > 0).then(|| {
        let every = Duration::from_secs(args.rollup_seconds);
        tokio::spawn(rollup::worker::keep(args.database_url.clone(), every))
    });
    let freshness =
        tokio::spawn(app.freshness.clone().follow(pool.clone(), args.metrics_sensors.into()));
    let metrics = match &args.metrics_listen {
        Some(address) => Some(tokio::spawn(serve_metrics(bind(address).await?, app.clone()))),
        None => None,
    };
    let router = http::router(app, metrics.is_none());
    let tls = Tls::start(&args.tls)?;
    tracing::info!(http.address = %listener.local_addr()?, tls = tls.is_some(), "listening");
    match tls {
        Some(tls) => serve_until(TlsListener::new(listener, tls)?, router, stop).await?,
        None => serve_until(without_delay(listener), router, stop).await?,
    }
    if let Some(draining) = draining {
        draining.stop().await?;
    }
    // Also what was queued by clients that hung up.
    if tokio::time::timeout(DRAIN, writer.drained()).await.is_err() {
        tracing::warn!(drain_s = DRAIN.as_secs(), "some readings were not written");
    }
    rollups.inspect(tokio::task::JoinHandle::abort);
    freshness.abort();
    tidy.abort();
    prepare.abort();
    refresh.inspect(tokio::task::JoinHandle::abort);
    if let Some(metrics) = metrics {
        metrics.abort();
    }
    if let Some(spool) = spool {
        spool.close().await;
    }
    pool.close().await;
    Ok(())
}

/// Answers requests until `stop` is ready, and then the open ones, for the time of [`DRAIN`].
async fn serve_until<L>(
    listener: L,
    router: axum::Router,
    stop: impl Future<Output = ()> + Send + 'static,
) -> anyhow::Result<()>
where
    L: Listener,
    L::Addr: std::fmt::Debug,
{
    let (stopping, mut stopped) = tokio::sync::watch::channel(false);
    let server = axum::serve(listener, router).with_graceful_shutdown(async move {
        stop.await;
        tracing::info!("stopping: no new requests, finishing the open ones");
        stopping.send_replace(true);
    });
    let too_late = async {
        // The sender lives in the server's future; an error here means that the server is gone.
        if stopped.wait_for(|stopping| *stopping).await.is_err() {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(DRAIN).await;
    };
    tokio::select! {
        served = async { server.await } => served?,
        () = too_late => tracing::warn!(drain_s = DRAIN.as_secs(), "some requests did not finish"),
    }
    Ok(())
}

/// Without Nagle's delay: answers are small and clients wait for them.
fn without_delay(listener: TcpListener) -> impl Listener<Addr = SocketAddr> {
    listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    })
}

/// Only for the machine's own monitoring: no TLS, no key.
async fn serve_metrics(listener: TcpListener, app: App) {
    if let Err(error) = axum::serve(listener, http::metrics_router(app)).await {
        tracing::error!(error.message = %error, "metrics are not served any more");
    }
}

async fn bind(address: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}: is another process there?"))
}

/// Keeps the partitions of the coming days ready, and quarantine and idempotency keys few; never
/// returns.
async fn keep_house(writer: Writer, pool: PgPool) {
    let mut hours = tokio::time::interval(Duration::from_secs(3_600));
    loop {
        hours.tick().await;
        if let Err(error) = writer.prepare_weeks().await {
            tracing::warn!(error.message = %error, error.source = %error.source, "partitions not prepared");
        }
        if let Err(error) = idempotency::forget_old(&pool).await {
            tracing::warn!(error.message = %error, error.source = %error.source, "idempotency keys not tidied");
        }
        match quarantine::forget_old(&pool).await {
            Ok(0) => {}
            Ok(count) => {
                tracing::info!(reading.count = count, "dropped from quarantine after 30 days")
            }
            Err(error) => {
                tracing::warn!(error.message = %error, error.source = %error.source, "quarantine not tidied");
            }
        }
    }
}

/// What a service is made of.
struct Parts {
    app: App,
    writer: Writer,
    direct: Direct,
    spool: Option<Spool>,
    grace: Option<Arc<Grace>>,
}

fn parts(args: &Args) -> anyhow::Result<Parts> {
    let pool = database::pool(&args.database_url, CONTEXT_CONNECTIONS).context(
        "--database-url is not valid; it looks like postgres://USER:PASSWORD@HOST:5432/DATABASE",
    )?;
    let writer = Writer::new(copy_pool::pool(&args.database_url, args.writers)?);
    let (freshness, directory) = (Freshness::default(), Directory::new(pool.clone()));
    let direct = Direct::new(pool.clone(), directory, writer.clone(), freshness.clone());
    let spool = args.spool.dir.clone().map(|dir| Spool::open(dir, &args.spool)).transpose()?;
    let believed = Duration::from_secs(args.key_cache_seconds);
    let mut keys = Keys::new(pool.clone(), believed, args.limits.limits());
    let mut mappings = Mappings::new(pool.clone());
    let mut grace = None;
    if let Some(spool) = &spool {
        let lasts = Duration::from_secs(args.spool.key_grace_seconds);
        let known = Arc::new(Grace::open(spool.folder().keys(), lasts));
        keys = keys.with_grace(Arc::clone(&known));
        grace = Some(known);
        mappings = mappings.remembered_in(spool.folder().mappings());
    }
    let app = App {
        keys,
        mappings,
        intake: Intake::new(direct.clone(), spool.clone()),
        freshness,
        max_body_bytes: args.max_body_bytes,
        body_timeout: Duration::from_secs(args.body_seconds),
        room: Room::new(args.max_body_bytes),
        pool,
    };
    Ok(Parts { app, writer, direct, spool, grace })
}

fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
