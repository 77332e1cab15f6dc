//! Small queries one after the other: what a panel waits for beside its SQL.
//!
//! Each round makes an empty gRPC call, runs the query's own SQL on one warm connection, and asks
//! the plugin; the first two together are the floor. Rounds are interleaved, so that whatever else
//! the machine does falls on all three alike.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::ensure;
use chrono::Utc;
use lotwise::catalog::{self, Catalog};
use lotwise::db::{Db, Settings};
use lotwise::domain::TimeRange;
use lotwise::plan::{self, Ask, Rates, select};
use lotwise::sql::cell::Ends;
use lotwise::sql::{self, Statement, items, latest};
use serde_json::{Value, json};
use tokio_postgres::types::ToSql;

use crate::report::{Figure, Report};
use crate::sample::Sample;
use crate::support::fixture;
use crate::support::host::Launch;
use crate::support::panel::{DataSource, Plugin, query};
use crate::{database, programs};

/// Small queries: the plugin's share of what a panel waits for.
#[derive(clap::Args)]
pub struct Args {
    #[command(flatten)]
    server: database::Options,
    /// The plugin's executable; without it, the release build beside this program
    #[arg(long)]
    plugin: Option<PathBuf>,
    /// Queries of each kind
    #[arg(long, default_value_t = 200)]
    queries: usize,
    /// Write the figures to this file
    #[arg(long)]
    json: Option<PathBuf>,
}

/// A Nagle delay is 40 ms; anything near it is a stall.
const STALL_MS: f64 = 35.0;
const WARM_UP: usize = 20;

/// Measures and prints.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let plugin = match args.plugin {
        Some(plugin) => plugin,
        None => programs::release("gpx_lotwise").await?,
    };
    let server = args.server.open().await?;
    let db = &server.db;
    fixture::seed(db).await;
    let source = DataSource::of(&db.url);
    let plugin = Plugin::launch(&Launch::new(&plugin), source.clone()).await;
    let warm = Warm::connect(&db.url).await?;
    let mut results = Vec::new();
    for (name, model) in [
        ("latest", json!({"type": "latest", "place": {"sensors": ["saw-temp"]}})),
        ("kpi", json!({"type": "kpi", "place": {"lines": ["L1"]}})),
    ] {
        let (measured, floor) = measure(&plugin, &warm, &source, &model, args.queries).await?;
        for (label, share) in [("p50", 0.50), ("p95", 0.95), ("p99", 0.99), ("max", 1.0)] {
            let floor = Some(floor.quantile(share));
            let name = format!("{name}, {label}");
            results.push(Figure::new(name, measured.quantile(share), "ms", floor));
        }
        let over = measured.percent_over(STALL_MS);
        let floor = Some(floor.percent_over(STALL_MS));
        results.push(Figure::new(format!("{name}, over {STALL_MS} ms"), over, "%", floor));
    }
    Report { results }.publish(args.json.as_deref())
}

async fn measure(
    plugin: &Plugin,
    warm: &Warm,
    source: &DataSource,
    model: &Value,
    queries: usize,
) -> anyhow::Result<(Sample, Sample)> {
    let statements = statements(source, model).await?;
    let prepared = warm.prepare(&statements).await?;
    let (mut measured, mut floor) = (Vec::new(), Vec::new());
    for round in 0..WARM_UP + queries {
        let start = Instant::now();
        ensure!(plugin.host.is_serving().await?, "the plugin does not serve");
        for (statement, prepared) in statements.iter().zip(&prepared) {
            warm.run(statement, prepared).await?;
        }
        let least = start.elapsed();
        let request = plugin.request(vec![query("A", model.clone())]);
        let mut client = plugin.host.data();
        let start = Instant::now();
        let answer = client.query_data(request).await?.into_inner();
        let took = start.elapsed();
        let error = answer.responses.get("A").map_or("no answer", |a| a.error.as_str());
        ensure!(error.is_empty(), "the query failed: {error}");
        if round >= WARM_UP {
            measured.push(took);
            floor.push(least);
        }
    }
    Ok((Sample::new(measured), Sample::new(floor)))
}

/// The statements that the plugin runs for a query, but for the catalog, which it keeps.
async fn statements(source: &DataSource, model: &Value) -> anyhow::Result<Vec<Statement>> {
    let settings = Settings::parse(source.json.to_string().as_bytes(), &source.secure)?;
    let db = Db::new(&settings)?;
    let catalog: Catalog = catalog::load(&db, &[], &[]).await?;
    let query = lotwise::model::parse(model.to_string().as_bytes())?;
    let selection = select(&query.place, &catalog)?;
    if model["type"] == "latest" {
        return Ok(vec![latest::statement(&selection.sensors, None)]);
    }
    let range = TimeRange::new(fixture::from(), fixture::to())?;
    let ask = Ask {
        range,
        interval_s: 1.0,
        max_data_points: 1_000,
        max_points: 1_000_000,
        now: Utc::now(),
    };
    let of_runs = || sql::runs::statement(&selection, &query.context, range, 20_001);
    let Statement { sql, params, .. } = of_runs();
    let rows = db.query(&sql, params).await?;
    let runs = rows.iter().map(sql::runs::read).collect::<Result<Vec<_>, _>>()?;
    let plan = plan::kpi(&query, &selection, &catalog, &runs, &[], &Rates::new(), &ask)?;
    let windows: Vec<_> = plan.windows.iter().map(|w| w.window.clone()).collect();
    Ok(vec![
        of_runs(),
        items::wanted(&windows, &plan.edges, lotwise::plan::Items::Readings, Ends::Omit, None)
            .statement,
    ])
}

/// One connection, set up as the plugin's are.
struct Warm(tokio_postgres::Client);

impl Warm {
    async fn connect(url: &str) -> anyhow::Result<Self> {
        let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
        tokio::spawn(connection);
        client
            .batch_execute("SET search_path = lotwise, public; SET timezone = 'UTC'; SET jit = off")
            .await?;
        Ok(Self(client))
    }

    async fn prepare(
        &self,
        statements: &[Statement],
    ) -> anyhow::Result<Vec<tokio_postgres::Statement>> {
        let mut prepared = Vec::new();
        for statement in statements {
            prepared.push(self.0.prepare(&statement.sql).await?);
        }
        Ok(prepared)
    }

    async fn run(
        &self,
        statement: &Statement,
        prepared: &tokio_postgres::Statement,
    ) -> anyhow::Result<()> {
        let params: Vec<&(dyn ToSql + Sync)> =
            statement.params.iter().map(|p| &**p as &(dyn ToSql + Sync)).collect();
        self.0.query(prepared, &params).await?;
        Ok(())
    }
}
