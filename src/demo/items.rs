//! The factory's context as the ingest API's items.

use chrono::DateTime;
use serde_json::{Value, json};

use super::factory::layout::{PLANTS, PlantSpec, SHIFTS};
use super::factory::{RunRecord, Simulation, StateRecord};
use super::prices;

/// Everything that is there before production starts: kinds of items in the order in which they
/// refer to each other.
pub fn directory(simulation: &Simulation, interval_s: i64) -> Vec<(&'static str, Vec<Value>)> {
    let mut kinds: Vec<(&'static str, Vec<Value>)> =
        ["plants", "lines", "machines", "shifts", "references", "operators", "sensors"]
            .map(|kind| (kind, Vec::new()))
            .into();
    for (index, plant) in PLANTS.iter().enumerate() {
        for (kind, items) in &mut kinds {
            match *kind {
                "plants" => items.push(json!({
                    "key": plant.key, "name": plant.name, "time_zone": plant.zone.name(),
                    "currency": "EUR", "locale": plant.locale,
                })),
                "lines" => items.extend(plant.lines.iter().map(
                    |line| json!({ "plant": plant.key, "key": line.key, "name": line.name }),
                )),
                "machines" => items.extend(plant.lines.iter().flat_map(|line| {
                    line.machines.iter().map(|machine| {
                        json!({ "plant": plant.key, "line": line.key, "key": machine.key, "name": machine.name })
                    })
                })),
                "shifts" => items.extend(SHIFTS.iter().map(|(key, name, starts_at)| {
                    json!({ "plant": plant.key, "key": key, "name": name, "starts_at": starts_at })
                })),
                "references" => items.extend(plant.lines.iter().flat_map(|line| named(plant, line.references))),
                "operators" => items.extend(named(plant, plant.operators)),
                _ => items.extend(sensors(simulation, index, interval_s)),
            }
        }
    }
    kinds.extend([
        ("tariffs", prices::tariffs()),
        ("factors", prices::factors()),
        ("targets", prices::targets(simulation)),
    ]);
    kinds
}

fn named<'a>(
    plant: &'a PlantSpec,
    list: &'a [(&str, &str)],
) -> impl Iterator<Item = Value> + use<'a> {
    list.iter().map(|(key, name)| json!({ "plant": plant.key, "key": key, "name": name }))
}

fn sensors(simulation: &Simulation, index: usize, interval_s: i64) -> Vec<Value> {
    let plant = &PLANTS[index];
    let item = |sensor: &super::factory::Sensor| {
        let (line, machine) = sensor.place();
        let (quantity, unit) = sensor.quantity();
        let mut item = json!({
            "plant": plant.key, "key": sensor.key, "name": sensor.name, "quantity": quantity, "unit": unit,
            "kind": sensor.kind(), "interval_s": interval_s, "max_gap_s": (5 * interval_s).max(300),
        });
        if let Some(line) = line {
            item["line"] = plant.lines[line].key.into();
            if let Some(machine) = machine {
                item["machine"] = plant.lines[line].machines[machine].key.into();
            }
        }
        if let Some(parent) = &sensor.parent {
            item["parent"] = parent.as_str().into();
        }
        item
    };
    simulation.sensors(index).iter().map(item).collect()
}

/// Runs as items.
pub fn runs(plant: usize, runs: &[RunRecord]) -> Vec<Value> {
    let item = |run: &RunRecord| {
        json!({
            "plant": PLANTS[plant].key, "key": run.key, "line": run.line, "lot": run.lot,
            "reference": run.reference, "operator": run.operator, "started_at": rfc3339(run.started),
            "ended_at": run.ended.map(rfc3339), "good_units": run.good, "scrap_units": run.scrap,
        })
    };
    runs.iter().map(item).collect()
}

/// States as items.
pub fn states(plant: usize, states: &[StateRecord]) -> Vec<Value> {
    let item = |state: &StateRecord| {
        json!({
            "plant": PLANTS[plant].key, "machine": state.machine, "state": state.state,
            "started_at": rfc3339(state.started), "ended_at": state.ended.map(rfc3339),
        })
    };
    states.iter().map(item).collect()
}

/// An instant as the API reads it.
pub fn rfc3339(second: i64) -> String {
    DateTime::from_timestamp(second, 0)
        .unwrap_or_default()
        .to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}
