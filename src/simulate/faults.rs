//! What goes wrong, when, and how much. Sizes are those that plants report, chosen without regard to
//! any detector; `severity` multiplies them.

use super::calendar::DAY_MIN;
use super::random::Stream;
use super::schedule::{Schedule, State};

/// Minutes that two faults of one machine keep apart.
const APART_MIN: usize = 8 * 60;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A few minutes of much more power, or of a wrong temperature.
    Spike,
    /// Another power for hours: a wrong mode, a blocked filter, a heater that fell out.
    LevelShift,
    /// Power that grows over days, until somebody mends it.
    Drift,
    /// A run at a wrong process temperature.
    WrongSetPoint,
    /// Heat that is not carried off.
    CoolingFailure,
    /// Fewer units an hour than usual.
    SlowProduction,
    /// Nearly full power while nothing is made.
    IdleWaste,
    /// A sensor that repeats its last value.
    StuckSensor,
    /// A sensor with a bad contact.
    Noise,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 9] = [
        Self::Spike,
        Self::LevelShift,
        Self::Drift,
        Self::WrongSetPoint,
        Self::CoolingFailure,
        Self::SlowProduction,
        Self::IdleWaste,
        Self::StuckSensor,
        Self::Noise,
    ];

    /// The word in labels.csv.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Spike => "spike",
            Self::LevelShift => "level_shift",
            Self::Drift => "drift",
            Self::WrongSetPoint => "wrong_set_point",
            Self::CoolingFailure => "cooling_failure",
            Self::SlowProduction => "slow_production",
            Self::IdleWaste => "idle_waste",
            Self::StuckSensor => "stuck_sensor",
            Self::Noise => "noise",
        }
    }
}

/// Which sensor of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Channel {
    /// Power gauge.
    Power,
    /// Process temperature.
    Temperature,
    /// Output counter.
    Output,
}

impl Channel {
    /// Key of the sensor.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Power => "power",
            Self::Temperature => "temperature",
            Self::Output => "output",
        }
    }
}

/// A fault: ground truth.
#[derive(Clone, Debug)]
pub struct Fault {
    /// What.
    pub kind: Kind,
    /// Where it shows first.
    pub channel: Channel,
    /// First minute, and the one after the last.
    pub from: usize,
    /// See `from`.
    pub to: usize,
    /// How much: relative change of power or rate, kelvin, share of running power, or noise relative
    /// to the usual one.
    pub size: f64,
    /// Time constant in minutes, where the kind has one.
    pub time_constant: f64,
}

/// How often things go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Rarity {
    /// About two faults a machine and week: enough to count on.
    Dense,
    /// At most 0.2 faults a machine and week, as in a plant that is run well.
    Rare,
}

/// Chooses the faults of all machines: kinds in equal numbers, none before `quiet_days`.
pub fn plan(
    seed: u64,
    schedules: &[Schedule],
    quiet_days: usize,
    severity: f64,
    rarity: Rarity,
) -> Vec<Vec<Fault>> {
    let stream = &mut Stream::new(seed, &["faults"]);
    let minutes = schedules.first().map_or(0, |schedule| schedule.states.len());
    let weeks = |minutes: usize| minutes as f64 / (7 * DAY_MIN) as f64 * schedules.len() as f64;
    let count = match rarity {
        Rarity::Dense => 2.0 * weeks(minutes.saturating_sub(quiet_days * DAY_MIN)),
        Rarity::Rare => 0.2 * weeks(minutes),
    };
    let mut faults: Vec<Vec<Fault>> = vec![Vec::new(); schedules.len()];
    let mut bag: Vec<Kind> = Vec::new();
    for turn in 0..count as usize {
        if bag.is_empty() {
            bag = Kind::ALL.to_vec();
            stream.shuffle(&mut bag);
        }
        let Some(kind) = bag.pop() else { continue };
        // Machines take turns; where one has no room left, the next is asked.
        let placed = (0..schedules.len()).find_map(|offset| {
            let machine = (turn + offset) % schedules.len();
            let earliest = quiet_days * DAY_MIN;
            place(stream, kind, &schedules[machine], &faults[machine], earliest, severity)
                .map(|fault| (machine, fault))
        });
        if let Some((machine, fault)) = placed {
            faults[machine].push(fault);
        }
    }
    for list in &mut faults {
        list.sort_by_key(|fault| fault.from);
    }
    faults
}

fn place(
    stream: &mut Stream,
    kind: Kind,
    schedule: &Schedule,
    others: &[Fault],
    earliest: usize,
    severity: f64,
) -> Option<Fault> {
    let minutes = schedule.states.len();
    let latest = minutes.checked_sub(DAY_MIN).filter(|&latest| latest > earliest)?;
    (0..400).find_map(|_| {
        let at = earliest + stream.below(latest - earliest);
        let (from, to) = span(stream, kind, schedule, at)?;
        let clear = to < minutes
            && from >= earliest
            && others
                .iter()
                .all(|other| from >= other.to + APART_MIN || to + APART_MIN <= other.from);
        clear.then(|| sized(stream, kind, from, to, severity))
    })
}

/// When a fault of this kind that begins at about minute `at` begins and ends, if it can be there.
fn span(stream: &mut Stream, kind: Kind, schedule: &Schedule, at: usize) -> Option<(usize, usize)> {
    let hours =
        |low: f64, high: f64, stream: &mut Stream| (60.0 * stream.between(low, high)) as usize;
    let states = &schedule.states;
    let running = |from: usize, to: usize| {
        let slice = states.get(from..to).unwrap_or_default();
        slice.iter().filter(|&&state| state == State::Running).count()
    };
    match kind {
        Kind::Spike => {
            let to = at + 2 + stream.below(6);
            (running(at.checked_sub(10)?, to) == to - at + 10).then_some((at, to))
        }
        Kind::LevelShift => {
            let to = at + hours(5.0, 30.0, stream);
            trimmed(states, at, to).filter(|&(from, to)| running(from, to) >= 180)
        }
        Kind::Drift => {
            let to = at + hours(48.0, 96.0, stream);
            trimmed(states, at, to).filter(|&(from, to)| running(from, to) >= 20 * 60)
        }
        Kind::WrongSetPoint => {
            let run = schedule.runs.get(schedule.run_of[at]?)?;
            let length = (run.to - run.from) as f64 * stream.between(0.6, 1.2);
            let to = run.to.min(run.from + length as usize);
            trimmed(states, run.from, to).filter(|&(from, to)| running(from, to) >= 60)
        }
        Kind::CoolingFailure => {
            let run = schedule.runs.get(schedule.run_of[at]?)?;
            let to = run.to.min(at + hours(1.5, 4.0, stream));
            trimmed(states, at, to).filter(|&(from, to)| running(from, to) >= 75)
        }
        Kind::SlowProduction => {
            let to = at + hours(2.0, 7.0, stream);
            trimmed(states, at, to).filter(|&(from, to)| running(from, to) >= 90)
        }
        Kind::IdleWaste => {
            let to = at + hours(1.0, 5.0, stream);
            let rests = |state: &State| matches!(state, State::Off | State::Idle);
            let slice = states.get(at..to)?;
            slice.iter().all(rests).then_some((at, to))
        }
        Kind::StuckSensor | Kind::Noise => {
            let to = at + hours(1.0, 6.0, stream);
            trimmed(states, at, to).filter(|&(from, to)| running(from, to) >= 60)
        }
    }
}

/// From the first to the last running minute of a stretch.
fn trimmed(states: &[State], from: usize, to: usize) -> Option<(usize, usize)> {
    let slice = states.get(from..to)?;
    let first = slice.iter().position(|&state| state == State::Running)?;
    let last = slice.iter().rposition(|&state| state == State::Running)?;
    Some((from + first, from + last + 1))
}

fn sized(stream: &mut Stream, kind: Kind, from: usize, to: usize, severity: f64) -> Fault {
    let either = |stream: &mut Stream| {
        if stream.chance(0.55) { Channel::Power } else { Channel::Temperature }
    };
    let (channel, size) = match kind {
        Kind::Spike => match either(stream) {
            Channel::Temperature => {
                (Channel::Temperature, stream.sign(0.8) * stream.between(7.0, 18.0))
            }
            _ => (Channel::Power, stream.between(0.3, 0.8)),
        },
        Kind::LevelShift => (Channel::Power, stream.sign(0.75) * stream.between(0.10, 0.24)),
        Kind::Drift => (Channel::Power, stream.between(0.14, 0.30)),
        Kind::WrongSetPoint => (Channel::Temperature, stream.sign(0.6) * stream.between(6.0, 16.0)),
        Kind::CoolingFailure => (Channel::Temperature, stream.between(8.0, 22.0)),
        Kind::SlowProduction => (Channel::Output, stream.between(0.18, 0.40)),
        Kind::IdleWaste => (Channel::Power, stream.between(0.45, 0.95)),
        Kind::StuckSensor => (either(stream), 1.0),
        Kind::Noise => (either(stream), stream.between(3.5, 8.0)),
    };
    let size = match kind {
        Kind::StuckSensor => size,
        Kind::SlowProduction => (size * severity).min(0.9),
        _ => size * severity,
    };
    Fault { kind, channel, from, to, size, time_constant: stream.between(25.0, 70.0) }
}
