//! What the query types send: file format, nanoseconds, names, labels, units.

use serde_json::{Value, json};

use crate::support::db::Server;
use crate::support::fixture;
use crate::support::panel::{Plugin, query};

/// A query of every type and shape, by name.
pub fn every_shape() -> Vec<(&'static str, Value)> {
    vec![
        (
            "series",
            json!({"type": "series", "place": {"sensors": ["oven-temp", "press-power"]}, "bucket": "15m"}),
        ),
        (
            "counter",
            json!({"type": "series", "place": {"sensors": ["L1-energy"]}, "bucket": "hour", "aggregate": "sum"}),
        ),
        (
            "by_lot",
            json!({"type": "series", "place": {"quantity": "temperature"}, "context": {"lots": ["LOT-1"]}, "groupBy": "lot", "bucket": "30m"}),
        ),
        (
            "kpi",
            json!({"type": "kpi", "place": {"plants": ["madrid"]}, "groupBy": "reference", "bucket": "whole"}),
        ),
        (
            "kpi_over_time",
            json!({"type": "kpi", "place": {"plants": ["madrid"]}, "groupBy": "line", "bucket": "hour", "kpis": ["energy", "good_units"]}),
        ),
        (
            "by_shift",
            json!({"type": "series", "place": {"sensors": ["oven-temp"]}, "groupBy": "shift", "bucket": "1h"}),
        ),
        (
            "extremes",
            json!({"type": "series", "place": {"quantity": "temperature"}, "extremes": true, "fill": "previous", "bucket": "1h"}),
        ),
        (
            "compared",
            json!({"type": "series", "place": {"quantity": "temperature"}, "compare": "previous", "bucket": "1h"}),
        ),
        (
            "compared_table",
            json!({"type": "kpi", "place": {"plants": ["madrid"]}, "groupBy": "reference", "compare": "day", "top": 1}),
        ),
        (
            "availability",
            json!({"type": "kpi", "kpis": ["availability", "machine_hours"], "groupBy": "machine"}),
        ),
        ("states", json!({"type": "states"})),
        ("states_annotations", json!({"type": "states", "format": "annotations"})),
        ("made", json!({"type": "states", "groupBy": "lot"})),
        ("runs", json!({"type": "runs", "place": {"plants": ["madrid"]}})),
        ("annotations", json!({"type": "runs", "format": "annotations"})),
        ("latest", json!({"type": "latest"})),
        (
            "no_run",
            json!({"type": "series", "place": {"quantity": "temperature"}, "context": {"references": ["REF-C"]}}),
        ),
        ("no_row", json!({"type": "runs", "context": {"references": ["REF-C"]}})),
    ]
}

async fn plugin() -> (crate::support::db::TestDb, Plugin) {
    let db = fixture::factory(Server::Timescale).await;
    let plugin = Plugin::start(&db).await;
    (db, plugin)
}

#[tokio::test]
async fn are_arrow_files_that_name_their_query() {
    let (_db, plugin) = plugin().await;
    for (name, model) in every_shape() {
        let answers = plugin.ask(vec![query("Some ref", model)]).await;
        let answer = &answers["Some ref"];
        assert_eq!(answer.error, "", "{name}");
        assert!(!answer.frames.is_empty(), "{name}");
        for bytes in &answer.frames {
            assert!(bytes.starts_with(b"ARROW1") && bytes.ends_with(b"ARROW1"), "{name}");
        }
        for frame in crate::support::panel::decode(answer) {
            assert_eq!(frame.ref_id, "Some ref", "{name}");
        }
    }
}

#[tokio::test]
async fn a_field_has_labels_and_config_at_once() {
    let (_db, plugin) = plugin().await;
    let frames = plugin
        .frames(json!({"type": "series", "place": {"sensors": ["oven-temp"]}, "bucket": "1h"}))
        .await;
    let [frame] = &frames[..] else { panic!("{frames:?}") };
    let value = frame.column("value");
    assert_eq!(value.config, json!({"unit": "celsius", "displayNameFromDS": "Oven temperature"}));
    let labels: Vec<_> = value.labels.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    let expected = [
        ("line", "L1"),
        ("machine", "oven"),
        ("plant", "madrid"),
        ("quantity", "temperature"),
        ("sensor", "oven-temp"),
    ];
    assert_eq!(labels, expected);
    assert_eq!(frame.meta["type"], "timeseries-multi");
    let start = fixture::from().timestamp_nanos_opt().expect("nanoseconds");
    let hours: Vec<_> = (0..4).map(|h| Some(start + h * 3_600_000_000_000)).collect();
    assert_eq!(frame.times("time"), hours);
    assert_eq!(frame.numbers("value"), [185.0, 195.0, 205.0, 215.0].map(Some));
}

#[tokio::test]
async fn a_kpi_table_has_its_columns_and_the_rest_that_no_run_accounts_for() {
    let (_db, plugin) = plugin().await;
    let model = json!({"type": "kpi", "place": {"plants": ["madrid"]}, "groupBy": "reference", "bucket": "whole"});
    let frames = plugin.frames(model).await;
    let [frame] = &frames[..] else { panic!("{frames:?}") };
    assert_eq!(frame.texts("reference"), ["REF-A", "REF-B", ""]);
    assert_eq!(frame.texts("name"), ["Mix 50%", "Under_score", "Unallocated"]);
    close(frame.numbers("energy"), &[Some(100.0), Some(45.0), Some(15.0)]);
    close(frame.numbers("good_units"), &[Some(300.0), Some(90.0), None]);
    close(frame.numbers("scrap_units"), &[Some(15.0), Some(0.0), None]);
    close(frame.numbers("energy_per_good_unit"), &[Some(1.0 / 3.0), Some(0.5), None]);
    let unit = |name: &str| frame.column(name).config["unit"].clone();
    assert_eq!(unit("energy"), "kwatth");
    assert_eq!(unit("energy_per_good_unit"), "suffix: kWh/unit");
    assert_eq!(unit("mean_temperature"), "celsius");
    assert_eq!(unit("coverage"), "percentunit");
}

#[tokio::test]
async fn a_lot_filter_leaves_only_that_lot() {
    let (_db, plugin) = plugin().await;
    let model = json!({"type": "kpi", "context": {"lots": ["LOT-2"]}, "bucket": "whole", "kpis": ["energy", "good_units"]});
    let frames = plugin.frames(model).await;
    close(frames[0].numbers("energy"), &[Some(45.0)]);
    close(frames[0].numbers("good_units"), &[Some(90.0)]);
}

#[tokio::test]
async fn runs_come_with_their_energy() {
    let (_db, plugin) = plugin().await;
    let frames = plugin.frames(json!({"type": "runs", "place": {"plants": ["madrid"]}})).await;
    let frame = &frames[0];
    assert_eq!(frame.texts("run"), ["RUN-2", "RUN-1", "RUN-3"]);
    assert_eq!(frame.texts("operator"), ["Luis", "Ana", ""]);
    close(frame.numbers("energy"), &[Some(45.0), Some(60.0), Some(40.0)]);
    close(frame.numbers("energy_per_good_unit"), &[Some(0.5), Some(0.6), Some(0.2)]);
    close(frame.numbers("duration_s"), &[Some(5_400.0), Some(7_200.0), Some(14_400.0)]);
}

#[tokio::test]
async fn the_newest_values_come_with_place_and_unit() {
    let (_db, plugin) = plugin().await;
    let frames = plugin.frames(json!({"type": "latest", "place": {"lines": ["L1"]}})).await;
    let frame = &frames[0];
    assert_eq!(frame.texts("sensor"), ["L1-energy", "oven-temp", "press-count", "press-power"]);
    assert_eq!(frame.texts("machine"), ["", "oven", "press", "press"]);
    assert_eq!(frame.texts("unit"), ["kWh", "°C", "unit", "kW"]);
    close(frame.numbers("value"), &[Some(1120.0), Some(220.0), Some(480.0), Some(12.0)]);
    let newest = fixture::to().timestamp_nanos_opt();
    assert_eq!(frame.times("time"), [newest; 4]);
}

fn close(found: &[Option<f64>], expected: &[Option<f64>]) {
    let near = |pair: (&Option<f64>, &Option<f64>)| match pair {
        (Some(a), Some(b)) => (a - b).abs() <= 1e-9 * b.abs().max(1.0),
        (a, b) => a == b,
    };
    let same = found.len() == expected.len() && found.iter().zip(expected).all(near);
    assert!(same, "{found:?} is not {expected:?}");
}
