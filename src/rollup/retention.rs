//! Dropping raw readings that are only needed for what rollups say already.
//!
//! Whole chunks or partitions go, and only when the rollups of everything in them are final: the
//! database decides, in one transaction (`drop_readings` in `migrations/0009_retention.sql`). From
//! then on hours before `rollup_state.readings_from` are never made again, because nothing is left
//! that they could be made from: marks of them are removed, sums of runs that reach back before it
//! stay as they are, and `check` and `rebuild` begin there.

use std::time::Duration;

use anyhow::{Context, bail};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use clap::Args as ClapArgs;
use sqlx::postgres::PgConnection;

use super::connect;

/// What was dropped, or could be.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Dropped {
    /// End of the last part; none: no part is old enough.
    pub until: Option<DateTime<Utc>>,
    /// Chunks or partitions.
    pub parts: i32,
    /// Why they were not dropped.
    pub reason: Option<String>,
}

/// Drops the parts that end before a time, or only says which it would drop.
///
/// # Errors
/// The time is within the last week, writers hold the table for longer than two seconds, or the
/// database does not answer.
pub async fn drop_readings(
    conn: &mut PgConnection,
    older_than: DateTime<Utc>,
    only_say: bool,
) -> sqlx::Result<Dropped> {
    sqlx::query_as("SELECT until, parts, reason FROM lotwise.drop_readings($1, $2)")
        .bind(older_than)
        .bind(only_say)
        .fetch_one(conn)
        .await
}

/// Drops what is older than `keep`; says so in the log. For the service, which tries again.
pub(super) async fn keep_to(conn: &mut PgConnection, keep: Duration) -> sqlx::Result<()> {
    let Ok(keep) = TimeDelta::from_std(keep) else { return Ok(()) };
    let Some(older_than) = Utc::now().checked_sub_signed(keep) else { return Ok(()) };
    match drop_readings(conn, older_than, false).await? {
        Dropped { parts: 0, .. } => {}
        Dropped { reason: Some(reason), .. } => {
            tracing::info!(retention.reason = reason, "old readings are not dropped yet");
        }
        Dropped { parts, until, .. } => tracing::info!(
            retention.parts = parts,
            retention.until = until.map(|t| t.to_rfc3339()),
            "old readings dropped; their rollups stay"
        ),
    }
    Ok(())
}

/// Drop raw readings that are older than so many days, once their rollups are final.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// postgres://WRITER:PASSWORD@HOST:5432/DATABASE
    #[arg(long, env = "LOTWISE_DATABASE_URL", hide_env_values = true)]
    database_url: String,
    /// Days that readings are kept, at least 8
    #[arg(long, value_parser = clap::value_parser!(i64).range(8..=36_500))]
    keep_days: i64,
    /// Only say what would be dropped
    #[arg(long)]
    dry_run: bool,
}

/// Runs the command.
///
/// # Errors
/// With what to do about it; also when readings are old enough, but not final.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let mut conn = connect(&args.database_url).await.context("no connection to the database")?;
    let older_than = Utc::now() - TimeDelta::days(args.keep_days);
    let dropped = drop_readings(&mut conn, older_than, args.dry_run).await.context(
        "is the schema up to date (`lotwise migrate`), and is the role the owner or a member of lotwise_writer?",
    )?;
    let Dropped { until: Some(until), parts, reason } = dropped else {
        println!("no chunk or partition is older than {} days", args.keep_days);
        return Ok(());
    };
    let until = until.to_rfc3339_opts(SecondsFormat::Secs, true);
    match reason {
        Some(reason) => bail!(
            "nothing was dropped: before {until} {reason}; run `lotwise rollup refresh`, and `lotwise rollup status` to see what waits"
        ),
        None if args.dry_run => {
            println!("{parts} chunks or partitions before {until} would be dropped");
        }
        None => println!("{parts} chunks or partitions before {until} dropped; their rollups stay"),
    }
    Ok(())
}
