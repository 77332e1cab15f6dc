//! Figures beside those of an earlier time and of other lots.

use serde_json::json;

use crate::answers::{Factory, both, near, some, texts};
use crate::support::db::Server;

const TODAY: (&str, &str) = ("2026-03-02T08:00:00Z", "2026-03-02T12:00:00Z");

/// Readings of 1 and 2 March, with a run of R1 on line 1 a day earlier: 30 minutes, 20 units. On the
/// day before line 2 took 90 kW.
async fn factory(server: Server) -> Factory {
    let factory = Factory::new(server, "2026-03-01T00:00:00Z", "2026-03-02T13:00:00Z").await;
    sqlx::raw_sql(
        "UPDATE lotwise.reading SET value = 90 WHERE sensor_id = 3 AND time < '2026-03-02T00:00:00Z';
         INSERT INTO lotwise.run (plant_id, key, line_id, lot_id, started_at, ended_at, good_units)
         VALUES (1, 'y1', 1, 1, '2026-03-01T09:00:00Z', '2026-03-01T09:30:00Z', 20)",
    )
    .execute(&factory.pool)
    .await
    .unwrap();
    factory
}

#[tokio::test]
async fn a_series_lies_upon_the_day_before() {
    both(async |server| {
        let factory = factory(server).await;
        let query = json!({"type": "series", "compare": "day", "bucket": "1h", "place": {"sensors": ["M2-power"]}});
        let frames = factory.ask(TODAY.0, TODAY.1, query).await;
        let [frame] = &frames[..] else { panic!("{frames:?}") };
        near(frame.numbers("value").unwrap(), &some(&[60.0; 4]));
        near(frame.numbers("previous").unwrap(), &some(&[90.0; 4]));
        let previous = frame.fields.last().unwrap();
        assert_eq!(previous.label("period"), Some("previous"));
        assert_eq!(previous.label("sensor"), Some("M2-power"));
        assert_eq!(previous.shown_name(), "Line 2 power (a day earlier)");
        let spanish = json!({"type": "series", "compare": "day", "bucket": "1h", "language": "es",
            "place": {"sensors": ["M2-power"]}});
        let frames = factory.ask(TODAY.0, TODAY.1, spanish).await;
        assert_eq!(frames[0].fields.last().unwrap().shown_name(), "Line 2 power (un día antes)");
        let notices = frame.meta["notices"].to_string();
        assert!(notices.contains("2026-03-01 08:00 UTC to 2026-03-01 12:00 UTC"), "{notices}");

        // Two hours, and the two before them.
        let query = json!({"type": "kpi", "compare": "previous", "kpis": ["energy"], "bucket": "1h",
            "place": {"lines": ["M2"]}});
        let frames = factory.ask("2026-03-02T00:00:00Z", "2026-03-02T02:00:00Z", query).await;
        near(frames[0].numbers("value").unwrap(), &some(&[60.0; 2]));
        // The line from the last reading of a day at 90 kW to the next one at 60 is a minute long.
        near(frames[0].numbers("previous").unwrap(), &some(&[90.0, 90.0 - 15.0 / 60.0]));
    })
    .await;
}

#[tokio::test]
async fn a_table_has_the_other_time_and_the_change() {
    both(async |server| {
        let factory = factory(server).await;
        let query = json!({"type": "kpi", "compare": "day", "groupBy": "reference",
            "kpis": ["energy", "good_units", "energy_per_good_unit"], "place": {"lines": ["M1"]}});
        let table = factory.ask(TODAY.0, TODAY.1, query).await.remove(0);
        assert_eq!(texts(&table, "reference"), ["R1", "R2", ""]);
        // Line 1 takes 2 kWh a minute: R1 for an hour, and for half an hour the day before; the rest
        // of 480 kWh is unallocated.
        near(table.numbers("energy").unwrap(), &some(&[120.0, 59.5, 300.5]));
        near(table.numbers("energy_previous").unwrap(), &[Some(60.0), None, Some(420.0)]);
        let change = [Some(100.0), None, Some((300.5 - 420.0) / 420.0 * 100.0)];
        near(table.numbers("energy_change").unwrap(), &change);
        near(table.numbers("good_units_previous").unwrap(), &[Some(20.0), None, None]);
        near(table.numbers("energy_per_good_unit").unwrap()[..1].as_ref(), &some(&[2.0]));
        near(table.numbers("energy_per_good_unit_previous").unwrap()[..1].as_ref(), &some(&[3.0]));
        let percent = (2.0 - 3.0) / 3.0 * 100.0;
        near(
            table.numbers("energy_per_good_unit_change").unwrap()[..1].as_ref(),
            &some(&[percent]),
        );

        // A lot of the day before only is a row without figures of today.
        let query = json!({"type": "kpi", "compare": "day", "groupBy": "lot", "kpis": ["energy"],
            "context": {"lots": ["L1"]}, "place": {"lines": ["M1"]}});
        let early = ("2026-03-02T09:10:00Z", "2026-03-02T09:20:00Z");
        let table = factory.ask(early.0, early.1, query).await;
        assert!(table[0].fields.is_empty(), "no group of today: {table:?}");
        let query = json!({"type": "kpi", "compare": "day", "groupBy": "lot", "kpis": ["energy"],
            "place": {"lines": ["M1"]}});
        let late = ("2026-03-02T09:10:00Z", "2026-03-02T10:20:15Z");
        let table = factory.ask(late.0, late.1, query).await.remove(0);
        assert_eq!(texts(&table, "lot"), ["L2", "", "L1"]);
        near(&table.numbers("energy").unwrap()[..1], &some(&[40.0]));
        near(&table.numbers("energy_previous").unwrap()[2..], &some(&[40.0]));
        assert_eq!(table.numbers("energy").unwrap()[2], None);
    })
    .await;
}

#[tokio::test]
async fn a_time_that_is_hardly_measured_says_nothing_about_a_change() {
    both(async |server| {
        let factory = factory(server).await;
        let query = json!({"type": "kpi", "compare": "previous", "kpis": ["energy"],
            "place": {"lines": ["M1"]}});
        let ask = async |from: &str, to: &str| {
            let table = factory.ask(from, to, query.clone()).await.remove(0);
            ["energy", "energy_previous", "energy_change"]
                .map(|name| table.numbers(name).unwrap()[0])
        };
        // Readings begin at midnight; line 1 takes 2 kWh a minute. Two of the six hours before.
        let late = ask("2026-03-01T02:00:00Z", "2026-03-01T08:00:00Z").await;
        near(&late, &[Some(720.0), Some(240.0), None]);
        // Two of the three hours before.
        let early = ask("2026-03-01T02:00:00Z", "2026-03-01T05:00:00Z").await;
        near(&early, &[Some(360.0), Some(240.0), Some(50.0)]);
    })
    .await;
}

#[tokio::test]
async fn a_lot_is_compared_with_others_whenever_they_were_made() {
    let factory = factory(Server::Plain).await;
    sqlx::raw_sql(
        "INSERT INTO lotwise.lot (plant_id, key, reference_id) VALUES (1, 'L0', 1);
         UPDATE lotwise.run SET lot_id = 3 WHERE key = 'y1'",
    )
    .execute(&factory.pool)
    .await
    .unwrap();
    let query = json!({"type": "kpi", "compare": "lots", "compareLots": ["L0"],
        "kpis": ["energy", "energy_per_good_unit"], "place": {"lines": ["M1"]}, "context": {"lots": ["L1"]}});
    let table = factory.ask(TODAY.0, TODAY.1, query).await.remove(0);
    near(table.numbers("energy").unwrap(), &some(&[120.0]));
    near(table.numbers("energy_previous").unwrap(), &some(&[60.0]));
    near(table.numbers("energy_per_good_unit_previous").unwrap(), &some(&[3.0]));

    let error =
        async |query| factory.try_ask(TODAY.0, TODAY.1, query).await.unwrap_err().to_string();
    let none = error(json!({"type": "kpi", "compare": "lots"})).await;
    assert!(none.contains("no lot to compare with"), "{none}");
    let over_time =
        error(json!({"type": "series", "compare": "lots", "compareLots": ["L0"]})).await;
    assert!(over_time.contains("KPI tables only"), "{over_time}");
    let unknown = error(json!({"type": "kpi", "compare": "lots", "compareLots": ["nope"]})).await;
    assert!(unknown.contains("unknown lot \"nope\""), "{unknown}");
}

#[tokio::test]
async fn an_unfinished_figure_is_compared_with_as_much_of_the_other_time() {
    let factory =
        Factory::new(Server::Timescale, "2026-11-29T22:00:00Z", "2026-12-01T00:00:00Z").await;
    // The question is asked on 1 December at midnight, an hour after the plant's day began.
    let query =
        json!({"type": "kpi", "compare": "day", "kpis": ["energy"], "place": {"lines": ["M2"]}});
    let day = ("2026-11-30T23:00:00Z", "2026-12-01T23:00:00Z");
    let table = factory.ask(day.0, day.1, query).await.remove(0);
    near(table.numbers("energy").unwrap(), &some(&[60.0]));
    near(table.numbers("energy_previous").unwrap(), &some(&[60.0]));
    near(table.numbers("energy_change").unwrap(), &some(&[0.0]));
    let query = json!({"type": "series", "compare": "day", "bucket": "6h", "aggregate": "sum",
        "place": {"sensors": ["M2-power"]}});
    let frame = factory.ask(day.0, day.1, query).await.remove(0);
    near(frame.numbers("value").unwrap(), &[Some(60.0), None, None, None]);
    near(frame.numbers("previous").unwrap(), &some(&[360.0; 4]));
}
