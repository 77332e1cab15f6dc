//! The database schema: migrations, and what a connection needs to know about the database.
//!
//! The SQL is in `migrations/`. Only `lotwise migrate`, run by the owner role, changes the schema;
//! ingest and plugin just compare its version with [`LATEST`].

use std::fmt;
use std::str::FromStr;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection, Row};

use crate::domain::database_kind::DatabaseKind;

/// Version of the newest migration: what this program's SQL is written for.
pub const LATEST: i64 = 10;

/// One row: version of the extension timescaledb, setting `timescaledb.license`; both may be null.
pub const KIND_SQL: &str = "SELECT (SELECT extversion FROM pg_catalog.pg_extension WHERE extname = 'timescaledb'), \
     pg_catalog.current_setting('timescaledb.license', true)";

/// One row: the migration up to which the database lacks none, null without the first. (The newest
/// alone would hide one that is missing before it.) Fails with `undefined_table` where
/// `lotwise migrate` never ran.
pub const VERSION_SQL: &str = "SELECT max(version) FROM (
    SELECT version, row_number() OVER (ORDER BY version) AS number
    FROM lotwise._sqlx_migrations WHERE success) applied WHERE version = number";

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

/// Whether readings go to a hypertable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum TimescaleChoice {
    /// Where the extension can be enabled.
    #[default]
    Auto,
    /// Always; fail where the extension cannot be enabled.
    Require,
    /// Never: native partitions.
    Off,
}

impl fmt::Display for TimescaleChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Require => "require",
            Self::Off => "off",
        })
    }
}

/// What `lotwise migrate` found and did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migrated {
    /// The database's kind.
    pub kind: DatabaseKind,
    /// Version before; none: there was no schema.
    pub from: Option<i64>,
    /// Version now.
    pub to: i64,
}

/// Why the schema could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// The URL is not a PostgreSQL URL. (The URL itself may hold a password: it is not shown.)
    #[error(
        "the database URL is not valid; it looks like postgres://USER:PASSWORD@HOST:5432/DATABASE ({0})"
    )]
    Url(#[source] sqlx::Error),
    /// No connection.
    #[error("no connection to {host}:{port}, database {database}: {source}")]
    Connect {
        /// Host of the URL.
        host: String,
        /// Port of the URL.
        port: u16,
        /// Database of the URL.
        database: String,
        /// What the driver says.
        source: sqlx::Error,
    },
    /// A statement failed outside a migration.
    #[error("the database refused a set-up statement: {0}")]
    Statement(#[from] sqlx::Error),
    /// A migration failed; the database is as it was before it.
    #[error("{}", explain(.0))]
    Migrate(#[from] sqlx::migrate::MigrateError),
}

/// Creates the schema or brings it up to date. Safe to repeat, and to run from several machines.
pub async fn migrate(url: &str, timescaledb: TimescaleChoice) -> Result<Migrated, SchemaError> {
    let mut conn = connect(url).await?;
    sqlx::query("CREATE SCHEMA IF NOT EXISTS lotwise").execute(&mut conn).await?;
    // Unqualified names of the migrations, sqlx's own table included, then mean schema lotwise.
    sqlx::query("SELECT set_config('search_path', 'lotwise', false), set_config('lotwise.timescaledb', $1, false)")
        .bind(timescaledb.to_string())
        .execute(&mut conn)
        .await?;
    let from = version(&mut conn).await.ok().flatten();
    MIGRATIONS.run(&mut conn).await?;
    if crate::reader::walls_stand(&mut conn).await? {
        crate::reader::build_walls(&mut conn).await?;
    }
    let kind = database_kind(&mut conn).await?;
    conn.close().await?;
    Ok(Migrated { kind, from, to: LATEST })
}

/// The kind of the database that the connection leads to.
pub async fn database_kind(conn: &mut PgConnection) -> Result<DatabaseKind, sqlx::Error> {
    let row = sqlx::query(KIND_SQL).fetch_one(conn).await?;
    let version: Option<String> = row.try_get(0)?;
    let license: Option<String> = row.try_get(1)?;
    Ok(DatabaseKind::parse(version.as_deref(), license.as_deref()))
}

/// Whether the readings have a columnstore (TimescaleDB's community edition).
///
/// # Errors
/// The database does not answer.
pub async fn has_columnstore(conn: &mut PgConnection) -> Result<bool, sqlx::Error> {
    if !database_kind(conn).await?.is_community() {
        return Ok(false);
    }
    sqlx::query_scalar(
        "SELECT coalesce(bool_or(compression_enabled), false) FROM timescaledb_information.hypertables
        WHERE hypertable_schema = 'lotwise' AND hypertable_name = 'reading'",
    )
    .fetch_one(conn)
    .await
}

/// Whether the readings are in native partitions, and not in a hypertable.
///
/// # Errors
/// The database does not answer.
pub async fn has_partitions(conn: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM pg_partitioned_table WHERE partrelid = 'lotwise.reading'::regclass)",
    )
    .fetch_one(conn)
    .await
}

/// The migration up to which the database lacks none.
pub async fn version(conn: &mut PgConnection) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar(VERSION_SQL).fetch_one(conn).await
}

/// A connection for an administrator's command; errors never show the password.
///
/// # Errors
/// With the address that was tried.
pub async fn connect(url: &str) -> Result<PgConnection, SchemaError> {
    let options = PgConnectOptions::from_str(url).map_err(SchemaError::Url)?;
    options.connect().await.map_err(|source| SchemaError::Connect {
        host: options.get_host().to_owned(),
        port: options.get_port(),
        database: options.get_database().unwrap_or(options.get_username()).to_owned(),
        source,
    })
}

/// A migration's failure with PostgreSQL's hint, which says what to do.
fn explain(error: &sqlx::migrate::MigrateError) -> String {
    use sqlx::migrate::MigrateError::ExecuteMigration;
    use sqlx::postgres::PgDatabaseError;
    let ExecuteMigration(sqlx::Error::Database(cause), number) = error else {
        return error.to_string();
    };
    let hint = cause.try_downcast_ref::<PgDatabaseError>().and_then(PgDatabaseError::hint);
    match hint {
        Some(hint) => format!("migration {number} failed: {}. {hint}", cause.message()),
        None => format!("migration {number} failed: {}", cause.message()),
    }
}

/// `lotwise migrate`.
pub mod cli {
    use super::{TimescaleChoice, migrate};

    /// Create the schema, or bring it up to date (as the owner role).
    #[derive(Debug, clap::Args)]
    pub struct Args {
        /// postgres://OWNER:PASSWORD@HOST:5432/DATABASE
        #[arg(long, env = "LOTWISE_DATABASE_URL", hide_env_values = true)]
        pub database_url: String,
        /// Store readings in a TimescaleDB hypertable
        #[arg(long, value_enum, default_value_t)]
        pub timescaledb: TimescaleChoice,
    }

    /// Migrates and says what the database is.
    pub async fn run(args: Args) -> anyhow::Result<()> {
        let done = migrate(&args.database_url, args.timescaledb).await?;
        println!("database: {}", done.kind);
        match done.from {
            Some(from) if from == done.to => println!("schema:   version {from}, up to date"),
            Some(from) => println!("schema:   version {}, was {from}", done.to),
            None => println!("schema:   version {}, new", done.to),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn latest_is_the_newest_migration() {
        assert_eq!(super::MIGRATIONS.iter().map(|m| m.version).max(), Some(super::LATEST));
    }

    /// [`super::VERSION_SQL`] counts on it.
    #[test]
    fn migrations_are_numbered_without_gaps() {
        let numbers = super::MIGRATIONS.iter().map(|m| m.version);
        assert!(numbers.eq(1..=super::LATEST));
    }
}
