//! The plugin's way to the database: settings to a pool of read-only connections, and queries that
//! are cancelled when nobody waits for them any more.
//!
//! Knows neither the query model nor Grafana's services.

mod error;
mod settings;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};
use tokio_postgres::types::{BorrowToSql, ToSql};
use tokio_postgres::{CancelToken, Row};
use tokio_postgres_rustls::MakeRustlsConnect;

pub use error::DbError;
pub use settings::{Settings, SettingsError, TlsMode};

/// A pool of connections of the read-only role.
#[derive(Clone)]
pub struct Db {
    pool: Pool,
    tls: Option<MakeRustlsConnect>,
    /// For messages: `host:port/database`.
    address: Arc<str>,
}

/// How long a request waits for a free connection, and for a new one.
const WAIT: Duration = Duration::from_secs(15);
const CONNECT: Duration = Duration::from_secs(10);

impl Db {
    /// A pool that connects on first use.
    ///
    /// # Errors
    /// [`DbError::Settings`] when the TLS material cannot be read.
    pub fn new(settings: &Settings) -> Result<Self, DbError> {
        let mut config = tokio_postgres::Config::new();
        config
            .host(&settings.host)
            .port(settings.port)
            .dbname(&settings.database)
            .user(&settings.user)
            .application_name("lotwise")
            .connect_timeout(CONNECT)
            .keepalives_idle(Duration::from_secs(30))
            .ssl_mode(match settings.tls {
                TlsMode::Disable => tokio_postgres::config::SslMode::Disable,
                _ => tokio_postgres::config::SslMode::Require,
            })
            .options(format!(
                "-c search_path=lotwise,public -c default_transaction_read_only=on \
                 -c statement_timeout={}s -c timezone=UTC -c jit=off -c work_mem=32MB \
                 -c idle_in_transaction_session_timeout=60s",
                settings.statement_timeout_s
            ));
        if let Some(password) = &settings.password {
            config.password(password.expose());
        }
        let manager = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let tls = tls::connector(settings)?;
        let manager = match &tls {
            None => Manager::from_config(config, tokio_postgres::NoTls, manager),
            Some(tls) => Manager::from_config(config, tls.clone(), manager),
        };
        let pool = Pool::builder(manager)
            .max_size(settings.max_connections)
            .wait_timeout(Some(WAIT))
            .create_timeout(Some(CONNECT))
            .recycle_timeout(Some(CONNECT))
            .runtime(deadpool_postgres::Runtime::Tokio1)
            .build()
            .map_err(|e| DbError::Settings(SettingsError::Pool(e.to_string())))?;
        let address = format!("{}:{}/{}", settings.host, settings.port, settings.database);
        Ok(Self { pool, tls, address: address.into() })
    }

    /// Runs one prepared statement. When the future is dropped, the statement is cancelled in the
    /// database too.
    ///
    /// # Errors
    /// [`DbError`], whose text says what to do.
    pub async fn query<P>(&self, sql: &str, params: Vec<P>) -> Result<Vec<Row>, DbError>
    where
        P: BorrowToSql,
    {
        use futures_util::TryStreamExt;
        let client = self.pool.get().await.map_err(|e| DbError::from_pool(e, &self.address))?;
        let statement = client.prepare_cached(sql).await.map_err(|e| self.explain(e))?;
        let mut guard = CancelGuard { token: Some((client.cancel_token(), self.tls.clone())) };
        let rows = client.query_raw(&statement, params).await.map_err(|e| self.explain(e));
        let rows = match rows {
            Ok(rows) => rows.try_collect::<Vec<_>>().await.map_err(|e| self.explain(e)),
            Err(e) => Err(e),
        };
        guard.token = None;
        rows
    }

    /// Runs a statement without parameters.
    ///
    /// # Errors
    /// [`DbError`], whose text says what to do.
    pub async fn fetch(&self, sql: &str) -> Result<Vec<Row>, DbError> {
        self.query(sql, Vec::<&(dyn ToSql + Sync)>::new()).await
    }

    /// How many connections there are, are idle, and are waited for.
    pub fn status(&self) -> deadpool_postgres::Status {
        self.pool.status()
    }

    fn explain(&self, e: tokio_postgres::Error) -> DbError {
        DbError::from_postgres(e, &self.address)
    }
}

/// Cancels the running statement when dropped with its token still inside.
struct CancelGuard {
    token: Option<(CancelToken, Option<MakeRustlsConnect>)>,
}

impl Drop for CancelGuard {
    fn drop(&mut self) {
        let Some((token, tls)) = self.token.take() else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let cancelled = match tls {
                    None => token.cancel_query(tokio_postgres::NoTls).await,
                    Some(tls) => token.cancel_query(tls).await,
                };
                if let Err(error) = cancelled {
                    tracing::debug!(%error, "the statement could not be cancelled");
                }
            });
        }
    }
}

/// Rows that lack a column or have another type: the schema is not the one this plugin knows.
///
/// # Errors
/// [`DbError::Unexpected`].
pub fn column<'a, T: tokio_postgres::types::FromSql<'a>>(
    row: &'a Row,
    index: usize,
) -> Result<T, DbError> {
    row.try_get(index).map_err(|e| DbError::Unexpected(e.to_string()))
}
