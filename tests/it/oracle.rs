//! The sums of windows against a slow, obviously right implementation: whole
//! microseconds, one segment after the other, no SQL, no rollups. [`pipeline`] puts questions to the
//! whole way from a saved query to frames.

mod pipeline;
mod question;
mod truth;
pub mod world;

use chrono::{DateTime, Utc};
use chrono_tz::{America, Asia, Europe};
use lotwise::catalog::Sensor;
use lotwise::domain::{Bucket, Calendar, SensorKind, TimeRange};
use lotwise::plan::{Items, Window};
use lotwise::rollup;
use lotwise::sql::cell::{Cell, Ends};
use lotwise::sql::whole_runs;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sqlx::postgres::{PgConnection, PgPool};

use crate::support::db::{Server, TestDb};
use crate::support::source::plugin_db;
use crate::support::sums;

/// 2026-03-28T00:00:00Z, the day before the clocks change in Europe.
pub const START: i64 = 1_774_656_000_000_000;
pub const HOUR: i64 = 3_600_000_000;

#[derive(Debug, Default, Clone, Copy)]
struct Expected {
    integral: f64,
    /// A part of an amount falls in.
    has_amount: bool,
    amount: f64,
    covered_s: f64,
    count: i64,
    sum: f64,
    min: Option<f64>,
    max: Option<f64>,
    first: Option<f64>,
    last: Option<f64>,
}

/// Sums of one window in one bucket, from all readings of the sensor, in microseconds.
fn expected(sensor: &Sensor, readings: &[(i64, f64)], lo: i64, hi: i64) -> Expected {
    let mut sums = Expected::default();
    let us = |s: f64| (s * 1e6).round() as i64;
    // From the last reading before the window to the first one behind it.
    let first = readings.partition_point(|r| r.0 < lo).saturating_sub(1);
    for (i, &(t, v)) in readings.iter().enumerate().skip(first) {
        if i > 0 && readings[i - 1].0 > hi {
            break;
        }
        let delta = sensor.kind == SensorKind::Delta;
        if if delta { t > lo && t <= hi } else { t >= lo && t < hi } {
            sums.count += 1;
            sums.sum += v;
            sums.min = Some(sums.min.map_or(v, |m: f64| m.min(v)));
            sums.max = Some(sums.max.map_or(v, |m: f64| m.max(v)));
            sums.first = sums.first.or(Some(v));
            sums.last = Some(v);
        }
        let (s0, e0, from, to) = match (delta, readings.get(i + 1)) {
            (true, _) => {
                let nominal = t - us(sensor.interval_s);
                let before = if i > 0 { readings[i - 1].0 } else { i64::MIN };
                (nominal.max(before), t, 0.0, v)
            }
            (false, Some(&(tn, vn))) => (t, tn, v, vn),
            (false, None) => continue,
        };
        let (s, e) = (s0.max(lo), e0.min(hi));
        if e <= s {
            continue;
        }
        let whole = (e0 - s0) as f64;
        let near = delta || e0 - s0 <= us(sensor.max_gap_s);
        if near {
            sums.covered_s += (e - s) as f64 / 1e6;
        }
        let at = |t: i64| from + (to - from) * ((t - s0) as f64 / whole);
        match sensor.kind {
            SensorKind::Gauge if near => {
                sums.integral += (at(s) + at(e)) / 2.0 * (e - s) as f64 / 1e6;
            }
            SensorKind::Gauge => {}
            SensorKind::Delta => {
                sums.has_amount = true;
                sums.amount += v * (e - s) as f64 / whole;
            }
            SensorKind::Counter => {
                sums.has_amount = true;
                let increment = match sensor.rollover {
                    _ if to >= from => to - from,
                    Some(rollover) if rollover >= from => to - from + rollover,
                    _ => to,
                };
                sums.amount += increment * (e - s) as f64 / whole;
            }
        }
    }
    sums
}

fn random_sensor(rng: &mut StdRng, id: i32) -> (Sensor, Vec<(i64, f64)>) {
    let kind = [SensorKind::Gauge, SensorKind::Counter, SensorKind::Delta][rng.random_range(0..3)];
    random_sensor_of(rng, id, kind)
}

fn random_sensor_of(rng: &mut StdRng, id: i32, kind: SensorKind) -> (Sensor, Vec<(i64, f64)>) {
    let interval_s = [60.0, 300.0, 900.0][rng.random_range(0..3)];
    let rollover = (kind == SensorKind::Counter && rng.random_bool(0.3)).then_some(1000.0);
    let mut t = START + rng.random_range(0..HOUR);
    let mut value: f64 = rng.random_range(0.0..500.0);
    let mut readings = Vec::new();
    while t < START + 30 * HOUR {
        readings.push((t, value));
        let step = (interval_s * 1e6) as i64;
        t += match rng.random_range(0..20) {
            0 => rng.random_range(1..20) * step,
            1 => rng.random_range(1_000..step),
            _ => step,
        };
        value = match kind {
            SensorKind::Gauge => rng.random_range(-20.0..120.0),
            SensorKind::Delta => rng.random_range(0.0..5.0),
            SensorKind::Counter => match (rollover, rng.random_range(0..40)) {
                (None, 0) => rng.random_range(0.0..3.0),
                (None, _) => value + rng.random_range(0.0..3.0),
                (Some(r), _) => (value + rng.random_range(0.0..30.0)) % r,
            },
        };
    }
    let sensor = Sensor {
        id,
        plant: 1,
        line: None,
        machine: None,
        key: format!("s{id}"),
        name: String::new(),
        quantity: "any".into(),
        unit: String::new(),
        kind,
        interval_s,
        max_gap_s: interval_s * 3.0,
        rollover,
        parent: None,
    };
    (sensor, readings)
}

pub fn at(us: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(us).unwrap()
}

fn close(a: f64, b: f64, scale: f64) -> bool {
    (a - b).abs() <= 1e-9 * scale.max(a.abs()).max(b.abs()).max(1.0)
}

/// A random history: readings that come late or are corrected, rollups that follow or lag behind.
struct History {
    pool: PgPool,
    keeper: PgConnection,
    rng: StdRng,
    sensors: Vec<(Sensor, Vec<(i64, f64)>)>,
    runs: i32,
}

impl History {
    async fn begin(db: &TestDb, seed: u64) -> Self {
        let pool = db.pool().await;
        let mut rng = StdRng::seed_from_u64(seed);
        sqlx::raw_sql(
            "INSERT INTO plant (key, name, time_zone) VALUES ('p', 'P', 'UTC');
             INSERT INTO line (plant_id, key, name) VALUES (1, 'l', 'L');
             INSERT INTO machine (plant_id, line_id, key, name) VALUES (1, 1, 'm', 'M');
             INSERT INTO reference (plant_id, key, name) VALUES (1, 'r', 'R');
             INSERT INTO lot (plant_id, key, reference_id) VALUES (1, 'lot', 1)",
        )
        .execute(&pool)
        .await
        .unwrap();
        sqlx::query("SELECT lotwise.ensure_partitions($1, $2)")
            .bind(at(START))
            .bind(at(START + 40 * HOUR))
            .execute(&pool)
            .await
            .unwrap();
        let sensors: Vec<_> = (1..=40).map(|id| random_sensor(&mut rng, id)).collect();
        let mut keeper = rollup::connect(&db.url).await.unwrap();
        assert!(rollup::try_lock(&mut keeper).await.unwrap());
        let history = Self { pool, keeper, rng, sensors, runs: 0 };
        for index in 0..history.sensors.len() {
            history.register(index).await;
            let readings = history.sensors[index].1.clone();
            history.store(index, &readings).await;
        }
        history
    }

    /// Writes the sensor's rules.
    async fn register(&self, index: usize) {
        let s = &self.sensors[index].0;
        sqlx::query(
            "INSERT INTO sensor (id, plant_id, line_id, machine_id, key, name, quantity, unit, kind, interval_s, max_gap_s, rollover)
             OVERRIDING SYSTEM VALUE VALUES ($1, 1, 1, 1, $2, '', 'energy', '', $3, $4, $5, $6)
             ON CONFLICT (id) DO UPDATE SET max_gap_s = excluded.max_gap_s, interval_s = excluded.interval_s",
        )
        .bind(s.id)
        .bind(&s.key)
        .bind(s.kind.as_str())
        .bind(s.interval_s)
        .bind(s.max_gap_s)
        .bind(s.rollover)
        .execute(&self.pool)
        .await
        .unwrap();
    }

    /// As the writer does.
    async fn store(&self, index: usize, readings: &[(i64, f64)]) {
        let (times, values): (Vec<_>, Vec<_>) = readings.iter().map(|r| (at(r.0), r.1)).unzip();
        let sensor = self.sensors[index].0.id;
        let mut tx = self.pool.begin().await.unwrap();
        sqlx::query(
            "INSERT INTO lotwise.reading SELECT t, v, 1, $1 FROM unnest($2::timestamptz[], $3::float8[]) AS x(t, v)
             ON CONFLICT (plant_id, sensor_id, time) DO UPDATE SET value = excluded.value",
        )
        .bind(sensor)
        .bind(&times)
        .bind(values)
        .execute(&mut *tx)
        .await
        .unwrap();
        sqlx::query("SELECT rollup_mark(array_fill(1, ARRAY[$1]), array_fill($2, ARRAY[$1]), $3)")
            .bind(times.len() as i32)
            .bind(sensor)
            .bind(times)
            .execute(&mut *tx)
            .await
            .unwrap();
        tx.commit().await.unwrap();
    }

    /// One thing that happens between two questions.
    async fn go_on(&mut self) {
        match self.rng.random_range(0..10) {
            0..=3 => {
                let until = START + self.rng.random_range(0..34) * HOUR;
                rollup::refresh(&mut self.keeper, Some(at(until))).await.unwrap();
            }
            4..=7 => {
                for _ in 0..self.rng.random_range(1..12) {
                    self.change_a_reading().await;
                }
            }
            8 => {
                // The table has them at once, a query of a catalog of some seconds ago has not.
                let index = self.rng.random_range(0..self.sensors.len());
                let interval = self.sensors[index].0.interval_s;
                self.sensors[index].0.max_gap_s = interval * self.rng.random_range(1..5) as f64;
                if self.rng.random_bool(0.5) {
                    self.register(index).await;
                }
            }
            _ => {
                let (a, b) = self.moments();
                self.runs += 1;
                sqlx::query(
                    "INSERT INTO run (plant_id, key, line_id, machine_id, lot_id, started_at, ended_at)
                     VALUES (1, $1, 1, CASE WHEN $4 THEN 1 END, 1, $2, $3) ON CONFLICT DO NOTHING",
                )
                .bind(self.runs.to_string())
                .bind(at(a))
                .bind(at(b))
                .bind(self.rng.random_bool(0.5))
                .execute(&self.pool)
                .await
                .unwrap();
            }
        }
    }

    /// Late, corrected or repeated.
    async fn change_a_reading(&mut self) {
        let index = self.rng.random_range(0..self.sensors.len());
        let readings = &mut self.sensors[index].1;
        let near = readings[self.rng.random_range(0..readings.len())];
        let t = match self.rng.random_range(0..4) {
            0 => near.0,
            1 => near.0 / HOUR * HOUR,
            2 => near.0 + self.rng.random_range(1..60_000_000),
            _ => START - HOUR + self.rng.random_range(0..32 * HOUR),
        };
        let value = near.1 + self.rng.random_range(0.0..2.0);
        match readings.binary_search_by_key(&t, |r| r.0) {
            Ok(at) => readings[at].1 = value,
            Err(at) => readings.insert(at, (t, value)),
        }
        self.store(index, &[(t, value)]).await;
    }

    /// Two moments, on the microsecond, the second or the hour.
    fn moments(&mut self) -> (i64, i64) {
        let grain = [1, 1_000_000, HOUR][self.rng.random_range(0..3)];
        let mut moment =
            || (START - 2 * HOUR + self.rng.random_range(0..34 * HOUR)) / grain * grain;
        let (a, b) = (moment(), moment());
        (a.min(b), a.max(b).max(a.min(b) + 1))
    }

    /// Edges that cut the history: anywhere, hours, days of clocks that change and of one that is
    /// half an hour off.
    fn edges(&mut self) -> Vec<i64> {
        let all = TimeRange::new(at(START - 3 * HOUR), at(START + 33 * HOUR)).unwrap();
        let zone = [Europe::Madrid, Asia::Kolkata, Asia::Kathmandu, America::St_Johns]
            [self.rng.random_range(0..4)];
        let calendar = Calendar { zone, shifts: vec![] };
        let bucket = match self.rng.random_range(0..5) {
            0 => Bucket::Day,
            1 => Bucket::Width(3_600),
            2 => Bucket::Width(6 * 3_600),
            _ => {
                let mut edges: Vec<i64> =
                    (0..6).flat_map(|_| <[i64; 2]>::from(self.moments())).collect();
                edges.extend([START - 3 * HOUR, START + 33 * HOUR]);
                edges.sort_unstable();
                edges.dedup();
                return edges;
            }
        };
        let edges = calendar.edges(bucket, all, 1_000).unwrap();
        edges.iter().map(|e| e.timestamp_micros()).collect()
    }
}

fn check(context: &str, got: Option<&Cell>, want: &Expected, ends: bool) {
    let context = || format!("{context}: {got:?}, expected {want:?}");
    let Some(got) = got else {
        let empty = want.count == 0 && want.covered_s == 0.0 && want.amount == 0.0;
        assert!(empty, "{}", context());
        return;
    };
    assert_eq!(got.count, want.count, "{}", context());
    assert_eq!((got.min, got.max), (want.min, want.max), "{}", context());
    if ends {
        let (first, last) = (got.first.map(|p| p.1), got.last.map(|p| p.1));
        assert_eq!((first, last), (want.first, want.last), "{}", context());
    }
    assert!(close(got.sum, want.sum, 1e3), "{}", context());
    assert!(close(got.covered_s, want.covered_s, 1e3), "{}", context());
    assert!(close(got.integral, want.integral, 1e5), "{}", context());
    assert!(close(got.amount.unwrap_or(0.0), want.amount, 1e3), "{}", context());
}

async fn agrees(server: Server) {
    let db = TestDb::migrated(server).await;
    let plugin = plugin_db(&db.url);
    let mut history = History::begin(&db, 20_260_329).await;
    let (mut questions, mut of_runs) = (0, 0);
    for round in 0..60 {
        let edges = history.edges();
        let moments: Vec<_> = (0..history.sensors.len()).map(|_| history.moments()).collect();
        let windows: Vec<Window<'_>> = moments
            .iter()
            .zip(&history.sensors)
            .map(|((a, b), (sensor, _))| Window {
                sensor,
                range: TimeRange::new(at(*a), at(*b)).unwrap(),
            })
            .collect();
        let cuts: Vec<_> = edges.iter().map(|e| at(*e)).collect();
        for (items, ends) in
            [(Items::Readings, Ends::Read), (Items::Hours, Ends::Read), (Items::Hours, Ends::Omit)]
        {
            let cells = sums::cells(&plugin, &windows, &cuts, items, ends).await;
            for (w, (a, b)) in moments.iter().enumerate() {
                let (sensor, readings) = &history.sensors[w];
                let mut parts = Expected::default();
                for (bucket, edge) in edges.windows(2).enumerate() {
                    let (lo, hi) = ((*a).max(edge[0]), (*b).min(edge[1]));
                    if hi <= lo {
                        continue;
                    }
                    questions += 1;
                    let want = expected(sensor, readings, lo, hi);
                    let got = cells.iter().find(|c| c.window == w && c.bucket == bucket);
                    let context =
                        format!("{server:?} round {round} {items:?} {sensor:?} {lo}..{hi}");
                    check(&context, got, &want, ends == Ends::Read);
                    parts.amount += got.and_then(|c| c.amount).unwrap_or(0.0);
                    parts.integral += got.map_or(0.0, |c| c.integral);
                }
                // Conservation: the parts add up to the window.
                let (lo, hi) = ((*a).max(edges[0]), (*b).min(edges[edges.len() - 1]));
                if lo < hi {
                    let whole = expected(sensor, readings, lo, hi);
                    assert!(close(parts.amount, whole.amount, 1e3), "{parts:?} {whole:?}");
                    assert!(close(parts.integral, whole.integral, 1e5), "{parts:?} {whole:?}");
                }
            }
        }
        of_runs += runs_agree(&mut history, &plugin).await;
        history.go_on().await;
    }
    assert!(questions > 20_000 && of_runs > 200, "{questions} {of_runs}");
}

/// The sums that are kept of whole runs; gives how many there were.
async fn runs_agree(history: &mut History, plugin: &lotwise::db::Db) -> usize {
    let runs: Vec<(DateTime<Utc>, DateTime<Utc>)> =
        sqlx::query_as("SELECT started_at, ended_at FROM run ORDER BY id DESC LIMIT 12")
            .fetch_all(&history.pool)
            .await
            .unwrap();
    let over =
        |range: TimeRange| history.sensors.iter().map(move |(sensor, _)| Window { sensor, range });
    let windows: Vec<Window<'_>> =
        runs.iter().flat_map(|(a, b)| over(TimeRange::new(*a, *b).unwrap())).collect();
    let statement = whole_runs::statement(&windows);
    let rows = plugin.query(&statement.sql, statement.params).await.unwrap();
    for row in &rows {
        let cell = whole_runs::read(row).unwrap();
        let window = &windows[cell.window];
        let readings = &history.sensors[cell.window % history.sensors.len()].1;
        let (lo, hi) =
            (window.range.from().timestamp_micros(), window.range.to().timestamp_micros());
        let want = expected(window.sensor, readings, lo, hi);
        check(&format!("run {:?} {lo}..{hi}", window.sensor), Some(&cell), &want, false);
    }
    // The same sums read sensor by sensor, as for many windows.
    let Some(mut by_sensor) = whole_runs::by_sensor(&windows) else { return 0 };
    let statement = std::mem::take(&mut by_sensor.statement);
    let mut packed = Vec::new();
    for row in plugin.query(&statement.sql, statement.params).await.unwrap() {
        by_sensor.read(&row, &mut packed).unwrap();
    }
    let by_window = |cell: &Cell| cell.window;
    packed.sort_by_key(by_window);
    let mut singly: Vec<Cell> = rows.iter().map(|row| whole_runs::read(row).unwrap()).collect();
    singly.sort_by_key(by_window);
    assert_eq!(packed, singly);
    rows.len()
}

/// The figure of one sensor over a day, from hours.
async fn amount(plugin: &lotwise::db::Db, sensor: &Sensor) -> f64 {
    let range = TimeRange::new(at(START), at(START + 24 * HOUR)).unwrap();
    let windows = [Window { sensor, range }];
    let edges = [range.from(), range.to()];
    sums::cells(plugin, &windows, &edges, Items::Hours, Ends::Omit).await[0].amount.unwrap()
}

/// Hours are read from their rows where these are final, and only there: a row that is wrong shows,
/// unless it is marked, not made yet, or made by other rules.
async fn only_final_rows_are_read(server: Server) {
    let db = TestDb::migrated(server).await;
    let plugin = plugin_db(&db.url);
    let mut history = History::begin(&db, 5).await;
    let index = history.sensors.iter().position(|s| s.0.kind == SensorKind::Counter).unwrap();
    let mut sensor = history.sensors[index].0.clone();
    let want = expected(&sensor, &history.sensors[index].1, START, START + 24 * HOUR).amount;
    let right = |got: f64| close(got, want, 1e3);
    rollup::refresh(&mut history.keeper, Some(at(START + 30 * HOUR))).await.unwrap();
    assert!(right(amount(&plugin, &sensor).await));

    let run = async |sql: &'static str| {
        sqlx::raw_sql(sql).execute(&history.pool).await.unwrap();
    };
    run("UPDATE rollup_hour SET total = total + 1000 WHERE hour = '2026-03-28 12:00+00'").await;
    assert!(!right(amount(&plugin, &sensor).await), "the row is read");
    run("INSERT INTO rollup_dirty SELECT plant_id, sensor_id, hour FROM rollup_hour WHERE hour = '2026-03-28 12:00+00'").await;
    assert!(right(amount(&plugin, &sensor).await), "not when it is marked");
    run("DELETE FROM rollup_dirty").await;
    run("UPDATE rollup_sensor SET built_until = '2026-03-28 12:00+00'").await;
    assert!(right(amount(&plugin, &sensor).await), "not when it is not made yet");
    run("UPDATE rollup_sensor SET built_until = '2026-03-29 00:00+00'").await;
    assert!(!right(amount(&plugin, &sensor).await));
    sensor.max_gap_s *= 2.0;
    assert!(right(amount(&plugin, &sensor).await), "not when it was made by other rules");
}

#[tokio::test]
async fn only_final_rows_are_read_on_timescaledb() {
    only_final_rows_are_read(Server::Timescale).await;
}

#[tokio::test]
async fn only_final_rows_are_read_on_plain_postgresql() {
    only_final_rows_are_read(Server::Plain).await;
}

#[tokio::test]
async fn integrals_are_right_on_timescaledb() {
    agrees(Server::Timescale).await;
}

#[tokio::test]
async fn only_final_rows_are_read_on_timescaledb_community() {
    only_final_rows_are_read(Server::Tsl).await;
}

#[tokio::test]
async fn integrals_are_right_on_timescaledb_community() {
    agrees(Server::Tsl).await;
}

#[tokio::test]
async fn integrals_are_right_on_plain_postgresql() {
    agrees(Server::Plain).await;
}
