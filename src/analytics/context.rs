//! The context of each cell: state, reference, and phase of the run. Normal depends on it.

use std::collections::HashMap;

use super::grid::Grid;
use super::history::Machine;

/// Edges of the phases of a run, in minutes since its start.
const PHASE_EDGES_MIN: [f64; 18] = [
    0.0, 2.0, 4.0, 7.0, 10.0, 15.0, 20.0, 25.0, 30.0, 35.0, 40.0, 45.0, 50.0, 55.0, 60.0, 75.0,
    90.0, 120.0,
];
/// Edges of the phases after a stop inside a run, in minutes since it went on.
const RESUMED_EDGES_MIN: [f64; 4] = [0.0, 1.0, 2.0, 4.0];
/// Minutes after a stop in which the phase is one of `RESUMED_EDGES_MIN`.
const RESUMED_MIN: f64 = 7.0;
/// First of the phases after a stop, and of those of a run that began cold.
const RESUMED: usize = PHASE_EDGES_MIN.len();
const COLD: usize = RESUMED + RESUMED_EDGES_MIN.len();
/// Phases in all: of a run, after a stop inside it, and of a run on a cold machine.
pub const PHASES: usize = COLD + PHASE_EDGES_MIN.len();
/// First phase in which a run counts as settled: 20 minutes after its start.
const SETTLED: usize = 6;
/// A cold machine is like any other after this phase: two hours.
const WARM: usize = 17;

/// Whether a phase belongs to a run that began on a cold machine.
pub fn is_cold(phase: usize) -> bool {
    phase >= COLD
}

/// Whether a phase is one in which runs have usually found their level.
pub fn is_late(phase: usize) -> bool {
    (SETTLED..RESUMED).contains(&phase) || phase >= COLD + 14
}

/// Running without a run is a context of its own: production that nobody wrote down.
const UNNAMED: &str = "";

/// A rest of at least this long makes the next start a cold one, in minutes.
const COLD_MIN: f64 = 120.0;

/// What a machine is doing in a cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Doing {
    /// No state and no run is known.
    Unknown,
    /// Making units.
    Running {
        /// Position of the reference in `Context::references`.
        reference: usize,
        /// Position of the run in the machine's list.
        run: usize,
        /// Phase of the run, below `PHASES`.
        phase: usize,
        /// Minutes since the run began.
        elapsed_min: f64,
    },
    /// In another state.
    Resting {
        /// Position of the state in `Context::states`, where what begins on a cold machine is apart.
        state: usize,
        /// Minutes in this state.
        since_min: f64,
    },
}

/// The context of a machine's cells.
#[derive(Clone, Debug, Default)]
pub struct Context {
    /// Keys of the references, in order of appearance after none.
    pub references: Vec<String>,
    /// Names of the resting states, each twice: what begins on a cold machine comes after what begins on
    /// a warm one. A machine that is set up cold heats, and takes what would be waste on a warm one.
    pub states: Vec<String>,
    /// Whether the machine reports states. Where it does not, runs have stops in them that nobody tells,
    /// and what lies between them is set-up, idling and off in one.
    pub reports_states: bool,
    /// For each cell.
    pub cells: Vec<Doing>,
}

impl Context {
    /// Lays runs and states on the grid. Where no states are reported, a run is running and
    /// everything else rests; without runs either, nothing is known and everything counts as
    /// running one reference.
    pub fn of(machine: &Machine, grid: &Grid) -> Self {
        let mut builder = Builder { grid, names: Names::default(), states: Names::default() };
        // First, so that later references change no position.
        builder.names.position(UNNAMED);
        let run_of = builder.runs(machine);
        let state_of = builder.states(machine, &run_of);
        let cells = builder.cells(machine, &run_of, &state_of);
        let twice = |name: String| [name.clone(), name];
        let states = builder.states.list.into_iter().flat_map(twice).collect();
        let reports_states = !machine.states.is_empty();
        Self { references: builder.names.list, states, reports_states, cells }
    }
}

#[derive(Default)]
struct Names {
    list: Vec<String>,
    index: HashMap<String, usize>,
}

impl Names {
    fn position(&mut self, name: &str) -> usize {
        if let Some(&position) = self.index.get(name) {
            return position;
        }
        self.list.push(name.to_owned());
        self.index.insert(name.to_owned(), self.list.len() - 1);
        self.list.len() - 1
    }
}

/// State of a cell before the phases are known.
#[derive(Clone, Copy, PartialEq)]
enum Coarse {
    Unknown,
    Running,
    Resting(usize),
}

struct Builder<'a> {
    grid: &'a Grid,
    names: Names,
    states: Names,
}

impl Builder<'_> {
    fn runs(&mut self, machine: &Machine) -> Vec<Option<usize>> {
        let mut run_of = vec![None; self.grid.cells];
        for (index, run) in machine.runs.iter().enumerate() {
            self.names.position(&run.reference);
            let (from, to) = (self.grid.clamped(run.start), self.grid.clamped(run.end));
            run_of[from.min(to)..to].fill(Some(index));
        }
        run_of
    }

    fn states(&mut self, machine: &Machine, run_of: &[Option<usize>]) -> Vec<Coarse> {
        let mut state_of = vec![Coarse::Unknown; self.grid.cells];
        if machine.states.is_empty() {
            let rest = (!machine.runs.is_empty()).then(|| self.states.position("no run"));
            for (state, run) in state_of.iter_mut().zip(run_of) {
                *state = match (run, rest) {
                    (None, Some(rest)) => Coarse::Resting(rest),
                    _ => Coarse::Running,
                };
            }
        }
        for span in &machine.states {
            let state = match span.state.as_str() {
                "running" => Coarse::Running,
                other => Coarse::Resting(self.states.position(other)),
            };
            let (from, to) = (self.grid.clamped(span.start), self.grid.clamped(span.end));
            state_of[from.min(to)..to].fill(state);
        }
        state_of
    }

    fn cells(
        &mut self,
        machine: &Machine,
        run_of: &[Option<usize>],
        state_of: &[Coarse],
    ) -> Vec<Doing> {
        let minutes = self.grid.minutes();
        let mut since_change = 0.0;
        let mut resumed = false;
        let mut run_start = 0;
        let mut rested_min = f64::INFINITY;
        let mut cold = true;
        let mut rests_cold = true;
        let unnamed = self.names.position(UNNAMED);
        (0..self.grid.cells)
            .map(|cell| {
                let changed = cell == 0 || state_of[cell] != state_of[cell - 1];
                let new_run = cell == 0 || run_of[cell] != run_of[cell - 1];
                since_change = if changed { 0.0 } else { since_change + minutes };
                if changed {
                    rests_cold = rested_min >= COLD_MIN;
                }
                if new_run {
                    run_start = cell;
                    resumed = false;
                    cold = rested_min >= COLD_MIN;
                } else if changed && state_of[cell] == Coarse::Running {
                    resumed = true;
                }
                rested_min =
                    if state_of[cell] == Coarse::Running { 0.0 } else { rested_min + minutes };
                match state_of[cell] {
                    Coarse::Unknown => Doing::Unknown,
                    Coarse::Resting(state) => Doing::Resting {
                        state: 2 * state + usize::from(rests_cold),
                        since_min: since_change,
                    },
                    Coarse::Running => {
                        let elapsed_min = (cell - run_start) as f64 * minutes;
                        let reference = run_of[cell].map_or(unnamed, |run| {
                            self.names.position(&machine.runs[run].reference)
                        });
                        Doing::Running {
                            reference,
                            run: run_of[cell].unwrap_or(usize::MAX),
                            phase: phase(elapsed_min, resumed.then_some(since_change), cold),
                            elapsed_min,
                        }
                    }
                }
            })
            .collect()
    }
}

fn phase(elapsed_min: f64, resumed_min: Option<f64>, cold: bool) -> usize {
    let position = |edges: &[f64], minutes: f64| edges.partition_point(|&edge| edge <= minutes) - 1;
    let usual = position(&PHASE_EDGES_MIN, elapsed_min);
    match resumed_min {
        _ if cold && usual < WARM => COLD + usual,
        Some(minutes) if minutes < RESUMED_MIN => RESUMED + position(&RESUMED_EDGES_MIN, minutes),
        _ => usual,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analytics::history::{Run, Span};

    #[test]
    fn phases_follow_the_run_and_its_stops() {
        let span = |state: &str, start, end| Span { state: state.into(), start, end };
        let machine = Machine {
            runs: vec![Run {
                key: "r".into(),
                reference: "A".into(),
                start: 60,
                end: 600,
                good_units: None,
                scrap_units: None,
            }],
            states: vec![
                span("off", 0, 60),
                span("running", 60, 300),
                span("stopped", 300, 360),
                span("running", 360, 600),
            ],
            ..Machine::default()
        };
        let grid = Grid { start: 0, step: 60, cells: 11 };
        let context = Context::of(&machine, &grid);
        assert_eq!(context.references, ["", "A"]);
        assert_eq!(context.states, ["off", "off", "stopped", "stopped"]);
        assert!(matches!(context.cells[0], Doing::Resting { state: 1, .. }), "nothing before it");
        assert!(matches!(context.cells[1], Doing::Running { reference: 1, phase: COLD, .. }));
        assert!(matches!(context.cells[4], Doing::Running { elapsed_min: 3.0, .. }));
        assert!(matches!(context.cells[5], Doing::Resting { state: 2, .. }), "it ran before");
        assert_eq!(context.cells[10], Doing::Unknown);
        assert_eq!(phase(5.0, Some(0.0), false), RESUMED);
        assert_eq!(phase(5.0, Some(9.0), false), 2);
        assert_eq!(phase(130.0, None, true), WARM);
    }
}
