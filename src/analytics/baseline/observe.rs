//! What was made, and in which state the machine was, in each interval.

use std::collections::BTreeMap;

use crate::analytics::history::{Run, Span};

/// Name of production that no run says what it was.
pub const UNNAMED: &str = "";

/// What one reference did in an interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Made {
    /// Position of the reference in [`Observations::references`].
    pub reference: usize,
    /// Units made: good and scrap.
    pub units: f64,
    /// Hours in which it was made.
    pub hours: f64,
}

/// One interval: what was used, and what explains it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Interval {
    /// Length in hours; where only a part was measured, that part.
    pub hours: f64,
    /// kWh; `NaN` where it is not known well enough.
    pub energy: f64,
    /// What was made.
    pub made: Vec<Made>,
    /// Hours in each resting state: `(position in Observations::states, hours)`.
    pub resting: Vec<(usize, f64)>,
    /// Mean of each driver, in the order of [`Observations::drivers`]; `NaN` where unknown.
    pub drivers: Vec<f64>,
}

impl Interval {
    /// Hours in which something was made.
    pub fn production_hours(&self) -> f64 {
        self.made.iter().map(|made| made.hours).sum()
    }

    /// The same interval of which only a share was measured.
    #[must_use]
    pub fn measured(mut self, share: f64) -> Self {
        self.hours *= share;
        for made in &mut self.made {
            made.units *= share;
            made.hours *= share;
        }
        for (_, hours) in &mut self.resting {
            *hours *= share;
        }
        self
    }
}

/// Intervals with the names that they refer to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observations {
    /// Keys of the references.
    pub references: Vec<String>,
    /// Names of the resting states, `off` and `running` apart.
    pub states: Vec<String>,
    /// Names of the drivers.
    pub drivers: Vec<String>,
    /// The intervals, ascending.
    pub intervals: Vec<Interval>,
}

/// What a machine of a place did.
#[derive(Clone, Debug, PartialEq)]
pub struct Machine {
    /// Its states, ascending; they do not overlap.
    pub states: Vec<Span>,
    /// Positions of the runs that are made on it, ascending.
    pub runs: Vec<usize>,
    /// Its share of the hours of its line, 0 to 1: the shares of a line's machines add up to 1.
    pub share: f64,
}

impl Machine {
    /// The only machine of a place, on which all of its `runs` are made.
    pub fn alone(states: Vec<Span>, runs: usize) -> Self {
        Self { states, runs: (0..runs).collect(), share: 1.0 }
    }
}

/// A part of a run's time, with the position of its state where one is reported.
#[derive(Clone, Copy)]
struct Piece {
    from: i64,
    to: i64,
    state: Option<usize>,
}

/// Lays runs and states on the intervals between `edges` (seconds since 1970, ascending). Energy and
/// drivers are left for the caller.
///
/// The units of a run are spread evenly over the time in which it was really running, where states
/// are reported for it, else over all of its time. An open run counts up to the last edge. Runs may
/// overlap (a plant's lines). What several machines make together, each makes an equal part of, by
/// its own states; the hours of a line are the mean of its machines' hours.
pub fn observe(edges: &[i64], runs: &[Run], machines: &[Machine]) -> Observations {
    let mut out = Observations {
        intervals: edges
            .windows(2)
            .map(|pair| Interval {
                hours: (pair[1] - pair[0]) as f64 / 3600.0,
                energy: f64::NAN,
                ..Interval::default()
            })
            .collect(),
        ..Observations::default()
    };
    let (Some(&first), Some(&last)) = (edges.first(), edges.last()) else { return out };
    let mut makers = vec![0_usize; runs.len()];
    for run in machines.iter().flat_map(|machine| &machine.runs) {
        makers[*run] += 1;
    }
    // By run, so that references stand in the order in which they were made.
    let references: Vec<usize> =
        runs.iter().map(|run| position(&mut out.references, &run.reference)).collect();
    let mut made: Vec<BTreeMap<usize, (f64, f64)>> = vec![BTreeMap::new(); out.intervals.len()];
    let mut make = |index: usize, states: &[Span], share: f64| {
        let run = &runs[index];
        let end = run.end.min(last.max(run.start));
        let own = pieces(run.start, end, states);
        let is_running = |p: &&Piece| p.state.is_some_and(|s| states[s].state == RUNNING);
        let running: i64 = own.iter().filter(is_running).map(|p| p.to - p.from).sum();
        let units = run.good_units.unwrap_or(0.0) + run.scrap_units.unwrap_or(0.0);
        let length = if running > 0 { running } else { end - run.start };
        for piece in own.iter().filter(|p| running == 0 || is_running(p)) {
            each(edges, piece.from.max(first), piece.to.min(last), |interval, seconds| {
                let slot = made[interval].entry(references[index]).or_default();
                slot.0 += share * units * seconds as f64 / length as f64;
                slot.1 += share * seconds as f64 / 3600.0;
            });
        }
    };
    for index in (0..runs.len()).filter(|index| makers[*index] == 0) {
        make(index, &[], 1.0);
    }
    for machine in machines {
        machine.runs.iter().for_each(|&run| make(run, &machine.states, 1.0 / makers[run] as f64));
    }
    for machine in machines {
        let covered = covered(machine.runs.iter().map(|run| &runs[*run]));
        for span in &machine.states {
            let (from, to) = (span.start.max(first), span.end.min(last));
            let hours = |seconds: i64| machine.share * seconds as f64 / 3600.0;
            match span.state.as_str() {
                "off" => {}
                RUNNING => {
                    for (a, b) in outside(from, to, &covered) {
                        let reference = position(&mut out.references, UNNAMED);
                        each(edges, a, b, |interval, seconds| {
                            made[interval].entry(reference).or_default().1 += hours(seconds);
                        });
                    }
                }
                resting => {
                    let state = position(&mut out.states, resting);
                    each(edges, from, to, |interval, seconds| {
                        let list = &mut out.intervals[interval].resting;
                        match list.iter_mut().find(|(known, _)| *known == state) {
                            Some((_, sum)) => *sum += hours(seconds),
                            None => list.push((state, hours(seconds))),
                        }
                    });
                }
            }
        }
    }
    for (interval, made) in out.intervals.iter_mut().zip(made) {
        let entry = |(reference, (units, hours))| Made { reference, units, hours };
        interval.made = made.into_iter().map(entry).collect();
    }
    out
}

/// The state in which units are made.
const RUNNING: &str = "running";

/// The time of some runs without overlaps, ascending.
fn covered<'a>(runs: impl Iterator<Item = &'a Run>) -> Vec<(i64, i64)> {
    let mut all: Vec<(i64, i64)> =
        runs.map(|run| (run.start, run.end)).filter(|(a, b)| a < b).collect();
    all.sort_unstable();
    all.dedup_by(|next, kept| {
        let touches = next.0 <= kept.1;
        if touches {
            kept.1 = kept.1.max(next.1);
        }
        touches
    });
    all
}

/// What of a time is outside of ranges that ascend and do not overlap.
fn outside(from: i64, to: i64, ranges: &[(i64, i64)]) -> Vec<(i64, i64)> {
    let mut out = Vec::new();
    let mut at = from;
    for &(a, b) in &ranges[ranges.partition_point(|range| range.1 <= from)..] {
        if a >= to {
            break;
        }
        if at < a {
            out.push((at, a));
        }
        at = at.max(b);
    }
    if at < to {
        out.push((at, to));
    }
    out
}

fn position(names: &mut Vec<String>, name: &str) -> usize {
    match names.iter().position(|known| known == name) {
        Some(position) => position,
        None => {
            names.push(name.to_owned());
            names.len() - 1
        }
    }
}

/// A time cut where states change.
fn pieces(from: i64, to: i64, states: &[Span]) -> Vec<Piece> {
    let mut out = Vec::new();
    let mut at = from;
    let first = states.partition_point(|span| span.end <= from);
    for (index, span) in states.iter().enumerate().skip(first) {
        if span.start >= to || at >= to {
            break;
        }
        if span.start > at {
            out.push(Piece { from: at, to: span.start, state: None });
        }
        let (a, b) = (span.start.max(at), span.end.min(to));
        if a < b {
            out.push(Piece { from: a, to: b, state: Some(index) });
            at = b;
        }
    }
    if at < to {
        out.push(Piece { from: at, to, state: None });
    }
    out
}

/// Calls `with` for each interval that a time touches, with the seconds inside.
fn each(edges: &[i64], from: i64, to: i64, mut with: impl FnMut(usize, i64)) {
    if from >= to {
        return;
    }
    let start = edges.partition_point(|edge| *edge <= from).saturating_sub(1);
    for (offset, pair) in edges[start..].windows(2).enumerate() {
        if pair[0] >= to {
            break;
        }
        let seconds = pair[1].min(to) - pair[0].max(from);
        if seconds > 0 {
            with(start + offset, seconds);
        }
    }
}
