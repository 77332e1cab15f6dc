//! One server: its pool, and statements that are cancelled when nobody waits for them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use deadpool_postgres::{Client, Manager, ManagerConfig, Object, Pool, RecyclingMethod};
use futures_util::TryStreamExt;
use tokio_postgres::Row;
use tokio_postgres::types::{BorrowToSql, Format, IsNull, ToSql, Type};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::is_usable_after;
use super::{APPLICATION, DbError, Settings, SettingsError, TlsMode, tls};

/// A pool of connections to one server; copies share it.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) pool: Pool,
    tls: Option<MakeRustlsConnect>,
    /// For messages: `host:port/database`.
    pub(super) address: Arc<str>,
    /// Until when others are asked before it.
    down_until: Arc<Mutex<Option<Instant>>>,
}

/// How long a request waits for a free connection, and for a new one.
const WAIT: Duration = Duration::from_secs(15);
pub(super) const CONNECT: Duration = Duration::from_secs(10);
/// A read host has others behind it.
pub(super) const CONNECT_REPLICA: Duration = Duration::from_secs(3);
/// How long a server that did not answer is left alone.
const LEFT_ALONE: Duration = Duration::from_secs(10);

impl Server {
    pub(super) fn new(
        settings: &Settings,
        host: &str,
        port: u16,
        connect: Duration,
    ) -> Result<Self, DbError> {
        let mut config = tokio_postgres::Config::new();
        config
            .host(host)
            .port(port)
            .dbname(&settings.database)
            .user(&settings.user)
            .application_name(APPLICATION)
            .connect_timeout(connect)
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
            .create_timeout(Some(connect))
            .recycle_timeout(Some(connect))
            .runtime(deadpool_postgres::Runtime::Tokio1)
            .build()
            .map_err(|e| DbError::Settings(SettingsError::Pool(e.to_string())))?;
        let address = format!("{host}:{port}/{}", settings.database);
        Ok(Self { pool, tls, address: address.into(), down_until: Arc::default() })
    }

    /// True when it did not answer a moment ago.
    pub(super) fn is_down(&self) -> bool {
        let until = self.down_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| until > Instant::now())
    }

    /// Notes whether it answers.
    pub(super) fn note(&self, answers: bool) {
        let until = (!answers).then(|| Instant::now() + LEFT_ALONE);
        *self.down_until.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }

    /// Runs one prepared statement. Outside: what `each` says; inside: what the database says.
    pub(super) async fn each<P, E>(
        &self,
        sql: &str,
        params: &[P],
        trace: Option<&str>,
        each: impl FnMut(Row) -> Result<(), E>,
    ) -> Result<Result<(), DbError>, E>
    where
        P: BorrowToSql + Sync,
    {
        let client = match self.pool.get().await {
            Ok(client) => client,
            Err(e) => return Ok(Err(DbError::from_pool(e, &self.address))),
        };
        let running = Running { client: Some(client), tls: self.tls.clone() };
        // An error of `each` leaves with `running` dropped: the rest of the rows is not wanted.
        let answered = running.each(sql, params, trace, each).await?;
        running.end(answered.as_ref().err());
        Ok(answered.map_err(|e| DbError::from_postgres(e, &self.address)))
    }
}

/// A statement that runs. Dropped before its [`Running::end`], it is cancelled in the database.
struct Running {
    /// There until the end.
    client: Option<Client>,
    tls: Option<MakeRustlsConnect>,
}

impl Running {
    async fn each<P, E>(
        &self,
        sql: &str,
        params: &[P],
        trace: Option<&str>,
        mut each: impl FnMut(Row) -> Result<(), E>,
    ) -> Result<Result<(), tokio_postgres::Error>, E>
    where
        P: BorrowToSql + Sync,
    {
        let Some(client) = &self.client else { return Ok(Ok(())) };
        if let Some(trace) = trace
            && let Err(e) = called(client, &format!("{APPLICATION} {trace}")).await
        {
            return Ok(Err(e));
        }
        let rows = async {
            let statement = client.prepare_cached(sql).await?;
            client.query_raw(&statement, params.iter().map(Borrowed)).await
        };
        let rows = match rows.await {
            Ok(rows) => rows,
            Err(e) => return Ok(Err(e)),
        };
        let mut rows = std::pin::pin!(rows);
        loop {
            match rows.try_next().await {
                Ok(Some(row)) => each(row)?,
                Ok(None) => break,
                Err(e) => return Ok(Err(e)),
            }
        }
        match trace {
            None => Ok(Ok(())),
            Some(_) => Ok(called(client, APPLICATION).await),
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

/// Sets what the connection is called in `pg_stat_activity` and in the server's log.
async fn called(client: &Client, name: &str) -> Result<(), tokio_postgres::Error> {
    let sql = "SELECT pg_catalog.set_config('application_name', $1, false)";
    let statement = client.prepare_cached(sql).await?;
    client.execute(&statement, &[&name]).await?;
    Ok(())
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

/// A parameter that stays with its owner, who may need it for another server.
struct Borrowed<'a, P>(&'a P);

impl<P> std::fmt::Debug for Borrowed<'_, P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Borrowed(..)")
    }
}

impl<P: BorrowToSql> Borrowed<'_, P> {
    fn inner(&self) -> &dyn ToSql {
        self.0.borrow_to_sql()
    }
}

impl<P: BorrowToSql> ToSql for Borrowed<'_, P> {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        self.inner().to_sql_checked(ty, out)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn to_sql_checked(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        self.inner().to_sql_checked(ty, out)
    }

    fn encode_format(&self, ty: &Type) -> Format {
        self.inner().encode_format(ty)
    }
}
