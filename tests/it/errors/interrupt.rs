//! Queries that take too long, and queries that nobody waits for any more.

use serde_json::json;
use sqlx::{Connection, PgConnection};

use crate::support::db::{Server, TestDb};
use crate::support::fixture;
use crate::support::panel::{Plugin, decode, query};

/// Holds the readings locked, so that every query of them waits, until closed.
async fn locked(db: &TestDb) -> PgConnection {
    let mut conn = PgConnection::connect(&db.url).await.expect("connect");
    sqlx::raw_sql("BEGIN; LOCK TABLE lotwise.reading IN ACCESS EXCLUSIVE MODE")
        .execute(&mut conn)
        .await
        .expect("lock");
    conn
}

/// Statements of the plugin that wait for the lock.
async fn waiting(db: &TestDb) -> i64 {
    // A connection of its own: a transaction sees the same activity until it ends.
    let mut conn = PgConnection::connect(&db.url).await.expect("connect");
    sqlx::query_scalar(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
         AND application_name = 'lotwise' AND wait_event_type = 'Lock'",
    )
    .fetch_one(&mut conn)
    .await
    .expect("count")
}

/// Waits until something is so; gives up after the longest that a loaded machine may take.
async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    for _ in 0..5_000 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("never: {what}");
}

/// Waits until so many statements wait.
async fn until_waiting(db: &TestDb, count: i64) {
    until(&format!("{count} waiting statements"), async || waiting(db).await == count).await;
}

#[tokio::test]
async fn a_slow_query_is_given_up_after_the_statement_timeout() {
    for server in [Server::Timescale, Server::Plain] {
        let db = fixture::factory(server).await;
        let plugin = Plugin::start(&db).await;
        let source = plugin.source.clone().set("statementTimeoutSeconds", json!(3));
        let plugin = plugin.rebound(source);
        let lock = locked(&db).await;
        let answers = plugin
            .ask(vec![
                query("slow", json!({"type": "kpi"})),
                query("fast", json!({"type": "runs", "format": "annotations"})),
            ])
            .await;
        let slow = &answers["slow"];
        assert_eq!((slow.status, slow.error_source.as_str()), (504, "downstream"));
        for part in [
            "longer than the statement timeout",
            "choose a shorter time range",
            "raise the timeout",
        ] {
            assert!(slow.error.contains(part), "{part:?} is not in {:?}", slow.error);
        }
        assert_eq!(decode(&answers["fast"])[0].rows, 4);
        assert_eq!(waiting(&db).await, 0, "the statement is gone");
        lock.close().await.expect("unlock");
        assert_eq!(plugin.frames(json!({"type": "latest"})).await[0].rows, 8);
    }
}

#[tokio::test]
async fn a_dropped_request_cancels_its_statement() {
    let db = fixture::factory(Server::Plain).await;
    let plugin = Plugin::start(&db).await;
    let source = plugin.source.clone().set("statementTimeoutSeconds", json!(3_600));
    let plugin = plugin.rebound(source);
    // Blocked while it is prepared the first time, and while it runs the second time.
    for prepared in [false, true] {
        if prepared {
            plugin.frames(json!({"type": "latest"})).await;
        }
        let lock = locked(&db).await;
        let request = plugin.request(vec![query("A", json!({"type": "latest"}))]);
        let mut client = plugin.host.data();
        let asked = tokio::spawn(async move { client.query_data(request).await });
        until_waiting(&db, 1).await;
        asked.abort();
        until_waiting(&db, 0).await;
        lock.close().await.expect("unlock");
        assert_eq!(plugin.frames(json!({"type": "latest"})).await[0].rows, 8);
    }
}

#[tokio::test]
async fn every_type_of_query_is_cancelled_when_nobody_waits() {
    let db = fixture::factory(Server::Plain).await;
    let plugin = Plugin::start(&db).await;
    for model in [
        json!({"type": "series", "place": {"sensors": ["saw-temp"]}}),
        json!({"type": "series", "place": {"sensors": ["saw-temp"]}, "aggregate": "raw"}),
        json!({"type": "kpi", "groupBy": "reference"}),
        json!({"type": "runs"}),
        json!({"type": "lots", "place": {"quantity": "temperature"}}),
        json!({"type": "data_quality"}),
        json!({"type": "anomalies", "learningDays": 10}),
    ] {
        let lock = locked(&db).await;
        let request = plugin.request(vec![query("A", model.clone())]);
        let mut client = plugin.host.data();
        let asked = tokio::spawn(async move { client.query_data(request).await });
        until_waiting(&db, 1).await;
        asked.abort();
        until_waiting(&db, 0).await;
        lock.close().await.expect("unlock");
    }
    let text = metrics(&plugin).await;
    for kind in ["series", "kpi", "runs", "lots", "data_quality", "anomalies"] {
        let line = format!("lotwise_queries_total{{type=\"{kind}\",outcome=\"cancelled\"}}");
        assert!(text.contains(&line), "{line}\n{text}");
    }
}

async fn metrics(plugin: &Plugin) -> String {
    let request = grafana_plugin_sdk::pluginv2::CollectMetricsRequest::default();
    let answer = plugin.host.diagnostics().collect_metrics(request).await.expect("metrics");
    String::from_utf8(answer.into_inner().metrics.expect("metrics").prometheus).expect("UTF-8")
}

/// Waits until the plugin's metrics have this line.
async fn until_measured(plugin: &Plugin, line: &str) {
    until(line, async || metrics(plugin).await.contains(line)).await;
}

#[tokio::test]
async fn identical_queries_under_way_are_one_statement() {
    let db = fixture::factory(Server::Plain).await;
    let plugin = Plugin::start(&db).await;
    let lock = locked(&db).await;
    let ask = |model: serde_json::Value| {
        let request = plugin.request(vec![query("A", model)]);
        let mut client = plugin.host.data();
        tokio::spawn(async move { client.query_data(request).await })
    };
    let mut same: Vec<_> = (0..3).map(|_| ask(json!({"type": "latest"}))).collect();
    let other = ask(json!({"type": "latest", "place": {"sensors": ["saw-temp"]}}));
    until_waiting(&db, 2).await;
    until_measured(&plugin, "lotwise_queries_joined_total 2").await;
    assert_eq!(waiting(&db).await, 2);
    // One who gives up takes nothing from the others. The plugin hears of it a moment later, so the
    // lock waits for that: an answer that overtakes it would count for the one who left.
    same.remove(0).abort();
    until_measured(&plugin, r#"lotwise_queries_total{type="latest",outcome="cancelled"} 1"#).await;
    assert_eq!(waiting(&db).await, 2);
    lock.close().await.expect("unlock");
    for answer in same {
        let answer = answer.await.expect("task").expect("QueryData").into_inner();
        assert_eq!(decode(&answer.responses["A"])[0].rows, 8);
    }
    let answer = other.await.expect("task").expect("QueryData").into_inner();
    assert_eq!(decode(&answer.responses["A"])[0].rows, 1);
    let text = metrics(&plugin).await;
    assert!(text.contains("lotwise_queries_under_way 0"), "{text}");
    assert!(text.contains(r#"lotwise_queries_total{type="latest",outcome="ok"} 3"#), "{text}");
}

#[tokio::test]
async fn a_sampled_trace_names_the_statement_and_the_log_has_its_id() {
    let db = fixture::factory(Server::Plain).await;
    let plugin = Plugin::start(&db).await;
    let id = "4bf92f3577b34da6a3ce929d0e0e4736";
    let lock = locked(&db).await;
    let mut request =
        tonic::Request::new(plugin.request(vec![query("A", json!({"type": "latest"}))]));
    let parent = format!("00-{id}-00f067aa0ba902b7-01").parse().expect("metadata");
    request.metadata_mut().insert("traceparent", parent);
    let mut client = plugin.host.data();
    let asked = tokio::spawn(async move { client.query_data(request).await });
    let named = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                 AND application_name = $1 AND wait_event_type = 'Lock'";
    until("a statement with the id of the trace", async || {
        // A connection of its own: a transaction sees the same activity until it ends.
        let mut conn = PgConnection::connect(&db.url).await.expect("connect");
        let found = sqlx::query_scalar::<_, i64>(named).bind(format!("lotwise {id}"));
        found.fetch_one(&mut conn).await.expect("count") == 1
    })
    .await;
    lock.close().await.expect("unlock");
    asked.await.expect("task").expect("QueryData");
    // The next query on the connection is no part of the trace.
    let lock = locked(&db).await;
    let request = plugin.request(vec![query("A", json!({"type": "latest"}))]);
    let mut client = plugin.host.data();
    let asked = tokio::spawn(async move { client.query_data(request).await });
    until_waiting(&db, 1).await;
    lock.close().await.expect("unlock");
    asked.await.expect("task").expect("QueryData");

    let mut request = tonic::Request::new(plugin.request(vec![query("A", json!({"type": "no"}))]));
    let parent = format!("00-{id}-00f067aa0ba902b7-00").parse().expect("metadata");
    request.metadata_mut().insert("traceparent", parent);
    plugin.host.data().query_data(request).await.expect("QueryData");
    let is_logged = |line: &String| line.contains("not answered") && line.contains(id);
    until("a line of the log with the id", async || plugin.host.log().iter().any(is_logged)).await;
}

#[tokio::test]
async fn a_cancel_never_hits_the_query_of_somebody_else() {
    let db = fixture::factory(Server::Plain).await;
    let plugin = Plugin::start(&db).await;
    let source = plugin.source.clone().set("maxConnections", json!(1));
    let plugin = plugin.rebound(source);
    let model = json!({"type": "kpi", "groupBy": "lot", "bucket": "1m"});
    for round in 0..80_u64 {
        let request = plugin.request(vec![query("A", model.clone())]);
        let mut client = plugin.host.data();
        let asked = tokio::spawn(async move { client.query_data(request).await });
        // Aborted at another moment each time: before, during and after the statement.
        tokio::time::sleep(std::time::Duration::from_micros(round * 250)).await;
        asked.abort();
        let answers = plugin.ask(vec![query("B", json!({"type": "kpi"}))]).await;
        assert_eq!(answers["B"].error, "", "round {round}");
    }
}

#[tokio::test]
async fn a_query_that_runs_does_not_keep_a_stopped_plugin_alive() {
    let db = fixture::factory(Server::Plain).await;
    let plugin = Plugin::start(&db).await;
    let lock = locked(&db).await;
    let request = plugin.request(vec![query("A", json!({"type": "latest"}))]);
    let mut client = plugin.host.data();
    let asked = tokio::spawn(async move { client.query_data(request).await });
    until_waiting(&db, 1).await;
    let stopped = plugin.host.stop().await.expect("stop");
    assert!(!stopped.killed && stopped.status.success(), "{stopped:?}");
    assert!(asked.await.expect("task").is_err(), "Grafana sees that the plugin is gone");
    lock.close().await.expect("unlock");
}
