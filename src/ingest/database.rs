//! The connection pool, and what a failure of the database means to a client.
//!
//! Every value is validated before it gets here, so a failing statement is never the sender's
//! fault: the answer is "not now", with the reason for the operator.

use std::str::FromStr;
use std::time::Duration;

use sqlx::Executor;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};

/// The temporary table that a batch is copied into. One for each connection, empty after a commit.
const STAGING: &str = "CREATE TEMPORARY TABLE IF NOT EXISTS reading_staging (
    time timestamptz NOT NULL, value float8 NOT NULL, plant_id int NOT NULL, sensor_id int NOT NULL
) ON COMMIT DELETE ROWS";

/// How long a request waits for a connection.
const ACQUIRE: Duration = Duration::from_secs(5);

/// The database cannot take or give anything now.
#[derive(Debug, thiserror::Error)]
#[error("{advice}")]
pub struct Unavailable {
    /// What an operator can do.
    pub advice: &'static str,
    /// The driver's error, for the log only.
    #[source]
    pub source: sqlx::Error,
}

impl From<sqlx::Error> for Unavailable {
    fn from(source: sqlx::Error) -> Self {
        Self { advice: advice(&source), source }
    }
}

/// A pool that connects at its first use, so that the service starts before its database.
///
/// # Errors
/// When the text is no PostgreSQL URL.
pub fn pool(url: &str, connections: u32) -> Result<PgPool, sqlx::Error> {
    let options = PgConnectOptions::from_str(url)?.application_name("lotwise ingest");
    Ok(PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE)
        .after_connect(|conn, _| {
            Box::pin(async move {
                // Quiet about the table that exists already behind a pooler.
                conn.execute("SET client_min_messages = warning").await?;
                conn.execute(STAGING).await.map(drop)
            })
        })
        .connect_lazy_with(options))
}

/// PostgreSQL's error code, if it is its error.
pub fn sqlstate(error: &sqlx::Error) -> Option<String> {
    error.as_database_error().and_then(|e| e.code()).map(|code| code.into_owned())
}

fn advice(error: &sqlx::Error) -> &'static str {
    match sqlstate(error).as_deref() {
        Some("28P01" | "28000") => {
            "the database refuses the user or password of this service: check --database-url"
        }
        Some("3D000") => "the database does not exist: check --database-url",
        Some("42P01" | "3F000" | "42703" | "42883") => {
            "the database's schema is missing or old: run `lotwise migrate`"
        }
        Some("42501") => {
            "the database user lacks rights: grant it the role lotwise_writer, and TEMPORARY on the database"
        }
        Some("25006") => "the database is read-only: point --database-url at the primary server",
        Some(code) if code.starts_with("53") => {
            "the database is out of space, memory or connections: retry later"
        }
        Some(code) if code.starts_with("40") => "another transaction was in the way: retry",
        _ => "the database cannot be reached: check that PostgreSQL runs, and --database-url",
    }
}
