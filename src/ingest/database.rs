//! The pool for context, keys and look-ups, and what a failure of the database means to a client.
//!
//! Every value is validated before it gets here, so a failing statement is never the sender's
//! fault: the answer is "not now", with the reason for the operator.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::PoolError;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};

use crate::ingest::spool::SpoolError;

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
    pub source: DriverError,
}

/// The error of one of the two drivers (see [`crate::ingest::copy_pool`] for the second).
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// sqlx: context, keys, look-ups.
    #[error(transparent)]
    Sqlx(#[from] sqlx::Error),
    /// tokio-postgres: readings.
    #[error("{}", with_cause(.0))]
    Postgres(#[from] tokio_postgres::Error),
    /// No connection for readings.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// The error of a transaction that several batches shared.
    #[error(transparent)]
    Shared(Arc<DriverError>),
    /// So many readings wait for the database that no more are taken.
    #[error("{0} readings wait for the database")]
    Full(usize),
    /// No commit within this time.
    #[error("no commit within {0:?}")]
    Slow(Duration),
    /// A session that may still write cannot be ended.
    #[error("{0} sessions that this service or one before it left behind do not end")]
    Lingering(i64),
    /// The transaction ended without a word.
    #[error("the writing task failed")]
    Lost,
    /// The database is away, and the spool does not take the readings either.
    #[error(transparent)]
    Spool(#[from] SpoolError),
}

impl<E: Into<DriverError>> From<E> for Unavailable {
    fn from(source: E) -> Self {
        let source = source.into();
        let advice = match &source {
            DriverError::Spool(error) => spool_advice(error),
            DriverError::Lingering(_) => {
                "sessions of this service's database user do not end: look for \"lotwise ingest writer\" in pg_stat_activity"
            }
            DriverError::Full(_) | DriverError::Slow(_) => {
                "the database is slower than what is sent: keep the data and send it again later"
            }
            _ => advice(source.sqlstate().as_deref()),
        };
        Self { advice, source }
    }
}

/// tokio-postgres's own text is only `db error`.
fn with_cause(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(cause) => cause.to_string(),
        None => error.to_string(),
    }
}

impl DriverError {
    /// PostgreSQL's error code, if it is its error.
    pub fn sqlstate(&self) -> Option<String> {
        match self {
            Self::Sqlx(error) => sqlstate(error),
            Self::Postgres(error) | Self::Pool(PoolError::Backend(error)) => {
                error.code().map(|code| code.code().to_owned())
            }
            Self::Shared(error) => error.sqlstate(),
            Self::Pool(_)
            | Self::Full(_)
            | Self::Slow(_)
            | Self::Lingering(_)
            | Self::Lost
            | Self::Spool(_) => None,
        }
    }

    /// Whether the server may have got more than it answered, so that it may still carry it out.
    pub fn leaves_doubt(&self) -> bool {
        match self {
            Self::Postgres(error) => error.as_db_error().is_none(),
            Self::Shared(error) => error.leaves_doubt(),
            Self::Slow(_) => true,
            _ => false,
        }
    }

    /// Whether it may be the fault of certain rows, so that others could be stored: the database
    /// refuses a value, breaks a rule of its own or meets a limit (such as of compressed chunks).
    pub fn is_of_the_data(&self) -> bool {
        self.sqlstate().is_some_and(|code| {
            code == "53400"
                || ["0A", "21", "22", "23", "54", "55", "P0", "XX"]
                    .contains(&code.get(..2).unwrap_or_default())
        })
    }
}

impl DriverError {
    /// Whether the rows will be refused however often they are sent, as far as an error can tell: a
    /// rule or a limit of the database, and not its state of a moment, or damage of its own.
    pub fn is_for_good(&self) -> bool {
        let code = self.sqlstate().unwrap_or_default();
        self.is_of_the_data() && !code.starts_with("55") && !matches!(&*code, "XX001" | "XX002")
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
        .connect_lazy_with(options))
}

/// PostgreSQL's error code, if it is its error.
pub fn sqlstate(error: &sqlx::Error) -> Option<String> {
    error.as_database_error().and_then(|e| e.code()).map(|code| code.into_owned())
}

fn advice(sqlstate: Option<&str>) -> &'static str {
    match sqlstate {
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

fn spool_advice(error: &SpoolError) -> &'static str {
    match error {
        SpoolError::Full { .. } => {
            "the spool is full: bring the database back, or raise --spool-max-bytes; retry later"
        }
        SpoolError::Io(_) => "the spool cannot be written: check the disk of --spool; retry later",
        SpoolError::Closed => "the service is stopping: retry",
    }
}
