//! A database that goes away and comes back while dashboards refresh.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use lotwise::schema::{self, TimescaleChoice};
use serde_json::json;

use crate::support::cluster::Cluster;
use crate::support::db::Server;
use crate::support::fixture;
use crate::support::panel::{DataSource, Plugin, query};

#[tokio::test]
async fn a_server_that_stops_and_starts_again() {
    let cluster = Cluster::start();
    schema::migrate(&cluster.url, TimescaleChoice::Off).await.expect("migrate");
    let plugin = Plugin::with(DataSource::of(&cluster.url)).await;
    let model = json!({"type": "runs"});
    assert_eq!(plugin.frames(model.clone()).await[0].rows, 0);

    cluster.stop();
    for _ in 0..2 {
        let answer = plugin.error(model.clone()).await;
        assert_eq!((answer.status, answer.error_source.as_str()), (502, "downstream"));
        assert!(answer.error.contains("that the database is running"), "{}", answer.error);
    }
    let (fine, message, _) = plugin.health().await;
    assert!(!fine && message.contains("check host and port"), "{message}");

    cluster.start_again();
    assert_eq!(plugin.frames(model).await[0].rows, 0, "without a restart of the plugin");
    assert!(plugin.health().await.0);
}

#[tokio::test]
async fn a_connection_cut_during_the_query() {
    let db = fixture::factory(Server::Plain).await;
    let plugin = Plugin::start(&db).await;
    let pool = db.pool().await;
    let mut lock = pool.begin().await.expect("begin");
    let sql = "LOCK TABLE lotwise.reading IN ACCESS EXCLUSIVE MODE";
    sqlx::query(sql).execute(&mut *lock).await.expect("lock");
    let request = plugin.request(vec![query("A", json!({"type": "latest"}))]);
    let mut client = plugin.host.data();
    let asked = tokio::spawn(async move { client.query_data(request).await });
    let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
               WHERE datname = current_database() AND application_name = 'lotwise' AND wait_event_type = 'Lock'";
    while sqlx::query_scalar::<_, i64>(cut).fetch_one(&pool).await.expect("cut") == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let answer = asked.await.expect("task").expect("QueryData").into_inner();
    let answer = &answer.responses["A"];
    assert_eq!((answer.status, answer.error_source.as_str()), (502, "downstream"));
    for part in ["went away during the query", "the next refresh connects again"] {
        assert!(answer.error.contains(part), "{part:?} is not in {:?}", answer.error);
    }
    lock.rollback().await.expect("unlock");
    assert_eq!(plugin.frames(json!({"type": "latest"})).await[0].rows, 8);
}

#[tokio::test]
async fn the_queries_of_one_dashboard_wait_for_a_dead_server_together() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("listen");
    let port = listener.local_addr().expect("address").port();
    let attempts = Arc::new(AtomicUsize::new(0));
    let counted = attempts.clone();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::Relaxed);
            // Long enough for all queries of the request to wait.
            tokio::time::sleep(Duration::from_secs(3)).await;
            drop(client);
        }
    });
    let source = DataSource::of(&format!("postgres://user@127.0.0.1:{port}/lotwise"));
    let plugin = Plugin::with(source).await;
    let ask = |ref_id: usize| query(&ref_id.to_string(), json!({"type": "latest"}));
    let answers = plugin.ask((0..20).map(ask).collect()).await;
    assert_eq!(answers.len(), 20);
    for answer in answers.values() {
        assert_eq!((answer.status, answer.error_source.as_str()), (502, "downstream"));
    }
    assert_eq!(attempts.load(Ordering::Relaxed), 1, "not one after the other");
}
