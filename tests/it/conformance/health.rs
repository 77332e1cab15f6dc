//! "Save & test" on the kinds of database.

use serde_json::json;

use crate::support::db::{Server, TestDb};
use crate::support::fixture;
use crate::support::panel::Plugin;

#[tokio::test]
async fn says_what_it_found_on_timescale() {
    let db = fixture::factory(Server::Timescale).await;
    let (fine, message, details) = Plugin::start(&db).await.health().await;
    assert!(fine, "{message}");
    assert!(message.starts_with("Connected. TimescaleDB"), "{message}");
    assert!(
        message.contains("2 plants, 8 sensors, newest reading 2026-01-15T12:00:00Z"),
        "{message}"
    );
    let kind = details["databaseKind"].as_str().expect("databaseKind");
    assert!(kind.starts_with("TimescaleDB"), "{kind}");
    assert_eq!(details["schemaVersion"], json!(lotwise::schema::LATEST));
}

#[tokio::test]
async fn says_what_it_found_on_plain_postgresql() {
    let db = fixture::factory(Server::Plain).await;
    let (fine, message, mut details) = Plugin::start(&db).await.health().await;
    assert!(fine, "{message}");
    let said = details.as_object_mut().expect("details").remove("messages").expect("messages");
    assert_eq!(said["en"], json!(message));
    let spanish = said["es"].as_str().expect("Spanish");
    for part in [
        "Conectado. PostgreSQL sin más, ",
        "2 plantas, 8 sensores, última lectura 2026-01-15T12:00:00Z",
        "Atención: este usuario puede escribir",
    ] {
        assert!(spanish.contains(part), "{spanish}");
    }
    assert_eq!(
        details,
        json!({
            "databaseKind": lotwise::domain::DatabaseKind::Plain.to_string(),
            "schemaVersion": lotwise::schema::LATEST,
            "plants": 2,
            "sensors": 8,
            "newestReading": "2026-01-15T12:00:00Z",
        })
    );
    assert!(message.contains("lotwise_reader"), "a superuser may write: {message}");
}

#[tokio::test]
async fn is_fine_without_readings_and_says_how_to_get_some() {
    let db = TestDb::migrated(Server::Plain).await;
    let (fine, message, details) = Plugin::start(&db).await.health().await;
    assert!(fine, "{message}");
    assert!(message.contains("no readings yet") && message.contains("lotwise demo"), "{message}");
    assert_eq!((&details["plants"], &details["newestReading"]), (&json!(0), &json!(null)));
}

#[tokio::test]
async fn counts_only_its_scope() {
    let db = fixture::factory(Server::Plain).await;
    let plugin = Plugin::start(&db).await;
    let scoped = plugin.source.clone().set("plants", json!(["porto"]));
    let (fine, message, details) = plugin.rebound(scoped).health().await;
    assert!(fine, "{message}");
    assert_eq!((&details["plants"], &details["sensors"]), (&json!(1), &json!(2)));
}
