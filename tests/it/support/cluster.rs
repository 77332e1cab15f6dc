//! A PostgreSQL server of a test's own, which it may stop. Made by `scripts/db`, with passwords.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::db::Server;

/// A running server, stopped and removed when dropped.
pub struct Cluster {
    folder: PathBuf,
    /// Removes the folder, where it is our own.
    _temporary: Option<TempDir>,
    kind: &'static str,
    durability: &'static [&'static str],
    /// URL of the maintenance database, as superuser.
    pub url: String,
}

impl Cluster {
    /// Starts a new plain server on a free port that does not wait for the disk.
    pub fn start() -> Self {
        let folder = temporary_folder();
        let path = folder.path().to_owned();
        Self::start_in(path, Some(folder), Server::Plain, &["--throw-away"])
    }

    /// Starts a new server on a free port, with its data in this folder. It waits for the disk at
    /// each commit, so that it may be stopped with [`Cluster::crash`].
    pub fn durable(server: Server, folder: &Path) -> Self {
        Self::start_in(folder.to_owned(), None, server, &[])
    }

    fn start_in(
        folder: PathBuf,
        temporary: Option<TempDir>,
        server: Server,
        durability: &'static [&'static str],
    ) -> Self {
        let kind = match server {
            Server::Timescale => "timescale",
            Server::Plain => "plain",
            Server::Tsl => panic!("scripts/db has no TimescaleDB of the community edition"),
        };
        let mut cluster =
            Self { folder, _temporary: temporary, kind, durability, url: String::new() };
        cluster.launch("free").unwrap_or_else(|said| panic!("{said}"));
        cluster.url = cluster.role_url("admin");
        cluster
    }

    /// URL of the database `lotwise` for a role of `scripts/db` (`admin`: the maintenance database).
    pub fn role_url(&self, role: &str) -> String {
        let url = self.db("url", &["--role", role]).unwrap_or_else(|said| panic!("{said}"));
        url.trim().to_owned()
    }

    /// Folder of the server's data.
    pub fn data(&self) -> PathBuf {
        self.folder.join(self.kind).join("data")
    }

    /// The server's processes; none while it is down.
    pub fn processes(&self) -> Vec<u32> {
        let file = std::fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
        let Some(first) = file.lines().next().and_then(|pid| pid.parse::<u32>().ok()) else {
            return Vec::new();
        };
        let children = std::fs::read_to_string(format!("/proc/{first}/task/{first}/children"));
        let children = children.unwrap_or_default();
        std::iter::once(first)
            .chain(children.split_whitespace().filter_map(|pid| pid.parse().ok()))
            .collect()
    }

    /// Stops the server; clients lose their connections.
    pub fn stop(&self) {
        self.db("stop", &[]).unwrap_or_else(|said| panic!("{said}"));
    }

    /// Ends the server as a crash would (`pg_ctl -m immediate`).
    pub fn crash(&self) -> Result<(), String> {
        self.db("stop", &["--immediate"]).map(drop)
    }

    /// Starts the server again on the port it had.
    pub fn start_again(&self) {
        self.recover().unwrap_or_else(|said| panic!("{said}"));
    }

    /// As [`Cluster::start_again`], where that may fail.
    pub fn recover(&self) -> Result<(), String> {
        let url = url::Url::parse(&self.url).expect("URL");
        self.launch(&url.port().expect("port").to_string())
    }

    fn launch(&self, port: &str) -> Result<(), String> {
        let mut arguments = vec!["--port", port];
        arguments.extend(self.durability);
        self.db("start", &arguments).map(drop)
    }

    fn db(&self, command: &str, arguments: &[&str]) -> Result<String, String> {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/db");
        let output = Command::new(script)
            .args([command, self.kind])
            .args(arguments)
            .arg("--data")
            .arg(&self.folder)
            .output()
            .expect("run scripts/db");
        if output.status.success() {
            return Ok(String::from_utf8(output.stdout).expect("UTF-8"));
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(format!("scripts/db {command} {arguments:?}: {said}"))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if (!std::thread::panicking() || !self.url.is_empty())
            && let Err(said) = self.crash()
        {
            eprintln!("{said}");
        }
    }
}

/// A folder that the database's system user can enter.
pub fn temporary_folder() -> TempDir {
    let folder = tempfile::Builder::new().prefix("lotwise-cluster-").tempdir().expect("folder");
    open_to_everyone(folder.path());
    folder
}

/// Lets everyone enter the folder.
pub fn open_to_everyone(folder: &Path) {
    let everyone = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(folder, everyone).expect("permissions");
}
