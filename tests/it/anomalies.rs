//! The query type `anomalies`, through the protocol: events with energy and cost computed by hand.

use chrono::{DateTime, Utc};
use grafana_plugin_sdk::pluginv2 as pb;
use serde_json::{Value, json};

use crate::support::db::{Server, TestDb};
use crate::support::frame::Decoded;
use crate::support::panel::{Plugin, decode, query};

/// Plant `madrid`, line L1. The press makes A at 100 kW and B at 140 kW in turns, four hours each with
/// half an hour at 10 kW between, and is known for 13 days. Each minute's power is the level and 1 %
/// less or more, in turns, so that the middle is the level itself. On 13 March from 12:00 to 13:30 UTC,
/// two and a half hours into a run of A, it takes 15 % more: 15 kW. The saw sends the same, but only
/// for two days.
///
/// A kWh costs 0.20 EUR before 14:00 of Madrid (13:00 UTC), then 0.10 EUR.
const FACTORY: &str = "
SET search_path = lotwise;
INSERT INTO plant (key, name, time_zone) VALUES ('madrid', 'Madrid', 'Europe/Madrid');
INSERT INTO line (plant_id, key, name) VALUES (1, 'L1', 'Line 1');
INSERT INTO machine (plant_id, line_id, key, name) VALUES (1, 1, 'press', 'Press'), (1, 1, 'saw', 'Saw');
INSERT INTO sensor (plant_id, line_id, machine_id, key, name, quantity, unit, kind) VALUES
  (1, 1, 1, 'power', 'Power of the press', 'power', 'kW', 'gauge'),
  (1, 1, 2, 'saw-power', 'Power of the saw', 'power', 'kW', 'gauge'),
  (1, NULL, NULL, 'main', 'Main meter', 'energy', 'kWh', 'counter');
INSERT INTO reference (plant_id, key, name) VALUES (1, 'A', 'Red'), (1, 'B', 'Blue');
INSERT INTO lot (plant_id, key, reference_id) VALUES (1, 'LA', 1), (1, 'LB', 2);
INSERT INTO run (plant_id, key, line_id, machine_id, lot_id, started_at, ended_at)
SELECT 1, m || '-' || n, 1, m, 1 + n % 2,
       '2026-03-01T00:30:00Z'::timestamptz + n * interval '270 min',
       '2026-03-01T04:30:00Z'::timestamptz + n * interval '270 min'
FROM generate_series(0, 71) n, generate_series(1, 2) m;
INSERT INTO state (plant_id, line_id, machine_id, state, started_at, ended_at)
SELECT 1, 1, m, s.state, t + s.a, t + s.b
FROM (SELECT '2026-03-01T00:00:00Z'::timestamptz + n * interval '270 min' AS t FROM generate_series(0, 71) n) x,
  generate_series(1, 2) m,
  (VALUES ('idle', interval '0', interval '30 min'), ('running', '30 min', '270 min')) s(state, a, b);
INSERT INTO tariff (plant_id, key, name, valid_from, periods, calendar) VALUES (1, 'T', 'Tariff', '2026-01-01',
  '[{\"period\": \"P1\", \"price_per_kwh\": 0.20}, {\"period\": \"P2\", \"price_per_kwh\": 0.10}]',
  '[{\"to\": \"14:00\", \"period\": \"P1\"}, {\"period\": \"P2\"}]');
SELECT ensure_partitions('2026-02-20', '2026-03-20');
INSERT INTO reading
SELECT t, CASE WHEN m % 270 < 30 THEN 10 WHEN m / 270 % 2 = 0 THEN 100 ELSE 140 END
          * (1 + 0.01 * (m % 3 - 1))
          * CASE WHEN t >= '2026-03-13T12:00:00Z' AND t < '2026-03-13T13:30:00Z' THEN 1.15 ELSE 1 END,
       1, s
FROM (SELECT m, '2026-03-01T00:00:00Z'::timestamptz + m * interval '1 min' AS t
      FROM generate_series(0, 14 * 1440 - 1) m) x, generate_series(1, 2) s
WHERE s = 1 OR t >= '2026-03-13T00:00:00Z';
";

async fn plugin(server: Server) -> (TestDb, Plugin) {
    let db = TestDb::migrated(server).await;
    let pool = db.pool().await;
    sqlx::raw_sql(FACTORY).execute(&pool).await.expect("seed the factory");
    pool.close().await;
    let plugin = Plugin::start(&db).await;
    (db, plugin)
}

fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn asked(ref_id: &str, (from, to): (&str, &str), model: Value) -> pb::DataQuery {
    let range = pb::TimeRange {
        from_epoch_ms: time(from).timestamp_millis(),
        to_epoch_ms: time(to).timestamp_millis(),
    };
    pb::DataQuery { time_range: Some(range), ..query(ref_id, model) }
}

fn instants(frame: &Decoded, field: &str) -> Vec<DateTime<Utc>> {
    frame.times(field).iter().map(|t| DateTime::from_timestamp_nanos(t.unwrap())).collect()
}

const DAY: (&str, &str) = ("2026-03-13T00:00:00Z", "2026-03-14T00:00:00Z");

async fn both(test: impl AsyncFn(Server)) {
    test(Server::Timescale).await;
    test(Server::Plain).await;
}

#[tokio::test]
async fn an_event_has_its_energy_cost_and_reason_in_every_shape() {
    both(async |server| {
        let (_db, plugin) = plugin(server).await;
        let model = |format: &str| json!({"type": "anomalies", "format": format, "learningDays": 12});
        let spanish = |format: &str| {
            json!({"type": "anomalies", "format": format, "learningDays": 12, "language": "es"})
        };
        let mut answers = plugin
            .ask(vec![
                asked("T", DAY, model("table")),
                asked("N", DAY, model("annotations")),
                asked("S", DAY, model("score")),
                asked("Tes", DAY, spanish("table")),
                asked("Nes", DAY, spanish("annotations")),
                asked("other", DAY, json!({"type": "anomalies", "learningDays": 12, "context": {"references": ["B"]}})),
            ])
            .await;
        let mut frames = |id: &str| decode(&answers.remove(id).unwrap());

        let table = frames("T").remove(0);
        assert_eq!(table.rows, 1, "{table:?}");
        assert_eq!(table.texts("machine"), ["press"]);
        assert_eq!(table.texts("sensor"), ["power"]);
        assert_eq!((table.texts("reference"), table.texts("lot")), (vec!["A"], vec!["LA"]));
        assert_eq!(table.texts("kind"), ["level_shift"]);
        let (start, end) = (instants(&table, "start")[0], instants(&table, "end")[0]);
        let minutes = |a: DateTime<Utc>, b: &str| (a - time(b)).num_minutes();
        assert!((0..=10).contains(&minutes(start, "2026-03-13T12:00:00Z")), "{start}");
        assert!((-5..=15).contains(&minutes(end, "2026-03-13T13:30:00Z")), "{end}");
        // 15 kW from the event's start to the end of the fault; up to 13:00 UTC a kWh costs double.
        let hours = |a: DateTime<Utc>, b: DateTime<Utc>| (b - a).num_seconds() as f64 / 3600.0;
        let fault_ends = end.min(time("2026-03-13T13:30:00Z"));
        let kwh = 15.0 * hours(start, fault_ends);
        let dear = 15.0 * hours(start, time("2026-03-13T13:00:00Z"));
        let eur = 0.20 * dear + 0.10 * (kwh - dear);
        let near = |got: Option<f64>, want: f64| {
            let got = got.unwrap();
            assert!((got - want).abs() < 0.02 * want, "got {got}, want {want}");
        };
        near(table.numbers("energy")[0], kwh);
        near(table.numbers("cost")[0], eur);
        assert_eq!(table.column("cost").config["unit"], "currencyEUR");
        assert!(table.numbers("severity")[0].unwrap() > 5.0);
        let minute = (start - time("2026-03-13T09:30:00Z")).num_minutes();
        let lasted = (end - start).num_minutes();
        let reason = format!(
            "power 15 % above the usual for reference A in minutes {minute}-{}, {:.0} kWh, {:.2} EUR",
            minute + lasted,
            table.numbers("energy")[0].unwrap(),
            table.numbers("cost")[0].unwrap(),
        );
        assert_eq!(table.texts("reason"), [reason.as_str()]);
        let notices = table.meta["notices"].to_string();
        assert!(notices.contains("saw (1.0 days") && notices.contains("10 days"), "{notices}");
        assert!(notices.contains("Sensors of a plant (main)"), "{notices}");

        let notes = frames("N").remove(0);
        assert_eq!(instants(&notes, "time"), [start]);
        assert_eq!(instants(&notes, "timeEnd"), [end]);
        assert_eq!(notes.texts("text"), [reason.as_str()]);
        assert_eq!(notes.texts("tags"), ["L1,press,level_shift,A"]);

        // The same event in Spanish; what dashboards and rules go by stays.
        let tabla = frames("Tes").remove(0);
        let motivo = reason
            .replace("above the usual for reference A in minutes", "por encima de lo habitual para la referencia A en los minutos")
            .replace('.', ",");
        assert_eq!(tabla.texts("reason"), [motivo.as_str()]);
        assert_eq!(tabla.texts("kind"), ["level_shift"]);
        let notas = frames("Nes").remove(0);
        assert_eq!(notas.texts("text"), [motivo.as_str()]);
        assert_eq!(notas.texts("tags"), notes.texts("tags"));
        assert_eq!((notes.texts("title"), notas.texts("title")), (vec!["press · level shift"], vec!["press · salto de nivel"]));

        let scores = frames("S");
        let press = scores.iter().find(|f| f.name == "press").unwrap();
        assert_eq!(press.meta["type"], "timeseries-multi");
        assert_eq!(press.column("score").labels["machine"], "press");
        let abnormal: Vec<i64> = press
            .times("time")
            .iter()
            .zip(press.numbers("score"))
            .filter(|(_, score)| score.is_some_and(|score| score > 1.0))
            .map(|(t, _)| t.unwrap() / 60_000_000_000 - start.timestamp() / 60)
            .collect();
        assert!(abnormal.len() > 30 && abnormal.iter().all(|m| (-3..=lasted).contains(m)), "{abnormal:?}");
        let saw = scores.iter().find(|f| f.name == "saw").unwrap();
        assert!(saw.numbers("score").iter().all(Option::is_none), "not known is not zero");

        assert_eq!(frames("other")[0].rows, 0, "nothing happened to B");
    })
    .await;
}

#[tokio::test]
async fn alert_rules_get_one_number_a_machine_that_reduces_and_compares() {
    both(async |server| {
        let (_db, plugin) = plugin(server).await;
        let ask = async |from: &str, to: &str| {
            let model = json!({"type": "anomalies", "learningDays": 12});
            plugin.alert(asked("A", (from, to), model)).await
        };
        let during = ask("2026-03-13T12:00:00Z", "2026-03-13T13:00:00Z").await;
        assert_eq!(during.rule_column(), "open");
        assert_eq!(during.texts("plant"), ["madrid", "madrid"]);
        assert_eq!(during.texts("machine"), ["press", "saw"]);
        assert_eq!(during.numbers("open"), [Some(1.0), None]);
        let after = ask("2026-03-13T15:00:00Z", "2026-03-13T16:00:00Z").await;
        assert_eq!(after.numbers("open"), [Some(0.0), None]);
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_answered_says_what_to_change() {
    let (_db, plugin) = plugin(Server::Plain).await;
    let fails = async |range, model| plugin.failure(asked("A", range, model)).await.error;
    let long = ("1990-01-01T00:00:00Z", "2026-03-14T00:00:00Z");
    let error = fails(long, json!({"type": "anomalies"})).await;
    assert!(error.contains("choose fewer machines or sensors, a shorter time range"), "{error}");
    let error = fails(DAY, json!({"type": "anomalies", "learningDays": 3})).await;
    assert!(error.contains("3 days to learn from") && error.contains("10 to 90"), "{error}");
    let error = fails(DAY, json!({"type": "anomalies", "format": "silent"})).await;
    assert!(error.contains("anomalies queries have no format silent"), "{error}");
    let main = json!({"type": "anomalies", "place": {"sensors": ["main"]}});
    let nothing = decode(&plugin.ask(vec![asked("A", DAY, main)]).await["A"]).remove(0);
    let notice = nothing.meta["notices"][0]["text"].as_str().unwrap_or_default();
    assert!(notice.contains("No sensor at a line or machine here"), "{notice}");
    let error = fails(DAY, json!({"type": "anomalies", "language": "fr"})).await;
    assert!(error.contains("expected `en` or `es`"), "{error}");
    let model =
        json!({"type": "anomalies", "context": {"references": ["none"]}, "learningDays": 12});
    let error = fails(DAY, model).await;
    assert!(error.contains("unknown reference \"none\""), "{error}");
}
