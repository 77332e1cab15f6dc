//! What frames say to whoever looks, in English and in Spanish.

use std::collections::BTreeSet;

use lotwise::frame::Frame;
use serde_json::{Value, json};

use crate::answers::{Factory, both};

const HOURS: (&str, &str) = ("2026-03-02T08:00:00Z", "2026-03-02T12:00:00Z");
const NIGHT: (&str, &str) = ("2026-03-01T00:00:00Z", "2026-03-01T04:00:00Z");
const AHEAD: (&str, &str) = ("2027-03-02T08:00:00Z", "2027-03-02T12:00:00Z");

/// Queries that have something to say: when, and what.
fn queries() -> Vec<((&'static str, &'static str), Value)> {
    let rule = |key: &str, value: &str| json!([{"key": key, "op": "=", "values": [value]}]);
    let mut all = vec![
        (HOURS, json!({"type": "kpi", "groupBy": "lot", "limit": 1})),
        (HOURS, json!({"type": "kpi", "kpis": ["cost", "co2", "co2_market_based"]})),
        (HOURS, json!({"type": "kpi", "kpis": ["availability"]})),
        (HOURS, json!({"type": "kpi", "compare": "previous"})),
        (HOURS, json!({"type": "kpi", "context": {"states": ["stopped"]}})),
        (NIGHT, json!({"type": "kpi", "groupBy": "reference"})),
        (HOURS, json!({"type": "series", "context": {"states": ["stopped"]}})),
        (HOURS, json!({"type": "series", "groupBy": "lot", "top": 1})),
        (NIGHT, json!({"type": "series", "groupBy": "lot"})),
        (HOURS, json!({"type": "runs", "limit": 1})),
        (HOURS, json!({"type": "latest", "limit": 1})),
        (HOURS, json!({"type": "latest", "filters": rule("lot", "L1")})),
        (HOURS, json!({"type": "runs", "filters": rule("sensor", "main")})),
        (HOURS, json!({"type": "kpi", "filters": rule("line", "M9")})),
        (HOURS, json!({"type": "data_quality", "limit": 1})),
        (
            HOURS,
            json!({"type": "data_quality", "format": "silent", "place": {"sensors": ["main"]}}),
        ),
        (
            HOURS,
            json!({"type": "lots", "place": {"quantity": "temperature"}, "context": {"lots": ["L2"]},
            "filters": rule("operator", "ana")}),
        ),
        (HOURS, json!({"type": "golden", "place": {"quantity": "power"}})),
        (NIGHT, json!({"type": "golden", "place": {"quantity": "power"}})),
        (HOURS, json!({"type": "abnormal_runs"})),
        (NIGHT, json!({"type": "abnormal_runs"})),
        (HOURS, json!({"type": "anomalies"})),
        (HOURS, json!({"type": "baseline", "context": {"references": ["R1"]}})),
        (HOURS, json!({"type": "spc", "spc": {"subject": "run"}})),
        (NIGHT, json!({"type": "spc", "spc": {"subject": "run"}})),
        (HOURS, json!({"type": "demand"})),
        (HOURS, json!({"type": "demand", "place": {"lines": ["M1"]}})),
    ];
    let ahead = ["golden", "abnormal_runs", "anomalies", "baseline", "spc"];
    all.extend(ahead.map(|kind| (AHEAD, json!({"type": kind, "place": {"quantity": "power"}}))));
    all
}

fn notices(frames: &[Frame]) -> Vec<String> {
    let of = |frame: &Frame| frame.meta["notices"].as_array().cloned().unwrap_or_default();
    let texts = frames.iter().flat_map(of);
    texts.map(|notice| notice["text"].as_str().unwrap().to_owned()).collect()
}

fn numbers(text: &str) -> Vec<String> {
    let digits = text.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty());
    digits.map(str::to_owned).collect()
}

#[tokio::test]
async fn notices_are_in_the_language_of_the_query() {
    both(async |server| {
        let factory = Factory::new(server, "2026-03-02T07:00:00Z", "2026-03-02T13:00:00Z").await;
        let mut seen = BTreeSet::new();
        for ((from, to), query) in queries() {
            let ask = async |language: &str| {
                let mut query = query.clone();
                query["language"] = json!(language);
                notices(&factory.ask(from, to, query).await)
            };
            let (english, spanish) = (ask("en").await, ask("es").await);
            assert_eq!(english.len(), spanish.len(), "{query}: {english:?}, {spanish:?}");
            assert!(!english.is_empty(), "{query} says nothing");
            for (en, es) in english.iter().zip(&spanish) {
                let mut words = es.split(|c: char| !c.is_alphabetic());
                let is_english = |word: &str| {
                    ["the", "of", "is", "are", "No", "Only", "for", "there"].contains(&word)
                };
                assert!(!words.any(is_english), "{query}: {es}");
                // The same numbers, and as many of them.
                assert_eq!(numbers(en), numbers(es), "{query}: {en}, {es}");
            }
            seen.extend(spanish);
        }
        assert!(seen.len() > 25, "{seen:#?}");
    })
    .await;
}
