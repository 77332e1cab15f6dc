//! `lotwise ingest` as a process of its own with a spool, which a test may kill and start again, on
//! a database that it may stop.

use std::fs::{File, read_to_string};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lotwise::ingest::keys::store::{self, NewKey};
use lotwise::ingest::keys::{Scope, Secret};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use sqlx::postgres::PgPool;
use tempfile::TempDir;

use super::command::lotwise;
use super::db::{Server, TestDb};
use super::ingest::{Answer, answer};

/// The process, and what outlives it.
pub struct Service {
    pub db: TestDb,
    pub pool: PgPool,
    /// Secret of a key for readings of all plants.
    pub key: String,
    folder: TempDir,
    client: Client,
    port: u16,
    child: Option<Child>,
}

/// Longest time that anything here may take.
const PATIENCE: Duration = Duration::from_secs(180);

impl Service {
    /// A database with plants `madrid` (sensors `T1`, `T2`) and `porto` (sensor `T1`), and no
    /// process yet.
    pub async fn new(server: Server) -> Self {
        Self::on(TestDb::migrated(server).await).await
    }

    /// The same on a given database.
    pub async fn on(db: TestDb) -> Self {
        let pool = db.pool().await;
        sqlx::raw_sql(
            "INSERT INTO plant (key, name, time_zone)
                 VALUES ('madrid', 'M', 'Europe/Madrid'), ('porto', 'P', 'Europe/Lisbon');
             INSERT INTO sensor (plant_id, key, name, quantity, unit, kind)
                 SELECT p.id, k, k, 'temperature', '°C', 'gauge'
                 FROM plant p JOIN (VALUES ('madrid', 'T1'), ('madrid', 'T2'), ('porto', 'T1')) v (p, k)
                 ON p.key = v.p",
        )
        .execute(&pool)
        .await
        .expect("plants and sensors");
        // reqwest's TLS is never used here, but it wants a provider.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().timeout(PATIENCE).build().expect("client");
        let folder = tempfile::tempdir().expect("folder");
        let (key, port) = (String::new(), 0);
        let mut service = Self { db, pool, key, folder, client, port, child: None };
        service.key = service.new_key("gateway", &[]).await;
        service
    }

    /// A new key's secret.
    pub async fn new_key(&self, name: &str, plants: &[&str]) -> String {
        let secret = Secret::generate().expect("random numbers");
        let plants: Vec<String> = plants.iter().map(|p| (*p).to_owned()).collect();
        let key = NewKey { name, scopes: &[Scope::Readings], plants: &plants, expires_at: None };
        assert!(store::insert(&self.pool, &key, &secret.hash()).await.expect("insert the key"));
        secret.reveal().to_owned()
    }

    /// The spool's directory, as the test sees it.
    pub fn spool(&self) -> PathBuf {
        self.folder.path().join("spool")
    }

    /// The segment files in it.
    pub fn segments(&self) -> Vec<PathBuf> {
        let files = std::fs::read_dir(self.spool()).map(|files| {
            let paths = files.map(|file| file.expect("file").path());
            paths.filter(|path| path.extension().is_some_and(|e| e == "spool")).collect()
        });
        let mut files: Vec<PathBuf> = files.unwrap_or_default();
        files.sort();
        files
    }

    /// Starts the process with these arguments more, and waits until it listens.
    pub fn start(&mut self, args: &[&str]) {
        let command = self.command(args);
        self.spawn(command);
    }

    /// Starts it where the spool is on a file system of its own, of so many KiB, which only the
    /// process sees.
    pub fn start_on_small_disk(&mut self, kib: u32, args: &[&str]) {
        let service = self.command(args);
        std::fs::create_dir_all(self.spool()).expect("mount point");
        let mount = format!(r#"mount -t tmpfs -o size={kib}k,mode=700 tmpfs "$0" && exec "$@""#);
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c", &mount]);
        command.arg(self.spool()).arg(service.get_program()).args(service.get_args());
        self.spawn(command);
    }

    /// The spool's directory, as the process on the small disk sees it.
    pub fn small_disk(&self) -> PathBuf {
        let process = self.child.as_ref().expect("a process").id();
        let root = PathBuf::from(format!("/proc/{process}/root"));
        root.join(self.spool().strip_prefix("/").expect("absolute"))
    }

    fn command(&mut self, args: &[&str]) -> Command {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
        self.port = free.expect("a port").port();
        let listen = format!("127.0.0.1:{}", self.port);
        let mut command = lotwise(&["ingest", "--database-url", &self.db.url, "--listen", &listen]);
        command.arg("--spool").arg(self.spool());
        if !args.contains(&"--spool-after-seconds") {
            // A database that is down is found out at once; a loaded machine is not one.
            command.args(["--spool-after-seconds", "30"]);
        }
        command.args(["--key-cache-seconds", "0"]).args(args);
        command
    }

    fn spawn(&mut self, mut command: Command) {
        assert!(self.child.is_none(), "it runs already");
        let log = File::options().create(true).append(true).open(self.log_file()).expect("log");
        let started = Instant::now();
        let mut child =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().expect("start");
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let ended = child.try_wait().expect("ask for the process");
            assert!(ended.is_none(), "ended with {ended:?}:\n{}", self.log());
            assert!(started.elapsed() < PATIENCE, "it does not listen:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        self.child = Some(child);
    }

    /// Starts a second process on the same spool, which has to end; what it said.
    pub fn second(&self) -> String {
        let mut command =
            lotwise(&["ingest", "--database-url", &self.db.url, "--listen", "127.0.0.1:0"]);
        let output = command.arg("--spool").arg(self.spool()).output().expect("run lotwise");
        assert!(!output.status.success());
        String::from_utf8(output.stderr).expect("text")
    }

    /// Kills it with SIGKILL.
    pub fn kill(&mut self) {
        let mut child = self.child.take().expect("a process");
        child.kill().expect("kill");
        child.wait().expect("wait");
    }

    /// Stops it with SIGTERM; it has to end well.
    pub fn terminate(&mut self) {
        let mut child = self.child.take().expect("a process");
        let id = child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().expect("kill").success());
        let status = child.wait().expect("wait");
        assert!(status.success(), "{status}:\n{}", self.log());
    }

    fn log_file(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// What all processes said.
    pub fn log(&self) -> String {
        read_to_string(self.log_file()).unwrap_or_default()
    }

    /// A request with a key.
    pub fn request_as(&self, key: &str, method: Method, path: &str) -> RequestBuilder {
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        self.client.request(method, url).bearer_auth(key)
    }

    pub async fn get(&self, path: &str) -> Answer {
        answer(self.request_as(&self.key, Method::GET, path)).await
    }

    /// Posts line protocol for plant `madrid` in seconds.
    pub async fn write(&self, lines: impl Into<reqwest::Body>) -> Answer {
        self.write_as(&self.key, lines).await
    }

    /// The same with another key.
    pub async fn write_as(&self, key: &str, lines: impl Into<reqwest::Body>) -> Answer {
        let path = "/api/v2/write?bucket=madrid&precision=s";
        answer(self.request_as(key, Method::POST, path).body(lines)).await
    }

    /// Posts readings of plant `madrid`.
    pub async fn readings(&self, rows: Value) -> Answer {
        self.readings_to("/v1/readings", rows).await
    }

    /// The same with parameters.
    pub async fn readings_to(&self, path: &str, rows: Value) -> Answer {
        let body = json!({"plant": "madrid", "readings": rows});
        answer(self.request_as(&self.key, Method::POST, path).json(&body)).await
    }

    /// Waits until nothing is in the spool of this directory.
    pub async fn drained_in(&self, folder: &Path) {
        let started = Instant::now();
        let is_left = || {
            std::fs::read_dir(folder).is_ok_and(|files| {
                files.flatten().any(|file| file.path().extension().is_some_and(|e| e == "spool"))
            })
        };
        while is_left() {
            assert!(started.elapsed() < PATIENCE, "the spool is not drained:\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until nothing is in the spool.
    pub async fn drained(&self) {
        self.drained_in(&self.spool()).await;
    }

    /// What is stored: `plant/sensor second value`, in order.
    pub async fn stored(&self) -> Vec<String> {
        sqlx::query_scalar(
            "SELECT format('%s/%s %s %s', p.key, s.key, date_part('epoch', r.time), r.value)
             FROM reading r JOIN sensor s ON s.id = r.sensor_id JOIN plant p ON p.id = r.plant_id
             ORDER BY p.key, s.key, r.time",
        )
        .fetch_all(&self.pool)
        .await
        .expect("the readings")
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
