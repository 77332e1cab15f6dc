//! Mean levels of a quantity in steps, for curves that are compared with one another: unlike a sum
//! they do not depend on how wide a step is, or how much of it was measured.

use std::collections::BTreeMap;

use super::Sums;
use crate::catalog::Sensor;
use crate::domain::SensorKind;
use crate::plan::kwh_per;
use crate::sql::cell::Cell;

/// The level of a curve in one step.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Level {
    /// Mean over the measured time, in the unit of [`unit()`]; `None` where less than half of the step
    /// was measured.
    pub value: Option<f64>,
    /// Measured time in seconds, the least of the sensors that are added.
    pub covered_s: f64,
}

/// A sensor and its sums by step.
type Part<'a> = (&'a Sensor, Vec<Sums>);

/// Share of a step that must be measured.
const LEAST_COVERAGE: f64 = 0.5;

/// Whether several sensors are added up, as meters and counters are; levels such as temperatures are
/// averaged.
fn is_added(sensor: &Sensor) -> bool {
    sensor.kind != SensorKind::Gauge || (sensor.quantity == "power" && to_kilo(sensor).is_some())
}

fn to_kilo(sensor: &Sensor) -> Option<f64> {
    matches!(sensor.quantity.as_str(), "power" | "energy").then(|| kwh_per(&sensor.unit)).flatten()
}

/// Unit of a sensor's levels: kW for power and energy, its own for other gauges, its own an hour for
/// other counters and deltas.
pub fn unit(sensor: &Sensor) -> String {
    match (to_kilo(sensor), sensor.kind) {
        (Some(_), _) => "kW".to_owned(),
        (None, SensorKind::Gauge) => sensor.unit.clone(),
        (None, _) if sensor.unit.is_empty() => "units/h".to_owned(),
        (None, _) => format!("{}/h", sensor.unit),
    }
}

/// The levels of `widths.len()` curves, whose steps have these widths in seconds and which have
/// `steps` of them at most. `windows` are the sensor and the curve of each window.
///
/// A gauge's level is its integral over the covered time, divided by that time; a counter's or
/// delta's is its amount an hour of covered time. Meters and counters are added up, so a step needs
/// each of them; other gauges are averaged over their covered time.
pub fn levels(
    windows: &[(&Sensor, usize)],
    widths: &[f64],
    steps: usize,
    cells: &[Cell],
) -> Vec<Vec<Level>> {
    let mut parts: Vec<BTreeMap<Option<i32>, Part<'_>>> = vec![BTreeMap::new(); widths.len()];
    let part = |sensor: &Sensor| is_added(sensor).then_some(sensor.id);
    // Also those that sent nothing: a sum without them would be too low.
    for &(sensor, curve) in windows {
        if let Some(parts) = parts.get_mut(curve) {
            parts.entry(part(sensor)).or_insert_with(|| (sensor, vec![Sums::default(); steps]));
        }
    }
    for cell in cells.iter().filter(|c| c.bucket < steps) {
        let Some(&(sensor, curve)) = windows.get(cell.window) else { continue };
        let sums = parts.get_mut(curve).and_then(|parts| parts.get_mut(&part(sensor)));
        if let Some((_, sums)) = sums {
            sums[cell.bucket].add(cell);
        }
    }
    let level = |parts: &BTreeMap<_, Part<'_>>, step: usize, width: f64| {
        let mut level = Level { value: None, covered_s: f64::INFINITY };
        for (sensor, sums) in parts.values() {
            let sums = &sums[step];
            level.covered_s = level.covered_s.min(sums.covered_s);
            level.value = super::plus(level.value, mean(sums, sensor));
        }
        level.covered_s = if level.covered_s.is_finite() { level.covered_s } else { 0.0 };
        // A whole width but for rounding.
        level.value = level.value.filter(|_| level.covered_s >= LEAST_COVERAGE * width - 1e-6);
        level
    };
    let curve = |(parts, width): (_, &f64)| (0..steps).map(|s| level(parts, s, *width)).collect();
    parts.iter().zip(widths).map(curve).collect()
}

fn mean(sums: &Sums, sensor: &Sensor) -> Option<f64> {
    if sums.covered_s <= 0.0 {
        return None;
    }
    let factor = to_kilo(sensor).unwrap_or(1.0);
    match sensor.kind {
        SensorKind::Gauge => Some(sums.integral / sums.covered_s * factor),
        _ => sums.amount.map(|amount| amount / sums.covered_s * 3600.0 * factor),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sensor(id: i32, quantity: &str, unit: &str, kind: SensorKind) -> Sensor {
        Sensor {
            id,
            plant: 1,
            line: Some(1),
            machine: None,
            key: format!("s{id}"),
            name: String::new(),
            quantity: quantity.into(),
            unit: unit.into(),
            kind,
            interval_s: 60.0,
            max_gap_s: 60.0,
            rollover: None,
            parent: None,
        }
    }

    fn cell(window: usize, bucket: usize, integral: f64, amount: Option<f64>, s: f64) -> Cell {
        Cell {
            window,
            bucket,
            integral,
            amount,
            covered_s: s,
            count: 1,
            sum: 0.0,
            min: None,
            max: None,
            first: None,
            last: None,
        }
    }

    #[test]
    fn levels_by_hand() {
        let watts = sensor(1, "power", "W", SensorKind::Gauge);
        let meter = sensor(2, "energy", "kWh", SensorKind::Counter);
        let hot = [3, 4].map(|id| sensor(id, "temperature", "°C", SensorKind::Gauge));
        let count = sensor(5, "count", "pieces", SensorKind::Delta);
        let windows = [(&watts, 0), (&meter, 0), (&hot[0], 1), (&hot[1], 1), (&count, 2)];
        let cells = [
            // 5,000 W for a minute, and 0.1 kWh in half of it, which is 12 kW.
            cell(0, 0, 300_000.0, None, 60.0),
            cell(1, 0, 0.0, Some(0.1), 30.0),
            // 29 s of 60 are too few.
            cell(0, 1, 300_000.0, None, 60.0),
            cell(1, 1, 0.0, Some(0.1), 29.0),
            // 100 °C for 20 s and 160 °C for 40 s: the mean over time is 140.
            cell(2, 0, 2_000.0, None, 20.0),
            cell(3, 0, 6_400.0, None, 40.0),
            cell(4, 0, 0.0, Some(2.0), 60.0),
        ];
        let got = levels(&windows, &[60.0, 60.0, 60.0], 2, &cells);
        let values: Vec<Vec<Option<f64>>> =
            got.iter().map(|c| c.iter().map(|l| l.value).collect()).collect();
        assert_eq!(values[0], [Some(17.0), None]);
        assert_eq!(values[1], [Some(140.0), None]);
        assert_eq!(values[2], [Some(120.0), None]);
        assert_eq!(got[0][0].covered_s, 30.0);
        let units: Vec<String> = windows.iter().map(|w| unit(w.0)).collect();
        assert_eq!(units, ["kW", "kW", "°C", "°C", "pieces/h"]);
    }
}
