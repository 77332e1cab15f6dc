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
    let rule = |key: &str, value: &str| json!([{"key": key, "op": "is", "values": [value]}]);
    let mut all = vec![
        (HOURS, json!({"type": "kpi", "groupBy": "lot", "limit": 1})),
        (HOURS, json!({"type": "kpi", "kpis": ["cost", "co2", "co2_market_based"]})),
        (HOURS, json!({"type": "kpi", "kpis": ["availability"]})),
        (HOURS, json!({"type": "kpi", "compare": "previous"})),
        (HOURS, json!({"type": "kpi", "context": {"states": ["stopped"]}})),
        (NIGHT, json!({"type": "kpi", "groupBy": "reference"})),
        (
            HOURS,
            json!({"type": "series", "place": {"quantity": "power"}, "context": {"states": ["stopped"]}}),
        ),
        (
            HOURS,
            json!({"type": "series", "place": {"quantity": "power"}, "groupBy": "lot", "top": 1}),
        ),
        (NIGHT, json!({"type": "series", "place": {"quantity": "power"}, "groupBy": "lot"})),
        (HOURS, json!({"type": "runs", "limit": 1})),
        (HOURS, json!({"type": "latest", "limit": 1})),
        (HOURS, json!({"type": "latest", "filters": rule("lot", "L1")})),
        (HOURS, json!({"type": "runs", "filters": rule("sensor", "main")})),
        (HOURS, json!({"type": "kpi", "filters": rule("line", "M9")})),
        (HOURS, json!({"type": "data_quality", "limit": 1})),
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
    all.push((AHEAD, json!({"type": "golden", "place": {"quantity": "power"}})));
    let ahead = ["abnormal_runs", "anomalies", "baseline", "spc"];
    all.extend(ahead.map(|kind| (AHEAD, json!({"type": kind}))));
    all
}

fn notices(frames: &[Frame]) -> Vec<String> {
    let of = |frame: &Frame| frame.meta["notices"].as_array().cloned().unwrap_or_default();
    let texts = frames.iter().flat_map(of);
    texts.map(|notice| notice["text"].as_str().unwrap().to_owned()).collect()
}

fn descriptions(frames: &[Frame]) -> Vec<String> {
    let fields = frames.iter().flat_map(|frame| &frame.fields);
    fields.filter_map(|field| field.described().map(str::to_owned)).collect()
}

/// Queries whose columns say what they are: of each type, in its formats.
fn described() -> Vec<Value> {
    let with = |kind: &str, format: &str, more: Value| {
        let mut query = json!({"type": kind, "format": format});
        query.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        query
    };
    let all_kpis = [
        "energy",
        "energy_per_good_unit",
        "cost",
        "cost_per_good_unit",
        "co2",
        "co2_per_good_unit",
        "co2_market_based",
        "good_units",
        "scrap_units",
        "mean_temperature",
        "availability",
        "machine_hours",
    ];
    let lots = json!({"place": {"quantity": "power"}, "context": {"lots": ["L2"]}});
    let progress =
        json!({"place": {"quantity": "power"}, "context": {"lots": ["L2"]}, "align": "progress"});
    let kpis = json!({"kpis": all_kpis, "groupBy": "line", "compare": "previous"});
    let mut all = vec![
        with("kpi", "table", kpis),
        with("lots", "table", lots.clone()),
        with("lots", "table", progress.clone()),
        with("golden", "curves", lots),
        with("golden", "curves", progress),
        with("spc", "series", json!({"spc": {"subject": "run"}})),
        with("spc", "series", json!({"spc": {"subject": "run", "chart": "ewma"}})),
    ];
    for (kind, formats) in [
        ("data_quality", &["table", "alert"][..]),
        ("golden", &["table", "alert"]),
        ("abnormal_runs", &["table", "score", "alert"]),
        ("anomalies", &["table", "score", "alert"]),
        ("baseline", &["series", "table", "model", "alert"]),
        ("spc", &["table", "alert"]),
        ("demand", &["series", "table", "alert"]),
    ] {
        let place =
            if kind == "golden" { json!({"place": {"quantity": "power"}}) } else { json!({}) };
        all.extend(formats.iter().map(|format| with(kind, format, place.clone())));
    }
    all.push(with("baseline", "uses", json!({"groupBy": "none"})));
    let making = |group| with("baseline", "table", json!({"groupBy": group}));
    all.extend(["lot", "reference"].map(making));
    all
}

const ENGLISH: [&str; 7] = ["the", "of", "is", "are", "Only", "for", "there"];

fn is_english(text: &str) -> bool {
    text.split(|c: char| !c.is_alphabetic()).any(|word| ENGLISH.contains(&word))
}

#[tokio::test]
async fn columns_are_described_in_the_language_of_the_query() {
    let factory = Factory::new(
        crate::support::db::Server::Plain,
        "2026-03-02T07:00:00Z",
        "2026-03-02T13:00:00Z",
    )
    .await;
    let (mut wrong, mut seen) = (Vec::new(), BTreeSet::new());
    for query in described() {
        let ask = async |language: &str| {
            let mut query = query.clone();
            query["language"] = json!(language);
            factory.try_ask(HOURS.0, HOURS.1, query).await.map(|frames| descriptions(&frames))
        };
        match (ask("en").await, ask("es").await) {
            (Ok(english), Ok(spanish)) => {
                let same = english.len() == spanish.len();
                let mut pairs = english.iter().zip(&spanish);
                if !same || pairs.any(|(en, es)| en == es || is_english(es)) {
                    wrong.push(format!("{query}: {english:?}, {spanish:?}"));
                }
                seen.extend(spanish);
            }
            (english, spanish) => wrong.push(format!("{query}: {english:?}, {spanish:?}")),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(seen.len() > 60, "{} {seen:#?}", seen.len());
}

fn numbers(text: &str) -> Vec<String> {
    let digits = text.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty());
    digits.map(str::to_owned).collect()
}

#[tokio::test]
async fn notices_are_in_the_language_of_the_query() {
    both(async |server| {
        let factory = Factory::new(server, "2026-03-02T07:00:00Z", "2026-03-02T13:00:00Z").await;
        let mut wrong = Vec::new();
        let mut seen = BTreeSet::new();
        for ((from, to), query) in queries() {
            let ask = async |language: &str| {
                let mut query = query.clone();
                query["language"] = json!(language);
                factory.try_ask(from, to, query).await.map(|frames| notices(&frames))
            };
            let (english, spanish) = match (ask("en").await, ask("es").await) {
                (Ok(english), Ok(spanish)) => (english, spanish),
                (english, spanish) => {
                    wrong.push(format!("{query}: {english:?}, {spanish:?}"));
                    continue;
                }
            };
            if english.is_empty() || english.len() != spanish.len() {
                wrong.push(format!("{query}: {english:?}, {spanish:?}"));
            }
            for (en, es) in english.iter().zip(&spanish) {
                // The same numbers, and as many of them.
                if is_english(es) || numbers(en) != numbers(es) {
                    wrong.push(format!("{query}: {en} {es}"));
                }
            }
            seen.extend(spanish);
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
        assert!(seen.len() > 20, "{seen:#?}");
    })
    .await;
}
