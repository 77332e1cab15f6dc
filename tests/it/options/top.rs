//! The groups with the most, and the others as one.

use lotwise::frame::{Column, Frame};
use serde_json::{Value, json};

use crate::answers::{Factory, both, near, some, texts};
use crate::support::db::Server;

const HOURS: (&str, &str) = ("2026-03-02T08:00:00Z", "2026-03-02T12:00:00Z");

/// Five lots on line 1 after one another from 10:30 on, for 5, 10, 15, 20 and 25 minutes, with as many
/// units as their number; L1 and L2 of the answers' factory before them.
async fn factory(server: Server) -> Factory {
    let factory = Factory::new(server, "2026-03-02T07:00:00Z", "2026-03-02T13:00:00Z").await;
    sqlx::raw_sql(
        "INSERT INTO lotwise.lot (plant_id, key, reference_id) SELECT 1, 'M' || i, 1 FROM generate_series(1, 5) i;
         INSERT INTO lotwise.run (plant_id, key, line_id, lot_id, started_at, ended_at, good_units)
         SELECT 1, 'm' || i, 1, 2 + i, '2026-03-02T10:30:00Z'::timestamptz + make_interval(mins => i * (i - 1) * 5 / 2),
           '2026-03-02T10:30:00Z'::timestamptz + make_interval(mins => i * (i + 1) * 5 / 2), i
         FROM generate_series(1, 5) i",
    )
    .execute(&factory.pool)
    .await
    .unwrap();
    factory
}

fn lots(more: Value) -> Value {
    let mut query = json!({"type": "kpi", "groupBy": "lot", "place": {"lines": ["M1"]},
        "kpis": ["energy", "good_units", "energy_per_good_unit", "mean_temperature"]});
    query.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    query
}

fn sum(frame: &Frame, column: &str) -> f64 {
    frame.numbers(column).unwrap().iter().flatten().sum()
}

#[tokio::test]
async fn the_others_are_one_row_and_the_parts_still_add_up() {
    both(async |server| {
        let factory = factory(server).await;
        let ask = async |query| factory.ask(HOURS.0, HOURS.1, query).await.remove(0);
        let all = ask(lots(json!({}))).await;
        assert_eq!(texts(&all, "lot"), ["L1", "L2", "M5", "M4", "M3", "M2", "M1", ""]);
        let top = ask(lots(json!({"top": 2}))).await;
        assert_eq!(texts(&top, "lot"), ["L1", "L2", "Other", ""]);
        assert_eq!(texts(&top, "name"), ["L1", "L2", "Other", "Unallocated"]);
        // Names follow the language, keys do not.
        let spanish = ask(lots(json!({"top": 2, "language": "es"}))).await;
        assert_eq!(texts(&spanish, "lot"), texts(&top, "lot"));
        assert_eq!(texts(&spanish, "name"), ["L1", "L2", "Otros", "Sin asignar"]);
        // 2 kWh a minute: 60 minutes of L1, 29.75 of L2, 75 of the others.
        near(top.numbers("energy").unwrap(), &some(&[120.0, 59.5, 150.0, 150.5]));
        near(&top.numbers("good_units").unwrap()[..3], &some(&[60.0, 30.0, 15.0]));
        // A ratio of sums, not a mean of ratios.
        near(&top.numbers("energy_per_good_unit").unwrap()[2..3], &some(&[10.0]));
        near(&top.numbers("mean_temperature").unwrap()[2..3], &some(&[105.0]));
        for column in ["energy", "good_units"] {
            near(&[Some(sum(&top, column))], &[Some(sum(&all, column))]);
        }
        // By another KPI: all of M have 10 kWh a unit, L1 and L2 fewer.
        let kpis = json!(["energy_per_good_unit", "energy"]);
        let by_ratio =
            ask(lots(json!({"top": 1, "kpis": kpis, "context": {"lots": ["L1", "L2", "M5"]}})));
        let by_ratio = by_ratio.await;
        assert_eq!(texts(&by_ratio, "lot"), ["M5", "Other"]);
        near(by_ratio.numbers("energy").unwrap(), &some(&[50.0, 179.5]));
        // As many as there are: nothing to put together.
        assert_eq!(texts(&ask(lots(json!({"top": 7}))).await, "lot"), texts(&all, "lot"));
    })
    .await;
}

#[tokio::test]
async fn over_time_the_same_groups_stay_on_top() {
    let factory = factory(Server::Timescale).await;
    let query = lots(json!({"top": 1, "kpis": ["energy"], "bucket": "2h"}));
    let frames = factory.ask("2026-03-02T07:00:00Z", "2026-03-02T13:00:00Z", query).await;
    let names: Vec<&str> = frames.iter().map(|f| f.name.as_str()).collect();
    assert_eq!(names, ["L1", "Other", "Unallocated"]);
    // L1 until 09:00:30; L2 from 10:00:15 and the others up to 11:45.
    near(frames[0].numbers("value").unwrap(), &[Some(119.0), Some(1.0), None]);
    near(frames[1].numbers("value").unwrap(), &[None, Some(59.5 + 60.0), Some(90.0)]);
    let total: f64 = frames.iter().flat_map(|f| f.numbers("value").unwrap()).flatten().sum();
    near(&[Some(total)], &[Some(720.0)]);
}

#[tokio::test]
async fn the_groups_of_today_are_compared_with_themselves() {
    let factory = factory(Server::Plain).await;
    let query = lots(json!({"top": 2, "kpis": ["energy"], "compare": "previous"}));
    // From 10:00 on, and the two hours before.
    let table = factory.ask("2026-03-02T10:00:00Z", HOURS.1, query).await.remove(0);
    assert_eq!(texts(&table, "lot")[..3], ["L2", "M5", "Other"]);
    near(&table.numbers("energy").unwrap()[..3], &some(&[59.5, 50.0, 100.0]));
    near(&table.numbers("energy_previous").unwrap()[..3], &[None, None, Some(120.0)]);
}

#[tokio::test]
async fn the_series_with_the_highest_mean_are_shown() {
    both(async |server| {
        let factory = factory(server).await;
        for (aggregate, bucket) in [("mean", "30m"), ("raw", "auto")] {
            let ask = async |top: u32| {
                let query = json!({"type": "series", "aggregate": aggregate, "bucket": bucket,
                    "groupBy": "sensor", "top": top});
                factory.ask(HOURS.0, HOURS.1, query).await
            };
            let mean = |frame: &Frame| {
                let value = frame.fields.iter().find(|f| f.name() == "value").unwrap();
                let known: Vec<f64> = match value.column() {
                    Column::Number(values) => values.iter().flatten().copied().collect(),
                    Column::Numbers(values) => {
                        values.iter().copied().filter(|v| v.is_finite()).collect()
                    }
                    other => panic!("{other:?}"),
                };
                known.iter().sum::<f64>() / known.len().max(1) as f64
            };
            let mut all = ask(0).await;
            assert!(all.len() > 3, "{}", all.len());
            all.sort_by(|a, b| mean(b).total_cmp(&mean(a)));
            let highest: Vec<&str> = all.iter().take(2).map(|f| f.name.as_str()).collect();
            let top = ask(2).await;
            let shown: Vec<&str> = top.iter().map(|f| f.name.as_str()).collect();
            assert_eq!(shown.len(), 2);
            assert!(highest.iter().all(|name| shown.contains(name)), "{highest:?} {shown:?}");
            let said = format!("2 of {} series are shown: those with the highest mean.", all.len());
            assert!(top[0].meta.to_string().contains(&said), "{}", top[0].meta);
            assert_eq!(ask(100).await.len(), all.len());
        }
    })
    .await;
}
