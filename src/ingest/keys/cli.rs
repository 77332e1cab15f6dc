//! `lotwise key create|list|revoke`, run by the owner role.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use chrono::{DateTime, Days, NaiveDate, SecondsFormat, Utc};
use clap::{Args as ClapArgs, Subcommand};
use sqlx::Connection;
use sqlx::postgres::PgConnection;

use super::store::{self, NewKey, StoredKey};
use super::{Scope, Secret};

/// Create, list and revoke the API keys of the ingest service.
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
    /// Make a key and print its secret, once
    Create(Create),
    /// Show the keys, without their secrets
    List,
    /// Make a key stop working
    Revoke {
        /// Name of the key
        name: String,
    },
}

#[derive(Debug, ClapArgs)]
struct Create {
    /// Name that tells whose key it is
    #[arg(long)]
    name: String,
    /// What it allows (repeat for several)
    #[arg(long = "scope", value_enum, required = true)]
    scopes: Vec<Scope>,
    /// Plant that it is for (repeat for several; none: all plants)
    #[arg(long = "plant")]
    plants: Vec<String>,
    /// When it stops working: a time (2027-01-31T00:00:00Z), a date or a number of days (90d)
    #[arg(long, value_parser = parse_expiry)]
    expires: Option<DateTime<Utc>>,
    /// Write the secret to this file (mode 600) instead of printing it
    #[arg(long)]
    out: Option<PathBuf>,
    /// Do nothing when there is such a key and the file has its secret; a lost file gets a new one
    #[arg(long)]
    if_absent: bool,
}

/// Runs the subcommand.
///
/// # Errors
/// With what to do about it.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let url = args.database_url.context("--database-url (or LOTWISE_DATABASE_URL) is missing")?;
    let mut conn = PgConnection::connect(&url).await.context("no connection to the database")?;
    match args.command {
        Command::Create(create) => self::create(&mut conn, &create).await,
        Command::List => {
            for key in store::list(&mut conn)
                .await
                .context("is the schema there? run `lotwise migrate`")?
            {
                println!("{}", line(&key, Utc::now()));
            }
            Ok(())
        }
        Command::Revoke { name } => {
            if !store::revoke(&mut conn, &name).await? {
                bail!("there is no key {name:?} that works; `lotwise key list` shows them");
            }
            println!("key {name:?} is revoked");
            Ok(())
        }
    }
}

async fn create(conn: &mut PgConnection, create: &Create) -> anyhow::Result<()> {
    let name = create.name.as_str();
    if create.if_absent && file_has_key(conn, create).await? {
        println!("key {name:?} is there");
        return Ok(());
    }
    let secret = Secret::generate().context("the system gives no random numbers")?;
    let key =
        NewKey { name, scopes: &create.scopes, plants: &create.plants, expires_at: create.expires };
    let inserted = store::insert(&mut *conn, &key, &secret.hash()).await.context(
        "the key could not be stored; is the schema there? run `lotwise migrate` as the owner",
    )?;
    if !inserted {
        if !create.if_absent {
            bail!("there is a key {name:?}: choose another name");
        }
        if create.out.is_none() {
            println!("key {name:?} is there");
            return Ok(());
        }
        if !store::replace_secret(&mut *conn, name, &secret.hash()).await? {
            bail!("key {name:?} is revoked: choose another name");
        }
    }
    match &create.out {
        None => println!("{}", secret.reveal()),
        Some(path) => {
            write_secret(path, &secret)
                .with_context(|| format!("cannot write {}", path.display()))?;
            println!("key {name:?}: secret written to {}", path.display());
        }
    }
    Ok(())
}

/// Whether the file holds the secret of a working key of this name.
async fn file_has_key(conn: &mut PgConnection, create: &Create) -> anyhow::Result<bool> {
    let Some(text) = create.out.as_ref().and_then(|path| fs::read_to_string(path).ok()) else {
        return Ok(false);
    };
    let key = store::by_hash(conn, &Secret::presented(text.trim()).hash())
        .await
        .context("is the schema there? run `lotwise migrate`")?;
    Ok(key.is_some_and(|key| key.name == create.name && state(&key, Utc::now()) == "active"))
}

/// Written beside and renamed, so that nobody reads half a secret.
fn write_secret(path: &Path, secret: &Secret) -> std::io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.new", std::process::id()));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    writeln!(file, "{}", secret.reveal())?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

fn state(key: &StoredKey, now: DateTime<Utc>) -> &'static str {
    match key {
        StoredKey { revoked_at: Some(_), .. } => "revoked",
        StoredKey { expires_at: Some(at), .. } if *at <= now => "expired",
        _ => "active",
    }
}

fn line(key: &StoredKey, now: DateTime<Utc>) -> String {
    let time = |t: DateTime<Utc>| t.to_rfc3339_opts(SecondsFormat::Secs, true);
    let scopes: Vec<_> = key.scopes.iter().map(|s| s.as_str()).collect();
    format!(
        "{:<24} {:<8} scopes {:<18} plants {:<16} created {}  expires {}",
        key.name,
        state(key, now),
        scopes.join(","),
        key.plants.as_ref().map_or("all".to_owned(), |p| p.join(",")),
        time(key.created_at),
        key.expires_at.map_or("never".to_owned(), time),
    )
}

fn parse_expiry(text: &str) -> Result<DateTime<Utc>, String> {
    let days = text.strip_suffix('d').and_then(|n| n.parse().ok()).map(Days::new);
    let at = match days {
        Some(days) => Utc::now().checked_add_days(days),
        None => DateTime::parse_from_rfc3339(text).map(|t| t.to_utc()).ok().or_else(|| {
            let midnight = text.parse::<NaiveDate>().ok()?.and_hms_opt(0, 0, 0)?;
            Some(midnight.and_utc())
        }),
    };
    at.ok_or_else(|| "neither a time (2027-01-31T00:00:00Z) nor a date nor days (90d)".to_owned())
}

#[cfg(test)]
mod tests {
    use super::parse_expiry;

    #[test]
    fn reads_times_dates_and_days() {
        let text = |t| parse_expiry(t).map(|t| t.to_rfc3339());
        assert_eq!(text("2027-01-31").as_deref(), Ok("2027-01-31T00:00:00+00:00"));
        assert_eq!(text("2027-01-31T01:00:00+01:00").as_deref(), Ok("2027-01-31T00:00:00+00:00"));
        assert!(parse_expiry("90d").is_ok());
        assert!(parse_expiry("soon").is_err() && parse_expiry("99999999999d").is_err());
    }
}
