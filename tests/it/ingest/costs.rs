//! Production counts, tariffs, emission factors, targets.

use reqwest::Method;
use serde_json::{Value, json};

use super::on_both;
use crate::support::db::Server;
use crate::support::ingest::{Ingest, answer};

on_both!(
    counts_are_stored_corrected_and_deleted,
    counts_are_not_counted_twice,
    tariffs_are_versions_that_do_not_overlap,
    factors_and_targets_are_versions_too,
    what_cannot_be_is_refused,
    keys_stay_within_their_plants,
);

async fn items(ingest: &Ingest, path: &str) -> Vec<Value> {
    let answer = ingest.get(path).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    answer.body["items"].as_array().expect("items").clone()
}

async fn delete(ingest: &Ingest, path: &str) -> (u16, Value) {
    let answer = answer(ingest.request(Method::DELETE, path)).await;
    (answer.status, answer.body)
}

/// A count of line M1 from minute to minute of 1970.
fn count(from: i64, to: i64, good: f64) -> Value {
    json!({"plant": "madrid", "line": "M1", "started_at": from * 60_000, "ended_at": to * 60_000, "good_units": good})
}

async fn counts_are_stored_corrected_and_deleted(server: Server) {
    let ingest = Ingest::with_plants(server).await;
    let mut first = count(0, 15, 50.0);
    first["scrap_units"] = json!(2);
    ingest.create("counts", json!([first, count(15, 30, 40.0)])).await;
    // Scrap that is left out stays.
    ingest.create("counts", json!([count(0, 15, 51.0)])).await;
    assert_eq!(
        items(&ingest, "/v1/counts?plant=madrid").await,
        [
            json!({"plant": "madrid", "line": "M1", "started_at": "1970-01-01T00:15:00+00:00",
                "ended_at": "1970-01-01T00:30:00+00:00", "good_units": 40, "scrap_units": 0}),
            json!({"plant": "madrid", "line": "M1", "started_at": "1970-01-01T00:00:00+00:00",
                "ended_at": "1970-01-01T00:15:00+00:00", "good_units": 51, "scrap_units": 2})
        ]
    );
    let (code, message) = ingest.refuse("counts", count(10, 20, 1.0)).await;
    assert_eq!(code, "overlap");
    assert!(
        message.contains("1970-01-01T00:10:00Z to 1970-01-01T00:20:00Z overlaps the count of 1970-01-01T00:00:00Z to 1970-01-01T00:15:00Z on line \"M1\""),
        "{message}"
    );
    let of = "/v1/counts?plant=madrid&line=M1&from=1970-01-01T00:00:00Z&to=1970-01-01T00:15:00Z";
    assert_eq!(delete(&ingest, of).await, (200, json!({"deleted": 1})));
    assert_eq!(delete(&ingest, of).await, (200, json!({"deleted": 0})));
    assert_eq!(items(&ingest, "/v1/counts").await.len(), 1);
    for (path, status, code) in [
        ("/v1/counts?plant=madrid&line=M1", 400, "parameter"),
        (
            "/v1/counts?plant=nix&line=M1&from=1970-01-01T00:00:00Z&to=1970-01-01T00:15:00Z",
            404,
            "unknown_plant",
        ),
        (
            "/v1/counts?plant=madrid&line=M9&from=1970-01-01T00:00:00Z&to=1970-01-01T00:15:00Z",
            422,
            "unknown_line",
        ),
        (
            "/v1/counts?plant=madrid&from=1970-01-01T00:00:00Z&to=1970-01-01T00:15:00Z",
            422,
            "invalid",
        ),
        (
            "/v1/counts?plant=madrid&line=M1&from=1970-01-02T00:00:00Z&to=1970-01-01T00:15:00Z",
            422,
            "invalid",
        ),
    ] {
        let (got, body) = delete(&ingest, path).await;
        assert_eq!((got, &body["code"]), (status, &json!(code)), "{path}: {body}");
    }
}

async fn counts_are_not_counted_twice(server: Server) {
    let ingest = Ingest::with_plants(server).await;
    let total = |minute: i64, good: f64| json!({"plant": "madrid", "machine": "oven", "time": minute * 60_000, "good_total": good, "scrap_total": 1});
    ingest.create("counts", json!([total(0, 1_000.0), total(5, 1_010.0)])).await;
    ingest.create("counts", json!([total(5, 1_011.0)])).await;
    assert_eq!(
        items(&ingest, "/v1/counts").await,
        [
            json!({"plant": "madrid", "line": "M1", "machine": "oven", "time": "1970-01-01T00:05:00+00:00",
                "good_total": 1_011, "scrap_total": 1}),
            json!({"plant": "madrid", "line": "M1", "machine": "oven", "time": "1970-01-01T00:00:00+00:00",
                "good_total": 1_000, "scrap_total": 1})
        ]
    );
    // The line is another place than its machine.
    ingest.create("counts", json!([count(0, 15, 50.0)])).await;
    let mut both = count(15, 30, 1.0);
    both["machine"] = json!("oven");
    let (code, message) = ingest.refuse("counts", both).await;
    assert!(code == "conflict" && message.contains("machine \"oven\" has totals"), "{message}");
    let mut line = total(0, 1.0);
    line["line"] = line["machine"].take();
    line["line"] = json!("M1");
    let (code, message) = ingest.refuse("counts", line).await;
    assert!(code == "conflict" && message.contains("line \"M1\" has amounts"), "{message}");
    for item in [
        json!({"plant": "madrid", "line": "M1", "started_at": 0, "good_units": 1}),
        json!({"plant": "madrid", "line": "M1", "time": 0, "good_total": 1, "good_units": 1}),
        json!({"plant": "madrid", "line": "M1", "time": 0}),
        json!({"plant": "madrid", "time": 0, "good_total": 1}),
        count(1, 1, 1.0),
        count(1, 2, -1.0),
    ] {
        let (code, message) = ingest.refuse("counts", item).await;
        assert_eq!(code, "invalid", "{message}");
    }
}

/// A tariff with one price all the time.
fn tariff(key: &str, from: &str, to: Option<&str>) -> Value {
    json!({"plant": "madrid", "key": key, "name": key, "valid_from": from, "valid_to": to,
        "periods": [{"period": "P1", "price_per_kwh": 0.2, "contracted_kw": 450.0}],
        "calendar": [{"from": "00:00", "to": "24:00", "period": "P1"}], "holidays": ["2026-01-06"]})
}

async fn tariffs_are_versions_that_do_not_overlap(server: Server) {
    let ingest = Ingest::with_plants(server).await;
    let old = tariff("2025", "2025-01-01", None);
    ingest.create("tariffs", json!([old])).await;
    assert_eq!(items(&ingest, "/v1/tariffs?plant=madrid").await, [old]);
    let new = tariff("2026", "2026-01-01", None);
    let (code, message) = ingest.refuse("tariffs", new.clone()).await;
    assert!(
        code == "overlap"
            && message.contains("tariff \"2026\" (from 2026-01-01 until further notice) overlaps tariff \"2025\" (from 2025-01-01 until further notice) of plant \"madrid\""),
        "{message}"
    );
    // Ending the old one leaves its prices as they are.
    let ended = json!({"plant": "madrid", "key": "2025", "valid_to": "2026-01-01"});
    ingest.create("tariffs", json!([ended, new])).await;
    assert_eq!(
        items(&ingest, "/v1/tariffs").await,
        [new, tariff("2025", "2025-01-01", Some("2026-01-01"))]
    );
    assert_eq!(delete(&ingest, "/v1/tariffs/madrid/2025").await.0, 204);
    for (path, code) in [
        ("/v1/tariffs/madrid/2025", "missing"),
        ("/v1/tariffs/nix/2025", "unknown_plant"),
        ("/v1/tariffs/madrid/%00", "missing"),
    ] {
        let (status, body) = delete(&ingest, path).await;
        assert_eq!((status, &body["code"]), (404, &json!(code)), "{path}: {body}");
    }
    assert_eq!(items(&ingest, "/v1/tariffs").await.len(), 1);
}

async fn factors_and_targets_are_versions_too(server: Server) {
    let ingest = Ingest::with_plants(server).await;
    ingest.create("references", json!([{"plant": "madrid", "key": "A", "name": "A"}])).await;
    let factor = |kind: &str, from: &str, to: Option<&str>, kg: f64| json!({"plant": "madrid", "kind": kind, "valid_from": from, "valid_to": to, "kg_co2_per_kwh": kg, "source": "grid"});
    let target = |from: &str, to: Option<&str>, kwh: f64| json!({"plant": "madrid", "reference": "A", "valid_from": from, "valid_to": to, "kwh_per_unit": kwh});
    let cases = [
        (
            "factors",
            factor("location_based", "2025-01-01", Some("2026-01-01"), 0.12),
            factor("location_based", "2025-07-01", None, 0.11),
            factor("market_based", "2025-07-01", None, 0.05),
            "location_based/2025-01-01",
        ),
        (
            "targets",
            target("2025-01-01", Some("2026-01-01"), 0.8),
            target("2025-07-01", None, 0.75),
            target("2026-01-01", None, 0.75),
            "A/2025-01-01",
        ),
    ];
    for (resource, first, overlapping, other, path) in cases {
        ingest.create(resource, json!([first, other])).await;
        ingest.create(resource, json!([first])).await;
        let list = format!("/v1/{resource}?plant=madrid");
        let stored = items(&ingest, &list).await;
        assert!(
            stored.len() == 2 && stored.contains(&first) && stored.contains(&other),
            "{stored:?}"
        );
        let (code, message) = ingest.refuse(resource, overlapping).await;
        assert!(
            code == "overlap"
                && message.contains("(from 2025-07-01 until further notice) overlaps")
                && message.contains("(2025-01-01 to 2026-01-01)"),
            "{message}"
        );
        let path = format!("/v1/{resource}/madrid/{path}");
        assert_eq!(delete(&ingest, &path).await.0, 204);
        let (status, body) = delete(&ingest, &path).await;
        assert_eq!((status, &body["code"]), (404, &json!("missing")));
        assert_eq!(items(&ingest, &list).await, [other]);
    }
    assert_eq!(delete(&ingest, "/v1/factors/madrid/green/2025-01-01").await.0, 400);
    assert_eq!(delete(&ingest, "/v1/targets/madrid/A/yesterday").await.0, 400);
}

async fn what_cannot_be_is_refused(server: Server) {
    let ingest = Ingest::with_plants(server).await;
    let with = |field: &str, value: Value| {
        let mut item = tariff("T", "2026-01-01", None);
        item[field] = value;
        item
    };
    let cases = [
        (
            "tariffs",
            with("valid_to", json!("2026-01-01")),
            "invalid",
            "first day on which it no longer holds",
        ),
        ("tariffs", with("valid_from", json!("1969-12-31")), "invalid", "between 1970 and 2100"),
        ("tariffs", with("valid_from", json!("2026-02-30")), "malformed", "out of range"),
        ("tariffs", with("valid_from", Value::Null), "invalid", "a new tariff needs valid_from"),
        ("tariffs", with("periods", Value::Null), "invalid", "a new tariff needs periods"),
        ("tariffs", with("calendar", json!([{"period": "P2"}])), "invalid", "names period \"P2\""),
        (
            "tariffs",
            with("calendar", json!([{"to": "08:00", "period": "P1"}])),
            "invalid",
            "no rule of the calendar fits Mon at 08:00",
        ),
        (
            "tariffs",
            with("calendar", json!([{"from": "8 am", "period": "P1"}])),
            "malformed",
            "not a quarter of an hour",
        ),
        (
            "factors",
            json!({"plant": "madrid", "kind": "guess", "valid_from": "2026-01-01", "kg_co2_per_kwh": 1}),
            "malformed",
            "guess",
        ),
        (
            "factors",
            json!({"plant": "madrid", "kind": "market_based", "valid_from": "2026-01-01", "kg_co2_per_kwh": -1}),
            "invalid",
            "at least 0",
        ),
        (
            "targets",
            json!({"plant": "madrid", "reference": "X", "valid_from": "2026-01-01", "kwh_per_unit": 1}),
            "unknown_reference",
            "POST /v1/references",
        ),
    ];
    for (resource, item, code, words) in cases {
        let (got, message) = ingest.refuse(resource, item).await;
        assert!(got == code && message.contains(words), "{resource}: {got}: {message}");
    }
}

async fn keys_stay_within_their_plants(server: Server) {
    let mut ingest = Ingest::with_plants(server).await;
    ingest.create("tariffs", json!([tariff("2026", "2026-01-01", None)])).await;
    ingest.key =
        ingest.new_key("porto", &[lotwise::ingest::keys::Scope::Context], &["porto"], None).await;
    let factor = json!({"plant": "madrid", "kind": "market_based", "valid_from": "2026-01-01", "kg_co2_per_kwh": 1});
    for (resource, item) in [
        ("tariffs", tariff("T", "2020-01-01", Some("2021-01-01"))),
        ("counts", count(0, 1, 1.0)),
        ("factors", factor),
    ] {
        assert_eq!(ingest.refuse(resource, item).await.0, "plant_not_allowed");
        assert!(items(&ingest, &format!("/v1/{resource}")).await.is_empty());
    }
    for path in [
        "/v1/tariffs/madrid/2026",
        "/v1/factors/madrid/market_based/2026-01-01",
        "/v1/targets/madrid/A/2026-01-01",
        "/v1/counts?plant=madrid&line=M1&from=1970-01-01T00:00:00Z&to=1970-01-01T00:15:00Z",
    ] {
        assert_eq!(delete(&ingest, path).await.0, 403, "{path}");
    }
}
