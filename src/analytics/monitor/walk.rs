//! The walk itself.

use std::sync::Arc;

use super::channel::{Channel, Place};
use super::describe::Story;
use super::joint::Joint;
use super::model::{MOST, Middles, Model, Seen};
use super::spread::Watch;
use crate::analytics::context::{Context, Doing};
use crate::analytics::envelope::{Measure, Middle, Observation};
use crate::analytics::episode::{Episode, Exceedance, Gatherer, Mood, Rule};
use crate::analytics::finding::Finding;
use crate::analytics::grid::{Grid, is_ratio, resample};
use crate::analytics::history::{Kind, Machine, Quantity};
use crate::analytics::process;
use crate::analytics::rules::{Resting, RestingTrack};
use crate::analytics::settings::Settings;

/// Below this share of its usual power a running machine stands still: a stop that nobody reported.
const STILL_SHARE: f64 = 0.5;
/// For so long, in minutes, such a stop is nothing; and so long after it nothing is judged.
const STILL_MIN: f64 = 10.0;
const AFTER_STILL_MIN: f64 = 4.0;
/// Minutes after which a resting machine has come to rest.
const AT_REST_MIN: f64 = 10.0;
/// Power at rest of a machine that reports no states is set-up or idling before it is waste: until it has
/// lasted so many times as long as it usually does, and so many minutes more.
const AWAKE_FACTOR: f64 = 1.25;
const AWAKE_MARGIN_MIN: f64 = 15.0;
/// A stretch without judgement of so many minutes tears an event apart.
const APART_MIN: f64 = 14.0 * 60.0;
const DAY_MIN: f64 = 1440.0;

/// What the walk gives.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Findings, by start.
    pub findings: Vec<Finding>,
    /// Second of the first cell.
    pub start: i64,
    /// Seconds of a cell.
    pub step: i64,
    /// Score of each cell: 1 is the limit; 0 where nothing could be judged.
    pub score: Vec<f32>,
    /// Whether each cell could be judged.
    pub judged: Vec<bool>,
    /// Power beyond what is usual in each cell, in kW; `NaN` where it is not known.
    pub excess_kw: Vec<f32>,
    /// Second from which findings can be raised; `None` where the history is too short.
    pub judged_from: Option<i64>,
}

/// Walks through a machine's history.
pub fn monitor(machine: &Machine, settings: &Settings) -> Outcome {
    monitor_while(machine, settings, &|| true).unwrap_or_default()
}

/// The same, unless `goes_on` says no on the way: it is asked once a day of the history.
pub fn monitor_while(
    machine: &Machine,
    settings: &Settings,
    goes_on: &dyn Fn() -> bool,
) -> Option<Outcome> {
    if machine.runs.is_empty() && machine.states.is_empty() {
        return process::watch_while(machine, settings, goes_on);
    }
    let Some(grid) = Grid::of(machine) else { return Some(Outcome::default()) };
    let context = Context::of(machine, &grid);
    let mut walk = Walk::new(machine, settings, grid, &context);
    walk.go(grid.cells, goes_on)?;
    Some(walk.finish())
}

struct Walk<'a> {
    machine: &'a Machine,
    settings: &'a Settings,
    context: &'a Context,
    state: State,
}

/// Everything that a walk has come to know.
#[derive(Clone)]
struct State {
    grid: Grid,
    /// The cell that comes next.
    next: usize,
    /// The day that models are fitted for next.
    next_day: usize,
    channels: Vec<Channel>,
    joint: Joint,
    resting: Vec<Option<Resting>>,
    resting_track: RestingTrack,
    /// Cells for which a machine has used more at rest than it does when it is off; so many are usual.
    awake: u32,
    usually_awake: f64,
    gatherer: Gatherer,
    flagged: Vec<bool>,
    still: Vec<bool>,
    still_cells: u32,
    after_still: u32,
    score: Vec<f32>,
    judged: Vec<bool>,
    findings: Vec<Finding>,
    judged_from: Option<usize>,
}

/// A walk that has come to the start of a day, to be gone on with when more is known.
#[derive(Clone)]
pub struct Progress(State);

impl Progress {
    /// Its size in memory, nearly.
    pub fn bytes(&self) -> usize {
        // Of a cell: what channels keep (f32, f32, u16), and the walk (f32 and three flags).
        self.0.next * (10 * self.0.channels.len() + 7)
    }
}

/// The second before which nothing depends on what comes later: the start of the last day of a
/// history, in which models were fitted last. `None` where neither runs nor states are known, and where
/// the history has only begun.
pub fn settled_until(machine: &Machine) -> Option<i64> {
    if machine.runs.is_empty() && machine.states.is_empty() {
        return None;
    }
    let grid = Grid::of(machine)?;
    let cell = last_day(&grid);
    (cell > 0).then(|| grid.second(cell))
}

fn last_day(grid: &Grid) -> usize {
    let day = grid.cells_in(DAY_MIN);
    grid.cells.saturating_sub(1) / day * day
}

/// Walks to [`settled_until`]; `None` where `goes_on` says no on the way, and where there is no such
/// second.
pub fn begin(
    machine: &Machine,
    settings: &Settings,
    goes_on: &dyn Fn() -> bool,
) -> Option<Progress> {
    settled_until(machine)?;
    let grid = Grid::of(machine)?;
    let context = Context::of(machine, &grid);
    let mut walk = Walk::new(machine, settings, grid, &context);
    walk.go(last_day(&grid), goes_on)?;
    walk.open_day(last_day(&grid));
    Some(walk.pause())
}

/// The same as [`monitor`], from where a walk through the same history, as far as it was known then, has
/// come. `None` where it was another history.
pub fn go_on(machine: &Machine, settings: &Settings, progress: &Progress) -> Option<Outcome> {
    let grid = Grid::of(machine)?;
    let context = Context::of(machine, &grid);
    let mut walk = Walk::resume(machine, settings, grid, &context, progress)?;
    walk.go(grid.cells, &|| true)?;
    Some(walk.finish())
}

impl<'a> Walk<'a> {
    fn new(machine: &'a Machine, settings: &'a Settings, grid: Grid, context: &'a Context) -> Self {
        let calm = grid.cells_in(settings.calm_min) as u32;
        let channels = channels(machine, &grid);
        let state = State {
            grid,
            next: 0,
            next_day: 0,
            joint: Joint::new(&channels),
            channels,
            resting: vec![None; context.states.len()],
            resting_track: RestingTrack::default(),
            awake: 0,
            usually_awake: 0.0,
            gatherer: Gatherer::new(calm, grid.cells_in(APART_MIN)),
            flagged: vec![false; grid.cells],
            still: vec![false; grid.cells],
            still_cells: 0,
            after_still: 0,
            score: vec![0.0; grid.cells],
            judged: vec![false; grid.cells],
            findings: Vec::new(),
            judged_from: None,
        };
        Self { machine, settings, context, state }
    }

    /// What has come to be known, without what the machine says again.
    fn pause(mut self) -> Progress {
        let cells = self.state.next;
        self.state.resize(cells);
        for channel in &mut self.state.channels {
            channel.values = Vec::new();
            channel.middles = Middles::default();
        }
        Progress(self.state)
    }

    fn resume(
        machine: &'a Machine,
        settings: &'a Settings,
        grid: Grid,
        context: &'a Context,
        Progress(state): &Progress,
    ) -> Option<Self> {
        let fresh = channels(machine, &grid);
        let is_same = (grid.start, grid.step) == (state.grid.start, state.grid.step)
            && state.next <= grid.cells
            && fresh.len() == state.channels.len();
        if !is_same {
            return None;
        }
        let mut state = state.clone();
        state.grid = grid;
        state.resize(grid.cells);
        state.resting.resize(context.states.len(), None);
        for (channel, fresh) in state.channels.iter_mut().zip(fresh) {
            channel.values = fresh.values;
        }
        Some(Self { machine, settings, context, state })
    }

    /// Walks up to a cell; `None` where `goes_on` says no on the way.
    fn go(&mut self, until: usize, goes_on: &dyn Fn() -> bool) -> Option<()> {
        let day = self.state.grid.cells_in(DAY_MIN);
        for cell in self.state.next..until {
            if cell.is_multiple_of(day) && !goes_on() {
                return None;
            }
            self.step(cell);
        }
        self.state.next = until;
        Some(())
    }

    /// At the start of a day models are fitted to what was before.
    fn open_day(&mut self, cell: usize) {
        let day = self.state.grid.cells_in(DAY_MIN);
        let learned = cell as f64 * self.state.grid.minutes() / DAY_MIN;
        if cell == self.state.next_day {
            self.state.next_day += day;
            if learned >= self.settings.least_history_days {
                self.refit(cell);
                self.state.judged_from.get_or_insert(cell);
            }
        }
    }

    fn step(&mut self, cell: usize) {
        self.open_day(cell);
        for channel in &mut self.state.channels {
            channel.repeat(cell);
        }
        let (exceedances, score, mood, resting) = match self.context.cells[cell] {
            Doing::Running { reference, run, phase, .. } => {
                let place = Place { cell, reference, run: self.run_id(run, cell), phase };
                let (exceedances, score) = self.running(place);
                let mood = if score.is_some() { Mood::CalmRunning } else { Mood::Silent };
                (exceedances, score, mood, false)
            }
            Doing::Resting { state, since_min } => {
                let (exceedances, score) = self.at_rest(cell, state, since_min);
                let mood = if score.is_some() { Mood::CalmResting } else { Mood::Silent };
                (exceedances, score, mood, true)
            }
            Doing::Unknown => (Vec::new(), None, Mood::Silent, true),
        };
        self.state.score[cell] = score.unwrap_or(0.0) as f32;
        self.state.judged[cell] = score.is_some();
        let exceedances = self.relevant(exceedances);
        if let Some(ended) = self.state.gatherer.push(cell, resting, &exceedances, mood) {
            self.end(&ended, Lasts::No);
        }
    }

    /// Where no runs are known, days stand in for them.
    fn run_id(&self, run: usize, cell: usize) -> usize {
        if run == usize::MAX { usize::MAX - cell / self.state.grid.cells_in(1440.0) } else { run }
    }

    fn running(&mut self, place: Place) -> (Vec<Exceedance>, Option<f64>) {
        self.state.resting_track = RestingTrack::default();
        self.state.awake = 0;
        let is_still = self.is_still(place);
        let mut exceedances = Vec::new();
        let mut score: Option<f64> = None;
        let minutes = self.state.grid.minutes();
        for (index, channel) in self.state.channels.iter_mut().enumerate() {
            let judgement = channel.judge(place, is_still, minutes, self.settings);
            exceedances.extend(
                judgement.exceedances.into_iter().map(|e| Exceedance { channel: index, ..e }),
            );
            if let Some(own) = judgement.score {
                score = Some(score.unwrap_or(0.0).max(own));
            }
        }
        if let Some(beyond) = self.state.joint.judge(&self.state.channels, place.cell, place.run) {
            score = Some(score.unwrap_or(0.0).max(beyond.share));
            exceedances.push(Exceedance {
                channel: beyond.channel,
                rule: Rule::Joint,
                z: beyond.share,
                limit: 1.0,
                lasting: beyond.lasting,
                cells: beyond.cells,
            });
        }
        (exceedances, score)
    }

    /// A machine that is said to run but takes hardly any power stands still.
    fn is_still(&mut self, place: Place) -> bool {
        let power = self.state.channels.iter().find(|channel| channel.quantity == Quantity::Power);
        let low = power.is_some_and(|channel| {
            let usual = channel
                .model
                .as_ref()
                .and_then(|model| model.envelope.usual(place.reference, place.phase));
            usual.is_some_and(|usual| channel.values[place.cell] < STILL_SHARE * usual)
        });
        if low {
            self.state.still_cells += 1;
            self.state.after_still = self.state.grid.cells_in(AFTER_STILL_MIN) as u32;
        } else {
            self.state.still_cells = 0;
            self.state.after_still = self.state.after_still.saturating_sub(1);
        }
        // Without states nobody says that a stop is one.
        let short = !self.context.reports_states
            || f64::from(self.state.still_cells) * self.state.grid.minutes() <= STILL_MIN;
        let is_still = (low && short) || (!low && self.state.after_still > 0);
        self.state.still[place.cell] = is_still;
        is_still
    }

    fn at_rest(
        &mut self,
        cell: usize,
        state: usize,
        since_min: f64,
    ) -> (Vec<Exceedance>, Option<f64>) {
        self.state.still_cells = 0;
        if since_min == 0.0 {
            self.state.resting_track = RestingTrack::default();
        }
        let Some(index) = self.state.channels.iter().position(|c| c.quantity == Quantity::Power)
        else {
            return (Vec::new(), None);
        };
        let channel = &mut self.state.channels[index];
        let value = channel.values[cell];
        let usual = self.state.resting[state];
        channel.usual[cell] = usual.map_or(f32::NAN, |resting| resting.usual as f32);
        if !value.is_finite() || since_min < AT_REST_MIN / 2.0 {
            return (Vec::new(), None);
        }
        let mean = self.state.resting_track.push(value, self.state.grid.minutes());
        let level = channel.model.as_ref().and_then(|model| model.envelope.machine_level());
        let (Some(mean), Some(resting), Some(level)) = (mean, usual, level) else {
            return (Vec::new(), None);
        };
        let Some((z, above)) = self.beyond_rest(mean, resting, level) else {
            return (Vec::new(), None);
        };
        self.state.awake = if above >= 1.0 { self.state.awake + 1 } else { 0 };
        let strength = match self.context.reports_states {
            true => above,
            // Set-up, as it seems, until it takes longer than it does.
            false => above.min(f64::from(self.state.awake) / self.state.usually_awake.max(1.0)),
        };
        let exceedance = Exceedance {
            channel: index,
            rule: Rule::Resting,
            z,
            limit: self.settings.resting_limit,
            lasting: strength >= 1.0,
            cells: 1,
        };
        let exceedances = if strength >= 0.75 { vec![exceedance] } else { Vec::new() };
        (exceedances, Some(strength.max(0.0)))
    }

    /// How far a power at rest is beyond the usual one: in sigmas, and as a share of the two limits, that of
    /// the sigmas and that of the usual power of runs, of which both must be passed. `None` where it is
    /// not known.
    fn beyond_rest(&self, power: f64, resting: Resting, level: f64) -> Option<(f64, f64)> {
        let above = power - resting.usual;
        let z = (above / resting.sigma).clamp(-MOST, MOST);
        let share = above / (self.settings.resting_share * level);
        let least = (z / self.settings.resting_limit).min(share).min(MOST);
        z.is_finite().then_some((z, least))
    }

    /// Beyond the limit, or near it where the same rule has begun the event that lasts.
    fn relevant(&self, exceedances: Vec<Exceedance>) -> Vec<Exceedance> {
        let open = self.state.gatherer.open();
        let known = |e: &Exceedance| {
            open.is_some_and(|open| {
                open.evidence.iter().any(|seen| seen.channel == e.channel && seen.rule == e.rule)
            })
        };
        exceedances.into_iter().filter(|e| e.lasting || known(e)).collect()
    }

    fn refit(&mut self, cell: usize) {
        if let Some(open) = self.state.gatherer.open().cloned() {
            self.flag(&open);
        }
        let window = self.state.grid.cells_in(self.settings.window_days * 1440.0);
        let from = cell.saturating_sub(window);
        let known_again = self.mostly_flagged(from, cell);
        let cell_min = self.state.grid.minutes();
        let days = cell as f64 * cell_min / DAY_MIN;
        for index in 0..self.state.channels.len() {
            let seen = self.seen(index, from, cell, &known_again);
            let channel = &mut self.state.channels[index];
            let model = Model::fit(
                &seen,
                self.context.references.len(),
                Watch { measure: channel.measure, cell_min, days },
                middle(channel.quantity),
                (channel.model.as_deref(), &mut channel.middles),
                self.settings,
            );
            let longest = self.longest_repetition(index, from, cell);
            let least = self.state.grid.cells_in(self.settings.stuck_min) as f64;
            let channel = &mut self.state.channels[index];
            channel.model = model.map(Arc::new).or(channel.model.take());
            channel.stuck_cells = (self.settings.stuck_factor * longest + 2.0).max(least);
        }
        self.state.joint.refit(&self.state.channels, from, cell, &|cell| !self.state.flagged[cell]);
        self.refit_resting(from, cell);
    }

    /// What a channel's model is fitted to: running, not standing still, not part of an event, except
    /// where most of a reference's past is: then that is what is usual.
    fn seen(&self, index: usize, from: usize, to: usize, known_again: &[bool]) -> Vec<Seen> {
        let channel = &self.state.channels[index];
        let mut seen = Vec::with_capacity(to - from);
        for cell in from..to {
            let Doing::Running { reference, run, phase, .. } = self.context.cells[cell] else {
                continue;
            };
            let value = channel.values[cell];
            let excluded = self.state.flagged[cell] && !known_again[reference];
            if value.is_finite() && !self.state.still[cell] && !excluded {
                let run = self.run_id(run, cell);
                seen.push(Seen { cell, item: Observation { reference, phase, run, value } });
            }
        }
        seen
    }

    fn mostly_flagged(&self, from: usize, to: usize) -> Vec<bool> {
        let mut counts = vec![(0u32, 0u32); self.context.references.len()];
        for cell in from..to {
            if let Doing::Running { reference, .. } = self.context.cells[cell] {
                counts[reference].0 += u32::from(self.state.flagged[cell]);
                counts[reference].1 += 1;
            }
        }
        counts.iter().map(|&(flagged, all)| 2 * flagged > all).collect()
    }

    /// The longest repetition of a usual run: of the runs' longest ones, all but the top thirtieth.
    fn longest_repetition(&self, index: usize, from: usize, to: usize) -> f64 {
        let repeated = &self.state.channels[index].repeated;
        let mut longest: Vec<f64> = Vec::new();
        let mut last_run = None;
        for (cell, &cells) in repeated.iter().enumerate().take(to).skip(from) {
            if let Doing::Running { run, .. } = self.context.cells[cell] {
                let run = self.run_id(run, cell);
                if last_run != Some(run) {
                    last_run = Some(run);
                    longest.push(0.0);
                }
                if let Some(top) = longest.last_mut().filter(|_| !self.state.flagged[cell]) {
                    *top = top.max(f64::from(cells));
                }
            }
        }
        usual_longest(longest, 30)
    }

    fn refit_resting(&mut self, from: usize, to: usize) {
        let Some(channel) = self.state.channels.iter().find(|c| c.quantity == Quantity::Power)
        else {
            return;
        };
        let mut values: Vec<Vec<f64>> = vec![Vec::new(); self.context.states.len()];
        for cell in from..to {
            if let Doing::Resting { state, since_min } = self.context.cells[cell] {
                let value = channel.values[cell];
                if since_min >= AT_REST_MIN && value.is_finite() && !self.state.flagged[cell] {
                    values[state].push(value);
                }
            }
        }
        self.state.resting = values.iter().map(|values| Resting::fit(values)).collect();
        if !self.context.reports_states {
            let longest = self.longest_awake(from, to);
            let margin = self.state.grid.cells_in(AWAKE_MARGIN_MIN) as f64;
            self.state.usually_awake = AWAKE_FACTOR * longest + margin;
        }
    }

    /// The longest time, but for a fiftieth of the times, for which a machine that reports no states
    /// used clearly more at rest than is usual then, up to a run or until it used less: in cells.
    fn longest_awake(&self, from: usize, to: usize) -> f64 {
        let power = self.state.channels.iter().find(|c| c.quantity == Quantity::Power);
        let level = power
            .and_then(|channel| channel.model.as_ref())
            .and_then(|model| model.envelope.machine_level());
        let (Some(power), Some(level)) = (power, level) else { return 0.0 };
        let is_awake = |cell: usize| {
            let Doing::Resting { state, .. } = self.context.cells[cell] else { return false };
            let Some(resting) = self.state.resting[state] else { return false };
            let beyond = self.beyond_rest(power.values[cell], resting, level);
            !self.state.flagged[cell] && beyond.is_some_and(|(_, share)| share >= 1.0)
        };
        let mut lasted = Vec::new();
        let mut awake = 0.0;
        for cell in from..to {
            if is_awake(cell) {
                awake += 1.0;
            } else if awake > 0.0 {
                lasted.push(std::mem::take(&mut awake));
            }
        }
        usual_longest(lasted, 50)
    }

    fn flag(&mut self, episode: &Episode) {
        self.state.flagged[episode.start..=episode.last].fill(true);
    }

    fn end(&mut self, episode: &Episode, lasts: Lasts) {
        self.flag(episode);
        for evidence in &episode.evidence {
            self.state.channels[evidence.channel].forget();
        }
        let causes = self.state.joint.take_causes();
        let story = Story {
            machine: self.machine,
            grid: &self.state.grid,
            context: self.context,
            channels: &self.state.channels,
            episode,
            causes: &causes,
        };
        let is_open = lasts == Lasts::Still;
        self.state.findings.extend(story.finding().map(|finding| Finding { is_open, ..finding }));
    }

    fn excess_kw(&self) -> Vec<f32> {
        let power = self.state.channels.iter().find(|channel| channel.quantity == Quantity::Power);
        match power {
            Some(power) => {
                (0..self.state.grid.cells).map(|cell| power.excess_kw(cell) as f32).collect()
            }
            None => vec![f32::NAN; self.state.grid.cells],
        }
    }

    fn finish(mut self) -> Outcome {
        let gatherer = std::mem::replace(&mut self.state.gatherer, Gatherer::new(1, 1));
        if let Some(last) = gatherer.finish() {
            self.end(&last, Lasts::Still);
        }
        Outcome {
            excess_kw: self.excess_kw(),
            findings: self.state.findings,
            start: self.state.grid.start,
            step: self.state.grid.step,
            score: self.state.score,
            judged: self.state.judged,
            judged_from: self.state.judged_from.map(|cell| self.state.grid.second(cell)),
        }
    }
}

impl State {
    /// Cuts what is known of cells, or makes room for more.
    fn resize(&mut self, cells: usize) {
        for list in [&mut self.flagged, &mut self.still, &mut self.judged] {
            list.resize(cells, false);
            list.shrink_to_fit();
        }
        self.score.resize(cells, 0.0);
        self.score.shrink_to_fit();
        for channel in &mut self.channels {
            channel.resize(cells);
        }
    }
}

/// The longest of all but so manieth part of them at the top.
fn usual_longest(mut lasted: Vec<f64>, part: usize) -> f64 {
    lasted.sort_unstable_by(f64::total_cmp);
    let top = lasted.len() / part;
    lasted.len().checked_sub(top + 1).map_or(0.0, |position| lasted[position])
}

/// Whether an event is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lasts {
    No,
    Still,
}

fn middle(quantity: Quantity) -> Middle {
    if quantity == Quantity::Count { Middle::Mean } else { Middle::Median }
}

fn channels(machine: &Machine, grid: &Grid) -> Vec<Channel> {
    let has_power = machine.sensors.iter().any(|sensor| sensor.quantity == Quantity::Power);
    let mut channels = Vec::new();
    for (index, sensor) in machine.sensors.iter().enumerate() {
        // An energy meter is a power sensor where there is no other.
        let quantity = match sensor.quantity {
            Quantity::Energy if has_power => continue,
            Quantity::Energy => Quantity::Power,
            other => other,
        };
        let measure = if is_ratio(quantity) { Measure::Ratio } else { Measure::Difference };
        let values = resample(sensor, grid);
        let mut channel = Channel::new(index, quantity, measure, values, grid.minutes());
        channel.to_kilo = sensor.to_kilo;
        channel.may_stick = sensor.kind == Kind::Gauge;
        channels.push(channel);
    }
    channels
}
