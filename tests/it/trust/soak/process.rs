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
    pub fn start(database_url: &str, arguments: Vec<String>) -> Self {
        // The port is free again at once, and nobody else asks for this one soon.
        let address = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
        let process = Self {
            address: address.expect("a free port"),
            database_url: database_url.to_owned(),
            arguments,
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
        // A shell that ignores SIGXFSZ: a limit that stands in for a full disk (`Disk`) is to be an
        // error to the service, as a full disk is, and not its end.
        let mut command = lotwise(&["ingest", "--listen", &self.address.to_string()]);
        command.args(&self.arguments);
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]);
        shell.arg(command.get_program()).args(command.get_args());
        // Without the caller's settings.
        command.get_envs().for_each(|(name, _)| {
            shell.env_remove(name);
        });
        let started = shell
            .stdin(Stdio::null())
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

    /// Its process, if it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child().as_ref().map(Child::id)
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
