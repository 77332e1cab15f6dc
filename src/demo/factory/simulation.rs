//! The factory seen from outside: readings, runs and states of a plant within a slice of time.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use super::calendar::Week;
use super::faults::FaultKind;
use super::layout::{PLANTS, PlantSpec};
use super::meters::{self, Carry, Register};
use super::physics::PlantWeek;
use super::plan::{self, State};
use super::sensors::{self, Measures, Sensor};
use super::signature::{self, Signature};

/// A value that a sensor reports.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// Position of the sensor in [`Simulation::sensors`].
    pub sensor: usize,
    /// Seconds since 1970 in UTC.
    pub second: i64,
    /// The value, rounded to what such an instrument shows.
    pub value: f64,
}

/// A run as the shop floor reports it.
#[derive(Clone, Debug, PartialEq)]
pub struct RunRecord {
    /// Key of the line that it is on.
    pub line: &'static str,
    /// Key of the run.
    pub key: String,
    /// Key of the lot.
    pub lot: String,
    /// Key of the reference.
    pub reference: &'static str,
    /// Key of the operator.
    pub operator: &'static str,
    /// Start, in seconds since 1970.
    pub started: i64,
    /// End; `None` while it lasts.
    pub ended: Option<i64>,
    /// Good units so far.
    pub good: f64,
    /// Scrap units so far.
    pub scrap: f64,
}

/// An interval of a machine's state.
#[derive(Clone, Debug, PartialEq)]
pub struct StateRecord {
    /// Key of the machine.
    pub machine: &'static str,
    /// The state.
    pub state: State,
    /// Start, in seconds since 1970.
    pub started: i64,
    /// End; `None` while it lasts.
    pub ended: Option<i64>,
}

/// A fault that was planted.
#[derive(Clone, Debug, PartialEq)]
pub struct FaultRecord {
    /// Key of the machine.
    pub machine: &'static str,
    /// What is wrong.
    pub kind: FaultKind,
    /// Start, in seconds since 1970.
    pub started: i64,
    /// End.
    pub ended: i64,
}

/// A week with its counters.
struct Simulated {
    plant: PlantWeek,
    registers: Vec<Option<Register>>,
    /// Values of the counters when the week began.
    before: Vec<f64>,
}

/// The factory under one seed. Remembers the weeks that it worked out last.
pub struct Simulation {
    seed: u64,
    sensors: Vec<Vec<Sensor>>,
    signatures: Vec<Vec<Vec<Signature>>>,
    weeks: HashMap<(usize, Week), Rc<Simulated>>,
    carries: BTreeMap<(usize, Week), Vec<Option<Carry>>>,
}

impl Simulation {
    /// The factory under `seed`.
    pub fn new(seed: u64) -> Self {
        let lines = |plant: &PlantSpec| {
            plant.lines.iter().map(|line| signature::of_line(seed, line)).collect()
        };
        Self {
            seed,
            sensors: PLANTS.iter().map(sensors::of_plant).collect(),
            signatures: PLANTS.iter().map(lines).collect(),
            weeks: HashMap::new(),
            carries: BTreeMap::new(),
        }
    }

    /// Sensors of the plant at position `plant`.
    pub fn sensors(&self, plant: usize) -> &[Sensor] {
        &self.sensors[plant]
    }

    /// Signatures of a plant's references: by line, in the order of its catalogue.
    pub fn signatures(&self, plant: usize) -> &[Vec<Signature>] {
        &self.signatures[plant]
    }

    /// Readings of a plant after second `from` up to and including `to`, at multiples of `step`,
    /// in the order of time.
    pub fn readings(&mut self, plant: usize, from: i64, to: i64, step: i64) -> Vec<Reading> {
        let mut readings = Vec::new();
        let mut second = (from.div_euclid(step) + 1) * step;
        while second <= to {
            // A counter's reading closes the time before it, a gauge's opens the time after it.
            let closing = self.week(plant, week_of(plant, second - 1));
            let opening = self.week(plant, week_of(plant, second));
            for sensor in 0..self.sensors[plant].len() {
                let value = match &closing.registers[sensor] {
                    Some(register) => {
                        let value = register.value(closing.before[sensor], second);
                        match self.sensors[plant][sensor].measures {
                            Measures::Output(_) => value.floor(),
                            _ => round(value, 1000.0),
                        }
                    }
                    None => {
                        let i = (second.div_euclid(60) - opening.plant.start) as usize;
                        gauge(&opening.plant, self.sensors[plant][sensor].measures, i)
                    }
                };
                readings.push(Reading { sensor, second, value });
            }
            second += step;
        }
        readings
    }

    /// Runs of a plant that last into the time after second `from`, and began before `to`, as they
    /// are known at second `known_at`; in the order of their start.
    pub fn runs(&mut self, plant: usize, from: i64, to: i64, known_at: i64) -> Vec<RunRecord> {
        let mut records = Vec::new();
        for week in self.weeks_between(plant, from, to) {
            for (i, line) in week.plant.lines.iter().enumerate() {
                let spec = &PLANTS[plant].lines[i];
                for run in &line.plan.runs {
                    let (started, ended) = (run.start * 60, run.end * 60);
                    if started >= to || ended <= from {
                        continue;
                    }
                    let span = (run.start - week.plant.start) as usize
                        ..(ended.min(known_at).max(started).div_euclid(60) - week.plant.start)
                            as usize;
                    let made = line.output[span].iter().sum::<f64>();
                    let scrap = (made * run.scrap).floor();
                    records.push(RunRecord {
                        line: spec.key,
                        key: run.key.clone(),
                        lot: run.lot.clone(),
                        reference: spec.references[run.reference].0,
                        operator: PLANTS[plant].operators[run.operator].0,
                        started,
                        ended: (ended <= known_at).then_some(ended),
                        good: made.floor() - scrap,
                        scrap,
                    });
                }
            }
        }
        records.sort_by_key(|run| run.started);
        records
    }

    /// States of a plant's machines that last into the time after second `from`, and began before
    /// `to`, as they are known at second `known_at`; in the order of their start.
    pub fn states(&mut self, plant: usize, from: i64, to: i64, known_at: i64) -> Vec<StateRecord> {
        let mut records = Vec::new();
        for week in self.weeks_between(plant, from, to) {
            for (i, line) in week.plant.lines.iter().enumerate() {
                for (machine, spec) in PLANTS[plant].lines[i].machines.iter().enumerate() {
                    for (state, start, end) in merged(&line.plan.segments, machine) {
                        if start * 60 < to && end * 60 > from {
                            records.push(StateRecord {
                                machine: spec.key,
                                state,
                                started: start * 60,
                                ended: (end * 60 <= known_at).then_some(end * 60),
                            });
                        }
                    }
                }
            }
        }
        records.sort_by_key(|state| state.started);
        records
    }

    /// Faults of a plant that last into the time after second `from`, and began before `to`; in the
    /// order of their start.
    pub fn faults(&mut self, plant: usize, from: i64, to: i64) -> Vec<FaultRecord> {
        let mut records = Vec::new();
        for week in self.weeks_between(plant, from, to) {
            for (line, spec) in week.plant.lines.iter().zip(PLANTS[plant].lines) {
                records.extend(line.faults.iter().map(|fault| FaultRecord {
                    machine: spec.machines[fault.machine].key,
                    kind: fault.kind,
                    started: fault.start * 60,
                    ended: fault.end * 60,
                }));
            }
        }
        records.retain(|fault| fault.started < to && fault.ended > from);
        records.sort_by_key(|fault| fault.started);
        records
    }

    fn weeks_between(&mut self, plant: usize, from: i64, to: i64) -> Vec<Rc<Simulated>> {
        let (first, last) = (week_of(plant, from), week_of(plant, to - 1));
        (first.0..=last.0).map(|week| self.week(plant, Week(week))).collect()
    }

    fn week(&mut self, plant: usize, week: Week) -> Rc<Simulated> {
        if let Some(known) = self.weeks.get(&(plant, week)) {
            return known.clone();
        }
        // Time moves on: a few weeks of each plant are enough to remember.
        self.weeks.retain(|(_, other), _| (other.0 - week.0).abs() <= 1);
        let mut simulated = self.simulate(plant, week);
        simulated.before = (0..self.sensors[plant].len())
            .map(|sensor| self.carried(plant, sensor, week))
            .collect();
        let simulated = Rc::new(simulated);
        self.weeks.insert((plant, week), simulated.clone());
        simulated
    }

    fn simulate(&self, plant: usize, week: Week) -> Simulated {
        let spec = &PLANTS[plant];
        let plans = (self.signatures[plant].iter().enumerate())
            .map(|(line, signatures)| {
                let scrap: Vec<f64> = signatures.iter().map(|signature| signature.scrap).collect();
                plan::of_week(self.seed, spec, line, &scrap, week)
            })
            .collect();
        let physics = PlantWeek::new(self.seed, spec, &self.signatures[plant], plans, week);
        let registers = (self.sensors[plant].iter())
            .map(|sensor| Register::new(self.seed, sensor, &physics, week))
            .collect();
        Simulated { plant: physics, registers, before: Vec::new() }
    }

    /// Value of a counter at the start of `week`.
    fn carried(&mut self, plant: usize, sensor: usize, week: Week) -> f64 {
        let first = meters::installed(self.seed, &self.sensors[plant][sensor], week);
        let mut value = 0.0;
        for past in first.0..week.0 {
            match self.carry(plant, Week(past))[sensor] {
                Some(Carry::Added(amount)) => value += amount,
                Some(Carry::Restarted(amount)) => value = amount,
                None => {}
            }
        }
        value
    }

    fn carry(&mut self, plant: usize, week: Week) -> &[Option<Carry>] {
        if !self.carries.contains_key(&(plant, week)) {
            let registers = match self.weeks.get(&(plant, week)) {
                Some(known) => known.registers.iter().map(carry_of).collect(),
                None => self.simulate(plant, week).registers.iter().map(carry_of).collect(),
            };
            self.carries.insert((plant, week), registers);
        }
        &self.carries[&(plant, week)]
    }
}

fn carry_of(register: &Option<Register>) -> Option<Carry> {
    register.as_ref().map(Register::carry)
}

/// Neighbouring segments that mean the same state for a machine, as one.
fn merged(segments: &[plan::Segment], machine: usize) -> Vec<(State, i64, i64)> {
    let mut merged: Vec<(State, i64, i64)> = Vec::new();
    for segment in segments {
        let state = segment.activity.state(machine);
        match merged.last_mut() {
            Some(last) if last.0 == state => last.2 = segment.end,
            _ => merged.push((state, segment.start, segment.end)),
        }
    }
    merged
}

fn week_of(plant: usize, second: i64) -> Week {
    Week::of(second.div_euclid(60), PLANTS[plant].zone)
}

fn gauge(plant: &PlantWeek, measures: Measures, i: usize) -> f64 {
    match measures {
        Measures::PlantPower => round(plant.power(i), 100.0),
        Measures::LinePower(line) => round(plant.line_power(line, i), 100.0),
        Measures::MachinePower(line, machine) => round(plant.lines[line].power[machine][i], 1000.0),
        Measures::Temperature(line, machine) => {
            round(plant.lines[line].temperature[machine][i], 100.0)
        }
        Measures::Ambient => round(plant.ambient[i], 100.0),
        Measures::Pressure => round(plant.pressure[i], 1000.0),
        // Counters are read from their registers.
        Measures::PlantEnergy
        | Measures::LineEnergy(_)
        | Measures::MachineEnergy(..)
        | Measures::Output(_) => 0.0,
    }
}

fn round(value: f64, steps: f64) -> f64 {
    (value * steps).round() / steps
}
