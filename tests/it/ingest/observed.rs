//! What the service tells of itself: metrics, log lines, request ids, silent sensors.

use std::collections::BTreeSet;
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::time::{Duration, Instant};

use chrono::Utc;
use lotwise::ingest::keys::Scope;
use reqwest::Method;
use serde_json::{Value, json};

use super::on_both;
use crate::support::command::lotwise;
use crate::support::db::{Server, TestDb};
use crate::support::ingest::{Ingest, answer};

on_both!(metrics_tell_how_fresh_the_readings_are, silent_sensors_are_listed);

/// Of a plant of its own, because the tests share the process's metrics.
async fn value(ingest: &Ingest, series: &str) -> Option<f64> {
    let text = answer(ingest.anonymous(Method::GET, "/metrics")).await.text;
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.map(|value| value.parse().expect("a number"))
}

/// Waits until a series has a value that fits.
async fn eventually(ingest: &Ingest, series: &str, fits: impl Fn(f64) -> bool) {
    let started = Instant::now();
    loop {
        let seen = value(ingest, series).await;
        if seen.is_some_and(&fits) {
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(300), "{series} is {seen:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn metrics_tell_how_fresh_the_readings_are(server: Server) {
    let mut ingest = Ingest::start(server).await;
    let plant = format!("fresh-{server:?}");
    ingest.create("plants", json!([{"key": plant, "name": "P", "time_zone": "UTC"}])).await;
    let sensor = |key: &str| json!({"plant": plant, "key": key, "name": key, "quantity": "power", "unit": "kW", "kind": "gauge"});
    ingest.create("sensors", json!([sensor("a"), sensor("b\"c"), sensor("never")])).await;
    let now = Utc::now().timestamp();
    let write = async |rows: &[(&str, i64)]| {
        let rows: Vec<_> = rows
            .iter()
            .map(|(key, s)| json!({"sensor": key, "time": s * 1_000, "value": 1}))
            .collect();
        let body = json!({"plant": plant, "readings": rows});
        assert_eq!(ingest.post("/v1/readings", &body).await.body["rejected"], json!(0));
    };
    // Ahead as far as may be, so that it is not silent before the test ends, however slow.
    let ahead = now + 800;
    write(&[("a", now - 600), ("b\"c", ahead)]).await;
    let seen = |key: &str| {
        format!(
            "lotwise_ingest_sensor_last_seen_timestamp_seconds{{plant=\"{plant}\",sensor=\"{key}\"}}"
        )
    };
    eventually(&ingest, &seen("a"), |s| s == (now - 600) as f64).await;
    eventually(&ingest, &seen("b\\\"c"), |s| s == ahead as f64).await;
    assert_eq!(value(&ingest, &seen("never")).await, None);
    let of_plant = |name: &str| format!("lotwise_ingest_{name}{{plant=\"{plant}\"}}");
    let newest = of_plant("plant_last_seen_timestamp_seconds");
    assert_eq!(value(&ingest, &newest).await, Some(ahead as f64));
    // One sent ten minutes ago, one never.
    assert_eq!(value(&ingest, &of_plant("sensors_silent")).await, Some(2.0));

    // An interval is 60 s: of these, two are late.
    let late = of_plant("readings_late_total");
    assert_eq!(value(&ingest, &late).await, None);
    write(&[("a", now - 661), ("a", now - 659), ("b\"c", now - 500), ("b\"c", ahead + 1)]).await;
    assert_eq!(value(&ingest, &late).await, Some(2.0));
    let lag = |part: &str| format!("lotwise_ingest_lag_seconds{part}");
    let count = value(&ingest, &lag(&format!("_count{{plant=\"{plant}\"}}"))).await;
    assert!(count.is_some_and(|count| count >= 1.0), "{count:?}");

    // A service that starts later knows what the database holds.
    ingest.restart(|args| args.metrics_sensors = 1).await;
    eventually(&ingest, &seen("a"), |s| s == (now - 600) as f64).await;
    assert_eq!(value(&ingest, &seen("b\\\"c")).await, None, "only so many have their own");

    let text = answer(ingest.anonymous(Method::GET, "/metrics")).await.text;
    for name in [
        "process_resident_memory_bytes",
        "process_cpu_seconds_total",
        "lotwise_ingest_requests_open",
    ] {
        assert!(text.lines().any(|line| line.starts_with(name)), "{name} is missing in {text}");
    }
    assert!(!text.contains(&ingest.key));
}

async fn silent_sensors_are_listed(server: Server) {
    let ingest = Ingest::with_plants(server).await;
    let sensor = |key: &str, interval_s: u32| json!({"plant": "madrid", "key": key, "name": key, "quantity": "power", "unit": "kW", "kind": "gauge", "interval_s": interval_s});
    ingest.create("sensors", json!([sensor("slow", 600)])).await;
    let now = Utc::now().timestamp();
    // T1 may be silent for 300 s, slow for 1,800; E1 never sent. What is ahead is no sign of life.
    let lines =
        format!("T1 value=1 {}\nT1 value=1 {}\nslow value=1 {}", now - 400, now + 300, now - 1_000);
    assert_eq!(ingest.write(lines).await.status, 204);
    let listed = async |query: &str| {
        let answer = ingest.get(&format!("/v1/sensors/silent{query}")).await;
        let items = answer.body["items"].as_array().unwrap_or_else(|| panic!("{}", answer.text));
        items
            .iter()
            .map(|i| {
                format!(
                    "{}/{}",
                    i["plant"].as_str().unwrap_or("?"),
                    i["key"].as_str().unwrap_or("?")
                )
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(listed("").await, ["madrid/E1", "madrid/T1", "porto/T1"]);
    // The longest gap counts where it is longer: 300 s for T1, three intervals for slow.
    assert_eq!(listed("?plant=madrid&factor=1").await, ["madrid/E1", "madrid/T1"]);
    assert_eq!(listed("?plant=madrid&factor=8").await, ["madrid/E1"]);
    assert_eq!(listed("?plant=madrid&after_s=900").await, ["madrid/E1", "madrid/slow"]);
    assert_eq!(listed("?plant=madrid&after_s=0&limit=1").await, ["madrid/E1"]);
    let answer = ingest.get("/v1/sensors/silent?plant=madrid").await;
    let (never, since) = (&answer.body["items"][0], &answer.body["items"][1]);
    assert_eq!((&never["last_seen"], &never["age_s"]), (&Value::Null, &Value::Null));
    assert_eq!(
        (&since["line"], &since["machine"], &since["silent_after_s"], &since["interval_s"]),
        (&json!("M1"), &json!("oven"), &json!(300), &json!(60)),
        "{}",
        answer.text
    );
    assert!(since["age_s"].as_f64().is_some_and(|age| (400.0..500.0).contains(&age)), "{since}");
    for bad in ["?after_s=-1", "?factor=many", "?after_s=1&factor=1", "?factor=NaN", "?after_s=inf"]
    {
        assert_eq!(ingest.get(&format!("/v1/sensors/silent{bad}")).await.status, 400, "{bad}");
    }
    let porto = ingest.new_key("porto", &[Scope::Readings], &["porto"], None).await;
    let ask = |path: &str| answer_with(ingest.anonymous(Method::GET, path).bearer_auth(&porto));
    assert_eq!(ask("/v1/sensors/silent").await["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(ask("/v1/sensors/silent?plant=madrid").await["code"], json!("plant_not_allowed"));
}

async fn answer_with(request: reqwest::RequestBuilder) -> Value {
    answer(request).await.body
}

#[tokio::test]
async fn every_answer_has_the_requests_id() {
    let ingest = Ingest::with_plants(Server::Plain).await;
    let id = async |given: Option<&str>, path: &str| {
        let mut request = ingest.request(Method::GET, path);
        if let Some(given) = given {
            request = request.header("x-request-id", given);
        }
        let answer = answer(request).await;
        answer.headers["x-request-id"].to_str().expect("text").to_owned()
    };
    assert_eq!(id(Some("gw-1:77"), "/health").await, "gw-1:77");
    assert_eq!(id(Some("gw-1:77"), "/v1/nothing").await, "gw-1:77");
    let made = id(None, "/v1/plants").await;
    assert!(made.len() == 16 && made != id(None, "/v1/plants").await, "{made}");
    assert_ne!(id(Some("no \"quotes\""), "/health").await, "no \"quotes\"");
}

#[tokio::test]
async fn a_refused_request_is_one_line_of_json_without_secrets() {
    let db = TestDb::migrated(Server::Plain).await;
    let folder = tempfile::tempdir().expect("folder");
    let made = lotwise(&["key", "create", "--name", "gw-7", "--scope", "context"])
        .args(["--database-url", &db.url])
        .output()
        .expect("make a key");
    let key = String::from_utf8(made.stdout).expect("text").trim().to_owned();
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("address").to_string();
    drop(free);
    let log = folder.path().join("log");
    let mut service = lotwise(&["ingest", "--database-url", &db.url, "--listen", &address])
        .env("LOTWISE_LOG_FORMAT", "json")
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&log).expect("file"))
        .spawn()
        .expect("start lotwise ingest");
    let started = Instant::now();
    while TcpStream::connect(&address).is_err() {
        assert!(started.elapsed() < Duration::from_secs(120), "lotwise ingest does not listen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::new();
    let post = |key: &str, id: &str| {
        let url = format!("http://{address}/v1/readings?secret=in-the-url");
        client.post(url).bearer_auth(key).header("x-request-id", id.to_owned()).body("{}")
    };
    assert_eq!(answer(post(&key, "one")).await.status, 403);
    assert_eq!(answer(post("lw_wrong", "two")).await.status, 401);
    // A table that is gone: not now, and why is in the log with the same id.
    let pool = db.pool().await;
    sqlx::query("ALTER TABLE plant RENAME TO elsewhere").execute(&pool).await.expect("rename");
    let plants = client.get(format!("http://{address}/v1/plants")).bearer_auth(&key);
    assert_eq!(answer(plants.header("x-request-id", "three")).await.status, 503);
    service.kill().expect("stop");
    service.wait().expect("stopped");

    let text = std::fs::read_to_string(&log).expect("the log");
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect();
    let requests: Vec<_> =
        lines.iter().filter(|line| line["message"] == json!("request")).collect();
    let shown = |line: &Value| {
        [
            "level",
            "request.id",
            "http.method",
            "http.route",
            "http.status",
            "error.code",
            "key.name",
        ]
        .map(|field| line[field].clone())
    };
    let expected = [
        json!(["INFO", "one", "POST", "/v1/readings", 403, "scope_missing", "gw-7"]),
        json!(["INFO", "two", "POST", "/v1/readings", 401, "key_unknown", null]),
        json!(["WARN", "three", "GET", "/v1/plants", 503, "unavailable", "gw-7"]),
    ];
    let got: Vec<Value> = requests.iter().map(|line| json!(shown(line))).collect();
    assert_eq!(got, expected, "{text}");
    assert!(requests.iter().all(|line| line["duration_ms"].is_number()));
    let failure = lines.iter().find(|line| line["message"] == json!("database unavailable"));
    let failure = failure.unwrap_or_else(|| panic!("{text}"));
    assert_eq!(failure["span"]["request.id"], json!("three"), "{failure}");
    assert!(failure["error.source"].as_str().is_some_and(|e| e.contains("lotwise.plant")));
    for secret in [&key[3..], "lw_wrong", "in-the-url"] {
        assert!(!text.contains(secret), "{secret} is in the log");
    }
}

/// Names of metrics of ours in a text.
fn names(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split(|c| !is_part(c))
        .filter(|word| word.starts_with("lotwise_ingest_"))
        .map(|word| {
            let base = ["_bucket", "_count", "_sum"].iter().find_map(|end| word.strip_suffix(end));
            base.unwrap_or(word).to_owned()
        })
        .collect()
}

#[test]
fn every_metric_is_documented_and_every_alert_rule_uses_one() {
    let known = names(include_str!("../../../src/ingest/telemetry.rs"));
    let documented = names(include_str!("../../../docs/admin.md"));
    assert_eq!(documented, known, "docs/admin.md lists other metrics than telemetry.rs has");
    let text = include_str!("../../../dist-scripts/prometheus-alerts.yaml");
    let rules: serde_yaml_ng::Value = serde_yaml_ng::from_str(text).expect("YAML");
    let rules: Vec<_> = rules["groups"]
        .as_sequence()
        .expect("groups")
        .iter()
        .flat_map(|group| group["rules"].as_sequence().expect("rules"))
        .collect();
    assert!(rules.len() > 5);
    for rule in rules {
        let text =
            |field: &str| rule[field].as_str().unwrap_or_else(|| panic!("{field}: {rule:?}"));
        let (name, expression) = (text("alert"), text("expr"));
        let used = names(expression);
        assert!(used.is_subset(&known), "{name}: {used:?}");
        assert!(!used.is_empty() || expression.starts_with("up{"), "{name}: {expression}");
        for (open, close) in [('(', ')'), ('{', '}'), ('[', ']')] {
            let count = |c| expression.chars().filter(|x| *x == c).count();
            assert_eq!(count(open), count(close), "{name}: {expression}");
        }
        assert!(rule["labels"]["severity"].is_string(), "{name}");
        assert!(rule["annotations"]["summary"].is_string(), "{name}");
    }
}
