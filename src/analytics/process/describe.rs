//! From an event to a finding: kind, energy, and the reason in words.

use chrono::DateTime;

use super::season::Season;
use super::walk::{Cause, Channel, Event};
use crate::analytics::finding::{Finding, Kind};
use crate::analytics::grid::Grid;
use crate::analytics::history::{Machine, Quantity};
use crate::analytics::robust;

/// An event that lasts longer than this many hours is a drift, one of fewer cells than this a spike.
const DRIFT_HOURS: f64 = 30.0;
const SPIKE_CELLS: usize = 8;
/// Sensors that are named.
const NAMED: usize = 3;
/// One sensor explains an event alone when it contributes this share.
const ALONE: f64 = 0.7;

/// Makes a finding of an event.
pub fn finding(machine: &Machine, grid: &Grid, channels: &[Channel], event: &Event) -> Finding {
    let top = event.causes.first().copied().unwrap_or_default();
    let channel = &channels[top.channel.min(channels.len() - 1)];
    let sensor = &machine.sensors[channel.sensor];
    let energy_kwh = energy(grid, channels, event);
    let kind = kind(grid, event);
    let mut reason = match kind {
        Kind::StuckSensor => {
            let value = event.stuck_at.unwrap_or(f64::NAN);
            format!("{} repeats {value} {}", sensor.key, sensor.unit)
        }
        Kind::Pattern => together(machine, channels, &event.causes),
        _ => alone(channel, &sensor.key, &sensor.unit, event),
    };
    let minutes = (event.last + 1 - event.start) as f64 * grid.minutes();
    let from = DateTime::from_timestamp(grid.second(event.start), 0).unwrap_or_default();
    reason
        .push_str(&format!(" from {} for {minutes:.0} minutes", from.format("%Y-%m-%d %H:%M UTC")));
    if let Some(kwh) = energy_kwh.filter(|kwh| kwh.abs() >= 1.0) {
        reason.push_str(&format!(", {kwh:.0} kWh"));
    }
    Finding {
        machine: machine.key.clone(),
        sensor: sensor.key.clone(),
        kind,
        start: grid.second(event.start),
        raised: grid.second(event.raised + 1),
        end: grid.second(event.last + 1),
        is_open: false,
        severity: top.sigmas.abs(),
        energy_kwh,
        reason,
    }
}

fn kind(grid: &Grid, event: &Event) -> Kind {
    if event.stuck_at.is_some() {
        return Kind::StuckSensor;
    }
    let all: f64 = event.causes.iter().map(|cause| cause.share.max(0.0)).sum();
    let first = event.causes.first().map_or(0.0, |cause| cause.share);
    if event.causes.len() > 1 && first < ALONE * all {
        return Kind::Pattern;
    }
    let cells = event.last + 1 - event.start;
    match cells as f64 * grid.minutes() / 60.0 {
        hours if hours > DRIFT_HOURS => Kind::Drift,
        _ if cells < SPIKE_CELLS => Kind::Spike,
        _ => Kind::LevelShift,
    }
}

fn together(machine: &Machine, channels: &[Channel], causes: &[Cause]) -> String {
    let named: Vec<String> = causes
        .iter()
        .take(NAMED)
        .map(|cause| {
            let key = &machine.sensors[channels[cause.channel].sensor].key;
            format!("{key} ({:+.1} sigma)", cause.sigmas)
        })
        .collect();
    format!("sensors not together as usual: {}", named.join(", "))
}

fn alone(channel: &Channel, key: &str, unit: &str, event: &Event) -> String {
    let differences: Vec<f64> =
        (event.start..=event.last).map(|cell| channel.values[cell] - channel.usual[cell]).collect();
    let middle = robust::median_of(&differences).unwrap_or(f64::NAN);
    let side = if middle < 0.0 { "below" } else { "above" };
    let subject = match channel.course.season() {
        Season::None => "its level",
        Season::Day => "the usual for the time of day",
        Season::Week => "the usual for the time of the week",
    };
    let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
    format!("{key} {}{unit} {side} {subject}", short(middle.abs()))
}

/// Three digits that say something.
fn short(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    let digits = (2 - value.log10().floor() as i32).clamp(0, 9) as usize;
    format!("{value:.digits$}")
}

/// Energy beyond what is usual over the event, in kWh, where power is known.
fn energy(grid: &Grid, channels: &[Channel], event: &Event) -> Option<f64> {
    let power = channels.iter().find(|channel| channel.quantity == Quantity::Power)?;
    let known: Vec<f64> = (event.start..=event.last)
        .map(|cell| power.excess_kw(cell))
        .filter(|excess| excess.is_finite())
        .collect();
    (!known.is_empty()).then(|| known.iter().sum::<f64>() * grid.minutes() / 60.0)
}
