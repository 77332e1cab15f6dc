//! The release binary's `lotwise ingest` as a process of its own.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

/// A running service; killed when dropped.
pub struct Service {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Service {
    /// Starts it with its default settings.
    pub async fn start(executable: &Path, database_url: &str) -> anyhow::Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut command = Command::new(executable);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("LOTWISE_") {
                command.env_remove(name);
            }
        }
        let child = command
            .args(["ingest", "--listen", &address.to_string()])
            .env("LOTWISE_DATABASE_URL", database_url)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("{} not started", executable.display()))?;
        let service = Self { child, address };
        let started = Instant::now();
        while TcpStream::connect(address).is_err() {
            ensure!(started.elapsed() < Duration::from_secs(20), "lotwise ingest does not listen");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(service)
    }

    /// Lets [`Self::peak_rss_mb`] begin anew.
    pub fn forget_peak(&self) -> anyhow::Result<()> {
        std::fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5")
            .context("the peak of memory is set back in /proc: this needs Linux")
    }

    /// The most memory that it has held since its start or [`Self::forget_peak`], in MB.
    pub fn peak_rss_mb(&self) -> anyhow::Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))
            .context("the peak of memory is read from /proc: this needs Linux")?;
        let kib = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB"))
            .context("no VmHWM in the process's status: did it end?")?;
        Ok(kib.trim().parse::<f64>()? * 1_024.0 / 1e6)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
