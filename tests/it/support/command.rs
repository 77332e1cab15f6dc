//! The command line as people use it: the binary, its output and its exit code, with a real ingest
//! service behind it.

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use super::db::TestDb;

/// The binary, with nothing of the caller's settings.
pub fn lotwise(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lotwise"));
    command.args(args).env_remove("RUST_BACKTRACE").stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("LOTWISE_") {
            command.env_remove(name);
        }
    }
    command
}

/// A running ingest service with a key that may do everything a poster needs.
pub struct IngestProcess {
    child: Child,
    folder: tempfile::TempDir,
    /// Address of the service.
    pub url: String,
}

impl IngestProcess {
    /// Starts the service on a database.
    pub fn start(db: &TestDb) -> Self {
        let folder = tempfile::tempdir().expect("temporary folder");
        let key = folder.path().join("key");
        let made = lotwise(&[
            "key", "create", "--name", "test", "--scope", "readings", "--scope", "context",
        ])
        .args(["--database-url", &db.url, "--out"])
        .arg(&key)
        .output()
        .expect("run lotwise key");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|free| free.local_addr())
            .expect("a port")
            .port();
        let listen = format!("127.0.0.1:{port}");
        let child = lotwise(&["ingest", "--database-url", &db.url, "--listen", &listen])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("start lotwise ingest");
        let started = Instant::now();
        while TcpStream::connect(&listen).is_err() {
            assert!(started.elapsed() < Duration::from_secs(120), "lotwise ingest does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self { child, folder, url: format!("http://{listen}") }
    }

    /// File with the key.
    pub fn key_file(&self) -> PathBuf {
        self.folder.path().join("key")
    }

    /// A command that posts to this service.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = lotwise(args);
        command.arg("--url").arg(&self.url).arg("--key-file").arg(self.key_file());
        command
    }

    /// Runs a command that posts to this service to its end.
    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("run lotwise")
    }
}

impl Drop for IngestProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Standard error as text.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Standard output as text.
pub fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}
