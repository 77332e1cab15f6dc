//! Sends a stretch of the simulated factory through the ingest API.
//!
//! A long stretch is cut into slices. The readings of a slice go first, in batches with several
//! requests under way; the runs and states that began in it follow while the next slice's readings
//! are posted. So no state that the API knows began after the readings end, and a demo that was
//! stopped can go on from there.

use anyhow::{Context as _, bail};
use futures_util::future::{try_join, try_join_all};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::Value;

use super::factory::{Simulation, layout::PLANTS};
use super::items;
use super::slice::{self, Batch, Context, Stretch};
use crate::client::{Client, Outcome, progress::Progress};

/// Length of a slice of history.
const SLICE_S: i64 = 12 * 3600;
/// Requests with readings under way at once.
const IN_FLIGHT: usize = 4;
/// Context items in a request.
const ITEMS: usize = 500;

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
    let mut pending: Vec<Context> = Vec::new();
    let mut from = stretch.from;
    while from < stretch.to {
        let to = (from + SLICE_S).min(stretch.to);
        // What lasts into the next slice is posted whole with this one.
        let context_from = if from == stretch.from { stretch.context_from } else { from };
        let part = Stretch { from, to, context_from, ..stretch };
        let batches = slice::batches(simulation, part);
        try_join(readings(client, &batches, &mut progress), contexts(client, &pending)).await?;
        pending = slice::contexts(simulation, part);
        from = to;
    }
    contexts(client, &pending).await?;
    progress.finish();
    Ok(())
}

/// Posts a short stretch, without progress.
pub async fn present(
    client: &Client,
    simulation: &mut Simulation,
    stretch: Stretch,
) -> anyhow::Result<()> {
    for batch in slice::batches(simulation, stretch) {
        client.write_lines(batch.plant, &batch.lines).await?;
    }
    contexts(client, &slice::contexts(simulation, stretch)).await
}

async fn readings(
    client: &Client,
    batches: &[Batch],
    progress: &mut Progress,
) -> anyhow::Result<()> {
    let mut posts = stream::iter(batches)
        .map(|batch| async move {
            client.write_lines(batch.plant, &batch.lines).await.map(|()| batch.count)
        })
        .buffer_unordered(IN_FLIGHT);
    while let Some(count) = posts.try_next().await? {
        progress.add(count);
    }
    Ok(())
}

async fn contexts(client: &Client, plants: &[Context]) -> anyhow::Result<()> {
    try_join_all(plants.iter().map(|plant| async move {
        put(client, "runs", &plant.runs).await?;
        put(client, "states", &plant.states).await
    }))
    .await?;
    Ok(())
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
