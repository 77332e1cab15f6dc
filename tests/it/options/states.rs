//! What machines were doing, as annotations and on a timeline, all states or only some.

use serde_json::json;

use crate::answers::{Factory, texts};
use crate::support::db::Server;

const HOURS: (&str, &str) = ("2026-03-02T08:30:00Z", "2026-03-02T12:00:00Z");

async fn factory() -> Factory {
    let factory = Factory::new(Server::Plain, "2026-03-02T07:00:00Z", "2026-03-02T07:00:00Z").await;
    sqlx::raw_sql(
        "INSERT INTO lotwise.state (plant_id, line_id, machine_id, state, started_at, ended_at) VALUES
           (1, 1, 1, 'running', '2026-03-02T08:00:00Z', '2026-03-02T09:00:30Z'),
           (1, 1, 1, 'idle',    '2026-03-02T09:00:30Z', '2026-03-02T10:00:30Z'),
           (1, 1, 1, 'stopped', '2026-03-02T11:00:00Z', NULL)",
    )
    .execute(&factory.pool)
    .await
    .unwrap();
    factory
}

#[tokio::test]
async fn states_are_marked_regions_or_lanes_of_a_timeline() {
    let factory = factory().await;
    let ask = async |query| factory.ask(HOURS.0, HOURS.1, query).await.remove(0);
    let notes = ask(json!({"type": "states", "format": "annotations"})).await;
    let titles = ["Machine A · Stopped", "Machine A · Idle", "Machine A · Running"];
    assert_eq!(texts(&notes, "title"), titles);
    assert_eq!(texts(&notes, "text")[1], "Line 1 · 1h");
    assert_eq!(texts(&notes, "tags")[1], "Line 1,Machine A,idle");
    let some = json!({"type": "states", "format": "annotations", "context": {"states": ["idle"]}});
    assert_eq!(texts(&ask(some).await, "title"), ["Machine A · Idle"]);
    // Lot L2 is made from 10:00:15 on, while A is idle for 15 seconds more.
    let during = json!({"type": "states", "format": "annotations", "context": {"lots": ["L2"]}});
    assert_eq!(texts(&ask(during).await, "title"), ["Machine A · Idle"]);

    let idle = ask(json!({"type": "states", "context": {"states": ["idle"]}})).await;
    assert_eq!(texts(&idle, "state"), ["idle", ""]);
    let shifts = json!({"type": "states", "context": {"shifts": ["night"]}});
    let error = factory.try_ask(HOURS.0, HOURS.1, shifts).await.unwrap_err().to_string();
    assert!(error.contains("cannot be filtered by shift"), "{error}");
}
