//! The examples of the OpenAPI document are exchanges that the service really has.

use lotwise::ingest::http::openapi::examples::{Exchange, REFUSALS, exchanges, refused};
use lotwise::ingest::keys::Scope;
use lotwise::ingest::keys::rules::{Rate, Rules};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::db::Server;
use crate::support::ingest::{Answer, Ingest, answer};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/ingest/http/openapi/examples.json");

/// Differs from run to run, or from installation to installation.
const CHANGES: [&str; 5] = ["received_at", "age_s", "database", "schema", "version"];

/// `LOTWISE_BLESS=1` writes the answers anew.
#[tokio::test]
async fn of_the_document_work_in_their_order() {
    let ingest = Ingest::start(Server::Timescale).await;
    let mut all = exchanges().expect("the file");
    for exchange in &mut all {
        let got = exchanged(&ingest, exchange).await;
        assert_eq!(got.status, exchange.status, "{}: {}", exchange.request, got.text);
        if std::env::var_os("LOTWISE_BLESS").is_some() {
            exchange.answer = keeping_changes(got.body, &exchange.answer);
            continue;
        }
        let wanted = keeping_changes(exchange.answer.clone(), &got.body);
        assert_eq!(wanted, got.body, "{}", exchange.request);
    }
    if std::env::var_os("LOTWISE_BLESS").is_some() {
        let text = serde_json::to_string_pretty(&all).expect("JSON");
        std::fs::write(FILE, text + "\n").expect("write the examples");
    }
}

async fn exchanged(ingest: &Ingest, exchange: &Exchange) -> Answer {
    let (method, path) = exchange.request.split_once(' ').expect("method and path");
    let request = ingest.request(Method::from_bytes(method.as_bytes()).expect("method"), path);
    answer(match &exchange.body {
        None => request,
        Some(Value::String(text)) => request.body(text.clone()),
        Some(body) => request.json(body),
    })
    .await
}

/// With the values of another answer where they change.
fn keeping_changes(mut answer: Value, other: &Value) -> Value {
    match &mut answer {
        Value::Object(fields) => {
            for (name, value) in fields {
                let same = CHANGES.contains(&name.as_str()) && !other[name].is_null();
                let with = if same { other[name].clone() } else { value.take() };
                *value = keeping_changes(with, &other[name]);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                *item = keeping_changes(item.take(), &other[index]);
            }
        }
        _ => {}
    }
    answer
}

/// What is answered to a whole request that is refused.
#[tokio::test]
async fn of_refusals_are_what_is_said() {
    let ingest = Ingest::with_plants(Server::Plain).await;
    let scopes = [Scope::Readings, Scope::Context];
    let gateway = ingest.new_key("gateway", &scopes, &["madrid"], None).await;
    let rules = Rules { readings: Rate::parse("500").ok(), burst_s: Some(1.0), ..Rules::default() };
    let fast = ingest.new_key_with("fast", &scopes, rules).await;
    let line = "T1 value=1 60";
    let many = "T1 value=1 60\n".repeat(10_000);
    let post = |path: &str, key: &str| ingest.anonymous(Method::POST, path).bearer_auth(key);
    let write = "/api/v2/write?bucket=madrid&precision=s";
    let said = async |status: u16, request: reqwest::RequestBuilder, is_influx: bool| {
        let got = answer(request).await;
        let refusal = REFUSALS.into_iter().find(|r| r.0 == status).expect("an example");
        // The service of the tests takes less than one that is not told otherwise.
        let wanted = refused(refusal, is_influx).to_string().replace("16777216", "100000");
        assert_eq!((got.status, got.body.to_string()), (status, wanted));
    };
    said(400, post("/api/v2/write?precision=h", &gateway).body(line), true).await;
    said(401, post("/v1/readings", "lw_wrong").body("{}"), false).await;
    said(401, post(write, "lw_wrong").body(line), true).await;
    said(403, post("/api/v2/write?bucket=porto", &gateway).body(line), true).await;
    let unknown = ingest.anonymous(Method::DELETE, "/v1/runs/madrid/R-9").bearer_auth(&gateway);
    said(404, unknown, false).await;
    said(413, post(write, &gateway).body(many.clone()), true).await;
    said(413, post("/v1/readings", &gateway).body(many), false).await;
    let zipped = post("/v1/readings", &gateway).header("content-encoding", "zstd");
    said(415, zipped.body("{}"), false).await;
    let lines = |name: &str| {
        let item = json!({"plant": "madrid", "key": "M1", "name": name});
        let request = post("/v1/lines", &gateway).header("idempotency-key", "once");
        request.json(&json!({"items": [item]}))
    };
    assert_eq!(answer(lines("One")).await.status, 200);
    said(422, lines("Two"), false).await;

    // How long to wait depends on the machine.
    let plenty: String = (0..2_500).map(|second| format!("T1 value=1 {second}\n")).collect();
    assert_eq!(answer(post(write, &fast).body(plenty)).await.status, 204);
    let got = answer(post(write, &fast).body(line)).await;
    if got.status != 204 {
        let words = "this API key may send 500 readings a second: try again in ";
        assert!(got.body["message"].as_str().is_some_and(|m| m.starts_with(words)), "{}", got.text);
        assert_eq!((got.status, &got.body["code"]), (429, &json!("too many requests")));
    }
    ingest.db.stop().await;
    said(503, post(write, &gateway).body(line), true).await;
    said(503, post("/v1/lines", &gateway).body("{\"items\": []}"), false).await;
}
