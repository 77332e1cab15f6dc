//! The query type `golden`, through the protocol: envelopes, deviations and scores computed by hand.

use chrono::{DateTime, Utc};
use grafana_plugin_sdk::pluginv2 as pb;
use serde_json::{Value, json};

use crate::support::db::{Server, TestDb};
use crate::support::frame::{Decoded, Values};
use crate::support::panel::{Plugin, decode, query};

/// Plant `madrid`, line L1, machine `press`, power every minute. On each of the days 1 to 7 of March a
/// lot of A from 06:00 to 07:00 with 100 kW and 0, 1, -1, 2, -2, 3 and -3 kW more; 50 good units each.
/// On day 8 a lot of A that was broken off after ten minutes, at 300 kW. Of B there are three lots, at
/// 12:00 of days 1 to 3.
///
/// Day 11: lot A11 takes 100 kW, but 115 kW from minute 20 to 39, and stops at minute 50 (0 kW from
/// the next one on); lot B11 follows at 12:00. Day 12: A12
/// began at 06:00, lasts still, and has sent 140 kW for 30 minutes. A kWh costs 0.20 EUR.
const FACTORY: &str = "
SET search_path = lotwise;
INSERT INTO plant (key, name, time_zone) VALUES ('madrid', 'Madrid', 'Europe/Madrid');
INSERT INTO line (plant_id, key, name) VALUES (1, 'L1', 'Line 1');
INSERT INTO machine (plant_id, line_id, key, name) VALUES (1, 1, 'press', 'Press');
INSERT INTO sensor (plant_id, line_id, machine_id, key, name, quantity, unit, kind) VALUES
  (1, 1, 1, 'power', 'Power', 'power', 'kW', 'gauge'),
  (1, 1, 1, 'heat', 'Heat', 'temperature', '°C', 'gauge');
INSERT INTO reference (plant_id, key, name) VALUES (1, 'A', 'Red'), (1, 'B', 'Blue');
INSERT INTO tariff (plant_id, key, name, valid_from, periods, calendar) VALUES (1, 'T', 'Tariff', '2026-01-01',
  '[{\"period\": \"P1\", \"price_per_kwh\": 0.20}]', '[{\"period\": \"P1\"}]');
CREATE TEMP TABLE made (lot text, reference int, started timestamptz, minutes int, level float8);
INSERT INTO made
SELECT 'A' || d, 1, '2026-03-01T06:00:00Z'::timestamptz + (d - 1) * interval '1 day', 60,
       100 + (ARRAY[0, 1, -1, 2, -2, 3, -3])[d] FROM generate_series(1, 7) d
UNION ALL SELECT 'A8', 1, '2026-03-08T06:00:00Z', 10, 300
UNION ALL SELECT 'A11', 1, '2026-03-11T06:00:00Z', 60, 100
UNION ALL SELECT 'A12', 1, '2026-03-12T06:00:00Z', NULL, 140
UNION ALL SELECT 'B' || d, 2, '2026-03-01T12:00:00Z'::timestamptz + (d - 1) * interval '1 day', 60, 50
  FROM unnest(ARRAY[1, 2, 3, 11]) d;
INSERT INTO lot (plant_id, key, reference_id) SELECT 1, lot, reference FROM made;
INSERT INTO run (plant_id, key, line_id, machine_id, lot_id, started_at, ended_at, good_units, scrap_units)
SELECT 1, 'run-' || m.lot, 1, 1, l.id, started, started + minutes * interval '1 min', 50, 0
FROM made m JOIN lot l ON l.key = m.lot;
INSERT INTO state (plant_id, line_id, machine_id, state, started_at, ended_at) VALUES
  (1, 1, 1, 'running', '2026-03-11T06:00:00Z', '2026-03-11T06:50:00Z'),
  (1, 1, 1, 'stopped', '2026-03-11T06:50:00Z', '2026-03-11T07:00:00Z');
SELECT ensure_partitions('2026-02-20', '2026-03-20');
INSERT INTO reading
SELECT started + m * interval '1 min',
       CASE WHEN lot = 'A11' AND m > 50 THEN 0 WHEN lot = 'A11' AND m BETWEEN 20 AND 39 THEN 115 ELSE level END, 1, 1
FROM made, generate_series(0, coalesce(minutes, 30)) m;
";

async fn plugin(server: Server) -> (TestDb, Plugin) {
    let db = TestDb::migrated(server).await;
    let pool = db.pool().await;
    sqlx::raw_sql(FACTORY).execute(&pool).await.expect("seed the factory");
    pool.close().await;
    let plugin = Plugin::start(&db).await;
    (db, plugin)
}

fn asked(ref_id: &str, (from, to): (&str, &str), more: Value) -> pb::DataQuery {
    let time = |text: &str| text.parse::<DateTime<Utc>>().unwrap().timestamp_millis();
    let range = pb::TimeRange { from_epoch_ms: time(from), to_epoch_ms: time(to) };
    let mut model = json!({"type": "golden", "bucket": "5m", "place": {"quantity": "power"}});
    model.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    pb::DataQuery { time_range: Some(range), ..query(ref_id, model) }
}

const DAY_11: (&str, &str) = ("2026-03-11T00:00:00Z", "2026-03-12T00:00:00Z");
const DAY_12: (&str, &str) = ("2026-03-12T00:00:00Z", "2026-03-12T06:30:00Z");

async fn both(test: impl AsyncFn(Server)) {
    test(Server::Timescale).await;
    test(Server::Plain).await;
}

#[track_caller]
fn near(got: Option<f64>, want: f64) {
    let got = got.expect("a number");
    assert!((got - want).abs() < 1e-6 * want.abs().max(1.0), "got {got}, want {want}");
}

/// Deviations from the median are 0, 1, 1, 2, 2, 3, 3 in every step: their median is 2. Times
/// √(7/6), because they are about their own median, and √(1 + 1.5/7) for the median's own error.
fn sigma() -> f64 {
    1.482_602_218_505_602 * 2.0 * (7.0_f64 / 6.0).sqrt() * (1.0 + 1.5 / 7.0_f64).sqrt()
}

/// What the steps of lot A11 lie above 100 kW, up to its stop: half a minute's ramp counts for the step
/// it lies in.
const OFF: [f64; 10] = [0.0, 0.0, 0.0, 1.5, 15.0, 15.0, 15.0, 13.5, 0.0, 0.0];

fn column<'a>(frame: &'a Decoded, curve: &str, lot: Option<&str>) -> &'a [Option<f64>] {
    let is_it = |c: &&crate::support::frame::Column| {
        c.labels.get("curve").is_some_and(|l| l == curve)
            && lot.is_none_or(|lot| c.labels.get("lot").is_some_and(|l| l == lot))
    };
    match &frame.columns.iter().find(is_it).expect("a column").values {
        Values::Number(values) => values,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_lot_is_compared_with_the_golden_one_of_its_reference() {
    both(async |server| {
        let (_db, plugin) = plugin(server).await;
        let mut answers = plugin
            .ask(vec![
                asked("T", DAY_11, json!({})),
                asked("C", DAY_11, json!({"format": "curves", "context": {"references": ["A"]}})),
                asked("D", DAY_11, json!({"format": "deviation", "context": {"lots": ["A11"]}})),
                asked("N", DAY_11, json!({"format": "annotations"})),
                asked("es", DAY_11, json!({"language": "es"})),
                asked("best", DAY_11, json!({"format": "curves", "learnFrom": "best", "bestLots": 5,
                    "context": {"references": ["A"]}})),
                asked("time", DAY_11, json!({"format": "curves", "align": "time",
                    "context": {"references": ["A"]}})),
            ])
            .await;
        let mut frames = |id: &str| decode(&answers.remove(id).unwrap());
        let sigma = sigma();

        let table = frames("T").remove(0);
        assert_eq!(table.texts("lot"), ["B11", "A11"]);
        let score = (OFF.iter().map(|off| off * off).sum::<f64>() / 10.0).sqrt() / sigma;
        assert_eq!(table.numbers("score")[0], None, "three lots of B are too few");
        near(table.numbers("score")[1], score);
        near(table.numbers("outside")[1], 4.0 / 10.0);
        near(table.numbers("mean_difference")[1], 60.0 / 10.0);
        near(table.numbers("usual")[1], 100.0);
        near(table.numbers("compared")[1], 1.0);
        assert_eq!(table.numbers("learned_from"), [Some(3.0), Some(7.0)]);
        // 15 kW for 20 minutes.
        near(table.numbers("energy")[1], 5.0);
        near(table.numbers("cost")[1], 1.0);
        assert_eq!(table.column("cost").config["unit"], "currencyEUR");
        assert_eq!(table.column("mean_difference").config["unit"], "kwatt");
        let reasons = table.texts("reason");
        assert_eq!(
            reasons[0],
            "no golden lot: 3 lots of B ended here in the days to learn from, 5 with measurements are needed"
        );
        assert_eq!(
            reasons[1],
            "power 15 % above the golden curve of A in minutes 20-40, 5 kWh and 1.00 EUR more than the golden lot"
        );
        assert_eq!(
            frames("es")[0].texts("reason"),
            [
                "sin lote patrón: lotes de B que acabaron aquí en los días de aprendizaje: 3; hacen falta 5 con mediciones",
                "potencia 15 % por encima de la curva patrón de A en los minutos 20-40, 5 kWh y 1,00 EUR más que el lote patrón"
            ]
        );
        assert_eq!(table.texts("start_ms")[1], "1773208800000");
        assert_eq!(table.texts("end_ms")[1], "1773212400000");
        let notices = table.meta["notices"].to_string();
        assert!(notices.contains("No golden lot of B (3 ended): 5 lots"), "{notices}");

        let curves = frames("C").remove(0);
        assert_eq!(curves.rows, 12);
        near(curves.numbers("elapsed")[4], 1200.0);
        for (step, off) in OFF.iter().enumerate() {
            near(column(&curves, "median", None)[step], 100.0);
            near(column(&curves, "lower", None)[step], 100.0 - 3.0 * sigma);
            near(column(&curves, "upper", None)[step], 100.0 + 3.0 * sigma);
            near(column(&curves, "actual", Some("A11"))[step], 100.0 + off);
        }
        assert_eq!(column(&curves, "actual", Some("A11"))[10], None, "a stop is no level");
        let deviation = frames("D").remove(0);
        for (step, off) in OFF.iter().enumerate() {
            near(column(&deviation, "sigmas", Some("A11"))[step], off / sigma);
            near(column(&deviation, "difference", Some("A11"))[step], *off);
        }
        let notes = frames("N").remove(0);
        let minute = |t: Option<i64>| (t.unwrap() / 60_000_000_000) - 1_773_208_800 / 60;
        assert_eq!(notes.times("time").iter().map(|t| minute(*t)).collect::<Vec<_>>(), [20]);
        assert_eq!(notes.times("timeEnd").iter().map(|t| minute(*t)).collect::<Vec<_>>(), [40]);
        let text = format!(
            "power 15 % above the golden curve of A in minutes 20-40, up to {:.1} robust sigmas",
            15.0 / sigma
        );
        assert_eq!(notes.texts("text"), [text.as_str()]);

        // The five with least energy a unit are those of -3, -2, -1, 0 and 1 kW.
        near(column(&frames("best")[0], "median", None)[0], 99.0);

        let series = frames("time");
        let names: Vec<&str> = series.iter().map(|f| f.name.as_str()).collect();
        assert_eq!(names, ["lower", "median", "upper", "actual"]);
        let actual = &series[3];
        assert_eq!(actual.meta["type"], "timeseries-multi");
        assert_eq!(actual.times("time").iter().map(|t| minute(*t)).nth(4), Some(20));
        near(actual.numbers("value")[4], 115.0);
        assert_eq!(actual.numbers("value").last(), Some(&None), "a gap ends the lot");
    })
    .await;
}

#[tokio::test]
async fn alert_rules_get_the_score_of_the_newest_lot_while_it_is_made() {
    both(async |server| {
        let (_db, plugin) = plugin(server).await;
        let frame = plugin.alert(asked("A", DAY_12, json!({}))).await;
        assert_eq!(frame.rule_column(), "score");
        assert_eq!((frame.texts("machine"), frame.texts("lot")), (vec!["press"], vec!["A12"]));
        // 40 kW in each of its six steps so far. A11 ended before the range too and lies in between:
        // eight lots, in most steps 0, 0, 1, 1, 2, 2, 3, 3 off, whose middle is 1.5.
        let score = frame.numbers("score")[0].expect("a score");
        assert!((8.0..20.0).contains(&score), "{score}");
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_compared_says_what_to_change() {
    let (_db, plugin) = plugin(Server::Plain).await;
    let fails = async |more: Value| plugin.failure(asked("A", DAY_11, more)).await.error;
    let error = fails(json!({"place": {}})).await;
    assert!(error.contains("several quantities (power, temperature): choose one"), "{error}");
    let pressure = json!({"place": {"quantity": "pressure"}});
    let nothing = decode(&plugin.ask(vec![asked("A", DAY_11, pressure)]).await["A"]).remove(0);
    let notice = nothing.meta["notices"][0]["text"].as_str().unwrap_or_default();
    assert!(notice.contains("No sensor of quantity pressure"), "{notice}");
    let error = fails(json!({"bucket": "1s"})).await;
    assert!(error.contains("would have 3600 steps, more than 2000"), "{error}");
    let error = fails(json!({"context": {"references": ["nope"]}})).await;
    assert!(error.contains("unknown reference \"nope\""), "{error}");
    let error = fails(json!({"format": "score"})).await;
    assert!(error.contains("golden queries have no format score"), "{error}");
}
