//! Plants, lines, machines, sensors, shifts, references, operators, lots, states.

use serde_json::{Value, json};

use super::on_both;
use crate::support::db::Server;
use crate::support::ingest::Ingest;

on_both!(
    items_are_created_corrected_and_listed,
    what_is_missing_is_named,
    sensors_keep_what_is_left_out,
    meters_form_no_circle,
    a_lot_keeps_its_reference,
    states_do_not_overlap,
    a_bad_item_leaves_the_others_alone,
);

async fn items(ingest: &Ingest, path: &str) -> Vec<Value> {
    let answer = ingest.get(path).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body["items"].as_array().expect("items").clone()
}

async fn items_are_created_corrected_and_listed(server: Server) {
    let ingest = Ingest::with_plants(server).await;
    ingest
        .create("plants", json!([{"key": "madrid", "name": "Madrid Sur", "time_zone": "Europe/Madrid", "currency": "USD"}]))
        .await;
    assert_eq!(
        items(&ingest, "/v1/plants").await,
        [
            json!({"key": "madrid", "name": "Madrid Sur", "time_zone": "Europe/Madrid", "currency": "USD", "locale": "en"}),
            json!({"key": "porto", "name": "Porto", "time_zone": "Europe/Lisbon", "currency": "EUR", "locale": "pt"})
        ]
    );
    for (resource, item) in [
        ("lines", json!({"plant": "madrid", "key": "M1", "name": "Línea 1"})),
        ("machines", json!({"plant": "madrid", "line": "M1", "key": "oven", "name": "Horno"})),
        (
            "shifts",
            json!({"plant": "madrid", "key": "morning", "name": "Morning", "starts_at": "06:00:00"}),
        ),
        ("references", json!({"plant": "madrid", "key": "A", "name": "Bracket"})),
        ("operators", json!({"plant": "madrid", "key": "o1", "name": "Crew"})),
        ("lots", json!({"plant": "madrid", "key": "L1", "reference": "A"})),
        (
            "states",
            json!({"plant": "madrid", "machine": "oven", "state": "idle",
            "started_at": "2026-03-01T00:00:00+00:00", "ended_at": "2026-03-01T01:00:00+00:00"}),
        ),
    ] {
        ingest.create(resource, json!([item])).await;
        ingest.create(resource, json!([item])).await;
        let path = format!("/v1/{resource}?plant=madrid");
        assert_eq!(items(&ingest, &path).await, [item], "{resource}");
        assert!(items(&ingest, &format!("/v1/{resource}?plant=porto")).await.is_empty());
    }
    let answer = ingest.get("/v1/sensors?limit=2").await;
    assert_eq!(answer.body["truncated"], true);
    assert_eq!(answer.body["items"].as_array().map(Vec::len), Some(2));
}

async fn what_is_missing_is_named(server: Server) {
    let ingest = Ingest::with_plants(server).await;
    let cases = [
        (
            "plants",
            json!({"key": "x", "name": "X", "time_zone": "Mars/Base"}),
            "invalid",
            "\"Mars/Base\" is not an IANA time zone",
        ),
        (
            "lines",
            json!({"plant": "nix", "key": "L", "name": "L"}),
            "unknown_plant",
            "unknown plant \"nix\": create it first with POST /v1/plants",
        ),
        (
            "machines",
            json!({"plant": "madrid", "line": "L9", "key": "m", "name": "m"}),
            "unknown_line",
            "unknown line \"L9\" in plant \"madrid\": create it first with POST /v1/lines",
        ),
        (
            "sensors",
            json!({"plant": "madrid", "machine": "m9", "key": "s", "name": "s", "quantity": "q", "unit": "u", "kind": "gauge"}),
            "unknown_machine",
            "POST /v1/machines",
        ),
        (
            "sensors",
            json!({"plant": "madrid", "key": "s", "name": "s", "quantity": "q", "unit": "u", "kind": "delta"}),
            "invalid",
            "interval_s",
        ),
        (
            "sensors",
            json!({"plant": "madrid", "key": "s", "name": "s", "quantity": "q", "unit": "u", "kind": "level"}),
            "invalid",
            "gauge, counter or delta",
        ),
        (
            "sensors",
            json!({"plant": "madrid", "key": "s", "name": "s", "quantity": "q", "unit": "u", "kind": "gauge", "interval_s": 0}),
            "invalid",
            "above 0",
        ),
        (
            "shifts",
            json!({"plant": "madrid", "key": "s", "name": "s", "starts_at": "6 am"}),
            "invalid",
            "such as 06:00",
        ),
        (
            "states",
            json!({"plant": "madrid", "machine": "oven", "state": "asleep", "started_at": 0}),
            "malformed",
            "asleep",
        ),
        (
            "lines",
            json!({"plant": "madrid", "key": "a\u{0}", "name": "L"}),
            "malformed",
            "control characters",
        ),
        (
            "lines",
            json!({"plant": "madrid", "key": "L", "nme": "L"}),
            "malformed",
            "unknown field `nme`",
        ),
        ("lines", json!(7), "malformed", "invalid type"),
    ];
    for (resource, item, code, words) in cases {
        let (got, message) = ingest.refuse(resource, item).await;
        assert!(got == code && message.contains(words), "{resource}: {got}: {message}");
    }
}

async fn sensors_keep_what_is_left_out(server: Server) {
    let ingest = Ingest::with_plants(server).await;
    let base = json!({"plant": "madrid", "key": "T1", "name": "Oven", "quantity": "temperature", "unit": "°C", "kind": "gauge"});
    let with = |more: Value| {
        let mut item = base.clone();
        item.as_object_mut().expect("item").extend(more.as_object().expect("fields").clone());
        item
    };
    let shown = || async {
        let all = items(&ingest, "/v1/sensors?plant=madrid").await;
        let one = all.into_iter().find(|s| s["key"] == "T1").expect("T1");
        ["line", "machine", "interval_s", "max_gap_s", "rollover"].map(|f| one[f].clone())
    };
    ingest.create("sensors", json!([with(json!({"interval_s": 10.0, "rollover": 100.0}))])).await;
    assert_eq!(shown().await, [json!("M1"), json!("oven"), json!(10), json!(300), json!(100)]);
    ingest.create("sensors", json!([base])).await;
    assert_eq!(shown().await, [json!("M1"), json!("oven"), json!(10), json!(300), json!(100)]);
    ingest.create("sensors", json!([with(json!({"rollover": null, "machine": null}))])).await;
    assert_eq!(shown().await, [json!("M1"), Value::Null, json!(10), json!(300), Value::Null]);
    ingest.create("sensors", json!([with(json!({"line": null}))])).await;
    assert_eq!(shown().await[0], Value::Null);
    ingest.create("lines", json!([{"plant": "madrid", "key": "M2", "name": "M2"}])).await;
    let (code, message) =
        ingest.refuse("sensors", with(json!({"line": "M2", "machine": "oven"}))).await;
    assert!(code == "invalid" && message.contains("is on line \"M1\""), "{message}");
}

async fn meters_form_no_circle(server: Server) {
    let ingest = Ingest::with_plants(server).await;
    let meter = |key: &str, parent: Option<&str>| json!({"plant": "madrid", "key": key, "name": key, "quantity": "energy", "unit": "kWh", "kind": "counter", "parent": parent});
    ingest
        .create(
            "sensors",
            json!([meter("main", None), meter("a", Some("main")), meter("b", Some("a"))]),
        )
        .await;
    for (child, parent) in [("main", "b"), ("main", "main"), ("a", "b")] {
        let (code, message) = ingest.refuse("sensors", meter(child, Some(parent))).await;
        assert!(code == "invalid" && message.contains("cannot be its parent"), "{message}");
    }
    let (code, message) = ingest.refuse("sensors", meter("c", Some("nix"))).await;
    assert!(code == "unknown_sensor" && message.contains("\"nix\""), "{message}");
    ingest.create("sensors", json!([meter("b", Some("main"))])).await;
}

async fn a_lot_keeps_its_reference(server: Server) {
    let ingest = Ingest::with_plants(server).await;
    let run = |reference: Value| json!({"plant": "madrid", "key": "R1", "line": "M1", "lot": "L1", "reference": reference, "started_at": 0});
    let (code, message) = ingest.refuse("runs", run(Value::Null)).await;
    assert!(code == "unknown_lot" && message.contains("\"L1\""), "{message}");
    ingest.create("runs", json!([run(json!("A"))])).await;
    ingest.create("runs", json!([run(Value::Null)])).await;
    let (code, message) = ingest.refuse("runs", run(json!("B"))).await;
    assert!(code == "conflict" && message.contains("has reference \"A\", not \"B\""), "{message}");
    // Nothing of the refused item stays.
    assert_eq!(items(&ingest, "/v1/references").await.len(), 1);
    ingest.create("lots", json!([{"plant": "madrid", "key": "L1", "reference": "B"}])).await;
    assert_eq!(items(&ingest, "/v1/runs").await[0]["reference"], "B");
}

async fn states_do_not_overlap(server: Server) {
    let ingest = Ingest::with_plants(server).await;
    let state = |name: &str, start: i64, end: Option<i64>| {
        let mut item = json!({"plant": "madrid", "machine": "oven", "state": name, "started_at": start * 1_000});
        if let Some(end) = end {
            item["ended_at"] = json!(end * 1_000);
        }
        item
    };
    ingest.create("states", json!([state("running", 0, None)])).await;
    let (code, message) = ingest.refuse("states", state("idle", 60, None)).await;
    assert_eq!(code, "overlap");
    assert!(
        message.contains(
            "state running (from 1970-01-01T00:00:00Z and still open) of machine \"oven\""
        ),
        "{message}"
    );
    ingest.create("states", json!([state("running", 0, Some(60)), state("idle", 60, None)])).await;
    // The late repeat of the opening message does not open it again.
    ingest.create("states", json!([state("running", 0, None)])).await;
    let (code, _) = ingest.refuse("states", state("off", 100, Some(90))).await;
    assert_eq!(code, "invalid");
}

async fn a_bad_item_leaves_the_others_alone(server: Server) {
    let ingest = Ingest::with_plants(server).await;
    let line = |plant: &str, key: &str| json!({"plant": plant, "key": key, "name": key});
    let body = json!({"items": [line("madrid", "A"), line("nix", "B"), {}, line("madrid", "C")]});
    let answer = ingest.post("/v1/lines", &body).await;
    assert_eq!((&answer.body["accepted"], &answer.body["rejected"]), (&json!(2), &json!(2)));
    assert_eq!(
        (&answer.body["errors"][0]["index"], &answer.body["errors"][1]["index"]),
        (&json!(1), &json!(2))
    );
    assert_eq!(items(&ingest, "/v1/lines").await.len(), 3);
    ingest
        .create(
            "shifts",
            json!([{"plant": "madrid", "key": "a", "name": "a", "starts_at": "06:00"}]),
        )
        .await;
    let (code, message) = ingest
        .refuse("shifts", json!({"plant": "madrid", "key": "b", "name": "b", "starts_at": "06:00"}))
        .await;
    assert!(code == "conflict" && message.contains("starts at 06:00 already"), "{message}");
    let answer = ingest.post("/v1/lines", &json!({"items": 1})).await;
    assert_eq!((answer.status, &answer.body["code"]), (400, &json!("body_malformed")));
}
