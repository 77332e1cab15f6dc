//! A data source that is bound to plants or lines shows nothing else, whatever is asked.

use serde_json::{Value, json};

use crate::support::db::{Server, TestDb};
use crate::support::fixture;
use crate::support::frame::{Decoded, Values};
use crate::support::panel::Plugin;

/// Keys and names of what only porto has.
const PORTO: [&str; 8] =
    ["porto", "P1", "mixer", "P1-energy", "mixer-temp", "REF-Z", "LOT-9", "RUN-9"];
const TYPES: [&str; 4] = ["series", "kpi", "runs", "latest"];
const GROUPS: [&str; 7] = ["none", "plant", "line", "machine", "reference", "lot", "operator"];

async fn bound(setting: &str, keys: Value) -> (TestDb, Plugin) {
    let db = fixture::factory(Server::Plain).await;
    let plugin = Plugin::start(&db).await;
    let source = plugin.source.clone().set(setting, keys);
    (db, plugin.rebound(source))
}

/// All texts and labels of frames.
fn words(frames: &[Decoded]) -> Vec<String> {
    let columns = || frames.iter().flat_map(|f| &f.columns);
    let labels = columns().flat_map(|c| c.labels.values().cloned());
    let texts = columns().flat_map(|c| match &c.values {
        Values::Text(values) => values.iter().flatten().cloned().collect(),
        _ => Vec::new(),
    });
    labels.chain(texts).collect()
}

async fn assert_hidden(plugin: &Plugin, hidden: &[&str]) {
    for subject in
        ["plants", "lines", "machines", "sensors", "quantities", "references", "lots", "operators"]
    {
        let picked = plugin.pick(subject).await;
        let seen: Vec<_> = picked.values().into_iter().filter(|v| hidden.contains(v)).collect();
        assert!(seen.is_empty(), "{subject} offers {seen:?}");
    }
    for kind in TYPES {
        for group in GROUPS {
            let frames = plugin.frames(json!({"type": kind, "groupBy": group})).await;
            let seen: Vec<_> =
                words(&frames).into_iter().filter(|w| hidden.contains(&w.as_str())).collect();
            assert!(seen.is_empty(), "{kind} by {group} shows {seen:?}");
        }
    }
}

#[tokio::test]
async fn another_plant_is_invisible() {
    let (_db, plugin) = bound("plants", json!(["madrid"])).await;
    assert_hidden(&plugin, &PORTO).await;
    let total = plugin.frames(json!({"type": "kpi", "kpis": ["energy"]})).await;
    let energy = total[0].numbers("energy")[0].expect("energy");
    assert!((energy - 160.0).abs() < 1e-9, "madrid alone: {energy}");
}

#[tokio::test]
async fn another_plant_is_unknown_even_when_named() {
    let (_db, plugin) = bound("plants", json!(["madrid"])).await;
    for kind in TYPES {
        for (list, key) in
            [("plants", "porto"), ("lines", "P1"), ("machines", "mixer"), ("sensors", "mixer-temp")]
        {
            let answer = plugin.error(json!({"type": kind, "place": {list: [key]}})).await;
            assert!(answer.error.contains(&format!("{key:?}")), "{kind} {key}: {}", answer.error);
            assert_eq!((answer.status, answer.error_source.as_str()), (400, "downstream"));
        }
    }
    for kind in ["series", "kpi", "runs"] {
        for (list, key) in [("references", "REF-Z"), ("lots", "LOT-9"), ("operators", "rui")] {
            let answer = plugin.error(json!({"type": kind, "context": {list: [key]}})).await;
            assert!(answer.error.contains("unknown"), "{kind} {key}: {}", answer.error);
        }
    }
    for url in
        ["lines?plant=porto", "lots?plant=porto", "references?line=P1", "sensors?machine=mixer"]
    {
        assert!(plugin.pick(url).await.values().is_empty(), "{url}");
    }
}

#[tokio::test]
async fn another_line_is_invisible() {
    let (_db, plugin) = bound("lines", json!(["L2"])).await;
    let hidden = [
        "L1",
        "L1-energy",
        "press",
        "oven",
        "oven-temp",
        "LOT-1",
        "LOT-2",
        "REF-B",
        "RUN-1",
        "ana",
    ];
    assert_hidden(&plugin, &hidden).await;
    assert_hidden(&plugin, &PORTO[1..]).await;
    let total = plugin.frames(json!({"type": "kpi", "kpis": ["energy", "good_units"]})).await;
    let figure = |name: &str| total[0].numbers(name)[0].expect("a figure");
    assert!((figure("energy") - 40.0).abs() < 1e-9, "L2 alone");
    assert!((figure("good_units") - 200.0).abs() < 1e-9, "L2 alone");
    for kind in TYPES {
        let answer = plugin.error(json!({"type": kind, "place": {"lines": ["L1"]}})).await;
        assert!(answer.error.contains("unknown line \"L1\""), "{kind}: {}", answer.error);
    }
}
