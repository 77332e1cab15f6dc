//! `lotwise key create|list|update|rotate|revoke`, run by the owner role.

pub mod rules;

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use chrono::{DateTime, Days, NaiveDate, SecondsFormat, Utc};
use clap::{Args as ClapArgs, Subcommand};
use sqlx::Connection;
use sqlx::postgres::PgConnection;

use super::rules::Rules;
use super::store::{self, NewKey, StoredKey};
use super::{Scope, Secret};
use crate::domain::span;
use rules::RuleArgs;

/// Create, list, change, rotate and revoke the API keys of the ingest service.
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
    /// Change a key's own limits; the service follows within seconds
    Update(Update),
    /// Give a key a new secret; the old one goes on working for a while
    Rotate(Rotate),
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
    #[command(flatten)]
    rules: RuleArgs,
}

#[derive(Debug, ClapArgs)]
struct Update {
    /// Name of the key
    name: String,
    #[command(flatten)]
    rules: RuleArgs,
}

#[derive(Debug, ClapArgs)]
struct Rotate {
    /// Name of the key
    name: String,
    /// How long the old secret works: 24h, 90m, 30s, 7d; 0: no longer
    #[arg(long, default_value = "24h", value_parser = parse_keep)]
    keep: Keep,
    /// Write the new secret to this file (mode 600) instead of printing it
    #[arg(long)]
    out: Option<PathBuf>,
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
        Command::Update(update) => self::update(&mut conn, &update).await,
        Command::Rotate(rotate) => self::rotate(&mut conn, &rotate).await,
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
    let rules = create.rules.apply(Rules::default());
    let inserted = store::insert_with(&mut *conn, &key, &secret.hash(), &rules).await.context(
        "the key could not be stored; is the schema up to date? run `lotwise migrate` as the owner",
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

async fn update(conn: &mut PgConnection, Update { name, rules }: &Update) -> anyhow::Result<()> {
    let old = "is the schema up to date? run `lotwise migrate`";
    let stored = store::list(&mut *conn).await.context(old)?.into_iter().find(|k| k.name == *name);
    let stored = stored
        .with_context(|| format!("there is no key {name:?}; `lotwise key list` shows them"))?;
    let rules = rules.apply(stored.rules);
    store::set_rules(&mut *conn, name, &rules).await.context("the key could not be changed")?;
    println!("{}", line(&StoredKey { rules, ..stored }, Utc::now()));
    Ok(())
}

async fn rotate(conn: &mut PgConnection, rotate: &Rotate) -> anyhow::Result<()> {
    let name = rotate.name.as_str();
    let secret = Secret::generate().context("the system gives no random numbers")?;
    // The file is ready before the key changes, so that a full disk costs nobody the secret.
    let file = rotate
        .out
        .as_ref()
        .map(|path| {
            NewFile::write(path, &secret)
                .with_context(|| format!("cannot write {}", path.display()))
        })
        .transpose()?;
    let until = store::rotate(conn, name, &secret.hash(), rotate.keep.seconds)
        .await
        .context("the key could not be changed; is the schema up to date? run `lotwise migrate`")?
        .with_context(|| {
            format!("there is no key {name:?} that works; `lotwise key list` shows them")
        })?;
    match file {
        None => println!("{}", secret.reveal()),
        Some(file) => {
            let path = file.path.display().to_string();
            file.put_in_place().with_context(|| {
                format!("the key has a new secret, but {path} cannot be replaced: rotate again")
            })?;
            println!("key {name:?}: new secret written to {path}");
        }
    }
    // Not on standard output, where a script takes the secret from.
    match rotate.keep.seconds {
        0 => eprintln!("the old secret works no longer"),
        _ => eprintln!("the old secret works until {}", in_words(until)),
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
    NewFile::write(path, secret)?.put_in_place()
}

/// A secret beside the file that it is for; removed again unless it is put in place.
struct NewFile {
    path: PathBuf,
    beside: PathBuf,
}

impl NewFile {
    fn write(path: &Path, secret: &Secret) -> std::io::Result<Self> {
        let mut beside = path.as_os_str().to_owned();
        beside.push(format!(".{}.new", std::process::id()));
        let beside = PathBuf::from(beside);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        let new = Self { path: path.to_owned(), beside };
        writeln!(file, "{}", secret.reveal())?;
        file.sync_all()?;
        Ok(new)
    }

    fn put_in_place(self) -> std::io::Result<()> {
        fs::rename(&self.beside, &self.path)
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        // After the rename there is nothing to remove.
        let _ = fs::remove_file(&self.beside);
    }
}

fn state(key: &StoredKey, now: DateTime<Utc>) -> &'static str {
    match key {
        StoredKey { revoked_at: Some(_), .. } => "revoked",
        StoredKey { expires_at: Some(at), .. } if *at <= now => "expired",
        StoredKey { old_secret_until: Some(at), .. } if *at <= now => "replaced",
        _ => "active",
    }
}

fn line(key: &StoredKey, now: DateTime<Utc>) -> String {
    let scopes: Vec<_> = key.scopes.iter().map(|s| s.as_str()).collect();
    format!(
        "{:<24} {:<8} scopes {:<18} plants {:<16} created {}  expires {}{}{}",
        key.name,
        state(key, now),
        scopes.join(","),
        key.plants.as_ref().map_or("all".to_owned(), |p| p.join(",")),
        in_words(key.created_at),
        key.expires_at.map_or("never".to_owned(), in_words),
        key.old_secret_until
            .map_or(String::new(), |at| format!("  old secret until {}", in_words(at))),
        key.rules,
    )
}

fn in_words(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// How long an old secret works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Keep {
    seconds: u32,
}

fn parse_keep(text: &str) -> Result<Keep, String> {
    // Longer than this it is a second key, which deserves a name and an expiry of its own.
    let year = 366 * 86_400;
    span::seconds(text)
        .ok()
        .filter(|seconds| *seconds <= year)
        .map(|seconds| Keep { seconds })
        .ok_or_else(|| "neither 0 nor a time up to a year, such as 30s, 90m, 24h or 7d".to_owned())
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
    use super::{Keep, parse_expiry, parse_keep};

    #[test]
    fn reads_how_long_an_old_secret_works() {
        for (text, seconds) in [("0", 0), ("0s", 0), ("30s", 30), ("90m", 5_400), ("7d", 604_800)] {
            assert_eq!(parse_keep(text), Ok(Keep { seconds }), "{text}");
        }
        for text in ["", "24", "h", "-1h", "1.5h", "24 h", "367d", "99999999999s"] {
            assert!(parse_keep(text).is_err(), "{text}");
        }
    }

    #[test]
    fn reads_times_dates_and_days() {
        let text = |t| parse_expiry(t).map(|t| t.to_rfc3339());
        assert_eq!(text("2027-01-31").as_deref(), Ok("2027-01-31T00:00:00+00:00"));
        assert_eq!(text("2027-01-31T01:00:00+01:00").as_deref(), Ok("2027-01-31T00:00:00+00:00"));
        assert!(parse_expiry("90d").is_ok());
        assert!(parse_expiry("soon").is_err() && parse_expiry("99999999999d").is_err());
    }
}
