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
/// overlap (a line's machines); states may not.
pub fn observe(edges: &[i64], runs: &[Run], states: &[Span]) -> Observations {
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
    let is_running = |span: &Span| span.state == "running";
    let mut made: Vec<BTreeMap<usize, (f64, f64)>> = vec![BTreeMap::new(); out.intervals.len()];
    for run in runs {
        let end = run.end.min(last.max(run.start));
        let reference = position(&mut out.references, &run.reference);
        let own: Vec<Piece> = pieces(run.start, end, states);
        let running: i64 = own
            .iter()
            .filter(|p| p.state.is_some_and(|s| is_running(&states[s])))
            .map(|p| p.to - p.from)
            .sum();
        let units = run.good_units.unwrap_or(0.0) + run.scrap_units.unwrap_or(0.0);
        let length = if running > 0 { running } else { end - run.start };
        for piece in own {
            let counts = running == 0 || piece.state.is_some_and(|s| is_running(&states[s]));
            if !counts {
                continue;
            }
            each(edges, piece.from.max(first), piece.to.min(last), |interval, seconds| {
                let slot = made[interval].entry(reference).or_default();
                slot.0 += units * seconds as f64 / length as f64;
                slot.1 += seconds as f64 / 3600.0;
            });
        }
    }
    for span in states {
        let (from, to) = (span.start.max(first), span.end.min(last));
        match span.state.as_str() {
            "off" => {}
            "running" => {
                let mut open: Vec<(i64, i64)> = vec![(from, to)];
                for run in runs.iter().filter(|r| r.start < to && r.end > from) {
                    open = open
                        .into_iter()
                        .flat_map(|(a, b)| [(a, b.min(run.start)), (a.max(run.end), b)])
                        .filter(|(a, b)| a < b)
                        .collect();
                }
                for (a, b) in open {
                    let reference = position(&mut out.references, UNNAMED);
                    each(edges, a, b, |interval, seconds| {
                        made[interval].entry(reference).or_default().1 += seconds as f64 / 3600.0;
                    });
                }
            }
            resting => {
                let state = position(&mut out.states, resting);
                each(edges, from, to, |interval, seconds| {
                    let list = &mut out.intervals[interval].resting;
                    let hours = seconds as f64 / 3600.0;
                    match list.iter_mut().find(|(known, _)| *known == state) {
                        Some((_, sum)) => *sum += hours,
                        None => list.push((state, hours)),
                    }
                });
            }
        }
    }
    for (interval, made) in out.intervals.iter_mut().zip(made) {
        let entry = |(reference, (units, hours))| Made { reference, units, hours };
        interval.made = made.into_iter().map(entry).collect();
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
