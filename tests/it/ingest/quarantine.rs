//! Readings of unknown sensors: kept, listed, replayed.

use lotwise::ingest::keys::Scope;
use reqwest::Method;
use serde_json::json;

use super::on_both;
use crate::support::db::Server;
use crate::support::ingest::{Ingest, answer as send};

on_both!(
    readings_of_an_unknown_sensor_wait_for_it,
    a_key_sees_only_its_own_plants_quarantine,
    only_what_a_sensor_could_have_sent_is_kept,
    what_is_old_is_forgotten,
);

async fn readings_of_an_unknown_sensor_wait_for_it(server: Server) {
    let ingest = Ingest::with_plants(server).await;
    // Weeks that have no partition yet, and a repeat with another value.
    let lines = "T9 value=1 60\nT9 value=2 1774744200\nT9 value=3 1774744200\nT1 value=7 60\n";
    let answer = ingest.write(lines).await;
    assert_eq!(answer.status, 400);
    assert_eq!(ingest.stored().await, ["madrid/T1 60 7"]);
    let kept = ingest.get("/v1/quarantine?plant=madrid").await;
    assert_eq!(kept.status, 200, "{}", kept.text);
    let items = kept.body["items"].as_array().expect("items");
    let shown: Vec<_> = items.iter().map(|i| (&i["sensor"], &i["value"], &i["reason"])).collect();
    let reason = json!("unknown_sensor");
    assert_eq!(shown, [(&json!("T9"), &json!(1), &reason), (&json!("T9"), &json!(3), &reason)]);

    let early = ingest.post("/v1/quarantine/replay", &json!({})).await;
    assert_eq!(early.body, json!({"replayed": 0}), "the sensor is not registered yet");
    let sensor = json!([{"plant": "madrid", "key": "T9", "name": "T9", "quantity": "temperature",
        "unit": "°C", "kind": "gauge"}]);
    ingest.create("sensors", sensor).await;
    // What the sensor has got by itself is newer than what waited.
    assert_eq!(ingest.write("T9 value=9 60").await.status, 204);
    let replayed = ingest.post("/v1/quarantine/replay?plant=madrid", &json!({})).await;
    assert_eq!(replayed.body, json!({"replayed": 2}), "{}", replayed.text);
    assert_eq!(
        ingest.stored().await,
        ["madrid/T1 60 7", "madrid/T9 60 9", "madrid/T9 1774744200 3"]
    );
    assert_eq!(ingest.get("/v1/quarantine").await.body["items"], json!([]));
}

async fn a_key_sees_only_its_own_plants_quarantine(server: Server) {
    let ingest = Ingest::with_plants(server).await;
    let rows = json!([{"sensor": "T9", "time": 60_000, "value": 1},
        {"plant": "porto", "sensor": "T9", "time": 60_000, "value": 2}]);
    assert_eq!(ingest.readings(rows).await.body["rejected"], json!(2));
    let all = ingest.get("/v1/quarantine").await;
    assert_eq!(all.body["items"].as_array().map(Vec::len), Some(2));
    let one = ingest.get("/v1/quarantine?plant=porto&limit=1").await;
    assert_eq!(
        (&one.body["items"][0]["plant"], &one.body["truncated"]),
        (&json!("porto"), &json!(false))
    );
    assert_eq!(ingest.get("/v1/quarantine?limit=1").await.body["truncated"], json!(true));
    assert_eq!(ingest.get("/v1/quarantine?limit=many").await.status, 400);
    let porto = ingest.new_key("porto", &[Scope::Readings], &["porto"], None).await;
    let ask = |path: &str| {
        send(ingest.anonymous(Method::GET, path).header("authorization", format!("Bearer {porto}")))
    };
    let own = ask("/v1/quarantine").await;
    assert_eq!(own.body["items"].as_array().map(Vec::len), Some(1), "{}", own.text);
    assert_eq!(own.body["items"][0]["plant"], json!("porto"));
    assert_eq!(ask("/v1/quarantine?plant=madrid").await.status, 403);
}

async fn only_what_a_sensor_could_have_sent_is_kept(server: Server) {
    let ingest = Ingest::with_plants(server).await;
    let rows = json!([
        {"sensor": "bad\u{0}key", "time": 60_000, "value": 1},
        {"plant": "nowhere", "sensor": "T9", "time": 60_000, "value": 1},
        {"sensor": "T9", "time": "soon", "value": 1}]);
    assert_eq!(ingest.readings(rows).await.body["rejected"], json!(3));
    let dry =
        json!({"plant": "madrid", "readings": [{"sensor": "T9", "time": 60_000, "value": 1}]});
    assert_eq!(ingest.post("/v1/readings?dry_run=true", &dry).await.body["rejected"], json!(1));
    assert_eq!(ingest.get("/v1/quarantine").await.body["items"], json!([]));
}

async fn what_is_old_is_forgotten(server: Server) {
    let ingest = Ingest::with_plants(server).await;
    ingest.write("T8 value=1 60\nT9 value=1 60").await;
    let pool = &ingest.pool;
    sqlx::query(
        "UPDATE quarantine SET received_at = now() - interval '31 days' WHERE sensor = 'T8'",
    )
    .execute(pool)
    .await
    .expect("age a reading");
    // The service tidies at its start, too: it may have been faster.
    lotwise::ingest::quarantine::forget_old(pool).await.expect("tidy");
    let left = ingest.get("/v1/quarantine").await;
    assert_eq!(left.body["items"].as_array().map(Vec::len), Some(1), "{}", left.text);
    assert_eq!(left.body["items"][0]["sensor"], json!("T9"));
}
