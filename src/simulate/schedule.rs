//! What a machine does, minute by minute: runs, set-ups, breaks, stops, nights and weekends.

use super::calendar::{Calendar, DAY_MIN};
use super::catalogue::Machine;
use super::random::Stream;

/// What a machine is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nobody is there.
    Off,
    /// Ready, waiting: a break.
    Idle,
    /// Between two runs.
    Setup,
    /// Making units.
    Running,
    /// Interrupted while a run is open.
    Stopped,
}

impl State {
    /// The word that the ingest API has for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Idle => "idle",
            Self::Setup => "setup",
            Self::Running => "running",
            Self::Stopped => "stopped",
        }
    }
}

/// A run as it really was.
#[derive(Clone, Debug)]
pub struct Run {
    /// First minute, and the one after the last.
    pub from: usize,
    /// See `from`.
    pub to: usize,
    /// Position of the reference that is really made.
    pub reference: usize,
    /// Position of the reference that the paperwork says.
    pub written: usize,
    /// Number of the lot.
    pub lot: usize,
    /// Who is at the machine: the crew that started the run.
    pub crew: usize,
    /// How this lot differs: power (relative), temperature in kelvin, rate (relative).
    pub lot_effect: [f64; 3],
}

/// A machine's minutes.
#[derive(Clone, Debug, Default)]
pub struct Schedule {
    /// State of each minute.
    pub states: Vec<State>,
    /// Whether the state of a minute reached the paperwork: short stops often do not.
    pub reported: Vec<State>,
    /// Position of each minute's run.
    pub run_of: Vec<Option<usize>>,
    /// The runs, in order.
    pub runs: Vec<Run>,
}

/// Draws a machine's schedule.
pub fn schedule(seed: u64, machine: &Machine, calendar: &Calendar, wrong_labels: f64) -> Schedule {
    let mut stream = Stream::new(seed, &["schedule", &machine.key]);
    let weeks = calendar.minutes() / (7 * DAY_MIN) + 1;
    let saturday: Vec<bool> = (0..weeks).map(|_| stream.chance(machine.saturday)).collect();
    let mut draft = Draft {
        machine,
        calendar,
        saturday,
        stream,
        out: Schedule::default(),
        lot: 0,
        left_over: None,
        wrong_labels,
    };
    while draft.now() < calendar.minutes() {
        draft.next();
    }
    let mut out = draft.out;
    let minutes = calendar.minutes();
    out.states.truncate(minutes);
    out.reported.truncate(minutes);
    out.run_of.truncate(minutes);
    for run in &mut out.runs {
        run.to = run.to.min(minutes);
    }
    out
}

struct Draft<'a> {
    machine: &'a Machine,
    calendar: &'a Calendar,
    saturday: Vec<bool>,
    stream: Stream,
    out: Schedule,
    lot: usize,
    /// Lot, reference and effect of a run that the end of work cut, with its minutes to go.
    left_over: Option<(Run, usize)>,
    wrong_labels: f64,
}

impl Draft<'_> {
    fn now(&self) -> usize {
        self.out.states.len()
    }

    fn is_open(&self, minute: usize) -> bool {
        minute < self.calendar.minutes()
            && self.calendar.is_open(minute, self.machine.shifts, &self.saturday)
    }

    fn push(&mut self, state: State, minutes: usize, run: Option<usize>) {
        self.push_as(state, state, minutes, run);
    }

    fn push_as(&mut self, state: State, reported: State, minutes: usize, run: Option<usize>) {
        let length = self.now() + minutes;
        self.out.states.resize(length, state);
        self.out.reported.resize(length, reported);
        self.out.run_of.resize(length, run);
    }

    /// One night, or one set-up with the run that follows.
    fn next(&mut self) {
        if !self.is_open(self.now()) {
            self.push(State::Off, 1, None);
            return;
        }
        if self.stream.chance(0.06) {
            // Nothing to do: no order, no material.
            let minutes = self.stream.between(30.0, 200.0) as usize;
            self.rest(State::Idle, minutes);
        }
        let setup = self.stream.between(10.0, 50.0) as usize;
        self.rest(State::Setup, setup);
        if self.is_open(self.now()) {
            self.run();
        }
    }

    fn rest(&mut self, state: State, minutes: usize) {
        for _ in 0..minutes {
            if !self.is_open(self.now()) {
                return;
            }
            self.push(state, 1, None);
        }
    }

    fn run(&mut self) {
        let (mut run, planned) = match self.left_over.take() {
            Some((run, left)) => (run, left),
            None => self.order(),
        };
        run.from = self.now();
        run.crew = self.calendar.crew(run.from);
        run.written = self.written(run.reference);
        let index = Some(self.out.runs.len());
        let mut left = planned;
        let mut since_break = self.stream.below(120);
        let [micro, long] = self.machine.stops_per_hour.map(|per_hour| per_hour / 60.0);
        while left > 0 && self.is_open(self.now()) {
            self.push(State::Running, 1, index);
            left -= 1;
            since_break += 1;
            if left == 0 {
                break;
            }
            if self.stream.chance(micro) {
                let minutes = 1 + self.stream.exponential(1.8) as usize;
                let told = minutes > 2 || (minutes == 2 && self.stream.chance(0.5));
                let reported = if told { State::Stopped } else { State::Running };
                self.push_as(State::Stopped, reported, minutes.min(8), index);
            } else if self.stream.chance(long) {
                let minutes = self.stream.between(12.0, 70.0) as usize;
                self.push(State::Stopped, minutes, index);
            } else if since_break > 240 && self.stream.chance(0.03) {
                since_break = 0;
                if self.stream.chance(0.6) {
                    let minutes = self.stream.between(15.0, 32.0) as usize;
                    self.push(State::Idle, minutes, index);
                }
            }
        }
        run.to = self.now();
        if left > 45 {
            self.left_over = Some((run.clone(), left));
        }
        self.out.runs.push(run);
    }

    /// A new lot.
    fn order(&mut self) -> (Run, usize) {
        let day = self.now() as f64 / DAY_MIN as f64;
        let references = &self.machine.references;
        let weights: Vec<f64> = references
            .iter()
            .map(|reference| if reference.first_day <= day { reference.weight } else { 0.0 })
            .collect();
        let reference = self.stream.weighted(&weights);
        self.lot += 1;
        let planned = (self.stream.normal() * 0.5).exp() * 210.0;
        let run = Run {
            from: 0,
            to: 0,
            reference,
            written: reference,
            lot: self.lot,
            crew: 0,
            lot_effect: self.machine.lot.map(|deviation| deviation * self.stream.normal()),
        };
        (run, planned.clamp(60.0, 560.0) as usize)
    }

    /// What the paperwork says: sometimes another reference that is known by then.
    fn written(&mut self, reference: usize) -> usize {
        let day = self.now() as f64 / DAY_MIN as f64;
        let wrong = self.stream.chance(self.wrong_labels);
        let others: Vec<usize> = (0..self.machine.references.len())
            .filter(|&other| other != reference && self.machine.references[other].first_day <= day)
            .collect();
        let pick = self.stream.below(others.len());
        if wrong { others.get(pick).copied().unwrap_or(reference) } else { reference }
    }
}
