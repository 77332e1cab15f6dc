//! `lotwise replay` with real series: nothing is lost on the way into the database.

use chrono::{DateTime, Utc};
use lotwise::answer::{self, Source};
use lotwise::catalog;
use lotwise::domain::TimeRange;
use lotwise::plan::Ask;
use serde_json::{Value, json};

use crate::support::command::{IngestProcess, stderr, stdout};
use crate::support::db::{Server, TestDb};
use crate::support::source::plugin_db;

const STEEL: &str = "tests/data/steel/Steel_industry_data.csv";
/// The first 31 x 96 rows: the last is stamped 31/01/2018 00:00, which is the end of that day.
const JANUARY_KWH: f64 = 126_238.29;
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

        // What the plugin shows for the year, and for its twelve months, in the plant's clock.
        let year = json!({"type": "kpi", "kpis": ["energy"]});
        let shown = energy_shown(&db, year).await;
        assert!((shown[0] / 959_636.71 - 1.0).abs() < 1e-9, "{shown:?}");
        let months =
            energy_shown(&db, json!({"type": "kpi", "kpis": ["energy"], "bucket": "month"})).await;
        assert_eq!(months.len(), 12);
        assert!((months.iter().sum::<f64>() / 959_636.71 - 1.0).abs() < 1e-9, "{months:?}");
        assert!((months[0] / JANUARY_KWH - 1.0).abs() < 1e-9, "{months:?}");
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

/// The energy that the plugin answers for the year 2018 of Seoul, one value a bucket.
async fn energy_shown(db: &TestDb, query: Value) -> Vec<f64> {
    let plugin = plugin_db(&db.url);
    let catalog = catalog::load(&plugin, &[], &[]).await.unwrap();
    let time = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
    let ask = Ask {
        range: TimeRange::new(time("2018-01-01T00:00:00+09:00"), time("2019-01-01T00:00:00+09:00"))
            .unwrap(),
        interval_s: 3600.0,
        max_data_points: 1000,
        max_points: 1_000_000,
        now: time("2026-01-01T00:00:00Z"),
    };
    let source = Source { db: &plugin, catalog: &catalog };
    let frames = answer::answer(&source, query.to_string().as_bytes(), &ask).await.unwrap();
    let values = frames[0].numbers("energy").or(frames[0].numbers("value")).unwrap();
    values.iter().map(|v| v.expect("every bucket has data")).collect()
}
