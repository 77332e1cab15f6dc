//! The questions: how a panel asks, the cheapest SQL that gives the same figures, and the SQL that an
//! analyst would write into Grafana's PostgreSQL data source.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::dataset::{self, Size};

/// How the plugin is asked.
pub enum Asked {
    /// A panel's query.
    Query {
        /// The saved query.
        model: Value,
        /// Time range of the panel.
        range: (DateTime<Utc>, DateTime<Utc>),
    },
    /// A picker's call.
    Pick(&'static str),
}

/// The least that gives the same figures.
pub enum Floor {
    /// Several ways, of which the fastest counts.
    Sql(Vec<String>),
    /// `psql`'s binary COPY of a query.
    Copy(String),
}

/// One row of the table.
pub struct Case {
    pub name: &'static str,
    pub asked: Asked,
    pub floor: Floor,
    pub analyst: Option<String>,
}

/// Points of `million_points`.
pub const POINTS: i64 = 1_000_000;
const POINT_SENSORS: i64 = 8;

/// All cases over data of this size.
pub fn cases(Size { lines, days }: Size) -> Vec<Case> {
    let whole = (dataset::start(), dataset::end(days));
    let filter = |column: &str| between(column, whole);
    // Ten lots, of all lines by turns.
    let lots: Vec<String> =
        (0..10).map(|i| dataset::newest_lot(days, i % lines + 1, 3 + i / lines)).collect();
    let one = &lots[..1];
    let lots_model = |lots: &[String]| json!({"type": "lots", "place": {"quantity": "temperature"}, "context": {"lots": lots}});
    let query = |model| Asked::Query { model, range: whole };
    vec![
        Case {
            name: "energy_per_unit",
            asked: query(
                json!({"type": "kpi", "groupBy": "reference", "kpis": ["energy_per_good_unit"]}),
            ),
            floor: Floor::Sql(vec![format!(
                "SELECT f.key, sum(k.amount), sum(r.good_units) FROM run r
                 JOIN lot l ON l.id = r.lot_id JOIN reference f ON f.id = l.reference_id
                 JOIN sensor s ON s.line_id = r.line_id AND s.quantity = 'energy'
                 JOIN rollup_run k ON k.run_id = r.id AND k.plant_id = s.plant_id AND k.sensor_id = s.id
                 WHERE {} GROUP BY f.key",
                filter("r.started_at")
            )]),
            analyst: Some(format!(
                "SELECT reference, sum(kwh) / sum(good_units) FROM (
                   SELECT f.key AS reference, run.id, run.good_units, max(r.value) - min(r.value) AS kwh
                   FROM run JOIN lot l ON l.id = run.lot_id JOIN reference f ON f.id = l.reference_id
                   JOIN sensor s ON s.line_id = run.line_id AND s.quantity = 'energy'
                   JOIN reading r ON r.plant_id = s.plant_id AND r.sensor_id = s.id
                     AND r.time BETWEEN run.started_at AND run.ended_at
                   WHERE {} GROUP BY 1, 2, 3) x GROUP BY 1 ORDER BY 1",
                filter("r.time")
            )),
        },
        Case {
            name: "one_lot",
            asked: query(lots_model(one)),
            floor: lots_floor(one),
            analyst: Some(lots_analyst(one, whole)),
        },
        Case {
            name: "ten_lots",
            asked: query(lots_model(&lots)),
            floor: lots_floor(&lots),
            analyst: Some(lots_analyst(&lots, whole)),
        },
        Case {
            name: "reference_series",
            asked: query(json!({
                "type": "series", "place": {"quantity": "temperature"}, "groupBy": "reference",
                "context": {"references": ["REF-07"]}, "bucket": "5m",
            })),
            floor: Floor::Sql(readings(
                "f.key = 'REF-07'",
                "date_bin('5 min', x.time, 'epoch'), avg(x.value)",
                "GROUP BY 1",
            )),
            analyst: Some(format!(
                "SELECT date_bin('5 min', r.time, 'epoch') AS time, avg(r.value) FROM reading r
                 JOIN sensor s ON s.plant_id = r.plant_id AND s.id = r.sensor_id
                 JOIN run ON run.line_id = s.line_id AND r.time BETWEEN run.started_at AND run.ended_at
                 JOIN lot l ON l.id = run.lot_id JOIN reference f ON f.id = l.reference_id
                 WHERE f.key = 'REF-07' AND s.quantity = 'temperature' AND {} GROUP BY 1 ORDER BY 1",
                filter("r.time")
            )),
        },
        Case {
            name: "plant_hourly",
            asked: query(json!({
                "type": "series", "place": {"plants": ["bench"], "quantity": "energy"},
                "groupBy": "plant", "aggregate": "sum", "bucket": "hour",
            })),
            floor: Floor::Sql(hours(whole)),
            analyst: Some(format!(
                "SELECT date_bin('1 hour', time, 'epoch') AS time,
                   sum(CASE WHEN value >= before THEN value - before ELSE value END) FROM (
                   SELECT r.time, r.value, lag(r.value) OVER (PARTITION BY r.sensor_id ORDER BY r.time) AS before
                   FROM reading r JOIN sensor s ON s.plant_id = r.plant_id AND s.id = r.sensor_id
                   WHERE s.quantity = 'energy' AND {}) x GROUP BY 1 ORDER BY 1",
                filter("r.time")
            )),
        },
        Case {
            name: "latest",
            asked: query(json!({"type": "latest"})),
            floor: Floor::Sql(vec![
                "SELECT s.id, x.time, x.value FROM sensor s CROSS JOIN LATERAL (
                   SELECT r.time, r.value FROM reading r WHERE r.plant_id = s.plant_id AND r.sensor_id = s.id
                   ORDER BY r.time DESC LIMIT 1) x"
                    .to_owned(),
            ]),
            analyst: Some(
                "SELECT DISTINCT ON (r.sensor_id) s.key, r.time, r.value FROM reading r
                 JOIN sensor s ON s.plant_id = r.plant_id AND s.id = r.sensor_id
                 ORDER BY r.sensor_id, r.time DESC"
                    .to_owned(),
            ),
        },
        Case {
            name: "picker",
            asked: Asked::Pick("lots?search=00770"),
            floor: Floor::Sql(vec![
                "SELECT x.key, f.key, f.name FROM lot x JOIN reference f ON f.id = x.reference_id
                 WHERE x.plant_id = 1 AND x.key ILIKE '%00770%' ORDER BY x.id DESC LIMIT 101"
                    .to_owned(),
            ]),
            analyst: Some(
                "SELECT DISTINCT key FROM lot WHERE key ILIKE '%00770%' ORDER BY 1".to_owned(),
            ),
        },
        Case {
            name: "picker, references",
            asked: Asked::Pick("references?search=ref"),
            floor: Floor::Sql(vec![
                "SELECT key, name FROM reference WHERE plant_id = 1 AND (key ILIKE '%ref%' OR name ILIKE '%ref%')
                 ORDER BY key LIMIT 101"
                    .to_owned(),
            ]),
            analyst: None,
        },
        million(lines),
    ]
}

/// A million points of eight thermometers.
pub fn million(lines: i64) -> Case {
    let from = dataset::start();
    let to = from + chrono::TimeDelta::minutes(POINTS / POINT_SENSORS);
    let key = |i: i64| format!("L{:02}-m1-t{}", i % lines + 1, i / lines + 1);
    let keys: Vec<String> = (0..POINT_SENSORS).map(key).collect();
    let list: Vec<String> = keys.iter().map(|key| format!("'{key}'")).collect();
    Case {
        name: "million_points",
        asked: Asked::Query {
            model: json!({"type": "series", "place": {"sensors": keys}, "aggregate": "raw"}),
            range: (from, to),
        },
        floor: Floor::Copy(format!(
            "SELECT r.time, r.value FROM lotwise.sensor s CROSS JOIN LATERAL (
               SELECT r.time, r.value FROM lotwise.reading r
               WHERE r.plant_id = s.plant_id AND r.sensor_id = s.id AND {} ORDER BY r.time) r
             WHERE s.key IN ({})",
            between("r.time", (from, to)),
            list.join(", ")
        )),
        analyst: None,
    }
}

fn between(column: &str, (from, to): (DateTime<Utc>, DateTime<Utc>)) -> String {
    let text = |t: DateTime<Utc>| t.to_rfc3339_opts(SecondsFormat::Secs, true);
    format!("{column} >= '{}' AND {column} < '{}'", text(from), text(to))
}

fn quoted(lots: &[String]) -> String {
    lots.iter().map(|lot| format!("'{lot}'")).collect::<Vec<_>>().join(", ")
}

fn lots_floor(lots: &[String]) -> Floor {
    let wanted = format!("l.key IN ({})", quoted(lots));
    Floor::Sql(readings(&wanted, "s.id, r.started_at, x.time, x.value", ""))
}

fn lots_analyst(lots: &[String], range: (DateTime<Utc>, DateTime<Utc>)) -> String {
    format!(
        "SELECT l.key, s.key, date_part('epoch', r.time - run.started_at) AS elapsed, r.value FROM reading r
         JOIN sensor s ON s.plant_id = r.plant_id AND s.id = r.sensor_id
         JOIN run ON run.line_id = s.line_id AND r.time BETWEEN run.started_at AND run.ended_at
         JOIN lot l ON l.id = run.lot_id
         WHERE l.key IN ({}) AND s.quantity = 'temperature' AND {} ORDER BY 1, 2, 3",
        quoted(lots),
        between("r.time", range)
    )
}

/// The temperatures during some runs, intervals first: as rows or sums of rows, and packed, which is
/// all that the figures need.
fn readings(wanted: &str, columns: &str, rest: &str) -> Vec<String> {
    let intervals = format!(
        "WITH iv AS MATERIALIZED (
           SELECT s.id, s.plant_id, r.started_at, r.ended_at FROM run r
           JOIN lot l ON l.id = r.lot_id JOIN reference f ON f.id = l.reference_id
           JOIN sensor s ON s.line_id = r.line_id AND s.quantity = 'temperature' WHERE {wanted})"
    );
    let inside = "r.plant_id = iv.plant_id AND r.sensor_id = iv.id AND r.time >= iv.started_at AND r.time < iv.ended_at";
    let columns = columns.replace("s.id", "iv.id").replace("r.started_at", "iv.started_at");
    vec![
        format!(
            "{intervals} SELECT {columns} FROM iv CROSS JOIN LATERAL (
               SELECT r.time, r.value FROM reading r WHERE {inside} OFFSET 0) x {rest}"
        ),
        format!(
            "{intervals} SELECT iv.id, iv.started_at, x.* FROM iv CROSS JOIN LATERAL (
               SELECT array_agg(y.time), array_agg(y.value) FROM (
                 SELECT r.time, r.value FROM reading r WHERE {inside} ORDER BY r.time) y) x"
        ),
    ]
}

/// The hourly energy of all meters: added up, as rows, and packed.
fn hours(range: (DateTime<Utc>, DateTime<Utc>)) -> Vec<String> {
    let of_meters = format!(
        "FROM sensor s JOIN rollup_hour h ON h.plant_id = s.plant_id AND h.sensor_id = s.id
         WHERE s.quantity = 'energy' AND {}",
        between("h.hour", range)
    );
    vec![
        format!(
            "SELECT hour, sum(total + CASE WHEN next >= last_v THEN next - last_v ELSE coalesce(next, 0) END) FROM (
               SELECT h.hour, h.total, h.last_v, lead(h.first_v) OVER (PARTITION BY s.id ORDER BY h.hour) AS next
               {of_meters}) x GROUP BY hour ORDER BY hour"
        ),
        format!("SELECT s.id, h.hour, h.first_t, h.first_v, h.last_t, h.last_v, h.total, h.n {of_meters}"),
        format!(
            "SELECT s.id, x.* FROM sensor s CROSS JOIN LATERAL (
               SELECT array_agg(first_t), array_agg(first_v), array_agg(last_t), array_agg(last_v), array_agg(total), array_agg(n)
               FROM (SELECT * FROM rollup_hour h WHERE h.plant_id = s.plant_id AND h.sensor_id = s.id AND {} ORDER BY h.hour) y
             ) x WHERE s.quantity = 'energy'",
            between("h.hour", range)
        ),
    ]
}
