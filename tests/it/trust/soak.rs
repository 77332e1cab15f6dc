//! Senders send a known sequence to the real `lotwise ingest` on a durable database of its own, while
//! processes are killed, a disk fills up and connections break. At the end the table holds every
//! acknowledged reading exactly once, with the last acknowledged value, and nothing else.
//!
//! `LOTWISE_SOAK_SECONDS` is how long (a minute without it), `LOTWISE_SOAK_SEED` chooses the faults
//! (their times stay those of the machine), `LOTWISE_SOAK_WAYS` names some of [`WAYS`], which run side
//! by side. `scripts/soak` sets them.

mod disk;
mod faults;
pub mod ledger;
mod process;
pub mod proxy;
mod sender;
mod wire;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use reqwest::Client;
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row};

use self::disk::Disk;
use self::faults::Victims;
use self::ledger::{Findings, Place};
use self::process::Process;
use self::proxy::{Proxy, Rest};
use self::sender::{Field, Habit, Tally};
use self::wire::{Form, PLANT};
use crate::support::cluster::Cluster;
use crate::support::command::lotwise;
use crate::support::db::Server;
use crate::trust::telegraf::client::{Metric, Telegraf};

/// The service on both databases, without and with a spool.
const WAYS: [(&str, Server, Spooling); 4] = [
    ("timescale", Server::Timescale, Spooling::Off),
    ("plain", Server::Plain, Spooling::Off),
    ("timescale_with_spool", Server::Timescale, Spooling::On),
    ("plain_with_spool", Server::Plain, Spooling::On),
];

/// Each way has a database, a service and senders of its own; they mostly wait, so one after the
/// other would only take longer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost() {
    let wanted = std::env::var("LOTWISE_SOAK_WAYS").unwrap_or_default();
    let wanted: Vec<&str> = wanted.split_whitespace().collect();
    for name in &wanted {
        assert!(WAYS.iter().any(|way| way.0 == *name), "there is no way {name:?}");
    }
    let is_wanted = |name: &str| wanted.is_empty() || wanted.contains(&name);
    let runs: Vec<_> = WAYS
        .into_iter()
        .filter(|(name, ..)| is_wanted(name))
        .map(|(name, server, spooling)| (name, tokio::spawn(soak(name, server, spooling))))
        .collect();
    let mut lost = Vec::new();
    for (name, run) in runs {
        if run.await.is_err() {
            lost.push(name);
        }
    }
    assert!(lost.is_empty(), "failed: {lost:?}; see above");
}

/// Whether the service keeps readings on disk while the database is away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spooling {
    Off,
    On,
}

/// Room for database and log, some of it for the readings of so many seconds.
fn disk_megabytes(seconds: u64) -> u32 {
    if seconds > 120 { 1_024 } else { 512 }
}

/// Room for the spool.
const SPOOL_MEGABYTES: u32 = 128;

async fn soak(name: &str, server: Server, spooling: Spooling) {
    let seconds = setting("LOTWISE_SOAK_SECONDS").unwrap_or(60);
    let seed = setting("LOTWISE_SOAK_SEED").unwrap_or_else(rand::random);
    println!("{name}: {seconds} s, LOTWISE_SOAK_SEED={seed}");
    let (victims, field) = set_up(server, spooling, disk_megabytes(seconds)).await;

    let victims = Arc::new(victims);
    let hurting = tokio::spawn(victims.clone().hurt(seed));
    let senders: Vec<_> = habits()
        .into_iter()
        .zip(seed..)
        .map(|(habit, seed)| tokio::spawn(field.clone().run(habit, seed)))
        .collect();
    let telegraf = tokio::spawn(telegraf(field.clone()));
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    // On a busy machine less happens in the same time.
    for _ in 0..180 {
        if missing(&victims, &field, spooling).is_none() {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    victims.stop.store(true, Ordering::Relaxed);
    hurting.await.expect("the faults");
    // A while without faults, in which everybody gets through.
    tokio::time::sleep(Duration::from_secs(3)).await;
    field.stop.store(true, Ordering::Relaxed);
    for sender in senders {
        sender.await.expect("a sender");
    }
    telegraf.await.expect("Telegraf");

    if spooling == Spooling::On {
        drained(&victims).await;
    }
    assert!(
        victims.process.stop(),
        "it does not stop in good order: {}",
        victims.process.end_of_log()
    );
    let findings = compare(&victims.cluster, &field).await;
    println!("{name}: {}", report(&victims, &field, &findings));
    assert_eq!(missing(&victims, &field, spooling), None);
    let tally = field.tally();
    assert!(findings.are_none(), "{findings}");
    assert!(tally.wrong.is_empty(), "answers: {:#?}", &tally.wrong[..tally.wrong.len().min(5)]);
    assert_eq!(victims.process.panics(), Vec::<String>::new());
    if spooling == Spooling::On {
        hardly_anything_was_refused(&tally);
    }
}

/// Waits until the spool is empty.
async fn drained(victims: &Victims) {
    let mut rows = String::new();
    for _ in 0..120 {
        let metrics = reqwest::get(format!("http://{}/metrics", victims.process.address)).await;
        let metrics = metrics.expect("metrics").text().await.expect("metrics");
        let gauge =
            metrics.lines().find_map(|line| line.strip_prefix("lotwise_ingest_spool_rows "));
        rows = gauge.expect("the gauge of the spool").to_owned();
        if rows == "0" {
            return;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    panic!("the spool still has {rows} rows: {}", victims.process.end_of_log());
}

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|e| panic!("{name}: {e}")))
}

/// Durable database on a small disk, proxy, service, proxy; a plant with sensors, and a key.
async fn set_up(server: Server, spooling: Spooling, disk_mb: u32) -> (Victims, Arc<Field>) {
    // reqwest wants a provider, although no TLS is used here.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (disk, cluster, spool) = tokio::task::spawn_blocking(move || {
        let disk = Disk::new(disk_mb);
        let cluster = Cluster::durable(server, disk.path());
        let spool = (spooling == Spooling::On).then(|| Disk::new(SPOOL_MEGABYTES));
        (disk, cluster, spool)
    })
    .await
    .expect("a database");
    let mut admin = connect(&cluster.url).await;
    // A log that fits the disk, and recovers fast.
    for setting in ["max_wal_size = '128MB'", "min_wal_size = '32MB'", "checkpoint_timeout = '30s'"]
    {
        let sql = AssertSqlSafe(format!("ALTER SYSTEM SET {setting}"));
        sqlx::query(sql).execute(&mut admin).await.expect("a setting");
    }
    sqlx::query("SELECT pg_reload_conf()").execute(&mut admin).await.expect("reload");
    let durable: Vec<String> = sqlx::query_scalar(
        "SELECT setting FROM pg_settings WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit')",
    )
    .fetch_all(&mut admin)
    .await
    .expect("settings");
    assert_eq!(durable, ["on", "on", "on"], "a crash would prove nothing");
    admin.close().await.expect("close");

    let owner = cluster.role_url("owner");
    let key = disk.path().join("key");
    command(
        &["migrate", "--timescaledb", if server == Server::Plain { "off" } else { "require" }],
        &owner,
    );
    command(
        &[
            "key",
            "create",
            "--name",
            "soak",
            "--scope",
            "readings",
            "--scope",
            "context",
            "--out",
            key.to_str().expect("path"),
        ],
        &owner,
    );
    let key = std::fs::read_to_string(key).expect("key").trim().to_owned();

    let mut database = url::Url::parse(&cluster.role_url("ingest")).expect("URL");
    let back = Proxy::start(address(&database), Rest::Delivered).await;
    database.set_port(Some(back.address.port())).expect("port");
    let arguments: Vec<String> = match &spool {
        Some(disk) => vec!["--spool".to_owned(), disk.path().join("spool").display().to_string()],
        None => Vec::new(),
    };
    let process =
        tokio::task::spawn_blocking(move || Process::start(database.as_str(), arguments)).await;
    let process = process.expect("a service");
    let front = Proxy::start(process.address, Rest::Dropped).await;
    let field = Arc::new(Field::new(format!("http://{}", front.address), key));
    register(&field).await;
    (Victims::new(process, cluster, (disk, spool), front, back), field)
}

fn address(url: &url::Url) -> SocketAddr {
    url.socket_addrs(|| None).expect("address")[0]
}

fn command(arguments: &[&str], database_url: &str) {
    let output =
        lotwise(arguments).env("LOTWISE_DATABASE_URL", database_url).output().expect("lotwise");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A Telegraf that flushes each second, as long as the others send and then until its buffer is
/// empty: nothing of its metrics may be dropped.
async fn telegraf(field: Arc<Field>) {
    let mut telegraf = Telegraf::new(&field.url, &field.key, PLANT, 1_000)
        .with_default_timeout()
        .with_ledger(&field.ledger);
    let start = chrono::Utc::now().timestamp_millis();
    let (mut second, mut value) = (0, TELEGRAF_VALUES);
    let mut after = 0;
    while !field.stop.load(Ordering::Relaxed) || telegraf.waiting() > 0 {
        if !field.stop.load(Ordering::Relaxed) {
            // The newest seconds come again, with newer values.
            for time in (second - 5).max(0)..=second {
                for sensor in &telegraf_sensors() {
                    value += 1;
                    telegraf.add(Metric::new((sensor.clone(), start + time * 1_000), value));
                }
            }
            second += 1;
        } else {
            after += 1;
            assert!(after < 60, "not everything arrives: {:?}", telegraf.log);
        }
        telegraf.flush().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    println!("Telegraf: {} metrics arrived", value - TELEGRAF_VALUES);
    assert_eq!((telegraf.log.dropped, telegraf.log.overflowed), (0, 0));
    let allowed = [0, 204, 429, 503];
    assert!(telegraf.log.answers.iter().all(|s| allowed.contains(s)), "{:?}", telegraf.log);
}

/// Far above the values of the other senders.
const TELEGRAF_VALUES: u64 = 1 << 40;

fn telegraf_sensors() -> Vec<String> {
    (0..20).map(|number| format!("agent-{number}")).collect()
}

/// Eight senders of all forms. The last two share their sensors.
fn habits() -> Vec<Habit> {
    let habit = |form, batch, name: &str, careless, gives_up| {
        let sensors = (0..6).map(|number| format!("{name}-{number}")).collect();
        Habit { form, batch, sensors, careless, gives_up }
    };
    vec![
        habit(Form::LinesGzip, 1_000, "telegraf", false, 0),
        habit(Form::LinesGzip, 300, "hasty", false, 60),
        habit(Form::Lines, 1, "single", false, 30),
        habit(Form::Lines, 40, "careless", true, 30),
        habit(Form::Json, 1, "gateway", false, 0),
        habit(Form::JsonGzip, 400, "mes", true, 40),
        habit(Form::Json, 50, "shared", false, 40),
        habit(Form::LinesGzip, 50, "shared", false, 40),
    ]
}

async fn register(field: &Field) {
    let client = Client::new();
    let post = async |resource: &str, items: Value| {
        let request = client.post(format!("{}/v1/{resource}", field.url)).bearer_auth(&field.key);
        let answer = request.json(&json!({"items": items})).send().await.expect("an answer");
        let text = answer.text().await.expect("a body");
        assert!(text.contains("\"rejected\":0"), "{text}");
    };
    post("plants", json!([{"key": PLANT, "name": "Soak", "time_zone": "Europe/Madrid"}])).await;
    let mut sensors: Vec<String> = habits().into_iter().flat_map(|habit| habit.sensors).collect();
    sensors.extend(telegraf_sensors());
    sensors.sort();
    sensors.dedup();
    let sensors: Vec<Value> = sensors
        .iter()
        .map(|key| {
            json!({"plant": PLANT, "key": key, "name": key, "quantity": "power", "unit": "kW", "kind": "gauge"})
        })
        .collect();
    post("sensors", json!(sensors)).await;
}

async fn connect(url: &str) -> PgConnection {
    let options: PgConnectOptions = url.parse().expect("URL");
    options.connect().await.expect("connect to the database")
}

/// Reads the table itself and its index: a crash must have left both the same.
async fn compare(cluster: &Cluster, field: &Field) -> Findings {
    let mut owner = connect(&cluster.role_url("owner")).await;
    let table = stored(&mut owner, &["indexscan", "indexonlyscan", "bitmapscan"]).await;
    let index = stored(&mut owner, &["seqscan"]).await;
    assert!(table == index, "table and index differ: {} and {} rows", table.len(), index.len());
    field.ledger.compare(&table)
}

async fn stored(conn: &mut PgConnection, without: &[&str]) -> Vec<(Place, f64)> {
    sqlx::query("RESET ALL").execute(&mut *conn).await.expect("reset");
    for scan in without {
        let sql = AssertSqlSafe(format!("SET enable_{scan} = off"));
        sqlx::query(sql).execute(&mut *conn).await.expect("a setting");
    }
    let rows = sqlx::query(
        "SELECT s.key, (extract(epoch FROM r.time) * 1000)::int8, r.value
         FROM (SELECT time, value, plant_id, sensor_id FROM lotwise.reading) r
         JOIN lotwise.sensor s ON s.id = r.sensor_id AND s.plant_id = r.plant_id ORDER BY 1, 2, 3",
    )
    .fetch_all(conn)
    .await
    .expect("the readings");
    rows.iter().map(|row| ((row.get(0), row.get(1)), row.get(2))).collect()
}

fn report(victims: &Victims, field: &Field, findings: &Findings) -> String {
    let (places, acknowledged) = field.ledger.size();
    let answers: String = field
        .tally()
        .answers
        .iter()
        .map(|(name, count)| format!("    {name}: {count}\n"))
        .collect();
    format!(
        "places: {places}, acknowledged writes: {acknowledged}\n{answers}faults: {:?}\n\
         connections that broke by themselves: {} of senders, {} to the database\n{findings}",
        victims.counts(),
        victims.front.broken(),
        victims.back.broken()
    )
}

/// What has not happened yet: a soak in which nothing went wrong, or nothing got through, would
/// prove nothing.
fn missing(victims: &Victims, field: &Field, spooling: Spooling) -> Option<String> {
    let (counts, tally) = (victims.counts(), field.tally());
    let faults = [
        "process killed",
        "database crashed",
        "disk filled",
        "clients cut",
        "database slow",
        "database connections cut",
        "database connections stranded",
    ];
    let of_spool = (spooling == Spooling::On).then_some("spool's disk filled");
    let fault = faults.into_iter().chain(of_spool).find(|fault| !counts.contains_key(fault));
    let answers = [
        "Lines 204",
        "LinesGzip 204",
        "Json 200",
        "JsonGzip 200",
        "Lines 400",
        "connection broken",
    ];
    let answer = answers.into_iter().find(|answer| !tally.answers.contains_key(*answer));
    if let Some(what) = fault.or(answer) {
        return Some(format!("{what}: never"));
    }
    if spooling == Spooling::Off && refused(&tally) == 0 {
        return Some("the database was never missed".to_owned());
    }
    let few = field.ledger.size().1 < 1_000;
    few.then(|| "hardly anything was acknowledged".to_owned())
}

/// How many requests were answered with "not now".
fn refused(tally: &Tally) -> u64 {
    let refused = tally.answers.iter().filter(|(answer, _)| answer.ends_with(" 503"));
    refused.map(|(_, count)| count).sum()
}

/// While the database is away clients are served all the same: what is refused is what meets a full
/// spool, or a body that broke off.
fn hardly_anything_was_refused(tally: &Tally) {
    let taken = tally.answers.iter().filter(|(answer, _)| answer.contains(" 20"));
    let (taken, refused): (u64, u64) = (taken.map(|(_, count)| count).sum(), refused(tally));
    assert!(refused * 10 < taken, "{refused} refused, {taken} taken");
}
