//! The real `lotwise ingest`, to be killed and started again on the same port.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::support::command::lotwise;

/// A service that keeps its address.
pub struct Process {
    /// Where it listens.
    pub address: SocketAddr,
    database_url: String,
    arguments: Vec<String>,
    /// For its log, which the full disk is not to hurt.
    folder: TempDir,
    child: Mutex<Option<Child>>,
}

impl Process {
    /// Starts it; `arguments` follow `lotwise ingest`.
    pub fn start(database_url: &str, arguments: &[&str]) -> Self {
        // The port is free again at once, and nobody else asks for this one soon.
        let address = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
        let process = Self {
            address: address.expect("a free port"),
            database_url: database_url.to_owned(),
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            folder: tempfile::tempdir().expect("folder"),
            child: Mutex::default(),
        };
        process.launch();
        process
    }

    /// Starts it again, unless it runs, and waits until it listens.
    pub fn launch(&self) {
        let mut child = self.child();
        if child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None))) {
            return;
        }
        let log = File::options().append(true).create(true).open(self.log()).expect("log");
        let started = lotwise(&["ingest", "--listen", &self.address.to_string()])
            .args(&self.arguments)
            .env("LOTWISE_DATABASE_URL", &self.database_url)
            .env("RUST_BACKTRACE", "1")
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("start lotwise ingest");
        *child = Some(started);
        let since = Instant::now();
        while std::net::TcpStream::connect(self.address).is_err() {
            let ended = child.as_mut().and_then(|child| child.try_wait().ok().flatten());
            assert!(ended.is_none(), "lotwise ingest ended: {}", self.end_of_log());
            assert!(since.elapsed() < Duration::from_secs(60), "lotwise ingest does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Ends it with SIGKILL.
    pub fn kill(&self) {
        if let Some(mut child) = self.child().take() {
            child.kill().expect("kill");
            child.wait().expect("wait");
        }
    }

    /// Ends it with SIGTERM, as an administrator does; whether it ended well.
    pub fn stop(&self) -> bool {
        let Some(mut child) = self.child().take() else { return true };
        let asked = std::process::Command::new("kill").arg(child.id().to_string()).status();
        assert!(asked.expect("run kill").success());
        child.wait().expect("wait").success()
    }

    /// Panics in its log: there must be none, whatever comes.
    pub fn panics(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.log()).expect("log");
        log.lines().filter(|line| line.contains("panicked")).map(str::to_owned).collect()
    }

    /// The last lines of its log.
    pub fn end_of_log(&self) -> String {
        let log = std::fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("ingest.log")
    }

    fn child(&self) -> std::sync::MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
