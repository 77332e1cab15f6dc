//! Whole answers, from saved query to frames, against figures computed by hand.

use chrono::{DateTime, Utc};
use lotwise::answer::{self, AnswerError, Source};
use lotwise::catalog;
use lotwise::db::Db;
use lotwise::domain::TimeRange;
use lotwise::frame::Frame;
use lotwise::plan::Ask;
use lotwise::rollup;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::db::{Server, TestDb};
use crate::support::source::plugin_db;

/// One plant in Madrid. Line M1: a line meter (counter, 2 kWh a minute) with machine A below it
/// (power, 30 kW steady = 0.5 kWh a minute) and a thermometer at A. Line M2: only a power meter,
/// 60 kW. The plant's main meter counts 4 kWh a minute, 1 more than its lines.
const PLACES: &str = "
SET search_path = lotwise;
INSERT INTO plant (key, name, time_zone) VALUES ('madrid', 'Madrid', 'Europe/Madrid');
INSERT INTO shift (plant_id, key, name, starts_at) VALUES
  (1, 'morning', 'Morning', '06:00'), (1, 'afternoon', 'Afternoon', '14:00'), (1, 'night', 'Night', '22:00');
INSERT INTO line (plant_id, key, name) VALUES (1, 'M1', 'Line 1'), (1, 'M2', 'Line 2');
INSERT INTO machine (plant_id, line_id, key, name) VALUES (1, 1, 'A', 'Machine A');
INSERT INTO sensor (plant_id, line_id, machine_id, key, name, quantity, unit, kind, parent_sensor_id) VALUES
  (1, NULL, NULL, 'main', 'Main meter', 'energy', 'kWh', 'counter', NULL),
  (1, 1, NULL, 'M1-energy', 'Line 1 meter', 'energy', 'kWh', 'counter', 1),
  (1, 2, NULL, 'M2-power', 'Line 2 power', 'power', 'kW', 'gauge', 1),
  (1, 1, 1, 'A-power', 'A power', 'power', 'kW', 'gauge', 2),
  (1, 1, 1, 'A-temp', 'A temperature', 'temperature', '°C', 'gauge', NULL);
INSERT INTO reference (plant_id, key, name) VALUES (1, 'R1', 'Red'), (1, 'R2', 'Blue');
INSERT INTO operator (plant_id, key, name) VALUES (1, 'ana', 'Ana');
INSERT INTO lot (plant_id, key, reference_id) VALUES (1, 'L1', 1), (1, 'L2', 2);
-- Between minutes, so that the edges must be interpolated.
INSERT INTO run (plant_id, key, line_id, lot_id, operator_id, started_at, ended_at, good_units, scrap_units) VALUES
  (1, 'r1', 1, 1, 1, '2026-03-02T08:00:30Z', '2026-03-02T09:00:30Z', 60, 3),
  (1, 'r2', 1, 2, NULL, '2026-03-02T10:00:15Z', '2026-03-02T10:30:00Z', 30, 0),
  (1, 'r3', 2, 1, 1, '2026-03-02T08:00:00Z', '2026-03-02T12:00:00Z', 100, 0);
SELECT ensure_partitions('2026-02-20', '2026-11-10');
";

/// Readings once a minute over `[$1, $2]`; the line's counter resets at 09:30 on 2 March.
const READINGS: &str = "
INSERT INTO lotwise.reading
SELECT t, v, 1, s FROM generate_series($1::timestamptz, $2::timestamptz, '1 min') t,
  LATERAL (SELECT date_part('epoch', t - $1) / 60 AS m) x,
  LATERAL (VALUES
    (1, 1000 + 4 * m),
    (2, CASE WHEN t >= '2026-03-02T09:30:00Z' AND $1 < '2026-03-02T09:30:00Z'
             THEN 2 * date_part('epoch', t - '2026-03-02T09:29:00Z') / 60 ELSE 50 + 2 * m END),
    (3, 60), (4, 30), (5, 100 + 10 * (date_part('minute', t)::int % 2))) y(s, v)
";

pub(crate) struct Factory {
    pub(crate) db: TestDb,
    pub(crate) plugin: Db,
    pub(crate) pool: PgPool,
}

impl Factory {
    pub(crate) async fn new(server: Server, from: &str, to: &str) -> Self {
        let db = TestDb::migrated(server).await;
        let pool = db.pool().await;
        sqlx::raw_sql(PLACES).execute(&pool).await.unwrap();
        let factory = Self { plugin: plugin_db(&db.url), pool, db };
        factory.read(from, to).await;
        factory
    }

    pub(crate) async fn read(&self, from: &str, to: &str) {
        let time = |t: &str| t.parse::<DateTime<Utc>>().unwrap();
        sqlx::query(READINGS).bind(time(from)).bind(time(to)).execute(&self.pool).await.unwrap();
    }

    /// Makes all rollups.
    pub(crate) async fn roll_up(&self) {
        let mut conn = rollup::connect(&self.db.url).await.unwrap();
        while !rollup::try_lock(&mut conn).await.unwrap() {
            tokio::task::yield_now().await; // the connection before this one still closes
        }
        let until = "2026-12-01T00:00:00Z".parse().unwrap();
        rollup::refresh(&mut conn, Some(until)).await.unwrap();
    }

    pub(crate) async fn try_ask(
        &self,
        from: &str,
        to: &str,
        query: Value,
    ) -> Result<Vec<Frame>, AnswerError> {
        let catalog = catalog::load(&self.plugin, &[], &[]).await.unwrap();
        let source = Source { db: &self.plugin, catalog: &catalog };
        let ask = Ask {
            range: TimeRange::new(from.parse().unwrap(), to.parse().unwrap()).unwrap(),
            interval_s: 1.0,
            max_data_points: 1000,
            max_points: 1_000_000,
            now: "2026-12-01T00:00:00Z".parse().unwrap(),
        };
        answer::answer(&source, query.to_string().as_bytes(), &ask).await
    }

    pub(crate) async fn ask(&self, from: &str, to: &str, query: Value) -> Vec<Frame> {
        self.try_ask(from, to, query).await.unwrap()
    }
}

#[track_caller]
pub(crate) fn near(got: &[Option<f64>], want: &[Option<f64>]) {
    let same = got.len() == want.len()
        && got.iter().zip(want).all(|(g, w)| match (g, w) {
            (Some(g), Some(w)) => (g - w).abs() <= 1e-9 * w.abs().max(1.0),
            (g, w) => g == w,
        });
    assert!(same, "got {got:?}, want {want:?}");
}

pub(crate) fn some(values: &[f64]) -> Vec<Option<f64>> {
    values.iter().copied().map(Some).collect()
}

pub(crate) fn texts(frame: &Frame, field: &str) -> Vec<String> {
    frame.texts(field).unwrap().iter().map(|t| t.clone().unwrap_or_default()).collect()
}

pub(crate) async fn both(test: impl AsyncFn(Server)) {
    test(Server::Timescale).await;
    test(Server::Plain).await;
}

const MORNING: (&str, &str) = ("2026-03-02T08:00:00Z", "2026-03-02T12:00:00Z");

#[tokio::test]
async fn energy_by_reference_is_exact_at_the_edges_of_runs_and_adds_up_to_the_meter() {
    both(async |server| {
        let factory = Factory::new(server, "2026-03-02T07:00:00Z", "2026-03-02T13:00:00Z").await;
        let frames =
            factory.ask(MORNING.0, MORNING.1, json!({"type": "kpi", "groupBy": "reference"})).await;
        let table = &frames[0];
        // R1: line 1 for 60 min at 2 kWh, and line 2 for 4 h at 60 kW: 120 + 240 kWh.
        // R2: line 1 for 29.75 min at 2 kWh. The main meter: 240 min at 4 kWh.
        assert_eq!(texts(table, "reference"), ["R1", "R2", ""]);
        assert_eq!(texts(table, "name"), ["Red", "Blue", "Unallocated"]);
        near(table.numbers("energy").unwrap(), &some(&[360.0, 59.5, 960.0 - 360.0 - 59.5]));
        let units = [Some(160.0), Some(30.0), None];
        near(table.numbers("good_units").unwrap(), &units);
        let per_unit = [Some(360.0 / 160.0), Some(59.5 / 30.0), None];
        near(table.numbers("energy_per_good_unit").unwrap(), &per_unit);
        near(table.numbers("scrap_units").unwrap(), &[Some(3.0), Some(0.0), None]);
        // A's thermometer swings between 100 and 110 in straight lines: 105 on average.
        let heat = table.numbers("mean_temperature").unwrap();
        assert!((heat[0].unwrap() - 105.0).abs() < 1e-9, "{heat:?}");
        near(&table.numbers("coverage").unwrap()[..2], &some(&[1.0, 1.0]));
    })
    .await;
}

#[tokio::test]
async fn groups_by_place_do_not_count_a_meter_twice() {
    both(async |server| {
        let factory = Factory::new(server, "2026-03-02T07:00:00Z", "2026-03-02T13:00:00Z").await;
        let ask = async |query| factory.ask(MORNING.0, MORNING.1, query).await.remove(0);
        // The counter resets at 09:30: 50 + ... falls to 2, which counts as 2 from zero.
        let lines = ask(json!({"type": "kpi", "groupBy": "line"})).await;
        assert_eq!(texts(&lines, "line"), ["M1", "M2", ""]);
        near(lines.numbers("energy").unwrap(), &some(&[480.0, 240.0, 240.0]));
        let machines = ask(json!({"type": "kpi", "groupBy": "machine"})).await;
        near(machines.numbers("energy").unwrap(), &some(&[120.0, 840.0]));
        let plant = ask(json!({"type": "kpi"})).await;
        near(plant.numbers("energy").unwrap(), &some(&[960.0]));
        let one =
            ask(json!({"type": "kpi", "place": {"lines": ["M1"]}, "context": {"lots": ["L1"]}}))
                .await;
        near(one.numbers("energy").unwrap(), &some(&[120.0]));
        let grouped = ask(json!({"type": "series", "groupBy": "line", "aggregate": "sum",
            "bucket": "whole", "place": {"lines": ["M1"], "quantity": "energy"}}))
        .await;
        near(grouped.numbers("value").unwrap(), &some(&[480.0]));
        let power = ask(json!({"type": "series", "groupBy": "plant", "bucket": "whole",
            "place": {"quantity": "power"}}))
        .await;
        near(power.numbers("value").unwrap(), &some(&[60.0 + 30.0]));
    })
    .await;
}

#[tokio::test]
async fn a_range_that_cuts_a_run_shares_its_units_in_proportion_to_time() {
    let factory =
        Factory::new(Server::Timescale, "2026-03-02T07:00:00Z", "2026-03-02T13:00:00Z").await;
    let frames = factory
        .ask(
            "2026-03-02T08:45:30Z",
            "2026-03-02T10:00:00Z",
            json!({"type": "kpi", "place": {"lines": ["M1"]}, "groupBy": "lot"}),
        )
        .await;
    // A quarter of run r1: 15 minutes at 2 kWh, 15 of its 60 units.
    near(&frames[0].numbers("energy").unwrap()[..1], &some(&[30.0]));
    near(&frames[0].numbers("good_units").unwrap()[..1], &some(&[15.0]));
}

/// Energy of line 2, steady at 60 kW, is 60 kWh for each hour that a bucket has.
async fn hours(factory: &Factory, from: &str, to: &str, bucket: &str) -> Vec<Option<f64>> {
    let query =
        json!({"type": "kpi", "kpis": ["energy"], "bucket": bucket, "place": {"lines": ["M2"]}});
    let frames = factory.ask(from, to, query).await;
    frames[0].numbers("value").unwrap().iter().map(|v| v.map(|v| v / 60.0)).collect()
}

#[tokio::test]
async fn bars_per_day_shift_and_week_are_right_over_both_clock_changes() {
    both(async |server| {
        let factory = Factory::new(server, "2026-03-20T00:00:00Z", "2026-04-08T00:00:00Z").await;
        factory.read("2026-10-16T00:00:00Z", "2026-11-04T00:00:00Z").await;
        let spring = hours(&factory, "2026-03-27T23:00:00Z", "2026-03-30T22:00:00Z", "day").await;
        near(&spring, &some(&[24.0, 23.0, 24.0]));
        let autumn = hours(&factory, "2026-10-23T22:00:00Z", "2026-10-26T23:00:00Z", "day").await;
        near(&autumn, &some(&[24.0, 25.0, 24.0]));
        let spring = hours(&factory, "2026-03-28T13:00:00Z", "2026-03-29T12:00:00Z", "shift").await;
        near(&spring, &some(&[8.0, 7.0, 8.0]));
        let autumn = hours(&factory, "2026-10-24T12:00:00Z", "2026-10-25T13:00:00Z", "shift").await;
        near(&autumn, &some(&[8.0, 9.0, 8.0]));
        let spring = hours(&factory, "2026-03-22T23:00:00Z", "2026-04-05T22:00:00Z", "week").await;
        near(&spring, &some(&[167.0, 168.0]));
        let autumn = hours(&factory, "2026-10-18T22:00:00Z", "2026-11-01T23:00:00Z", "week").await;
        near(&autumn, &some(&[169.0, 168.0]));
    })
    .await;
}

#[tokio::test]
async fn series_follow_runs_and_leave_gaps_empty() {
    let factory =
        Factory::new(Server::Timescale, "2026-03-02T07:00:00Z", "2026-03-02T13:00:00Z").await;
    let frames = factory
        .ask(
            MORNING.0,
            MORNING.1,
            json!({"type": "series", "bucket": "30m", "groupBy": "reference",
            "place": {"lines": ["M1"], "quantity": "power"}}),
        )
        .await;
    let by_name =
        |name: &str| frames.iter().find(|f| f.name == name).unwrap().numbers("value").unwrap();
    near(by_name("Red"), &[Some(30.0), Some(30.0), Some(30.0), None, None, None, None, None]);
    near(by_name("Blue"), &[None, None, None, None, Some(30.0), None, None, None]);
    assert_eq!(frames[0].fields[1].label("reference"), Some("R1"));
    let counts = factory
        .ask(
            MORNING.0,
            MORNING.1,
            json!({"type": "series", "bucket": "1h", "aggregate": "count",
            "place": {"sensors": ["A-temp"]}}),
        )
        .await;
    near(counts[0].numbers("value").unwrap(), &some(&[60.0; 4]));
}

#[tokio::test]
async fn runs_and_latest_are_tables() {
    let factory = Factory::new(Server::Plain, "2026-03-02T07:00:00Z", "2026-03-02T13:00:00Z").await;
    let runs = factory.ask(MORNING.0, MORNING.1, json!({"type": "runs"})).await.remove(0);
    assert_eq!(texts(&runs, "run"), ["r2", "r1", "r3"]);
    near(runs.numbers("energy").unwrap(), &some(&[59.5, 120.0, 240.0]));
    near(runs.numbers("duration_s").unwrap(), &some(&[1785.0, 3600.0, 14400.0]));
    // What nobody counted is not zero.
    let all = [Some(30.0), Some(60.0), None];
    sqlx::query("UPDATE run SET good_units = NULL, scrap_units = NULL WHERE key = 'r3'")
        .execute(&factory.pool)
        .await
        .unwrap();
    let runs = factory.ask(MORNING.0, MORNING.1, json!({"type": "runs"})).await.remove(0);
    near(runs.numbers("good_units").unwrap(), &all);
    assert_eq!(runs.numbers("scrap_units").unwrap()[2], None);
    assert_eq!(runs.numbers("energy_per_good_unit").unwrap()[2], None);
    let notes = factory
        .ask(MORNING.0, MORNING.1, json!({"type": "runs", "format": "annotations"}))
        .await
        .remove(0);
    assert_eq!(texts(&notes, "title")[1], "L1 · R1");
    let words = texts(&notes, "text");
    assert!(words[1].contains(" good, ") && !words[2].contains("good"), "{words:?}");
    let latest = factory.ask(MORNING.0, MORNING.1, json!({"type": "latest"})).await.remove(0);
    assert_eq!(texts(&latest, "sensor"), ["A-power", "A-temp", "M1-energy", "M2-power", "main"]);
    assert_eq!(latest.numbers("value").unwrap()[0], Some(30.0));
}

#[tokio::test]
async fn silent_sensors_stand_out_and_alert_rules_get_one_number() {
    both(async |server| {
        // The question is asked on 1 December at midnight.
        let factory =
            Factory::new(server, "2026-03-02T07:00:00Z", "2026-03-02T07:05:00Z").await;
        sqlx::query("SELECT lotwise.ensure_partitions('2026-11-30', '2026-12-01')")
            .execute(&factory.pool)
            .await
            .unwrap();
        factory.read("2026-11-30T23:30:00Z", "2026-12-01T00:20:00Z").await;
        for sql in [
            // 300 s are no silence, 360 s are.
            "DELETE FROM reading WHERE sensor_id = 4 AND time > '2026-11-30T23:55:00Z'",
            "DELETE FROM reading WHERE sensor_id = 5 AND time > '2026-11-30T23:54:00Z'",
            "DELETE FROM reading WHERE sensor_id = 3",
            // Only what is still to come, beside readings of March.
            "DELETE FROM reading WHERE sensor_id = 2 AND time BETWEEN '2026-11-01' AND '2026-12-01'",
            "UPDATE sensor SET interval_s = 15000000, max_gap_s = 300 WHERE id = 2",
        ] {
            sqlx::query(sql).execute(&factory.pool).await.unwrap();
        }
        let ask = async |query: Value| {
            factory.ask(MORNING.0, MORNING.1, query).await.remove(0)
        };
        let table = ask(json!({"type": "data_quality"})).await;
        assert_eq!(texts(&table, "sensor"), ["M2-power", "A-temp", "M1-energy", "A-power", "main"]);
        assert_eq!(texts(&table, "machine"), ["", "A", "", "A", ""]);
        assert_eq!(texts(&table, "line"), ["M2", "M1", "M1", "M1", ""]);
        let ages = table.numbers("age_s").unwrap();
        assert_eq!((ages[0], ages[1], ages[3], ages[4]), (None, Some(360.0), Some(300.0), Some(0.0)));
        near(
            table.numbers("silent_after_s").unwrap(),
            &some(&[300.0, 300.0, 45_000_000.0, 300.0, 300.0]),
        );
        near(
            table.numbers("expected_interval_s").unwrap(),
            &some(&[60.0, 60.0, 15_000_000.0, 60.0, 60.0]),
        );
        assert!(table.meta["custom"]["reason"].as_str().unwrap().contains("2 of 5 are silent"));

        let silent = ask(json!({"type": "data_quality", "format": "silent"})).await;
        assert_eq!(texts(&silent, "sensor"), ["M2-power", "A-temp"]);
        let line = json!({"type": "data_quality", "format": "silent", "place": {"sensors": ["main"]}});
        let none = ask(line).await;
        assert!(texts(&none, "sensor").is_empty());
        assert_eq!(none.meta["notices"][0]["text"], "None of 1 sensors is silent.");

        let alert = ask(json!({"type": "data_quality", "format": "alert"})).await;
        near(alert.numbers("silent").unwrap(), &some(&[1.0, 1.0, 0.0, 0.0, 0.0]));
        assert_eq!(alert.meta["type"], "numeric-long");
        let numbers = alert.fields.iter().filter(|f| alert.numbers(f.name()).is_some()).count();
        assert_eq!(numbers, 1, "several numbers with the same labels are no alert rule's");
        let limited = json!({"type": "data_quality", "limit": 3, "place": {"quantity": "power"}});
        assert_eq!(texts(&ask(limited).await, "sensor"), ["M2-power", "A-power"]);
        let limited = ask(json!({"type": "data_quality", "limit": 1})).await;
        assert_eq!(texts(&limited, "sensor"), ["M2-power"]);
        assert_eq!(limited.meta["notices"][0]["severity"], "warning");
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_answered_says_what_to_change() {
    let factory =
        Factory::new(Server::Timescale, "2026-03-02T07:00:00Z", "2026-03-02T08:00:00Z").await;
    let message =
        async |query| factory.try_ask(MORNING.0, MORNING.1, query).await.unwrap_err().to_string();
    let line = message(json!({"place": {"lines": ["M9"]}})).await;
    assert_eq!(line, "unknown line \"M9\": choose one of M1, M2");
    let lot = message(json!({"context": {"lots": ["nope"]}})).await;
    assert!(lot.contains("unknown lot \"nope\"") && lot.contains("choose one"), "{lot}");
    let sum = message(
        json!({"type": "series", "aggregate": "sum", "place": {"quantity": "temperature"}}),
    )
    .await;
    assert!(sum.contains("choose mean, min or max"), "{sum}");
    let year = factory
        .try_ask(
            "2025-01-01T00:00:00Z",
            "2026-01-01T00:00:00Z",
            json!({"type": "series", "bucket": "1s"}),
        )
        .await
        .unwrap_err();
    assert!(year.to_string().contains("choose a wider bucket"), "{year}");
}

/// From 08:00 to 22:00 on weekdays `day`, else `night`.
fn tariff(key: &str, from: &str, to: &str, day: f64, night: f64) -> String {
    format!(
        r#"INSERT INTO lotwise.tariff (plant_id, key, name, valid_from, valid_to, periods, calendar) VALUES
           (1, '{key}', '{key}', '{from}', {to},
            '[{{"period": "day", "price_per_kwh": {day}}}, {{"period": "night", "price_per_kwh": {night}}}]',
            '[{{"days": ["mon", "tue", "wed", "thu", "fri"], "from": "08:00", "to": "22:00", "period": "day"}},
              {{"period": "night"}}]');"#
    )
}

#[tokio::test]
async fn cost_follows_tariffs_across_clock_changes_and_runs() {
    both(async |server| cost_and_co2(server).await).await;
}

async fn cost_and_co2(server: Server) {
    // 2026-10-25 is a Sunday of 25 hours: 03:00 CEST (01:00Z) is 02:00 CET.
    let from = "2026-10-23T22:00:00Z";
    let to = "2026-10-26T12:00:00Z";
    let factory = Factory::new(server, from, to).await;
    // The new tariff begins on Monday, 00:00 in Madrid: 2026-10-25T23:00Z.
    let sql = [
        tariff("old", "2026-01-01", "'2026-10-26'", 0.3, 0.1),
        tariff("new", "2026-10-26", "NULL", 0.5, 0.2),
        "INSERT INTO lotwise.factor (plant_id, kind, valid_from, kg_co2_per_kwh) VALUES
            (1, 'location_based', '2026-10-26', 0.25), (1, 'market_based', '2026-01-01', 0.05);
         UPDATE lotwise.run SET started_at = '2026-10-25T22:30:15Z', ended_at = '2026-10-26T07:30:30Z', good_units = 100
            WHERE key = 'r1';"
            .to_owned(),
    ];
    for sql in sql {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&factory.pool).await.unwrap();
    }
    let kpis =
        ["energy", "cost", "cost_per_good_unit", "co2_market_based", "co2", "co2_per_good_unit"];
    let query = |group: &str, bucket: &str| {
        json!({"type": "kpi", "groupBy": group, "bucket": bucket,
        "place": {"lines": ["M1"]}, "kpis": kpis})
    };

    // The run, on line M1 at 2 kWh a minute: 29.75 min of the old night, 480 min (00:00 to 08:00) of
    // the new night, 30.5 min of the new day.
    let night_old = 29.75 * 2.0 * 0.1;
    let rest = 480.0 * 2.0 * 0.2 + 30.5 * 2.0 * 0.5;
    let kwh = 540.25 * 2.0;
    let table = &factory.ask(from, to, query("reference", "whole")).await[0];
    assert_eq!(texts(table, "name"), ["Red", "Unallocated"]);
    let first = |field: &str| table.numbers(field).unwrap()[..1].to_vec();
    near(&first("energy"), &some(&[kwh]));
    near(&first("cost"), &some(&[night_old + rest]));
    near(&first("cost_per_good_unit"), &some(&[(night_old + rest) / 100.0]));
    near(&first("co2_market_based"), &some(&[kwh * 0.05]));
    // A part of the run is before the first location-based factor: unknown, not less.
    near(&first("co2"), &[None]);
    near(&first("co2_per_good_unit"), &[None]);
    assert!(
        table.meta.to_string().contains("No location-based factor of plant madrid"),
        "{}",
        table.meta
    );
    assert!(!table.meta.to_string().contains("No tariff"), "{}", table.meta);

    // By day: Saturday of 24 hours, Sunday of 25, Monday up to 13:00, and the parts add up.
    let days = factory.ask(from, to, query("none", "day")).await;
    let of = |frames: &[Frame], kpi: &str| {
        let frame = frames.iter().find(|f| f.name == kpi).expect("a frame");
        frame.numbers("value").unwrap().to_vec()
    };
    let monday = 8.0 * 120.0 * 0.2 + 5.0 * 120.0 * 0.5;
    near(&of(&days, "cost"), &some(&[24.0 * 120.0 * 0.1, 25.0 * 120.0 * 0.1, monday]));
    near(&of(&days, "co2"), &[None, None, Some(13.0 * 120.0 * 0.25)]);
    let whole = &factory.ask(from, to, query("none", "whole")).await[0];
    let sum: f64 = of(&days, "cost").iter().flatten().sum();
    near(whole.numbers("cost").unwrap(), &some(&[sum]));
    let shares: f64 = table.numbers("cost").unwrap().iter().flatten().sum();
    near(whole.numbers("cost").unwrap(), &some(&[shares]));

    // Hours and kept runs give the same as readings.
    factory.roll_up().await;
    for (group, bucket, unrolled) in [("reference", "whole", table), ("none", "day", &days[0])] {
        let rolled = &factory.ask(from, to, query(group, bucket)).await[0];
        for field in kpis.iter().chain(&["value"]) {
            if let (Some(rolled), Some(numbers)) = (rolled.numbers(field), unrolled.numbers(field))
            {
                near(rolled, numbers);
            }
        }
    }

    // Without a tariff the cost is empty, and a notice says so.
    let before =
        factory.ask("2026-10-23T22:00:00Z", "2026-10-24T22:00:00Z", query("none", "whole")).await;
    assert!(!before[0].meta.to_string().contains("No tariff"));
    sqlx::raw_sql("DELETE FROM lotwise.tariff WHERE key = 'old'")
        .execute(&factory.pool)
        .await
        .unwrap();
    let table = &factory.ask(from, to, query("none", "whole")).await[0];
    near(table.numbers("cost").unwrap(), &[None]);
    let meta = table.meta.to_string();
    assert!(
        meta.contains("No tariff of plant madrid") && meta.contains("POST /v1/tariffs"),
        "{meta}"
    );
}

/// All numbers of the frames, and where they come from.
fn figures(frames: &[Frame]) -> (Vec<Option<f64>>, String) {
    let names =
        ["value", "energy", "energy_per_good_unit", "mean_temperature", "coverage", "good_units"];
    let numbers = frames.iter().flat_map(|f| names.iter().filter_map(|name| f.numbers(name)));
    let source = frames[0].meta["custom"]["source"].as_str().unwrap();
    (numbers.flatten().copied().collect(), source.to_owned())
}

#[tokio::test]
async fn rollups_change_no_figure() {
    both(async |server| {
        let factory = Factory::new(server, "2026-02-20T00:00:00Z", "2026-03-06T00:00:00Z").await;
        let week = ("2026-02-23T11:17:00Z", "2026-03-04T23:30:00Z");
        let queries = [
            (json!({"type": "kpi", "groupBy": "reference"}), "runs, hours"),
            (json!({"type": "kpi", "groupBy": "lot", "bucket": "day"}), "runs, hours"),
            (json!({"type": "kpi", "groupBy": "line", "bucket": "day"}), "hours"),
            (json!({"type": "kpi", "place": {"lines": ["M1"]}, "context": {"lots": ["L1"]}}), "runs"),
            (json!({"type": "runs"}), "runs"),
            (json!({"type": "series", "bucket": "1h", "place": {"quantity": "power"}}), "hours"),
            (json!({"type": "series", "bucket": "shift", "aggregate": "last", "place": {"quantity": "energy"}}), "hours"),
            (json!({"type": "series", "bucket": "day", "aggregate": "max", "place": {"sensors": ["A-temp"]}}), "hours"),
            (json!({"type": "series", "bucket": "30m", "place": {"sensors": ["A-temp"]}}), "readings"),
        ];
        let ask = async |query: &Value| figures(&factory.ask(week.0, week.1, query.clone()).await);
        let mut before = Vec::new();
        for (query, _) in &queries {
            before.push(ask(query).await.0);
        }
        factory.roll_up().await;
        for ((query, source), before) in queries.iter().zip(&before) {
            let (after, from) = ask(query).await;
            assert_eq!(from, *source, "{query}");
            near(&after, before);
        }

        // A corrected run and a late reading show at once, before the next refresh.
        let of_l1 = &queries[3].0;
        sqlx::query("UPDATE run SET started_at = '2026-03-02T07:00:30Z' WHERE key = 'r1'")
            .execute(&factory.pool)
            .await
            .unwrap();
        let (energy, source) = ask(of_l1).await;
        assert_eq!(source, "readings");
        near(&energy[..1], &some(&[240.0]));
        factory.roll_up().await;
        assert_eq!(ask(of_l1).await.1, "runs");
        // The counter jumps by 60 kWh in the last minute of the run and comes back: a reset.
        sqlx::raw_sql(
            "BEGIN; UPDATE reading SET value = value + 60 WHERE sensor_id = 2 AND time = '2026-03-02T08:50:00Z';
             SELECT rollup_mark('{1}', '{2}', '{2026-03-02T08:50:00Z}'); COMMIT",
        )
        .execute(&factory.pool)
        .await
        .unwrap();
        // Only the meter's sum is not kept any more; the thermometer's is.
        let (late, source) = ask(of_l1).await;
        assert_eq!(source, "runs, readings");
        factory.roll_up().await;
        let (rolled, source) = ask(of_l1).await;
        assert_eq!(source, "runs");
        assert!(late[0].unwrap() > 300.0);
        near(&rolled, &late);
    })
    .await;
}
