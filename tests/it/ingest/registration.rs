//! Sensors that come with their first reading.

use std::collections::BTreeSet;

use chrono::Utc;
use lotwise::ingest::keys::Scope;
use lotwise::ingest::keys::rules::{Registration, Rules};
use serde_json::{Value, json};

use super::on_both;
use crate::support::db::Server;
use crate::support::ingest::{Ingest, answer};

on_both!(
    a_new_sensor_comes_with_its_first_reading,
    a_typing_error_cannot_fill_the_table,
    requests_at_once_share_one_limit,
    a_dry_run_registers_nothing,
);

async fn key(ingest: &Ingest, incomplete: i32, per_hour: i32) -> String {
    let registration = Some(Registration { incomplete, per_hour });
    let rules = Rules { registration, ..Rules::default() };
    ingest.new_key_with("gateway", &[Scope::Readings], rules).await
}

/// Keys of the sensors that nobody has completed.
async fn incomplete(ingest: &Ingest) -> Vec<String> {
    let answer = ingest.get("/v1/sensors/incomplete?plant=madrid").await;
    let items = answer.body["items"].as_array().unwrap_or_else(|| panic!("{}", answer.text));
    items.iter().filter_map(|i| i["key"].as_str()).map(str::to_owned).collect()
}

async fn a_new_sensor_comes_with_its_first_reading(server: Server) {
    let ingest = Ingest::with_plants(server).await;
    let key = key(&ingest, 10, 10).await;
    let far = Utc::now().timestamp() + 86_400;
    let lines = format!(
        "N2 value=1 60\nN1 a=2,b=3 60\nN2 value=4 120\nT1 value=5 60\n\
         N3,plant=porto value=6 60\nN4,plant=nowhere value=7 60\nN5 value=8 {far}"
    );
    let sent = ingest.write_as(&key, lines).await;
    let codes: Vec<_> = sent.body["errors"]
        .as_array()
        .expect("errors")
        .iter()
        .map(|e| (e["line"].as_u64().unwrap_or(0), e["code"].as_str().unwrap_or_default()))
        .collect();
    // Another plant, no plant, a reading that is not stored: none of them makes a sensor.
    let refused = [(5, "plant_not_allowed"), (6, "plant_not_allowed"), (7, "in_future")];
    assert_eq!(codes, refused, "{}", sent.text);
    let stored = [
        "madrid/N1.a 60 2",
        "madrid/N1.b 60 3",
        "madrid/N2 60 1",
        "madrid/N2 120 4",
        "madrid/T1 60 5",
    ];
    assert_eq!(
        ingest.stored().await.into_iter().collect::<BTreeSet<_>>(),
        stored.map(str::to_owned).into()
    );
    let listed = ingest.get("/v1/sensors/incomplete").await;
    let first = &listed.body["items"][0];
    assert_eq!(
        (&first["plant"], &first["key"], &first["registered_by"], &first["kind"]),
        (&json!("madrid"), &json!("N1.a"), &json!("gateway"), &json!("gauge")),
        "{}",
        listed.text
    );
    assert_eq!(incomplete(&ingest).await, ["N1.a", "N1.b", "N2"]);

    // Saying what it is completes it, and makes room for another.
    let sensor = json!([{"plant": "madrid", "key": "N2", "name": "New oven", "machine": "oven",
        "quantity": "temperature", "unit": "°C", "kind": "gauge"}]);
    ingest.create("sensors", sensor).await;
    assert_eq!(incomplete(&ingest).await, ["N1.a", "N1.b"]);

    // Another key registers nothing.
    assert_eq!(ingest.write("N6 value=1 60").await.body["errors"][0]["code"], "unknown_sensor");
    assert_eq!(incomplete(&ingest).await, ["N1.a", "N1.b"]);
    let context = ingest.new_key("viewer", &[Scope::Readings], &["porto"], None).await;
    let request = ingest.anonymous(reqwest::Method::GET, "/v1/sensors/incomplete");
    assert_eq!(answer(request.bearer_auth(context)).await.body["items"], json!([]));
}

async fn a_typing_error_cannot_fill_the_table(server: Server) {
    let ingest = Ingest::with_plants(server).await;
    let key = key(&ingest, 3, 5).await;
    let errors = async |lines: &str| {
        let body = ingest.write_as(&key, lines.to_owned()).await.body;
        let errors = body["errors"].as_array().cloned().unwrap_or_default();
        assert!(errors.iter().all(|e| e["code"] == json!("unknown_sensor")), "{body}");
        errors.len()
    };
    assert_eq!(errors("X1 value=1 60\nX2 value=1 60\nX3 value=1 60\nX4 value=1 60").await, 1);
    assert_eq!(incomplete(&ingest).await, ["X1", "X2", "X3"]);
    // What there was no room for waits in quarantine, as without the option.
    let kept = ingest.get("/v1/quarantine").await.body;
    assert_eq!(kept["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(kept["items"][0]["sensor"], json!("X4"));
    assert_eq!(errors("X1 value=2 120\nX5 value=1 60").await, 1, "known ones go on");

    let complete = |key: &str| json!([{"plant": "madrid", "key": key, "name": key, "quantity": "power", "unit": "kW", "kind": "gauge"}]);
    for key in ["X1", "X2", "X3"] {
        ingest.create("sensors", complete(key)).await;
    }
    // Three are complete, but five an hour is five an hour.
    assert_eq!(errors("X6 value=1 60\nX7 value=1 60\nX8 value=1 60").await, 1);
    assert_eq!(incomplete(&ingest).await, ["X6", "X7"]);
    sqlx::query("UPDATE sensor SET registered_at = registered_at - interval '61 minutes'")
        .execute(&ingest.pool)
        .await
        .expect("let time pass");
    assert_eq!(errors("X8 value=1 60\nX9 value=1 60").await, 1);
    assert_eq!(incomplete(&ingest).await, ["X6", "X7", "X8"]);
}

async fn requests_at_once_share_one_limit(server: Server) {
    let ingest = Ingest::with_plants(server).await;
    let key = key(&ingest, 20, 20).await;
    let write = |batch: usize| {
        // Half of the sensors are those of the neighbour too.
        let lines: Vec<_> = (0..6).map(|n| format!("C{} value=1 60", batch * 3 + n)).collect();
        ingest.write_as(&key, lines.join("\n"))
    };
    let answers = futures_util::future::join_all((0..12).map(write)).await;
    let statuses: BTreeSet<u16> = answers.iter().map(|a| a.status).collect();
    assert!(statuses.is_subset(&[204, 400].into()), "{statuses:?}");
    let (sensors, readings): (i64, i64) = sqlx::query_as(
        "SELECT count(*), (SELECT count(*) FROM reading) FROM sensor WHERE registered_by IS NOT NULL",
    )
    .fetch_one(&ingest.pool)
    .await
    .expect("count");
    assert_eq!((sensors, readings), (20, 20), "each sensor once, and a reading of each");
}

async fn a_dry_run_registers_nothing(server: Server) {
    let ingest = Ingest::with_plants(server).await;
    let key = key(&ingest, 2, 2).await;
    let row = |sensor: &str, ms: i64| json!({"sensor": sensor, "time": ms, "value": 1});
    let rows = [row("N1", 0), row("N1", 1_000), row("N2", 0), row("N3", 0), row("T1", 0)];
    let body = json!({"plant": "madrid", "readings": rows});
    let post = async |path: &str| {
        let request = ingest.anonymous(reqwest::Method::POST, path).bearer_auth(&key);
        let Value::Object(mut body) = answer(request.json(&body)).await.body else {
            panic!("no object");
        };
        body.remove("errors");
        Value::Object(body)
    };
    let said = post("/v1/readings?dry_run=true").await;
    assert_eq!(said, json!({"accepted": 4, "rejected": 1}));
    assert!(incomplete(&ingest).await.is_empty());
    assert_eq!(ingest.get("/v1/quarantine").await.body["items"], json!([]));
    assert_eq!(post("/v1/readings").await, said, "what the dry run had said");
    assert_eq!(incomplete(&ingest).await, ["N1", "N2"]);
}
