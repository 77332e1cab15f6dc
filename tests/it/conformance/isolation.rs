//! One query's misfortune stays its own, and everybody learns whose fault it is.

use serde_json::json;

use crate::support::db::Server;
use crate::support::fixture;
use crate::support::host::Launch;
use crate::support::panel::{DataSource, PLUGIN, Plugin, decode, query};

#[tokio::test]
async fn a_panic_is_the_error_of_its_query() {
    let db = fixture::factory(Server::Plain).await;
    let launch = Launch::new(PLUGIN).env("LOTWISE_TEST_PANIC_REF_ID", "P");
    let plugin = Plugin::launch(&launch, DataSource::of(&db.url)).await;
    let latest = json!({"type": "latest", "place": {"sensors": ["saw-temp"]}});
    let queries = ["A", "P", "Z"].map(|ref_id| query(ref_id, latest.clone())).to_vec();
    for _ in 0..2 {
        let answers = plugin.ask(queries.clone()).await;
        for ref_id in ["A", "Z"] {
            assert_eq!(decode(&answers[ref_id])[0].numbers("value"), [Some(40.0)]);
        }
        let panicked = &answers["P"];
        assert!(panicked.error.contains("a fault in the plugin"), "{}", panicked.error);
        assert_eq!((panicked.status, panicked.error_source.as_str()), (500, "plugin"));
    }
    let stopped = plugin.host.stop().await.expect("stop");
    let said = stopped.log.iter().find(|line| line.contains("a task panicked")).expect("logged");
    let said: serde_json::Value = serde_json::from_str(said).expect("one JSON object a line");
    assert!(said["@level"].as_str().is_some_and(|l| l.eq_ignore_ascii_case("error")), "{said}");
    assert!(said.to_string().contains("src/grafana/data.rs"), "where it happened: {said}");
}

#[tokio::test]
async fn an_error_of_the_database_is_downstream() {
    let db = fixture::factory(Server::Plain).await;
    let plugin = Plugin::start(&db).await;
    let wrong = plugin.source.clone().set("database", json!("no_such_database"));
    let answer = plugin.rebound(wrong).error(json!({"type": "latest"})).await;
    assert_eq!((answer.status, answer.error_source.as_str()), (502, "downstream"));
    assert!(answer.error.contains("check the database name"), "{}", answer.error);
}

#[tokio::test]
async fn a_table_that_is_missing_is_downstream() {
    let db = fixture::factory(Server::Plain).await;
    let pool = db.pool().await;
    sqlx::raw_sql("DROP TABLE lotwise.reading").execute(&pool).await.expect("drop");
    let plugin = Plugin::start(&db).await;
    let answers = plugin
        .ask(vec![
            query("A", json!({"type": "latest"})),
            query("B", json!({"type": "runs", "format": "annotations"})),
        ])
        .await;
    assert_eq!(answers["A"].error_source, "downstream");
    assert!(answers["A"].error.contains("lotwise migrate"), "{}", answers["A"].error);
    assert_eq!(decode(&answers["B"])[0].rows, 4);
}
