use super::*;
use crate::catalog::{Catalog, Plant, Spot};
use crate::domain::{Calendar, SensorKind};
use crate::model::{Filter, Place};

/// Plant `p` with lines `a` (machines `a1`, `a2`) and `b`.
fn catalog(sensors: Vec<Sensor>) -> Catalog {
    let spot = |id, line, key: &str| Spot { id, plant: 1, line, key: key.into(), name: key.into() };
    let calendar = Calendar { zone: chrono_tz::Europe::Madrid, shifts: vec![] };
    Catalog {
        plants: vec![Plant { id: 1, key: "p".into(), name: "P".into(), calendar }],
        lines: vec![spot(1, 1, "a"), spot(2, 2, "b")],
        machines: vec![spot(1, 1, "a1"), spot(2, 1, "a2")],
        sensors,
        ..Catalog::default()
    }
}

fn meter(
    id: i32,
    place: (Option<i32>, Option<i32>),
    kind: SensorKind,
    parent: Option<i32>,
) -> Sensor {
    let (quantity, unit) = match kind {
        SensorKind::Gauge => ("power", "kW"),
        _ => ("energy", "kWh"),
    };
    Sensor {
        id,
        plant: 1,
        line: place.0,
        machine: place.1,
        key: format!("s{id}"),
        name: String::new(),
        quantity: quantity.into(),
        unit: unit.into(),
        kind,
        interval_s: 60.0,
        max_gap_s: 300.0,
        rollover: None,
        parent,
    }
}

fn ids(catalog: &Catalog, node: Node) -> Vec<i32> {
    meters(catalog, node).iter().map(|s| s.id).collect()
}

const PLANT: (Option<i32>, Option<i32>) = (None, None);
const LINE_A: (Option<i32>, Option<i32>) = (Some(1), None);
const LINE_B: (Option<i32>, Option<i32>) = (Some(2), None);
const A1: (Option<i32>, Option<i32>) = (Some(1), Some(1));
const A2: (Option<i32>, Option<i32>) = (Some(1), Some(2));
use SensorKind::{Counter, Delta, Gauge};

#[test]
fn the_main_meter_stands_for_the_meters_below_it() {
    let catalog = catalog(vec![
        meter(1, PLANT, Counter, None),
        meter(2, LINE_A, Delta, Some(1)),
        meter(3, LINE_B, Gauge, Some(1)),
        meter(4, A1, Counter, Some(2)),
        meter(5, A2, Gauge, None),
    ]);
    assert_eq!(ids(&catalog, Node::Plant(1)), [1]);
    assert_eq!(ids(&catalog, Node::Line(1)), [2]);
    assert_eq!(ids(&catalog, Node::Line(2)), [3]);
    assert_eq!(ids(&catalog, Node::Machine(1)), [4]);
    assert_eq!(ids(&catalog, Node::Machine(2)), [5]);
}

#[test]
fn without_a_main_meter_the_parts_are_added() {
    let catalog = catalog(vec![
        meter(2, LINE_A, Counter, None),
        meter(3, LINE_B, Gauge, None),
        meter(4, A1, Counter, Some(2)),
    ]);
    assert_eq!(ids(&catalog, Node::Plant(1)), [2, 3]);
}

#[test]
fn siblings_of_one_tree_are_both_counted() {
    // The line's meter and the machine's hang side by side below the main meter.
    let catalog = catalog(vec![
        meter(1, PLANT, Counter, None),
        meter(2, LINE_A, Counter, Some(1)),
        meter(4, A1, Counter, Some(1)),
    ]);
    assert_eq!(ids(&catalog, Node::Line(1)), [2, 4]);
    assert_eq!(ids(&catalog, Node::Plant(1)), [1]);
}

#[test]
fn energy_is_preferred_to_power_at_the_same_place() {
    let catalog = catalog(vec![
        meter(1, A1, Gauge, None),
        meter(2, A1, Delta, None),
        meter(3, A2, Gauge, None),
    ]);
    assert_eq!(ids(&catalog, Node::Line(1)), [2, 3]);
}

#[test]
fn a_tree_of_power_sensors_is_covered_by_the_energy_meters_beside_it() {
    // Energy and power of the line, each with a tree of its own; machine 2 has only power.
    let catalog = catalog(vec![
        meter(1, LINE_A, Counter, None),
        meter(2, LINE_A, Gauge, None),
        meter(3, A1, Counter, Some(1)),
        meter(4, A1, Gauge, Some(2)),
        meter(5, A2, Gauge, Some(2)),
    ]);
    assert_eq!(ids(&catalog, Node::Line(1)), [1]);
    assert_eq!(ids(&catalog, Node::Machine(2)), [5]);
}

#[test]
fn a_cycle_in_the_meter_tree_ends() {
    let catalog =
        catalog(vec![meter(1, LINE_A, Counter, Some(2)), meter(2, LINE_A, Counter, Some(1))]);
    assert!(ids(&catalog, Node::Line(1)).is_empty());
}

#[test]
fn units_other_than_energy_and_power_are_no_meters() {
    let mut odd = meter(1, LINE_A, Counter, None);
    odd.unit = "litre".into();
    assert!(ids(&catalog(vec![odd]), Node::Line(1)).is_empty());
}

fn ask(seconds: i64, max_data_points: usize, interval_s: f64) -> Ask {
    Ask {
        range: TimeRange::from_millis(1_700_000_000_000, 1_700_000_000_000 + seconds * 1000)
            .unwrap(),
        interval_s,
        max_data_points,
        max_points: 1_000_000,
        now: DateTime::from_timestamp(1_900_000_000, 0).unwrap(),
    }
}

#[test]
fn auto_is_the_narrowest_width_that_panel_and_sensor_can_fill() {
    let auto = |a: Ask| resolve_bucket(Bucket::Auto, &a, 60.0).to_string();
    assert_eq!(auto(ask(3600, 1000, 1.0)), "1m");
    assert_eq!(auto(ask(86_400, 1000, 1.0)), "2m");
    assert_eq!(auto(ask(30 * 86_400, 1000, 1.0)), "1h");
    assert_eq!(auto(ask(3600, 1000, 900.0)), "15m");
    // What alert rules ask: 43,200 points at 1 s.
    assert_eq!(auto(ask(12 * 3600, 43_200, 1.0)), "1m");
    assert_eq!(auto(ask(365 * 86_400, 43_200, 1.0)), "1h");
    assert_eq!(resolve_bucket(Bucket::Day, &ask(60, 1, 1.0), 60.0), Bucket::Day);
}

#[test]
fn places_narrow_each_other_and_unknown_ones_are_named() {
    let catalog = catalog(vec![meter(2, LINE_A, Counter, None), meter(4, A1, Counter, Some(2))]);
    let keys = |k: &str| Filter::Keys(vec![k.to_owned()]);
    let place = Place { machines: keys("a1"), ..Place::default() };
    let selection = select(&place, &catalog).unwrap();
    assert_eq!(selection.level, Level::Machines);
    assert_eq!(selection.lines.iter().map(|l| l.key.as_str()).collect::<Vec<_>>(), ["a"]);
    assert_eq!(selection.sensors.len(), 1);
    let elsewhere = Place { lines: keys("b"), machines: keys("a1"), ..Place::default() };
    let error = select(&elsewhere, &catalog).unwrap_err().to_string();
    assert_eq!(error, "unknown machine \"a1\": there is none here that this data source may show");
}

#[test]
fn an_open_run_shares_its_units_up_to_now() {
    let at = |s| DateTime::from_timestamp(s, 0).unwrap();
    let run = Run {
        key: "r".into(),
        plant: 1,
        line: 1,
        machine: None,
        lot: "l".into(),
        reference: "f".into(),
        reference_name: "f".into(),
        operator: None,
        started_at: at(1000),
        ended_at: None,
        good_units: Some(10.0),
        scrap_units: Some(0.0),
    };
    let half = TimeRange::new(at(1500), at(9000)).unwrap();
    assert_eq!(run.share(half, at(2000)), 0.5);
    assert_eq!(run.share(TimeRange::new(at(0), at(900)).unwrap(), at(2000)), 0.0);
}
