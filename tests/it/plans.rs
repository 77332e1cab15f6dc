//! How the database carries out the statements: by index, and only in the chunks of the range.

use chrono::{DateTime, TimeDelta, Utc};
use lotwise::catalog::Sensor;
use lotwise::domain::{SensorKind, TimeRange};
use lotwise::plan::{Items, Window};
use lotwise::rollup;
use lotwise::sql::Statement;
use lotwise::sql::cell::Ends;
use lotwise::sql::picker::{self, Restrict};
use lotwise::sql::{items, latest, raw, whole_runs};

use crate::support::db::{Server, TestDb};
use crate::support::source::plugin_db;

/// Twenty weeks of two sensors, rolled up but for the last week.
async fn weeks(server: Server) -> (TestDb, lotwise::db::Db) {
    let db = TestDb::migrated(server).await;
    let pool = db.pool().await;
    sqlx::raw_sql(
        "INSERT INTO plant (key, name, time_zone) VALUES ('p', 'P', 'UTC');
         INSERT INTO line (plant_id, key, name) VALUES (1, 'l', 'L');
         INSERT INTO sensor (plant_id, line_id, key, name, quantity, unit, kind)
         VALUES (1, 1, 's1', 's1', 'energy', 'kWh', 'counter'), (1, 1, 's2', 's2', 'energy', 'kWh', 'counter');
         SELECT ensure_partitions('2026-01-01', '2026-06-01');
         INSERT INTO reading SELECT t, date_part('epoch', t) / 60, 1, s
         FROM generate_series('2026-01-01 00:00Z'::timestamptz, '2026-05-21 00:00Z'::timestamptz, '2 min') t,
            generate_series(1, 2) s ORDER BY t, s;
         INSERT INTO reference (plant_id, key, name) VALUES (1, 'r', 'R');
         INSERT INTO lot (plant_id, key, reference_id) VALUES (1, 'lot', 1);
         INSERT INTO run (plant_id, key, line_id, lot_id, started_at, ended_at)
         SELECT 1, i::text, 1, 1, '2026-01-02Z'::timestamptz + i * interval '5 h', '2026-01-02Z'::timestamptz + i * interval '5 h' + interval '4 h'
         FROM generate_series(1, 400) i;
         ANALYZE",
    )
    .execute(&pool)
    .await
    .unwrap();
    let mut conn = rollup::connect(&db.url).await.unwrap();
    assert!(rollup::try_lock(&mut conn).await.unwrap());
    rollup::refresh(&mut conn, Some(at("2026-05-14T00:00:00Z"))).await.unwrap();
    sqlx::raw_sql("VACUUM ANALYZE").execute(&pool).await.unwrap();
    let plugin = plugin_db(&db.url);
    (db, plugin)
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn sensor(id: i32) -> Sensor {
    Sensor {
        id,
        plant: 1,
        line: Some(1),
        machine: None,
        key: format!("s{id}"),
        name: String::new(),
        quantity: "energy".into(),
        unit: "kWh".into(),
        kind: SensorKind::Counter,
        interval_s: 60.0,
        max_gap_s: 300.0,
        rollover: None,
        parent: None,
    }
}

/// The plan with what was really done.
async fn explain(plugin: &lotwise::db::Db, statement: Statement) -> String {
    let sql = format!("EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) {}", statement.sql);
    let rows = plugin.query(&sql, statement.params).await.unwrap();
    rows.iter().map(|r| r.get::<_, String>(0) + "\n").collect()
}

/// The scans of readings that were carried out, by table.
fn scans(plan: &str) -> Vec<&str> {
    prepared_scans(plan).into_iter().filter(|line| !line.contains("never executed")).collect()
}

/// Those and the ones that were only made ready, which costs time too.
fn prepared_scans(plan: &str) -> Vec<&str> {
    let of_readings = |line: &&str| {
        line.contains(" on _hyper_")
            || line.contains(" on reading_w")
            || line.contains(" using reading_w")
            || line.contains("_chunk")
    };
    plan.lines().filter(of_readings).filter(|line| line.contains("Scan")).collect()
}

async fn readings_are_read_by_index_in_their_chunks_only(server: Server) {
    let (_db, plugin) = weeks(server).await;
    let sensors = [sensor(1), sensor(2)];
    let windows = |from: &str, to: &str| -> Vec<Window<'_>> {
        let range = TimeRange::new(at(from), at(to)).unwrap();
        sensors.iter().map(|sensor| Window { sensor, range }).collect()
    };
    let check = |plan: &str, chunks: usize| {
        let scans = scans(plan);
        assert!(!scans.is_empty(), "{server:?}\n{plan}");
        for scan in &scans {
            assert!(scan.contains("Index Only Scan"), "{server:?} {scan}\n{plan}");
        }
        assert!(scans.len() <= chunks, "{server:?} {} scans\n{plan}", scans.len());
        assert!(!plan.contains("Seq Scan on rollup_hour"), "{plan}");
    };
    // Two days in one week of twenty: the readings of that week, and a neighbour on either side.
    let two_days = windows("2026-03-03T00:30:00Z", "2026-03-04T12:10:00Z");
    let edges: Vec<_> = (0..40).map(|h| at("2026-03-03T00:00:00Z") + TimeDelta::hours(h)).collect();
    for from in [Items::Readings, Items::Hours] {
        // Also by a plan for any parameters (the sixth on).
        for _ in 0..7 {
            let statement = items::wanted(&two_days, &edges, from, Ends::Omit, None).statement;
            check(&explain(&plugin, statement).await, 4);
        }
    }
    // Of a thermometer, whose neighbours cannot be far, the other weeks are left out before the first scan.
    let thermometer = Sensor { kind: SensorKind::Gauge, ..sensor(1) };
    for _ in 0..7 {
        let window = Window { sensor: &thermometer, range: two_days[0].range };
        let readings =
            items::wanted(&[window], &edges, Items::Readings, Ends::Omit, None).statement;
        let plan = explain(&plugin, readings).await;
        check(&plan, 2);
        assert!(prepared_scans(&plan).len() <= 2, "{server:?}\n{plan}");
    }
    // Readings as they are: those of the week, also by a plan for any parameters (the sixth on).
    for _ in 0..7 {
        check(&explain(&plugin, raw::statement(&two_days, 1_000_000).statement).await, 2);
    }
    // Nineteen weeks from hours: readings at the ends only.
    let long = windows("2026-01-02T00:30:00Z", "2026-05-13T12:10:00Z");
    let edges = [long[0].range.from(), long[0].range.to()];
    let hours = items::wanted(&long, &edges, Items::Hours, Ends::Omit, None).statement;
    let plan = explain(&plugin, hours).await;
    check(&plan, 6);
    assert!(plan.contains("Index Only Scan using rollup_hour_sensor"), "{plan}");

    let plan = explain(&plugin, latest::statement(&sensors.iter().collect::<Vec<_>>(), None)).await;
    check(&plan, 2);
}

async fn kept_sums_of_runs_are_found_by_index(server: Server) {
    let (_db, plugin) = weeks(server).await;
    let sensor = sensor(1);
    let start = at("2026-01-02T05:00:00Z");
    let windows: Vec<Window<'_>> = (0..20)
        .map(|i| start + TimeDelta::hours(5 * i))
        .map(|from| TimeRange::new(from, from + TimeDelta::hours(4)).unwrap())
        .map(|range| Window { sensor: &sensor, range })
        .collect();
    let plan = explain(&plugin, whole_runs::statement(&windows)).await;
    assert!(plan.contains("rollup_run_pkey") && !plan.contains("Seq Scan on rollup_run"), "{plan}");
    assert!(scans(&plan).is_empty(), "{plan}");
    assert!(plan.lines().next().is_some_and(|top| top.contains("rows=20")), "{plan}");
    // Of one sensor together.
    let by_sensor = whole_runs::by_sensor(&windows).unwrap();
    let plan = explain(&plugin, by_sensor.statement).await;
    assert!(plan.contains("rollup_run_pkey") && !plan.contains("Seq Scan on rollup_run"), "{plan}");
    assert!(scans(&plan).is_empty(), "{plan}");
}

#[tokio::test]
async fn readings_are_read_by_index_in_their_chunks_only_on_timescaledb() {
    readings_are_read_by_index_in_their_chunks_only(Server::Timescale).await;
}

#[tokio::test]
async fn readings_are_read_by_index_in_their_chunks_only_on_plain_postgresql() {
    readings_are_read_by_index_in_their_chunks_only(Server::Plain).await;
}

/// A hundred thousand lots, of which some contain a text that is typed.
async fn lots_are_found_without_a_scan(server: Server) {
    let (db, plugin) = weeks(server).await;
    let pool = db.pool().await;
    sqlx::raw_sql(
        "INSERT INTO lot (plant_id, key, reference_id)
         SELECT 1, 'Q' || lpad(i::text, 7, '0'), 1 FROM generate_series(1, 100000) i; ANALYZE lot",
    )
    .execute(&pool)
    .await
    .unwrap();
    let lots = picker::Subject::Lots;
    let newest = lotwise::catalog::load(&plugin, &[], &[]).await.unwrap().newest_lots;
    assert_eq!((newest.len(), newest[0].as_str()), (400, "Q0100000"));
    for (search, found, is_common) in [
        ("0770", 101, false),
        ("q00770", 100, false),
        ("0077001", 1, false),
        ("q00", 101, true),
        ("Q", 101, true),
        ("zz", 0, false),
        ("7", 101, true),
    ] {
        assert_eq!(picker::is_common(search, &newest), is_common, "{search:?}");
        let restrict = || Restrict {
            plants: vec![1],
            search: search.to_owned(),
            is_common,
            limit: 100,
            ..Restrict::default()
        };
        // The sixth and later ones may be planned for any parameters.
        for round in 0..7 {
            let statement = picker::statement(lots, &restrict());
            let rows = plugin.query(&statement.sql, statement.params).await.unwrap();
            assert_eq!(rows.len(), found, "{search:?} in round {round}");
            let statement = picker::statement(lots, &restrict());
            let plan = explain(&plugin, statement).await;
            assert!(!plan.contains("Seq Scan on lot"), "{server:?} {search:?}\n{plan}");
            let by_trigrams = search.len() >= 3 && !is_common;
            assert!(!by_trigrams || plan.contains("lot_search"), "{server:?} {search:?}\n{plan}");
        }
    }
}

#[tokio::test]
async fn lots_are_found_without_a_scan_on_both() {
    lots_are_found_without_a_scan(Server::Timescale).await;
    lots_are_found_without_a_scan(Server::Plain).await;
}

#[tokio::test]
async fn kept_sums_of_runs_are_found_by_index_on_both() {
    kept_sums_of_runs_are_found_by_index(Server::Timescale).await;
    kept_sums_of_runs_are_found_by_index(Server::Plain).await;
}
