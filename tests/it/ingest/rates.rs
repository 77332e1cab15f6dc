//! How fast a key may send.

use std::time::Duration;

use lotwise::ingest::keys::Scope;
use lotwise::ingest::keys::rules::{Rate, Rules};
use reqwest::Method;
use serde_json::json;

use super::on_both;
use crate::support::db::Server;
use crate::support::ingest::{Answer, Ingest, answer};

on_both!(a_large_batch_passes_and_the_next_one_waits);

fn rules(readings: &str, requests: &str) -> Rules {
    let rate = |text| Rate::parse(text).ok();
    Rules {
        readings: rate(readings),
        requests: rate(requests),
        burst_s: Some(1.0),
        ..Rules::default()
    }
}

fn wait_s(answer: &Answer) -> u64 {
    let text = answer.headers.get("retry-after").unwrap_or_else(|| panic!("{}", answer.text));
    text.to_str().ok().and_then(|t| t.parse().ok()).expect("whole seconds")
}

/// Rates are slow enough that a test which takes minutes sees the same.
async fn a_large_batch_passes_and_the_next_one_waits(server: Server) {
    let ingest = Ingest::with_plants(server).await;
    let key = ingest.new_key_with("gateway", &[Scope::Readings], rules("0.01", "none")).await;
    let lines: Vec<_> = (0..400).map(|s| format!("T1 value=1 {s}")).collect();
    // Many times what may come at once.
    assert_eq!(ingest.write_as(&key, lines.join("\n")).await.status, 204);
    let refused = ingest.write_as(&key, "T1 value=2 500").await;
    assert_eq!(
        (refused.status, &refused.body["code"]),
        (429, &json!("too many requests")),
        "{}",
        refused.text
    );
    assert!(refused.body["message"].as_str().is_some_and(|m| m.contains("0.01 readings a second")));
    let wait = wait_s(&refused);
    assert!((30_000..=40_000).contains(&wait), "{wait} s for 400 readings at 0.01 a second");
    assert_eq!(ingest.stored().await.len(), 400, "what is refused is not stored");
    // The other keys have their own rates.
    assert_eq!(ingest.write("T1 value=3 600").await.status, 204);
    passes_after_the_wait(&ingest).await;
}

/// Who waits as long as he is told is let in.
async fn passes_after_the_wait(ingest: &Ingest) {
    let key = ingest.new_key_with("patient", &[Scope::Readings], rules("100", "none")).await;
    let lines: Vec<_> = (0..300).map(|s| format!("T1 value=1 {s}")).collect();
    assert_eq!(ingest.write_as(&key, lines.join("\n")).await.status, 204);
    let next = ingest.write_as(&key, "T1 value=2 500").await;
    if next.status == 429 {
        let wait = wait_s(&next);
        assert!((1..=3).contains(&wait), "{wait} s for 300 readings at 100 a second");
        tokio::time::sleep(Duration::from_secs(wait)).await;
        assert_eq!(ingest.write_as(&key, "T1 value=2 500").await.status, 204);
    } else {
        // The machine was so slow that the wait was over.
        assert_eq!(next.status, 204, "{}", next.text);
    }
}

#[tokio::test]
async fn every_route_that_writes_is_limited_and_none_that_reads() {
    let ingest = Ingest::with_plants(Server::Plain).await;
    // One request in a hundred thousand seconds, after the first.
    let scopes = [Scope::Readings, Scope::Context];
    let key = ingest.new_key_with("slow", &scopes, rules("none", "0.00001")).await;
    assert_eq!(ingest.write_as(&key, "T1 value=1 60").await.status, 204);
    let api = ingest.get("/openapi.json").await.body;
    let mut tried = 0;
    for (path, item) in api["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            if operation["security"].is_null() {
                continue;
            }
            let path = path.replace("{plant}", "madrid").replace("{key}", "R1");
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).expect("method");
            let is_safe = method.is_safe();
            let request = ingest.anonymous(method.clone(), &path).bearer_auth(&key).body("{}");
            let got = answer(request).await;
            if is_safe {
                assert_eq!(got.status, 200, "{method} {path}: {}", got.text);
            } else {
                assert_eq!(got.status, 429, "{method} {path}: {}", got.text);
                let wait = wait_s(&got);
                assert!((90_000..=100_000).contains(&wait), "{wait} s");
                let documented = &operation["responses"]["429"];
                assert!(documented.is_object(), "{method} {path} does not document 429");
                tried += 1;
            }
        }
    }
    assert!(tried > 10, "{tried} routes");
    let metrics = answer(ingest.anonymous(Method::GET, "/metrics")).await.text;
    let counted = "lotwise_ingest_rate_limited_total{key=\"slow\",measure=\"requests\"}";
    assert!(metrics.contains(counted), "{metrics}");
}

#[tokio::test]
async fn what_the_database_did_not_take_is_not_counted() {
    let ingest = Ingest::with_plants(Server::Plain).await;
    let key = ingest.new_key_with("gateway", &[Scope::Readings], rules("0.01", "none")).await;
    let lines = || (0..300).map(|s| format!("T1 value=1 {s}\n")).collect::<String>();
    // The sensor is known, the table is gone: 503, and no debt.
    assert_eq!(ingest.write("T1 value=1 0").await.status, 204);
    let rename = |from: &'static str| sqlx::query(from).execute(&ingest.pool);
    rename("ALTER TABLE reading RENAME TO elsewhere").await.expect("rename");
    for _ in 0..2 {
        assert_eq!(ingest.write_as(&key, lines()).await.status, 503);
    }
    rename("ALTER TABLE elsewhere RENAME TO reading").await.expect("rename");
    assert_eq!(ingest.write_as(&key, lines()).await.status, 204);
    assert_eq!(ingest.write_as(&key, lines()).await.status, 429);
}
