//! Queries: the plugin beside the cheapest SQL that gives the same figures, and beside the SQL that an
//! analyst would write.
//!
//! Measured end to end: the bytes of the request by gRPC over one warm connection, Arrow bytes out.
//! Rounds are interleaved, floor and plugin by turns; medians count. The analyst's SQL runs once, and
//! is given up after a limit.

pub mod cases;
pub mod dataset;
pub mod memory;

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use futures_util::TryStreamExt;
use grafana_plugin_sdk::pluginv2 as pb;

use crate::report::{Figure, Report};
use crate::sample::Sample;
use crate::support::host::Launch;
use crate::support::panel::{DataSource, Plugin};
use crate::{database, programs};
use cases::{Asked, Case, Floor};
use dataset::Size;

/// Queries: what the pipeline adds to the cheapest SQL.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: database::Options,
    /// Days of history. With more than 90, everything is measured over 90 days first, then again
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(i64).range(1..=3650))]
    days: i64,
    /// Lines of the plant, twenty sensors each
    #[arg(long, default_value_t = dataset::LINES, value_parser = clap::value_parser!(i64).range(2..=10))]
    lines: i64,
    /// Only rows whose name begins so, such as latest or million_points; may repeat; all without it
    #[arg(long)]
    only: Vec<String>,
    /// Most seconds for one statement of an analyst; 0 leaves them out
    #[arg(long, default_value_t = 240)]
    analyst_s: u64,
    /// Times that each query is measured, fewer where one takes long
    #[arg(long, default_value_t = 31)]
    rounds: usize,
    /// The plugin's executable; without it, the release build beside this program
    #[arg(long)]
    plugin: Option<PathBuf>,
    /// Database that already holds the data of --days and --lines (superuser's URL); it is only read
    #[arg(long)]
    loaded: Option<String>,
    /// Load the data into the server of --database-url, say where, and leave it there
    #[arg(long, requires = "database_url")]
    load_only: bool,
    /// Write the figures to this file
    #[arg(long)]
    json: Option<PathBuf>,
}

/// The history that goals are about.
const USUAL_DAYS: i64 = 90;

/// Measures and prints.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let plugin = match &args.plugin {
        Some(plugin) => plugin.clone(),
        None => programs::release("gpx_lotwise").await?,
    };
    let mut results = Vec::new();
    if let Some(url) = &args.loaded {
        results = measure_all(&args, &plugin, url, "psql".into(), args.days).await?;
        return Report { results }.publish(args.json.as_deref());
    }
    let server = args.server.open().await?;
    if args.load_only {
        dataset::load(&server.db, 0, Size { lines: args.lines, days: args.days }).await?;
        eprintln!("loaded: database {}", server.db.name());
        std::mem::forget(server);
        return Ok(());
    }
    let psql = server.psql().await;
    let mut loaded = 0;
    for days in [args.days.min(USUAL_DAYS), args.days] {
        if loaded == days {
            continue;
        }
        dataset::load(&server.db, loaded, Size { lines: args.lines, days }).await?;
        loaded = days;
        let figures = measure_all(&args, &plugin, &server.db.url, psql.clone(), days).await?;
        results.extend(compare(&results, figures, days));
    }
    Report { results }.publish(args.json.as_deref())
}

/// The figures of a longer history, named so, each followed by its ratio to the usual one's.
fn compare(usual: &[Figure], figures: Vec<Figure>, days: i64) -> Vec<Figure> {
    if usual.is_empty() {
        return figures;
    }
    let mut all = Vec::new();
    for mut figure in figures {
        let before = usual.iter().find(|f| f.name == figure.name).map(|f| f.measured);
        figure.name = format!("{}, {days} days", figure.name);
        let ratio = Figure::new(
            format!("{} over {USUAL_DAYS} days", figure.name),
            figure.measured,
            figure.unit,
            before,
        );
        all.extend([figure, ratio]);
    }
    all
}

async fn measure_all(
    args: &Args,
    program: &std::path::Path,
    url: &str,
    psql: PathBuf,
    days: i64,
) -> anyhow::Result<Vec<Figure>> {
    let source = DataSource::of(url);
    let plugin = Plugin::launch(&Launch::new(program), source.clone()).await;
    let warm = Warm::connect(url).await?;
    let mut results = Vec::new();
    for case in cases::cases(Size { lines: args.lines, days }) {
        if !args.only.is_empty() && !args.only.iter().any(|only| case.name.starts_with(only)) {
            continue;
        }
        let measured = measure(&case, &plugin, &warm, url, &psql, args.rounds);
        let (measured, floor) = measured.await.context(case.name)?;
        let analyst = match &case.analyst {
            Some(sql) if args.analyst_s > 0 => Some(analyst(url, sql, args.analyst_s).await?),
            _ => None,
        };
        eprintln!("{}: {measured:.2} ms, floor {floor:.2} ms", case.name);
        results
            .push(Figure::new(case.name.to_owned(), measured, "ms", Some(floor)).beside(analyst));
        if case.name == "million_points" {
            results.push(memory::million(program, &source, args.lines).await?);
        }
    }
    Ok(results)
}

/// Enough for PostgreSQL to settle on a plan for its prepared statements, which it does after five.
const WARM_UP: usize = 8;
/// What one query may take in total.
const PATIENCE: Duration = Duration::from_secs(25);

/// Medians of the plugin and of the floor, ms.
async fn measure(
    case: &Case,
    plugin: &Plugin,
    warm: &Warm,
    url: &str,
    psql: &std::path::Path,
    rounds: usize,
) -> anyhow::Result<(f64, f64)> {
    let mut prepared = Vec::new();
    if let Floor::Sql(ways) = &case.floor {
        for sql in ways {
            prepared.push(warm.0.prepare(sql).await.with_context(|| sql.clone())?);
        }
    }
    let mut floors = vec![Vec::new(); prepared.len().max(1)];
    let mut took = Vec::new();
    let began = Instant::now();
    for round in 0..WARM_UP + rounds {
        if round > WARM_UP + 3 && began.elapsed() > PATIENCE {
            break;
        }
        let mut least = Vec::new();
        for statement in &prepared {
            least.push(warm.throw_away(statement).await?);
        }
        if let Floor::Copy(query) = &case.floor {
            least.push(copy(psql, url, query).await?);
        }
        let measured = ask(plugin, case).await?;
        if round >= WARM_UP {
            took.push(measured);
            floors.iter_mut().zip(least).for_each(|(all, least)| all.push(least));
        }
    }
    let median = |all: Vec<Duration>| Sample::new(all).quantile(0.5);
    Ok((median(took), floors.into_iter().map(median).fold(f64::INFINITY, f64::min)))
}

/// Asks the plugin once, which must answer with something.
pub async fn ask(plugin: &Plugin, case: &Case) -> anyhow::Result<Duration> {
    match &case.asked {
        Asked::Query { model, range } => {
            let query = panel_query("A", model, *range);
            Ok(query_once(plugin, query).await?.0)
        }
        Asked::Pick(url) => {
            let start = Instant::now();
            let picked = plugin.pick(url).await;
            let took = start.elapsed();
            ensure!(!picked.values().is_empty(), "nothing to pick");
            Ok(took)
        }
    }
}

/// Sends one query; how long it took, and the bytes of its frames.
pub async fn query_once(
    plugin: &Plugin,
    query: pb::DataQuery,
) -> anyhow::Result<(Duration, usize)> {
    let ref_id = query.ref_id.clone();
    let request = plugin.request(vec![query]);
    let mut client = plugin.host.data();
    let start = Instant::now();
    let answer = client.query_data(request).await?.into_inner();
    let took = start.elapsed();
    let Some(answer) = answer.responses.get(&ref_id) else { bail!("no answer") };
    ensure!(answer.error.is_empty(), "the query failed: {}", answer.error);
    let bytes = answer.frames.iter().map(|frame| frame.len()).sum();
    ensure!(bytes > 0, "no frames");
    Ok((took, bytes))
}

/// What Grafana sends for a panel of a usual width.
pub fn panel_query(
    ref_id: &str,
    model: &serde_json::Value,
    (from, to): (chrono::DateTime<chrono::Utc>, chrono::DateTime<chrono::Utc>),
) -> pb::DataQuery {
    pb::DataQuery {
        ref_id: ref_id.to_owned(),
        max_data_points: 1_000,
        interval_ms: 1_000,
        time_range: Some(pb::TimeRange {
            from_epoch_ms: from.timestamp_millis(),
            to_epoch_ms: to.timestamp_millis(),
        }),
        json: model.to_string().into_bytes(),
        query_type: String::new(),
    }
}

/// One connection, set up as the plugin's are.
struct Warm(tokio_postgres::Client);

impl Warm {
    async fn connect(url: &str) -> anyhow::Result<Self> {
        let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
        tokio::spawn(connection);
        client
            .batch_execute(
                "SET search_path = lotwise, public; SET timezone = 'UTC'; SET jit = off; SET work_mem = '32MB'",
            )
            .await?;
        Ok(Self(client))
    }

    /// Runs a prepared statement, takes its binary rows and throws them away.
    async fn throw_away(&self, statement: &tokio_postgres::Statement) -> anyhow::Result<Duration> {
        let start = Instant::now();
        let rows = self.0.query_raw(statement, std::iter::empty::<i32>()).await?;
        let mut rows = std::pin::pin!(rows);
        let mut count = 0;
        while rows.try_next().await?.is_some() {
            count += 1;
        }
        ensure!(count > 0, "the floor's statement found nothing");
        Ok(start.elapsed())
    }
}

/// `psql`'s binary COPY of a query, its start included.
async fn copy(psql: &std::path::Path, url: &str, query: &str) -> anyhow::Result<Duration> {
    let query = query.split_whitespace().collect::<Vec<_>>().join(" ");
    // Arguments are seen by everyone on the machine: the password is no part of them.
    let mut bare = url::Url::parse(url)?;
    let config: tokio_postgres::Config = url.parse()?;
    let _ = bare.set_password(None);
    let mut command = tokio::process::Command::new(psql);
    if let Some(password) = config.get_password() {
        command.env("PGPASSWORD", String::from_utf8_lossy(password).as_ref());
    }
    let copy = format!("\\copy ({query}) to '/dev/null' with (format binary)");
    command
        .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", &copy, "-d", bare.as_str()])
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let start = Instant::now();
    let status = command.status().await.context("psql not started: is it in the PATH?")?;
    let took = start.elapsed();
    ensure!(status.success(), "psql failed: {status}");
    Ok(took)
}

/// An analyst's statement as Grafana sends it; true when it was given up after so many seconds.
async fn analyst(url: &str, sql: &str, limit_s: u64) -> anyhow::Result<(f64, bool)> {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
    tokio::spawn(connection);
    client
        .batch_execute(&format!(
            "SET search_path = lotwise, public; SET timezone = 'UTC'; SET statement_timeout = '{limit_s}s'"
        ))
        .await?;
    let start = Instant::now();
    let answered = client.query(sql, &[]).await;
    let ms = start.elapsed().as_secs_f64() * 1e3;
    match answered {
        Ok(rows) => {
            ensure!(!rows.is_empty(), "the analyst's statement found nothing");
            Ok((ms, false))
        }
        Err(error) if error.code() == Some(&tokio_postgres::error::SqlState::QUERY_CANCELED) => {
            Ok((ms, true))
        }
        Err(error) => Err(error).context("the analyst's statement"),
    }
}

/// Opens the server and loads the usual data, for measurements that need just that.
pub async fn loaded(options: &database::Options) -> anyhow::Result<database::Database> {
    let server = options.open().await?;
    dataset::load(&server.db, 0, Size { lines: dataset::LINES, days: USUAL_DAYS }).await?;
    Ok(server)
}

/// The usual history's days.
pub const fn usual_days() -> i64 {
    USUAL_DAYS
}
