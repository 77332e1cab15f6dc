//! Load: dashboards that refresh, as many people have them open.
//!
//! Forty dashboards of twelve panels refresh every ten seconds, each at its own moment and over its
//! own time range (which ends when it refreshes, so hardly two queries are the same), the panels of a
//! dashboard all at once. Counted are errors, how long a panel waits, the plugin's memory, and
//! requests under way, which must not become more from refresh to refresh.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::{join_all, try_join_all};
use serde_json::{Value, json};

use crate::query::memory::status_mb;
use crate::query::{dataset, panel_query, query_once, usual_days};
use crate::report::{Figure, Report};
use crate::sample::Sample;
use crate::support::host::Launch;
use crate::support::panel::{DataSource, Plugin};
use crate::{database, programs};

/// Load: dashboards that refresh.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: database::Options,
    /// Dashboards that are open
    #[arg(long, default_value_t = 40)]
    dashboards: usize,
    /// How long they refresh, seconds
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// The plugin's executable; without it, the release build beside this program
    #[arg(long)]
    plugin: Option<PathBuf>,
    /// Database that already holds the data of `query` (superuser's URL); it is only read
    #[arg(long)]
    loaded: Option<String>,
    /// Write the figures to this file
    #[arg(long)]
    json: Option<PathBuf>,
}

/// Seconds between two refreshes of a dashboard.
const EVERY: u64 = 10;

/// The panels of one dashboard, with the days that each looks back.
fn panels(dashboard: usize) -> [(Value, i64); 12] {
    let line = format!("L{:02}", dashboard % 10 + 1);
    let reference = format!("REF-{:02}", dashboard % 30 + 1);
    let on = |quantity: &str| json!({"lines": [line], "quantity": quantity});
    [
        (json!({"type": "kpi", "groupBy": "reference"}), 7),
        (json!({"type": "kpi", "groupBy": "line", "kpis": ["energy"]}), 7),
        (json!({"type": "kpi", "place": {"lines": [line]}, "groupBy": "lot"}), 2),
        (json!({"type": "kpi", "kpis": ["energy"], "bucket": "day"}), 30),
        (json!({"type": "kpi", "groupBy": "reference", "kpis": ["energy_per_good_unit"]}), 90),
        (json!({"type": "series", "place": on("temperature")}), 1),
        (json!({"type": "series", "place": on("power")}), 1),
        (
            json!({"type": "series", "place": on("temperature"), "groupBy": "reference",
                   "context": {"references": [reference]}}),
            7,
        ),
        (json!({"type": "series", "place": on("energy"), "aggregate": "sum", "bucket": "hour"}), 7),
        (json!({"type": "latest", "place": {"lines": [line]}}), 1),
        (json!({"type": "runs", "place": {"lines": [line]}}), 2),
        (json!({"type": "lots", "place": on("temperature"), "lastLots": 3}), 7),
    ]
}

/// What one panel's refresh came to.
struct Refresh {
    at: Duration,
    took: Duration,
    error: Option<String>,
}

/// Measures and prints.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let program = match &args.plugin {
        Some(plugin) => plugin.clone(),
        None => programs::release("gpx_lotwise").await?,
    };
    let server = match args.loaded {
        Some(_) => None,
        None => Some(crate::query::loaded(&args.server).await?),
    };
    let url = args.loaded.clone().or(server.as_ref().map(|s| s.db.url.clone()));
    let source = DataSource::of(&url.context("no database")?);
    let plugin = Arc::new(Plugin::launch(&Launch::new(&program), source).await);
    let pid = plugin.host.pid().context("the plugin has ended")?;
    let under_way = Arc::new(AtomicUsize::new(0));
    let start = Instant::now();
    let end = Duration::from_secs(args.seconds);
    let watched = tokio::spawn(watch(under_way.clone(), start, end));
    let dashboards = (0..args.dashboards).map(|number| {
        let offset = Duration::from_secs(EVERY).mul_f64(number as f64 / args.dashboards as f64);
        tokio::spawn(dashboard(number, offset, plugin.clone(), under_way.clone(), start, end))
    });
    let refreshes: Vec<Refresh> = try_join_all(dashboards).await?.into_iter().flatten().collect();
    let most = watched.await?;
    let peak = status_mb(pid, "VmHWM:")?;
    publish(&args, &refreshes, &most, peak)
}

fn publish(args: &Args, refreshes: &[Refresh], most: &[usize], peak: f64) -> anyhow::Result<()> {
    ensure!(!refreshes.is_empty(), "no refresh");
    let errors: Vec<&String> = refreshes.iter().filter_map(|r| r.error.as_ref()).collect();
    if let Some(first) = errors.first() {
        eprintln!("the first of {} errors: {first}", errors.len());
    }
    let of = |from: u64, to: u64| {
        let inside = move |r: &&Refresh| {
            (Duration::from_secs(from)..Duration::from_secs(to)).contains(&r.at)
        };
        Sample::new(refreshes.iter().filter(inside).map(|r| r.took))
    };
    let all = of(0, args.seconds);
    let ms = |name: &str, value: f64| Figure::new(format!("load, {name}"), value, "ms", None);
    let mut results = vec![
        Figure::new("load".to_owned(), all.quantile(0.95), "ms", None),
        ms("p50", all.quantile(0.5)),
        ms("p99", all.quantile(0.99)),
        ms("max", all.quantile(1.0)),
        ms("p95 of the first refreshes", of(0, EVERY).quantile(0.95)),
        ms(
            "p95 of the last refreshes",
            of(args.seconds.saturating_sub(EVERY), args.seconds).quantile(0.95),
        ),
        Figure::new("load, panels".to_owned(), refreshes.len() as f64, "queries", None),
        Figure::new("load, errors".to_owned(), errors.len() as f64, "queries", None),
        Figure::new("load, peak memory".to_owned(), peak, "MB", None),
    ];
    for (period, most) in most.iter().enumerate() {
        let name = format!("load, most under way in refresh {}", period + 1);
        results.push(Figure::new(name, *most as f64, "queries", None));
    }
    Report { results }.publish(args.json.as_deref())
}

/// The most queries under way in each period of a refresh.
async fn watch(under_way: Arc<AtomicUsize>, start: Instant, end: Duration) -> Vec<usize> {
    let mut most = vec![0; end.as_secs().div_ceil(EVERY) as usize];
    while start.elapsed() < end {
        let period = (start.elapsed().as_secs() / EVERY) as usize;
        if let Some(slot) = most.get_mut(period) {
            *slot = (*slot).max(under_way.load(Ordering::Relaxed));
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    most
}

async fn dashboard(
    number: usize,
    offset: Duration,
    plugin: Arc<Plugin>,
    under_way: Arc<AtomicUsize>,
    start: Instant,
    end: Duration,
) -> Vec<Refresh> {
    let panels = panels(number);
    let mut refreshes = Vec::new();
    let mut due = offset;
    while due < end {
        tokio::time::sleep_until((start + due).into()).await;
        // The present of the data moves as the clock does, a little apart for each dashboard.
        let now: DateTime<Utc> = dataset::end(usual_days()) - TimeDelta::minutes(10)
            + TimeDelta::milliseconds(start.elapsed().as_millis() as i64);
        let asked = panels.iter().map(|(model, days)| {
            let query = panel_query("A", model, (now - TimeDelta::days(*days), now));
            let (plugin, under_way) = (&plugin, &under_way);
            async move {
                let at = start.elapsed();
                under_way.fetch_add(1, Ordering::Relaxed);
                let began = Instant::now();
                let answered = query_once(plugin, query).await;
                under_way.fetch_sub(1, Ordering::Relaxed);
                let error = answered.err().map(|e| format!("{model}: {e:#}"));
                Refresh { at, took: began.elapsed(), error }
            }
        });
        refreshes.extend(join_all(asked).await);
        due += Duration::from_secs(EVERY);
    }
    refreshes
}
