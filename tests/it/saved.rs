//! One snapshot a saved query: why it is read like this, and each statement with its parameters. The
//! texts of the statements, which many queries share, are snapshots of their own.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use lotwise::answer::{self, Source};
use lotwise::catalog;
use lotwise::domain::TimeRange;
use lotwise::plan::Ask;
use serde_json::{Value, json};

use crate::support::db::Server;
use crate::support::fixture;
use crate::support::source::plugin_db;
use crate::support::statements::Statements;

/// Saved queries of every type, by name.
fn saved() -> Vec<(&'static str, Value)> {
    let madrid = json!({"plants": ["madrid"]});
    let context = json!({"references": ["REF-A"], "lots": ["LOT-1", "LOT-3"], "operators": []});
    vec![
        ("series_auto", json!({"type": "series", "place": {"quantity": "temperature"}})),
        (
            "series_hourly_sum",
            json!({"type": "series", "aggregate": "sum", "bucket": "hour", "place": {"quantity": "energy"}}),
        ),
        (
            "series_of_a_reference",
            json!({"type": "series", "groupBy": "reference", "context": context, "place": {"quantity": "temperature"}}),
        ),
        (
            "series_first",
            json!({"type": "series", "aggregate": "first", "bucket": "hour", "place": {"sensors": ["oven-temp"]}}),
        ),
        ("kpi_usual", json!({"type": "kpi", "place": madrid})),
        ("kpi_by_reference", json!({"type": "kpi", "groupBy": "reference", "place": madrid})),
        (
            "kpi_of_lots_by_operator",
            json!({"type": "kpi", "groupBy": "operator", "context": context}),
        ),
        (
            "kpi_by_machine_per_day",
            json!({"type": "kpi", "groupBy": "machine", "bucket": "day", "place": {"lines": ["L1"]}}),
        ),
        (
            "kpi_cost_and_co2",
            json!({"type": "kpi", "groupBy": "line", "kpis": ["cost", "co2", "co2_market_based"], "place": madrid}),
        ),
        ("runs_table", json!({"type": "runs", "place": madrid})),
        ("runs_annotations", json!({"type": "runs", "format": "annotations", "limit": 10})),
        ("latest", json!({"type": "latest", "place": {"machines": ["oven"]}})),
        ("data_quality", json!({"type": "data_quality"})),
        ("data_quality_alert", json!({"type": "data_quality", "format": "alert"})),
        (
            "lots_by_elapsed_time",
            json!({"type": "lots", "bucket": "10m", "place": {"quantity": "temperature"}}),
        ),
        (
            "lots_by_progress",
            json!({"type": "lots", "align": "progress", "context": context, "place": {"quantity": "energy"}}),
        ),
        ("anomalies", json!({"type": "anomalies", "place": {"machines": ["oven"]}})),
    ]
}

/// The queries of the dashboards that are shipped, with "All" for each variable.
fn of_dashboards() -> Vec<(String, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("provisioning/dashboards/en");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).expect("dashboards").map(|f| f.expect("file").path()).collect();
    files.sort();
    let mut queries = Vec::new();
    for file in files.into_iter().filter(|f| f.extension().is_some_and(|e| e == "json")) {
        let board: Value =
            serde_json::from_str(&std::fs::read_to_string(&file).expect("read")).expect("JSON");
        let name = file.file_stem().expect("name").to_string_lossy().into_owned();
        for panel in board["panels"].as_array().into_iter().flatten() {
            for target in panel["targets"].as_array().into_iter().flatten() {
                let title = panel["title"].as_str().unwrap_or_default();
                let (id, ref_id) = (&panel["id"], target["refId"].as_str().unwrap_or_default());
                let of = format!("{name} {id} {title} {ref_id}");
                let of: String = of
                    .chars()
                    .map(|c| if c.is_alphanumeric() { c.to_ascii_lowercase() } else { '_' })
                    .collect();
                let mut query = target.clone();
                all(&mut query);
                queries.push((format!("dashboard_{of}"), query));
            }
        }
    }
    queries
}

/// `$plant` is what Grafana replaces; for "All" the front end writes `*`.
fn all(value: &mut Value) {
    match value {
        Value::String(text) if text.starts_with('$') => *text = "*".to_owned(),
        Value::Array(items) => items.iter_mut().for_each(all),
        Value::Object(fields) => fields.values_mut().for_each(all),
        _ => {}
    }
}

#[tokio::test]
async fn plan_statements_and_parameters_of_each_saved_query() {
    let db = fixture::factory(Server::Plain).await;
    let plugin = plugin_db(&db.url);
    let catalog = catalog::load(&plugin, &[], &[]).await.unwrap();
    let source = Source { db: &plugin, catalog: &catalog };
    let ask = Ask {
        range: TimeRange::new(fixture::from(), fixture::to()).unwrap(),
        interval_s: 60.0,
        max_data_points: 240,
        max_points: 1_000_000,
        now: fixture::to(),
    };
    let statements = Statements::listen();
    let saved = saved().into_iter().map(|(name, query)| (name.to_owned(), query));
    let all: Vec<_> = saved.chain(of_dashboards()).collect();
    assert!(all.len() > 25, "{}", all.len());
    let mut texts = BTreeMap::new();
    for (name, query) in all {
        let answered = answer::answer(&source, query.to_string().as_bytes(), &ask).await;
        let mut said = String::new();
        match &answered {
            Ok(frames) => {
                let first = frames.first().map(|f| f.meta["custom"].clone()).unwrap_or_default();
                writeln!(said, "{} frames; {first:#}", frames.len()).unwrap();
            }
            // Such as a quantity that this factory does not have.
            Err(error) if name.starts_with("dashboard_") => writeln!(said, "{error}").unwrap(),
            Err(error) => panic!("{name}: {error}"),
        }
        for seen in statements.take() {
            let id = id(&seen.sql);
            writeln!(said, "statement_{id} {}", seen.parameters).unwrap();
            texts.insert(id, seen.sql);
        }
        snapshot(name, &said, &query.to_string());
    }
    for (id, sql) in texts {
        snapshot(format!("statement_{id}"), &sql, "");
    }
}

fn snapshot(name: String, said: &str, of: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("saved");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_description(of);
    settings.bind(|| insta::assert_snapshot!(name, said));
}

/// A name of a text, the same in every run (FNV-1a).
fn id(sql: &str) -> String {
    let step = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(16_777_619);
    format!("{:08x}", sql.bytes().fold(2_166_136_261, step))
}
