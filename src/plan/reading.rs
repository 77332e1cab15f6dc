//! What the figures of a plan are read from: readings, hours, or the kept sums of runs.
//!
//! Any source gives the same figures; the choice is one of time.

use std::ops::Range;

use chrono::{DateTime, SecondsFormat, Utc};

use super::Window;
use crate::domain::TimeRange;
use crate::domain::time::epoch_seconds;

/// What is added up. Both give the same figures, to rounding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Items {
    /// Readings only.
    Readings,
    /// Rollups of whole hours where they are final, readings for the rest.
    Hours,
}

/// Readings that hours must save before they are asked: with fewer, one more table costs more.
const WORTH_IT: f64 = 500.0;

/// Where the sums of some windows come from, with what it costs.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// What is read.
    pub items: Items,
    /// Rows to be read, estimated from the sensors' intervals.
    pub rows: f64,
    /// Why, in words.
    pub reason: String,
}

/// Chooses for windows that are cut at `edges`; readings before `raw_from` are not kept.
pub fn choose(
    windows: &[Window<'_>],
    edges: &[DateTime<Utc>],
    raw_from: Option<DateTime<Utc>>,
) -> Reading {
    let raw: f64 = windows.iter().map(|w| w.range.seconds() / w.sensor.interval_s + 2.0).sum();
    let readings = |reason: String| Reading { items: Items::Readings, rows: raw, reason };
    if let Some(from) = raw_from.filter(|from| need_before(windows, *from)) {
        let rows = windows.iter().map(|w| whole_hours(w.range) + 2.0).sum();
        let from = from.to_rfc3339_opts(SecondsFormat::Secs, true);
        let reason = format!(
            "hours, because readings before {from} are not kept; where an edge cuts such an hour, in proportion to time"
        );
        return Reading { items: Items::Hours, rows, reason };
    }
    let widths = edges.windows(2).map(|e| epoch_seconds(e[1]) - epoch_seconds(e[0]));
    // The widest: buckets at the ends of a range may be cut short.
    if widths.fold(0.0, f64::max) < 3_600.0 {
        return readings("readings, because buckets are narrower than an hour".to_owned());
    }
    let (mut hours, mut saved) = (0.0, 0.0);
    for window in windows {
        let whole = whole_hours(window.range);
        hours += whole;
        saved += whole * (3_600.0 / window.sensor.interval_s - 1.0);
    }
    if saved < WORTH_IT {
        return readings("readings, because few whole hours lie inside".to_owned());
    }
    let rows = raw - saved;
    let reason = format!(
        "{hours} whole hours from rollups, readings at the ends and where they changed since"
    );
    Reading { items: Items::Hours, rows, reason }
}

/// Whether some window needs what was read before a time. A counter's neighbour, however far back, is
/// found without.
pub fn need_before(windows: &[Window<'_>], time: DateTime<Utc>) -> bool {
    windows.iter().any(|Window { sensor, range }| {
        let reach = sensor.kind.reach_s(sensor.max_gap_s, sensor.interval_s).unwrap_or(0.0);
        epoch_seconds(range.from()) - reach < epoch_seconds(time)
    })
}

/// The windows that may be kept as a whole: those that no edge cuts, with their bucket.
pub fn uncut(windows: &[Window<'_>], edges: &[DateTime<Utc>]) -> Vec<(usize, usize)> {
    let bucket = |range: TimeRange| {
        let Range { start, end } = range.from()..range.to();
        let bucket = edges.partition_point(|e| *e <= start).checked_sub(1)?;
        edges.get(bucket + 1).filter(|edge| end <= **edge).map(|_| bucket)
    };
    let of = |(index, window): (usize, &Window<'_>)| Some((index, bucket(window.range)?));
    windows.iter().enumerate().filter_map(of).collect()
}

fn whole_hours(range: TimeRange) -> f64 {
    let up = (epoch_seconds(range.from()) / 3_600.0).ceil();
    let down = (epoch_seconds(range.to()) / 3_600.0).floor();
    (down - up).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Sensor;
    use crate::domain::SensorKind;

    fn sensor(interval_s: f64) -> Sensor {
        Sensor {
            id: 1,
            plant: 1,
            line: None,
            machine: None,
            key: "s".into(),
            name: String::new(),
            quantity: "power".into(),
            unit: "kW".into(),
            kind: SensorKind::Gauge,
            interval_s,
            max_gap_s: 300.0,
            rollover: None,
            parent: None,
        }
    }

    fn at(minutes: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(minutes * 60, 0).expect("time")
    }

    fn window(sensor: &Sensor, from: i64, to: i64) -> Window<'_> {
        Window { sensor, range: TimeRange::new(at(from), at(to)).expect("range") }
    }

    #[test]
    fn hours_are_read_where_they_save_readings() {
        let (minutely, hourly) = (sensor(60.0), sensor(3_600.0));
        let choose = |w: &Window<'_>, every: i64| {
            let edges: Vec<_> = (0..=100_000 / every).map(|i| at(i * every)).collect();
            super::choose(std::slice::from_ref(w), &edges, None)
        };
        let month = window(&minutely, 30, 43_210);
        let reading = choose(&month, 60);
        assert_eq!(reading.items, Items::Hours);
        // 719 hours, half an hour before and ten minutes after, and the neighbours.
        assert_eq!(reading.rows, 719.0 + 30.0 + 10.0 + 2.0);
        let narrow = choose(&month, 15);
        assert_eq!((narrow.items, narrow.rows), (Items::Readings, 43_182.0));
        assert_eq!(choose(&window(&minutely, 30, 200), 60).items, Items::Readings);
        assert_eq!(choose(&window(&hourly, 30, 43_210), 60).items, Items::Readings);
    }

    #[test]
    fn windows_inside_one_bucket_are_uncut() {
        let sensor = sensor(60.0);
        let edges = [at(0), at(100), at(200)];
        let windows = [(0, 100), (100, 200), (99, 101), (150, 160), (150, 210), (-5, 3)]
            .map(|(from, to)| window(&sensor, from, to));
        assert_eq!(uncut(&windows, &edges), [(0, 0), (1, 1), (3, 1)]);
    }
}
