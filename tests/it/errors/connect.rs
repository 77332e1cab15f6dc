//! Settings that do not lead to a Lotwise database.

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::cluster::Cluster;
use crate::support::db::{Server, TestDb};
use crate::support::fixture;
use crate::support::panel::{DataSource, Plugin};

/// All three ways of asking say the same: what is wrong, and what to do about it.
async fn assert_says(source: DataSource, status: i32, parts: &[&str]) {
    let plugin = Plugin::with(source).await;
    let (fine, message, _) = plugin.health().await;
    assert!(!fine, "{message}");
    let answer = plugin.error(json!({"type": "latest"})).await;
    assert_eq!((answer.status, answer.error_source.as_str()), (status, "downstream"));
    let picked = plugin.pick("plants").await;
    assert_eq!(picked.status, status, "{}", picked.body);
    let picked = picked.body["message"].as_str().expect("message").to_owned();
    for said in [message, answer.error, picked] {
        for part in parts {
            assert!(said.contains(part), "{part:?} is not in {said:?}");
        }
    }
}

#[tokio::test]
async fn wrong_password_user_or_database() {
    let cluster = Cluster::start();
    let right = DataSource::of(&cluster.url);
    let check = "check user and password on the data source's configuration page";
    let wrong = right.clone().secret("password", "guess");
    assert_says(wrong, 401, &["password authentication failed", check]).await;
    let mut none = right.clone();
    none.secure.clear();
    assert_says(none, 401, &["password", check]).await;
    let stranger = right.clone().set("user", json!("stranger"));
    assert_says(stranger, 401, &["stranger", check]).await;
    let elsewhere = right.clone().set("database", json!("elsewhere"));
    assert_says(elsewhere, 502, &["\"elsewhere\" does not exist", "check the database name"]).await;
    let tls = right.set("tlsMode", json!("require"));
    assert_says(tls, 502, &["choose TLS mode disable if the server has no TLS"]).await;
}

#[tokio::test]
async fn wrong_host_or_port() {
    let right = DataSource::of("postgres://user:password@127.0.0.1/lotwise");
    let check = "check host and port, and that the database is running";
    let port = right.clone().set("port", json!(1));
    assert_says(port, 502, &["127.0.0.1:1/lotwise", "refused", check]).await;
    let host = right.set("host", json!("no-such-host.invalid"));
    assert_says(host, 502, &["no-such-host.invalid:5432", check]).await;
}

#[tokio::test]
async fn a_port_where_something_else_listens() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("listen");
    let port = listener.local_addr().expect("address").port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut request = [0; 64];
            let _ = client.read(&mut request).await;
            let _ = client.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let source = DataSource::of(&format!("postgres://user@127.0.0.1:{port}/lotwise"));
    assert_says(source, 502, &["no PostgreSQL answers", "check host and port"]).await;
}

#[tokio::test]
async fn fields_left_empty_or_filled_with_nonsense() {
    let right = DataSource::of("postgres://user:password@127.0.0.1:1/lotwise");
    for (key, name) in [("host", "Host"), ("database", "Database"), ("user", "User")] {
        let fill = format!("{name} is empty: fill it in on the data source's configuration page");
        assert_says(right.clone().set(key, json!(" ")), 400, &[&fill]).await;
    }
    let tls = right.clone().set("tlsMode", json!("verify-full")).secret("tlsCACert", "my CA");
    assert_says(tls, 400, &["TLS CA certificate cannot be used", "PEM form"]).await;
    let port = right.set("port", json!("five"));
    assert_says(port, 400, &["data source settings are not understood"]).await;
}

#[tokio::test]
async fn a_database_without_schema() {
    let db = TestDb::empty(Server::Plain).await;
    assert_says(DataSource::of(&db.url), 502, &["no Lotwise schema", "run `lotwise migrate`"])
        .await;
}

#[tokio::test]
async fn a_schema_of_another_version() {
    let db = fixture::factory(Server::Plain).await;
    let pool = db.pool().await;
    let newer = lotwise::schema::LATEST + 1;
    let statements = [
        "INSERT INTO lotwise._sqlx_migrations (version, description, success, checksum, execution_time)
         SELECT max(version) + 1, 'of a later Lotwise', true, '', 0 FROM lotwise._sqlx_migrations",
        "DELETE FROM lotwise._sqlx_migrations WHERE version > 1",
        "DELETE FROM lotwise._sqlx_migrations",
    ];
    for (sql, version, says) in [
        (statements[0], newer, "update the plugin"),
        (statements[1], 1, "run `lotwise migrate`"),
        (statements[2], 0, "run `lotwise migrate`"),
    ] {
        sqlx::query(sql).execute(&pool).await.expect("set the version");
        let (fine, message, _) = Plugin::start(&db).await.health().await;
        assert!(!fine && message.contains(&format!("has version {version}")), "{message}");
        assert!(message.contains(says), "{message}");
    }
    // An older schema lacks what the statements read; the version still explains it.
    sqlx::query("ALTER TABLE lotwise.sensor DROP COLUMN parent_sensor_id")
        .execute(&pool)
        .await
        .expect("an older schema");
    let plugin = Plugin::start(&db).await;
    let (fine, message, _) = plugin.health().await;
    assert!(!fine && message.contains("has version 0"), "{message}");
    let answer = plugin.error(json!({"type": "latest"})).await;
    assert!(answer.error.contains("run `lotwise migrate`"), "{}", answer.error);
}

#[tokio::test]
async fn a_user_without_rights() {
    let db = fixture::factory(Server::Plain).await;
    let role = format!("lotwise_test_{:016x}", rand::random::<u64>());
    let pool = db.pool().await;
    let sql = format!("CREATE ROLE {role} LOGIN PASSWORD 'stranger'");
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&pool).await.expect("create the role");
    let stranger =
        DataSource::of(&db.url).set("user", json!(role.clone())).secret("password", "stranger");
    assert_says(stranger, 403, &["permission denied", "grant it the role lotwise_reader"]).await;
    let sql = format!("DROP ROLE {role}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&pool).await.expect("drop the role");
}
