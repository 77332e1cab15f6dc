//! Runs: opened, closed, corrected, deleted.

use reqwest::Method;
use serde_json::{Value, json};

use super::on_both;
use crate::support::db::Server;
use crate::support::ingest::{Ingest, answer};

on_both!(
    a_run_is_opened_closed_and_corrected,
    overlaps_name_both_runs,
    a_late_repeat_undoes_nothing
);

fn run(key: &str, start: &str, end: Option<&str>) -> Value {
    let mut run = json!({"plant": "madrid", "key": key, "line": "M1", "lot": "L1", "reference": "A", "started_at": start});
    if let Some(end) = end {
        run["ended_at"] = json!(end);
    }
    run
}

async fn stored(ingest: &Ingest, key: &str) -> Value {
    let answer = ingest.get("/v1/runs?plant=madrid").await;
    let all = answer.body["items"].as_array().expect("items").clone();
    all.into_iter().find(|r| r["key"] == key).expect("the run")
}

async fn a_run_is_opened_closed_and_corrected(server: Server) {
    let ingest = Ingest::with_plants(server).await;
    ingest.create("runs", json!([run("R1", "2026-03-01T06:00:00Z", None)])).await;
    assert_eq!(stored(&ingest, "R1").await["ended_at"], Value::Null);
    let path = "/v1/runs/madrid/R1";
    let change =
        json!({"ended_at": "2026-03-01T09:00:00+01:00", "good_units": 480, "operator": "crew 7"});
    assert_eq!(ingest.patch(path, &change).await.status, 204);
    assert_eq!(
        stored(&ingest, "R1").await,
        json!({"plant": "madrid", "key": "R1", "line": "M1", "machine": null, "lot": "L1", "reference": "A",
            "operator": "crew 7", "started_at": "2026-03-01T06:00:00+00:00", "ended_at": "2026-03-01T08:00:00+00:00",
            "good_units": 480, "scrap_units": null})
    );
    assert_eq!(
        ingest
            .patch(
                path,
                &json!({"ended_at": null, "machine": "oven", "lot": "L2", "reference": "B"})
            )
            .await
            .status,
        204
    );
    let now = stored(&ingest, "R1").await;
    assert_eq!(
        (&now["ended_at"], &now["machine"], &now["reference"]),
        (&Value::Null, &json!("oven"), &json!("B"))
    );

    let refused = [
        ("/v1/runs/madrid/R9", json!({}), 404, "unknown_run"),
        ("/v1/runs/nix/R1", json!({}), 404, "unknown_plant"),
        ("/v1/runs/madrid/%FF", json!({}), 400, "parameter"),
        ("/v1/runs/madrid/%00", json!({}), 404, "unknown_run"),
        (path, json!({"ended_at": "2026-03-01T05:00:00Z"}), 422, "invalid"),
        (path, json!({"good_units": -1}), 422, "invalid"),
        (path, json!({"line": "M9"}), 422, "unknown_line"),
        (path, json!({"lot": "L9"}), 422, "unknown_lot"),
        (path, json!({"reference": "A"}), 409, "conflict"),
        (path, json!({"started_at": "2200-01-01T00:00:00Z"}), 400, "body_malformed"),
        (path, json!({"end": "2026-03-01T05:00:00Z"}), 400, "body_malformed"),
    ];
    for (path, change, status, code) in refused {
        let answer = ingest.patch(path, &change).await;
        assert_eq!(
            (answer.status, &answer.body["code"]),
            (status, &json!(code)),
            "{}",
            answer.text
        );
    }
    assert_eq!(answer(ingest.request(Method::DELETE, path)).await.status, 204);
    assert_eq!(answer(ingest.request(Method::DELETE, path)).await.status, 404);
}

async fn overlaps_name_both_runs(server: Server) {
    let ingest = Ingest::with_plants(server).await;
    ingest.create("runs", json!([run("R1", "2026-03-01T06:00:00Z", None)])).await;
    let (code, message) = ingest
        .refuse("runs", run("R2", "2026-03-01T07:00:00Z", Some("2026-03-01T08:00:00Z")))
        .await;
    assert_eq!(code, "overlap");
    for part in [
        "\"R1\"",
        "\"R2\"",
        "from 2026-03-01T06:00:00Z and still open",
        "2026-03-01T07:00:00Z to 2026-03-01T08:00:00Z",
    ] {
        assert!(message.contains(part), "{message}");
    }
    // Closing one and opening the next in one request; a machine is a place of its own.
    let mut on_machine = run("R3", "2026-03-01T06:30:00Z", None);
    on_machine["machine"] = json!("oven");
    ingest
        .create(
            "runs",
            json!([
                run("R1", "2026-03-01T06:00:00Z", Some("2026-03-01T07:00:00Z")),
                run("R2", "2026-03-01T07:00:00Z", None),
                on_machine
            ]),
        )
        .await;
    let answer =
        ingest.patch("/v1/runs/madrid/R1", &json!({"ended_at": "2026-03-01T07:00:01Z"})).await;
    assert_eq!((answer.status, &answer.body["code"]), (409, &json!("overlap")), "{}", answer.text);
    assert!(answer.text.contains("R1") && answer.text.contains("R2"));
}

async fn a_late_repeat_undoes_nothing(server: Server) {
    let ingest = Ingest::with_plants(server).await;
    let opening = run("R1", "2026-03-01T06:00:00Z", None);
    ingest.create("runs", json!([opening])).await;
    ingest
        .patch("/v1/runs/madrid/R1", &json!({"ended_at": "2026-03-01T07:00:00Z", "good_units": 5}))
        .await;
    let closed = stored(&ingest, "R1").await;
    ingest.create("runs", json!([opening])).await;
    assert_eq!(stored(&ingest, "R1").await, closed);
}
