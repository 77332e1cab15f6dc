//! Read replicas: two servers with the same data, of which either may go away.

use std::str::FromStr;

use lotwise::schema::{self, TimescaleChoice};
use serde_json::{Value, json};
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgConnection};

use crate::support::cluster::Cluster;
use crate::support::panel::{DataSource, Plugin, query};

/// A server with the factory in it, whose plant's name says which one it is, and a user that both
/// have alike.
async fn server(name: &str) -> Cluster {
    let cluster = Cluster::start();
    schema::migrate(&cluster.url, TimescaleChoice::Off).await.expect("migrate");
    let options = PgConnectOptions::from_str(&cluster.url)
        .expect("URL")
        .options([("search_path", "lotwise")]);
    let mut conn: PgConnection = options.connect().await.expect("connect");
    sqlx::raw_sql(include_str!("../support/fixture.sql")).execute(&mut conn).await.expect("seed");
    sqlx::raw_sql(
        "CREATE ROLE viewer LOGIN PASSWORD 'the same'; GRANT lotwise_reader TO viewer; \
         GRANT CONNECT ON DATABASE postgres TO viewer",
    )
    .execute(&mut conn)
    .await
    .expect("role");
    sqlx::query("UPDATE plant SET name = $1").bind(name).execute(&mut conn).await.expect("name");
    cluster
}

fn port(cluster: &Cluster) -> u16 {
    url::Url::parse(&cluster.url).expect("URL").port().expect("port")
}

/// Which server answers a query of readings.
async fn answering(plugin: &Plugin) -> String {
    let model = json!({"type": "kpi", "groupBy": "plant", "place": {"plants": ["madrid"]}});
    // Twice: the catalog, which has the name, may be kept.
    let frames = plugin.frames(model).await;
    assert!(frames[0].rows > 0);
    let picked = plugin.pick("plants").await;
    picked.body["items"][0]["label"].as_str().expect("label").to_owned()
}

async fn metrics(plugin: &Plugin) -> String {
    let request = grafana_plugin_sdk::pluginv2::CollectMetricsRequest::default();
    let answer = plugin.host.diagnostics().collect_metrics(request).await.expect("metrics");
    String::from_utf8(answer.into_inner().metrics.expect("metrics").prometheus).expect("UTF-8")
}

/// The same data source with settings that differ, so that nothing of it is kept.
fn anew(source: &DataSource, points: u32) -> DataSource {
    source.clone().set("maxPoints", Value::from(points))
}

#[tokio::test]
async fn read_hosts_are_asked_first_and_others_answer_when_they_do_not() {
    let (primary, replica) = (server("primary").await, server("replica").await);
    let mut source = DataSource::of(&primary.url)
        .set("user", json!("viewer"))
        .secret("password", "the same")
        .set("readHosts", json!([format!("127.0.0.1:{}", port(&replica))]));
    let plugin = Plugin::with(source.clone()).await;
    assert_eq!(answering(&plugin).await, "replica");
    let (fine, message, details) = plugin.health().await;
    assert!(fine && !message.contains("is not used"), "{message}");
    assert_eq!((&details["readHosts"], &details["readHostsFaulty"]), (&json!(1), &json!([])));

    // Its connections break at their next use, and the query goes on to the primary.
    replica.stop();
    let answers = plugin.ask(vec![query("A", json!({"type": "latest"}))]).await;
    assert_eq!(answers["A"].error, "");
    source = anew(&source, 2_000);
    let plugin = plugin.rebound(source.clone());
    assert_eq!(answering(&plugin).await, "primary");
    let (fine, message, details) = plugin.health().await;
    assert!(fine && message.contains("the read host 127.0.0.1:"), "{message}");
    assert_eq!(details["readHostsFaulty"].as_array().map(Vec::len), Some(1));
    let text = metrics(&plugin).await;
    let of = |cluster: &Cluster| format!("server=\"127.0.0.1:{}/postgres\"", port(cluster));
    let up = |server: &str, value: &str| {
        text.lines().any(|line| {
            line.starts_with("lotwise_pool_up") && line.contains(server) && line.ends_with(value)
        })
    };
    assert!(up(&of(&replica), " 0") && up(&of(&primary), " 1"), "{text}");

    // The other way round: without its primary a data source still reads.
    replica.start_again();
    primary.stop();
    source = anew(&source, 3_000);
    let plugin = plugin.rebound(source.clone());
    assert_eq!(answering(&plugin).await, "replica");

    // Nothing answers: the error is the primary's.
    replica.stop();
    let plugin = plugin.rebound(anew(&source, 4_000));
    let error = plugin.error(json!({"type": "latest"})).await;
    assert_eq!(error.status, 502);
    let wanted = format!("127.0.0.1:{}", port(&primary));
    assert!(error.error.contains(&wanted), "{wanted} is not in {}", error.error);
}

#[tokio::test]
async fn a_read_host_that_is_none_is_an_error_of_the_settings() {
    let source = DataSource::of("postgres://u:p@127.0.0.1:1/d");
    for wrong in ["replica:port", "two hosts", "a,b", ":5432"] {
        let plugin = Plugin::with(source.clone().set("readHosts", json!([wrong]))).await;
        let error = plugin.error(json!({"type": "latest"})).await;
        assert_eq!(error.status, 400);
        assert!(error.error.contains("use a host name or address"), "{}", error.error);
    }
}
