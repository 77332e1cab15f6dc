use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{get, post};

use super::*;

const LINES: &str = "demo,sensor=T1 value=21.5 1793664000\n";

/// Refuses the first two requests, then takes what it was meant to get.
async fn busy(
    State(asked): State<Arc<AtomicUsize>>,
    headers: HeaderMap,
    body: Bytes,
) -> impl IntoResponse {
    match asked.fetch_add(1, Ordering::SeqCst) {
        0 => (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "0")]).into_response(),
        1 => (StatusCode::TOO_MANY_REQUESTS, [("retry-after", "1")]).into_response(),
        _ => {
            let mut lines = String::new();
            flate2::read::GzDecoder::new(&body[..]).read_to_string(&mut lines).unwrap();
            let right = lines == LINES
                && headers["authorization"] == "Bearer lw_secret"
                && headers["content-encoding"] == "gzip";
            if right { StatusCode::NO_CONTENT } else { StatusCode::BAD_REQUEST }.into_response()
        }
    }
}

async fn refuse() -> impl IntoResponse {
    let problem = r#"{"type":"about:blank","title":"Forbidden","status":403,"detail":"the key lacks the scope context","code":"scope"}"#;
    (StatusCode::FORBIDDEN, [("content-type", "application/problem+json")], problem)
}

/// A client of a server with these routes, and how often `/api/v2/write` was asked.
async fn client(patience: Duration) -> (Client, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let routes = Router::new()
        .route("/api/v2/write", post(busy))
        .route("/v1/plants", post(refuse))
        .route("/v1/lines", get(|| async { "no JSON" }))
        .with_state(asked.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    let key = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(key.path(), "lw_secret\n").unwrap();
    (Client::new(&url, key.path(), patience).unwrap(), asked)
}

#[tokio::test]
async fn a_busy_service_is_asked_again_when_it_says() {
    let (client, asked) = client(Duration::from_secs(20)).await;
    let started = Instant::now();
    client.write_lines("madrid", LINES).await.unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 3);
    assert!(started.elapsed() >= Duration::from_secs(1), "Retry-After was not kept");
}

#[tokio::test]
async fn patience_ends() {
    let (client, asked) = client(Duration::ZERO).await;
    let error = client.write_lines("madrid", LINES).await.unwrap_err();
    assert!(matches!(error, ClientError::Refused { status: StatusCode::SERVICE_UNAVAILABLE, .. }));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_refusal_is_final_and_says_why() {
    let (client, _) = client(Duration::from_secs(20)).await;
    let error = client.put_items("plants", &["x"]).await.unwrap_err().to_string();
    assert!(error.ends_with("answered 403 Forbidden: the key lacks the scope context"), "{error}");
}

#[tokio::test]
async fn an_answer_of_another_kind_is_an_error() {
    let (client, _) = client(Duration::from_secs(20)).await;
    let error = client.items::<Value>("lines", &[]).await.unwrap_err();
    assert!(matches!(error, ClientError::Answer { .. }), "{error}");
}

#[test]
fn the_key_is_not_shown() {
    let key = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(key.path(), "lw_secret\n").unwrap();
    let client = Client::new("http://127.0.0.1:9", key.path(), Duration::ZERO).unwrap();
    assert!(!format!("{client:?}").contains("lw_secret"));
    assert!(Client::new("127.0.0.1:8086", key.path(), Duration::ZERO).is_err());
}
