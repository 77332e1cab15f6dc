//! `lotwise replay` with real series: nothing is lost on the way into the database.

use chrono::{DateTime, Utc};
use serde_json::json;

use crate::support::command::{IngestProcess, stderr, stdout};
use crate::support::db::{Server, TestDb};
use crate::support::frame::{Decoded, Values};
use crate::support::panel::{Plugin, decode, query};

const STEEL: &str = "tests/data/steel/Steel_industry_data.csv";
const NAB: &str = "tests/data/nab/ambient_temperature_system_failure.csv";

#[tokio::test(flavor = "multi_thread")]
async fn the_steel_years_energy_is_stored_whole() {
    for server in [Server::Timescale, Server::Plain] {
        let db = TestDb::migrated(server).await;
        let (ingest, pool) = (IngestProcess::start(&db), db.pool().await);
        let output = ingest.run(&[
            "replay",
            STEEL,
            "--plant",
            "steel",
            "--sensor",
            "usage",
            "--time-column",
            "date",
            "--value-column",
            "Usage_kWh",
            "--time-format",
            "dmy",
            "--time-zone",
            "Asia/Seoul",
            "--midnight-belongs-to",
            "next-day",
            "--create",
            "--plant-name",
            "Steel plant",
            "--quantity",
            "energy",
            "--unit",
            "kWh",
            "--kind",
            "delta",
            "--interval-s",
            "900",
        ]);
        assert!(output.status.success(), "{}", stderr(&output));
        assert!(
            stdout(&output).contains("35040 rows, 35040 stored, 0 empty, 0 rejected"),
            "{}",
            stdout(&output)
        );

        let (count, sum, first, last): (i64, f64, DateTime<Utc>, DateTime<Utc>) = sqlx::query_as(
            "SELECT count(*), sum(value::numeric)::float8, min(time), max(time) FROM reading",
        )
        .fetch_one(&pool)
        .await
        .unwrap();
        assert_eq!(count, 35_040);
        // The column added up by hand (with Python's fsum).
        assert!((sum / 959_636.71 - 1.0).abs() < 1e-9, "{sum}");
        assert_eq!(first.to_rfc3339(), "2017-12-31T15:15:00+00:00");
        assert_eq!(last.to_rfc3339(), "2018-12-31T15:00:00+00:00");
        let apart: Vec<f64> = sqlx::query_scalar(
            "SELECT DISTINCT extract(epoch FROM time - previous)::float8
             FROM (SELECT time, lag(time) OVER (ORDER BY time) AS previous FROM reading) x WHERE previous IS NOT NULL",
        )
        .fetch_all(&pool)
        .await
        .unwrap();
        assert_eq!(apart, [900.0], "the quarters of an hour follow each other");
        let sensor: (String, String, String, f64, String, String) = sqlx::query_as(
            "SELECT s.quantity, s.unit, s.kind, s.interval_s, p.name, p.time_zone
             FROM sensor s JOIN plant p ON p.id = s.plant_id",
        )
        .fetch_one(&pool)
        .await
        .unwrap();
        let text = str::to_owned;
        let expected = (
            text("energy"),
            text("kWh"),
            text("delta"),
            900.0,
            text("Steel plant"),
            text("Asia/Seoul"),
        );
        assert_eq!(sensor, expected);
        the_plugin_shows_the_steel_years_energy(&db).await;
    }
}

/// The year, its months and its days as panels ask for them, against the file added up by the dates
/// that it writes: a quarter of an hour that ends at midnight has the date of the day that it is in.
async fn the_plugin_shows_the_steel_years_energy(db: &TestDb) {
    let text = std::fs::read_to_string(STEEL).unwrap();
    let mut days: Vec<(&str, f64)> = Vec::new();
    for line in text.lines().skip(1) {
        let mut fields = line.split(',');
        let day = fields.next().unwrap().split(' ').next().unwrap();
        let kwh: f64 = fields.next().unwrap().parse().unwrap();
        match days.last_mut() {
            Some(last) if last.0 == day => last.1 += kwh,
            _ => days.push((day, kwh)),
        }
    }
    assert_eq!(days.len(), 365);
    let mut months = [0.0; 12];
    for (day, kwh) in &days {
        months[day.split('/').nth(1).unwrap().parse::<usize>().unwrap() - 1] += kwh;
    }
    let days: Vec<f64> = days.iter().map(|(_, kwh)| *kwh).collect();

    let plugin = Plugin::start(db).await;
    for (bucket, expected) in
        [("whole", vec![959_636.71]), ("month", months.to_vec()), ("day", days)]
    {
        let model = json!({"type": "kpi", "place": {"plants": ["steel"]}, "kpis": ["energy"], "bucket": bucket});
        let mut asked = query("A", model);
        let range = asked.time_range.as_mut().unwrap();
        range.from_epoch_ms =
            "2017-12-31T15:00:00Z".parse::<DateTime<Utc>>().unwrap().timestamp_millis();
        range.to_epoch_ms =
            "2018-12-31T15:00:00Z".parse::<DateTime<Utc>>().unwrap().timestamp_millis();
        let frames = decode(&plugin.ask(vec![asked]).await["A"]);
        let shown = energy(&frames[0]);
        assert_eq!(shown.len(), expected.len(), "{bucket}");
        for (shown, expected) in shown.iter().zip(&expected) {
            assert!(
                (shown / expected - 1.0).abs() < 1e-9,
                "{bucket}: {shown} kWh, the file has {expected}"
            );
        }
    }
}

/// Column `energy` of a table, or the values of a time series.
fn energy(frame: &Decoded) -> Vec<f64> {
    let column =
        frame.columns.iter().find(|column| matches!(column.name.as_str(), "energy" | "value"));
    match &column.expect("a column with energy").values {
        Values::Number(numbers) => numbers.iter().map(|number| number.expect("a number")).collect(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_temperature_series_is_stored_whole_and_again() {
    let db = TestDb::migrated(Server::Timescale).await;
    let (ingest, pool) = (IngestProcess::start(&db), db.pool().await);
    // Twice: the second time changes nothing.
    for _ in 0..2 {
        let output = ingest.run(&[
            "replay",
            NAB,
            "--plant",
            "office",
            "--sensor",
            "ambient",
            "--time-column",
            "timestamp",
            "--value-column",
            "value",
            "--create",
            "--quantity",
            "temperature",
            "--unit",
            "°F",
            "--interval-s",
            "3600",
        ]);
        assert!(output.status.success(), "{}", stderr(&output));
        let stored: (i64, f64) = sqlx::query_as("SELECT count(*), max(value) FROM reading")
            .fetch_one(&pool)
            .await
            .unwrap();
        assert_eq!(stored, (7_267, 86.223_212_61));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rejected_rows_are_named_by_line_and_the_others_stored() {
    let db = TestDb::migrated(Server::Plain).await;
    let (ingest, pool) = (IngestProcess::start(&db), db.pool().await);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("meter.csv");
    let text = "Zeit;Wert\r\n29.03.2026 01:45;1,5\r\n29.03.2026 02:15;2,5\r\n29.03.2026 03:00;3,5\r\nnie;4\r\n";
    std::fs::write(&file, text).unwrap();
    let file = file.to_str().unwrap();
    let args = [
        "replay",
        file,
        "--plant",
        "berlin",
        "--sensor",
        "main",
        "--time-column",
        "Zeit",
        "--value-column",
        "Wert",
        "--time-format",
        "dmy",
        "--time-zone",
        "Europe/Berlin",
        "--delimiter",
        ";",
        "--decimal-comma",
    ];
    // Nobody has registered the sensor: all rows come back, each with its line.
    let output = ingest.run(&args);
    assert!(!output.status.success());
    for line in [2, 4] {
        assert!(stderr(&output).contains(&format!("{file}:{line}: ")), "{}", stderr(&output));
    }

    let create = [
        "--create",
        "--quantity",
        "energy",
        "--unit",
        "kWh",
        "--kind",
        "delta",
        "--interval-s",
        "900",
    ];
    let output = ingest.run(&[&args[..], &create].concat());
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(
        said.contains(&format!(
            "{file}:3: time '29.03.2026 02:15' does not exist in Europe/Berlin"
        )),
        "{said}"
    );
    assert!(said.contains(&format!("{file}:5: time 'nie' is not a time")), "{said}");
    assert!(said.contains("2 of 4 rows were rejected"), "{said}");
    let values: Vec<f64> = sqlx::query_scalar("SELECT value FROM reading ORDER BY time")
        .fetch_all(&pool)
        .await
        .unwrap();
    assert_eq!(values, [1.5, 3.5]);
}

/// What the README promises: two files of one's own, and a table by lot.
#[tokio::test(flavor = "multi_thread")]
async fn a_factorys_own_files_become_energy_by_lot() {
    let db = TestDb::migrated(Server::Timescale).await;
    let (ingest, folder) = (IngestProcess::start(&db), tempfile::tempdir().unwrap());
    let write = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        file.to_str().unwrap().to_owned()
    };
    let consumption = write(
        "consumption.csv",
        "date,kwh\n04/05/2026 06:15,1\n04/05/2026 06:30,2\n04/05/2026 06:45,3\n\
         04/05/2026 07:00,4\n04/05/2026 07:15,5\n",
    );
    let lots = write(
        "lots.csv",
        "lot,product,start,end,good\nL-1,A,04/05/2026 06:00,04/05/2026 06:30,30\n\
         L-2,B,04/05/2026 06:30,04/05/2026 07:10,10\n",
    );
    let common = "--plant mill --time-format dmy --time-zone Europe/Madrid --line saw --create";
    let args = |command: &str, file: &str, more: &str| {
        let output = ingest.run(
            &[command, file]
                .into_iter()
                .chain(common.split(' '))
                .chain(more.split(' '))
                .collect::<Vec<_>>(),
        );
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output)
    };
    let meter = "--sensor saw-meter --time-column date --value-column kwh --quantity energy --unit kWh \
                 --kind delta --interval-s 900";
    args("replay", &consumption, meter);
    let columns = "--column reference=product --column started_at=start --column ended_at=end \
                   --column good_units=good";
    // Twice: the second time changes nothing.
    for _ in 0..2 {
        let said = args("replay-runs", &lots, columns);
        assert!(said.contains("2 runs, 2 stored, 0 rejected"), "{said}");
    }

    let plugin = Plugin::start(&db).await;
    let mut asked = query(
        "A",
        json!({"type": "kpi", "place": {"plants": ["mill"], "lines": ["saw"]}, "groupBy": "lot",
               "kpis": ["energy", "energy_per_good_unit"], "bucket": "whole"}),
    );
    let at = |time: &str| time.parse::<DateTime<Utc>>().unwrap().timestamp_millis();
    let range = asked.time_range.as_mut().unwrap();
    (range.from_epoch_ms, range.to_epoch_ms) =
        (at("2026-05-04T04:00:00Z"), at("2026-05-04T05:15:00Z"));
    let frame = &decode(&plugin.ask(vec![asked]).await["A"])[0];
    let row = |lot: &str| frame.texts("lot").iter().position(|key| *key == lot).unwrap();
    for (lot, energy, units) in [("L-1", 3.0, 30.0), ("L-2", 3.0 + 4.0 + 5.0 * 10.0 / 15.0, 10.0)] {
        let shown = |name: &str| frame.numbers(name)[row(lot)].unwrap();
        assert!((shown("energy") - energy).abs() < 1e-9, "{lot}: {}", shown("energy"));
        assert!((shown("energy_per_good_unit") - energy / units).abs() < 1e-12, "{lot}");
    }
}
