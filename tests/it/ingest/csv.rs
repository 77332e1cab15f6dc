//! CSV files over HTTP.

use std::io::Write;

use lotwise::ingest::keys::Scope;
use reqwest::Method;
use serde_json::{Value, json};

use super::on_both;
use crate::support::db::Server;
use crate::support::ingest::{Answer, Ingest, answer as send};

on_both!(
    both_layouts_are_stored_and_bad_cells_listed,
    a_dry_run_says_what_the_real_one_will,
    a_long_file_is_stored_whole_and_again_for_free,
    readings_of_unknown_sensors_wait_in_quarantine,
);

/// Posts a file with these parameters.
async fn upload(ingest: &Ingest, parameters: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Answer {
    let query =
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    let path = format!("/v1/readings/csv?{query}");
    send(ingest.request(Method::POST, &path).body(body.into())).await
}

fn counts(answer: &Answer) -> (u16, &Value, &Value) {
    (answer.status, &answer.body["accepted"], &answer.body["rejected"])
}

async fn both_layouts_are_stored_and_bad_cells_listed(server: Server) {
    let ingest = Ingest::with_plants(server).await;
    let spanish = [
        ("plant", "madrid"),
        ("layout", "wide"),
        ("delimiter", ";"),
        ("decimal", ","),
        ("thousands", "."),
        ("time_zone", "Europe/Madrid"),
        ("time_format", "%d/%m/%Y %H:%M"),
        ("time_column", "Fecha"),
        ("columns", r##"{"Temperatura (°C)": "T1", "#3": "E1"}"##),
        ("skip_empty", "true"),
        ("encoding", "latin-1"),
    ];
    let body = b"Fecha;Temperatura (\xb0C);Energ\xeda\r\n01/03/2026 07:00;181,5;10.450,5\r\n\
        01/03/2026 07:01;;10.451\r\n29/03/2026 02:30;1;2\r\n01/03/2026 07:02;alta;10.452\r\n";
    let answer = upload(&ingest, &spanish, body).await;
    assert_eq!(counts(&answer), (200, &json!(4), &json!(2)), "{}", answer.text);
    assert_eq!(
        answer.body["errors"],
        json!([
            {"line": 4, "column": 1, "code": "time_skipped", "message":
                "time '29/03/2026 02:30' does not exist in Europe/Madrid: the clocks go forward over it"},
            {"line": 5, "column": 2, "code": "not_a_number", "message": "value 'alta' is not a number"},
        ])
    );
    let long = [("layout", "long"), ("sensor_column", "tag"), ("plant_column", "site")];
    let body = "site,tag,time,value\nporto,T1,1970-01-01T00:01:00Z,5\nnowhere,T1,1970-01-01T00:01:00Z,5\n\
        madrid,T9,1970-01-01 00:01,6\n";
    let answer = upload(&ingest, &long, body).await;
    assert_eq!(counts(&answer), (200, &json!(1), &json!(2)), "{}", answer.text);
    let codes: Vec<_> = answer.body["errors"].as_array().expect("errors").iter().collect();
    assert_eq!((&codes[0]["line"], &codes[0]["code"]), (&json!(3), &json!("unknown_plant")));
    assert!(codes[1]["message"].as_str().is_some_and(|m| m.contains("no time zone is given")));
    assert_eq!(
        ingest.stored().await,
        [
            "madrid/E1 1772344800 10450.5",
            "madrid/E1 1772344860 10451",
            "madrid/E1 1772344920 10452",
            "madrid/T1 1772344800 181.5",
            "porto/T1 60 5"
        ]
    );
}

async fn a_dry_run_says_what_the_real_one_will(server: Server) {
    let ingest = Ingest::with_plants(server).await;
    let body = "time,T1,T9\n1970-01-01T00:01Z,1,2\n";
    let dry = [("plant", "madrid"), ("layout", "wide"), ("dry_run", "true")];
    let said = upload(&ingest, &dry, body).await;
    assert_eq!(counts(&said), (200, &json!(1), &json!(1)), "{}", said.text);
    assert!(ingest.stored().await.is_empty());
    assert_eq!(ingest.get("/v1/quarantine").await.body["items"], json!([]));
    assert_eq!(upload(&ingest, &dry[..2], body).await.body, said.body);
    assert_eq!(ingest.stored().await, ["madrid/T1 60 1"]);
}

/// More than one block, and more errors than an answer lists; compressed.
async fn a_long_file_is_stored_whole_and_again_for_free(server: Server) {
    let ingest = Ingest::with_plants(server).await;
    let mut body = "time,T1,E1\n".to_owned();
    for minute in 0..6_000 {
        let value = if minute % 4 == 3 { "x" } else { "1" };
        body.push_str(&format!("{},{minute},{value}\n", minute * 60));
    }
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(body.as_bytes()).expect("compress");
    let gzip = gzip.finish().expect("compress");
    let path = "/v1/readings/csv?plant=madrid&layout=wide&time_format=unix-s";
    for _ in 0..2 {
        let request = ingest.request(Method::POST, path).header("content-encoding", "gzip");
        let answer = send(request.body(gzip.clone())).await;
        assert_eq!(counts(&answer), (200, &json!(10_500), &json!(1_500)), "{}", answer.text);
        let errors = answer.body["errors"].as_array().expect("errors");
        assert_eq!((errors.len(), &errors[999]["line"]), (1_000, &json!(4 * 999 + 5)));
    }
    let (count, sum): (i64, f64) = sqlx::query_as("SELECT count(*), sum(value) FROM reading")
        .fetch_one(&ingest.pool)
        .await
        .expect("rows");
    assert_eq!((count, sum), (10_500, 5_999.0 * 3_000.0 + 4_500.0));
    let large = upload(&ingest, &[("layout", "wide")], "x".repeat(100_001)).await;
    assert_eq!((large.status, &large.body["code"]), (413, &json!("body_too_large")));
}

async fn readings_of_unknown_sensors_wait_in_quarantine(server: Server) {
    let ingest = Ingest::with_plants(server).await;
    let wide = [("plant", "madrid"), ("layout", "wide"), ("prefix", "new-")];
    let answer = upload(&ingest, &wide, "time,T1\n1970-01-01T00:01Z,1\n").await;
    assert_eq!(counts(&answer), (200, &json!(0), &json!(1)));
    let kept = ingest.get("/v1/quarantine").await;
    assert_eq!(kept.body["items"][0]["sensor"], json!("new-T1"), "{}", kept.text);
}

#[tokio::test]
async fn what_cannot_be_read_is_a_problem_that_says_why() {
    let ingest = Ingest::with_plants(Server::Plain).await;
    for (parameters, code, says) in [
        (&[("plant", "madrid")][..], "parameter", "layout is missing"),
        (&[("layout", "wide"), ("delimeter", ";")], "parameter", "unknown field `delimeter`"),
        (&[("layout", "wide"), ("skip_empty", "yes")], "parameter", "skip_empty"),
        (&[("layout", "wide"), ("time_format", "%Q")], "parameter", "not a time pattern"),
        (&[("layout", "wide")], "body_malformed", r#"the file has: "Zeit;T1""#),
    ] {
        let answer = upload(&ingest, parameters, "Zeit;T1\n").await;
        assert_eq!((answer.status, &answer.body["code"]), (400, &json!(code)), "{}", answer.text);
        assert!(
            answer.body["detail"].as_str().is_some_and(|d| d.contains(says)),
            "{}",
            answer.text
        );
    }
    let path = "/v1/readings/csv?plant=madrid&layout=wide";
    let body = "time,T1\n1970-01-01T00:01Z,1\n";
    let with = |key: String| send(ingest.anonymous(Method::POST, path).bearer_auth(key).body(body));
    let porto = ingest.new_key("porto", &[Scope::Readings], &["porto"], None).await;
    assert_eq!(with(porto).await.body["code"], "plant_not_allowed");
    let context = ingest.new_key("context", &[Scope::Context], &[], None).await;
    assert_eq!(with(context).await.body["code"], "scope_missing");
    assert_eq!(with("lw_x".to_owned()).await.status, 401);
    ingest.db.stop().await;
    let answer = upload(&ingest, &[("plant", "madrid"), ("layout", "wide")], body).await;
    assert_eq!((answer.status, answer.headers.contains_key("retry-after")), (503, true));
    ingest.db.start().await;
}
