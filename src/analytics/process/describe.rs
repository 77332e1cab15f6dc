//! From an event to a finding: kind, energy, and the reason.

use super::season::Season;
use super::walk::{Cause, Channel, Event};
use crate::analytics::finding::{Deviation, Finding, Kind, Reason, Usual, What};
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
    let kind = kind(grid, event);
    let (what, usual) = match kind {
        Kind::StuckSensor => {
            let value = event.stuck_at.unwrap_or(f64::NAN);
            let (sensor, unit) = (sensor.key.clone(), sensor.unit.clone());
            (What::Stuck { sensor, value, unit }, Usual::Past)
        }
        Kind::Pattern => (together(machine, channels, &event.causes), Usual::Past),
        _ => alone(channel, &sensor.key, &sensor.unit, event),
    };
    let minutes = (event.last + 1 - event.start) as f64 * grid.minutes();
    let from = Some(grid.second(event.start));
    Finding {
        machine: machine.key.clone(),
        sensor: sensor.key.clone(),
        kind,
        start: grid.second(event.start),
        raised: grid.second(event.raised + 1),
        end: grid.second(event.last + 1),
        is_open: false,
        severity: top.sigmas.abs(),
        energy_kwh: energy(grid, channels, event),
        reason: Reason { what, usual, from, minutes: Some(minutes) },
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

fn together(machine: &Machine, channels: &[Channel], causes: &[Cause]) -> What {
    let named = causes.iter().take(NAMED).map(|cause| {
        let key = &machine.sensors[channels[cause.channel].sensor].key;
        (key.clone(), cause.sigmas)
    });
    What::Apart(named.collect())
}

fn alone(channel: &Channel, key: &str, unit: &str, event: &Event) -> (What, Usual) {
    let differences: Vec<f64> =
        (event.start..=event.last).map(|cell| channel.values[cell] - channel.usual[cell]).collect();
    let value = robust::median_of(&differences).unwrap_or(f64::NAN);
    let usual = match channel.course.season() {
        Season::None => Usual::Level,
        Season::Day => Usual::TimeOfDay,
        Season::Week => Usual::TimeOfWeek,
    };
    let by = Deviation::Difference { value, digits: digits(value.abs()), unit: unit.to_owned() };
    (What::Off { sensor: key.to_owned(), by }, usual)
}

/// How many digits behind the decimal mark make three that say something.
fn digits(value: f64) -> usize {
    match value.log10() {
        magnitude if magnitude.is_finite() => (2 - magnitude.floor() as i32).clamp(0, 9) as usize,
        _ => 0,
    }
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
