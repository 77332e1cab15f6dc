//! A PostgreSQL server of a test's own, which it may stop. Made by `scripts/db`, with passwords.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use tempfile::TempDir;

/// A running server, stopped and removed when dropped.
pub struct Cluster {
    folder: TempDir,
    /// URL of the maintenance database, as superuser.
    pub url: String,
}

impl Cluster {
    /// Starts a new server on a free port.
    pub fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("lotwise-cluster-").tempdir().expect("folder");
        // The database's system user must be able to enter.
        let everyone = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(folder.path(), everyone).expect("permissions");
        let mut cluster = Self { folder, url: String::new() };
        cluster.db(&["start", "plain", "--throw-away", "--port", "free"]);
        cluster.url = cluster.db(&["url", "plain", "--role", "admin"]).trim().to_owned();
        cluster
    }

    /// Stops the server; clients lose their connections.
    pub fn stop(&self) {
        self.db(&["stop", "plain"]);
    }

    /// Starts the server again on the port it had.
    pub fn start_again(&self) {
        let url = url::Url::parse(&self.url).expect("URL");
        let port = url.port().expect("port").to_string();
        self.db(&["start", "plain", "--throw-away", "--port", &port]);
    }

    fn db(&self, arguments: &[&str]) -> String {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/db");
        let output = Command::new(script)
            .args(arguments)
            .arg("--data")
            .arg(self.folder.path())
            .output()
            .expect("run scripts/db");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "scripts/db {arguments:?}: {said}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if !std::thread::panicking() || !self.url.is_empty() {
            self.stop();
        }
    }
}
