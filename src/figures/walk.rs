//! Sums of a window cut at edges of its own, from its readings: what `sql::integrate` adds up in the
//! database, for windows that do not share their edges.
//!
//! The segments are the same: the line between two readings of a gauge that are not too far apart,
//! the increase of a counter, the amount of a delta over the time up to its stamp.

use crate::catalog::Sensor;
use crate::domain::SensorKind;
use crate::sql::integrate::Cell;

/// A window of one sensor.
#[derive(Debug, Clone, Copy)]
pub struct Walk<'a> {
    /// Number of the window, which its cells carry.
    pub window: usize,
    /// The sensor.
    pub sensor: &'a Sensor,
    /// Start, in seconds from any origin.
    pub from: f64,
    /// End, in seconds from the same origin.
    pub to: f64,
}

/// A part of time with what happens in it.
struct Segment {
    from: f64,
    to: f64,
    value: Value,
}

enum Value {
    /// A gauge that goes straight from one value to another.
    Level(f64, f64),
    /// An amount, spread evenly; `covered` tells whether its time counts as covered.
    Amount { amount: f64, covered: bool },
    /// Nothing is known.
    Gap,
}

/// The cells of a window. `readings` are those inside and a neighbour on either side where there is
/// one, ascending in seconds from the window's origin; `edges` are those of the buckets.
pub fn cells(walk: &Walk<'_>, readings: &[(f64, f64)], edges: &[f64]) -> Vec<Cell> {
    let mut cells: Vec<Option<Cell>> = vec![None; edges.len().saturating_sub(1)];
    for (index, &(time, value)) in readings.iter().enumerate() {
        let is_delta = walk.sensor.kind == SensorKind::Delta;
        let inside = match is_delta {
            true => time > walk.from && time <= walk.to,
            false => time >= walk.from && time < walk.to,
        };
        if let Some(cell) = at(edges, time, is_delta).filter(|_| inside) {
            count(slot(&mut cells, walk.window, cell), time, value);
        }
        let previous = index.checked_sub(1).and_then(|i| readings.get(i));
        if let Some(segment) =
            segment(walk.sensor, previous, (time, value), readings.get(index + 1))
        {
            add(walk, &segment, edges, &mut cells);
        }
    }
    cells.into_iter().flatten().collect()
}

/// The segment that belongs to a reading: up to the next one, or of a delta back in time.
fn segment(
    sensor: &Sensor,
    previous: Option<&(f64, f64)>,
    (time, value): (f64, f64),
    next: Option<&(f64, f64)>,
) -> Option<Segment> {
    if sensor.kind == SensorKind::Delta {
        let nominal = time - sensor.interval_s;
        let from = previous.map_or(nominal, |p| p.0.max(nominal));
        return Some(Segment {
            from,
            to: time,
            value: Value::Amount { amount: value, covered: true },
        });
    }
    let &(to, after) = next?;
    // A microsecond's grain must not turn an even gap into a longer one.
    let near = to - time <= sensor.max_gap_s + 5e-7;
    let value = match sensor.kind {
        SensorKind::Gauge if near => Value::Level(value, after),
        SensorKind::Gauge => Value::Gap,
        _ => Value::Amount { amount: increase(sensor, value, after), covered: near },
    };
    Some(Segment { from: time, to, value })
}

/// Increase of a counter: a fall is a roll-over where the sensor has one, else a restart from 0.
fn increase(sensor: &Sensor, before: f64, after: f64) -> f64 {
    match sensor.rollover {
        _ if after >= before => after - before,
        Some(rollover) if rollover >= before => after - before + rollover,
        _ => after,
    }
}

/// Adds the parts of a segment to the cells of their buckets.
fn add(walk: &Walk<'_>, segment: &Segment, edges: &[f64], cells: &mut [Option<Cell>]) {
    let (from, to) = (segment.from.max(walk.from), segment.to.min(walk.to));
    let first = edges.partition_point(|e| *e <= from).saturating_sub(1);
    for bucket in first..cells.len() {
        let (start, end) = (from.max(edges[bucket]), to.min(edges[bucket + 1]));
        if edges[bucket] >= to {
            break;
        }
        let (seconds, length) = (end - start, segment.to - segment.from);
        if seconds <= 0.0 || length <= 0.0 {
            continue;
        }
        match segment.value {
            Value::Gap => {}
            Value::Level(before, after) => {
                let middle = ((start + end) / 2.0 - segment.from) / length;
                let cell = slot(cells, walk.window, bucket);
                cell.integral += (before + (after - before) * middle) * seconds;
                cell.covered_s += seconds;
            }
            Value::Amount { amount, covered } => {
                let cell = slot(cells, walk.window, bucket);
                cell.amount = Some(cell.amount.unwrap_or(0.0) + amount * seconds / length);
                cell.covered_s += if covered { seconds } else { 0.0 };
            }
        }
    }
}

/// The bucket of an instant; a delta's stamp is the end of its time.
fn at(edges: &[f64], time: f64, is_end: bool) -> Option<usize> {
    let before = match is_end {
        true => edges.partition_point(|e| *e < time),
        false => edges.partition_point(|e| *e <= time),
    };
    before.checked_sub(1).filter(|bucket| bucket + 1 < edges.len())
}

fn slot(cells: &mut [Option<Cell>], window: usize, bucket: usize) -> &mut Cell {
    cells[bucket].get_or_insert(Cell {
        window,
        bucket,
        integral: 0.0,
        amount: None,
        covered_s: 0.0,
        count: 0,
        sum: 0.0,
        min: None,
        max: None,
        first: None,
        last: None,
    })
}

fn count(cell: &mut Cell, time: f64, value: f64) {
    cell.count += 1;
    cell.sum += value;
    cell.min = Some(cell.min.map_or(value, |m| m.min(value)));
    cell.max = Some(cell.max.map_or(value, |m| m.max(value)));
    cell.first = cell.first.or(Some((time, value)));
    cell.last = Some((time, value));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sensor(kind: SensorKind) -> Sensor {
        Sensor {
            id: 1,
            plant: 1,
            line: Some(1),
            machine: None,
            key: "s".into(),
            name: String::new(),
            quantity: "any".into(),
            unit: String::new(),
            kind,
            interval_s: 60.0,
            max_gap_s: 60.0,
            rollover: None,
            parent: None,
        }
    }

    #[test]
    fn segments_are_cut_at_the_edges_of_window_and_buckets() {
        let gauge = sensor(SensorKind::Gauge);
        let walk = Walk { window: 3, sensor: &gauge, from: 30.0, to: 150.0 };
        // From 10 to 70 in a minute, a minute level, then a gap.
        let readings = [(0.0, 10.0), (60.0, 70.0), (120.0, 70.0), (300.0, 0.0)];
        let cells = cells(&walk, &readings, &[0.0, 60.0, 120.0, 180.0]);
        let sums: Vec<_> =
            cells.iter().map(|c| (c.bucket, c.integral, c.covered_s, c.count)).collect();
        assert_eq!(sums, [(0, 55.0 * 30.0, 30.0, 0), (1, 70.0 * 60.0, 60.0, 1), (2, 0.0, 0.0, 1)]);
        assert!(cells.iter().all(|c| c.window == 3));
    }

    /// A random history, with gaps and falls, and random edges inside [0, 3600].
    fn history() -> impl proptest::strategy::Strategy<Value = (usize, Vec<(f64, f64)>, Vec<f64>)> {
        use proptest::prelude::*;
        let reading = (1.0..200.0f64, 0.0..100.0f64);
        let edges = prop::collection::vec(0.0..3_600.0f64, 0..12);
        (0..4usize, prop::collection::vec(reading, 0..60), edges).prop_map(
            |(kind, steps, edges)| {
                let mut at = -100.0;
                let readings = steps.into_iter().map(|(step, value)| {
                    at += step;
                    (at, value)
                });
                let mut edges: Vec<f64> = edges.into_iter().chain([0.0, 3_600.0]).collect();
                edges.sort_by(f64::total_cmp);
                (kind, readings.collect(), edges)
            },
        )
    }

    proptest::proptest! {
        #[test]
        fn buckets_and_windows_add_up_to_the_whole((kind, readings, edges) in history()) {
            let kinds = [SensorKind::Gauge, SensorKind::Counter, SensorKind::Delta, SensorKind::Counter];
            let sensor = Sensor {
                max_gap_s: 120.0,
                rollover: (kind == 3).then_some(100.0),
                ..sensor(kinds[kind])
            };
            let sums = |from: f64, to: f64, edges: &[f64]| {
                let walk = Walk { window: 0, sensor: &sensor, from, to };
                cells(&walk, &readings, edges).iter().fold([0.0; 5], |all, c| {
                    let part = [c.integral, c.amount.unwrap_or(0.0), c.covered_s, c.sum, c.count as f64];
                    std::array::from_fn(|i| all[i] + part[i])
                })
            };
            let whole = sums(0.0, 3_600.0, &[0.0, 3_600.0]);
            let buckets = sums(0.0, 3_600.0, &edges);
            let windows = edges.windows(2).filter(|e| e[0] < e[1]).fold([0.0; 5], |all, e| {
                let part = sums(e[0], e[1], &[0.0, 3_600.0]);
                std::array::from_fn(|i| all[i] + part[i])
            });
            for parts in [buckets, windows] {
                for (part, whole) in parts.iter().zip(whole) {
                    proptest::prop_assert!((part - whole).abs() <= 1e-9 * (1.0 + whole.abs()), "{parts:?} {whole:?}");
                }
            }
        }
    }

    #[test]
    fn amounts_are_shared_in_proportion_to_time_and_a_fall_is_a_restart() {
        let counter = sensor(SensorKind::Counter);
        let walk = Walk { window: 0, sensor: &counter, from: 15.0, to: 120.0 };
        let got = cells(&walk, &[(0.0, 8.0), (60.0, 20.0), (120.0, 5.0)], &[0.0, 30.0, 120.0]);
        let amounts: Vec<_> = got.iter().map(|c| c.amount.unwrap_or(0.0)).collect();
        assert_eq!(amounts, [12.0 * 15.0 / 60.0, 12.0 * 30.0 / 60.0 + 5.0]);

        let delta = sensor(SensorKind::Delta);
        let walk = Walk { window: 0, sensor: &delta, from: 0.0, to: 60.0 };
        // The second one covers 20 s only, up to the reading before.
        let got = cells(&walk, &[(40.0, 6.0), (60.0, 4.0)], &[0.0, 50.0, 60.0]);
        let got: Vec<_> = got.iter().map(|c| (c.amount.unwrap_or(0.0), c.count)).collect();
        assert_eq!(got, [(6.0 * 40.0 / 60.0 + 2.0, 1), (2.0, 1)]);
    }
}
