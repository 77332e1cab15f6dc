//! `lotwise migrate` on the kinds of database.

use lotwise::domain::database_kind::DatabaseKind;
use lotwise::schema::{self, LATEST, TimescaleChoice};

use crate::support::db::{Server, TestDb};

#[tokio::test]
async fn migrates_a_timescale_database_to_a_hypertable() {
    let db = TestDb::empty(Server::Timescale).await;
    let first = schema::migrate(&db.url, TimescaleChoice::Require).await.expect("migrate");
    assert!(first.kind.has_timescaledb(), "{:?}", first.kind);
    assert_eq!((first.from, first.to), (None, LATEST));
    let again = schema::migrate(&db.url, TimescaleChoice::Require).await.expect("repeat");
    assert_eq!(again.from, Some(LATEST));
}

#[tokio::test]
async fn migrates_a_database_of_the_community_edition() {
    let db = TestDb::empty(Server::Tsl).await;
    let done = schema::migrate(&db.url, TimescaleChoice::Require).await.expect("migrate");
    assert!(done.kind.is_community(), "{:?}", done.kind);
    assert_eq!((done.from, done.to), (None, LATEST));
    let again = schema::migrate(&db.url, TimescaleChoice::Require).await.expect("repeat");
    assert_eq!(again.from, Some(LATEST));
}

#[tokio::test]
async fn migrates_a_plain_database_to_weekly_partitions() {
    let db = TestDb::empty(Server::Plain).await;
    let done = schema::migrate(&db.url, TimescaleChoice::Off).await.expect("migrate");
    assert_eq!(done.kind, DatabaseKind::Plain);
    let kind: i8 =
        sqlx::query_scalar("SELECT relkind FROM pg_class WHERE oid = 'lotwise.reading'::regclass")
            .fetch_one(&db.pool().await)
            .await
            .expect("relkind");
    assert_eq!(kind as u8 as char, 'p');
}

/// The newest migration says nothing of those before it.
#[tokio::test]
async fn a_migration_that_is_missing_in_between_counts_and_is_caught_up_with() {
    let db = TestDb::migrated(Server::Plain).await;
    let mut conn = db.pool().await.acquire().await.expect("connection").detach();
    for undone in ["DROP TABLE sensor_mapping", "DELETE FROM _sqlx_migrations WHERE version = 4"] {
        sqlx::query(undone).execute(&mut conn).await.expect("undo");
    }
    assert_eq!(schema::version(&mut conn).await.expect("version"), Some(3));
    let done = schema::migrate(&db.url, TimescaleChoice::Off).await.expect("migrate");
    assert_eq!((done.from, done.to), (Some(3), LATEST));
    assert_eq!(schema::version(&mut conn).await.expect("version"), Some(LATEST));
    sqlx::query("DELETE FROM _sqlx_migrations").execute(&mut conn).await.expect("undo all");
    assert_eq!(schema::version(&mut conn).await.expect("version"), None);
}

#[tokio::test]
async fn says_what_is_wrong_with_a_url() {
    let error =
        schema::migrate("nonsense", TimescaleChoice::Off).await.expect_err("no URL").to_string();
    assert!(error.contains("postgres://USER:PASSWORD@HOST"), "{error}");
    let error = schema::migrate("postgres://x:secret@127.0.0.1:1/d", TimescaleChoice::Off)
        .await
        .expect_err("no server")
        .to_string();
    assert!(error.contains("127.0.0.1:1, database d") && !error.contains("secret"), "{error}");
}
