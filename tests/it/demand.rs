//! The query type `demand`, through the protocol: quarters of an hour, excess and its cost computed by
//! hand.

use grafana_plugin_sdk::pluginv2 as pb;
use serde_json::{Value, json};

use crate::support::db::{Server, TestDb};
use crate::support::frame::Decoded;
use crate::support::panel::{Plugin, decode, query};

/// Plant `madrid`: 80 kW on 31 March and 1 April 2026 of its clock, but 103 and 104 kW in the two quarters
/// from 10:00 of the first day and 110 kW in that from 10:00 of the second; one quarter of the night is
/// missing. Contracted are 100 kW from 8:00 to 20:00 and 90 kW in the night.
const FACTORY: &str = r#"
SET search_path = lotwise;
INSERT INTO plant (key, name, time_zone) VALUES ('madrid', 'Madrid', 'Europe/Madrid');
INSERT INTO line (plant_id, key, name) VALUES (1, 'L1', 'Line 1');
INSERT INTO sensor (plant_id, line_id, key, name, quantity, unit, kind, interval_s, max_gap_s) VALUES
  (1, NULL, 'main', 'Main meter', 'energy', 'kWh', 'delta', 900, 900),
  (1, 1, 'kwh', 'Line meter', 'energy', 'kWh', 'delta', 900, 900);
INSERT INTO tariff (plant_id, key, name, valid_from, periods, calendar) VALUES (1, '2026', '2026', '2026-01-01',
  '[{"period": "P1", "price_per_kwh": 0.2, "contracted_kw": 100, "excess_price_per_kw": 3.4},
    {"period": "P2", "price_per_kwh": 0.1, "contracted_kw": 90, "excess_price_per_kw": 1.7}]',
  '[{"from": "08:00", "to": "20:00", "period": "P1"}, {"period": "P2"}]');
SELECT ensure_partitions('2026-03-20', '2026-04-10');
INSERT INTO reading
SELECT t + interval '15 min', CASE t WHEN '2026-03-31 08:00Z' THEN 25.75 WHEN '2026-03-31 08:15Z' THEN 26
                                     WHEN '2026-04-01 08:00Z' THEN 27.5 ELSE 20 END, 1, s
FROM generate_series('2026-03-30 22:00Z'::timestamptz, '2026-04-01 21:45Z', interval '15 min') t,
     generate_series(1, 2) s
WHERE t <> '2026-03-31 00:00Z';
"#;

fn asked(ref_id: &str, more: Value) -> pb::DataQuery {
    let mut model = json!({"type": "demand"});
    model.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let ms = |text: &str| text.parse::<chrono::DateTime<chrono::Utc>>().unwrap().timestamp_millis();
    let range = pb::TimeRange {
        from_epoch_ms: ms("2026-03-30T22:00:00Z"),
        to_epoch_ms: ms("2026-04-01T22:00:00Z"),
    };
    pb::DataQuery { time_range: Some(range), ..query(ref_id, model) }
}

fn near(got: &[Option<f64>], want: &[Option<f64>]) {
    let is_near = |(got, want): (&Option<f64>, &Option<f64>)| match (got, want) {
        (Some(got), Some(want)) => (got - want).abs() < 1e-9,
        (got, want) => got == want,
    };
    assert!(got.len() == want.len() && got.iter().zip(want).all(is_near), "{got:?}, not {want:?}");
}

#[tokio::test]
async fn quarters_above_the_contract_are_counted_and_priced() {
    for server in [Server::Timescale, Server::Plain] {
        let db = TestDb::migrated(server).await;
        let pool = db.pool().await;
        sqlx::raw_sql(FACTORY).execute(&pool).await.expect("seed the factory");
        let plugin = Plugin::start(&db).await;
        let mut answers = plugin
            .ask(vec![
                asked("T", json!({})),
                asked("S", json!({"format": "series"})),
                asked("es", json!({"format": "series", "language": "es"})),
                asked("A", json!({"format": "alert"})),
                asked("L", json!({"place": {"lines": ["L1"]}})),
                pb::DataQuery { max_data_points: 48, ..asked("few", json!({"format": "series"})) },
                asked("G", json!({"groupBy": "lot"})),
            ])
            .await;
        let mut frames = |key: &str| -> Vec<Decoded> { decode(&answers.remove(key).unwrap()) };

        let table = frames("T").remove(0);
        assert_eq!(table.texts("plant"), ["madrid", "madrid"]);
        assert_eq!(table.texts("tariff_period"), ["P1", "P2"]);
        near(table.numbers("contracted"), &[Some(100.0), Some(90.0)]);
        near(table.numbers("peak"), &[Some(110.0), Some(80.0)]);
        near(table.numbers("quarters"), &[Some(96.0), Some(95.0)]);
        near(table.numbers("above"), &[Some(3.0), Some(0.0)]);
        near(table.numbers("excess"), &[Some((3.0 + 4.0 + 10.0) / 4.0), Some(0.0)]);
        // √(3² + 4²) kW in March and 10 kW in April, times 3.40.
        near(table.numbers("excess_cost"), &[Some((5.0 + 10.0) * 3.4), Some(0.0)]);

        let series = frames("S").remove(0);
        let shown = |frame: &Decoded| {
            ["demand", "contracted"]
                .map(|name| frame.column(name).config["displayNameFromDS"].clone())
        };
        assert_eq!(shown(&series), ["Madrid demand", "Madrid contracted"]);
        assert_eq!(shown(&frames("es")[0]), ["Madrid demanda", "Madrid contratada"]);
        let demand = series.numbers("demand");
        assert_eq!(demand.len(), 192);
        let at = |quarter: usize| demand[quarter];
        // Quarters from midnight; ten o'clock is the 41st.
        near(
            &[at(40), at(41), at(42), at(96 + 40), at(8)],
            &[Some(103.0), Some(104.0), Some(80.0), Some(110.0), None],
        );
        let contracted = series.numbers("contracted");
        near(&contracted[31..33], &[Some(90.0), Some(100.0)]);
        // Four quarters share a point, which shows the highest.
        let few = frames("few").remove(0);
        let few = few.numbers("demand");
        assert_eq!(few.len(), 48);
        near(&[few[10], few[11], few[2]], &[Some(104.0), Some(80.0), Some(80.0)]);

        let alert = frames("A").remove(0);
        near(alert.numbers("used"), &[Some(110.0)]);

        let line = frames("L").remove(0);
        near(line.numbers("peak"), &[Some(110.0)]);
        assert_eq!(line.numbers("contracted"), [None]);
        assert_eq!(line.numbers("above"), [None]);
        assert_eq!(answers["G"].status, 400);
        assert!(
            answers["G"].error.contains("demand queries cannot be grouped"),
            "{}",
            answers["G"].error
        );
    }
}
