//! Readings whose time is too far ahead of now or too long ago.

use chrono::Utc;
use lotwise::ingest::keys::Scope;
use lotwise::ingest::keys::rules::{Rules, Window};
use serde_json::json;

use super::on_both;
use crate::support::db::Server;
use crate::support::ingest::{Answer, Ingest, answer};

on_both!(
    readings_from_the_future_wait_until_it_is_past,
    what_is_too_old_for_a_key_waits_for_an_admin,
    each_key_has_its_own_windows,
);

const READINGS: &[Scope] = &[Scope::Readings];

/// The answer of `/v1/quarantine` and the like, with another key.
async fn call(ingest: &Ingest, method: reqwest::Method, path: &str, key: &str) -> Answer {
    answer(ingest.anonymous(method, path).bearer_auth(key)).await
}

/// `sensor value reason` of what waits.
async fn kept(ingest: &Ingest, filter: &str) -> Vec<String> {
    let answer = ingest.get(&format!("/v1/quarantine{filter}")).await;
    let items = answer.body["items"].as_array().unwrap_or_else(|| panic!("{}", answer.text));
    let text = |item: &serde_json::Value, field: &str| item[field].to_string().replace('"', "");
    let line = |i| format!("{} {} {}", text(i, "sensor"), text(i, "value"), text(i, "reason"));
    items.iter().map(line).collect()
}

async fn replay(ingest: &Ingest, query: &str) -> serde_json::Value {
    let answer = ingest.post(&format!("/v1/quarantine/replay{query}"), &json!({})).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body["replayed"].clone()
}

async fn readings_from_the_future_wait_until_it_is_past(server: Server) {
    let ingest = Ingest::with_plants(server).await;
    let now = Utc::now().timestamp();
    let (soon, later) = (now + 60, now + 3_600);
    let lines = format!("T1 value=1 {soon}\nT1 value=2 {later}\nT9 value=3 {later}\nT1 value=4 60");
    let sent = ingest.write(lines).await;
    assert_eq!(sent.status, 400, "{}", sent.text);
    let errors = sent.body["errors"].as_array().expect("errors");
    let codes: Vec<_> = errors.iter().map(|e| (&e["line"], &e["code"])).collect();
    let code = json!("in_future");
    assert_eq!(codes, [(&json!(2), &code), (&json!(3), &code)]);
    let message = errors[0]["message"].as_str().expect("text");
    assert!(message.contains("more than 15m ahead") && message.contains("quarantine"), "{message}");
    assert_eq!(
        ingest.stored().await,
        ["madrid/T1 60 4".to_owned(), format!("madrid/T1 {soon} 1")],
        "a clock may be a little ahead"
    );
    assert_eq!(kept(&ingest, "").await, ["T1 2 in_future", "T9 3 in_future"]);
    assert_eq!(replay(&ingest, "").await, json!(0), "it is still in the future");

    // An hour later; the sensor of the second is still unknown.
    sqlx::query("UPDATE quarantine SET time = time - interval '2 hours'")
        .execute(&ingest.pool)
        .await
        .expect("let time pass");
    assert_eq!(replay(&ingest, "?reason=unknown_sensor").await, json!(0));
    assert_eq!(replay(&ingest, "?reason=in_future").await, json!(1));
    assert_eq!(kept(&ingest, "?reason=in_future").await, ["T9 3 in_future"]);
    let past = later - 7_200;
    assert!(ingest.stored().await.contains(&format!("madrid/T1 {past} 2")));
}

async fn what_is_too_old_for_a_key_waits_for_an_admin(server: Server) {
    let ingest = Ingest::with_plants(server).await;
    let week = Rules { past_window: Window::parse("7d").ok(), ..Rules::default() };
    let gateway = ingest.new_key_with("gateway", READINGS, week).await;
    let now = Utc::now().timestamp();
    let (recent, old) = (now - 6 * 86_400, now - 8 * 86_400);
    let sent = ingest.write_as(&gateway, format!("T1 value=1 {recent}\nT1 value=2 {old}")).await;
    assert_eq!(sent.body["errors"][0]["code"], json!("too_old"), "{}", sent.text);
    let message = sent.body["errors"][0]["message"].as_str().expect("text");
    assert!(message.contains("more than 7d ago"), "{message}");
    assert_eq!(ingest.stored().await, [format!("madrid/T1 {recent} 1")]);
    assert_eq!(kept(&ingest, "?reason=too_old").await, ["T1 2 too_old"]);
    assert_eq!(ingest.get("/v1/quarantine?reason=tired").await.status, 400);

    // Time does not make it younger: only somebody who may decide that stores it.
    assert_eq!(replay(&ingest, "").await, json!(0));
    assert_eq!(replay(&ingest, "?reason=too_old").await, json!(0));
    let force = "/v1/quarantine/replay?reason=too_old&force=true";
    let refused = ingest.post(force, &json!({})).await;
    assert_eq!((refused.status, &refused.body["code"]), (403, &json!("scope_missing")));
    let admin = ingest.new_key("admin", &[Scope::Admin], &["madrid"], None).await;
    let forced = call(&ingest, reqwest::Method::POST, force, &admin).await;
    assert_eq!(forced.body, json!({"replayed": 1}), "{}", forced.text);
    assert_eq!(
        ingest.stored().await,
        [format!("madrid/T1 {old} 2"), format!("madrid/T1 {recent} 1")]
    );
}

async fn each_key_has_its_own_windows(server: Server) {
    let ingest = Ingest::with_plants(server).await;
    let strict = Rules {
        future_window: Window::parse("0").ok(),
        past_window: Window::parse("1h").ok(),
        ..Rules::default()
    };
    let open = Rules { future_window: Some(Window::UNLIMITED), ..Rules::default() };
    let strict = ingest.new_key_with("strict", READINGS, strict).await;
    let open = ingest.new_key_with("open", READINGS, open).await;
    let now = Utc::now().timestamp();
    let lines = |value: u8| format!("T1 value={value} {}\nT1 value={value} 60", now + 600);
    let sent = ingest.write_as(&strict, lines(1)).await;
    let codes: Vec<_> =
        sent.body["errors"].as_array().expect("errors").iter().map(|e| &e["code"]).collect();
    assert_eq!(codes, [&json!("in_future"), &json!("too_old")], "{}", sent.text);
    assert_eq!(ingest.write_as(&open, lines(2)).await.status, 204);
    assert_eq!(ingest.write_as(&open, "T1 value=3 4000000000").await.status, 204);
    // What was stored in the meantime is newer than what waits.
    assert_eq!(replay(&ingest, "").await, json!(0));
    let admin = ingest.new_key("admin", &[Scope::Admin], &[], None).await;
    let force = "/v1/quarantine/replay?force=true";
    let forced = call(&ingest, reqwest::Method::POST, force, &admin).await;
    assert_eq!(forced.body, json!({"replayed": 2}));
    let stored = [
        "madrid/T1 60 2".to_owned(),
        format!("madrid/T1 {} 2", now + 600),
        "madrid/T1 4000000000 3".to_owned(),
    ];
    assert_eq!(ingest.stored().await, stored);
}
