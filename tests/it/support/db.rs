//! A migrated database of its own for each test, dropped at its end.

use std::str::FromStr;

use lotwise::schema::{self, TimescaleChoice};
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};

/// The kinds of server that every test runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    /// TimescaleDB, whichever edition.
    Timescale,
    /// PostgreSQL with native partitions.
    Plain,
    /// TimescaleDB's community edition, in a process of its own for each database: `tests/tsl`.
    Tsl,
}

impl Server {
    fn maintenance_url(self) -> String {
        let variable = match self {
            Self::Timescale => "LOTWISE_TEST_TIMESCALE_URL",
            Self::Plain => "LOTWISE_TEST_PLAIN_URL",
            Self::Tsl => panic!("a server of tests/tsl has one database and no other"),
        };
        std::env::var(variable).unwrap_or_else(|_| {
            panic!(
                "{variable} is not set: it is the superuser's URL of a running server's maintenance database, \
                 such as postgres://postgres@127.0.0.1:55432/postgres. scripts/test starts both servers and sets it."
            )
        })
    }

    fn choice(self) -> TimescaleChoice {
        match self {
            Self::Timescale | Self::Tsl => TimescaleChoice::Require,
            Self::Plain => TimescaleChoice::Off,
        }
    }
}

/// A database that lives as long as this value.
pub struct TestDb {
    name: String,
    maintenance: PgConnectOptions,
    /// The server, where it is the database's own.
    own: Option<super::tsl::Process>,
    /// URL of the database, as superuser.
    pub url: String,
}

impl TestDb {
    /// A database with the current schema.
    pub async fn migrated(server: Server) -> Self {
        let db = Self::empty(server).await;
        schema::migrate(&db.url, server.choice()).await.expect("migrate the test database");
        db
    }

    /// A database with the current schema, on the server of this maintenance database.
    pub async fn migrated_at(base: &str, choice: TimescaleChoice) -> Self {
        let db = Self::empty_at(base).await;
        schema::migrate(&db.url, choice).await.expect("migrate the test database");
        db
    }

    /// A database without a schema.
    pub async fn empty(server: Server) -> Self {
        if server != Server::Tsl {
            return Self::empty_at(&server.maintenance_url()).await;
        }
        let own = super::tsl::Process::start().await;
        let maintenance = PgConnectOptions::from_str(&own.url).expect("URL of the server");
        let (name, url) = ("postgres".to_owned(), own.url.clone());
        Self { name, maintenance, own: Some(own), url }
    }

    async fn empty_at(base: &str) -> Self {
        let maintenance = PgConnectOptions::from_str(base).expect("URL of the test server");
        let name = format!("lotwise_test_{:016x}", rand::random::<u64>());
        let mut conn = connect(&maintenance).await;
        // template0 holds no extension, so that "off" means off on every server.
        sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name} TEMPLATE template0")))
            .execute(&mut conn)
            .await
            .expect("create the test database");
        conn.close().await.ok();
        let mut url = url::Url::parse(base).expect("URL of the test server");
        url.set_path(&name);
        Self { name, maintenance, own: None, url: url.into() }
    }

    /// Name of the database.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A small pool as superuser, with `search_path` lotwise.
    pub async fn pool(&self) -> PgPool {
        let options = PgConnectOptions::from_str(&self.url)
            .expect("URL")
            .options([("search_path", "lotwise")]);
        PgPoolOptions::new()
            .max_connections(4)
            .connect_with(options)
            .await
            .expect("connect to the test database")
    }

    /// Cuts every connection and refuses new ones, as a stopped server would.
    pub async fn stop(&self) {
        let mut conn = connect(&self.maintenance).await;
        self.allow_connections(&mut conn, "false").await;
        sqlx::query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1")
            .bind(&self.name)
            .execute(&mut conn)
            .await
            .expect("cut the connections");
    }

    /// Undoes [`TestDb::stop`].
    pub async fn start(&self) {
        let mut conn = connect(&self.maintenance).await;
        self.allow_connections(&mut conn, "true").await;
    }

    async fn allow_connections(&self, conn: &mut PgConnection, allowed: &str) {
        sqlx::query(AssertSqlSafe(format!(
            "ALTER DATABASE {} ALLOW_CONNECTIONS {allowed}",
            self.name
        )))
        .execute(conn)
        .await
        .expect("allow or refuse connections");
    }
}

impl Drop for TestDb {
    fn drop(&mut self) {
        if self.own.is_some() {
            return;
        }
        // A test's runtime may be gone or busy: the last statement runs on a thread of its own.
        let (name, maintenance) = (self.name.clone(), self.maintenance.clone());
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("runtime");
            runtime.block_on(async {
                let mut conn = connect(&maintenance).await;
                sqlx::query(AssertSqlSafe(format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")))
                    .execute(&mut conn)
                    .await
                    .map(|_| ())
            })
        });
        if !matches!(dropped.join(), Ok(Ok(()))) {
            eprintln!("database {} could not be dropped", self.name);
        }
    }
}

async fn connect(options: &PgConnectOptions) -> PgConnection {
    options.connect().await.unwrap_or_else(|e| {
        panic!("no test server at {}:{}: {e}", options.get_host(), options.get_port())
    })
}
