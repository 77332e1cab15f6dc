//! `lotwise mapping list|put|delete|test`, run by the owner or the writer role.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::{Args as ClapArgs, Subcommand};
use serde_json::{Value, json};
use sqlx::Connection;
use sqlx::postgres::PgConnection;

use super::ANY;
use super::item::{self, MappingItem};
use super::store::Mappings;
use super::trial::{TestedField, Trial};
use crate::domain::Key;
use crate::ingest::context::{ItemError, Resource};
use crate::ingest::database;
use crate::ingest::directory::{Directory, Found};
use crate::ingest::payload::line_protocol::{Naming, Precision};
use crate::ingest::reading::Instant;

/// Most mappings that are listed.
const MAX_LISTED: i64 = 100_000;

/// List, set, delete and test the mappings from line protocol to sensors; running services follow within seconds.
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
    /// Show the mappings, a line of JSON each, as `put --file` takes them
    List {
        /// Only this plant's
        #[arg(long, value_parser = parse_key)]
        plant: Option<Key>,
    },
    /// Set mappings: all of them, or, if one is wrong, none
    Put(Box<Put>),
    /// Delete a mapping
    Delete(Place),
    /// Say which sensor each field of line protocol would be; stores nothing
    Test(Test),
}

/// A mapping's key within its plant.
#[derive(Debug, ClapArgs)]
struct Place {
    /// Its plant
    #[arg(long, value_parser = parse_key)]
    plant: Key,
    /// Name of the measurement; *: any
    #[arg(long, default_value = ANY)]
    measurement: String,
    /// A tag that lines must have: NAME=VALUE (repeat for several)
    #[arg(long = "tag", value_name = "NAME=VALUE", value_parser = parse_tag)]
    tags: Vec<(String, String)>,
    /// Name of the field; *: any
    #[arg(long, default_value = ANY)]
    field: String,
}

#[derive(Debug, ClapArgs)]
struct Put {
    #[command(flatten)]
    place: Option<Place>,
    /// Key of the sensor, or a template with {tag:NAME}, {field} and {measurement}
    #[arg(long, conflicts_with = "leave_out")]
    sensor: Option<String>,
    /// The field is no reading
    #[arg(long)]
    leave_out: bool,
    /// The reading is value * FACTOR + OFFSET
    #[arg(long, allow_negative_numbers = true)]
    factor: Option<f64>,
    /// See --factor
    #[arg(long, allow_negative_numbers = true)]
    offset: Option<f64>,
    /// Lines of JSON as `list` prints them (-: standard input), instead of the other options
    #[arg(long, conflicts_with_all = ["plant", "sensor", "leave_out", "factor", "offset"])]
    file: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
struct Test {
    /// Plant of the lines that name none
    #[arg(long, value_parser = parse_key)]
    plant: Option<Key>,
    /// File with line protocol; standard input without it
    file: Option<PathBuf>,
}

/// Runs the subcommand.
///
/// # Errors
/// With what to do about it.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let url = args.database_url.context("--database-url (or LOTWISE_DATABASE_URL) is missing")?;
    if let Command::Test(test) = args.command {
        return self::test(&url, test).await;
    }
    let mut conn = PgConnection::connect(&url).await.context("no connection to the database")?;
    match args.command {
        Command::List { plant } => list(&mut conn, plant).await,
        Command::Put(put) => self::put(&mut conn, *put).await,
        Command::Delete(place) => delete(&mut conn, &place).await,
        Command::Test(_) => Ok(()),
    }
}

async fn list(conn: &mut PgConnection, plant: Option<Key>) -> anyhow::Result<()> {
    let plants = plant.map(|plant| vec![plant.to_string()]);
    let lines: Vec<String> = sqlx::query_scalar(MappingItem::LIST)
        .bind(plants)
        .bind(MAX_LISTED)
        .fetch_all(conn)
        .await
        .context("is the schema up to date? run `lotwise migrate`")?;
    lines.iter().for_each(|line| println!("{line}"));
    Ok(())
}

async fn put(conn: &mut PgConnection, put: Put) -> anyhow::Result<()> {
    let items = items(put)?;
    let mut transaction = conn.begin().await?;
    for (number, item) in items.iter().enumerate() {
        item.upsert(&mut transaction).await.map_err(|error| in_words(number + 1, error))?;
    }
    transaction.commit().await?;
    println!("{} mappings are set; running services use them within ten seconds", items.len());
    Ok(())
}

fn items(put: Put) -> anyhow::Result<Vec<MappingItem>> {
    if let Some(path) = &put.file {
        let text = read(Some(path))?;
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        return lines
            .map(|(index, line)| {
                serde_json::from_str(line).with_context(|| format!("line {}", index + 1))
            })
            .collect();
    }
    let Some(Place { plant, measurement, tags, field }) = put.place else {
        bail!("--plant is missing (or --file)");
    };
    let tags: BTreeMap<_, _> = tags.into_iter().collect();
    let mut item =
        json!({"plant": plant.as_str(), "measurement": measurement, "tags": tags, "field": field});
    let sensor = if put.leave_out { Some(Value::Null) } else { put.sensor.map(Value::from) };
    let given = [
        ("sensor", sensor),
        ("factor", put.factor.map(Value::from)),
        ("offset", put.offset.map(Value::from)),
    ];
    // What is not given keeps what is stored.
    for (name, value) in given {
        if let Some(value) = value {
            item[name] = value;
        }
    }
    Ok(vec![serde_json::from_value(item)?])
}

async fn delete(conn: &mut PgConnection, place: &Place) -> anyhow::Result<()> {
    let Place { plant, measurement, tags, field } = place;
    let tags = tags.iter().cloned().collect();
    match item::delete(conn, plant, measurement, &tags, field).await {
        Ok(0) => bail!("there is no such mapping; `lotwise mapping list` shows them"),
        Ok(_) => println!("the mapping is deleted; running services follow within ten seconds"),
        Err(error) => return Err(in_words(1, error)),
    }
    Ok(())
}

async fn test(url: &str, Test { plant, file }: Test) -> anyhow::Result<()> {
    let text = read(file.as_ref())?;
    let pool = database::pool(url, 1).context("the database URL is not valid")?;
    let said = |error: database::Unavailable| anyhow::anyhow!("{error}: {}", error.source);
    let mappings = Mappings::new(pool.clone()).current().await.map_err(said)?;
    let naming =
        Naming { mappings: Some(&mappings), default_plant: plant.as_ref().map(Key::as_str) };
    let mut trial =
        Trial::of(text.as_bytes(), Precision::default(), Instant::now(), naming, |_| true);
    let directory = Directory::new(pool);
    directory.learn(trial.sensors()).await.map_err(said)?;
    let registered: Vec<bool> = {
        let known = directory.read();
        trial.sensors().map(|(p, s)| matches!(known.find(p, s), Found::Sensor(..))).collect()
    };
    trial.set_registered(registered);
    trial.fields.iter().for_each(|field| println!("{}", line(field)));
    for error in &trial.errors {
        println!("line {}: {}", error.position, error.reason);
    }
    Ok(())
}

/// What becomes of a field, in words.
fn line(field: &TestedField) -> String {
    let TestedField { line, field, plant, sensor, registered, value, mapping } = field;
    let by = match mapping {
        Some(used) => format!("mapping {}", used.in_words()),
        None => "no mapping".to_owned(),
    };
    let becomes = match (sensor, plant) {
        (None, _) => "left out".to_owned(),
        (Some(sensor), None) => format!("{sensor:?} of no plant: name one by --plant"),
        (Some(sensor), Some(plant)) => {
            let known = if *registered { "" } else { ", which is not registered" };
            let value = value.map_or("no number".to_owned(), |value| value.to_string());
            format!("{value} of {plant}/{sensor}{known}")
        }
    };
    format!("line {line}, field {field:?}: {becomes} ({by})")
}

fn read(path: Option<&PathBuf>) -> anyhow::Result<String> {
    match path.filter(|path| path.as_os_str() != "-") {
        Some(path) => {
            std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
        }
        None => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text).context("standard input")?;
            Ok(text)
        }
    }
}

fn in_words(number: usize, error: ItemError) -> anyhow::Error {
    match error {
        ItemError::Database(source) => anyhow::Error::new(source).context(
            "the mappings could not be changed; is the schema up to date? run `lotwise migrate`",
        ),
        refused => anyhow::anyhow!("mapping {number}: {refused}"),
    }
}

fn parse_key(text: &str) -> Result<Key, String> {
    Key::parse(text).map_err(|error| error.to_string())
}

fn parse_tag(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !value.is_empty() => {
            Ok((name.to_owned(), value.to_owned()))
        }
        _ => Err("a tag is NAME=VALUE".to_owned()),
    }
}
