//! From an episode to a finding: kind, energy, and the reason in words.

use chrono::DateTime;

use super::channel::Channel;
use crate::analytics::charts::Chart;
use crate::analytics::context::{Context, Doing};
use crate::analytics::episode::{Episode, Evidence, Rule};
use crate::analytics::finding::{Finding, Kind};
use crate::analytics::grid::Grid;
use crate::analytics::history::{Machine, Quantity};
use crate::analytics::robust;

/// Makes a finding.
pub fn finding(
    machine: &Machine,
    grid: &Grid,
    context: &Context,
    channels: &[Channel],
    episode: &Episode,
) -> Finding {
    let main = main_evidence(channels, episode);
    let channel = &channels[main.channel];
    let kind = kind(grid, context, channel, episode, main);
    let energy_kwh = energy(grid, channels, episode);
    Finding {
        machine: machine.key.clone(),
        sensor: machine.sensors[channel.sensor].key.clone(),
        kind,
        start: grid.second(episode.start),
        raised: grid.second(episode.raised + 1),
        end: grid.second(episode.last + 1),
        severity: main.peak.abs(),
        energy_kwh,
        reason: reason(machine, grid, context, channel, episode, main, kind, energy_kwh),
    }
}

/// The rule that says most: a stuck sensor explains everything else that it shows, roughness explains
/// jumps; otherwise the largest share of its limit, lost production before its power.
fn main_evidence(channels: &[Channel], episode: &Episode) -> Evidence {
    let strength = |evidence: &Evidence| {
        let rank = match evidence.rule {
            Rule::Stuck => 1e6,
            Rule::Chart(Chart::Roughness) => 3.0,
            Rule::Chart(Chart::Jump) => 0.2,
            Rule::Chart(_) if channels[evidence.channel].quantity == Quantity::Count => 2.0,
            Rule::Chart(_) | Rule::Resting => 1.0,
        };
        rank * evidence.peak.abs() / evidence.limit
    };
    let best = episode.evidence.iter().max_by(|a, b| strength(a).total_cmp(&strength(b)));
    best.copied().unwrap_or(Evidence {
        channel: 0,
        rule: Rule::Stuck,
        peak: 0.0,
        limit: 1.0,
        cells: 0,
    })
}

fn kind(
    grid: &Grid,
    context: &Context,
    channel: &Channel,
    episode: &Episode,
    main: Evidence,
) -> Kind {
    let hours = (episode.last - episode.start) as f64 * grid.minutes() / 60.0;
    match (main.rule, channel.quantity) {
        (Rule::Stuck, _) => Kind::StuckSensor,
        (Rule::Resting, _) => Kind::IdleWaste,
        (Rule::Chart(Chart::Jump), _) => Kind::Spike,
        (Rule::Chart(Chart::Roughness), _) => Kind::Noise,
        (_, Quantity::Count) if main.peak < 0.0 => Kind::SlowProduction,
        (_, Quantity::Count) => Kind::FastProduction,
        (_, Quantity::Temperature) => match context.cells[episode.start] {
            Doing::Running { elapsed_min, .. } if elapsed_min > 75.0 && main.peak > 0.0 => {
                Kind::CoolingFailure
            }
            _ => Kind::WrongSetPoint,
        },
        (Rule::Chart(Chart::Runs), _) => Kind::Drift,
        _ if hours > 30.0 => Kind::Drift,
        _ if hours < 0.3 => Kind::Spike,
        _ => Kind::LevelShift,
    }
}

/// Energy beyond what is usual over the episode, in kWh.
fn energy(grid: &Grid, channels: &[Channel], episode: &Episode) -> Option<f64> {
    let power = channels.iter().find(|channel| channel.quantity == Quantity::Power)?;
    let excess = (episode.start..=episode.last)
        .map(|cell| power.values[cell] - f64::from(power.usual[cell]))
        .filter(|excess| excess.is_finite());
    Some(excess.sum::<f64>() * power.to_kilo * grid.minutes() / 60.0)
}

#[allow(clippy::too_many_arguments)]
fn reason(
    machine: &Machine,
    grid: &Grid,
    context: &Context,
    channel: &Channel,
    episode: &Episode,
    main: Evidence,
    kind: Kind,
    energy_kwh: Option<f64>,
) -> String {
    let sensor = &machine.sensors[channel.sensor];
    let name = &sensor.key;
    let length = (episode.last + 1 - episode.start) as f64 * grid.minutes();
    let subject = match context.cells[episode.start] {
        Doing::Running { reference, elapsed_min, .. } => {
            let reference = &context.references[reference];
            let to = elapsed_min + length;
            format!("for reference {reference} in minutes {elapsed_min:.0}-{to:.0}")
        }
        Doing::Resting { state, .. } => format!("for state {}", context.states[state]),
        Doing::Unknown => format!("from {}", clock(grid.second(episode.start))),
    };
    let mut text = match kind {
        Kind::StuckSensor => {
            let value = channel.values[episode.last];
            format!("{name} repeats {value} {} for {length:.0} minutes", sensor.unit)
        }
        Kind::Noise => format!("{name} is much rougher than usual {subject}"),
        _ => {
            let (size, side) = deviation(channel, episode, &sensor.unit, main);
            format!("{name} {size} {side} the usual {subject}")
        }
    };
    if let Some(kwh) = energy_kwh.filter(|kwh| kwh.abs() >= 1.0) {
        text.push_str(&format!(", {kwh:+.0} kWh"));
    }
    text
}

fn deviation(
    channel: &Channel,
    episode: &Episode,
    unit: &str,
    main: Evidence,
) -> (String, &'static str) {
    let measure = if main.rule == Rule::Resting {
        crate::analytics::envelope::Measure::Difference
    } else {
        channel.measure
    };
    let deviations: Vec<f64> = (episode.start..=episode.last)
        .map(|cell| measure.deviation(channel.values[cell], f64::from(channel.usual[cell])))
        .collect();
    let middle = match channel.quantity {
        Quantity::Count => robust::mean(&deviations),
        _ => robust::median_of(&deviations),
    };
    let middle = middle.unwrap_or(f64::NAN);
    let size = match measure {
        crate::analytics::envelope::Measure::Ratio => format!("{:.0} %", 100.0 * middle.abs()),
        crate::analytics::envelope::Measure::Difference => format!("{:.1} {unit}", middle.abs()),
    };
    (size, if middle < 0.0 { "below" } else { "above" })
}

fn clock(second: i64) -> String {
    DateTime::from_timestamp(second, 0)
        .map(|at| at.format("%Y-%m-%d %H:%M UTC").to_string())
        .unwrap_or_default()
}
