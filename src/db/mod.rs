//! The plugin's way to the database: settings to pools of read-only connections, and queries that
//! are cancelled when nobody waits for them any more.
//!
//! Knows neither the query model nor Grafana's services.

mod error;
mod server;
mod settings;
pub mod telemetry;
mod tls;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio_postgres::Row;
use tokio_postgres::types::{BorrowToSql, ToSql};

pub use error::DbError;
use server::Server;
pub use settings::{Settings, SettingsError, TlsMode};
use telemetry::Measured;

/// Connections of the read-only role to the servers of a data source: its read hosts by turns, and the
/// primary when none of them answers.
#[derive(Clone)]
pub struct Db {
    servers: Arc<Servers>,
    /// The read host that is asked first.
    turn: usize,
    /// Id of the trace that the statements belong to; shown as part of their application's name.
    trace: Option<Arc<str>>,
}

struct Servers {
    /// The read hosts, then the primary.
    all: Vec<Server>,
    next: AtomicUsize,
}

/// What connections are called in `pg_stat_activity`.
const APPLICATION: &str = "lotwise";

/// Target of an event at level `trace` for each statement, with its text and parameters.
pub const STATEMENTS: &str = "lotwise::db::statement";

/// Parameters as they are sent, one a line.
struct Shown<'a, P>(&'a [P]);

impl<P: BorrowToSql> std::fmt::Debug for Shown<'_, P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, param) in self.0.iter().enumerate() {
            writeln!(f, "${} = {:?}", index + 1, param.borrow_to_sql())?;
        }
        Ok(())
    }
}

/// A server with how its pool stands.
pub struct Pool {
    /// `host:port/database`.
    pub address: Arc<str>,
    /// How many connections there are, are idle, and are waited for.
    pub status: deadpool_postgres::Status,
    /// False when it did not answer a moment ago.
    pub up: bool,
}

impl Db {
    /// Pools that connect on first use.
    ///
    /// # Errors
    /// [`DbError::Settings`] when the TLS material cannot be read.
    pub fn new(settings: &Settings) -> Result<Self, DbError> {
        let mut all = Vec::new();
        for (host, port) in &settings.read_hosts {
            all.push(Server::new(settings, host, *port, server::CONNECT_REPLICA)?);
        }
        all.push(Server::new(settings, &settings.host, settings.port, server::CONNECT)?);
        let servers = Servers { all, next: AtomicUsize::new(0) };
        Ok(Self { servers: Arc::new(servers), turn: 0, trace: None })
    }

    /// With the turn of the next read host: what is asked of the copy goes to one server, as long as
    /// that answers, so that the statements of one query see one state of the data.
    #[must_use]
    pub fn next_turn(&self) -> Self {
        let reads = self.servers.all.len().saturating_sub(1).max(1);
        let turn = self.servers.next.fetch_add(1, Ordering::Relaxed) % reads;
        Self { turn, ..self.clone() }
    }

    /// With the id of a trace that its statements carry.
    #[must_use]
    pub fn traced(self, trace: Option<Arc<str>>) -> Self {
        Self { trace, ..self }
    }

    /// Each server by itself, so that it can be asked whether it works: read hosts, then the primary.
    pub fn apart(&self) -> Vec<(Arc<str>, Self)> {
        let servers = &self.servers.all;
        let alone = |server: &Server| {
            let all = vec![server.clone()];
            Self { servers: Arc::new(Servers { all, next: AtomicUsize::new(0) }), ..self.clone() }
        };
        servers.iter().map(|server| (server.address.clone(), alone(server))).collect()
    }

    /// Runs one prepared statement. When the future is dropped, the statement is cancelled in the
    /// database too.
    ///
    /// # Errors
    /// [`DbError`], whose text says what to do.
    pub async fn query<P>(&self, sql: &str, params: Vec<P>) -> Result<Vec<Row>, DbError>
    where
        P: BorrowToSql + Sync,
    {
        let mut all = Vec::new();
        let keep = |row: Row| -> Result<(), DbError> {
            all.push(row);
            Ok(())
        };
        self.run(sql, params, keep).await?;
        Ok(all)
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
        P: BorrowToSql + Sync,
        E: From<DbError>,
    {
        self.run(sql, params, |row| each(&row)).await
    }

    async fn run<P, E>(
        &self,
        sql: &str,
        params: Vec<P>,
        mut each: impl FnMut(Row) -> Result<(), E>,
    ) -> Result<(), E>
    where
        P: BorrowToSql + Sync,
        E: From<DbError>,
    {
        tracing::trace!(target: STATEMENTS, sql, params = ?Shown(&params));
        let rows = AtomicU64::new(0);
        let mut counted = |row: Row| {
            rows.fetch_add(1, Ordering::Relaxed);
            each(row)
        };
        let mut order = self.order().into_iter().peekable();
        while let Some(server) = order.next() {
            let measured = Measured::start();
            let answered = server.each(sql, &params, self.trace.as_deref(), &mut counted).await?;
            measured.end(answered.as_ref().err());
            let came = rows.load(Ordering::Relaxed);
            metrics::counter!(telemetry::ROWS).increment(came);
            let Err(error) = answered else {
                server.note(true);
                return Ok(());
            };
            let of_the_server = error.is_of_the_server();
            if of_the_server {
                server.note(false);
            }
            // What was handed over cannot be taken back.
            if !of_the_server || came > 0 || order.peek().is_none() {
                return Err(error.into());
            }
            tracing::warn!(%error, "another server of the data source is asked");
        }
        Ok(())
    }

    /// Servers in the order in which they are asked: those that answered, the primary last; then those
    /// that did not.
    fn order(&self) -> Vec<&Server> {
        let all = &self.servers.all;
        let reads = all.len().saturating_sub(1);
        let by_turns = (0..reads).map(|i| &all[(self.turn + i) % reads]);
        let mut order: Vec<&Server> = by_turns.chain(all.last()).collect();
        if order.len() > 1 {
            order.sort_by_key(|server| server.is_down());
        }
        order
    }

    /// Runs a statement without parameters.
    ///
    /// # Errors
    /// [`DbError`], whose text says what to do.
    pub async fn fetch(&self, sql: &str) -> Result<Vec<Row>, DbError> {
        self.query(sql, Vec::<&(dyn ToSql + Sync)>::new()).await
    }

    /// Connections to the server that is asked first that nobody uses or waits for.
    pub fn spare(&self) -> usize {
        let order = self.order();
        let Some(status) = order.first().map(|server| server.pool.status()) else { return 0 };
        let used = status.size.saturating_sub(status.available) + status.waiting;
        status.max_size.saturating_sub(used)
    }

    /// The pools of all servers.
    pub fn pools(&self) -> Vec<Pool> {
        let pool = |server: &Server| Pool {
            address: server.address.clone(),
            status: server.pool.status(),
            up: !server.is_down(),
        };
        self.servers.all.iter().map(pool).collect()
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
