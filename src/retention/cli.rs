//! `lotwise retention status|drop`, run by the owner role.

use std::time::Duration;

use anyhow::Context;
use chrono::{TimeDelta, Utc};
use clap::{Args as ClapArgs, Subcommand};

use super::{GRACE, drop_parts, freeze, parts, plan, raw_from, time as at};
use crate::schema;

/// Drop old readings; what they add up to in each hour and run stays.
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
    /// Drop the readings older than so many days, by whole weeks; cannot be undone
    Drop {
        /// Days; longer than you compare, correct and look for anomalies
        #[arg(long, value_parser = clap::value_parser!(i64).range(30..=36_500))]
        older_than_days: i64,
        /// Only say what would go
        #[arg(long)]
        dry_run: bool,
        /// Seconds between the last change and the drop, in which services and queries notice
        #[arg(long, default_value_t = GRACE.as_secs())]
        grace_s: u64,
    },
    /// Say from when readings are kept, and what the weeks take
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
        Command::Status => {
            let from = raw_from(&mut conn).await.context(OUTDATED)?;
            println!("readings are kept from  {}", from.map_or("the first on".to_owned(), at));
            for part in parts(&mut conn).await? {
                println!("{}  {}  {} bytes", at(part.starts), at(part.ends), part.bytes);
            }
        }
        Command::Drop { older_than_days, dry_run, grace_s } => {
            let before = Utc::now() - TimeDelta::days(older_than_days);
            let Some(plan) = plan(&mut conn, before).await.context(OUTDATED)? else {
                println!("nothing to drop: no whole week of readings is older than {}", at(before));
                return Ok(());
            };
            let bytes: i64 = plan.parts.iter().map(|part| part.bytes).sum();
            println!(
                "{} weeks of readings before {}, {bytes} bytes, {}",
                plan.parts.len(),
                at(plan.cut),
                if dry_run { "would be dropped" } else { "are to be dropped" }
            );
            if plan.open_runs > 0 {
                println!(
                    "{} runs began before that and are still open: an hour that such a run begins in will count in proportion to time",
                    plan.open_runs
                );
            }
            if dry_run {
                return Ok(());
            }
            freeze(&mut conn, plan.cut).await?;
            println!(
                "readings before {} are refused from now on; dropping in {grace_s} s",
                at(plan.cut)
            );
            tokio::time::sleep(Duration::from_secs(grace_s)).await;
            let dropped = drop_parts(&mut conn).await?;
            println!("{dropped} weeks dropped; their hours and the sums of their runs stay");
        }
    }
    Ok(())
}

const OUTDATED: &str = "is the schema up to date? run `lotwise migrate` as the owner";
