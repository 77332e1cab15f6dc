//! The integrals of `sql::integrate` against a slow, obviously right implementation: whole
//! microseconds, one segment after the other, no SQL.

use chrono::{DateTime, Utc};
use lotwise::catalog::Sensor;
use lotwise::domain::{SensorKind, TimeRange};
use lotwise::plan::Window;
use lotwise::sql::integrate::{self, Cell, Ends};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::support::db::{Server, TestDb};
use crate::support::source::plugin_db;

/// 2026-03-28T00:00:00Z, the day before the clocks change in Europe.
const START: i64 = 1_774_656_000_000_000;
const HOUR: i64 = 3_600_000_000;

#[derive(Debug, Default, Clone, Copy)]
struct Expected {
    integral: f64,
    amount: f64,
    covered_s: f64,
    count: i64,
    min: Option<f64>,
    max: Option<f64>,
    first: Option<f64>,
    last: Option<f64>,
}

/// Sums of one window in one bucket, from all readings of the sensor, in microseconds.
fn expected(sensor: &Sensor, readings: &[(i64, f64)], lo: i64, hi: i64) -> Expected {
    let mut sums = Expected::default();
    let us = |s: f64| (s * 1e6).round() as i64;
    for (i, &(t, v)) in readings.iter().enumerate() {
        let delta = sensor.kind == SensorKind::Delta;
        if if delta { t > lo && t <= hi } else { t >= lo && t < hi } {
            sums.count += 1;
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
            SensorKind::Delta => sums.amount += v * (e - s) as f64 / whole,
            SensorKind::Counter => {
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

fn at(us: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(us).unwrap()
}

fn close(a: f64, b: f64, scale: f64) -> bool {
    (a - b).abs() <= 1e-9 * scale.max(a.abs()).max(b.abs()).max(1.0)
}

async fn agrees(server: Server) {
    let db = TestDb::migrated(server).await;
    let pool = db.pool().await;
    let plugin = plugin_db(&db.url);
    let mut rng = StdRng::seed_from_u64(20_260_329);
    sqlx::query("SELECT lotwise.ensure_partitions($1, $2)")
        .bind(at(START))
        .bind(at(START + 40 * HOUR))
        .execute(&pool)
        .await
        .unwrap();
    let sensors: Vec<_> = (1..=40).map(|id| random_sensor(&mut rng, id)).collect();
    for (sensor, readings) in &sensors {
        let (times, values): (Vec<_>, Vec<_>) = readings.iter().map(|r| (at(r.0), r.1)).unzip();
        sqlx::query("INSERT INTO lotwise.reading SELECT t, v, 1, $1 FROM unnest($2::timestamptz[], $3::float8[]) AS x(t, v)")
            .bind(sensor.id)
            .bind(times)
            .bind(values)
            .execute(&pool)
            .await
            .unwrap();
    }
    let mut questions = 0;
    for _ in 0..40 {
        // Windows anywhere, also before the first and after the last reading; edges that cut them.
        let mut moment = |whole_seconds: bool| {
            let t = START - 2 * HOUR + rng.random_range(0..34 * HOUR);
            if whole_seconds { t / 1_000_000 * 1_000_000 } else { t }
        };
        let whole_seconds = questions % 2 == 0;
        let mut edges: Vec<i64> = (0..12).map(|_| moment(whole_seconds)).collect();
        edges.extend([START - 3 * HOUR, START + 33 * HOUR]);
        edges.sort_unstable();
        edges.dedup();
        let mut windows = Vec::new();
        for (sensor, readings) in &sensors {
            let (a, b) = (moment(whole_seconds), moment(whole_seconds));
            if let Ok(range) = TimeRange::new(at(a.min(b)), at(a.max(b))) {
                windows.push((Window { sensor, range }, readings, a.min(b), a.max(b)));
            }
        }
        let cuts: Vec<_> = edges.iter().map(|e| at(*e)).collect();
        let list: Vec<_> = windows.iter().map(|w| w.0.clone()).collect();
        let statement = integrate::statement(&list, &cuts, Ends::Read);
        let rows = plugin.query(&statement.sql, statement.params).await.unwrap();
        let cells: Vec<Cell> = rows.iter().map(|r| integrate::read(r).unwrap()).collect();
        for (w, (window, readings, a, b)) in windows.iter().enumerate() {
            let mut parts = Expected::default();
            for (bucket, edge) in edges.windows(2).enumerate() {
                let (lo, hi) = ((*a).max(edge[0]), (*b).min(edge[1]));
                if hi <= lo {
                    continue;
                }
                questions += 1;
                let want = expected(window.sensor, readings, lo, hi);
                let got = cells.iter().find(|c| c.window == w && c.bucket == bucket);
                let context = || {
                    format!("{server:?} {:?} {lo}..{hi}: {got:?}, expected {want:?}", window.sensor)
                };
                let Some(got) = got else {
                    assert!(
                        want.count == 0 && want.covered_s == 0.0 && want.amount == 0.0,
                        "{}",
                        context()
                    );
                    continue;
                };
                assert_eq!(got.count, want.count, "{}", context());
                assert_eq!((got.min, got.max), (want.min, want.max), "{}", context());
                assert_eq!(
                    (got.first.map(|p| p.1), got.last.map(|p| p.1)),
                    (want.first, want.last),
                    "{}",
                    context()
                );
                assert!(close(got.covered_s, want.covered_s, 1e3), "{}", context());
                assert!(close(got.integral, want.integral, 1e5), "{}", context());
                assert!(close(got.amount.unwrap_or(0.0), want.amount, 1e3), "{}", context());
                parts.amount += got.amount.unwrap_or(0.0);
                parts.integral += got.integral;
            }
            // Conservation: the parts add up to the window.
            let whole = expected(window.sensor, readings, *a, *b);
            assert!(close(parts.amount, whole.amount, 1e3), "{parts:?} {whole:?}");
            assert!(close(parts.integral, whole.integral, 1e5), "{parts:?} {whole:?}");
        }
    }
    assert!(questions > 5_000, "{questions}");
}

#[tokio::test]
async fn integrals_are_right_on_timescaledb() {
    agrees(Server::Timescale).await;
}

#[tokio::test]
async fn integrals_are_right_on_plain_postgresql() {
    agrees(Server::Plain).await;
}
