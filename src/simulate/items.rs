//! The history as the ingest API's items and lines.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde_json::{Value, json};

use super::calendar::ZONE;
use super::factory::{Factory, Sensor};
use super::files::instant;

/// Readings in a request.
const BATCH: usize = 8_000;

/// Everything that is there before production starts, in the order in which it refers to each other.
/// Each machine is alone on a line of the same key.
pub fn directory(factory: &Factory, plant: &str) -> Vec<(&'static str, Vec<Value>)> {
    let unique = |keys: BTreeSet<&str>| -> Vec<Value> {
        keys.iter().map(|key| json!({ "plant": plant, "key": key, "name": key })).collect()
    };
    let machines: BTreeSet<&str> = factory
        .sensors
        .iter()
        .map(|sensor| sensor.machine.as_str())
        .filter(|machine| !machine.is_empty())
        .collect();
    let on_line = |key: &&str| json!({ "plant": plant, "line": key, "key": key, "name": key });
    vec![
        (
            "plants",
            vec![json!({ "key": plant, "name": "Simulated factory", "time_zone": ZONE.name(),
                         "currency": "EUR", "locale": "es" })],
        ),
        ("lines", unique(machines.clone())),
        ("machines", machines.iter().map(on_line).collect()),
        ("references", unique(factory.runs.iter().map(|run| run.reference.as_str()).collect())),
        ("operators", unique(factory.runs.iter().map(|run| run.operator.as_str()).collect())),
        ("sensors", factory.sensors.iter().map(|sensor| described(sensor, plant)).collect()),
    ]
}

fn described(sensor: &Sensor, plant: &str) -> Value {
    let mut item = json!({
        "plant": plant, "key": key(sensor), "name": key(sensor), "quantity": sensor.quantity,
        "unit": sensor.unit, "kind": sensor.kind, "interval_s": sensor.interval_s,
        "max_gap_s": 5 * sensor.interval_s,
    });
    if !sensor.machine.is_empty() {
        item["line"] = sensor.machine.as_str().into();
        item["machine"] = sensor.machine.as_str().into();
    }
    item
}

/// Key of a sensor in its plant.
fn key(sensor: &Sensor) -> String {
    match sensor.machine.as_str() {
        "" => sensor.key.to_owned(),
        machine => format!("{machine}-{}", sensor.key),
    }
}

/// Readings as line protocol with times in seconds, and how many, in the order of their arrival.
pub fn batches(factory: &Factory) -> impl Iterator<Item = (String, u64)> {
    let keys: Vec<String> = factory.sensors.iter().map(key).collect();
    factory.readings.chunks(BATCH).map(move |batch| {
        let mut lines = String::with_capacity(batch.len() * 40);
        for reading in batch {
            let decimals = factory.sensors[reading.sensor].decimals;
            let (key, time) = (&keys[reading.sensor], reading.time);
            // Writing to a text cannot fail.
            let _ =
                writeln!(lines, "simulate,sensor={key} value={:.decimals$} {time}", reading.value);
        }
        (lines, batch.len() as u64)
    })
}

/// Runs as items.
pub fn runs(factory: &Factory, plant: &str) -> Vec<Value> {
    let item = |run: &super::factory::RunRecord| {
        json!({
            "plant": plant, "key": run.key, "line": run.machine, "lot": run.lot,
            "reference": run.reference, "operator": run.operator, "started_at": instant(run.start),
            "ended_at": instant(run.end), "good_units": run.good, "scrap_units": run.scrap,
        })
    };
    factory.runs.iter().map(item).collect()
}

/// States as items.
pub fn states(factory: &Factory, plant: &str) -> Vec<Value> {
    let item = |state: &super::factory::StateRecord| {
        json!({
            "plant": plant, "machine": state.machine, "state": state.state,
            "started_at": instant(state.start), "ended_at": instant(state.end),
        })
    };
    factory.states.iter().map(item).collect()
}
