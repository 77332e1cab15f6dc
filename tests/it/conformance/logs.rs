//! What the plugin writes to Grafana's log, and what it never writes.

use serde_json::{Value, json};

use crate::support::db::Server;
use crate::support::fixture;
use crate::support::host::Launch;
use crate::support::panel::{DataSource, PLUGIN, Plugin, query};

const PASSWORD: &str = "Open-Sesame-1";
const KEY: &str = "TopSecretKeyMaterial";

fn debug() -> Launch {
    Launch::new(PLUGIN).env("GF_PLUGIN_LOG_LEVEL", "debug").env("RUST_LOG", "trace")
}

/// Asks everything, and gives back all that the plugin logged and answered.
async fn everything_said(source: DataSource) -> String {
    let plugin = Plugin::launch(&debug(), source).await;
    let answers = plugin
        .ask(vec![query("A", json!({"type": "latest"})), query("B", json!({"type": "kpi"}))])
        .await;
    let mut said: Vec<String> = answers.values().map(|answer| answer.error.clone()).collect();
    let (_, message, details) = plugin.health().await;
    said.extend([message, details.to_string()]);
    said.push(plugin.pick("plants").await.body.to_string());
    said.extend(plugin.host.stop().await.expect("stop").log);
    said.join("\n")
}

#[tokio::test]
async fn never_hold_a_secret() {
    let db = fixture::factory(Server::Plain).await;
    let base = DataSource::of(&db.url).set("user", json!("postgres"));
    let pem =
        |body: &str| format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n");
    let with_key = |key: &str| {
        base.clone()
            .set("tlsMode", json!("require"))
            .secret("tlsClientCert", &pem("AAAA").replace("PRIVATE KEY", "CERTIFICATE"))
            .secret("tlsClientKey", key)
    };
    let sources = [
        base.clone().secret("password", PASSWORD),
        base.clone().set("port", json!(1)).secret("password", PASSWORD),
        base.clone().set("host", json!("nowhere.invalid")).secret("password", PASSWORD),
        base.clone().set("tlsMode", json!("require")).secret("password", PASSWORD),
        base.clone().set("tlsMode", json!("nonsense")).secret("password", PASSWORD),
        with_key(KEY),
        with_key(&pem(KEY)),
        with_key(&format!("-----BEGIN PRIVATE KEY-----\n{KEY}")),
    ];
    for source in sources {
        let working = everything_said(source.clone()).await;
        assert!(working.contains("not answered"), "debug lines of failures: {working}");
        for secret in [PASSWORD, KEY] {
            assert!(!working.contains(secret), "{secret} in: {working}");
        }
    }
}

#[tokio::test]
async fn are_one_json_object_a_line() {
    let db = fixture::factory(Server::Plain).await;
    let plugin = Plugin::launch(&debug(), DataSource::of(&db.url)).await;
    let mut bad = query("bad", json!({"type": "latest"}));
    bad.json = "{\"type\":\n\"no\u{1b}ne\"}".into();
    plugin.ask(vec![query("good", json!({"type": "latest"})), bad]).await;
    let stopped = plugin.host.stop().await.expect("stop");
    let lines: Vec<Value> = stopped
        .log
        .iter()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect();
    for line in &lines {
        for key in ["@level", "@message", "@timestamp"] {
            assert!(line[key].is_string(), "{key} of {line}");
        }
    }
    let said = |message: &str| lines.iter().filter(|l| l["@message"] == message).count();
    assert_eq!((said("plugin started"), said("answered"), said("not answered")), (1, 1, 1));
}

#[tokio::test]
async fn are_quiet_unless_asked() {
    let db = fixture::factory(Server::Plain).await;
    let plugin = Plugin::start(&db).await;
    plugin.ask(vec![query("A", json!({"type": "latest"}))]).await;
    let log = plugin.host.stop().await.expect("stop").log;
    assert!(!log.iter().any(|line| line.to_lowercase().contains("\"debug\"")), "{log:?}");
}
