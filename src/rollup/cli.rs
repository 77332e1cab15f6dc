//! `lotwise rollup refresh|rebuild|check|status`, run by the writer or the owner role.

use std::time::Duration;

use anyhow::{Context, bail};
use chrono::{DateTime, SecondsFormat, Utc};
use clap::{Args as ClapArgs, Subcommand};
use sqlx::postgres::PgConnection;

use super::check::{Scope, check};
use super::worker::status;
use super::{Refreshed, connect, rebuild, refresh, try_lock};

/// Refresh, rebuild and check the rollups that figures are made from.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// postgres://WRITER:PASSWORD@HOST:5432/DATABASE
    #[arg(long, env = "LOTWISE_DATABASE_URL", hide_env_values = true, global = true)]
    database_url: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make what is due now; `lotwise ingest` does it all the time
    Refresh {
        /// Roll up the hours before this time; now less an hour, if not given
        #[arg(long)]
        until: Option<DateTime<Utc>>,
    },
    /// Make rollups again, after readings were changed by hand
    Rebuild(Which),
    /// Compare the rollups with the readings; prints the first difference, and fails with it
    Check(Which),
    /// Say up to when rollups are made, and what waits
    Status,
}

#[derive(Debug, ClapArgs)]
struct Which {
    /// Key of the plant; all plants, if not given
    #[arg(long)]
    plant: Option<String>,
    /// Key of the sensor; all sensors, if not given
    #[arg(long)]
    sensor: Option<String>,
    /// From this time on, such as 2026-01-31T00:00:00Z
    #[arg(long)]
    from: Option<DateTime<Utc>>,
    /// Before this time
    #[arg(long)]
    to: Option<DateTime<Utc>>,
}

impl From<Which> for Scope {
    fn from(Which { plant, sensor, from, to }: Which) -> Self {
        Self { plant, sensor, from, to }
    }
}

/// Runs the subcommand.
///
/// # Errors
/// With what to do about it; a difference that `check` finds, too.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let url = args.database_url.context("--database-url (or LOTWISE_DATABASE_URL) is missing")?;
    let mut conn = connect(&url).await.context("no connection to the database")?;
    match args.command {
        Command::Status => print_status(&mut conn).await,
        Command::Refresh { until } => {
            // The time never moves back: readings before it would all be late ones.
            if until.is_some_and(|until| until > Utc::now()) {
                bail!("--until is in the future: hours that are not over yet cannot be rolled up");
            }
            make(&mut conn, until).await
        }
        Command::Rebuild(which) => {
            let marked = rebuild::mark_all(&mut conn, &which.into()).await.context(OUTDATED)?;
            println!("{marked} hours of sensors to be made again");
            make(&mut conn, None).await
        }
        Command::Check(which) => {
            let checked = check(&mut conn, &which.into()).await.context(OUTDATED)?;
            if let Some(difference) = checked.difference {
                bail!(
                    "rollups differ from the readings: {difference}\n`lotwise rollup rebuild` makes them again"
                );
            }
            println!(
                "rollups agree with the readings: {} sensors, {} hours, {} sums of runs",
                checked.sensors, checked.hours, checked.runs
            );
            Ok(())
        }
    }
}

const OUTDATED: &str = "is the schema up to date? run `lotwise migrate` as the owner";

/// Refreshes, or waits until the service that keeps the rollups has done it.
async fn make(conn: &mut PgConnection, until: Option<DateTime<Utc>>) -> anyhow::Result<()> {
    let mut told = false;
    while !try_lock(conn).await? {
        let now = status(conn).await.context(OUTDATED)?;
        let reached = now.mark_until.is_some_and(|mark| until.is_none_or(|until| mark >= until));
        if reached && now.marks == 0 && now.built_until.is_none_or(|b| Some(b) >= now.mark_until) {
            println!("a running `lotwise ingest` has made them");
            return Ok(());
        }
        if !told {
            eprintln!("a running `lotwise ingest` keeps the rollups: waiting for it");
            told = true;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let Refreshed { built, settled, runs } = refresh(conn, until).await.context(OUTDATED)?;
    println!("{built} hours of sensors made, {settled} made again, {runs} sums of runs made");
    Ok(())
}

async fn print_status(conn: &mut PgConnection) -> anyhow::Result<()> {
    let status = status(conn).await.context(OUTDATED)?;
    let at = |time: Option<DateTime<Utc>>| {
        time.map_or("never".to_owned(), |t| t.to_rfc3339_opts(SecondsFormat::Secs, true))
    };
    println!("late readings are marked before  {}", at(status.mark_until));
    println!("all sensors are rolled up before {}", at(status.built_until));
    println!("sensors                          {}", status.sensors);
    println!("marks that wait                  {}", status.marks);
    Ok(())
}
