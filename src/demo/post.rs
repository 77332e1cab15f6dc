//! Sends a stretch of the simulated factory through the ingest API.
//!
//! A stretch is cut into slices. Within a slice the readings go first, in batches with several
//! requests under way, then the runs and states that began in it: so no state that the API knows
//! began after the readings end, and a demo that was stopped can go on from there.

use std::fmt::Write;

use anyhow::{Context, bail};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::Value;

use super::factory::{Reading, Simulation, layout::PLANTS};
use super::items;
use crate::client::{Client, Outcome, progress::Progress};

/// Length of a slice of history.
const SLICE_S: i64 = 12 * 3600;
/// Readings in a request.
const BATCH: usize = 8_000;
/// Requests under way at once.
const IN_FLIGHT: usize = 4;
/// Context items in a request.
const ITEMS: usize = 500;

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

/// Registers plants, lines, machines, sensors, shifts, references and operators.
pub async fn directory(
    client: &Client,
    simulation: &Simulation,
    interval_s: i64,
) -> anyhow::Result<()> {
    for (kind, items) in items::directory(simulation, interval_s) {
        put(client, kind, &items).await?;
    }
    Ok(())
}

/// Posts a stretch of history, with progress.
pub async fn history(
    client: &Client,
    simulation: &mut Simulation,
    stretch: Stretch,
) -> anyhow::Result<()> {
    let sensors: usize = (0..PLANTS.len()).map(|plant| simulation.sensors(plant).len()).sum();
    let ticks = stretch.to.div_euclid(stretch.step) - stretch.from.div_euclid(stretch.step);
    let mut progress = Progress::new("readings", ticks as u64 * sensors as u64);
    let mut from = stretch.from;
    while from < stretch.to {
        let to = (from + SLICE_S).min(stretch.to);
        // What lasts into the next slice was posted whole with this one.
        let context_from = if from == stretch.from { stretch.context_from } else { from };
        let next = Stretch { from, to, context_from, ..stretch };
        slice(client, simulation, next, &mut progress).await?;
        from = to;
    }
    progress.finish();
    Ok(())
}

/// Posts a short stretch, without progress.
pub async fn present(
    client: &Client,
    simulation: &mut Simulation,
    stretch: Stretch,
) -> anyhow::Result<()> {
    for (plant, spec) in PLANTS.iter().enumerate() {
        let readings = simulation.readings(plant, stretch.from, stretch.to, stretch.step);
        client.write_lines(spec.key, &lines(simulation, plant, &readings)).await?;
        context(client, simulation, plant, stretch).await?;
    }
    Ok(())
}

async fn slice(
    client: &Client,
    simulation: &mut Simulation,
    stretch: Stretch,
    progress: &mut Progress,
) -> anyhow::Result<()> {
    let mut batches = Vec::new();
    for (plant, spec) in PLANTS.iter().enumerate() {
        let readings = simulation.readings(plant, stretch.from, stretch.to, stretch.step);
        for batch in readings.chunks(BATCH) {
            batches.push((spec.key, batch.len() as u64, lines(simulation, plant, batch)));
        }
    }
    let mut posts = stream::iter(batches)
        .map(|(plant, count, lines)| async move {
            client.write_lines(plant, &lines).await.map(|()| count)
        })
        .buffer_unordered(IN_FLIGHT);
    while let Some(count) = posts.try_next().await? {
        progress.add(count);
    }
    drop(posts);
    for plant in 0..PLANTS.len() {
        context(client, simulation, plant, stretch).await?;
    }
    Ok(())
}

/// Posts the runs and states of the stretch. Those that a former stretch left open are among them,
/// and come before what follows on them.
async fn context(
    client: &Client,
    simulation: &mut Simulation,
    plant: usize,
    stretch: Stretch,
) -> anyhow::Result<()> {
    let mut runs = simulation.runs(plant, stretch.from, stretch.to, stretch.known_at);
    runs.retain(|run| run.started >= stretch.context_from);
    put(client, "runs", &items::runs(plant, &runs)).await?;
    let mut states = simulation.states(plant, stretch.from, stretch.to, stretch.known_at);
    states.retain(|state| state.started >= stretch.context_from);
    put(client, "states", &items::states(plant, &states)).await
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

async fn put(client: &Client, kind: &str, items: &[Value]) -> anyhow::Result<()> {
    for (chunk, items) in items.chunks(ITEMS).enumerate() {
        let outcome =
            client.put_items(kind, items).await.with_context(|| format!("posting {kind}"))?;
        refuse_losses(kind, chunk * ITEMS, items, &outcome)?;
    }
    Ok(())
}

fn refuse_losses(
    kind: &str,
    offset: usize,
    items: &[Value],
    outcome: &Outcome,
) -> anyhow::Result<()> {
    if outcome.rejected == 0 {
        return Ok(());
    }
    let shown: Vec<String> = (outcome.errors.iter().take(5))
        .map(|error| {
            let item = items.get(error.index).map(Value::to_string).unwrap_or_default();
            format!("  {kind}[{}] {}: {} {item}", offset + error.index, error.code, error.message)
        })
        .collect();
    bail!(
        "{} of {} {kind} were not accepted (is there data of another --seed in this database?):\n{}",
        outcome.rejected,
        items.len(),
        shown.join("\n")
    )
}
