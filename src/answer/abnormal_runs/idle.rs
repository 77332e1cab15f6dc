//! The share of each run in which its machines were not running: by their states, or where none are
//! reported by operating modes that are found in their power.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};

use super::super::memo::{Key, Memo};
use super::super::{AnswerError, Source, machine_states, raw};
use super::Times;
use crate::analytics::modes::{Modes, modes};
use crate::analytics::robust;
use crate::catalog::Sensor;
use crate::domain::{Language, SensorKind, TimeRange};
use crate::frame::Notice;
use crate::plan::{Node, Run, Selection, Window, meters};
use crate::sql::raw::Readings;
use crate::sql::states::State;

/// Most readings from which modes are found.
const MOST_READINGS: usize = 6_000_000;
/// Share of a run whose state must be known.
const LEAST_KNOWN: f64 = 0.5;

static MODES: Memo<Option<Modes>> = Memo::new(128);

/// Idle shares of runs.
pub(super) struct Idle {
    pub shares: Vec<Option<f64>>,
    pub notices: Vec<Notice>,
}

pub(super) async fn shares(
    source: &Source<'_>,
    selection: &Selection<'_>,
    runs: &[Run],
    times: &Times,
    language: Language,
) -> Result<Idle, AnswerError> {
    let Ok(range) = TimeRange::new(times.learn.from(), times.shown.to()) else {
        return Ok(Idle { shares: vec![None; runs.len()], notices: Vec::new() });
    };
    let states = machine_states(source, selection, range).await?;
    let mut by_machine: BTreeMap<i32, Vec<&State>> = BTreeMap::new();
    for state in &states {
        by_machine.entry(state.machine).or_default().push(state);
    }
    let powers = powers(source, selection, runs, &by_machine);
    let modes = found(source, &powers, runs, range, times).await?;
    let line_of = |machine: &i32| source.catalog.machine(*machine).map(|machine| machine.line);
    let shares = runs.iter().map(|run| {
        let machines: Vec<i32> = match run.machine {
            Some(machine) => vec![machine],
            None => by_machine.keys().copied().filter(|m| line_of(m) == Some(run.line)).collect(),
        };
        let known = machines.iter().filter_map(|machine| match by_machine.get(machine) {
            Some(states) => of_states(run, states),
            None => modes.get(machine).and_then(|found| found.share(run)),
        });
        let (sum, count) = known.fold((0.0, 0), |(sum, n), share| (sum + share, n + 1));
        (count > 0).then(|| sum / f64::from(count))
    });
    let shares = shares.collect();
    Ok(Idle { shares, notices: notice(source, &modes, language).into_iter().collect() })
}

/// Share of the known time of a run that is not `running`.
fn of_states(run: &Run, states: &[&State]) -> Option<f64> {
    let end = run.ended_at?;
    let whole = TimeRange::new(run.started_at, end).ok()?;
    // States are in order of their starts, and do not overlap.
    let first = states.partition_point(|s| s.ended_at.is_some_and(|end| end <= run.started_at));
    let (mut known, mut idle) = (0.0, 0.0);
    for state in states[first..].iter().take_while(|s| s.started_at < end) {
        let Some(part) = whole.clip(state.started_at, state.ended_at) else { continue };
        known += part.seconds();
        idle += if state.state == "running" { 0.0 } else { part.seconds() };
    }
    (known >= LEAST_KNOWN * whole.seconds()).then(|| idle / known)
}

/// The one power sensor of each machine that has runs and reports no states.
fn powers<'a>(
    source: &Source<'a>,
    selection: &Selection<'_>,
    runs: &[Run],
    states: &BTreeMap<i32, Vec<&State>>,
) -> Vec<(i32, &'a Sensor)> {
    let has_runs = |id: i32| runs.iter().any(|run| run.machine == Some(id));
    let silent = selection.machines.iter().map(|m| m.id);
    let silent = silent.filter(|id| !states.contains_key(id) && has_runs(*id));
    let power = |id: i32| {
        let own = meters(source.catalog, Node::Machine(id));
        let gauges = source.catalog.sensors.iter().filter(|s| {
            s.machine == Some(id) && s.quantity == "power" && s.kind == SensorKind::Gauge
        });
        let mut gauges = gauges.filter(|s| own.len() == 1 || own.iter().any(|o| o.id == s.id));
        let first = gauges.next()?;
        gauges.next().is_none().then_some((id, first))
    };
    silent.filter_map(power).collect()
}

/// The modes of a machine with the power that tells them.
struct Found<'a> {
    sensor: &'a Sensor,
    readings: Readings,
    modes: Arc<Option<Modes>>,
}

/// Finds modes in what was measured before the time range begins: a run is not judged by later days.
async fn found<'a>(
    source: &Source<'_>,
    powers: &[(i32, &'a Sensor)],
    runs: &[Run],
    range: TimeRange,
    times: &Times,
) -> Result<BTreeMap<i32, Found<'a>>, AnswerError> {
    if powers.is_empty() {
        return Ok(BTreeMap::new());
    }
    let windows: Vec<Window<'_>> =
        powers.iter().map(|(_, sensor)| Window { sensor, range }).collect();
    let expected: f64 = windows.iter().map(|w| range.seconds() / w.sensor.interval_s).sum();
    if expected > MOST_READINGS as f64 {
        let readings = expected as usize;
        return Err(AnswerError::TooMuchHistory { readings, most: MOST_READINGS });
    }
    let read = raw::fetch(source, &windows, MOST_READINGS).await?;
    let until = nanos(times.shown.from());
    let mut all = BTreeMap::new();
    for (&(machine, sensor), readings) in powers.iter().zip(read.readings) {
        let past = readings.times.partition_point(|time| *time < until);
        let power = readings.values[..past].to_vec();
        let middle = |run: &Run| {
            let span = span(&readings, run);
            robust::median_of(&power[span.start.min(past)..span.end.min(past)])
        };
        let own = runs.iter().filter(|run| run.machine == Some(machine));
        let middles: Vec<f64> = own.filter_map(middle).collect();
        let key = Key::of("modes 2").numbers(&power).numbers(&middles);
        let modes = MODES.get(key, move || modes(&power, &middles)).await?;
        all.insert(machine, Found { sensor, readings, modes });
    }
    Ok(all)
}

impl Found<'_> {
    /// Share of a run's measured time in which the power was that of idling: each reading holds up to
    /// the next one, but not longer than the sensor's longest gap.
    fn share(&self, run: &Run) -> Option<f64> {
        let limit = (*self.modes).as_ref()?.idle_below;
        let span = span(&self.readings, run);
        let end = nanos(run.ended_at?);
        let longest = (self.sensor.max_gap_s * 1e9) as i64;
        let (mut known, mut idle) = (0.0, 0.0);
        for index in span {
            let next = self.readings.times.get(index + 1).copied().unwrap_or(end).min(end);
            let held = (next - self.readings.times[index]).min(longest) as f64;
            known += held;
            idle += if self.readings.values[index] < limit { held } else { 0.0 };
        }
        let whole = (end - nanos(run.started_at)) as f64;
        (known >= LEAST_KNOWN * whole).then(|| idle / known)
    }
}

/// The readings inside a run.
fn span(readings: &Readings, run: &Run) -> std::ops::Range<usize> {
    let position = |at: DateTime<Utc>| readings.times.partition_point(|time| *time < nanos(at));
    let from = position(run.started_at);
    from..run.ended_at.map_or(from, position).max(from)
}

fn nanos(at: DateTime<Utc>) -> i64 {
    at.timestamp_nanos_opt().unwrap_or_default()
}

/// Says where idling was inferred, and below which power.
fn notice(
    source: &Source<'_>,
    found: &BTreeMap<i32, Found<'_>>,
    language: Language,
) -> Option<Notice> {
    let describe = |(machine, found): (&i32, &Found<'_>)| {
        let modes = (*found.modes).as_ref()?;
        let key = &source.catalog.machine(*machine)?.key;
        let number = |value: f64| language.number(format_args!("{value:.1}"));
        let levels: Vec<String> = modes.modes.iter().map(|mode| number(mode.level)).collect();
        let (below, levels, unit) =
            (number(modes.idle_below), levels.join(language.pick(", ", "; ")), &found.sensor.unit);
        Some(language.pick(
            format!("{key} below {below} {unit} (modes at {levels} {unit})"),
            format!("{key} por debajo de {below} {unit} (modos en {levels} {unit})"),
        ))
    };
    let all: Vec<String> = found.iter().filter_map(describe).collect();
    (!all.is_empty()).then(|| {
        let all = all.join("; ");
        Notice::Info(language.pick(
            format!("No states are reported: idling was inferred by clustering of power: {all}."),
            format!("No se notifican estados: la marcha en vacío se dedujo agrupando la potencia: {all}."),
        ))
    })
}
