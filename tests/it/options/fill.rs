//! What stands in buckets without data.

use serde_json::{Value, json};

use crate::answers::{Factory, near, some};
use crate::support::db::Server;

const HOURS: (&str, &str) = ("2026-03-02T08:00:00Z", "2026-03-02T12:00:00Z");

#[tokio::test]
async fn gaps_are_empty_the_value_before_or_zero_of_amounts() {
    let factory =
        Factory::new(Server::Timescale, "2026-03-02T07:00:00Z", "2026-03-02T13:00:00Z").await;
    // Lot L1 runs on line 1 from 08:00:30 to 09:00:30, L2 from 10:00:15 to 10:30.
    let ask = async |more: Value| {
        let mut query = json!({"type": "series", "bucket": "1h", "context": {"lots": ["L1", "L2"]},
            "place": {"lines": ["M1"], "quantity": "power"}});
        query.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let frames = factory.try_ask(HOURS.0, HOURS.1, query).await;
        frames.map(|frames| frames[0].numbers("value").unwrap().to_vec())
    };
    let empty = ask(json!({})).await.unwrap();
    near(&empty, &[Some(30.0), Some(30.0), Some(30.0), None]);
    let before = ask(json!({"fill": "previous"})).await.unwrap();
    near(&before, &some(&[30.0; 4]));
    // 0.5 kWh a minute: 59.5, 0.5 and 29.75 minutes.
    let amounts = ask(json!({"fill": "zero", "aggregate": "sum"})).await.unwrap();
    near(&amounts, &some(&[29.75, 0.25, 14.875, 0.0]));
    let error = ask(json!({"fill": "zero"})).await.unwrap_err().to_string();
    assert!(error.contains("no data is not a power of zero"), "{error}");

    let kpi = json!({"type": "kpi", "bucket": "1h", "kpis": ["energy", "mean_temperature"],
        "fill": "zero", "place": {"lines": ["M1"]}, "context": {"lots": ["L1"]}});
    let frames = factory.ask(HOURS.0, HOURS.1, kpi).await;
    near(frames[0].numbers("value").unwrap(), &some(&[119.0, 1.0, 0.0, 0.0]));
    assert_eq!(frames[1].numbers("value").unwrap()[2], None, "no temperature of zero");
}

#[tokio::test]
async fn what_is_still_to_come_stays_empty() {
    let factory =
        Factory::new(Server::Timescale, "2026-11-30T20:00:00Z", "2026-12-01T00:00:00Z").await;
    // The question is asked on 1 December at midnight.
    let query = json!({"type": "series", "bucket": "1h", "fill": "previous",
        "place": {"sensors": ["A-power"]}});
    let frames = factory.ask("2026-11-30T22:00:00Z", "2026-12-01T02:00:00Z", query).await;
    near(frames[0].numbers("value").unwrap(), &[Some(30.0), Some(30.0), None, None]);
}
