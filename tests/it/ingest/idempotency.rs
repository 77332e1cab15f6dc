//! The header `Idempotency-Key`.

use std::time::Duration;

use lotwise::ingest::http::idempotency::forget_old;
use lotwise::ingest::keys::Scope;
use reqwest::Method;
use serde_json::{Value, json};

use super::on_both;
use crate::support::db::Server;
use crate::support::ingest::{Answer, Ingest, answer};

on_both!(
    a_repeat_is_answered_and_does_nothing,
    a_key_is_for_one_request_of_one_sender,
    a_refusal_is_undone_and_repeated,
    a_repeat_of_a_request_at_work_has_to_wait,
    change_and_answer_are_stored_together,
    answers_are_kept_for_a_day,
    what_cannot_be_kept_is_refused,
);

async fn send(ingest: &Ingest, method: Method, path: &str, body: &Value, key: &str) -> Answer {
    answer(ingest.request(method, path).header("Idempotency-Key", key).json(body)).await
}

fn replayed(answer: &Answer) -> bool {
    answer.headers.get("idempotency-replayed").is_some_and(|v| v == "true")
}

fn line(name: &str) -> Value {
    json!({"items": [{"plant": "madrid", "key": "M1", "name": name}, {"plant": "nix", "key": "M2", "name": "x"}]})
}

async fn name_of_line(ingest: &Ingest) -> String {
    let query = sqlx::query_scalar("SELECT name FROM line WHERE key = 'M1'");
    query.fetch_one(&ingest.pool).await.expect("the line")
}

async fn run_of(ingest: &Ingest) {
    let run = json!([{"plant": "madrid", "key": "R1", "line": "M1", "lot": "L1", "reference": "A", "started_at": 0}]);
    ingest.create("runs", run).await;
}

async fn a_repeat_is_answered_and_does_nothing(server: Server) {
    let ingest = Ingest::with_plants(server).await;
    let first = send(&ingest, Method::POST, "/v1/lines", &line("one"), "\"k1\"").await;
    assert_eq!((first.status, &first.body["accepted"], replayed(&first)), (200, &json!(1), false));
    ingest.create("lines", json!([{"plant": "madrid", "key": "M1", "name": "two"}])).await;
    let again = send(&ingest, Method::POST, "/v1/lines", &line("one"), "k1").await;
    assert_eq!((again.status, &again.text, replayed(&again)), (200, &first.text, true));
    assert_eq!(again.headers["content-type"], "application/json");
    assert_eq!(name_of_line(&ingest).await, "two");

    let count = json!([{"plant": "madrid", "line": "M1", "started_at": 0, "ended_at": 60_000, "good_units": 1}]);
    ingest.create("counts", count.clone()).await;
    let path = "/v1/counts?plant=madrid&line=M1&from=1970-01-01T00:00:00Z&to=1970-01-02T00:00:00Z";
    for repeat in [false, true] {
        let answer = send(&ingest, Method::DELETE, path, &Value::Null, "k2").await;
        assert_eq!((&answer.body, replayed(&answer)), (&json!({"deleted": 1}), repeat));
        ingest.create("counts", count.clone()).await;
    }

    run_of(&ingest).await;
    let change = json!({"good_units": 5});
    for repeat in [false, true] {
        let answer = send(&ingest, Method::PATCH, "/v1/runs/madrid/R1", &change, "k3").await;
        assert_eq!((answer.status, answer.text.as_str(), replayed(&answer)), (204, "", repeat));
        ingest.patch("/v1/runs/madrid/R1", &json!({"good_units": 9})).await;
    }
    let runs = ingest.get("/v1/runs").await;
    assert_eq!(runs.body["items"][0]["good_units"], 9);

    // Readings are stored once whatever is sent; the header is welcome.
    let readings =
        json!({"plant": "madrid", "readings": [{"sensor": "T1", "time": 60_000, "value": 1}]});
    for _ in 0..2 {
        let answer = send(&ingest, Method::POST, "/v1/readings", &readings, "k1").await;
        assert_eq!((answer.status, &answer.body["accepted"]), (200, &json!(1)));
    }
    assert_eq!(ingest.stored().await, ["madrid/T1 60 1"]);
}

async fn a_key_is_for_one_request_of_one_sender(server: Server) {
    let mut ingest = Ingest::with_plants(server).await;
    send(&ingest, Method::POST, "/v1/lines", &line("one"), "k").await;
    for (path, body) in [("/v1/lines", line("two")), ("/v1/references", line("one"))] {
        let answer = send(&ingest, Method::POST, path, &body, "k").await;
        assert_eq!(
            (answer.status, &answer.body["code"]),
            (422, &json!("idempotency_key_reused")),
            "{}",
            answer.text
        );
    }
    assert_eq!(name_of_line(&ingest).await, "one");
    ingest.key = ingest.new_key("other", &[Scope::Context], &[], None).await;
    let answer = send(&ingest, Method::POST, "/v1/lines", &line("two"), "k").await;
    assert_eq!((answer.status, replayed(&answer)), (200, false));
    assert_eq!(name_of_line(&ingest).await, "two");
    for key in ["", "\"", &"k".repeat(256)] {
        let answer = send(&ingest, Method::POST, "/v1/lines", &line("three"), key).await;
        assert_eq!(
            (answer.status, &answer.body["code"]),
            (400, &json!("idempotency_key_malformed"))
        );
    }
}

async fn a_refusal_is_undone_and_repeated(server: Server) {
    let ingest = Ingest::with_plants(server).await;
    let path = "/v1/runs/madrid/R1";
    let change = json!({"operator": "new", "ended_at": "1969-01-01T00:00:00Z", "started_at": 0});
    let missing = send(&ingest, Method::PATCH, path, &json!({}), "k1").await;
    assert_eq!((missing.status, replayed(&missing)), (404, false));
    run_of(&ingest).await;
    let again = send(&ingest, Method::PATCH, path, &json!({}), "k1").await;
    assert_eq!((again.status, &again.text, replayed(&again)), (404, &missing.text, true));
    assert_eq!(again.headers["content-type"], "application/problem+json");
    // Not even a request: nothing is kept of it.
    let malformed = send(&ingest, Method::PATCH, path, &change, "k2").await;
    assert_eq!(malformed.status, 400);

    let change = json!({"operator": "new", "ended_at": 0});
    for repeat in [false, true] {
        let refused = send(&ingest, Method::PATCH, path, &change, "k2").await;
        assert_eq!((refused.status, replayed(&refused)), (422, repeat), "{}", refused.text);
    }
    assert_eq!(ingest.get("/v1/operators").await.body["items"], json!([]));
    assert_eq!(send(&ingest, Method::PATCH, path, &json!({}), "k3").await.status, 204);
}

async fn a_repeat_of_a_request_at_work_has_to_wait(server: Server) {
    let ingest = Ingest::with_plants(server).await;
    run_of(&ingest).await;
    let mut held = ingest.pool.begin().await.expect("transaction");
    sqlx::query("SELECT FROM run FOR UPDATE").execute(&mut *held).await.expect("lock the run");
    let change = json!({"good_units": 5});
    let path = "/v1/runs/madrid/R1";
    let at_work = send(&ingest, Method::PATCH, path, &change, "k");
    let repeat = async {
        loop {
            let waiting: bool = sqlx::query_scalar(
                "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()
                    AND wait_event_type = 'Lock' AND query LIKE '%lotwise.run%FOR UPDATE%')",
            )
            .fetch_one(&ingest.pool)
            .await
            .expect("activity");
            if waiting {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let repeat = send(&ingest, Method::PATCH, path, &change, "k").await;
        held.rollback().await.expect("let go");
        repeat
    };
    let (first, repeat) = tokio::join!(at_work, repeat);
    assert_eq!(
        (repeat.status, &repeat.body["code"]),
        (409, &json!("idempotency_in_progress")),
        "{}",
        repeat.text
    );
    assert_eq!((first.status, replayed(&first)), (204, false));
    assert!(replayed(&send(&ingest, Method::PATCH, path, &change, "k").await));
}

async fn change_and_answer_are_stored_together(server: Server) {
    let ingest = Ingest::with_plants(server).await;
    let run = |sql: &'static str| sqlx::raw_sql(sql).execute(&ingest.pool);
    run("REVOKE INSERT ON idempotency FROM lotwise_writer").await.expect("revoke");
    let answer = send(&ingest, Method::POST, "/v1/lines", &line("one"), "k").await;
    assert_eq!(answer.status, 503, "{}", answer.text);
    assert_eq!(name_of_line(&ingest).await, "Line 1");
    run("GRANT INSERT ON idempotency TO lotwise_writer").await.expect("grant");
    let answer = send(&ingest, Method::POST, "/v1/lines", &line("one"), "k").await;
    assert_eq!((answer.status, replayed(&answer)), (200, false));
    assert_eq!(name_of_line(&ingest).await, "one");
}

async fn answers_are_kept_for_a_day(server: Server) {
    let ingest = Ingest::with_plants(server).await;
    for key in ["old", "young"] {
        send(&ingest, Method::POST, "/v1/lines", &line("one"), key).await;
    }
    sqlx::raw_sql(
        "UPDATE idempotency SET created_at = now() - interval '24 hours 1 second' WHERE key = 'old';
         UPDATE idempotency SET created_at = now() - interval '23 hours 59 minutes' WHERE key = 'young'",
    )
    .execute(&ingest.pool)
    .await
    .expect("age them");
    assert!(replayed(&send(&ingest, Method::POST, "/v1/lines", &line("one"), "young").await));
    // The service tidies at its start, too: it may have been faster.
    forget_old(&ingest.pool).await.expect("tidy");
    let left: Vec<String> = sqlx::query_scalar("SELECT key FROM idempotency")
        .fetch_all(&ingest.pool)
        .await
        .expect("keys");
    assert_eq!(left, ["young"]);
    let answer = send(&ingest, Method::POST, "/v1/lines", &line("two"), "old").await;
    assert_eq!((answer.status, replayed(&answer)), (200, false));
    // Without tidying an old answer is not given either.
    let age = "UPDATE idempotency SET created_at = now() - interval '25 hours' WHERE key = 'old'";
    sqlx::raw_sql(age).execute(&ingest.pool).await.expect("age it");
    let answer = send(&ingest, Method::POST, "/v1/lines", &line("three"), "old").await;
    assert_eq!((answer.status, replayed(&answer)), (200, false));
    assert!(replayed(&send(&ingest, Method::POST, "/v1/lines", &line("three"), "old").await));
}

async fn what_cannot_be_kept_is_refused(server: Server) {
    let ingest = Ingest::with_plants(server).await;
    let mut items = vec![json!({}); 10_000];
    items.push(json!({"plant": "madrid", "key": "M1", "name": "many"}));
    let answer = send(&ingest, Method::POST, "/v1/lines", &json!({"items": items}), "k").await;
    assert_eq!(
        (answer.status, &answer.body["code"]),
        (422, &json!("idempotency_answer_too_long")),
        "{:.300}",
        answer.text
    );
    assert_eq!(name_of_line(&ingest).await, "Line 1");
}
