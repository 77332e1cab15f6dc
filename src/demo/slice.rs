//! A stretch of the simulated factory in the form in which it is posted. Pure: simulates and
//! encodes, sends nothing.

use std::fmt::Write;

use serde_json::Value;

use super::factory::{Reading, Simulation, layout::PLANTS};
use super::items;

/// Readings in a request.
const BATCH: usize = 8_000;

/// A stretch of time to post: after `from`, up to and including `to`, a reading every `step`
/// seconds.
#[derive(Clone, Copy, Debug)]
pub struct Stretch {
    /// Second that the stretch comes after.
    pub from: i64,
    /// Last second.
    pub to: i64,
    /// Distance of the readings in seconds.
    pub step: i64,
    /// Runs and states that began before this second are left out: their readings are not there,
    /// or they are there already.
    pub context_from: i64,
    /// Runs and states that last at this second are posted as open.
    pub known_at: i64,
}

/// Readings of one request.
#[derive(Debug)]
pub struct Batch {
    /// Key of the plant.
    pub plant: &'static str,
    /// How many readings.
    pub count: u64,
    /// The readings as line protocol.
    pub lines: String,
}

/// Runs and states of one plant, in the order of their start. Those that an earlier stretch left
/// open are among them, and come before what follows on them.
#[derive(Debug, Default)]
pub struct Context {
    /// Runs as items.
    pub runs: Vec<Value>,
    /// States as items.
    pub states: Vec<Value>,
}

/// Readings of a stretch.
pub fn batches(simulation: &mut Simulation, stretch: Stretch) -> Vec<Batch> {
    let mut batches = Vec::new();
    for (plant, spec) in PLANTS.iter().enumerate() {
        let readings = simulation.readings(plant, stretch.from, stretch.to, stretch.step);
        batches.extend(readings.chunks(BATCH).map(|batch| Batch {
            plant: spec.key,
            count: batch.len() as u64,
            lines: lines(simulation, plant, batch),
        }));
    }
    batches
}

/// Runs and states of a stretch, one entry a plant.
pub fn contexts(simulation: &mut Simulation, stretch: Stretch) -> Vec<Context> {
    let Stretch { from, to, context_from, known_at, .. } = stretch;
    let context = |plant: usize| {
        let mut runs = simulation.runs(plant, from, to, known_at);
        runs.retain(|run| run.started >= context_from);
        let mut states = simulation.states(plant, from, to, known_at);
        states.retain(|state| state.started >= context_from);
        Context { runs: items::runs(plant, &runs), states: items::states(plant, &states) }
    };
    (0..PLANTS.len()).map(context).collect()
}

fn lines(simulation: &Simulation, plant: usize, readings: &[Reading]) -> String {
    let sensors = simulation.sensors(plant);
    let mut lines = String::with_capacity(readings.len() * 56);
    for reading in readings {
        let key = &sensors[reading.sensor].key;
        // Writing to a string cannot fail.
        let _ = writeln!(lines, "demo,sensor={key} value={} {}", reading.value, reading.second);
    }
    lines
}
