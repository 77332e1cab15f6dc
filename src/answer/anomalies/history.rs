//! What the detectors are given: the sensors of each machine with their readings, its runs and states.

use std::collections::BTreeMap;

use super::super::{AnswerError, MAX_RUNS, Source, machine_states, raw};
use super::MOST_READINGS;
use crate::analytics::history::{Kind, Machine, Quantity, Run, Sensor, Span};
use crate::catalog::{self, Catalog, Plant, Spot};
use crate::domain::{MachineState, SensorKind, TimeRange};
use crate::frame::Notice;
use crate::model::{self, Query};
use crate::plan::{self, Selection, Window};
use crate::sql::raw::Readings;
use crate::sql::{runs, states};

/// What is judged as one: a machine, or a line with sensors of its own.
pub(super) struct Unit<'a> {
    /// Its plant.
    pub plant: &'a Plant,
    /// Its line.
    pub line: &'a Spot,
    /// The machine; `None`: the line itself.
    pub machine: Option<&'a Spot>,
    /// The sensors that are watched.
    pub sensors: Vec<&'a catalog::Sensor>,
}

impl Unit<'_> {
    /// Key of the machine or line.
    pub fn name(&self) -> &str {
        self.machine.map_or(&self.line.key, |machine| &machine.key)
    }

    /// Readings that its sensors send in a range, if each sends at its interval.
    pub fn readings(&self, range: TimeRange) -> usize {
        let of = |s: &&catalog::Sensor| (range.seconds() / s.interval_s.max(1e-3)) as usize + 1;
        self.sensors.iter().map(of).sum()
    }

    /// Whether a run is made here: on the machine, or on its whole line.
    pub fn makes(&self, run: &plan::Run) -> bool {
        run.line == self.line.id
            && (run.machine.is_none() || run.machine == self.machine.map(|machine| machine.id))
    }
}

/// The units of a selection. Sensors of a whole plant have no run, and are left out with a notice.
pub(super) fn units<'a>(
    catalog: &'a Catalog,
    selection: &Selection<'a>,
    query: &Query,
) -> (Vec<Unit<'a>>, Vec<Notice>) {
    let wanted = query.place.quantity.as_deref();
    let mut units: BTreeMap<(i32, Option<i32>), Unit<'a>> = BTreeMap::new();
    let mut homeless = Vec::new();
    for &sensor in selection.sensors.iter().filter(|s| wanted.is_none_or(|q| q == s.quantity)) {
        let line = sensor.line.and_then(|id| catalog.line(id));
        let (Some(line), Some(plant)) = (line, catalog.plant(sensor.plant)) else {
            homeless.push(sensor.key.as_str());
            continue;
        };
        let unit = units.entry((line.id, sensor.machine)).or_insert_with(|| Unit {
            plant,
            line,
            machine: sensor.machine.and_then(|id| catalog.machine(id)),
            sensors: Vec::new(),
        });
        unit.sensors.push(sensor);
    }
    let notice = (!homeless.is_empty()).then(|| {
        let homeless = homeless.join(", ");
        Notice::Info(query.language.pick(
            format!("Sensors of a plant ({homeless}) are not judged, because no run is made by a whole plant."),
            format!("Los sensores de una planta ({homeless}) no se juzgan, porque ninguna fabricación es de toda una planta."),
        ))
    });
    (units.into_values().collect(), notice.into_iter().collect())
}

/// What was made and done in the whole selection.
pub(super) struct Context {
    /// Runs, oldest first, whatever the query's filters are: all of them say what is usual.
    pub runs: Vec<plan::Run>,
    states: Vec<states::State>,
}

impl Context {
    pub(super) async fn fetch(
        source: &Source<'_>,
        selection: &Selection<'_>,
        range: TimeRange,
    ) -> Result<Self, AnswerError> {
        let all = model::Context::default();
        let statement = runs::statement(selection, &all, range, MAX_RUNS + 1);
        let rows = source.db.query(&statement.sql, statement.params).await?;
        let mut runs: Vec<plan::Run> = rows.iter().map(runs::read).collect::<Result<_, _>>()?;
        if runs.len() > MAX_RUNS {
            return Err(AnswerError::TooManyRuns(MAX_RUNS));
        }
        runs.reverse();
        Ok(Self { runs, states: machine_states(source, selection, range).await? })
    }
}

/// The history of a unit, and the statement that read it, for people.
pub(super) async fn machine(
    source: &Source<'_>,
    unit: &Unit<'_>,
    context: &Context,
    range: TimeRange,
) -> Result<(Machine, String), AnswerError> {
    let windows: Vec<Window<'_>> =
        unit.sensors.iter().map(|&sensor| Window { sensor, range }).collect();
    let read = raw::fetch(source, &windows, MOST_READINGS).await?;
    let machine = Machine {
        key: unit.name().to_owned(),
        sensors: unit.sensors.iter().zip(&read.readings).map(|(s, r)| sensor(s, r)).collect(),
        runs: context.runs.iter().filter(|run| unit.makes(run)).map(run).collect(),
        states: match unit.machine {
            Some(machine) => {
                let own = context.states.iter().filter(|state| state.machine == machine.id);
                own.map(span).collect()
            }
            None => {
                let on_line =
                    |id| source.catalog.machine(id).is_some_and(|m| m.line == unit.line.id);
                let of_machines = context.states.iter().filter(|state| on_line(state.machine));
                busiest(of_machines.map(span).collect())
            }
        },
        normal: None,
    };
    Ok((machine, read.shown))
}

const SECOND_NS: i64 = 1_000_000_000;

fn sensor(sensor: &catalog::Sensor, readings: &Readings) -> Sensor {
    // Of several readings in a second the last one counts: the detectors' grid is a minute.
    let mut rows: Vec<(i64, f64)> = Vec::with_capacity(readings.len());
    for (time, value) in readings.times.iter().zip(&readings.values) {
        let row = (time.div_euclid(SECOND_NS), *value);
        match rows.last_mut().filter(|last| last.0 == row.0) {
            Some(last) => *last = row,
            None => rows.push(row),
        }
    }
    let (times, values) = rows.into_iter().unzip();
    Sensor {
        key: sensor.key.clone(),
        quantity: Quantity::of(&sensor.quantity),
        unit: sensor.unit.clone(),
        kind: match sensor.kind {
            SensorKind::Gauge => Kind::Gauge,
            SensorKind::Counter => Kind::Counter,
            SensorKind::Delta => Kind::Delta,
        },
        to_kilo: plan::kwh_per(&sensor.unit).unwrap_or(f64::NAN),
        times,
        values,
    }
}

fn run(run: &plan::Run) -> Run {
    Run {
        key: run.key.clone(),
        reference: run.reference.clone(),
        start: run.started_at.timestamp(),
        end: run.ended_at.map_or(i64::MAX, |end| end.timestamp()),
        good_units: run.good_units,
        scrap_units: run.scrap_units,
    }
}

fn span(state: &states::State) -> Span {
    Span {
        state: state.state.clone(),
        start: state.started_at.timestamp(),
        end: state.ended_at.map_or(i64::MAX, |end| end.timestamp()),
    }
}

/// What a line does as a whole, from what its machines do: at each instant the busiest of their
/// states, in the order of [`MachineState`]. A line that sets up between two runs would else pass
/// for one at rest that wastes energy.
fn busiest(mut spans: Vec<Span>) -> Vec<Span> {
    let rank = |state: &str| MachineState::ALL.iter().position(|s| s.as_str() == state);
    let mut edges: Vec<i64> = spans.iter().flat_map(|span| [span.start, span.end]).collect();
    edges.sort_unstable();
    edges.dedup();
    spans.sort_by_key(|span| span.start);
    let mut waiting = spans.into_iter().peekable();
    let mut lasting: Vec<Span> = Vec::new();
    let mut line: Vec<Span> = Vec::new();
    for edge in edges.windows(2) {
        let (start, end) = (edge[0], edge[1]);
        lasting.retain(|span| span.end > start);
        while let Some(span) = waiting.next_if(|span| span.start <= start) {
            lasting.push(span);
        }
        let Some(span) = lasting.iter().min_by_key(|span| rank(&span.state)) else { continue };
        match line.last_mut().filter(|last| last.end == start && last.state == span.state) {
            Some(last) => last.end = end,
            None => line.push(Span { state: span.state.clone(), start, end }),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(state: &str, start: i64, end: i64) -> Span {
        Span { state: state.to_owned(), start, end }
    }

    #[test]
    fn a_line_does_what_its_busiest_machine_does() {
        let line = busiest(vec![
            span("off", 0, 10),
            span("setup", 10, 20),
            span("running", 20, i64::MAX),
            // A second machine, which is known only for a while.
            span("idle", 5, 15),
            span("running", 15, 30),
        ]);
        let expected = [span("off", 0, 5), span("idle", 5, 15), span("running", 15, i64::MAX)];
        assert_eq!(line, expected);
        assert_eq!(busiest(vec![span("idle", 0, 5), span("idle", 9, 12)]).len(), 2, "a gap stays");
        assert!(busiest(Vec::new()).is_empty());
    }
}
