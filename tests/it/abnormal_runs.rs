//! The query type `abnormal_runs`, through the protocol: features, energy and cost computed by hand.

use chrono::{DateTime, Utc};
use grafana_plugin_sdk::pluginv2 as pb;
use serde_json::{Value, json};

use crate::support::db::{Server, TestDb};
use crate::support::panel::{Plugin, decode, query};

/// Plant `madrid`, line L1. From 1 to 10 March press and saw each make four runs of A a day, of four
/// hours with two between: 400 units at 100 kW and 0, 1, -1, 2 or -2 % more, one after another, so that
/// a unit takes 1 kWh; the press at 150 °C and 0, 1, -1, 2 or -2 °C more, in fives. The press reports
/// its states, and is silent between runs. The saw reports none, and takes 10 kW between runs.
///
/// On 11 March at 00:00 the press takes 120 kW and makes 380 units, and the saw stops for the second
/// half of its run and makes 200. At 06:00 both are as usual. A kWh costs 0.20 EUR.
const FACTORY: &str = "
SET search_path = lotwise;
INSERT INTO plant (key, name, time_zone) VALUES ('madrid', 'Madrid', 'Europe/Madrid');
INSERT INTO line (plant_id, key, name) VALUES (1, 'L1', 'Line 1');
INSERT INTO machine (plant_id, line_id, key, name) VALUES (1, 1, 'press', 'Press'), (1, 1, 'saw', 'Saw');
INSERT INTO sensor (plant_id, line_id, machine_id, key, name, quantity, unit, kind) VALUES
  (1, 1, 1, 'press-power', 'Power of the press', 'power', 'kW', 'gauge'),
  (1, 1, 2, 'saw-power', 'Power of the saw', 'power', 'kW', 'gauge'),
  (1, 1, 1, 'heat', 'Heat of the press', 'temperature', '°C', 'gauge');
INSERT INTO reference (plant_id, key, name) VALUES (1, 'A', 'Red');
INSERT INTO tariff (plant_id, key, name, valid_from, periods, calendar) VALUES (1, 'T', 'Tariff', '2026-01-01',
  '[{\"period\": \"P1\", \"price_per_kwh\": 0.20}]', '[{\"period\": \"P1\"}]');
CREATE TEMP TABLE made AS
SELECT m, n, '2026-03-01T00:00:00Z'::timestamptz + n * interval '6 hours' AS started,
       CASE WHEN n = 40 AND m = 1 THEN 120 ELSE 100 + (ARRAY[0, 1, -1, 2, -2])[n % 5 + 1] END AS level,
       CASE WHEN n = 40 THEN (ARRAY[380, 200])[m] ELSE 400 END AS units,
       150 + (ARRAY[0, 1, -1, 2, -2])[n / 5 % 5 + 1] AS heat
FROM generate_series(1, 2) m, generate_series(0, 41) n;
INSERT INTO lot (plant_id, key, reference_id) SELECT 1, 'L' || m || '-' || n, 1 FROM made;
INSERT INTO run (plant_id, key, line_id, machine_id, lot_id, started_at, ended_at, good_units, scrap_units)
SELECT 1, 'R' || m || '-' || n, 1, m, l.id, started, started + interval '4 hours', units, 0
FROM made JOIN lot l ON l.key = 'L' || m || '-' || n;
INSERT INTO state (plant_id, line_id, machine_id, state, started_at, ended_at)
SELECT 1, 1, 1, s.state, started + s.a, started + s.b
FROM made, (VALUES ('running', interval '0', interval '4 hours'), ('idle', '4 hours', '6 hours')) s(state, a, b)
WHERE m = 1;
SELECT ensure_partitions('2026-02-20', '2026-03-20');
INSERT INTO reading
SELECT started + i * interval '1 min',
       CASE WHEN m = 2 AND (i >= 240 OR n = 40 AND i >= 120) THEN 10 ELSE level END, 1, m
FROM made, generate_series(0, 359) i WHERE m = 2 OR i <= 240;
INSERT INTO reading
SELECT started + i * interval '1 min', heat, 1, 3 FROM made, generate_series(0, 240) i WHERE m = 1;
";

async fn plugin(server: Server) -> (TestDb, Plugin) {
    let db = TestDb::migrated(server).await;
    let pool = db.pool().await;
    sqlx::raw_sql(FACTORY).execute(&pool).await.expect("seed the factory");
    pool.close().await;
    let plugin = Plugin::start(&db).await;
    (db, plugin)
}

const DAY_11: (&str, &str) = ("2026-03-11T00:00:00Z", "2026-03-12T00:00:00Z");

fn asked(ref_id: &str, (from, to): (&str, &str), more: Value) -> pb::DataQuery {
    let time = |text: &str| text.parse::<DateTime<Utc>>().unwrap().timestamp_millis();
    let range = pb::TimeRange { from_epoch_ms: time(from), to_epoch_ms: time(to) };
    let mut model = json!({"type": "abnormal_runs", "learningDays": 15});
    model.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    pb::DataQuery { time_range: Some(range), ..query(ref_id, model) }
}

#[track_caller]
fn near(got: Option<f64>, want: f64) {
    let got = got.expect("a number");
    assert!((got - want).abs() < 1e-6 * want.abs().max(1.0), "got {got}, want {want}");
}

async fn both(test: impl AsyncFn(Server)) {
    test(Server::Timescale).await;
    test(Server::Plain).await;
}

#[tokio::test]
async fn an_abnormal_run_has_its_features_energy_cost_and_reason() {
    both(async |server| {
        let (_db, plugin) = plugin(server).await;
        let mut answers = plugin
            .ask(vec![
                asked("T", DAY_11, json!({})),
                asked("N", DAY_11, json!({"format": "annotations", "place": {"machines": ["press"]}})),
                asked("S", DAY_11, json!({"format": "score"})),
                asked("es", DAY_11, json!({"language": "es"})),
                asked("lot", DAY_11, json!({"context": {"lots": ["L1-41"]}})),
            ])
            .await;
        let mut frames = |id: &str| decode(&answers.remove(id).unwrap());

        let table = frames("T").remove(0);
        // Both end at the same time; then by key.
        assert_eq!(table.texts("run"), ["R1-40", "R2-40"], "{table:?}");
        assert_eq!(table.texts("machine"), ["press", "saw"]);
        assert!(table.numbers("score").iter().all(|score| score.unwrap() > 1.0));
        // 480 kWh for 380 units, 1 kWh each: 100 too many.
        near(table.numbers("energy_per_good_unit")[0], 480.0 / 380.0);
        near(table.numbers("rate")[0], 95.0);
        near(table.numbers("mean_power")[0], 120.0);
        near(table.numbers("mean_temperature")[0], 152.0);
        near(table.numbers("duration")[0], 4.0);
        near(table.numbers("idle_share")[0], 0.0);
        near(table.numbers("energy")[0], 100.0);
        near(table.numbers("cost")[0], 20.0);
        assert_eq!(table.numbers("learned_from"), [Some(40.0), Some(40.0)]);
        assert_eq!(
            table.texts("reason")[0],
            "kWh per unit 26 % above the usual of A, mean power 20 % above, rate 5 % below, 100 kWh and 20.00 EUR more than usual"
        );
        assert_eq!(
            frames("es")[0].texts("reason")[0],
            "kWh por unidad 26 % por encima de lo habitual para A, potencia media 20 % por encima, ritmo 5 % por debajo, 100 kWh y 20,00 EUR más de lo habitual"
        );
        // The saw: half of the time at 10 kW, and the ramp of a minute between. It makes 200 units in the
        // two hours in which it runs, which is its usual rate. Usual runs end with such a ramp.
        let (kwh, usual) = ((119.0 * 100.0 + 55.0 + 120.0 * 10.0) / 60.0, (239.0 * 100.0 + 55.0) / 60.0);
        near(table.numbers("idle_share")[1], 0.5);
        near(table.numbers("rate")[1], 100.0);
        near(table.numbers("energy_per_good_unit")[1], kwh / 200.0);
        near(table.numbers("energy")[1], kwh - 200.0 * usual / 400.0);
        let reason = table.texts("reason")[1];
        assert!(
            reason.starts_with("mean power 45 % below the usual of A, idle share 50 percentage points above, kWh per unit 10 % above, 20 kWh and 3.9"),
            "{reason}"
        );
        assert_eq!(table.texts("start_ms")[0], "1773187200000");
        assert_eq!(table.texts("end_ms")[0], "1773201600000");
        let notices = table.meta["notices"].to_string();
        assert!(notices.contains("inferred by clustering of power: saw below"), "{notices}");

        let notes = frames("N").remove(0);
        assert_eq!(notes.texts("text"), [table.texts("reason")[0]]);
        assert_eq!(notes.texts("tags"), ["L1,press,abnormal_run,A"]);

        let scores = frames("S");
        let press = scores.iter().find(|f| f.name == "press").unwrap();
        assert_eq!(press.meta["type"], "timeseries-multi");
        let scores = press.numbers("score");
        assert!(scores.len() == 2 && scores[0].unwrap() > 1.0 && scores[1].unwrap() < 1.0, "{scores:?}");
        assert_eq!(frames("lot")[0].rows, 0, "that run is as usual");
    })
    .await;
}

#[tokio::test]
async fn alert_rules_get_the_score_of_the_newest_run_of_each_place() {
    both(async |server| {
        let (_db, plugin) = plugin(server).await;
        let morning = ("2026-03-11T00:00:00Z", "2026-03-11T05:00:00Z");
        let frame = plugin.alert(asked("A", morning, json!({}))).await;
        assert_eq!(frame.rule_column(), "score");
        assert_eq!(frame.texts("lot"), ["L1-40", "L2-40"]);
        assert!(frame.numbers("score").iter().all(|score| score.unwrap() > 1.0));

        // On the first day too few runs are known to judge by: no number, and a notice.
        let early = ("2026-03-01T09:30:00Z", "2026-03-01T11:00:00Z");
        let mut answers = plugin.ask(vec![asked("A", early, json!({"format": "alert"}))]).await;
        let frame = decode(&answers.remove("A").unwrap()).remove(0);
        assert_eq!(frame.numbers("score"), [None, None]);
        let notices = frame.meta["notices"].to_string();
        assert!(notices.contains("A at press (1)"), "{notices}");
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_answered_says_what_to_change() {
    let (_db, plugin) = plugin(Server::Plain).await;
    let fails = async |more: Value| plugin.failure(asked("A", DAY_11, more)).await.error;
    let error = fails(json!({"format": "curves"})).await;
    assert!(error.contains("abnormal_runs queries have no format curves"), "{error}");
    let nobody = ("2026-03-15T00:00:00Z", "2026-03-16T00:00:00Z");
    let none = json!({"context": {"references": ["nope"]}});
    let error = plugin.failure(asked("A", nobody, none)).await.error;
    assert!(error.contains("unknown reference \"nope\""), "{error}");
}
