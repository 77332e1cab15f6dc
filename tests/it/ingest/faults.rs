//! A database that stops, health, metrics, stopping the service.

use reqwest::Method;
use serde_json::json;

use super::on_both;
use crate::support::db::Server;
use crate::support::ingest::{Ingest, answer};

on_both!(a_stopped_database_is_503_and_comes_back, dropped_readings_are_taken_again);

async fn a_stopped_database_is_503_and_comes_back(server: Server) {
    let ingest = Ingest::with_plants(server).await;
    assert_eq!(ingest.get("/ready").await.status, 200);
    assert_eq!(ingest.write("T1 value=1 60").await.status, 204);
    ingest.db.stop().await;
    for attempt in 0..2 {
        let answer = ingest.write("T1 value=2 120").await;
        assert_eq!(
            (answer.status, &answer.body["code"]),
            (503, &json!("unavailable")),
            "{attempt}: {}",
            answer.text
        );
        assert!(answer.headers.contains_key("retry-after"));
        let answer = ingest.readings(json!([{"sensor": "T1", "time": 0, "value": 1}])).await;
        assert_eq!((answer.status, &answer.body["code"]), (503, &json!("unavailable")));
        assert!(
            answer.body["detail"].as_str().is_some_and(|d| d.contains("cannot be reached")),
            "{}",
            answer.text
        );
        assert!(answer.headers.contains_key("retry-after"));
        let answer = ingest.post("/v1/lines", &json!({"items": []})).await;
        assert_eq!(answer.status, 503);
    }
    let answer = ingest.get("/ready").await;
    assert_eq!((answer.status, &answer.body["code"]), (503, &json!("not_ready")));
    assert_eq!(ingest.get("/health").await.status, 200);
    ingest.db.start().await;
    assert_eq!(ingest.write("T1 value=2 120").await.status, 204);
    assert_eq!(ingest.get("/ready").await.status, 200);
    let pool = ingest.db.pool().await;
    let count: i64 =
        sqlx::query_scalar("SELECT count(*) FROM reading").fetch_one(&pool).await.expect("count");
    assert_eq!(count, 2);
}

/// Partitions and chunks that retention dropped, while the service still believes in them.
async fn dropped_readings_are_taken_again(server: Server) {
    let ingest = Ingest::with_plants(server).await;
    assert_eq!(ingest.write("T1 value=1 60").await.status, 204);
    let drop = match server {
        Server::Plain => "DROP TABLE reading_w0",
        Server::Timescale | Server::Tsl => "SELECT public.drop_chunks('reading', now())::text",
    };
    sqlx::query(drop).execute(&ingest.pool).await.expect("drop");
    assert!(ingest.stored().await.is_empty());
    assert_eq!(ingest.write("T1 value=1 60").await.status, 204);
    assert_eq!(ingest.stored().await, ["madrid/T1 60 1"]);
}

#[tokio::test]
async fn a_database_without_schema_is_not_ready_and_says_what_to_do() {
    let ingest = Ingest::start(Server::Plain).await;
    sqlx::query("DROP SCHEMA lotwise CASCADE").execute(&ingest.pool).await.expect("drop");
    for path in ["/ready", "/v1/plants"] {
        let answer = ingest.get(path).await;
        assert_eq!(answer.status, 503);
        assert!(
            answer.body["detail"].as_str().is_some_and(|d| d.contains("lotwise migrate")),
            "{}",
            answer.text
        );
    }
}

#[tokio::test]
async fn metrics_count_rows_and_requests() {
    let ingest = Ingest::with_plants(Server::Plain).await;
    ingest.write("T1 value=1 60\nnix value=1 60").await;
    let text = answer(ingest.anonymous(Method::GET, "/metrics")).await.text;
    for part in [
        "lotwise_ingest_readings_accepted_total{protocol=\"line_protocol\"}",
        "lotwise_ingest_readings_rejected_total{reason=\"unknown_sensor\"}",
        "lotwise_ingest_context_accepted_total{resource=\"sensors\"}",
        "lotwise_ingest_request_seconds_bucket{method=\"POST\",route=\"/api/v2/write\",status=\"400\"",
    ] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
    assert!(!text.contains(&ingest.key));
}

#[tokio::test]
async fn serves_its_description_and_explains_wrong_routes() {
    let ingest = Ingest::start(Server::Plain).await;
    let api = ingest.get("/openapi.json").await.body;
    assert_eq!(api["openapi"], "3.1.0");
    assert!(api["paths"]["/v1/runs/{plant}/{key}"]["patch"].is_object());
    assert_eq!(ingest.get("/v2/plants").await.body["code"], "no_such_route");
    assert_eq!(ingest.get("/v1/readings").await.status, 405);
}

#[tokio::test]
async fn stops_when_told() {
    let mut ingest = Ingest::with_plants(Server::Plain).await;
    ingest.write("T1 value=1 60").await;
    ingest.stop().await;
    assert_eq!(ingest.stored().await, ["madrid/T1 60 1"]);
}
