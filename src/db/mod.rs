//! The plugin's way to the database: settings to a pool of read-only connections, and queries that
//! are cancelled when nobody waits for them any more.
//!
//! Knows neither the query model nor Grafana's services.

mod error;
mod settings;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Client, Manager, ManagerConfig, Object, Pool, RecyclingMethod};
use futures_util::TryStreamExt;
use tokio_postgres::Row;
use tokio_postgres::types::{BorrowToSql, ToSql};
use tokio_postgres_rustls::MakeRustlsConnect;

pub use error::DbError;
use error::is_usable_after;
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
                "-c search_path=lotwise_scoped,lotwise,public,pg_temp -c default_transaction_read_only=on \
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
        let client = self.pool.get().await.map_err(|e| DbError::from_pool(e, &self.address))?;
        let running = Running { client: Some(client), tls: self.tls.clone() };
        let answered = running.query(sql, params).await;
        running.end(answered.as_ref().err());
        answered.map_err(|e| DbError::from_postgres(e, &self.address))
    }

    /// Runs one prepared statement and hands over its rows one by one, as they arrive. The statement
    /// is cancelled in the database when the future is dropped, and when `each` refuses a row.
    ///
    /// # Errors
    /// [`DbError`], whose text says what to do; or what `each` says.
    pub async fn each<P, E>(
        &self,
        sql: &str,
        params: Vec<P>,
        mut each: impl FnMut(&Row) -> Result<(), E>,
    ) -> Result<(), E>
    where
        P: BorrowToSql,
        E: From<DbError>,
    {
        let client = self.pool.get().await.map_err(|e| DbError::from_pool(e, &self.address))?;
        let running = Running { client: Some(client), tls: self.tls.clone() };
        // An error of `each` leaves with `running` dropped: the rest of the rows is not wanted.
        let answered = running.each(sql, params, |row| each(row)).await?;
        running.end(answered.as_ref().err());
        answered.map_err(|e| DbError::from_postgres(e, &self.address).into())
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
}

/// A statement that runs. Dropped before its [`Running::end`], it is cancelled in the database.
struct Running {
    /// There until the end.
    client: Option<Client>,
    tls: Option<MakeRustlsConnect>,
}

impl Running {
    async fn query<P>(&self, sql: &str, params: Vec<P>) -> Result<Vec<Row>, tokio_postgres::Error>
    where
        P: BorrowToSql,
    {
        trace(sql, &params);
        let Some(client) = &self.client else { return Ok(Vec::new()) };
        let statement = client.prepare_cached(sql).await?;
        client.query_raw(&statement, params).await?.try_collect().await
    }

    /// Outside: an error of `each`; inside: of the database.
    async fn each<P, E>(
        &self,
        sql: &str,
        params: Vec<P>,
        mut each: impl FnMut(&Row) -> Result<(), E>,
    ) -> Result<Result<(), tokio_postgres::Error>, E>
    where
        P: BorrowToSql,
    {
        trace(sql, &params);
        let Some(client) = &self.client else { return Ok(Ok(())) };
        let rows = async {
            let statement = client.prepare_cached(sql).await?;
            client.query_raw(&statement, params).await
        };
        let rows = match rows.await {
            Ok(rows) => rows,
            Err(e) => return Ok(Err(e)),
        };
        let mut rows = std::pin::pin!(rows);
        loop {
            match rows.try_next().await {
                Ok(Some(row)) => each(&row)?,
                Ok(None) => return Ok(Ok(())),
                Err(e) => return Ok(Err(e)),
            }
        }
    }

    /// Gives the connection back to the pool, unless the error says that it is lost.
    fn end(mut self, error: Option<&tokio_postgres::Error>) {
        let client = self.client.take();
        if error.is_some_and(|e| !is_usable_after(e)) {
            drop(client.map(Object::take));
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(client) = self.client.take() else { return };
        let tls = self.tls.take();
        // The pool gets the connection no more: the cancel may arrive when this statement has
        // ended, and would hit the next one on it.
        let client = Object::take(client);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let token = client.cancel_token();
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

/// Shows a statement with its parameters, at level trace.
fn trace<P: BorrowToSql>(sql: &str, params: &[P]) {
    if tracing::enabled!(tracing::Level::TRACE) {
        let shown: Vec<String> =
            params.iter().map(|p| format!("{:?}", p.borrow_to_sql())).collect();
        tracing::trace!(db.statement = sql, db.parameters = ?shown);
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
