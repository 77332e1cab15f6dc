//! Readings by JSON and by line protocol.

use std::io::Write;

use lotwise::ingest::keys::Scope;
use lotwise::ingest::keys::rules::{Rules, Window};
use reqwest::Method;
use serde_json::json;

use super::on_both;
use crate::support::db::Server;
use crate::support::ingest::{Ingest, answer as send};

on_both!(
    json_rows_are_stored_and_bad_ones_listed,
    line_protocol_answers_as_influxdb_does,
    repeats_are_free_and_the_last_write_wins,
    any_order_ends_in_the_same_state,
    a_new_sensor_works_at_once,
    gzip_is_taken,
    a_dry_run_checks_and_stores_nothing,
    one_batch_may_span_centuries,
);

async fn json_rows_are_stored_and_bad_ones_listed(server: Server) {
    let ingest = Ingest::with_plants(server).await;
    let answer = ingest
        .readings(json!([
            {"sensor": "T1", "time": "2026-03-29T02:30:00+02:00", "value": 21.5},
            {"sensor": "T9", "time": 0, "value": 1},
            {"sensor": "T1", "time": 1_774_744_201_000_i64, "value": 22},
            {"sensor": "T1", "time": "soon", "value": 1},
            {"sensor": "T1", "plant": "porto", "time": 60_000, "value": 3},
            {"sensor": "T1", "plant": "nowhere", "time": 60_000, "value": 3},
            {"sensor": "T1\u{0}", "time": 60_000, "value": 3},
            {"sensor": "T1", "time": 4_102_444_800_000_i64, "value": 3}]))
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!((&answer.body["accepted"], &answer.body["rejected"]), (&json!(3), &json!(5)));
    let errors: Vec<_> = answer.body["errors"]
        .as_array()
        .expect("errors")
        .iter()
        .map(|e| (e["index"].as_u64().expect("index"), e["code"].as_str().expect("code")))
        .collect();
    assert_eq!(
        errors,
        [
            (1, "unknown_sensor"),
            (3, "malformed"),
            (5, "unknown_plant"),
            (6, "bad_key"),
            (7, "time_out_of_range")
        ]
    );
    let message = answer.body["errors"][0]["message"].as_str();
    assert_eq!(
        message,
        Some(r#"unknown sensor "T9" in plant "madrid": create it first with POST /v1/sensors"#)
    );
    assert_eq!(
        ingest.stored().await,
        ["madrid/T1 1774744200 21.5", "madrid/T1 1774744201 22", "porto/T1 60 3"]
    );
    let answer = ingest.post("/v1/readings", &json!([])).await;
    assert_eq!((answer.status, &answer.body["code"]), (400, &json!("body_malformed")));
    assert_eq!(answer.headers["content-type"], "application/problem+json");
}

async fn line_protocol_answers_as_influxdb_does(server: Server) {
    let ingest = Ingest::with_plants(server).await;
    assert_eq!(ingest.write("T1 value=1 60\noven,sensor=E1 value=7i 60\n").await.status, 204);
    let answer = ingest
        .write("T1 value=2 120\nnot a line\nT1,plant=porto value=t 120\nT1 value=\"x\" 120\n\nT1 power=1 180\nT1 value=3 180")
        .await;
    assert_eq!(answer.status, 400);
    assert_eq!((&answer.body["code"], &answer.body["line"]), (&json!("invalid"), &json!(2)));
    assert!(
        answer.body["message"]
            .as_str()
            .expect("message")
            .starts_with("partial write: 3 not stored; line 2:")
    );
    let lines: Vec<_> = answer.body["errors"]
        .as_array()
        .expect("errors")
        .iter()
        .map(|e| (e["line"].as_u64().expect("line"), e["code"].as_str().expect("code")))
        .collect();
    assert_eq!(lines, [(2, "malformed"), (4, "not_a_number"), (6, "unknown_sensor")]);
    assert_eq!(
        ingest.stored().await,
        [
            "madrid/E1 60 7",
            "madrid/T1 60 1",
            "madrid/T1 120 2",
            "madrid/T1 180 3",
            "porto/T1 120 1"
        ]
    );
    for (query, word) in [("?precision=h", "precision"), ("", "plant is missing")] {
        let path = format!("/api/v2/write{query}");
        let answer = send(ingest.request(Method::POST, &path).body("T1 value=1 1")).await;
        assert_eq!(answer.status, 400);
        assert!(answer.text.contains(word), "{}", answer.text);
    }
    // Without a time it is now.
    assert_eq!(ingest.write("E1 value=8").await.status, 204);
    let age: f64 = sqlx::query_scalar(
        "SELECT date_part('epoch', now() - max(time)) FROM reading JOIN sensor s ON s.id = sensor_id WHERE s.key = 'E1'",
    )
    .fetch_one(&ingest.pool)
    .await
    .expect("age");
    assert!((0.0..10.0).contains(&age), "{age}");
}

async fn repeats_are_free_and_the_last_write_wins(server: Server) {
    let ingest = Ingest::with_plants(server).await;
    let batch = "T1 value=1 60\nT1 value=2 120\nT1 value=9 60\n";
    assert_eq!(ingest.write(batch).await.status, 204);
    assert_eq!(ingest.stored().await, ["madrid/T1 60 9", "madrid/T1 120 2"]);
    let versions = "SELECT array_agg(xmin::text || ctid::text ORDER BY time) FROM reading";
    let before: Vec<String> =
        sqlx::query_scalar(versions).fetch_one(&ingest.pool).await.expect("rows");
    assert_eq!(ingest.write(batch).await.status, 204);
    let after: Vec<String> =
        sqlx::query_scalar(versions).fetch_one(&ingest.pool).await.expect("rows");
    assert_eq!(before, after, "a repeat writes nothing");
    let answer = ingest.readings(json!([{"sensor": "T1", "time": 60_000, "value": 4}])).await;
    assert_eq!(answer.body["accepted"], 1);
    assert_eq!(ingest.stored().await, ["madrid/T1 60 4", "madrid/T1 120 2"]);
}

async fn any_order_ends_in_the_same_state(server: Server) {
    let ingest = Ingest::with_plants(server).await;
    let lines: Vec<String> =
        (0..500).map(|i| format!("T1 value={} {}", i * i, i * 3_600)).collect();
    let late: Vec<_> = lines.iter().rev().step_by(2).cloned().collect();
    for part in [&lines[250..], &late, &lines[..], &lines[100..300]] {
        assert_eq!(ingest.write(part.join("\n")).await.status, 204);
    }
    let expected: Vec<_> = (0..500).map(|i| format!("madrid/T1 {} {}", i * 3_600, i * i)).collect();
    assert_eq!(ingest.stored().await, expected);
}

async fn a_new_sensor_works_at_once(server: Server) {
    let ingest = Ingest::with_plants(server).await;
    assert_eq!(ingest.write("T2 value=1 60").await.status, 400);
    ingest
        .create("sensors", json!([{"plant": "madrid", "key": "T2", "name": "T2", "quantity": "temperature", "unit": "°C", "kind": "gauge"}]))
        .await;
    assert_eq!(ingest.write("T2 value=1 60").await.status, 204);
}

async fn a_dry_run_checks_and_stores_nothing(server: Server) {
    let ingest = Ingest::with_plants(server).await;
    let body = json!({"plant": "madrid", "readings": [
        {"sensor": "T1", "time": 60_000, "value": 1},
        {"sensor": "T9", "time": 60_000, "value": 1}]});
    let dry = ingest.post("/v1/readings?dry_run=true", &body).await;
    assert_eq!(dry.status, 200, "{}", dry.text);
    assert!(ingest.stored().await.is_empty());
    let real = ingest.post("/v1/readings?dry_run=false", &body).await;
    assert_eq!(dry.body, real.body, "a dry run says what the real one will");
    assert_eq!(ingest.stored().await, ["madrid/T1 60 1"]);
    let odd = ingest.post("/v1/readings?dry_run=perhaps", &body).await;
    assert_eq!((odd.status, &odd.body["code"]), (400, &json!("parameter")));
}

async fn gzip_is_taken(server: Server) {
    let ingest = Ingest::with_plants(server).await;
    let zip = |text: &str| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text.as_bytes()).expect("compress");
        encoder.finish().expect("compress")
    };
    let zipped = |body: Vec<u8>, encoding: &'static str| {
        let path = "/api/v2/write?bucket=madrid&precision=s";
        send(ingest.request(Method::POST, path).header("content-encoding", encoding).body(body))
    };
    assert_eq!(zipped(zip("T1 value=1 60\nT1 value=2 61\n"), "gzip").await.status, 204);
    assert_eq!(ingest.stored().await.len(), 2);
    // A small bomb: the limit is for what comes out.
    let bomb = zip(&"T1 value=1 60\n".repeat(100_000));
    assert!(bomb.len() < 50_000);
    let answer = zipped(bomb, "gzip").await;
    assert_eq!((answer.status, &answer.body["code"]), (413, &json!("request too large")));
    assert_eq!(zipped(b"T1 value=3 62".to_vec(), "gzip").await.status, 400);
    assert_eq!(zipped(b"T1 value=3 62".to_vec(), "br").await.status, 415);
    let large = "T1 value=1 60\n".repeat(10_000);
    assert_eq!(ingest.write(large.clone()).await.status, 413);
    let problem = send(ingest.request(Method::POST, "/v1/readings").body(large)).await;
    assert_eq!((problem.status, &problem.body["code"]), (413, &json!("body_too_large")));
}

async fn one_batch_may_span_centuries(server: Server) {
    let ingest = Ingest::with_plants(server).await;
    let any_time = Rules { future_window: Some(Window::UNLIMITED), ..Rules::default() };
    let key = ingest.new_key_with("any time", &[Scope::Readings], any_time).await;
    let lines: Vec<String> =
        (0..300).map(|i| format!("T1 value={i} {}", i64::from(i) * 13_600_000)).collect();
    let answer = ingest.write_as(&key, lines.join("\n")).await;
    assert_eq!(answer.status, 204, "{}", answer.text);
    assert_eq!(ingest.stored().await.len(), 300);
}
