//! Parts add up to the whole, whatever the parts are: sub-intervals, buckets, groups of runs with what
//! is unallocated, runs and states and neither. Over random factories and partitions.

use lotwise::answer::{self, Source};
use lotwise::catalog::{self, Catalog};
use lotwise::db::Db;
use lotwise::domain::TimeRange;
use lotwise::frame::Frame;
use lotwise::plan::{Ask, Items, Window};
use lotwise::sql::cell::Ends;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};

use crate::oracle::world::{NOW, SECOND, World};
use crate::oracle::{HOUR, START, at};
use crate::support::db::{Server, TestDb};
use crate::support::source::plugin_db;
use crate::support::sums;

struct Asked<'a> {
    db: &'a Db,
    catalog: &'a Catalog,
}

impl Asked<'_> {
    async fn frames(&self, (from, to): (i64, i64), query: &Value) -> Vec<Frame> {
        let ask = Ask {
            range: TimeRange::new(at(from), at(to)).unwrap(),
            interval_s: 1.0,
            max_data_points: 1_000,
            max_points: 1_000_000,
            now: at(NOW),
        };
        let source = Source { db: self.db, catalog: self.catalog };
        answer::answer(&source, query.to_string().as_bytes(), &ask).await.unwrap()
    }

    /// All numbers of a KPI, of tables or of series.
    async fn total(&self, range: (i64, i64), query: &Value, kpi: &str) -> f64 {
        let frames = self.frames(range, query).await;
        let is_table = frames.first().is_some_and(|f| f.numbers(kpi).is_some());
        let column = if is_table { kpi } else { "value" };
        frames.iter().filter_map(|f| f.numbers(column)).flatten().flatten().sum()
    }
}

fn kpi(name: &str, group: &str, bucket: &str) -> Value {
    json!({"type": "kpi", "kpis": [name], "groupBy": group, "bucket": bucket})
}

#[track_caller]
fn add_up(parts: f64, whole: f64, what: impl Fn() -> String) {
    let scale = whole.abs().max(parts.abs()).max(1.0);
    assert!((parts - whole).abs() <= 1e-9 * scale, "{}: {parts} of {whole}", what());
}

fn partition(rng: &mut StdRng, (from, to): (i64, i64)) -> Vec<(i64, i64)> {
    let mut edges = vec![from, to];
    for _ in 0..rng.random_range(1..7) {
        let grain = [SECOND, HOUR][rng.random_range(0..2)];
        let edge = rng.random_range(from..to) / grain * grain;
        edges.extend(Some(edge).filter(|e| *e > from));
    }
    edges.sort_unstable();
    edges.dedup();
    edges.windows(2).map(|e| (e[0], e[1])).collect()
}

async fn parts_add_up(server: Server) {
    let db = TestDb::migrated(server).await;
    let plugin = plugin_db(&db.url);
    let mut world = World::new(&db, 71).await;
    let mut rng = StdRng::seed_from_u64(72);
    let mut cut = 0;
    for _ in 0..12 {
        let catalog = catalog::load(&plugin, &[], &[]).await.unwrap();
        let asked = Asked { db: &plugin, catalog: &catalog };
        let from = START + rng.random_range(0..12 * 3_600) * SECOND;
        let range = (from, from + rng.random_range(2 * 3_600..15 * 3_600) * SECOND);
        for name in ["energy", "co2"] {
            let whole = asked.total(range, &kpi(name, "none", "whole"), name).await;
            let mut parts = 0.0;
            for part in partition(&mut rng, range) {
                parts += asked.total(part, &kpi(name, "none", "whole"), name).await;
                cut += 1;
            }
            add_up(parts, whole, || format!("{server:?} {name}: sub-intervals of {range:?}"));
            for bucket in ["hour", "shift", "day", "15m", "2h"] {
                let parts = asked.total(range, &kpi(name, "none", bucket), name).await;
                add_up(parts, whole, || format!("{server:?} {name}: {bucket} of {range:?}"));
            }
            // With what is unallocated, which is a row or a series of its own.
            for group in ["line", "machine", "reference", "lot", "operator"] {
                let bucket = *["whole", "hour"].choose(&mut rng).unwrap();
                let parts = asked.total(range, &kpi(name, group, bucket), name).await;
                add_up(parts, whole, || {
                    format!("{server:?} {name}: {group} {bucket} of {range:?}")
                });
            }
        }
        states_add_up(&asked, &world, &mut rng, range).await;
        world.go_on().await;
    }
    assert!(cut > 50, "{cut}");
}

/// Time in runs, time in a state without a run, and the rest, for every meter.
async fn states_add_up(asked: &Asked<'_>, world: &World, rng: &mut StdRng, (from, to): (i64, i64)) {
    let mut states: Vec<(i64, i64)> = Vec::new();
    let mut start = from;
    while start < to {
        let end = (start + rng.random_range(60..7_200) * SECOND).min(to);
        if rng.random_bool(0.6) {
            states.push((start, end));
        }
        start = end;
    }
    let line = world.runs.choose(rng).unwrap().line;
    let runs: Vec<(i64, i64)> = world
        .runs
        .iter()
        .filter(|r| r.line == line && r.machine.is_none())
        .map(|r| (r.from.max(from), r.end().min(to)))
        .filter(|(a, b)| a < b)
        .collect();
    let mut edges: Vec<i64> = [from, to].into_iter().collect();
    edges.extend(runs.iter().chain(&states).flat_map(|(a, b)| [*a, *b]));
    edges.sort_unstable();
    edges.dedup();
    let is_in = |list: &[(i64, i64)], t: i64| list.iter().any(|(a, b)| (*a..*b).contains(&t));
    for items in [Items::Readings, Items::Hours] {
        for sensor in &asked.catalog.sensors {
            let window = |(a, b): (i64, i64)| Window {
                sensor,
                range: TimeRange::new(at(a), at(b)).unwrap(),
            };
            let pieces: Vec<(i64, i64)> = edges.windows(2).map(|e| (e[0], e[1])).collect();
            let mut windows: Vec<Window<'_>> = pieces.iter().map(|p| window(*p)).collect();
            windows.push(window((from, to)));
            let bounds = [at(from), at(to)];
            let (mut in_runs, mut in_states, mut neither, mut whole) = (0.0, 0.0, 0.0, 0.0);
            for cell in sums::cells(asked.db, &windows, &bounds, items, Ends::Omit).await {
                let sum = cell.integral + cell.amount.unwrap_or(0.0);
                match pieces.get(cell.window) {
                    None => whole += sum,
                    Some((a, _)) if is_in(&runs, *a) => in_runs += sum,
                    Some((a, _)) if is_in(&states, *a) => in_states += sum,
                    Some(_) => neither += sum,
                }
            }
            add_up(in_runs + in_states + neither, whole, || format!("{items:?} {sensor:?}"));
        }
    }
}

#[tokio::test]
async fn parts_add_up_on_timescaledb() {
    parts_add_up(Server::Timescale).await;
}

#[tokio::test]
async fn parts_add_up_on_plain_postgresql() {
    parts_add_up(Server::Plain).await;
}

#[tokio::test]
async fn parts_add_up_on_timescaledb_community() {
    parts_add_up(Server::Tsl).await;
}
