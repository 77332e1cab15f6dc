//! Answers in the shape that alert rules can read.

use std::collections::BTreeSet;

use lotwise::answer::{self, Source};
use lotwise::catalog;
use lotwise::domain::TimeRange;
use lotwise::frame::{Column, Frame};
use lotwise::plan::Ask;
use serde_json::{Value, json};

use crate::answers::{Factory, near, some};
use crate::support::db::Server;

const HOURS: (&str, &str) = ("2026-03-02T08:00:00Z", "2026-03-02T12:00:00Z");

/// Asks as an alert rule does: 43,200 points, one a second.
async fn alert(
    factory: &Factory,
    from: &str,
    to: &str,
    max_points: usize,
    query: Value,
) -> Vec<Frame> {
    let catalog = catalog::load(&factory.plugin, &[], &[]).await.unwrap();
    let source = Source { db: &factory.plugin, catalog: &catalog };
    let ask = Ask {
        range: TimeRange::new(from.parse().unwrap(), to.parse().unwrap()).unwrap(),
        interval_s: 1.0,
        max_data_points: 43_200,
        max_points,
        now: "2026-12-01T00:00:00Z".parse().unwrap(),
    };
    answer::answer_alert(&source, query.to_string().as_bytes(), &ask).await.unwrap()
}

#[tokio::test]
async fn figures_of_a_table_are_numbers_that_labels_tell_apart() {
    let factory = Factory::new(Server::Plain, "2026-03-02T07:00:00Z", "2026-03-02T13:00:00Z").await;
    let query = json!({"type": "kpi", "groupBy": "line", "kpis": ["energy", "good_units"]});
    let frames = alert(&factory, HOURS.0, HOURS.1, 1_000_000, query).await;
    let seen: BTreeSet<(String, String)> = frames
        .iter()
        .map(|f| {
            assert_eq!((f.meta["type"].as_str(), f.fields.len()), (Some("numeric-multi"), 1));
            let label = |name| f.fields[0].label(name).unwrap().to_owned();
            (label("line"), label("kpi"))
        })
        .collect();
    assert_eq!((seen.len(), frames.len()), (4, 4));
    // The same numbers as in the panel.
    let energy: Vec<Option<f64>> =
        frames.iter().flat_map(|f| f.numbers("energy").unwrap_or_default()).copied().collect();
    near(&energy, &some(&[480.0, 240.0]));

    let latest = json!({"type": "latest", "place": {"quantity": "power"}});
    let frame = alert(&factory, HOURS.0, HOURS.1, 1_000_000, latest).await.remove(0);
    assert_eq!(frame.meta["type"], "numeric-long");
    let numbers = frame.fields.iter().filter(|f| matches!(f.column(), Column::Number(_)));
    assert_eq!(numbers.count(), 1);
    near(frame.numbers("value").unwrap(), &some(&[30.0, 60.0]));
}

#[tokio::test]
async fn points_are_clamped_to_what_the_data_source_may_answer_with() {
    let factory = Factory::new(Server::Plain, "2026-03-02T07:00:00Z", "2026-03-02T13:00:00Z").await;
    sqlx::query("UPDATE lotwise.sensor SET interval_s = 1").execute(&factory.pool).await.unwrap();
    let query = json!({"type": "series", "place": {"quantity": "power"}});
    let ask = async |max_points| {
        let frames = alert(&factory, HOURS.0, HOURS.1, max_points, query.clone()).await;
        (frames.len(), frames[0].numbers("value").unwrap().len())
    };
    // Four hours in 11,000 points a series at most: two seconds each.
    assert_eq!(ask(1_000_000).await, (2, 7_200));
    // Two series of 500 points at most: 28.8 s, so 30.
    assert_eq!(ask(1_000).await, (2, 480));
}
