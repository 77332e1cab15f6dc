//! What machines were doing, as a table, as annotations, on a timeline.

use lotwise::frame::Column;
use serde_json::json;

use crate::answers::{Factory, near, some, texts};
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
async fn states_are_a_table_or_annotations() {
    let factory = factory().await;
    let ask = async |query| factory.ask(HOURS.0, HOURS.1, query).await.remove(0);
    let table = ask(json!({"type": "states"})).await;
    assert_eq!(texts(&table, "state"), ["stopped", "idle", "running"]);
    assert_eq!(texts(&table, "machine"), ["A", "A", "A"]);
    near(&table.numbers("duration_s").unwrap()[1..], &some(&[3600.0, 3630.0]));
    let idle = ask(json!({"type": "states", "context": {"states": ["idle"]}})).await;
    assert_eq!(texts(&idle, "state"), ["idle"]);
    let notes = ask(json!({"type": "states", "format": "annotations"})).await;
    assert_eq!(texts(&notes, "title")[1], "Machine A · Idle");
    assert_eq!(texts(&notes, "text")[1], "Line 1 · 1h");
    assert_eq!(texts(&notes, "tags")[1], "Line 1,Machine A,idle");
    let none = ask(json!({"type": "states", "context": {"states": ["setup"]}})).await;
    assert!(none.meta.to_string().contains("No machine of this selection"), "{}", none.meta);
}

#[tokio::test]
async fn a_timeline_has_gaps_where_nothing_is_known() {
    let factory = factory().await;
    let query = json!({"type": "states", "format": "timeline"});
    let frames = factory.ask(HOURS.0, HOURS.1, query).await;
    let [frame] = &frames[..] else { panic!("{frames:?}") };
    let Column::Time(times) = frame.fields[0].column() else { panic!("no times") };
    let times: Vec<String> =
        times.iter().map(|t| t.unwrap().format("%H:%M:%S").to_string()).collect();
    assert_eq!(times, ["08:30:00", "09:00:30", "10:00:30", "11:00:00", "12:00:00"]);
    assert_eq!(texts(frame, "state"), ["running", "idle", "", "stopped", ""]);
    assert_eq!(frame.fields[1].label("machine"), Some("A"));

    // Line 1 makes L1 until 09:00:30 and L2 from 10:00:15 to 10:30; line 2 makes L1 until 12:00.
    let runs = json!({"type": "runs", "format": "timeline"});
    let frames = factory.ask(HOURS.0, HOURS.1, runs).await;
    assert_eq!(frames.len(), 2);
    assert_eq!(texts(&frames[0], "state"), ["L1 · R1", "", "L2 · R2", ""]);
    assert_eq!(texts(&frames[1], "state"), ["L1 · R1", ""]);
    assert_eq!(frames[1].fields[1].label("line"), Some("M2"));
}
