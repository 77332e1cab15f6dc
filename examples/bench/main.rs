//! lotwise-bench: how fast Lotwise is on this machine, beside a floor measured in the same run.
//!
//! A development tool, never shipped: `cargo run --release --example lotwise-bench -- latency`.
//! Reads the arguments and dispatches; what a measurement means is in docs/performance.md.

mod ingest;
mod latency;
mod report;
mod sample;
mod support;

use clap::{Parser, Subcommand};

/// Measures Lotwise on this machine.
#[derive(Parser)]
#[command(name = "lotwise-bench")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Ingest(ingest::Args),
    Latency(latency::Args),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    match Cli::parse().command {
        Command::Ingest(args) => ingest::run(args).await,
        Command::Latency(args) => latency::run(args).await,
    }
}
