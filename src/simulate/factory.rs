//! A whole factory's history: machines, schedules, faults and readings put together.

use chrono::NaiveDate;

use super::calendar::{Calendar, DAY_MIN, seeded_monday};
use super::catalogue::{self, Machine};
use super::defects::{self, Reading, Register};
use super::faults::{self, Fault, Rarity};
use super::physics::{self, Traces};
use super::random::Stream;
use super::schedule::{self, Schedule, State};
use super::truth::{self, Consumption, Day};

/// Which factory.
#[derive(Clone, Debug)]
pub struct Options {
    /// The same seed gives the same factory.
    pub seed: u64,
    /// Number of machines.
    pub machines: usize,
    /// Length of the history in days.
    pub days: usize,
    /// Days at the start without faults.
    pub quiet_days: usize,
    /// Multiplies the size of the faults.
    pub severity: f64,
    /// How often things go wrong.
    pub rarity: Rarity,
    /// First day, in UTC; by default a Monday of 2025 that the seed chooses.
    pub start: Option<NaiveDate>,
    /// A lasting change of the power of every machine, for judging energy models.
    pub drift: Option<Drift>,
}

/// A lasting change of the power while running.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drift {
    /// Relative change, such as 0.05.
    pub size: f64,
    /// Day from which it holds, counted from 0.
    pub from_day: usize,
}

/// A sensor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sensor {
    /// Key of its machine; empty for the plant's own.
    pub machine: String,
    /// Key, unique on its machine.
    pub key: &'static str,
    /// What is measured.
    pub quantity: &'static str,
    /// Unit.
    pub unit: &'static str,
    /// gauge or counter.
    pub kind: &'static str,
    /// Seconds between readings.
    pub interval_s: i64,
    /// Decimals of a value.
    pub decimals: usize,
}

/// A run as the paperwork has it.
#[derive(Clone, Debug)]
pub struct RunRecord {
    /// Key, unique in the factory.
    pub key: String,
    /// Key of the machine.
    pub machine: String,
    /// Reference that the paperwork says.
    pub reference: String,
    /// Key of the lot.
    pub lot: String,
    /// Key of the operator.
    pub operator: String,
    /// Second of the start and of the end.
    pub start: i64,
    /// See `start`.
    pub end: i64,
    /// Good units.
    pub good: u64,
    /// Scrap units.
    pub scrap: u64,
}

/// A state as reported.
#[derive(Clone, Debug)]
pub struct StateRecord {
    /// Key of the machine.
    pub machine: String,
    /// State.
    pub state: &'static str,
    /// Second of the start and of the end.
    pub start: i64,
    /// See `start`.
    pub end: i64,
}

/// Ground truth.
#[derive(Clone, Debug)]
pub struct Label {
    /// Key of the machine.
    pub machine: String,
    /// Key of the sensor where it shows; empty where it is the paperwork.
    pub sensor: &'static str,
    /// What.
    pub kind: &'static str,
    /// Second of the start and of the end.
    pub start: i64,
    /// See `start`.
    pub end: i64,
    /// How much, in the kind's own measure.
    pub size: f64,
}

/// What a factory leaves behind.
#[derive(Clone, Debug, Default)]
pub struct Factory {
    /// Second of the first minute.
    pub start: i64,
    /// The machines' sensors.
    pub sensors: Vec<Sensor>,
    /// Readings in the order in which they arrive.
    pub readings: Vec<Reading>,
    /// Runs.
    pub runs: Vec<RunRecord>,
    /// States.
    pub states: Vec<StateRecord>,
    /// Ground truth, in order of time.
    pub labels: Vec<Label>,
    /// True consumption of each reference, before any drift.
    pub consumption: Vec<Consumption>,
    /// The same by day, to the end.
    pub consumption_days: Vec<Day>,
}

/// Simulates a factory.
pub fn factory(options: &Options) -> Factory {
    let first = options.start.unwrap_or_else(|| seeded_monday(options.seed));
    let calendar = Calendar::new(first, options.days);
    let weather = calendar.weather(options.seed);
    let machines = catalogue::machines(options.seed, options.machines, options.days as f64);
    let wrong_labels = match options.rarity {
        Rarity::Dense => 0.015,
        Rarity::Rare => 0.002,
    };
    let schedules: Vec<Schedule> = machines
        .iter()
        .map(|machine| schedule::schedule(options.seed, machine, &calendar, wrong_labels))
        .collect();
    let faults = faults::plan(
        options.seed,
        &schedules,
        options.quiet_days,
        options.severity,
        options.rarity,
    );
    let mut out = Factory { start: calendar.start, ..Factory::default() };
    for ((machine, schedule), faults) in machines.iter().zip(&schedules).zip(&faults) {
        let traces =
            physics::simulate(options.seed, machine, schedule, &weather, faults, options.drift);
        let part = Part { seed: options.seed, machine, calendar: &calendar, schedule };
        part.readings(&traces, &mut out);
        part.paperwork(&traces, &mut out);
        part.labels(faults, &mut out);
        part.drift(options.drift, &mut out);
        let until = options.drift.map_or(usize::MAX, |drift| drift.from_day);
        let (whole, days) = truth::consumption(machine, schedule, faults, &traces, until);
        out.consumption.extend(whole);
        out.consumption_days.extend(days);
    }
    outdoor(options.seed, &calendar, &weather, &mut out);
    out.readings = defects::disorder(&mut Stream::new(options.seed, &["way"]), out.readings);
    out.labels.sort_by(|a, b| (a.start, &a.machine).cmp(&(b.start, &b.machine)));
    out
}

/// A sensor's key, quantity, unit and kind.
type Meaning = [&'static str; 4];

/// One machine's part of the history.
struct Part<'a> {
    seed: u64,
    machine: &'a Machine,
    calendar: &'a Calendar,
    schedule: &'a Schedule,
}

impl Part<'_> {
    fn readings(&self, traces: &Traces, out: &mut Factory) {
        let key = &self.machine.key;
        let stream = &mut Stream::new(self.seed, &["gateway", key]);
        let minutes = self.calendar.minutes();
        let outages = defects::gaps(stream, minutes, 0.5);
        // Gateways do not poll on the full minute.
        let offset = stream.below(50) as i64;
        let mut energy = Register::new(stream, 250_000.0, 10.0);
        let mut output = Register::new(stream, 900_000.0, 6.0);
        let kwh: Vec<f64> =
            traces.true_power.iter().map(|kw| energy.add(stream, kw / 60.0)).collect();
        let units: Vec<f64> = traces.units.iter().map(|units| output.add(stream, *units)).collect();
        let sensors: [(Meaning, i64, usize, &[f64]); 4] = [
            (["power", "power", "kW", "gauge"], 60, 2, &traces.power),
            (["temperature", "temperature", "°C", "gauge"], 60, 1, &traces.temperature),
            (["energy", "energy", "kWh", "counter"], 300, 2, &kwh),
            (["output", "count", "units", "counter"], 60, 0, &units),
        ];
        for ([sensor_key, quantity, unit, kind], interval_s, decimals, values) in sensors {
            let own = defects::gaps(stream, minutes, 0.15);
            let sensor = out.sensors.len();
            let step = (interval_s / 60) as usize;
            out.sensors.push(Sensor {
                machine: key.clone(),
                key: sensor_key,
                quantity,
                unit,
                kind,
                interval_s,
                decimals,
            });
            for minute in (0..minutes).step_by(step) {
                let lost = defects::is_lost(&outages, minute)
                    || defects::is_lost(&own, minute)
                    || stream.chance(0.002);
                if !lost {
                    let time = self.calendar.second(minute) + offset;
                    out.readings.push(Reading {
                        time,
                        sensor,
                        value: values[minute],
                        arrives: time,
                    });
                }
            }
        }
    }

    fn paperwork(&self, traces: &Traces, out: &mut Factory) {
        let key = &self.machine.key;
        let stream = &mut Stream::new(self.seed, &["paperwork", key]);
        for (index, run) in self.schedule.runs.iter().enumerate() {
            let made: f64 = traces.units[run.from..run.to].iter().sum();
            let scrap = (made * stream.between(0.003, 0.04)).round();
            out.runs.push(RunRecord {
                key: format!("{key}-{:04}", index + 1),
                machine: key.clone(),
                reference: self.machine.references[run.written].key.clone(),
                lot: format!("{key}-L{:04}", run.lot),
                operator: format!("crew-{}", run.crew + 1),
                start: self.calendar.second(run.from),
                end: self.calendar.second(run.to),
                good: (made - scrap) as u64,
                scrap: scrap as u64,
            });
        }
        let reported = &self.schedule.reported;
        let mut from = 0;
        for minute in 1..=reported.len() {
            if minute == reported.len() || reported[minute] != reported[from] {
                self.state(stream, reported[from], from, minute, out);
                from = minute;
            }
        }
    }

    /// A state; the terminal reports it up to half a minute late.
    fn state(&self, stream: &mut Stream, state: State, from: usize, to: usize, out: &mut Factory) {
        let key = &self.machine.key;
        let start =
            self.calendar.second(from) + if from == 0 { 0 } else { stream.below(30) as i64 };
        let end = self.calendar.second(to);
        if let Some(last) = out.states.last_mut().filter(|last| last.machine == *key) {
            last.end = start;
        }
        out.states.push(StateRecord { machine: key.clone(), state: state.as_str(), start, end });
    }

    fn drift(&self, drift: Option<Drift>, out: &mut Factory) {
        let Some(drift) = drift else { return };
        let from = drift.from_day * DAY_MIN;
        if from < self.calendar.minutes() {
            out.labels.push(Label {
                machine: self.machine.key.clone(),
                sensor: "power",
                kind: "efficiency_loss",
                start: self.calendar.second(from),
                end: self.calendar.second(self.calendar.minutes()),
                size: drift.size,
            });
        }
    }

    fn labels(&self, faults: &[Fault], out: &mut Factory) {
        let machine = &self.machine.key;
        let second = |minute| self.calendar.second(minute);
        out.labels.extend(faults.iter().map(|fault| Label {
            machine: machine.clone(),
            sensor: fault.channel.as_str(),
            kind: fault.kind.as_str(),
            start: second(fault.from),
            end: second(fault.to),
            size: fault.size,
        }));
        let wrong = self.schedule.runs.iter().filter(|run| run.written != run.reference);
        out.labels.extend(wrong.map(|run| Label {
            machine: machine.clone(),
            sensor: "",
            kind: "wrong_label",
            start: second(run.from),
            end: second(run.to),
            size: 1.0,
        }));
    }
}

fn outdoor(seed: u64, calendar: &Calendar, weather: &[f64], out: &mut Factory) {
    let stream = &mut Stream::new(seed, &["gateway", "outdoor"]);
    let sensor = out.sensors.len();
    out.sensors.push(Sensor {
        machine: String::new(),
        key: "outdoor",
        quantity: "temperature",
        unit: "°C",
        kind: "gauge",
        interval_s: 600,
        decimals: 1,
    });
    for minute in (0..calendar.minutes()).step_by(10) {
        if !stream.chance(0.002) {
            let time = calendar.second(minute);
            out.readings.push(Reading { time, sensor, value: weather[minute], arrives: time });
        }
    }
}
