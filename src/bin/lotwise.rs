//! The command line: `lotwise migrate`, `ingest`, `key`, `mapping`, `rollup`,
//! `reader`, `columnstore`, `retention`, `doctor`, `demo`, `replay`, `replay-runs`, `simulate`, `evaluate`.
//!
//! Reads the arguments and dispatches; each subcommand is a `run` function of its module.

use clap::{Parser, Subcommand};
use lotwise::ingest::{keys, mapping, service};
use lotwise::{
    columnstore, demo, doctor, evaluate, reader, replay, retention, rollup, schema, simulate,
};

#[derive(Parser)]
#[command(
    name = "lotwise",
    version,
    about = "Energy and process figures per lot, reference and machine"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Migrate(schema::cli::Args),
    Ingest(service::Args),
    Key(keys::cli::Args),
    Mapping(mapping::cli::Args),
    Rollup(rollup::cli::Args),
    Reader(reader::cli::Args),
    Columnstore(columnstore::cli::Args),
    Retention(retention::cli::Args),
    Doctor(doctor::Args),
    Demo(demo::Args),
    Replay(Box<replay::Args>),
    ReplayRuns(Box<replay::runs::Args>),
    Simulate(Box<simulate::Args>),
    Evaluate(evaluate::Args),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // The one TLS provider of the process; a second install would only say that there is one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match Cli::parse().command {
        Command::Migrate(args) => schema::cli::run(args).await,
        Command::Ingest(args) => service::run(args).await,
        Command::Key(args) => keys::cli::run(args).await,
        Command::Mapping(args) => mapping::cli::run(args).await,
        Command::Rollup(args) => rollup::cli::run(args).await,
        Command::Columnstore(args) => columnstore::cli::run(args).await,
        Command::Retention(args) => retention::cli::run(args).await,
        Command::Reader(args) => reader::cli::run(args).await,
        Command::Doctor(args) => doctor::run(args).await,
        Command::Demo(args) => demo::run(args).await,
        Command::Replay(args) => replay::run(*args).await,
        Command::ReplayRuns(args) => replay::runs::run(*args).await,
        Command::Simulate(args) => simulate::run(*args).await,
        Command::Evaluate(args) => evaluate::run(args).await,
    }
}
