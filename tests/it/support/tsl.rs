//! TimescaleDB's community edition for tests: PostgreSQL as WebAssembly behind a wire server of our
//! own, `tests/tsl/server.mjs`, which says what it cannot do.

use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// A server with one database, ended when dropped.
pub struct Process {
    _child: Child,
    /// URL of its database, as superuser.
    pub url: String,
}

impl Process {
    /// Starts it; takes some seconds.
    pub async fn start() -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tsl");
        assert!(
            folder.join("node_modules").is_dir(),
            "TimescaleDB's community edition is not installed: run `npm ci --prefix tests/tsl`, as scripts/test does"
        );
        let mut child = Command::new("node")
            .arg(folder.join("server.mjs"))
            // It ends when this side of the pipe is closed, however this process ends.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("start node, which tests/tsl needs");
        let mut said = BufReader::new(child.stdout.take().expect("standard output")).lines();
        let port = said.next_line().await.expect("read the port").expect("tests/tsl did not start");
        let url = format!("postgres://postgres@127.0.0.1:{port}/postgres?sslmode=disable");
        Self { _child: child, url }
    }
}

#[cfg(test)]
mod tests {
    use sqlx::{Connection, PgConnection};

    use super::Process;

    #[tokio::test]
    async fn a_client_whose_role_is_gone_leaves_the_server_to_the_others() {
        let server = Process::start().await;
        let mut admin = PgConnection::connect(&server.url).await.expect("connect");
        sqlx::query("CREATE ROLE short_lived LOGIN").execute(&mut admin).await.expect("role");
        let url = server.url.replace("postgres@", "short_lived@");
        let client = PgConnection::connect(&url).await.expect("connect as the role");
        sqlx::query("DROP ROLE short_lived").execute(&mut admin).await.expect("drop");
        client.close().await.expect("close");
        // Its leave comes before this connection's start.
        let mut next = PgConnection::connect(&server.url).await.expect("connect");
        sqlx::query("SELECT 1").execute(&mut next).await.expect("the session is free");
    }
}
