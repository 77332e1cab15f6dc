//! Curves of lots, aligned on their starts.

use lotwise::frame::{Column, Frame};
use serde_json::{Value, json};

use crate::answers::{Factory, both, near, some};

const DAY: (&str, &str) = ("2026-03-02T07:00:00Z", "2026-03-02T13:00:00Z");

/// The factory of the answers, with a second run of lot L2 after a pause of a quarter of an hour.
async fn factory(server: crate::support::db::Server) -> Factory {
    let factory = Factory::new(server, DAY.0, DAY.1).await;
    sqlx::raw_sql(
        "INSERT INTO lotwise.run (plant_id, key, line_id, lot_id, started_at, ended_at, good_units)
         VALUES (1, 'r4', 1, 2, '2026-03-02T10:45:15Z', '2026-03-02T10:55:15Z', 10)",
    )
    .execute(&factory.pool)
    .await
    .unwrap();
    factory
}

/// The curve of a lot.
#[track_caller]
fn curve<'a>(frame: &'a Frame, lot: &str) -> &'a [Option<f64>] {
    let field = frame.fields.iter().find(|f| f.label("lot") == Some(lot));
    match field.unwrap_or_else(|| panic!("no curve of {lot}: {frame:?}")).column() {
        Column::Number(values) => values,
        other => panic!("{other:?}"),
    }
}

fn energy(more: Value) -> Value {
    let mut query = json!({"type": "lots", "bucket": "15m", "aggregate": "sum",
        "place": {"lines": ["M1"], "quantity": "energy"}});
    query.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    query
}

/// Line 1 takes 2 kWh a minute. L1 runs for an hour; L2 for 29.75 minutes and, 45 minutes after its
/// start, for ten more.
fn is_right(frame: &Frame) {
    near(curve(frame, "L1"), &some(&[30.0; 4]));
    near(curve(frame, "L2"), &[Some(30.0), Some(29.5), None, Some(20.0)]);
}

#[tokio::test]
async fn curves_count_from_the_start_of_each_lots_first_run() {
    both(async |server| {
        let factory = factory(server).await;
        let frame = factory.ask(DAY.0, DAY.1, energy(json!({}))).await.remove(0);
        is_right(&frame);
        near(frame.numbers("elapsed").unwrap(), &some(&[0.0, 900.0, 1800.0, 2700.0]));
        assert_eq!(frame.fields[1].label("reference"), Some("R2"), "the newest lot first");
        assert_eq!(frame.meta["custom"]["source"], "readings");

        // A's thermometer goes up and down between 100 and 110 in straight lines. 15 minutes are
        // seven periods and half a one, which is above the mean first, then below.
        let heat = json!({"type": "lots", "bucket": "15m", "context": {"lots": ["L1"]},
            "place": {"lines": ["M1"], "quantity": "temperature"}});
        let frame = factory.ask(DAY.0, DAY.1, heat).await.remove(0);
        let (above, below) = ((14.0 * 105.0 + 107.5) / 15.0, (14.0 * 105.0 + 102.5) / 15.0);
        near(curve(&frame, "L1"), &some(&[above, below, above, below]));
    })
    .await;
}

#[tokio::test]
async fn many_readings_are_added_up_in_the_database_to_the_same_curves() {
    both(async |server| {
        let factory = factory(server).await;
        // The plan takes the meter for one that is read a thousand times a second.
        sqlx::raw_sql("UPDATE lotwise.sensor SET interval_s = 0.001, max_gap_s = 300")
            .execute(&factory.pool)
            .await
            .unwrap();
        let frame = factory.ask(DAY.0, DAY.1, energy(json!({}))).await.remove(0);
        is_right(&frame);
        let reason = frame.meta["custom"]["reason"].as_str().unwrap().to_owned();
        assert!(!reason.contains("because they are few"), "{reason}");
    })
    .await;
}

#[tokio::test]
async fn curves_can_be_aligned_on_progress_and_shown_as_time_series() {
    both(async |server| {
        let factory = factory(server).await;
        let query = energy(json!({"align": "progress", "context": {"lots": ["L1", "L2"]}}));
        let frame = factory.ask(DAY.0, DAY.1, query).await.remove(0);
        let x = frame.numbers("progress").unwrap();
        assert_eq!((x.len(), x[0], x[99]), (100, Some(0.0), Some(0.99)));
        near(curve(&frame, "L1"), &some(&[1.2; 100]));
        // L2 lasts 55 minutes, a part of it 0.55 minutes; its first run ends within the 55th.
        let l2 = curve(&frame, "L2");
        near(&l2[..54], &some(&[1.1; 54]));
        near(&l2[54..56], &[Some(2.0 * (29.75 - 54.0 * 0.55)), None]);
        let sum: f64 = l2.iter().flatten().sum();
        near(&[Some(sum)], &[Some(59.5 + 20.0)]);

        let frames = factory.ask(DAY.0, DAY.1, energy(json!({"align": "time"}))).await;
        assert_eq!(frames.len(), 2);
        assert_eq!(frames[0].meta["type"], "timeseries-multi");
        let Column::Time(times) = frames[0].fields[0].column() else { panic!("no times") };
        assert_eq!(times[1].unwrap().to_rfc3339(), "2026-03-02T07:15:00+00:00");
        near(frames[1].numbers("value").unwrap(), &some(&[30.0; 4]));
    })
    .await;
}

#[tokio::test]
async fn the_newest_lots_of_a_reference_are_taken_unless_some_are_named() {
    let factory = factory(crate::support::db::Server::Plain).await;
    let lots = async |more: Value| -> Vec<String> {
        let frames = factory.ask(DAY.0, DAY.1, energy(more)).await;
        let fields = frames[0].fields.iter();
        fields.filter_map(|f| f.label("lot").map(str::to_owned)).collect()
    };
    assert_eq!(lots(json!({})).await, ["L2", "L1"]);
    assert_eq!(lots(json!({"lastLots": 1})).await, ["L2"]);
    assert_eq!(lots(json!({"context": {"references": ["R1"]}})).await, ["L1"]);
    // A lot that is named is shown whenever it was made; the newest ones are those up to the range's end.
    let early = ("2026-03-02T07:00:00Z", "2026-03-02T09:00:00Z");
    let at = async |more: Value| factory.ask(early.0, early.1, energy(more)).await.remove(0);
    assert!(at(json!({"context": {"lots": ["L2"]}})).await.fields[1].label("lot") == Some("L2"));
    assert!(at(json!({})).await.fields[1].label("lot") == Some("L1"));
    let unknown = energy(json!({"context": {"lots": ["nope"]}}));
    let error = factory.try_ask(DAY.0, DAY.1, unknown).await.unwrap_err().to_string();
    assert!(error.contains("unknown lot \"nope\""), "{error}");
}
