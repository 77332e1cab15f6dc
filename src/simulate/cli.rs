//! The command: reads its arguments, then writes files or posts.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use chrono::NaiveDate;

use super::factory::{Drift, Factory, Options, factory};
use super::faults::Rarity;
use super::{files, items};
use crate::client::{Client, progress::Progress};

/// Simulate a factory with known faults, as files or through the ingest API.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Which factory: the same seed gives the same data.
    #[arg(long)]
    pub seed: u64,
    /// Number of machines.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=64))]
    pub machines: u64,
    /// Length of the history in days.
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=800))]
    pub days: u64,
    /// Days at the start without faults, from which normal can be learned.
    #[arg(long, default_value_t = 14)]
    pub quiet_days: u64,
    /// Multiplies the size of every fault.
    #[arg(long, default_value_t = 1.0)]
    pub severity: f64,
    /// How often things go wrong.
    #[arg(long, value_enum, default_value = "dense")]
    pub rarity: Rarity,
    /// First day (UTC); by default a Monday of 2025 that the seed chooses.
    #[arg(long)]
    pub start: Option<NaiveDate>,
    /// Lasting relative change of the power of every machine while running, such as 0.05, for
    /// judging energy models.
    #[arg(long, default_value_t = 0.0)]
    pub efficiency_loss: f64,
    /// Day from which --efficiency-loss holds, counted from 0.
    #[arg(long, default_value_t = 45)]
    pub efficiency_loss_day: u64,
    /// Directory for readings.csv, runs.csv, states.csv, labels.csv, consumption.csv and
    /// consumption_days.csv.
    #[arg(long, required_unless_present = "post")]
    pub out: Option<PathBuf>,
    /// Send readings, runs and states through the ingest API.
    #[arg(long, requires = "key_file")]
    pub post: bool,
    /// Address of the ingest service, for --post.
    #[arg(long, default_value = "http://127.0.0.1:8086", env = "LOTWISE_URL")]
    pub url: String,
    /// File with the API key (scopes readings and context), for --post.
    #[arg(long, env = "LOTWISE_KEY_FILE")]
    pub key_file: Option<PathBuf>,
    /// Key of the plant that --post fills.
    #[arg(long, default_value = "simulated")]
    pub plant: String,
}

/// Runs the command.
pub async fn run(args: Args) -> anyhow::Result<()> {
    ensure!(
        args.severity.is_finite() && (0.0..=10.0).contains(&args.severity),
        "--severity must be between 0 and 10"
    );
    ensure!(
        args.efficiency_loss.is_finite() && (-0.5..=1.0).contains(&args.efficiency_loss),
        "--efficiency-loss must be between -0.5 and 1"
    );
    let options = Options {
        seed: args.seed,
        machines: args.machines as usize,
        days: args.days as usize,
        quiet_days: args.quiet_days as usize,
        severity: args.severity,
        rarity: args.rarity,
        start: args.start,
        drift: (args.efficiency_loss != 0.0).then_some(Drift {
            size: args.efficiency_loss,
            from_day: args.efficiency_loss_day as usize,
        }),
    };
    let factory = factory(&options);
    if let Some(directory) = &args.out {
        files::write(&factory, directory)?;
        eprintln!(
            "{}: {} readings, {} runs, {} states, {} labels",
            directory.display(),
            factory.readings.len(),
            factory.runs.len(),
            factory.states.len(),
            factory.labels.len()
        );
    }
    if args.post { post(&args, &factory).await } else { Ok(()) }
}

async fn post(args: &Args, factory: &Factory) -> anyhow::Result<()> {
    let key_file = args.key_file.as_deref().context("--post needs --key-file")?;
    let client = Client::new(&args.url, key_file, Duration::from_secs(120))?;
    client.reach().await?;
    for (kind, list) in items::directory(factory, &args.plant) {
        put(&client, kind, &list).await?;
    }
    let mut progress = Progress::new("readings", factory.readings.len() as u64);
    for (lines, count) in items::batches(factory) {
        client.write_lines(&args.plant, &lines).await?;
        progress.add(count);
    }
    put(&client, "runs", &items::runs(factory, &args.plant)).await?;
    put(&client, "states", &items::states(factory, &args.plant)).await
}

async fn put(client: &Client, kind: &str, list: &[serde_json::Value]) -> anyhow::Result<()> {
    for chunk in list.chunks(500) {
        let outcome = client.put_items(kind, chunk).await?;
        if let Some(error) = outcome.errors.first() {
            bail!(
                "{} of {} {kind} were not accepted: {}",
                outcome.rejected,
                chunk.len(),
                error.message
            );
        }
    }
    Ok(())
}
