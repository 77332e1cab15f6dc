//! Which meters make up the energy of a place, so that nothing is counted twice.
//!
//! The rule:
//! 1. A meter is a sensor of quantity `energy` (counter or delta) or `power` (gauge).
//! 2. Where a place itself has energy meters, its power sensors are not counted.
//! 3. A meter is left out when a meter above it in the meter tree is counted, or is a power sensor
//!    whose place is counted by energy meters (rule 2).
//! 4. A meter that is in no tree (no parent) is left out when a place that contains its place has a
//!    meter that is counted: a line's meter is taken to measure the line's machines.

use super::Node;
use crate::catalog::{Catalog, Sensor};
use crate::domain::SensorKind;

/// kWh for one unit of an energy, or kW for one unit of a power; `None` for other units.
pub fn kwh_per(unit: &str) -> Option<f64> {
    match unit {
        "kWh" | "kW" => Some(1.0),
        "Wh" | "W" => Some(1e-3),
        "MWh" | "MW" => Some(1e3),
        "MJ" => Some(1.0 / 3.6),
        _ => None,
    }
}

/// The sensors without those energy and power meters that others of the list already count.
pub fn independent<'a>(catalog: &Catalog, sensors: &[&'a Sensor]) -> Vec<&'a Sensor> {
    let counted_twice = |s: &Sensor| {
        is_meter(s)
            && sensors
                .iter()
                .any(|o| is_meter(o) && o.quantity == s.quantity && covers(catalog, o, s))
    };
    sensors.iter().filter(|s| !counted_twice(s)).copied().collect()
}

/// The meters whose sum is the energy of a place.
pub fn meters(catalog: &Catalog, node: Node) -> Vec<&Sensor> {
    let inside: Vec<&Sensor> =
        catalog.sensors.iter().filter(|s| is_in(s, node) && is_meter(s)).collect();
    let candidates: Vec<&Sensor> = inside
        .iter()
        .filter(|s| is_energy(s) || !inside.iter().any(|o| is_energy(o) && same_place(o, s)))
        .copied()
        .collect();
    candidates
        .iter()
        .filter(|s| !candidates.iter().any(|other| covers(catalog, other, s)))
        .copied()
        .collect()
}

fn is_in(s: &Sensor, node: Node) -> bool {
    match node {
        Node::Plant(id) => s.plant == id,
        Node::Line(id) => s.line == Some(id),
        Node::Machine(id) => s.machine == Some(id),
    }
}

fn is_energy(s: &Sensor) -> bool {
    s.quantity == "energy" && s.kind != SensorKind::Gauge && kwh_per(&s.unit).is_some()
}

fn is_meter(s: &Sensor) -> bool {
    is_energy(s)
        || (s.quantity == "power" && s.kind == SensorKind::Gauge && kwh_per(&s.unit).is_some())
}

fn same_place(a: &Sensor, b: &Sensor) -> bool {
    (a.plant, a.line, a.machine) == (b.plant, b.line, b.machine)
}

/// True when what `inner` measures is part of what `outer` measures.
fn covers(catalog: &Catalog, outer: &Sensor, inner: &Sensor) -> bool {
    if outer.id == inner.id {
        return false;
    }
    // Bounded, so that a cycle in the data cannot hang a query.
    let above = |s: &Sensor| s.parent.and_then(|id| catalog.sensors.iter().find(|o| o.id == id));
    let ancestors = std::iter::successors(above(inner), |s| above(s)).take(32);
    let stands_for = |a: &Sensor| {
        a.id == outer.id || (is_energy(outer) && !is_energy(a) && same_place(a, outer))
    };
    if ancestors.into_iter().any(stands_for) {
        return true;
    }
    let contains = outer.plant == inner.plant
        && match (outer.line, outer.machine) {
            (None, _) => inner.line.is_some(),
            (Some(line), None) => inner.line == Some(line) && inner.machine.is_some(),
            (Some(_), Some(_)) => false,
        };
    contains && inner.parent.is_none()
}
