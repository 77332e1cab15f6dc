//! What a line does in a week, minute by minute: set-up, runs with their breaks and stops, idle
//! time, and the hours when it is off. Decided by a generator that is seeded with line and week.

use rand::{Rng, rngs::StdRng};

use super::calendar::{self, Minute, Week};
use super::layout::{LineSpec, Manning, PlantSpec};
use super::noise::Noise;

/// What a line is doing. A stop has a machine that caused it; the others wait for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// Not manned, everything switched off.
    Off,
    /// Heating up from cold.
    WarmUp,
    /// Changing over to the next reference.
    Setup,
    /// Producing.
    Running,
    /// The operators' break, inside a run.
    Break,
    /// Manned, with nothing to make.
    Idle,
    /// A stop of a few minutes, inside a run.
    MicroStop(usize),
    /// A failure that ends a run before its lot is finished.
    Breakdown(usize),
}

/// State of a machine, as the API names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Producing.
    Running,
    /// Waiting.
    Idle,
    /// Being set up or heated.
    Setup,
    /// Stopped by a fault of its own.
    Stopped,
    /// Switched off.
    Off,
}

impl Activity {
    /// The state that it means for the machine at position `machine` of the line.
    pub fn state(self, machine: usize) -> State {
        match self {
            Self::Off => State::Off,
            Self::WarmUp | Self::Setup => State::Setup,
            Self::Running => State::Running,
            Self::Break | Self::Idle => State::Idle,
            Self::MicroStop(culprit) | Self::Breakdown(culprit) if culprit == machine => {
                State::Stopped
            }
            Self::MicroStop(_) | Self::Breakdown(_) => State::Idle,
        }
    }
}

/// An interval in which the line does one thing.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    /// First minute.
    pub start: Minute,
    /// First minute after it.
    pub end: Minute,
    /// What the line does.
    pub activity: Activity,
    /// The reference that it is set up for.
    pub reference: usize,
    /// Position in [`LinePlan::runs`] of the run that it is a part of.
    pub run: Option<usize>,
}

/// One run of a lot.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Key of the run.
    pub key: String,
    /// Key of the lot.
    pub lot: String,
    /// Position of the reference in the line's catalogue.
    pub reference: usize,
    /// Position of the operator in the plant's list.
    pub operator: usize,
    /// First minute.
    pub start: Minute,
    /// First minute after it.
    pub end: Minute,
    /// Actual rate over nominal rate.
    pub speed: f64,
    /// Actual power over the signature's.
    pub effort: f64,
    /// Share of scrap.
    pub scrap: f64,
}

/// A line's week. The segments follow each other without a gap and fill the week.
#[derive(Clone, Debug, PartialEq)]
pub struct LinePlan {
    /// What the line does.
    pub segments: Vec<Segment>,
    /// Its runs in order; they never overlap.
    pub runs: Vec<Run>,
}

/// The plan of line number `line` of a plant for a week; `scrap` is the usual share of scrap of
/// each of its references.
pub fn of_week(seed: u64, plant: &PlantSpec, line: usize, scrap: &[f64], week: Week) -> LinePlan {
    let spec = &plant.lines[line];
    let mut planner = Planner {
        plant,
        spec,
        line,
        scrap,
        week,
        rng: Noise::new(seed, &["plan", plant.key, spec.key]).generator(week.0),
        now: week.start(plant.zone),
        reference: 0,
        lots: 0,
        unfinished: None,
        plan: LinePlan { segments: Vec::new(), runs: Vec::new() },
    };
    planner.reference = planner.rng.random_range(0..spec.references.len());
    for window in calendar::manned(week, spec.manning, plant.zone) {
        planner.until(window[0], Activity::Off, None);
        planner.window(window[1]);
    }
    planner.until(week.end(plant.zone), Activity::Off, None);
    planner.plan
}

/// A lot that needs another run.
struct Unfinished {
    lot: String,
    minutes: i64,
}

struct Planner<'a> {
    plant: &'a PlantSpec,
    spec: &'a LineSpec,
    line: usize,
    scrap: &'a [f64],
    week: Week,
    rng: StdRng,
    now: Minute,
    reference: usize,
    lots: usize,
    unfinished: Option<Unfinished>,
    plan: LinePlan,
}

impl Planner<'_> {
    fn window(&mut self, end: Minute) {
        if self.unfinished.is_none() {
            self.next_reference();
        }
        let warm_up = self.rng.random_range(25..45);
        self.until(self.now + warm_up, Activity::WarmUp, None);
        // A quarter of an hour for cleaning at the end; a run shorter than an hour is not begun.
        let close = end - 15;
        while close - self.now >= 60 {
            let (lot, minutes, part) = match self.unfinished.take() {
                Some(rest) => (rest.lot, rest.minutes, 2),
                None => (self.next_lot(), self.rng.random_range(170..500), 1),
            };
            let breaks_down = part == 1 && minutes > 240 && self.rng.random_bool(0.16);
            let wanted =
                if breaks_down { minutes * self.rng.random_range(35..70) / 100 } else { minutes };
            let length = wanted.min(close - self.now);
            self.run(&lot, part, length);
            let rest = minutes - length;
            if part == 1 && rest >= 75 {
                self.unfinished = Some(Unfinished { lot, minutes: rest });
            }
            if breaks_down && self.unfinished.is_some() {
                let culprit = self.culprit();
                let repair = self.rng.random_range(25..95);
                self.until((self.now + repair).min(end), Activity::Breakdown(culprit), None);
            } else if self.unfinished.is_none() && close - self.now >= 60 {
                self.change_over(close);
            }
        }
        self.until(end, Activity::Idle, None);
    }

    fn change_over(&mut self, close: Minute) {
        let idle = self.rng.random_range(3..22);
        self.until((self.now + idle).min(close), Activity::Idle, None);
        self.next_reference();
        let setup = self.rng.random_range(14..48);
        self.until((self.now + setup).min(close), Activity::Setup, None);
    }

    fn run(&mut self, lot: &str, part: usize, length: i64) {
        let (start, end) = (self.now, self.now + length);
        let shift = calendar::shift_at(start, self.plant.zone);
        // Rotates by week; lines of one plant never share an operator within a shift.
        let operator = (self.line + 3 * shift + self.week.0.rem_euclid(64) as usize)
            % self.plant.operators.len();
        let skill = 0.985 + 0.006 * (operator % 6) as f64;
        self.plan.runs.push(Run {
            key: format!("{lot}-{part}"),
            lot: lot.to_owned(),
            reference: self.reference,
            operator,
            start,
            end,
            speed: skill * self.rng.random_range(0.975..1.015),
            effort: self.rng.random_range(0.985..1.015),
            scrap: self.scrap[self.reference] * self.rng.random_range(0.6..1.5),
        });
        let run = Some(self.plan.runs.len() - 1);
        while self.now < end {
            let gap = (-75.0 * (1.0 - self.rng.random::<f64>()).ln()).ceil() as i64;
            self.produce((self.now + gap.max(4)).min(end), run);
            if end - self.now > 6 {
                let culprit = self.culprit();
                let stop = self.rng.random_range(1..6);
                self.until(self.now + stop, Activity::MicroStop(culprit), run);
            }
        }
    }

    /// Runs until `end`, but for the breaks on the way.
    fn produce(&mut self, end: Minute, run: Option<usize>) {
        // Automatic lines often run through the breaks.
        let chance = if self.spec.manning == Manning::TwoShifts { 0.92 } else { 0.55 };
        while self.now < end {
            let of_day = calendar::minute_of_day(self.now, self.plant.zone);
            let next = (self.breaks().into_iter())
                .map(|[from, to]| [self.now + (from - of_day).rem_euclid(1440), to - from])
                .min_by_key(|pause| pause[0]);
            let Some([from, minutes]) = next.filter(|pause| pause[0] < end) else { break };
            let pauses = self.rng.random_bool(chance);
            self.until(from, Activity::Running, run);
            let activity = if pauses { Activity::Break } else { Activity::Running };
            self.until((from + minutes).min(end), activity, run);
        }
        self.until(end, Activity::Running, run);
    }

    fn breaks(&self) -> [[i64; 2]; 3] {
        [self.plant.lunch, [18 * 60, 18 * 60 + 20], [2 * 60, 2 * 60 + 20]]
    }

    fn next_reference(&mut self) {
        // Never the same again, and the first half of the catalogue sells twice as well.
        let count = self.spec.references.len();
        let mut pick = self.rng.random_range(0..count + count / 2) % count;
        if pick == self.reference {
            pick = (pick + 1) % count;
        }
        self.reference = pick;
    }

    fn next_lot(&mut self) -> String {
        self.lots += 1;
        format!("{}-{}-{:02}", self.spec.key, self.week.label(), self.lots)
    }

    fn culprit(&mut self) -> usize {
        self.rng.random_range(0..self.spec.machines.len())
    }

    /// Lets the line do `activity` until `end`; joins it to the segment before where it is the same.
    fn until(&mut self, end: Minute, activity: Activity, run: Option<usize>) {
        if end <= self.now {
            return;
        }
        let reference = self.reference;
        match self.plan.segments.last_mut() {
            Some(last)
                if last.activity == activity && last.run == run && last.reference == reference =>
            {
                last.end = end;
            }
            _ => {
                self.plan.segments.push(Segment { start: self.now, end, activity, reference, run })
            }
        }
        self.now = end;
    }
}
