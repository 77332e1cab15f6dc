//! The query type `baseline`, through the protocol: every figure computed by hand.

use grafana_plugin_sdk::pluginv2 as pb;
use serde_json::{Value, json};

use crate::support::db::{Server, TestDb};
use crate::support::frame::Decoded;
use crate::support::panel::{Plugin, decode, query};

/// Plant `madrid`, line L1, from the start of March 2026 to the 24th. The press takes 4 kW always. From
/// 06:00 to 14:00 UTC it makes A, 80 units an hour of 0.5 kWh (40 kW more), two of them scrap; from
/// 14:00 to 22:00 B, 40 an hour of 1.5 kWh (60 kW more). From the 22nd on, production takes 10 % more.
/// The saw has a meter, and no runs.
///
/// A kWh costs 0.20 EUR before 14:00 of Madrid (13:00 UTC), then 0.10 EUR, and is 0.25 kg of CO2.
const FACTORY: &str = "
SET search_path = lotwise;
INSERT INTO plant (key, name, time_zone) VALUES ('madrid', 'Madrid', 'Europe/Madrid');
INSERT INTO line (plant_id, key, name) VALUES (1, 'L1', 'Line 1');
INSERT INTO machine (plant_id, line_id, key, name) VALUES (1, 1, 'press', 'Press'), (1, 1, 'saw', 'Saw');
INSERT INTO sensor (plant_id, line_id, machine_id, key, name, quantity, unit, kind, interval_s, max_gap_s) VALUES
  (1, 1, 1, 'press-kwh', 'Meter of the press', 'energy', 'kWh', 'counter', 900, 1800),
  (1, 1, 2, 'saw-kwh', 'Meter of the saw', 'energy', 'kWh', 'counter', 900, 1800);
INSERT INTO reference (plant_id, key, name) VALUES (1, 'A', 'Red'), (1, 'B', 'Blue');
INSERT INTO lot (plant_id, key, reference_id) VALUES (1, 'LA', 1), (1, 'LB', 2);
INSERT INTO run (plant_id, key, line_id, machine_id, lot_id, started_at, ended_at, good_units, scrap_units)
SELECT 1, 'A' || n, 1, 1, 1, d + interval '6 h', d + interval '14 h', 638, 2
FROM (SELECT n, '2026-03-01T00:00:00Z'::timestamptz + n * interval '24 h' AS d FROM generate_series(0, 23) n) x
UNION ALL
SELECT 1, 'B' || n, 1, 1, 2, d + interval '14 h', d + interval '22 h', 320, 0
FROM (SELECT n, '2026-03-01T00:00:00Z'::timestamptz + n * interval '24 h' AS d FROM generate_series(0, 23) n) x;
INSERT INTO tariff (plant_id, key, name, valid_from, periods, calendar) VALUES (1, 'T', 'Tariff', '2026-01-01',
  '[{\"period\": \"P1\", \"price_per_kwh\": 0.20}, {\"period\": \"P2\", \"price_per_kwh\": 0.10}]',
  '[{\"to\": \"14:00\", \"period\": \"P1\"}, {\"period\": \"P2\"}]');
INSERT INTO factor (plant_id, kind, valid_from, kg_co2_per_kwh) VALUES (1, 'location_based', '2026-01-01', 0.25);
SELECT ensure_partitions('2026-02-20', '2026-03-30');
INSERT INTO reading
SELECT t + interval '15 min',
       sum(kw / 4) OVER (PARTITION BY s ORDER BY t), 1, s
FROM (
  SELECT t, s, 4 + CASE
    WHEN s = 2 THEN 0
    WHEN extract(hour FROM t AT TIME ZONE 'UTC') < 6 OR extract(hour FROM t AT TIME ZONE 'UTC') >= 22 THEN 0
    WHEN extract(hour FROM t AT TIME ZONE 'UTC') < 14 THEN 40 ELSE 60 END
    * CASE WHEN t >= '2026-03-22T00:00:00Z' THEN 1.1 ELSE 1 END AS kw
  FROM (SELECT '2026-02-28T23:00:00Z'::timestamptz + m * interval '15 min' AS t FROM generate_series(0, 2403) m) x,
    generate_series(1, 2) s
) y;
";

async fn plugin(server: Server) -> (TestDb, Plugin) {
    let db = TestDb::migrated(server).await;
    let pool = db.pool().await;
    sqlx::raw_sql(FACTORY).execute(&pool).await.expect("seed the factory");
    pool.close().await;
    let plugin = Plugin::start(&db).await;
    (db, plugin)
}

fn asked(ref_id: &str, (from, to): (&str, &str), model: Value) -> pb::DataQuery {
    let ms = |text: &str| text.parse::<chrono::DateTime<chrono::Utc>>().unwrap().timestamp_millis();
    let range = pb::TimeRange { from_epoch_ms: ms(from), to_epoch_ms: ms(to) };
    pb::DataQuery { time_range: Some(range), ..query(ref_id, model) }
}

/// The 21st and 22nd of March in Madrid.
const DAYS: (&str, &str) = ("2026-03-20T23:00:00Z", "2026-03-22T23:00:00Z");

/// And the 23rd.
const THREE_DAYS: (&str, &str) = ("2026-03-20T23:00:00Z", "2026-03-23T23:00:00Z");

fn model(format: &str, more: Value) -> Value {
    let mut model = json!({
        "type": "baseline", "format": format, "bucket": "day", "groupBy": "machine",
        "baseline": {"from": "2026-03-01", "to": "2026-03-20"},
    });
    for (key, value) in more.as_object().unwrap() {
        model[key] = value.clone();
    }
    model
}

fn near(got: Option<f64>, want: f64) {
    let got = got.unwrap_or_else(|| panic!("nothing, not {want}"));
    assert!((got - want).abs() < 1e-3 * want.abs().max(1.0), "got {got}, want {want}");
}

fn of(frame: &Decoded, machine: &str) -> Vec<usize> {
    let texts = frame.texts("machine");
    (0..frame.rows).filter(|row| texts[*row] == machine).collect()
}

async fn both(test: impl AsyncFn(Server)) {
    test(Server::Timescale).await;
    test(Server::Plain).await;
}

#[tokio::test]
async fn a_figure_that_no_place_has_is_left_out() {
    let (_db, plugin) = plugin(Server::Plain).await;
    let saw = model("table", json!({"place": {"machines": ["saw"]}}));
    let answers = plugin.ask(vec![asked("T", DAYS, saw)]).await;
    let table = decode(&answers["T"]).remove(0);
    let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
    for name in ["actual", "coverage", "machine"] {
        assert!(names.contains(&name), "{names:?}");
    }
    for name in ["expected", "deviation", "cost", "co2", "cusum", "drift"] {
        assert!(!names.contains(&name), "{name} of a place without a model: {names:?}");
    }
    near(table.numbers("actual")[0], 96.0);
}

#[tokio::test]
async fn a_day_that_takes_a_tenth_more_has_its_kwh_cost_and_co2() {
    both(async |server| {
        let (_db, plugin) = plugin(server).await;
        let mut answers = plugin
            .ask(vec![
                asked("T", DAYS, model("table", json!({}))),
                asked("M", DAYS, model("model", json!({}))),
                asked("S", DAYS, model("series", json!({"place": {"machines": ["press"]}}))),
            ])
            .await;
        let mut frames = |id: &str| decode(&answers.remove(id).unwrap());

        let table = frames("T").remove(0);
        let rows = of(&table, "press");
        assert_eq!(rows.len(), 2);
        let number = |name: &str, row: usize| table.numbers(name)[rows[row]];
        // 24 h of 4 kW, 640 units of 0.5 kWh, 320 of 1.5 kWh.
        for day in 0..2 {
            near(number("expected", day), 896.0);
            near(number("base", day), 96.0);
            near(number("production", day), 800.0);
            near(number("standby", day), 0.0);
            near(number("coverage", day), 1.0);
        }
        near(number("actual", 0), 896.0);
        near(number("deviation", 0), 0.0);
        near(number("actual", 1), 976.0);
        near(number("deviation", 1), 80.0);
        near(number("deviation_percent", 1), 100.0 * 80.0 / 896.0);
        near(number("cusum", 1), 80.0);
        // Of A 4 kW more for 7 h at 0.20 and 1 h at 0.10; of B 6 kW more for 8 h at 0.10.
        near(number("cost", 1), 28.0 * 0.20 + 4.0 * 0.10 + 48.0 * 0.10);
        near(number("co2", 1), 80.0 * 0.25);
        assert_eq!(table.column("cost").config["unit"], "currencyEUR");
        // There are no shifts: a step is a day, and one alone is no change for good.
        assert!(number("drift", 0).unwrap().abs() < 0.01);
        near(number("drift", 1), 0.7);
        let saw = of(&table, "saw");
        near(table.numbers("actual")[saw[0]], 96.0);
        assert_eq!(table.numbers("expected")[saw[0]], None, "not known is not zero");
        let notices = table.meta["notices"].to_string();
        assert!(notices.contains("No baseline for saw: only 0 intervals"), "{notices}");

        let terms = frames("M").remove(0);
        let row = |term: &str, key: &str| {
            let (terms_, keys) = (terms.texts("term"), terms.texts("key"));
            (0..terms.rows).find(|r| terms_[*r] == term && keys[*r] == key).unwrap()
        };
        for (term, key, value, unit) in [
            ("base", "", 4.0, "kW"),
            ("reference", "A", 0.5, "kWh/unit"),
            ("reference", "B", 1.5, "kWh/unit"),
        ] {
            near(terms.numbers("value")[row(term, key)], value);
            assert_eq!(terms.texts("unit")[row(term, key)], unit);
        }
        near(terms.numbers("units")[row("reference", "A")], 20.0 * 640.0);
        near(terms.numbers("hours")[row("reference", "A")], 20.0 * 8.0);
        assert!(terms.numbers("cv_rmse")[0].unwrap() < 0.1);
        near(terms.numbers("n")[0], 20.0);
        assert!(terms.texts("reason")[row("refused", "")].contains("have production"));

        let series = frames("S");
        let figure = |name: &str| {
            let of = |f: &&Decoded| f.column("value").labels["figure"] == name;
            series.iter().find(of).unwrap_or_else(|| panic!("no {name}"))
        };
        assert_eq!(figure("actual").meta["type"], "timeseries-multi");
        assert_eq!(figure("actual").column("value").labels["machine"], "press");
        near(figure("cusum").numbers("value")[1], 80.0);
        near(figure("expected").numbers("value")[1], 896.0);
    })
    .await;
}

#[tokio::test]
async fn buckets_of_hours_add_up_to_the_meter_and_to_the_day() {
    let (_db, plugin) = plugin(Server::Plain).await;
    let hours = model("table", json!({"bucket": "hour", "place": {"machines": ["press"]}}));
    let answer = plugin.ask(vec![asked("H", DAYS, hours)]).await.remove("H").unwrap();
    let table = decode(&answer).remove(0);
    assert_eq!(table.rows, 48);
    let sum = |name: &str| table.numbers(name).iter().flatten().sum::<f64>();
    assert!((sum("actual") - 1872.0).abs() < 1e-6, "{}", sum("actual"));
    assert!((sum("deviation") - (sum("actual") - sum("expected"))).abs() < 1e-6);
    let parts = sum("base") + sum("standby") + sum("production") + sum("drivers");
    assert!((parts - sum("expected")).abs() < 1e-6);
    near(Some(sum("deviation")), 80.0);
    near(Some(sum("cost")), 10.8);
}

#[tokio::test]
async fn alert_rules_get_one_number_a_place() {
    both(async |server| {
        let (_db, plugin) = plugin(server).await;
        let ask = async |range, on: &str| {
            let mut asked_model = model("table", json!({}));
            asked_model["baseline"]["alertOn"] = on.into();
            plugin.alert(asked("A", range, asked_model)).await
        };
        let drift = ask(THREE_DAYS, "drift").await;
        assert_eq!(drift.rule_column(), "drift");
        assert_eq!(drift.texts("machine"), ["press", "saw"]);
        assert!(drift.numbers("drift")[0].unwrap() > 1.0);
        assert_eq!(drift.numbers("drift")[1], None);
        let calm = ask(("2026-03-20T23:00:00Z", "2026-03-21T23:00:00Z"), "drift").await;
        assert!(calm.numbers("drift")[0].unwrap().abs() < 1.0);
        near(
            ask(DAYS, "deviation_percent").await.numbers("deviation_percent")[0],
            100.0 * 80.0 / 1792.0,
        );
        near(ask(DAYS, "deviation").await.numbers("deviation")[0], 80.0);
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_answered_says_what_to_change() {
    let (_db, plugin) = plugin(Server::Plain).await;
    let fails = async |model| plugin.failure(asked("A", DAYS, model)).await.error;
    let error = fails(model("table", json!({"bucket": "15m"}))).await;
    assert!(error.contains("15m buckets are shorter: choose hour"), "{error}");
    let error = fails(model("table", json!({"baseline": {"drivers": ["none"]}}))).await;
    assert!(error.contains("unknown driver \"none\""), "{error}");
    let error =
        fails(model("table", json!({"baseline": {"from": "2020-01-01", "to": "2026-01-01"}})))
            .await;
    assert!(error.contains("longer than 400 days"), "{error}");
    let error =
        fails(model("table", json!({"baseline": {"from": "2126-01-01", "to": "2126-01-09"}})))
            .await;
    assert!(error.contains("lies ahead"), "{error}");
}

/// Friday and Saturday in Madrid, without the days that take more.
const FRIDAY_AND_SATURDAY: (&str, &str) = ("2026-03-19T23:00:00Z", "2026-03-21T23:00:00Z");

#[tokio::test]
async fn uses_add_up_to_the_meter_and_have_their_cost() {
    both(async |server| {
        let (_db, plugin) = plugin(server).await;
        let press = json!({"place": {"machines": ["press"]}});
        let query = asked("U", FRIDAY_AND_SATURDAY, model("uses", press));
        let table = decode(&plugin.ask(vec![query]).await.remove("U").unwrap()).remove(0);
        assert_eq!(table.texts("use"), ["production", "base_load", "standby", "off", "weekend"]);
        assert_eq!(table.texts("machine")[0], "press");
        let all = |name: &str, want: [f64; 5]| {
            for (row, want) in want.into_iter().enumerate() {
                near(table.numbers(name)[row], want);
            }
        };
        // Two days of 640 units of 0.5 kWh and 320 of 1.5 kWh; 4 kW for 16 and for 8 hours.
        all("energy", [1600.0, 128.0, 0.0, 32.0, 32.0]);
        all("hours", [32.0, 32.0, 0.0, 8.0, 8.0]);
        all("co2", [400.0, 32.0, 0.0, 8.0, 8.0]);
        // A: 40 kW for 7 h at 0.20 and 1 h at 0.10, B: 480 kWh at 0.10. Off from 23:00 to 06:00 UTC and
        // from 22:00 on: 6 h at 0.20, and 2 h at 0.10 (22:00 to midnight of Madrid is 1 h, one of each day).
        let base = 2.0 * 4.0 * (7.0 * 0.20 + 9.0 * 0.10);
        let off = 4.0 * (7.0 * 0.20 + 1.0 * 0.10);
        all("cost", [2.0 * (56.0 + 4.0 + 48.0), base, 0.0, off, off]);
        let sum: f64 = table.numbers("energy").iter().flatten().sum();
        assert!((sum - 1792.0).abs() < 1e-6, "{sum}");
        near(table.numbers("share")[0], 1600.0 / 1792.0);
    })
    .await;
}

#[tokio::test]
async fn the_deviation_is_that_of_the_lots_and_references_that_were_made() {
    both(async |server| {
        let (_db, plugin) = plugin(server).await;
        let by = |group: &str| {
            let more = json!({"place": {"machines": ["press"]}, "groupBy": group});
            asked(group, DAYS, model("table", more))
        };
        let mut answers = plugin.ask(vec![by("lot"), by("reference")]).await;
        for (group, names) in
            [("lot", ["LA", "LB", "Unallocated"]), ("reference", ["A", "B", "Unallocated"])]
        {
            let table = decode(&answers.remove(group).unwrap()).remove(0);
            assert_eq!(table.texts("name"), names, "the dearest first");
            assert_eq!(table.texts("reference"), ["A", "B", ""]);
            let all = |name: &str, want: [f64; 3]| {
                for (row, want) in want.into_iter().enumerate() {
                    near(table.numbers(name)[row], want);
                }
            };
            // 8 h of 44 kW and of 48 kW; of 64 kW and of 70 kW; 16 h of 4 kW.
            all("actual", [736.0, 1072.0, 64.0]);
            all("expected", [704.0, 1024.0, 64.0]);
            all("deviation", [32.0, 48.0, 0.0]);
            all("cost", [28.0 * 0.20 + 4.0 * 0.10, 4.8, 0.0]);
            all("co2", [8.0, 12.0, 0.0]);
            all("runs", [2.0, 2.0, 0.0]);
            near(table.numbers("deviation_percent")[0], 100.0 * 32.0 / 704.0);
        }
        let limited = json!({"place": {"machines": ["press"]}, "groupBy": "lot", "limit": 1});
        let answer = plugin.ask(vec![asked("L", DAYS, model("table", limited))]).await;
        let table = decode(&answer["L"]).remove(0);
        assert_eq!(table.texts("lot"), ["LA"]);
        assert!(table.meta["notices"].to_string().contains("Only the 1 rows"), "{}", table.meta);
        let series = model("series", json!({"groupBy": "lot"}));
        let error = plugin.failure(asked("A", DAYS, series)).await.error;
        assert!(error.contains("lot"), "{error}");
    })
    .await;
}

/// The lots are made on the whole line, and every machine says what it does. The saw waits from 04:00
/// to 06:00 UTC and takes 10 kW more then.
const LINE: &str = "
SET search_path = lotwise;
UPDATE run SET machine_id = NULL;
INSERT INTO state (plant_id, line_id, machine_id, state, started_at, ended_at)
SELECT 1, 1, m, s, d + make_interval(hours => a), d + make_interval(hours => b)
FROM (SELECT '2026-02-28T00:00:00Z'::timestamptz + n * interval '24 h' AS d FROM generate_series(0, 24) n) x,
  (VALUES (1, 'off', 0, 6), (1, 'running', 6, 22), (1, 'off', 22, 24), (2, 'off', 0, 4), (2, 'idle', 4, 6),
    (2, 'running', 6, 22), (2, 'off', 22, 24)) y(m, s, a, b);
UPDATE reading SET value = value + 20 * extract(day FROM time AT TIME ZONE 'UTC' - interval '1 day')
  + 10 * greatest(0, least(2, extract(epoch FROM (time AT TIME ZONE 'UTC')::time) / 3600 - 4))
WHERE sensor_id = 2 AND time >= '2026-03-02T00:00:00Z';
";

#[tokio::test]
async fn a_line_rests_as_its_machines_do() {
    both(async |server| {
        let (db, plugin) = plugin(server).await;
        let pool = db.pool().await;
        sqlx::raw_sql(LINE).execute(&pool).await.expect("seed the states");
        pool.close().await;
        let by = |format, group: &str| {
            let period = json!({"from": "2026-03-03", "to": "2026-03-20"});
            asked(group, DAYS, model(format, json!({"groupBy": group, "baseline": period})))
        };
        let mut answers = plugin
            .ask(vec![by("table", "line"), by("table", "plant"), by("model", "machine")])
            .await;
        for group in ["line", "plant"] {
            let table = decode(&answers.remove(group).unwrap()).remove(0);
            let number = |name: &str, row: usize| table.numbers(name)[row];
            // Two machines of 4 kW, the lots, and 2 h in which one of two waits with 10 kW more.
            for day in 0..2 {
                near(number("base", day), 192.0);
                near(number("standby", day), 20.0);
                near(number("production", day), 800.0);
                near(number("expected", day), 1012.0);
            }
            near(number("deviation", 0), 0.0);
            near(number("deviation", 1), 80.0);
        }
        let uses =
            json!({"groupBy": "line", "baseline": {"from": "2026-03-03", "to": "2026-03-20"}});
        let uses = asked("U", FRIDAY_AND_SATURDAY, model("uses", uses));
        let uses = decode(&plugin.ask(vec![uses]).await.remove("U").unwrap()).remove(0);
        // One of two machines waits for two hours: an hour of the line, with its base of 8 kW.
        for (row, want) in [1600.0, 256.0, 2.0 * 28.0, 7.0 * 8.0, 7.0 * 8.0].into_iter().enumerate()
        {
            near(uses.numbers("energy")[row], want);
        }
        // Without a grouping all places are one.
        let together =
            json!({"groupBy": "none", "baseline": {"from": "2026-03-03", "to": "2026-03-20"}});
        let together = asked("T", FRIDAY_AND_SATURDAY, model("uses", together));
        let together = decode(&plugin.ask(vec![together]).await.remove("T").unwrap()).remove(0);
        assert_eq!(together.rows, 5);
        assert_eq!(together.texts("line"), [""; 5]);
        for name in ["energy", "cost", "co2", "share", "hours"] {
            assert_eq!(together.numbers(name), uses.numbers(name), "one line is all lines");
        }
        let terms = decode(&answers.remove("machine").unwrap()).remove(0);
        let row = (0..terms.rows).find(|r| terms.texts("key")[*r] == "idle").unwrap();
        assert_eq!(terms.texts("machine")[row], "saw");
        near(terms.numbers("value")[row], 10.0);
    })
    .await;
}
