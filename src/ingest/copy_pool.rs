//! The writer's connections.
//!
//! They use tokio-postgres and not sqlx: sqlx leaves Nagle's algorithm on, and a COPY, which is two
//! messages in a row without an answer between them, then waits 40 ms for a delayed
//! acknowledgement each time.

use std::time::Duration;

use deadpool::managed::{self, Metrics, RecycleResult};
use deadpool_postgres::{ClientWrapper, Manager, ManagerConfig, RecyclingMethod, Runtime};
use tokio_postgres::config::SslMode;
use tokio_postgres::{Config, NoTls};
use url::Url;

use crate::tls::{self, Pem, TlsError, Verify};

/// The temporary table that a batch is copied into. One for each connection, empty after a commit.
///
/// A transaction whose connection died without a sign would hold its rows until PostgreSQL notices,
/// which may take hours.
const SETUP: &str = "SET client_min_messages = warning;
    SET idle_in_transaction_session_timeout = '30s';
    SET timescaledb.max_tuples_decompressed_per_dml_transaction = 0;
    CREATE TEMPORARY TABLE IF NOT EXISTS reading_staging (
        time timestamptz NOT NULL, value float8 NOT NULL, plant_id int NOT NULL, sensor_id int NOT NULL
    ) ON COMMIT DELETE ROWS";

/// By which the database tells the writer's sessions from others.
pub const APPLICATION: &str = "lotwise ingest writer";

/// How long a batch waits for a connection.
const WAIT: Duration = Duration::from_secs(5);

/// Silence after which the server is asked whether it is there.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// A pool of [`Session`]s.
pub type Pool = managed::Pool<Sessions>;

/// A connection, ready to take batches.
#[derive(Debug)]
pub struct Session {
    /// The connection.
    pub client: ClientWrapper,
    /// Number of its process at the server.
    pub pid: i32,
}

/// Opens the sessions of a [`Pool`].
#[derive(Debug)]
pub struct Sessions(Manager);

impl managed::Manager for Sessions {
    type Type = Session;
    type Error = tokio_postgres::Error;

    async fn create(&self) -> Result<Session, Self::Error> {
        let client = self.0.create().await?;
        client.batch_execute(SETUP).await?;
        let pid = client.query_one("SELECT pg_backend_pid()", &[]).await?.try_get(0)?;
        Ok(Session { client, pid })
    }

    async fn recycle(&self, session: &mut Session, used: &Metrics) -> RecycleResult<Self::Error> {
        self.0.recycle(&mut session.client, used).await
    }

    fn detach(&self, session: &mut Session) {
        self.0.detach(&mut session.client);
    }
}

/// A database URL that cannot be used. The URL is not shown: it may hold a password.
#[derive(Debug, thiserror::Error)]
pub enum UrlError {
    /// No URL.
    #[error("the database URL is not valid: {0}")]
    Url(#[from] url::ParseError),
    /// A parameter or part that PostgreSQL does not have.
    #[error("the database URL is not valid: {0}")]
    Config(#[from] tokio_postgres::Error),
    /// An unknown TLS mode.
    #[error("unknown sslmode {0:?}: use disable, prefer, require, verify-ca or verify-full")]
    Mode(String),
    /// A file that cannot be read.
    #[error("{path}: {source}")]
    File {
        /// Its path.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Certificates that do not fit.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The pool's settings.
    #[error(transparent)]
    Pool(#[from] deadpool_postgres::BuildError),
}

/// A pool that connects at its first use. The URL may have libpq's parameters `sslmode`,
/// `sslrootcert`, `sslcert` and `sslkey`.
///
/// # Errors
/// When the URL or a file that it names cannot be used.
pub fn pool(url: &str, connections: usize) -> Result<Pool, UrlError> {
    let (url, tls) = Tls::take_from(Url::parse(url)?);
    let mut config: Config = url.as_str().parse()?;
    config.application_name(APPLICATION).connect_timeout(WAIT);
    // A server that vanished without a word is noticed, and what waits for it goes on.
    config.keepalives_idle(KEEPALIVE).keepalives_interval(KEEPALIVE).keepalives_retries(3);
    config.tcp_user_timeout(4 * KEEPALIVE);
    let manager = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = match tls.mode.as_deref().unwrap_or("prefer") {
        "disable" => {
            config.ssl_mode(SslMode::Disable);
            Manager::from_config(config, NoTls, manager)
        }
        mode => {
            let (ssl_mode, verify) = match mode {
                "allow" | "prefer" => (SslMode::Prefer, Verify::Nothing),
                "require" => (SslMode::Require, Verify::Nothing),
                "verify-ca" => (SslMode::Require, Verify::Authority),
                "verify-full" => (SslMode::Require, Verify::AuthorityAndHost),
                other => return Err(UrlError::Mode(other.to_owned())),
            };
            config.ssl_mode(ssl_mode);
            Manager::from_config(config, tls.connector(verify)?, manager)
        }
    };
    Ok(Pool::builder(Sessions(manager))
        .max_size(connections)
        .wait_timeout(Some(WAIT))
        .create_timeout(Some(WAIT))
        .recycle_timeout(Some(WAIT))
        .runtime(Runtime::Tokio1)
        .build()?)
}

/// The URL's parameters on TLS, which tokio-postgres does not know.
#[derive(Debug, Default, PartialEq)]
struct Tls {
    mode: Option<String>,
    root: Option<String>,
    certificate: Option<String>,
    key: Option<String>,
}

impl Tls {
    fn take_from(mut url: Url) -> (Url, Self) {
        let mut tls = Self::default();
        // The others stay as they are written: a URL library writes blanks as `+`, which
        // PostgreSQL's URLs do not have.
        let mut others = Vec::new();
        for pair in url.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let value =
                || url::form_urlencoded::parse(pair.as_bytes()).next().map(|(_, v)| v.into_owned());
            match pair.split('=').next() {
                Some("sslmode" | "ssl-mode") => tls.mode = value(),
                Some("sslrootcert" | "ssl-root-cert" | "ssl-ca") => tls.root = value(),
                Some("sslcert" | "ssl-cert") => tls.certificate = value(),
                Some("sslkey" | "ssl-key") => tls.key = value(),
                _ => others.push(pair),
            }
        }
        let query = (!others.is_empty()).then(|| others.join("&"));
        url.set_query(query.as_deref());
        (url, tls)
    }

    fn connector(
        &self,
        verify: Verify,
    ) -> Result<tokio_postgres_rustls::MakeRustlsConnect, UrlError> {
        let read = |path: &Option<String>| {
            path.as_ref()
                .map(|path| {
                    std::fs::read_to_string(path)
                        .map_err(|source| UrlError::File { path: path.clone(), source })
                })
                .transpose()
        };
        let (root, certificate, key) =
            (read(&self.root)?, read(&self.certificate)?, read(&self.key)?);
        let client = certificate.as_deref().zip(key.as_deref());
        Ok(tls::connector(verify, &Pem { authorities: root.as_deref(), client })?)
    }
}

#[cfg(test)]
mod tests {
    use super::{Tls, UrlError, pool};

    #[test]
    fn takes_the_parameters_of_tls_and_leaves_the_others() {
        let url =
            "postgres://u:p%40@h:1/d?sslmode=verify-full&options=-c%20a%3Db&sslrootcert=/ca.pem";
        let (url, tls) = Tls::take_from(url.parse().expect("URL"));
        assert_eq!(url.as_str(), "postgres://u:p%40@h:1/d?options=-c%20a%3Db");
        let mode = Some("verify-full".to_owned());
        assert_eq!(tls, Tls { mode, root: Some("/ca.pem".to_owned()), ..Tls::default() });
    }

    #[tokio::test]
    async fn says_what_is_wrong() {
        let message = |url: &str| pool(url, 1).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(message("host=x user=y").contains("not valid"));
        assert!(message("postgres://u@h/d?sslmode=maybe").contains("verify-full"));
        let missing = pool("postgres://u@h/d?sslmode=verify-ca&sslrootcert=/none.pem", 1);
        assert!(matches!(missing.err(), Some(UrlError::File { .. })));
        assert!(pool("postgres://u:p@h:5432/d?sslmode=require", 1).is_ok());
    }
}
