//! Any permutation, duplication and re-batching of the same readings ends in the same tables, byte
//! by byte, rollups included.
//!
//! "The same readings" means that the writes of one sensor and time keep their order, since the last
//! one wins; repeats of a write stand before the next one of its place. Everything else is free: the
//! order, the batches, the protocol, what is sent at the same time, and when rollups are made.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::fmt::Write as _;

use chrono::DateTime;
use futures_util::future::join_all;
use lotwise::rollup;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use reqwest::Method;
use serde_json::json;
use sqlx::postgres::{PgConnection, PgPoolCopyExt};

use crate::support::db::Server;
use crate::support::ingest::{Answer, Ingest, answer};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_way_of_sending_ends_in_the_same_tables_on_timescale() {
    any_way_of_sending_ends_in_the_same_tables(Server::Timescale).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_way_of_sending_ends_in_the_same_tables_on_plain() {
    any_way_of_sending_ends_in_the_same_tables(Server::Plain).await;
}

/// 2026-03-28T00:00:00Z in milliseconds.
const START: i64 = 1_774_656_000_000;

/// The first rollup is made up to here in the middle of the readings, the last one behind them all;
/// within the month in which a run waits for its sensors' next readings.
const MIDDLE: i64 = START + 6 * 3_600_000;
const END: i64 = START + 25 * 86_400_000;

const SENSORS: [&str; 4] = ["gauge", "counter", "delta", "other"];

/// One write.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Row {
    sensor: &'static str,
    /// Milliseconds since 1970.
    time: i64,
    value: f64,
}

type Place = (&'static str, i64);

impl Row {
    fn place(&self) -> Place {
        (self.sensor, self.time)
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Protocol {
    Json,
    Lines,
    Csv,
}

/// A request.
#[derive(Debug, Clone)]
struct Batch {
    protocol: Protocol,
    rows: Vec<Row>,
}

/// What happens one after the other.
#[derive(Debug, Clone)]
enum Step {
    /// These requests, at the same time.
    Send(Vec<Batch>),
    /// Rollups of what is there.
    Roll(i64),
}

fn row() -> impl Strategy<Value = Row> {
    // Few places, so that many writes meet: minutes around the edges of hours, and other weeks.
    let time = prop_oneof![
        (0..12_i64, -2..3_i64).prop_map(|(hour, minute)| hour * 3_600_000 + minute * 60_000),
        (0..4_i64, 0..3_i64).prop_map(|(week, ms)| week * 7 * 86_400_000 + ms),
    ];
    let value = prop_oneof![
        (-1_000_000..1_000_000_i64).prop_map(|thousandth| thousandth as f64 / 1_000.0),
        any::<f64>().prop_filter("a number that sums stay finite of", |v| v.abs() < 1e100),
        Just(0.0),
        Just(-0.0),
    ];
    (prop::sample::select(&SENSORS[..]), time, value).prop_map(|(sensor, time, value)| Row {
        sensor,
        time: START + time,
        value,
    })
}

/// The readings, and a seed for the way in which they are sent again.
fn case() -> impl Strategy<Value = (Vec<Row>, u64)> {
    (prop::collection::vec(row(), 1..150), any::<u64>())
}

/// In another order, with repeats, in other batches.
fn another_way(rows: &[Row], seed: u64) -> Vec<Step> {
    use rand::rngs::StdRng;
    use rand::seq::IndexedRandom;
    use rand::{Rng, SeedableRng};
    let mut random = StdRng::seed_from_u64(seed);
    let mut waiting: BTreeMap<Place, VecDeque<Row>> = BTreeMap::new();
    for row in rows {
        waiting.entry(row.place()).or_default().push_back(*row);
    }
    let mut order = Vec::new();
    while !waiting.is_empty() {
        let places: Vec<Place> = waiting.keys().copied().collect();
        let place = *places.choose(&mut random).expect("a place");
        let queue = waiting.get_mut(&place).expect("its writes");
        let row = *queue.front().expect("a write");
        order.push(row);
        // A write that stays at the front comes again.
        if random.random_bool(0.75) {
            queue.pop_front();
        }
        if queue.is_empty() {
            waiting.remove(&place);
        }
    }
    let mut steps = Vec::new();
    let mut rest = order.as_slice();
    while !rest.is_empty() {
        let mut together: Vec<Batch> = Vec::new();
        let mut taken: HashSet<Place> = HashSet::new();
        while let Some(next) = rest.first() {
            // Only requests about other places may be on their way at the same time.
            if taken.contains(&next.place()) || together.len() == 6 {
                break;
            }
            let size = random.random_range(1..=30).min(rest.len());
            let free = rest[..size].iter().take_while(|row| !taken.contains(&row.place())).count();
            let (rows, after) = rest.split_at(free);
            rest = after;
            taken.extend(rows.iter().map(Row::place));
            let protocol =
                *[Protocol::Json, Protocol::Lines, Protocol::Csv].choose(&mut random).expect("one");
            together.push(Batch { protocol, rows: rows.to_vec() });
            if random.random_bool(0.3) {
                break;
            }
        }
        steps.push(Step::Send(together));
        if random.random_bool(0.2) {
            steps.push(Step::Roll(if random.random() { MIDDLE } else { END }));
        }
    }
    steps
}

impl Batch {
    async fn send(&self, ingest: &Ingest) -> Answer {
        match self.protocol {
            Protocol::Json => {
                let rows: Vec<_> = self
                    .rows
                    .iter()
                    .map(|r| json!({"sensor": r.sensor, "time": r.time, "value": r.value}))
                    .collect();
                ingest.readings(json!(rows)).await
            }
            Protocol::Lines => {
                let mut lines = String::new();
                for Row { sensor, time, value } in &self.rows {
                    let _ = writeln!(lines, "{sensor} value={value} {time}");
                }
                let path = "/api/v2/write?bucket=madrid&precision=ms";
                answer(ingest.request(Method::POST, path).body(lines)).await
            }
            Protocol::Csv => {
                let mut file = String::from("time,sensor,value\n");
                for Row { sensor, time, value } in &self.rows {
                    let _ = writeln!(file, "{time},{sensor},{value}");
                }
                let path = "/v1/readings/csv?layout=long&time_format=unix-ms&plant=madrid";
                answer(ingest.request(Method::POST, path).body(file)).await
            }
        }
    }
}

async fn run(ingest: &Ingest, keeper: &mut PgConnection, steps: &[Step]) {
    for step in steps {
        match step {
            Step::Send(batches) => {
                let answers = join_all(batches.iter().map(|batch| batch.send(ingest))).await;
                for (batch, answer) in batches.iter().zip(answers) {
                    let accepted = answer.status == 204 || answer.body["rejected"] == 0;
                    assert!(accepted, "{batch:?}: {} {}", answer.status, answer.text);
                }
            }
            Step::Roll(until) => roll(keeper, *until).await,
        }
    }
}

async fn roll(keeper: &mut PgConnection, until: i64) {
    let until = DateTime::from_timestamp_millis(until);
    rollup::refresh(keeper, until).await.expect("rollups");
}

/// Every table that readings end up in.
const TABLES: [&str; 5] = [
    "SELECT p.key, s.key, r.time, r.value FROM reading r
     JOIN sensor s ON s.id = r.sensor_id JOIN plant p ON p.id = r.plant_id ORDER BY 1, 2, 3",
    "SELECT * FROM rollup_hour ORDER BY plant_id, sensor_id, hour",
    "SELECT * FROM rollup_run ORDER BY plant_id, sensor_id, started_at, run_id",
    "SELECT * FROM rollup_dirty ORDER BY plant_id, sensor_id, hour",
    "SELECT * FROM quarantine ORDER BY plant_id, sensor, time",
];

/// As COPY writes them in binary.
async fn dump(ingest: &Ingest) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for table in TABLES {
        let copy = format!("COPY ({table}) TO STDOUT (FORMAT binary)");
        let mut stream = ingest.pool.copy_out_raw(&copy).await.expect("copy");
        let mut bytes = Vec::new();
        while let Some(part) = futures_util::StreamExt::next(&mut stream).await {
            bytes.extend_from_slice(&part.expect("a part"));
        }
        all.push(bytes);
    }
    all
}

/// The rows for people.
async fn texts(ingest: &Ingest, table: &str) -> Vec<String> {
    let sql = sqlx::AssertSqlSafe(format!("SELECT x::text FROM ({table}) x"));
    sqlx::query_scalar(sql).fetch_all(&ingest.pool).await.expect("rows")
}

async fn clear(ingest: &Ingest) {
    sqlx::raw_sql(
        "TRUNCATE reading, rollup_hour, rollup_run, rollup_run_done, rollup_dirty, rollup_sensor;
         UPDATE rollup_state SET mark_until = NULL",
    )
    .execute(&ingest.pool)
    .await
    .expect("empty tables");
}

async fn factory(server: Server) -> Ingest {
    let ingest = Ingest::with_plants(server).await;
    let sensor = |key: &str, kind: &str| {
        json!({"plant": "madrid", "key": key, "name": key, "line": "M1", "quantity": "energy", "unit": "kWh",
               "kind": kind, "interval_s": 60, "max_gap_s": 7_200})
    };
    let sensors = [
        sensor("gauge", "gauge"),
        sensor("counter", "counter"),
        sensor("delta", "delta"),
        sensor("other", "gauge"),
    ];
    ingest.create("sensors", json!(sensors)).await;
    ingest
        .create(
            "runs",
            json!([
            {"plant": "madrid", "key": "R1", "line": "M1", "lot": "L1", "reference": "A",
             "started_at": "2026-03-28T00:30:00Z", "ended_at": "2026-03-28T04:59:30Z"},
            {"plant": "madrid", "key": "R2", "line": "M1", "lot": "L2", "reference": "B",
             "started_at": "2026-03-28T05:00:00Z", "ended_at": "2026-03-28T09:00:00Z"}]),
        )
        .await;
    ingest
}

async fn any_way_of_sending_ends_in_the_same_tables(server: Server) {
    let ingest = factory(server).await;
    let mut keeper = rollup::connect(&ingest.db.url).await.expect("connect");
    assert!(rollup::try_lock(&mut keeper).await.expect("lock"));
    let config = Config { cases: 12, failure_persistence: None, ..Config::default() };
    let keeper = tokio::sync::Mutex::new(keeper);
    let checked = tokio::task::block_in_place(|| {
        TestRunner::new(config).run(&case(), |(rows, seed)| {
            tokio::runtime::Handle::current().block_on(async {
                let mut keeper = keeper.lock().await;
                clear(&ingest).await;
                let plain = Batch { protocol: Protocol::Json, rows: rows.clone() };
                let in_order = [Step::Send(vec![plain])];
                run(&ingest, &mut keeper, &in_order).await;
                roll(&mut keeper, END).await;
                let expected = dump(&ingest).await;
                let mut expected_rows = Vec::new();
                for table in TABLES {
                    expected_rows.push(texts(&ingest, table).await);
                }
                let places: HashSet<Place> = rows.iter().map(Row::place).collect();
                let stored: i64 = sqlx::query_scalar("SELECT count(*) FROM reading")
                    .fetch_one(&ingest.pool)
                    .await
                    .expect("count");
                prop_assert_eq!(stored as usize, places.len());

                clear(&ingest).await;
                let steps = another_way(&rows, seed);
                run(&ingest, &mut keeper, &steps).await;
                roll(&mut keeper, END).await;
                let got = dump(&ingest).await;
                for (index, table) in TABLES.iter().enumerate() {
                    if got[index] != expected[index] {
                        let (rows, wanted) = (texts(&ingest, table).await, &expected_rows[index]);
                        let shown =
                            format!("{table}\n{rows:#?}\ninstead of\n{wanted:#?}\n{steps:?}");
                        return Err(TestCaseError::fail(shown));
                    }
                }
                Ok(())
            })
        })
    });
    checked.unwrap_or_else(|e| panic!("{e}"));
    drop(ingest);
}
