//! API keys.

use chrono::{Days, Utc};
use lotwise::ingest::keys::{Scope, Secret, store};
use reqwest::Method;
use serde_json::json;

use crate::support::db::Server;
use crate::support::ingest::{Answer, Ingest, answer};

super::on_both!(an_old_secret_works_for_a_while_after_a_rotation);

async fn post(ingest: &Ingest, path: &str, authorization: Option<&str>) -> Answer {
    let mut request = ingest.anonymous(Method::POST, path).body(match path {
        "/v1/readings" => r#"{"readings":[{"sensor":"T1","time":0,"value":1}]}"#,
        "/v1/lines" => r#"{"items":[{"plant":"madrid","key":"M2","name":"M2"},{"plant":"porto","key":"P1","name":"P1"}]}"#,
        _ => "T1 value=1 60\nT1,plant=porto value=1 60",
    });
    if let Some(value) = authorization {
        request = request.header("authorization", value);
    }
    answer(request).await
}

#[tokio::test]
async fn a_request_needs_a_key_that_works() {
    let ingest = Ingest::with_plants(Server::Plain).await;
    let yesterday = Utc::now().checked_sub_days(Days::new(1));
    let expired = ingest.new_key("old", &[Scope::Admin], &[], yesterday).await;
    let revoked = ingest.new_key("gone", &[Scope::Admin], &[], None).await;
    assert!(store::revoke(&ingest.pool, "gone").await.expect("revoke"));
    let cases = [
        (None, "key_missing"),
        (Some("Basic eDp5".to_owned()), "key_missing"),
        (Some("Bearer lw_nothing".to_owned()), "key_unknown"),
        (Some(format!("Bearer {expired}")), "key_expired"),
        (Some(format!("Token {revoked}")), "key_revoked"),
    ];
    for (authorization, code) in &cases {
        for path in ["/v1/readings", "/v1/lines"] {
            let answer = post(&ingest, path, authorization.as_deref()).await;
            assert_eq!(
                (answer.status, &answer.body["code"]),
                (401, &json!(code)),
                "{}",
                answer.text
            );
            assert_eq!(answer.headers["www-authenticate"], "Bearer");
        }
        let answer = post(&ingest, "/api/v2/write?bucket=madrid", authorization.as_deref()).await;
        assert_eq!((answer.status, &answer.body["code"]), (401, &json!("unauthorized")));
    }
    assert!(ingest.stored().await.is_empty());
}

#[tokio::test]
async fn a_key_works_within_its_scopes_and_plants() {
    let ingest = Ingest::with_plants(Server::Plain).await;
    let bearer = |secret: String| format!("Bearer {secret}");
    let context = bearer(ingest.new_key("mes", &[Scope::Context], &[], None).await);
    let gateway = bearer(ingest.new_key("gateway", &[Scope::Readings], &["madrid"], None).await);
    let admin = bearer(ingest.new_key("admin", &[Scope::Admin], &["madrid"], None).await);

    for (path, key) in [("/v1/readings", &context), ("/v1/lines", &gateway)] {
        let answer = post(&ingest, path, Some(key)).await;
        assert_eq!(
            (answer.status, &answer.body["code"]),
            (403, &json!("scope_missing")),
            "{}",
            answer.text
        );
    }
    let answer = post(&ingest, "/api/v2/write?bucket=porto", Some(&gateway)).await;
    assert_eq!(
        (answer.status, &answer.body["code"]),
        (403, &json!("forbidden")),
        "{}",
        answer.text
    );

    // A key for one plant needs no bucket; the line for the other plant is refused.
    let answer = post(&ingest, "/api/v2/write?precision=s", Some(&gateway)).await;
    assert_eq!(
        (answer.status, &answer.body["errors"][0]["code"]),
        (400, &json!("plant_not_allowed"))
    );
    assert_eq!(ingest.stored().await, ["madrid/T1 60 1"]);
    assert_eq!(post(&ingest, "/v1/readings", Some(&gateway)).await.body["accepted"], 1);

    let answer = post(&ingest, "/v1/lines", Some(&admin)).await;
    assert_eq!(
        (&answer.body["accepted"], &answer.body["errors"][0]["code"]),
        (&json!(1), &json!("plant_not_allowed"))
    );
    let list =
        |path: &str| answer_of(ingest.anonymous(Method::GET, path).header("authorization", &admin));
    let plants = list("/v1/plants").await.body;
    assert_eq!(plants["items"].as_array().map(Vec::len), Some(1), "{plants}");
    assert_eq!(list("/v1/lines?plant=porto").await.status, 403);
}

/// The bucket's plant, else the key's only one, else the org's.
#[tokio::test]
async fn the_org_is_the_plant_where_nothing_else_says_which() {
    let ingest = Ingest::with_plants(Server::Plain).await;
    let only = ingest.new_key("one", &[Scope::Readings], &["madrid"], None).await;
    let both = ingest.new_key("both", &[Scope::Readings], &["madrid", "porto"], None).await;
    let write = async |key: &str, query: &str, value: u8| {
        let request = ingest.anonymous(Method::POST, &format!("/api/v2/write?precision=s{query}"));
        answer_of(request.bearer_auth(key).body(format!("T1 value={value} {value}"))).await.status
    };
    assert_eq!(write(&both, "&org=porto", 1).await, 204);
    assert_eq!(write(&both, "&org=porto&bucket=madrid", 2).await, 204);
    assert_eq!(write(&both, "&org=porto&bucket=", 3).await, 204);
    assert_eq!(write(&only, "&org=porto", 4).await, 204);
    assert_eq!(write(&both, "&org=rome", 5).await, 403);
    assert_eq!(write(&both, "", 6).await, 400);
    assert_eq!(
        ingest.stored().await,
        ["madrid/T1 2 2", "madrid/T1 4 4", "porto/T1 1 1", "porto/T1 3 3"]
    );
}

async fn an_old_secret_works_for_a_while_after_a_rotation(server: Server) {
    let ingest = Ingest::with_plants(server).await;
    let first = ingest.new_key("gateway", &[Scope::Readings], &["madrid"], None).await;
    let rotate = async |keep_s| {
        let secret = Secret::generate().expect("random numbers");
        let mut conn = ingest.pool.acquire().await.expect("connection");
        let until = store::rotate(&mut conn, "gateway", &secret.hash(), keep_s).await;
        (secret.reveal().to_owned(), until.expect("rotate").expect("a key that works"))
    };
    let status = async |secret: &str| {
        let answer = post(&ingest, "/api/v2/write", Some(&format!("Token {secret}"))).await;
        // The second line is for another plant: every secret has the key's plants.
        assert!(answer.status == 401 || answer.body["errors"][0]["code"] == "plant_not_allowed");
        answer.status
    };
    let replaced = async |secret: &str| {
        let answer = post(&ingest, "/v1/readings", Some(&format!("Bearer {secret}"))).await;
        assert_eq!(
            (answer.status, &answer.body["code"]),
            (401, &json!("key_replaced")),
            "{}",
            answer.text
        );
    };

    let (second, _) = rotate(3_600).await;
    assert_eq!((status(&first).await, status(&second).await), (400, 400));
    // A later rotation with a shorter time ends the older ones with the last one.
    let (third, until) = rotate(2).await;
    assert_eq!(
        (status(&first).await, status(&second).await, status(&third).await),
        (400, 400, 400)
    );
    let left = until - Utc::now() + chrono::TimeDelta::milliseconds(50);
    tokio::time::sleep(left.to_std().unwrap_or_default()).await;
    replaced(&first).await;
    replaced(&second).await;
    assert_eq!(status(&third).await, 400);
    let (fourth, _) = rotate(0).await;
    replaced(&third).await;
    assert_eq!(status(&fourth).await, 400);

    // Revoking ends them all; a key that does not work is not rotated.
    rotate(3_600).await;
    assert!(store::revoke(&ingest.pool, "gateway").await.expect("revoke"));
    assert_eq!(status(&fourth).await, 401);
    let mut conn = ingest.pool.acquire().await.expect("connection");
    for name in ["gateway", "nobody"] {
        let done = store::rotate(&mut conn, name, &[0; 32], 0).await.expect("rotate");
        assert_eq!(done, None, "{name}");
    }
}

async fn answer_of(request: reqwest::RequestBuilder) -> Answer {
    answer(request).await
}
