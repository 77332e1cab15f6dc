//! The real ingest service on a port of its own, with a database of its own.

use std::time::Duration;

use lotwise::ingest::keys::rules::Rules;
use lotwise::ingest::keys::store::{self, NewKey};
use lotwise::ingest::keys::{Scope, Secret};
use lotwise::ingest::service::{self, Args, LimitArgs};
use lotwise::ingest::telemetry::LogFormat;
use lotwise::ingest::tls::TlsArgs;
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use sqlx::postgres::PgPool;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::db::{Server, TestDb};

/// Longest wait of a test on a machine that others load.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running service.
pub struct Ingest {
    pub db: TestDb,
    pub pool: PgPool,
    /// Secret of a key for readings and context of all plants.
    pub key: String,
    url: String,
    client: Client,
    stop: Option<oneshot::Sender<()>>,
    served: Option<JoinHandle<anyhow::Result<()>>>,
}

/// What a request gave.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: Value,
    pub text: String,
}

impl Ingest {
    /// Starts it on a new database without plants.
    pub async fn start(server: Server) -> Self {
        // reqwest's TLS is not used here, but it wants a provider.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = Client::builder().timeout(PATIENCE).build().expect("client");
        Self::start_with(server, client, |_| {}).await
    }

    /// Starts it with other settings, which this client fits.
    pub async fn start_with(
        server: Server,
        client: Client,
        change: impl FnOnce(&mut Args),
    ) -> Self {
        let db = TestDb::migrated(server).await;
        let pool = db.pool().await;
        let Running { url, stop, served } = serve(&db, change).await;
        let (stop, served) = (Some(stop), Some(served));
        let mut ingest = Self { db, pool, key: String::new(), url, client, stop, served };
        ingest.key = ingest.new_key("all", &[Scope::Readings, Scope::Context], &[], None).await;
        ingest
    }

    /// Stops it, and starts it again on the same database.
    pub async fn restart(&mut self, change: impl FnOnce(&mut Args)) {
        self.stop().await;
        let Running { url, stop, served } = serve(&self.db, change).await;
        (self.url, self.stop, self.served) = (url, Some(stop), Some(served));
    }

    /// Starts it with plant `madrid` (line `M1`, machine `oven`, sensors `T1` and `E1`) and plant
    /// `porto` (sensor `T1`).
    pub async fn with_plants(server: Server) -> Self {
        let ingest = Self::start(server).await;
        ingest.make_plants().await;
        ingest
    }

    /// Makes the plants of [`Self::with_plants`].
    pub async fn make_plants(&self) {
        let ingest = self;
        ingest
            .create(
                "plants",
                json!([
                {"key": "madrid", "name": "Madrid", "time_zone": "Europe/Madrid"},
                {"key": "porto", "name": "Porto", "time_zone": "Europe/Lisbon", "locale": "pt"}]),
            )
            .await;
        ingest.create("lines", json!([{"plant": "madrid", "key": "M1", "name": "Line 1"}])).await;
        ingest
            .create(
                "machines",
                json!([{"plant": "madrid", "line": "M1", "key": "oven", "name": "Oven"}]),
            )
            .await;
        ingest
            .create("sensors", json!([
                {"plant": "madrid", "key": "T1", "name": "T1", "machine": "oven", "quantity": "temperature", "unit": "°C", "kind": "gauge"},
                {"plant": "madrid", "key": "E1", "name": "E1", "line": "M1", "quantity": "energy", "unit": "kWh", "kind": "counter"},
                {"plant": "porto", "key": "T1", "name": "T1", "quantity": "temperature", "unit": "°C", "kind": "gauge"}]))
            .await;
    }

    /// A new key's secret.
    pub async fn new_key(
        &self,
        name: &str,
        scopes: &[Scope],
        plants: &[&str],
        expires_at: Option<chrono::DateTime<chrono::Utc>>,
    ) -> String {
        let secret = Secret::generate().expect("random numbers");
        let plants: Vec<String> = plants.iter().map(|p| (*p).to_owned()).collect();
        let key = NewKey { name, scopes, plants: &plants, expires_at };
        assert!(store::insert(&self.pool, &key, &secret.hash()).await.expect("insert the key"));
        secret.reveal().to_owned()
    }

    /// A new key's secret, with rules of its own.
    pub async fn new_key_with(&self, name: &str, scopes: &[Scope], rules: Rules) -> String {
        let secret = self.new_key(name, scopes, &["madrid"], None).await;
        assert!(store::set_rules(&self.pool, name, &rules).await.expect("set the key's rules"));
        secret
    }

    /// Posts line protocol for plant `madrid` in seconds with another key.
    pub async fn write_as(&self, secret: &str, lines: impl Into<reqwest::Body>) -> Answer {
        let request = self.anonymous(Method::POST, "/api/v2/write?bucket=madrid&precision=s");
        answer(request.bearer_auth(secret).body(lines)).await
    }

    /// Where it listens.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A request with the key.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url)).bearer_auth(&self.key)
    }

    /// A request without a key.
    pub fn anonymous(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    pub async fn get(&self, path: &str) -> Answer {
        answer(self.request(Method::GET, path)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        answer(self.request(Method::POST, path).json(body)).await
    }

    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        answer(self.request(Method::PATCH, path).json(body)).await
    }

    /// Posts line protocol for plant `madrid` in seconds.
    pub async fn write(&self, lines: impl Into<reqwest::Body>) -> Answer {
        answer(self.request(Method::POST, "/api/v2/write?bucket=madrid&precision=s").body(lines))
            .await
    }

    /// Posts readings of plant `madrid`.
    pub async fn readings(&self, rows: Value) -> Answer {
        self.post("/v1/readings", &json!({"plant": "madrid", "readings": rows})).await
    }

    /// Posts items that all have to be accepted.
    pub async fn create(&self, resource: &str, items: Value) {
        let answer = self.post(&format!("/v1/{resource}"), &json!({"items": items})).await;
        assert_eq!((answer.status, &answer.body["rejected"]), (200, &json!(0)), "{}", answer.text);
    }

    /// Posts one item that has to be refused; gives its code and message.
    pub async fn refuse(&self, resource: &str, item: Value) -> (String, String) {
        let answer = self.post(&format!("/v1/{resource}"), &json!({"items": [item]})).await;
        assert_eq!((answer.status, &answer.body["rejected"]), (200, &json!(1)), "{}", answer.text);
        let error = &answer.body["errors"][0];
        let text = |field: &str| error[field].as_str().expect("text").to_owned();
        (text("code"), text("message"))
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

    /// Stops it as SIGTERM does, and waits until it is gone.
    pub async fn stop(&mut self) {
        drop(self.stop.take());
        if let Some(served) = self.served.take() {
            let served = tokio::time::timeout(PATIENCE, served).await;
            served.expect("stops in time").expect("no panic").expect("no error");
        }
    }
}

struct Running {
    url: String,
    stop: oneshot::Sender<()>,
    served: JoinHandle<anyhow::Result<()>>,
}

async fn serve(db: &TestDb, change: impl FnOnce(&mut Args)) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("address");
    // With the rights that the documentation asks for, and no more.
    let mut database_url = url::Url::parse(&db.url).expect("URL of the test database");
    database_url.query_pairs_mut().append_pair("options", "-c role=lotwise_writer");
    // sqlx reads a plus as itself, not as a space.
    let database_url = database_url.as_str().replace('+', "%20");
    let mut args = Args {
        database_url,
        listen: String::new(),
        max_body_bytes: 100_000,
        body_seconds: 60,
        writers: 2,
        key_cache_seconds: 0,
        limits: LimitArgs::default(),
        tls: TlsArgs::default(),
        metrics_listen: None,
        metrics_sensors: 5_000,
        rollup_seconds: 0,
        spool: lotwise::ingest::spool::Settings::default(),
        log_format: LogFormat::Text,
    };
    change(&mut args);
    let url = match args.tls.tls_cert {
        None => format!("http://{address}"),
        Some(_) => format!("https://localhost:{}", address.port()),
    };
    let (stop, stopped) = oneshot::channel();
    let served = tokio::spawn(async move {
        service::serve(listener, &args, async { drop(stopped.await) }).await
    });
    Running { url, stop, served }
}

/// Sends a request.
pub async fn answer(request: RequestBuilder) -> Answer {
    let response = request.send().await.expect("an answer");
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await.expect("a body");
    let body = serde_json::from_str(&text).unwrap_or(Value::Null);
    Answer { status, headers, body, text }
}
