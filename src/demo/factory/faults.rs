//! What goes wrong: now and then a machine takes too much power, gets too hot, does not rest when it
//! should, or shows a temperature that stands still. So that there is something to find, and known what.

use rand::{Rng, rngs::StdRng, seq::IndexedRandom};

use super::calendar::{Minute, Week};
use super::layout::{Heat, LineSpec};
use super::noise::Noise;
use super::physics::LineWeek;
use super::plan::{Activity, LinePlan, Segment};

/// Share of a machine's weeks that have a fault.
const CHANCE: f64 = 0.3;
/// A fault begins no sooner in a run than this, and a run shorter than this plus [`LEAST`] has none.
const SETTLED: Minute = 45;
/// Shortest fault, in minutes.
const LEAST: Minute = 90;
/// A machine has come to rest after so many minutes.
const AT_REST: Minute = 30;
/// Minutes in which a machine without its cooling comes near its new temperature, and back.
const COOLING_LAG: f64 = 25.0;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FaultKind {
    /// While it runs it takes this share more power: a worn bearing, a clogged filter.
    Friction(f64),
    /// While it should rest it takes this share of its nominal power on top: left on.
    LeftOn(f64),
    /// It gets up to so many kelvin hotter: its cooling has failed.
    Overheating(f64),
    /// Its thermometer repeats a value.
    StuckThermometer,
}

/// A fault of a machine.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// Position of the machine on its line.
    pub machine: usize,
    /// What is wrong.
    pub kind: FaultKind,
    /// First minute.
    pub start: Minute,
    /// First minute after it.
    pub end: Minute,
}

/// The faults of a line in a week: of each machine at most one, in the order of the machines.
pub fn of_week(seed: u64, spec: &LineSpec, plan: &LinePlan, week: Week) -> Vec<Fault> {
    let fault = |(machine, own): (usize, &super::layout::MachineSpec)| {
        let noise = Noise::new(seed, &["fault", own.key]);
        if noise.share(week.0) >= CHANCE {
            return None;
        }
        let mut rng = noise.generator(-1 - week.0);
        let kind = match (rng.random_range(0..4), own.heat) {
            (0, _) => FaultKind::LeftOn(rng.random_range(0.18..0.3)),
            (1, Heat::Process(_)) => FaultKind::Overheating(rng.random_range(9.0..16.0)),
            (2, _) => FaultKind::StuckThermometer,
            _ => FaultKind::Friction(rng.random_range(0.12..0.2)),
        };
        let [start, end] = match kind {
            FaultKind::LeftOn(_) => at_rest(plan, &mut rng),
            _ => in_a_run(plan, &mut rng),
        }?;
        Some(Fault { machine, kind, start, end })
    };
    spec.machines.iter().enumerate().filter_map(fault).collect()
}

/// From somewhere in a run to its end.
fn in_a_run(plan: &LinePlan, rng: &mut StdRng) -> Option<[Minute; 2]> {
    let long = plan.runs.iter().filter(|run| run.end - run.start >= SETTLED + LEAST);
    let run = long.collect::<Vec<_>>().choose(rng).copied()?;
    Some([rng.random_range(run.start + SETTLED..=run.end - LEAST), run.end])
}

/// A few hours in which the line makes nothing.
fn at_rest(plan: &LinePlan, rng: &mut StdRng) -> Option<[Minute; 2]> {
    let rests = |segment: &&Segment| {
        matches!(segment.activity, Activity::Off | Activity::Idle)
            && segment.end - segment.start >= AT_REST + LEAST
    };
    let segment = plan.segments.iter().filter(rests).collect::<Vec<_>>().choose(rng).copied()?;
    let start = segment.start + AT_REST;
    Some([start, segment.end.min(start + rng.random_range(LEAST..6 * 60))])
}

impl Fault {
    /// Lets it happen in the week that begins at minute `week`.
    pub fn happen(&self, spec: &LineSpec, line: &mut LineWeek, week: Minute) {
        let own = &spec.machines[self.machine];
        let at = |minute: Minute| (minute - week) as usize;
        let span = at(self.start)..at(self.end);
        let power = &mut line.power[self.machine];
        let temperature = &mut line.temperature[self.machine];
        match self.kind {
            FaultKind::Friction(share) => {
                for segment in &line.plan.segments {
                    if segment.activity == Activity::Running {
                        let from = segment.start.max(self.start);
                        for minute in from..segment.end.min(self.end).max(from) {
                            power[at(minute)] *= 1.0 + share;
                        }
                    }
                }
            }
            FaultKind::LeftOn(share) => {
                power[span].iter_mut().for_each(|kw| *kw += share * spec.kw * own.share);
            }
            FaultKind::Overheating(kelvin) => {
                let mut above = 0.0;
                for (minute, value) in (self.start..).zip(&mut temperature[at(self.start)..]) {
                    let target = if minute < self.end { kelvin } else { 0.0 };
                    above += (target - above) / COOLING_LAG;
                    *value += above;
                }
            }
            FaultKind::StuckThermometer => {
                let stuck = temperature[span.start];
                temperature[span].fill(stuck);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::layout::PLANTS;
    use super::*;

    /// Ten minutes of running, ten of idling, twenty of running; 20 kW and 100 °C throughout.
    fn line() -> LineWeek {
        let segment =
            |start, end, activity| Segment { start, end, activity, reference: 0, run: None };
        LineWeek {
            plan: LinePlan {
                segments: vec![
                    segment(0, 10, Activity::Running),
                    segment(10, 20, Activity::Idle),
                    segment(20, 40, Activity::Running),
                ],
                runs: Vec::new(),
            },
            power: vec![vec![20.0; 40]; 3],
            auxiliary: vec![1.0; 40],
            temperature: vec![(0..40).map(|minute| 100.0 + f64::from(minute)).collect(); 3],
            output: vec![0.0; 40],
            faults: Vec::new(),
        }
    }

    fn after(kind: FaultKind, start: Minute, end: Minute) -> LineWeek {
        let mut line = line();
        Fault { machine: 1, kind, start, end }.happen(&PLANTS[0].lines[0], &mut line, 0);
        // The other machines are as they were.
        assert_eq!([&line.power[0], &line.power[2]], [&vec![20.0; 40]; 2]);
        line
    }

    #[test]
    fn friction_takes_power_while_it_runs() {
        let line = after(FaultKind::Friction(0.1), 5, 30);
        let with = |minute: usize| matches!(minute, 5..10 | 20..30);
        let expected: Vec<f64> = (0..40).map(|m| if with(m) { 22.0 } else { 20.0 }).collect();
        assert_eq!(line.power[1], expected);
    }

    #[test]
    fn a_machine_that_is_left_on_takes_a_share_of_its_own() {
        let line = after(FaultKind::LeftOn(0.25), 12, 20);
        // M1 has 118 kW, the first press 44 % of it.
        let more = 0.25 * 0.44 * 118.0;
        assert_eq!(line.power[1][11..13], [20.0, 20.0 + more]);
        assert_eq!(line.power[1][19..21], [20.0 + more, 20.0]);
    }

    #[test]
    fn what_is_not_cooled_gets_hotter_and_recovers() {
        let line = after(FaultKind::Overheating(12.5), 10, 12);
        let above = |minute: usize| line.temperature[1][minute] - (100.0 + minute as f64);
        // 12.5 / 25, and of what is left the same share again; then back.
        let second = 0.5 + 12.0 / 25.0;
        for (minute, expected) in [(9, 0.0), (10, 0.5), (11, second), (12, second * 24.0 / 25.0)] {
            assert!((above(minute) - expected).abs() < 1e-9, "{minute}: {}", above(minute));
        }
    }

    #[test]
    fn a_stuck_thermometer_repeats_what_it_showed() {
        let line = after(FaultKind::StuckThermometer, 15, 18);
        assert_eq!(line.temperature[1][14..19], [114.0, 115.0, 115.0, 115.0, 118.0]);
    }
}
