//! Time in which machines were not running, by the states that they report.

use std::collections::BTreeMap;

use super::super::{AnswerError, Source, machine_states};
use crate::domain::TimeRange;
use crate::plan::{Selection, Window};

/// Stops by row id of the machine, in order of time.
#[derive(Default)]
pub(super) struct Stops(BTreeMap<i32, Vec<TimeRange>>);

/// The stops of the machines whose sensors are read.
pub(super) async fn fetch(
    source: &Source<'_>,
    selection: &Selection<'_>,
    windows: &[Window<'_>],
) -> Result<Stops, AnswerError> {
    let from = windows.iter().map(|w| w.range.from()).min();
    let to = windows.iter().map(|w| w.range.to()).max();
    let Some(range) = from.zip(to).and_then(|(from, to)| TimeRange::new(from, to).ok()) else {
        return Ok(Stops::default());
    };
    let states = machine_states(source, selection, range).await?;
    let mut stops: BTreeMap<i32, Vec<TimeRange>> = BTreeMap::new();
    for state in states.iter().filter(|state| state.state != "running") {
        let stop = range.clip(state.started_at, state.ended_at);
        stops.entry(state.machine).or_default().extend(stop);
    }
    Ok(Stops(stops))
}

impl Stops {
    /// The parts of a window in which the sensor's machine was not stopped; all of it where it has no
    /// machine or reports no states.
    pub fn running(&self, window: &Window<'_>) -> Vec<TimeRange> {
        let stops = window.sensor.machine.and_then(|machine| self.0.get(&machine));
        let stops = stops.map(Vec::as_slice).unwrap_or_default();
        let first = stops.partition_point(|stop| stop.to() <= window.range.from());
        let (mut from, to) = (window.range.from(), window.range.to());
        let mut parts = Vec::new();
        for stop in stops[first..].iter().take_while(|stop| stop.from() < to) {
            parts.extend(TimeRange::new(from, stop.from()));
            from = from.max(stop.to());
        }
        parts.extend(TimeRange::new(from, to));
        parts
    }
}
