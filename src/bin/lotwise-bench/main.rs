//! lotwise-bench: how fast Lotwise is on this machine, beside a floor measured in the same run.
//!
//! A development tool, never shipped: `cargo build --release --bin lotwise-bench`, then
//! `target/release/lotwise-bench ingest`. Reads the arguments and dispatches; a measurement is a
//! module with `Args` and `run`, and what it means is in docs/performance.md.

mod analytics;
mod database;
mod ingest;
mod latency;
mod load;
mod programs;
mod query;
mod report;
mod sample;
mod support;

use clap::{Parser, Subcommand};
use tokio::signal::unix::{SignalKind, signal};

/// Measures Lotwise on this machine.
#[derive(Parser)]
#[command(name = "lotwise-bench")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Analytics(analytics::Args),
    Ingest(ingest::Args),
    Latency(latency::Args),
    Load(load::Args),
    Query(query::Args),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    // What is dropped here stops the database and the programs that were started.
    tokio::select! {
        result = run(Cli::parse().command) => result,
        _ = interrupt.recv() => anyhow::bail!("interrupted"),
        _ = terminate.recv() => anyhow::bail!("terminated"),
    }
}

async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Analytics(args) => analytics::run(args),
        Command::Ingest(args) => ingest::run(args).await,
        Command::Latency(args) => latency::run(args).await,
        Command::Load(args) => load::run(args).await,
        Command::Query(args) => query::run(args).await,
    }
}
