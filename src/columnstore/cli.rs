//! `lotwise columnstore on|off|status`, run by the owner role.

use anyhow::Context;
use chrono::SecondsFormat;
use clap::{Args as ClapArgs, Subcommand};

use super::{chunks, turn_off, turn_on};
use crate::schema;

/// Keep old readings by column, at about an eighth of the size (TimescaleDB's community edition).
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// postgres://OWNER:PASSWORD@HOST:5432/DATABASE
    #[arg(long, env = "LOTWISE_DATABASE_URL", hide_env_values = true, global = true)]
    database_url: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Let the database move chunks there that are older than so many days
    On {
        /// Days; longer than readings are late or corrected as a rule
        #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(i32).range(1..=36_500))]
        after_days: i32,
    },
    /// Move all chunks back to rows
    Off,
    /// Say which chunks are where, and how large
    Status,
}

/// Runs the subcommand.
///
/// # Errors
/// With what to do about it.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let url = args.database_url.context("--database-url (or LOTWISE_DATABASE_URL) is missing")?;
    let mut conn = schema::connect(&url).await?;
    match args.command {
        Command::On { after_days } => {
            turn_on(&mut conn, after_days).await?;
            println!("chunks older than {after_days} days go to the columnstore, within a day");
        }
        Command::Off => {
            let moved = turn_off(&mut conn).await?;
            println!("{moved} chunks moved back to rows; there is no columnstore");
        }
        Command::Status => {
            for chunk in chunks(&mut conn).await? {
                let at =
                    |t: chrono::DateTime<chrono::Utc>| t.to_rfc3339_opts(SecondsFormat::Secs, true);
                let store = if chunk.is_columnar { "columns" } else { "rows" };
                println!(
                    "{}  {}  {store:<7}  {} bytes",
                    at(chunk.starts),
                    at(chunk.ends),
                    chunk.bytes
                );
            }
        }
    }
    Ok(())
}
