//! What is provisioned, on the demo factory: every query of every dashboard and alert rule is understood
//! and gives data; what alert rules compare is one number an instance, with labels.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeDelta, Utc};
use grafana_plugin_sdk::pluginv2 as pb;
use serde_json::{Value, json};

use crate::support::command::{IngestProcess, stderr};
use crate::support::db::{Server, TestDb};
use crate::support::frame::{Decoded, Values};
use crate::support::panel::{Plugin, decode, query};

/// A Friday at noon: all lines are at work, and two weeks and a half lie before it.
const UNTIL: &str = "2025-11-21T12:00:00Z";

fn provisioning(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("provisioning").join(folder)
}

fn now() -> DateTime<Utc> {
    UNTIL.parse().unwrap()
}

/// The demo factory, a reading each five minutes.
async fn factory() -> (TestDb, Plugin) {
    let db = TestDb::migrated(Server::Timescale).await;
    let ingest = IngestProcess::start(&db);
    let output = ingest.run(&["demo", "--days", "18", "--interval", "5m", "--until", UNTIL]);
    assert!(output.status.success(), "{}", stderr(&output));
    let plugin = Plugin::start(&db).await;
    (db, plugin)
}

fn asked(model: &Value, from: DateTime<Utc>, points: i64) -> pb::DataQuery {
    let range = pb::TimeRange {
        from_epoch_ms: from.timestamp_millis(),
        to_epoch_ms: now().timestamp_millis(),
    };
    let milliseconds = range.to_epoch_ms - range.from_epoch_ms;
    pb::DataQuery {
        time_range: Some(range),
        max_data_points: points,
        interval_ms: (milliseconds / points).max(1_000),
        ..query("A", model.clone())
    }
}

async fn ask(plugin: &Plugin, what: &str, query: pb::DataQuery) -> Vec<Decoded> {
    let answer = plugin.ask(vec![query]).await.remove("A").expect("an answer");
    assert_eq!(answer.error, "", "{what}");
    decode(&answer)
}

fn dashboards() -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for folder in ["dashboards/en", "dashboards/es"] {
        for entry in std::fs::read_dir(provisioning(folder)).expect(folder) {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let name = format!("{folder}/{}", path.file_name().unwrap().display());
            found.push((name, serde_json::from_str(&text).expect("JSON")));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

/// `now-7d`.
fn start(relative: &str) -> DateTime<Utc> {
    let (digits, unit) = relative.strip_prefix("now-").unwrap().split_at(relative.len() - 5);
    let amount: i64 = digits.parse().unwrap();
    now() - TimeDelta::hours(amount * if unit == "d" { 24 } else { 1 })
}

/// Puts values in the place of variables.
fn filled(value: &Value, variables: &BTreeMap<String, String>) -> Value {
    match value {
        Value::String(text) => match text.strip_prefix('$') {
            Some(name) if !name.starts_with('{') => {
                json!(variables.get(name).unwrap_or_else(|| panic!("no variable {name}")))
            }
            _ => value.clone(),
        },
        Value::Array(items) => items.iter().map(|item| filled(item, variables)).collect(),
        Value::Object(entries) => {
            entries.iter().map(|(key, item)| (key.clone(), filled(item, variables))).collect()
        }
        _ => value.clone(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_provisioned_has_data() {
    let (_db, plugin) = factory().await;
    every_query_of_every_dashboard_gives_data(&plugin).await;
    every_alert_rule_gives_labelled_numbers(&plugin).await;
}

async fn every_query_of_every_dashboard_gives_data(plugin: &Plugin) {
    // The newest lot of one line, with its reference.
    let runs = json!({"type": "runs", "place": {"lines": ["M1"]}, "limit": 1});
    let run = ask(plugin, "runs", asked(&runs, now() - TimeDelta::days(1), 100)).await.remove(0);
    let one: BTreeMap<&str, &str> = BTreeMap::from([
        ("plant", "madrid"),
        ("line", "M1"),
        ("reference", run.texts("reference")[0]),
        ("lot", run.texts("lot")[0]),
    ]);
    let found = dashboards();
    assert!(found.len() >= 2 && found.len().is_multiple_of(2), "{}", found.len());
    // The Spanish ones ask the same, and many panels do.
    let mut asked_before = BTreeSet::new();
    for (name, dashboard) in found {
        let mut variables = BTreeMap::new();
        for variable in dashboard["templating"]["list"].as_array().expect("variables") {
            let key = variable["name"].as_str().unwrap();
            let value = match (variable["type"].as_str(), variable["multi"].as_bool()) {
                (Some("custom"), _) => variable["current"]["value"].as_str().unwrap(),
                (_, Some(true)) => "*",
                _ => one.get(key).copied().unwrap_or("lotwise"),
            };
            variables.insert(key.to_owned(), value.to_owned());
        }
        let from = start(dashboard["time"]["from"].as_str().unwrap());
        for panel in dashboard["panels"].as_array().expect("panels") {
            for target in panel["targets"].as_array().into_iter().flatten() {
                let what = format!("{name}: {}", panel["title"]);
                let model = filled(target, &variables);
                if !asked_before.insert((from, model.to_string())) {
                    continue;
                }
                let frames = ask(plugin, &what, asked(&model, from, 1_000)).await;
                let rows: usize = frames.iter().map(|frame| frame.rows).sum();
                assert!(rows > 0, "{what} has no data: {frames:?}");
            }
        }
        for annotation in dashboard["annotations"]["list"].as_array().into_iter().flatten() {
            let what = format!("{name}: {}", annotation["name"]);
            ask(plugin, &what, asked(&filled(&annotation["target"], &variables), from, 1_000))
                .await;
        }
    }
}

async fn every_alert_rule_gives_labelled_numbers(plugin: &Plugin) {
    let text = std::fs::read_to_string(provisioning("alerting/lotwise.yaml")).unwrap();
    let file: Value = serde_yaml_ng::from_str(&text).expect("YAML");
    assert_eq!(file["apiVersion"], 1);
    let dashboards = dashboards();
    let rules: Vec<&Value> = (file["groups"].as_array().unwrap().iter())
        .flat_map(|group| group["rules"].as_array().unwrap())
        .collect();
    assert!(rules.len() >= 4);
    let uids: BTreeSet<&str> = rules.iter().map(|rule| rule["uid"].as_str().unwrap()).collect();
    assert_eq!(uids.len(), rules.len(), "uids are not unique");
    for rule in rules {
        let title = rule["title"].as_str().expect("title");
        for key in ["for", "noDataState", "execErrState"] {
            assert!(rule[key].is_string(), "{title}: {key}");
        }
        shows_a_panel(&dashboards, rule);
        let data = rule["data"].as_array().expect("data");
        let mut known = BTreeSet::new();
        for item in data {
            let ref_id = item["refId"].as_str().expect("refId");
            let model = &item["model"];
            assert_eq!(model["refId"], ref_id, "{title}");
            if item["datasourceUid"] == "__expr__" {
                let of = model["expression"].as_str().expect("expression");
                assert!(known.contains(of), "{title}: {ref_id} is of {of}, which comes later");
            } else {
                assert_eq!(item["datasourceUid"], "lotwise");
                let seconds = item["relativeTimeRange"]["from"].as_i64().expect("a time range");
                // What Grafana's alerting asks with.
                let mut query = asked(model, now() - TimeDelta::seconds(seconds), 43_200);
                query.interval_ms = 1_000;
                labelled_numbers(title, &ask(plugin, title, query).await);
            }
            known.insert(ref_id);
        }
        assert!(known.contains(rule["condition"].as_str().expect("condition")), "{title}");
    }
}

/// Grafana does not start with a rule that names a dashboard without a panel of it, as a text.
fn shows_a_panel(dashboards: &[(String, Value)], rule: &Value) {
    let (title, annotations) = (&rule["title"], &rule["annotations"]);
    let id = annotations["__panelId__"].as_str().expect("a panel, as a text");
    let id: u64 = id.parse().expect("its number");
    let (_, board) = (dashboards.iter())
        .find(|(_, board)| board["uid"] == annotations["__dashboardUid__"])
        .unwrap_or_else(|| panic!("{title}: no dashboard {}", annotations["__dashboardUid__"]));
    let panels = board["panels"].as_array().expect("panels");
    assert!(panels.iter().any(|panel| panel["id"] == id), "{title}: no panel {id}");
}

/// What Grafana's expressions take: frames with one number, and either times and labels, or texts, which
/// become labels. No two instances have the same labels.
fn labelled_numbers(title: &str, frames: &[Decoded]) {
    let mut instances = BTreeSet::new();
    let mut numbers = 0;
    for frame in frames {
        let of = |kind: fn(&Values) -> bool| {
            frame.columns.iter().filter(move |column| kind(&column.values)).collect::<Vec<_>>()
        };
        let values = of(|v| matches!(v, Values::Number(_)));
        let [value] = values.as_slice() else { panic!("{title}: {frame:?}") };
        let Values::Number(all) = &value.values else { unreachable!() };
        numbers += all.iter().flatten().count();
        assert!(of(|v| matches!(v, Values::Bool(_))).is_empty(), "{title}: {frame:?}");
        let texts = of(|v| matches!(v, Values::Text(_)));
        if of(|v| matches!(v, Values::Time(_))).is_empty() {
            assert!(!texts.is_empty() || !value.labels.is_empty(), "{title}: no labels: {frame:?}");
            for row in 0..frame.rows {
                let labels: Vec<String> =
                    texts.iter().map(|c| format!("{:?}", cell(c, row))).collect();
                let labels = format!("{labels:?} {:?}", value.labels);
                assert!(!instances.contains(&labels), "{title}: {labels} twice");
                instances.insert(labels);
            }
        } else {
            assert!(texts.is_empty() && !value.labels.is_empty(), "{title}: {frame:?}");
            assert!(instances.insert(format!("{:?}", value.labels)), "{title}: {:?}", value.labels);
        }
    }
    assert!(numbers > 0, "{title}: no number in {frames:?}");
}

fn cell(column: &crate::support::frame::Column, row: usize) -> Option<&str> {
    match &column.values {
        Values::Text(texts) => texts[row].as_deref(),
        _ => None,
    }
}
