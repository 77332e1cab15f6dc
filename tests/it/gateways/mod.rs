//! The configurations in docs/telegraf and docs/node-red, in a real Telegraf and a real Node-RED,
//! with devices to read and a service whose database goes away.

mod node_red;
mod telegraf;

use std::fs::File;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::ingest::Ingest;

/// How long anything may take on a slow machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// A program that ends with this value.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Says that a test is left out; fails where `variable` asks for it.
fn left_out(variable: &str, what: &str) {
    let required = std::env::var_os(variable).is_some_and(|v| v == "1");
    assert!(!required, "{variable}=1, but {what}");
    let line = "!".repeat(96);
    // Straight to the terminal: the test harness hides what a passing test prints.
    use std::io::Write;
    let _ = std::io::stderr().write_all(format!("{line}\nNOT TESTED: {what}\n{line}\n").as_bytes());
}

/// Where a program's output goes.
fn log_to(path: &Path) -> (Stdio, Stdio) {
    let file = File::create(path).expect("a log file");
    (file.try_clone().expect("the log file").into(), file.into())
}

fn log_of(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// Waits until `done`; fails with the log.
async fn wait_for(what: &str, log: &Path, mut done: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !done().await {
        assert!(started.elapsed() < PATIENCE, "{what} did not happen:\n{}", log_of(log));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Registers sensors of plant `madrid`.
async fn register(ingest: &Ingest, keys: &[&str]) {
    let sensor = |key: &&str| json!({"plant": "madrid", "key": key, "name": key, "quantity": "temperature", "unit": "°C", "kind": "gauge"});
    ingest.create("sensors", keys.iter().map(sensor).collect::<Value>()).await;
}

/// The values of a sensor in the order of time.
async fn values(ingest: &Ingest, sensor: &str) -> Vec<f64> {
    sqlx::query_scalar(
        "SELECT r.value FROM lotwise.reading r JOIN lotwise.sensor s ON s.id = r.sensor_id WHERE s.key = $1 ORDER BY r.time",
    )
    .bind(sensor)
    .fetch_all(&ingest.db.pool().await)
    .await
    .expect("the readings")
}

/// The numbers follow each other: nothing is lost, and nothing stored twice.
fn assert_unbroken(sequence: &[f64], log: &Path) {
    for pair in sequence.windows(2) {
        assert!(pair[1] - pair[0] == 1.0, "{} after {}:\n{}", pair[1], pair[0], log_of(log));
    }
}
