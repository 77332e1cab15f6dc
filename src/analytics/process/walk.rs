//! The walk through a history without context: cell by cell, never ahead.

use super::describe;
use super::season::{Course, Lessons};
use super::several::Several;
use super::single::Charts;
use crate::analytics::finding::Finding;
use crate::analytics::grid::{Grid, resample};
use crate::analytics::history::{Kind, Machine, Quantity};
use crate::analytics::monitor::Outcome;
use crate::analytics::rules::Repetition;
use crate::analytics::settings::Settings;

/// Cells between two looks at the past, at least; otherwise a day.
const FEWEST_CELLS: usize = 96;
/// Calm cells after which an event is over.
pub const CALM: usize = 12;
/// Cells between the beginnings of two events: what comes sooner is the same cause.
const REFRACTORY: usize = 150;
/// Cells beyond the limit that raise where several sensors are watched, and the share of the limit that
/// raises at once.
const PERSISTENCE: usize = 3;
pub const AT_ONCE: f64 = 2.0;
/// Cells without a judgement after which the charts begin anew.
const GAP: usize = 20;
/// Longest repetition of a sensor whose sticking can be told, in cells.
const LONGEST_HABIT: u32 = 20;
const WEEK_MIN: f64 = 7.0 * 1440.0;
/// Days over which a sensor alone is held to what it did.
const WINDOW_MIN: f64 = 28.0 * 1440.0;

/// A sensor on the grid.
pub struct Channel {
    /// Position of the sensor.
    pub sensor: usize,
    /// What it measures.
    pub quantity: Quantity,
    /// Values on the grid.
    pub values: Vec<f64>,
    /// What was usual in each cell, as known then.
    pub usual: Vec<f64>,
    /// Its usual course.
    pub course: Course,
    to_kilo: f64,
    may_stick: bool,
    repetition: Repetition,
    longest: u32,
}

impl Channel {
    /// What a power is beyond the usual in a cell, in kW; not finite where that is not known.
    pub fn excess_kw(&self, cell: usize) -> f64 {
        (self.values[cell] - self.usual[cell]) * self.to_kilo
    }
}

/// Part of a sensor in an event.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cause {
    /// Position of the channel.
    pub channel: usize,
    /// What it contributes to the statistic.
    pub share: f64,
    /// Its own deviation, in sigmas of the chart.
    pub sigmas: f64,
}

/// A stretch in which something was abnormal.
pub struct Event {
    /// First abnormal cell.
    pub start: usize,
    /// Cell at whose end it was raised.
    pub raised: usize,
    /// Last abnormal cell.
    pub last: usize,
    /// The value at which a sensor was stuck, if one was.
    pub stuck_at: Option<f64>,
    /// The sensors, the most important one first, when it was at its worst.
    pub causes: Vec<Cause>,
    worst: f64,
}

enum Watch {
    One(Box<Charts>),
    Many(Box<Several>),
}

struct Walk<'a> {
    machine: &'a Machine,
    grid: Grid,
    period: usize,
    week: usize,
    least: usize,
    channels: Vec<Channel>,
    lessons: Lessons,
    /// Cells that were abnormal: no lessons, while most of a week is not.
    flagged: Vec<bool>,
    /// Flagged cells of the last week.
    flagged_of_week: usize,
    watch: Watch,
    open: Option<Event>,
    streak: usize,
    last_raised: Option<usize>,
    silent: usize,
    score: Vec<f32>,
    judged: Vec<bool>,
    findings: Vec<Finding>,
    judged_from: Option<usize>,
}

/// Walks through the history of a machine without runs and states, unless `goes_on` says no on the way.
pub fn watch_while(
    machine: &Machine,
    settings: &Settings,
    goes_on: &dyn Fn() -> bool,
) -> Option<Outcome> {
    let Some(grid) = Grid::of(machine) else { return Some(Outcome::default()) };
    let mut walk = Walk::new(machine, settings, grid);
    if walk.channels.is_empty() {
        return Some(Outcome::default());
    }
    for cell in 0..grid.cells {
        if cell.is_multiple_of(walk.period) && !goes_on() {
            return None;
        }
        walk.step(cell, settings);
    }
    Some(walk.finish())
}

impl<'a> Walk<'a> {
    fn new(machine: &'a Machine, settings: &Settings, grid: Grid) -> Self {
        let channels = channels(machine, &grid);
        let window = grid.cells_in(WINDOW_MIN);
        let normal = machine.normal.map(|(from, to)| grid.clamped(from)..grid.clamped(to));
        let watch = match channels.len() {
            1 => Watch::One(Box::new(Charts::new(window))),
            sensors => Watch::Many(Box::new(Several::new(sensors))),
        };
        Self {
            machine,
            grid,
            period: grid.cells_in(1440.0).max(FEWEST_CELLS),
            week: grid.cells_in(WEEK_MIN),
            least: grid.cells_in(settings.stuck_min),
            lessons: Lessons {
                usable: match &normal {
                    Some(normal) => (0..grid.cells).map(|cell| normal.contains(&cell)).collect(),
                    None => vec![true; grid.cells],
                },
                end: normal.map(|normal| normal.end),
            },
            flagged: vec![false; grid.cells],
            flagged_of_week: 0,
            watch,
            open: None,
            streak: 0,
            last_raised: None,
            silent: 0,
            score: vec![0.0; grid.cells],
            judged: vec![false; grid.cells],
            findings: Vec::new(),
            judged_from: None,
            channels,
        }
    }

    fn step(&mut self, cell: usize, settings: &Settings) {
        self.forget_old_flags(cell);
        let due = match self.lessons.end {
            Some(end) => cell == end,
            None => cell > 0 && cell.is_multiple_of(self.period),
        };
        if due {
            self.refit(cell);
        }
        let mut stuck = None;
        for (index, channel) in self.channels.iter_mut().enumerate() {
            channel.course.push(cell, &channel.values, &self.lessons);
            channel.usual[cell] = channel.values[cell] - channel.course.difference(cell);
            if repeats_too_long(channel, cell, self.least, settings.stuck_factor) {
                stuck = Some(index);
            }
        }
        let strength = self.strength(cell);
        self.judged[cell] = strength.is_some() && self.judged_from.is_some();
        let strength = strength.filter(|_| self.judged_from.is_some());
        self.silent = if strength.is_some() { 0 } else { self.silent + 1 };
        if self.silent == GAP
            && let Watch::Many(several) = &mut self.watch
        {
            several.forget();
        }
        let stuck = stuck.filter(|_| self.judged_from.is_some());
        let score = strength.unwrap_or(0.0).max(if stuck.is_some() { 1.0 } else { 0.0 });
        self.score[cell] = score as f32;
        self.judged[cell] |= stuck.is_some();
        self.events(cell, score, stuck);
    }

    /// Share of the limit, where something can be judged.
    fn strength(&mut self, cell: usize) -> Option<f64> {
        match &mut self.watch {
            Watch::One(charts) => {
                charts.push(self.channels[0].course.deviation(cell)).map(|(_, share)| share)
            }
            Watch::Many(several) => several.push(cell, &self.channels),
        }
    }

    fn events(&mut self, cell: usize, score: f64, stuck: Option<usize>) {
        let is_beyond = score >= 1.0;
        self.streak = if is_beyond { self.streak + 1 } else { 0 };
        if is_beyond {
            self.flag(cell);
        }
        if let Some(mut open) = self.open.take() {
            if is_beyond {
                open.last = cell;
                if score > open.worst || (stuck.is_some() && open.stuck_at.is_none()) {
                    open.worst = score;
                    if open.stuck_at.is_none() || stuck.is_some() {
                        open.causes = self.causes(stuck, score);
                    }
                    open.stuck_at =
                        open.stuck_at.or(stuck.map(|index| self.channels[index].values[cell]));
                }
            } else if cell - open.last > CALM {
                self.end(&open, false);
                return;
            }
            self.open = Some(open);
            return;
        }
        let persistence = match self.watch {
            Watch::One(_) => 1,
            Watch::Many(_) => PERSISTENCE,
        };
        let lasts = self.streak >= persistence || score >= AT_ONCE || stuck.is_some();
        let is_new = self.last_raised.is_none_or(|last| cell - last > REFRACTORY);
        if is_beyond && lasts && is_new {
            self.last_raised = Some(cell);
            let start = match stuck {
                Some(channel) => {
                    cell.saturating_sub(self.channels[channel].repetition.cells as usize)
                }
                None => cell + 1 - self.streak,
            };
            let event = Event {
                start,
                raised: cell,
                last: cell,
                stuck_at: stuck.map(|index| self.channels[index].values[cell]),
                causes: self.causes(stuck, score),
                worst: score,
            };
            self.open = Some(event);
        }
    }

    fn causes(&self, stuck: Option<usize>, score: f64) -> Vec<Cause> {
        if let Some(channel) = stuck {
            return vec![Cause { channel, share: 1.0, sigmas: score }];
        }
        match &self.watch {
            Watch::One(charts) => {
                vec![Cause { channel: 0, share: 1.0, sigmas: charts.worst() }]
            }
            Watch::Many(several) => several.causes(),
        }
    }

    fn flag(&mut self, cell: usize) {
        if !self.flagged[cell] {
            self.flagged[cell] = true;
            self.flagged_of_week += 1;
            // What one sensor alone does is held to its own past, so all of that counts.
            if self.lessons.end.is_none() && matches!(self.watch, Watch::Many(_)) {
                self.lessons.usable[cell] = false;
            }
        }
    }

    fn forget_old_flags(&mut self, cell: usize) {
        if let Some(old) = cell.checked_sub(self.week)
            && self.flagged[old]
        {
            self.flagged_of_week -= 1;
        }
    }

    /// Whether the abnormal has become the usual: most of a whole week.
    fn is_new_normal(&self, cell: usize) -> bool {
        2 * self.flagged_of_week > self.week && cell >= self.week
    }

    fn refit(&mut self, cell: usize) {
        let is_new_normal = self.is_new_normal(cell);
        if self.lessons.end.is_none() && is_new_normal {
            let from = cell.saturating_sub(self.week);
            self.lessons.usable[..from].fill(false);
            self.lessons.usable[from..cell].fill(true);
        }
        match &mut self.watch {
            Watch::One(charts) => {
                let course = &mut self.channels[0].course;
                course.refit(cell, &self.lessons);
                if self.lessons.end.is_some() {
                    // The past has to be seen by the charts once, to be known.
                    for past in (0..cell).filter(|&past| self.lessons.usable[past]) {
                        charts.push(course.deviation(past));
                    }
                }
                let is_told = self.lessons.end.is_some();
                charts.refit(if is_told { FEWEST_CELLS } else { self.period });
                if charts.can_judge() {
                    self.judged_from.get_or_insert(cell);
                }
            }
            Watch::Many(several) => {
                let is_told = self.lessons.end.is_some();
                let is_quiet = self.open.is_none() || is_new_normal || is_told;
                if is_quiet && (is_new_normal || several.is_due(cell, self.week)) {
                    several.refit(cell, &mut self.channels, &self.lessons);
                }
                if several.can_judge() {
                    self.judged_from.get_or_insert(cell);
                }
            }
        }
    }

    fn end(&mut self, event: &Event, is_open: bool) {
        for cell in event.start..=event.last {
            self.flag(cell);
        }
        let finding = describe::finding(self.machine, &self.grid, &self.channels, event);
        self.findings.push(Finding { is_open, ..finding });
    }

    fn finish(mut self) -> Outcome {
        if let Some(last) = self.open.take() {
            self.end(&last, true);
        }
        let power = self.channels.iter().find(|channel| channel.quantity == Quantity::Power);
        let excess_kw = match power {
            Some(power) => (0..self.grid.cells).map(|cell| power.excess_kw(cell) as f32).collect(),
            None => vec![f32::NAN; self.grid.cells],
        };
        Outcome {
            findings: self.findings,
            start: self.grid.start,
            step: self.grid.step,
            score: self.score,
            judged: self.judged,
            excess_kw,
            judged_from: self.judged_from.map(|cell| self.grid.second(cell)),
        }
    }
}

/// Whether a sensor repeats its value for longer than it ever did; takes the cell.
fn repeats_too_long(channel: &mut Channel, cell: usize, least: usize, factor: f64) -> bool {
    let value = channel.values[cell];
    if !channel.may_stick || !value.is_finite() {
        return false;
    }
    let before = channel.repetition.cells;
    let cells = channel.repetition.push(value);
    if cells == 0 {
        channel.longest = channel.longest.max(before);
    }
    // A sensor that is used to repeat itself may go on.
    let limit = (factor * f64::from(channel.longest) + 2.0).max(least as f64).max(8.0);
    channel.longest <= LONGEST_HABIT && f64::from(cells) >= limit
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
        if sensor.times.is_empty() {
            continue;
        }
        channels.push(Channel {
            sensor: index,
            quantity,
            values: resample(sensor, grid),
            usual: vec![f64::NAN; grid.cells],
            course: Course::new(grid),
            to_kilo: sensor.to_kilo,
            may_stick: sensor.kind == Kind::Gauge,
            repetition: Repetition::default(),
            longest: 0,
        });
    }
    channels
}
