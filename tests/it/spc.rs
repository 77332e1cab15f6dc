//! The query type `spc`, through the protocol: limits and violations computed by hand.

use grafana_plugin_sdk::pluginv2 as pb;
use serde_json::{Value, json};

use crate::support::db::{Server, TestDb};
use crate::support::frame::Decoded;
use crate::support::panel::{Plugin, decode, query};

/// Plant `madrid`, line L1: from the start of 1 March 2026 (UTC) a run an hour of 100 good units of A,
/// which take 49 and 51 kWh in turns; the run from 12:00 to 13:00 UTC of 3 March takes 60 kWh. One
/// run lasts.
const FACTORY: &str = "
SET search_path = lotwise;
INSERT INTO plant (key, name, time_zone) VALUES ('madrid', 'Madrid', 'Europe/Madrid');
INSERT INTO line (plant_id, key, name) VALUES (1, 'L1', 'Line 1');
INSERT INTO sensor (plant_id, line_id, key, name, quantity, unit, kind, interval_s, max_gap_s) VALUES
  (1, 1, 'kwh', 'Meter', 'energy', 'kWh', 'delta', 3600, 7200);
INSERT INTO reference (plant_id, key, name) VALUES (1, 'A', 'Red');
INSERT INTO lot (plant_id, key, reference_id) SELECT 1, 'L' || n, 1 FROM generate_series(0, 72) n;
INSERT INTO run (plant_id, key, line_id, lot_id, started_at, ended_at, good_units)
SELECT 1, 'R' || n, 1, n + 1, t + n * interval '1 h', CASE WHEN n < 72 THEN t + (n + 1) * interval '1 h' END, 100
FROM (SELECT n, '2026-03-01T00:00:00Z'::timestamptz AS t FROM generate_series(0, 72) n) x;
SELECT ensure_partitions('2026-02-20', '2026-03-30');
INSERT INTO reading
SELECT '2026-03-01T00:00:00Z'::timestamptz + (n + 1) * interval '1 h',
       CASE WHEN n = 60 THEN 60 WHEN n % 2 = 0 THEN 49 ELSE 51 END, 1, 1
FROM generate_series(0, 71) n;
";

async fn plugin(server: Server) -> (TestDb, Plugin) {
    let db = TestDb::migrated(server).await;
    let pool = db.pool().await;
    sqlx::raw_sql(FACTORY).execute(&pool).await.expect("seed the factory");
    pool.close().await;
    let plugin = Plugin::start(&db).await;
    (db, plugin)
}

/// 3 March of Madrid, up to the end of the last run that is over.
fn asked(ref_id: &str, format: &str, more: Value) -> pb::DataQuery {
    let mut model = json!({
        "type": "spc", "format": format, "spc": {"subject": "run", "rules": "limits"},
        "baseline": {"from": "2026-03-01", "to": "2026-03-02"},
    });
    for (key, value) in more.as_object().unwrap() {
        model[key] = value.clone();
    }
    let ms = |text: &str| text.parse::<chrono::DateTime<chrono::Utc>>().unwrap().timestamp_millis();
    let range = pb::TimeRange {
        from_epoch_ms: ms("2026-03-02T23:00:00Z"),
        to_epoch_ms: ms("2026-03-04T00:00:00Z"),
    };
    pb::DataQuery { time_range: Some(range), ..query(ref_id, model) }
}

fn near(got: Option<f64>, want: f64) {
    let got = got.unwrap_or_else(|| panic!("nothing, not {want}"));
    assert!((got - want).abs() < 1e-9, "got {got}, want {want}");
}

/// 47 runs end by midnight of Madrid: 24 of 49 kWh and 23 of 51; each differs by 2 from the next.
const CENTRE: f64 = (24.0 * 0.49 + 23.0 * 0.51) / 47.0;
const SIGMA: f64 = 0.02 / 1.128;

#[tokio::test]
async fn a_run_beyond_the_limits_is_a_violation_in_every_shape() {
    for server in [Server::Timescale, Server::Plain] {
        let (_db, plugin) = plugin(server).await;
        let mut answers = plugin
            .ask(vec![
                asked("T", "table", json!({})),
                asked("S", "series", json!({})),
                asked("N", "annotations", json!({})),
                asked("E", "table", json!({"spc": {"subject": "run", "chart": "ewma"}})),
                asked(
                    "L",
                    "alert",
                    json!({"spc": {"subject": "lot", "rules": "western_electric"}}),
                ),
                asked(
                    "V",
                    "table",
                    json!({"spc": {"subject": "sensor", "rules": "limits"},
                    "place": {"sensors": ["kwh"]}, "bucket": "hour"}),
                ),
            ])
            .await;
        let mut frames = |id: &str| -> Vec<Decoded> { decode(&answers.remove(id).unwrap()) };

        let table = frames("T").remove(0);
        assert_eq!(table.rows, 25, "runs 47 to 71; the open one is none");
        assert_eq!((table.texts("key")[0], table.texts("reference")[0]), ("R47", "A"));
        near(table.numbers("value")[0], 0.51);
        near(table.numbers("value")[13], 0.60);
        near(table.numbers("centre")[0], CENTRE);
        near(table.numbers("ucl")[0], CENTRE + 3.0 * SIGMA);
        near(table.numbers("lcl")[0], CENTRE - 3.0 * SIGMA);
        near(table.numbers("sigmas")[13], (0.60 - CENTRE) / SIGMA);
        assert_eq!(table.texts("rules")[13], "beyond 3 sigma");

        let series = frames("S").remove(0);
        let out = series.numbers("violation");
        assert_eq!(out.iter().filter(|v| v.is_some()).count(), 1);
        near(out[13], 0.60);
        near(series.numbers("upper_2_sigma")[0], CENTRE + 2.0 * SIGMA);
        assert_eq!(series.column("value").labels["reference"], "A");

        let notes = frames("N").remove(0);
        assert_eq!((notes.rows, notes.texts("text")[0]), (1, "beyond 3 sigma"));
        assert!(notes.texts("title")[0].ends_with("R60"), "{:?}", notes.texts("title"));

        let numbers = plugin.alert(asked("A", "table", json!({}))).await;
        assert_eq!(numbers.rule_column(), "violations");
        assert_eq!(numbers.numbers("violations"), [Some(1.0)]);
        assert_eq!(frames("L").remove(0).numbers("violations"), [Some(1.0)], "each lot is a run");

        let ewma = frames("E").remove(0);
        // z = 0.2 x + 0.8 centre; its limit 2.962 σ 0.2.
        near(ewma.numbers("ewma")[0], 0.2 * 0.51 + 0.8 * CENTRE);
        near(ewma.numbers("ucl")[0], CENTRE + 2.962 * SIGMA * 0.2);

        let sensor = frames("V").remove(0);
        assert_eq!(sensor.texts("sensor")[0], "kwh");
        near(sensor.numbers("value")[13], 60.0);
        near(sensor.numbers("centre")[0], 100.0 * CENTRE);
    }
}

#[tokio::test]
async fn too_few_values_have_no_limits_and_the_notice_says_so() {
    let (_db, plugin) = plugin(Server::Plain).await;
    let few = json!({"baseline": {"from": "2026-02-28", "to": "2026-02-28"}});
    let mut answers =
        plugin.ask(vec![asked("T", "table", few.clone()), asked("A", "alert", few)]).await;
    let table = decode(&answers.remove("T").unwrap()).remove(0);
    assert_eq!((table.rows, table.numbers("ucl")[0]), (25, None));
    let notices = table.meta["notices"].to_string();
    assert!(notices.contains("at least 8 values"), "{notices}");
    let numbers = decode(&answers.remove("A").unwrap()).remove(0);
    assert_eq!(numbers.numbers("violations"), [None], "not known is not zero");
}
