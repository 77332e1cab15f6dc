//! Frames decoded by Grafana's own decoder (its Go SDK), held against what Rust decodes.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::frames::every_shape;
use crate::support::db::Server;
use crate::support::fixture;
use crate::support::frame::{Decoded, Values};
use crate::support::panel::{Plugin, query};

/// Builds tests/go-decoder; `None`, said loudly, where there is no Go toolchain.
fn build(folder: &Path) -> Option<PathBuf> {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/go-decoder");
    let program = folder.join("go-decoder");
    let built = Command::new("go")
        .args(["build", "-o"])
        .arg(&program)
        .arg(".")
        .current_dir(source)
        .env("GOFLAGS", "-mod=readonly -buildvcs=false")
        .output();
    match built {
        Ok(built) => {
            let said = String::from_utf8_lossy(&built.stderr);
            assert!(built.status.success(), "go build in {source}: {said}");
            Some(program)
        }
        Err(error) => {
            let required = std::env::var_os("LOTWISE_REQUIRE_GO").is_some_and(|v| v == "1");
            assert!(!required, "LOTWISE_REQUIRE_GO=1, but go cannot be run: {error}");
            let line = "!".repeat(96);
            // Straight to the terminal: the test harness hides what a passing test prints.
            let notice = format!(
                "{line}\nNOT TESTED: no Go toolchain ({error}), so Grafana's own decoder did not read the frames.\n\
                 Install Go 1.25 or newer (https://go.dev/dl) and run the tests again.\n{line}\n"
            );
            use std::io::Write;
            let _ = std::io::stderr().write_all(notice.as_bytes());
            None
        }
    }
}

#[tokio::test]
async fn grafanas_decoder_reads_the_same_as_rust() {
    let folder = tempfile::tempdir().expect("a folder");
    let Some(program) = build(folder.path()) else { return };
    let db = fixture::factory(Server::Timescale).await;
    let plugin = Plugin::start(&db).await;
    let mut files = Vec::new();
    let mut expected = Vec::new();
    // Every shape as a panel gets it, and as an alert rule does.
    let shapes = || every_shape().into_iter();
    let shapes = shapes().map(|s| (s, false)).chain(shapes().map(|s| (s, true)));
    for ((name, model), alert) in shapes {
        let name = &format!("{name}{}", if alert { " alert" } else { "" });
        let mut request = plugin.request(vec![query(name, model)]);
        if alert {
            request.headers.insert("FromAlert".to_owned(), "true".to_owned());
        }
        let answered = plugin.host.data().query_data(request).await.expect("QueryData");
        let mut answers = answered.into_inner().responses;
        let answer = answers.remove(name).expect("answer");
        assert_eq!(answer.error, "", "{name}");
        for (index, bytes) in answer.frames.iter().enumerate() {
            let file = folder.path().join(format!("{name}-{index}.arrow"));
            std::fs::write(&file, bytes).expect("write the frame");
            files.push(file);
            expected.push(Decoded::read(bytes));
        }
    }
    let output = Command::new(program).args(&files).output().expect("run the decoder");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "Grafana's decoder refuses a frame: {said}");
    let output: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let seen = output["frames"].as_array().expect("frames");
    assert_eq!(seen.len(), expected.len());
    for (go, rust) in seen.iter().zip(&expected) {
        compare(go, rust);
    }
    let read = output["answers"].as_array().expect("answers");
    for answer in read {
        can_be_an_alert_rule(answer);
    }
    let types = |name: &str| read.iter().find(|a| a["refId"] == name).map(|a| a["type"].clone());
    assert_eq!(types("series"), Some("timeseries-multi".into()));
    assert_eq!(types("kpi"), Some("numeric-long".into()));
    assert_eq!(types("kpi alert"), Some("numeric-multi".into()));
    assert_eq!(types("latest alert"), Some("numeric-long".into()));
}

/// A rule refuses answers of which two have the same labels, whatever their names are.
fn can_be_an_alert_rule(answer: &Value) {
    let items = answer["items"].as_array().expect("items");
    let name = answer["refId"].as_str().expect("ref id");
    assert!(!items.is_empty(), "{answer}");
    if name.ends_with("alert") || answer["type"] != "numeric-long" {
        let labels: std::collections::BTreeSet<String> =
            items.iter().map(|item| item["labels"].to_string()).collect();
        assert_eq!(labels.len(), items.len(), "{answer}");
    }
}

/// Both see the same frame.
fn compare(go: &Value, rust: &Decoded) {
    let about = format!("frame {:?} of query {:?}", rust.name, rust.ref_id);
    assert_eq!(go["name"], rust.name, "{about}");
    assert_eq!(go["refId"], rust.ref_id, "{about}");
    assert_eq!(go["rows"], rust.rows, "{about}");
    for key in ["/type", "/executedQueryString", "/custom/reason", "/custom/bucket"] {
        assert_eq!(go["meta"].pointer(key), rust.meta.pointer(key), "{key} of {about}");
    }
    // A whole number loses its point on the way through Go.
    let coverage = |meta: &Value| meta["custom"]["coverage"].as_f64();
    assert_eq!(coverage(&go["meta"]), coverage(&rust.meta), "{about}");
    let texts = |meta: &Value| -> Vec<Value> {
        let list = meta["notices"].as_array().cloned().unwrap_or_default();
        list.into_iter().map(|notice| notice["text"].clone()).collect()
    };
    assert_eq!(texts(&go["meta"]), texts(&rust.meta), "{about}");
    let fields = go["fields"].as_array().expect("fields");
    assert_eq!(fields.len(), rust.columns.len(), "{about}");
    for (field, column) in fields.iter().zip(&rust.columns) {
        let about = format!("field {:?} of {about}", column.name);
        assert_eq!(field["name"], column.name, "{about}");
        assert_eq!(field["labels"], serde_json::json!(column.labels), "{about}");
        for key in ["unit", "displayNameFromDS", "description"] {
            assert_eq!(field["config"][key], column.config[key], "{key} of {about}");
        }
        let texts = field["values"].as_array().expect("values").iter().map(Value::as_str);
        let (kind, same) = match &column.values {
            Values::Time(v) if v.iter().all(Option::is_some) => ("time.Time", texts.eq_by_parse(v)),
            Values::Time(v) => ("*time.Time", texts.eq_by_parse(v)),
            Values::Number(v) => ("*float64", texts.eq_by_parse(v)),
            Values::Bool(v) => ("*bool", texts.eq_by_parse(v)),
            Values::Text(v) => ("*string", texts.eq_by_parse(v)),
        };
        assert_eq!(field["type"], kind, "{about}");
        assert!(same, "{about}: {} is not {:?}", field["values"], column.values);
    }
}

/// Equality of texts with the values that they are the text of.
trait EqByParse {
    fn eq_by_parse<T: std::str::FromStr + PartialEq>(self, values: &[Option<T>]) -> bool;
}

impl<'a, I: ExactSizeIterator<Item = Option<&'a str>>> EqByParse for I {
    fn eq_by_parse<T: std::str::FromStr + PartialEq>(self, values: &[Option<T>]) -> bool {
        self.len() == values.len()
            && self.zip(values).all(|(text, value)| match (text, value) {
                (Some(text), Some(value)) => text.parse::<T>().is_ok_and(|parsed| parsed == *value),
                (None, None) => true,
                _ => false,
            })
    }
}
