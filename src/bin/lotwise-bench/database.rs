//! The server that is measured on: one that is named, or one that is made for this run.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, ensure};
use lotwise::schema::TimescaleChoice;
use tempfile::TempDir;
use tokio::process::Command;

use crate::support::db::TestDb;

/// Which server.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Superuser's URL of a running server's maintenance database; a database is made there, and
    /// dropped. Without it, a TimescaleDB of its own is started by scripts/db, and removed
    #[arg(long, env = "LOTWISE_BENCH_DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,
    /// Folder for the data of a server of its own; what counts is its disk
    #[arg(long, default_value_os_t = std::env::temp_dir())]
    data: PathBuf,
}

/// A migrated database; dropped, and its server stopped if it was made for it.
pub struct Database {
    // In this order they are dropped.
    /// The database.
    pub db: TestDb,
    own: Option<Cluster>,
}

impl Options {
    /// Makes the database.
    pub async fn open(&self) -> anyhow::Result<Database> {
        let (url, own) = match &self.database_url {
            Some(url) => (url.clone(), None),
            None => {
                let cluster = Cluster::start(&self.data).await?;
                (cluster.url().await?, Some(cluster))
            }
        };
        let db = TestDb::migrated_at(&url, TimescaleChoice::Auto).await;
        Ok(Database { db, own })
    }
}

impl Database {
    /// The `psql` of this server where it is known, else the one in the PATH. (Debian's in the PATH
    /// is a Perl script before the program.)
    pub async fn psql(&self) -> PathBuf {
        let beside = match &self.own {
            Some(cluster) => cluster.program_folder().await,
            None => None,
        };
        beside.map(|folder| folder.join("psql")).filter(|p| p.is_file()).unwrap_or("psql".into())
    }
}

/// A server in a temporary folder. It waits for the disk at each commit, as a real one does.
struct Cluster(TempDir);

impl Cluster {
    async fn start(data: &std::path::Path) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("lotwise-bench-").tempdir_in(data)?;
        // The database's system user must be able to enter.
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755))?;
        let cluster = Self(folder);
        cluster.script(&["start", "timescale", "--port", "free"]).await?;
        Ok(cluster)
    }

    async fn url(&self) -> anyhow::Result<String> {
        self.script(&["url", "timescale", "--role", "admin"]).await
    }

    async fn program_folder(&self) -> Option<PathBuf> {
        let sql = "SELECT setting FROM pg_config() WHERE name = 'BINDIR'";
        let arguments = ["psql", "timescale", "--role", "admin"];
        let ask = command(&arguments, &self.0).args(["--", "-AtXc", sql]).output().await.ok()?;
        Some(String::from_utf8(ask.stdout).ok()?.trim().into())
    }

    async fn script(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let output = command(arguments, &self.0).output().await.context("scripts/db not run")?;
        ensure!(
            output.status.success(),
            "scripts/db {} failed; name a server by --database-url instead",
            arguments.join(" ")
        );
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let stop = command(&["stop", "timescale"], &self.0).into_std().status();
        if !stop.is_ok_and(|status| status.success()) {
            eprintln!("the server in {} was not stopped", self.0.path().display());
        }
    }
}

fn command(arguments: &[&str], folder: &TempDir) -> Command {
    let mut command = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/db"));
    command.args(arguments).arg("--data").arg(folder.path());
    command.stdin(Stdio::null()).stderr(Stdio::inherit());
    command
}
