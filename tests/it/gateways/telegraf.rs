//! docs/telegraf in a Telegraf that is built from its Go module.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::{Value, json};

use super::{Program, assert_unbroken, left_out, log_of, log_to, register, values, wait_for};
use crate::support::db::Server;
use crate::support::ingest::Ingest;

/// The plugins that the configurations use, and no others: the build takes a minute instead of many.
const TAGS: &str = "custom,inputs.file,inputs.modbus,inputs.mqtt_consumer,inputs.opcua,\
    outputs.influxdb_v2,parsers.influx,parsers.json,parsers.value,serializers.influx";

const CONFIGURATIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/telegraf");

/// Telegraf and the devices; `None`, said loudly, where there is no Go toolchain.
fn programs() -> Option<&'static (PathBuf, PathBuf)> {
    static BUILT: OnceLock<Option<(PathBuf, PathBuf)>> = OnceLock::new();
    BUILT
        .get_or_init(|| {
            let telegraf = build("telegraf", "github.com/influxdata/telegraf/cmd/telegraf")?;
            Some((telegraf, build("devices", "./devices")?))
        })
        .as_ref()
}

fn build(name: &str, package: &str) -> Option<PathBuf> {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/telegraf");
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let built = Command::new("go")
        .args(["build", "-tags", TAGS, "-o"])
        .arg(&program)
        .arg(package)
        .current_dir(source)
        .env("GOFLAGS", "-mod=readonly -buildvcs=false")
        .output();
    match built {
        Ok(built) => {
            let said = String::from_utf8_lossy(&built.stderr);
            assert!(built.status.success(), "go build {package} in {source}: {said}");
            Some(program)
        }
        Err(error) => {
            let what = format!("no Go toolchain ({error}): docs/telegraf did not run in Telegraf");
            left_out("LOTWISE_REQUIRE_GO", &what);
            None
        }
    }
}

/// Telegraf with the service's address and key.
fn telegraf(program: &Path, ingest: &Ingest, configurations: &[&str], log: &Path) -> Command {
    let mut command = Command::new(program);
    for name in configurations {
        command.arg("--config").arg(Path::new(CONFIGURATIONS).join(name));
    }
    let (out, err) = log_to(log);
    command.env("LOTWISE_URL", ingest.url()).env("LOTWISE_KEY", &ingest.key);
    command.env("LOTWISE_PLANT", "madrid").stdin(Stdio::null()).stdout(out).stderr(err);
    command
}

/// The mappings that the comments of a configuration name.
fn mappings(configuration: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(Path::new(CONFIGURATIONS).join(configuration));
    let mut found = Vec::new();
    for line in text.expect("a configuration").lines().filter(|line| line.starts_with('#')) {
        let Some(start) = line.find("{\"measurement\"") else { continue };
        let mut mapping: Value = serde_json::from_str(&line[start..]).expect(line);
        mapping["plant"] = json!("madrid");
        found.push(mapping);
    }
    assert!(!found.is_empty(), "{configuration} names no mapping");
    found
}

#[tokio::test]
async fn devices_are_read_and_nothing_is_lost_while_the_database_is_away() {
    let Some((program, devices)) = programs() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("telegraf.log");
    let ingest = Ingest::with_plants(Server::Timescale).await;
    let expected = [
        ("oven.temperature", 181.5),
        ("oven.energy", 10_450.5),
        ("press.power", 12.5),
        ("saw.power", 3.75),
        ("extruder.temperature", 64.5),
    ];
    register(&ingest, &expected.map(|(sensor, _)| sensor)).await;
    register(&ingest, &["extruder.sequence"]).await;
    let sources = ["mqtt.conf", "modbus.conf", "opcua.conf"];
    let all: Vec<Value> = sources.iter().flat_map(|name| mappings(name)).collect();
    ingest.create("mappings", json!(all)).await;

    let (_, device_log) = log_to(&folder.path().join("devices.log"));
    let mut devices = Command::new(devices);
    devices.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(device_log);
    let mut devices = Program(devices.spawn().expect("start the devices"));
    let mut addresses = String::new();
    let mut output = BufReader::new(devices.0.stdout.take().expect("output"));
    output.read_line(&mut addresses).expect("the devices' addresses");
    let addresses: Value = serde_json::from_str(&addresses).expect("the devices' addresses");

    let mut command = telegraf(program, &ingest, &["lotwise.conf"], &log);
    for source in sources {
        command.arg("--config").arg(Path::new(CONFIGURATIONS).join(source));
    }
    for (name, address) in addresses.as_object().expect("addresses") {
        command.env(name, address.as_str().expect("an address"));
    }
    let _telegraf = Program(command.spawn().expect("start Telegraf"));
    for (sensor, value) in expected {
        wait_for(sensor, &log, async || !values(&ingest, sensor).await.is_empty()).await;
        let stored = values(&ingest, sensor).await;
        assert!(stored.iter().all(|v| (v - value).abs() < 1e-9), "{sensor}: {stored:?}");
    }
    assert!(!log_of(&log).contains("400 Bad Request"), "{}", log_of(&log));

    ingest.db.stop().await;
    wait_for("a write that waits", &log, async || log_of(&log).contains("503 Service Unavailable"))
        .await;
    ingest.db.start().await;
    let before = values(&ingest, "extruder.sequence").await.len();
    wait_for("news after the outage", &log, async || {
        values(&ingest, "extruder.sequence").await.len() > before + 20
    })
    .await;
    assert_unbroken(&values(&ingest, "extruder.sequence").await, &log);
}

#[tokio::test]
async fn a_batch_that_is_too_large_is_split_and_a_bad_line_stops_no_good_one() {
    let Some((program, _)) = programs() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let log = folder.path().join("telegraf.log");
    let ingest = Ingest::with_plants(Server::Plain).await;
    // With the bad line one batch of Telegraf, which would not send a second one when it ends after an error.
    let mut lines: Vec<String> =
        (0..4_999_u64).map(|i| format!("T1 value={i} {}", (i + 60) * 1_000_000_000)).collect();
    lines.insert(1_234, "T9 value=1 60000000000".to_owned());
    let lines = lines.join("\n");
    assert!(lines.len() > 100_000, "larger than the service takes");
    let (file, source) = (folder.path().join("lines"), folder.path().join("file.conf"));
    std::fs::write(&file, lines).expect("the lines");
    let input = format!("[[inputs.file]]\nfiles = [{file:?}]\ndata_format = \"influx\"\n");
    std::fs::write(&source, input).expect("a configuration");
    let mut command = telegraf(program, &ingest, &["lotwise.conf"], &log);
    command.arg("--config").arg(source).arg("--once");
    let mut once = Program(command.spawn().expect("start Telegraf"));
    wait_for("the end of Telegraf", &log, async || once.0.try_wait().expect("Telegraf").is_some())
        .await;
    let stored = values(&ingest, "T1").await;
    let expected: Vec<f64> = (0..4_999).map(f64::from).collect();
    assert!(stored == expected, "{} readings:\n{}", stored.len(), log_of(&log));
    let log = log_of(&log);
    assert!(log.contains("splitting") || log.contains("413"), "{log}");
    assert!(log.contains("400 Bad Request") && log.contains("unknown sensor"), "{log}");
}
