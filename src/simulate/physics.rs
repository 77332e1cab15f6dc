//! From a schedule, the weather and the faults to power, temperature and output per minute.

use super::calendar::DAY_MIN;
use super::catalogue::{Machine, Reference, colour};
use super::factory::Drift;
use super::faults::{Channel, Fault, Kind};
use super::random::{Colour, Stream};
use super::schedule::{Schedule, State};

/// What a machine really did, and what its sensors say, a value a minute.
#[derive(Clone, Debug, Default)]
pub struct Traces {
    /// True power in kW: what the energy meter integrates.
    pub true_power: Vec<f64>,
    /// Power as its gauge says, in kW.
    pub power: Vec<f64>,
    /// Temperature as its gauge says, in °C.
    pub temperature: Vec<f64>,
    /// Units made in the minute.
    pub units: Vec<f64>,
}

/// Simulates a machine.
pub fn simulate(
    seed: u64,
    machine: &Machine,
    schedule: &Schedule,
    weather: &[f64],
    faults: &[Fault],
    drift: Option<Drift>,
) -> Traces {
    let mut process = Process::new(seed, machine, weather);
    process.drift = drift;
    let mut traces = Traces::default();
    let mut active = Active { faults, first: 0 };
    for minute in 0..schedule.states.len() {
        let now = active.at(minute);
        let (power, temperature, units) = process.step(machine, schedule, minute, weather, now);
        traces.true_power.push(power);
        traces.power.push(power);
        traces.temperature.push(temperature);
        traces.units.push(units);
    }
    let stream = &mut Stream::new(seed, &["sensors", &machine.key]);
    corrupt(stream, machine, &mut traces, faults);
    traces
}

/// The fault of a minute; faults of a machine do not overlap.
struct Active<'a> {
    faults: &'a [Fault],
    first: usize,
}

impl<'a> Active<'a> {
    fn at(&mut self, minute: usize) -> Option<&'a Fault> {
        while self.faults.get(self.first).is_some_and(|fault| fault.to <= minute) {
            self.first += 1;
        }
        self.faults.get(self.first).filter(|fault| fault.from <= minute)
    }
}

struct Process {
    stream: Stream,
    power_noise: Colour,
    temperature_noise: Colour,
    rate_noise: Colour,
    /// Effects of the three crews on power and rate (relative).
    crews: [[f64; 2]; 3],
    power: f64,
    temperature: f64,
    extra_heat: f64,
    wear: f64,
    next_maintenance: f64,
    running_min: f64,
    drift: Option<Drift>,
}

impl Process {
    fn new(seed: u64, machine: &Machine, weather: &[f64]) -> Self {
        let mut stream = Stream::new(seed, &["process", &machine.key]);
        let crews = [0; 3].map(|_| [0.006 * stream.normal(), 0.015 * stream.normal()]);
        Self {
            power_noise: colour(&mut stream),
            temperature_noise: Colour::red(stream.log_between(8.0, 60.0)),
            rate_noise: colour(&mut stream),
            crews,
            power: machine.nominal_kw * machine.resting[0],
            temperature: weather.first().copied().unwrap_or(20.0),
            extra_heat: 0.0,
            wear: stream.between(0.0, 0.01),
            next_maintenance: machine.maintenance_days * stream.share(),
            running_min: 0.0,
            drift: None,
            stream,
        }
    }

    fn step(
        &mut self,
        machine: &Machine,
        schedule: &Schedule,
        minute: usize,
        weather: &[f64],
        fault: Option<&Fault>,
    ) -> (f64, f64, f64) {
        let state = schedule.states[minute];
        let outside = weather[minute];
        self.age(machine, state, minute);
        let noise = [
            self.power_noise.next(&mut self.stream),
            self.temperature_noise.next(&mut self.stream),
            self.rate_noise.next(&mut self.stream),
        ];
        let run = schedule.run_of[minute].map(|index| &schedule.runs[index]);
        let made = run.filter(|_| state == State::Running).map(|run| {
            let elapsed = (minute - run.from) as f64;
            (run, &machine.references[run.reference], elapsed)
        });
        let of = |kind: Kind| fault.filter(|fault| fault.kind == kind);
        let mut units = 0.0;
        let target_kw = match made {
            Some((run, reference, elapsed)) => {
                let [lot_power, _, lot_rate] = run.lot_effect;
                let [crew_power, crew_rate] = self.crews[run.crew];
                let slow = of(Kind::SlowProduction).map_or(0.0, |fault| fault.size);
                let rate_noise = machine.rate_noise * noise[2];
                let speed = (1.0 - slow) * (1.0 + lot_rate + crew_rate + rate_noise).max(0.1);
                units = self.units(reference, elapsed, speed);
                let share = machine.speedless + (1.0 - machine.speedless) * (1.0 - slow);
                let white = machine.whiteness.sqrt() * self.stream.normal();
                let red = (1.0 - machine.whiteness).sqrt() * noise[0];
                let usual = 1.0
                    + lot_power
                    + crew_power
                    + self.wear
                    + machine.power_per_kelvin * (outside - 15.0)
                    + machine.power_noise * (white + red);
                let drifted = |drift: &Drift| minute >= drift.from_day * DAY_MIN;
                let drift = self.drift.filter(drifted).map_or(0.0, |drift| drift.size);
                let faulty = (1.0 + power_fault(fault, minute)) * (1.0 + drift);
                machine.nominal_kw * reference.power_at(elapsed) * usual * share * faulty
            }
            None => self.resting_kw(machine, state, noise[0], fault),
        };
        // The machine follows with a lag, the noise of the minute does not.
        let follow = 1.0 - (-1.0 / machine.lag_min).exp();
        self.power +=
            (target_kw - self.power) * if made.is_some() { follow.max(0.75) } else { follow };
        let heat = of(Kind::CoolingFailure).map_or(0.0, |fault| fault.size);
        let slowness = fault.map_or(40.0, |fault| fault.time_constant);
        self.extra_heat += (heat - self.extra_heat) / slowness;
        let offset = of(Kind::WrongSetPoint).map_or(0.0, |fault| fault.size);
        let (target, time_min) = match (made, state) {
            (Some((run, reference, elapsed)), _) => {
                let usual = reference.temperature_at(elapsed) + run.lot_effect[1];
                let ambient = machine.process_per_kelvin * (outside - 15.0);
                (usual + ambient + offset, machine.heating_min)
            }
            // A stopped machine is kept warm; so is one that is set up, a little less.
            (None, State::Stopped | State::Idle) => (self.temperature - 2.0, 60.0),
            (None, State::Setup) => (self.temperature.max(60.0), 60.0),
            (None, _) => (outside + 4.0, machine.cooling_min),
        };
        self.temperature += (target - self.temperature) / time_min;
        let shown = self.temperature
            + self.extra_heat
            + machine.temperature_noise * noise[1]
            + 0.06 * self.stream.normal();
        (self.power.max(0.0), shown, units)
    }

    fn age(&mut self, machine: &Machine, state: State, minute: usize) {
        if state == State::Running {
            self.running_min += 1.0;
            self.wear += machine.wear_per_day / DAY_MIN as f64;
        }
        if state == State::Off && minute as f64 / DAY_MIN as f64 > self.next_maintenance {
            self.wear = 0.0;
            self.next_maintenance += machine.maintenance_days;
        }
    }

    /// Whole units of a minute: the rate is spread by chance, and slower in the first minutes.
    fn units(&mut self, reference: &Reference, elapsed: f64, speed: f64) -> f64 {
        let warm = 1.0 - 0.4 * (-elapsed / 6.0).exp();
        let expected = reference.rate / 60.0 * speed * warm;
        expected.floor() + f64::from(u8::from(self.stream.chance(expected.fract())))
    }

    fn resting_kw(
        &mut self,
        machine: &Machine,
        state: State,
        noise: f64,
        fault: Option<&Fault>,
    ) -> f64 {
        let [off, idle, setup] = machine.resting;
        let (share, spread) = match state {
            State::Off => (off, 0.05),
            State::Setup => (setup, 0.20),
            _ => (idle, 0.10),
        };
        let waste = fault.filter(|fault| fault.kind == Kind::IdleWaste);
        let share = waste.map_or(share, |fault| share.max(fault.size));
        let relative = 1.0 + spread * (0.7 * noise + 0.3 * self.stream.normal());
        machine.nominal_kw * share * relative.max(0.2)
    }
}

/// Relative change of the power by a fault of the process.
fn power_fault(fault: Option<&Fault>, minute: usize) -> f64 {
    let Some(fault) = fault else { return 0.0 };
    match (fault.kind, fault.channel) {
        (Kind::Spike, Channel::Power) | (Kind::LevelShift, _) => fault.size,
        (Kind::Drift, _) => {
            let length = (fault.to - fault.from) as f64;
            fault.size * ((minute - fault.from) as f64 / (0.8 * length)).min(1.0)
        }
        (Kind::CoolingFailure, _) => 0.02,
        _ => 0.0,
    }
}

/// Faults of the sensors themselves. The true power stays as it was.
fn corrupt(stream: &mut Stream, machine: &Machine, traces: &mut Traces, faults: &[Fault]) {
    for fault in faults {
        let (trace, noise) = match fault.channel {
            Channel::Temperature => (&mut traces.temperature, machine.temperature_noise),
            _ => (&mut traces.power, machine.power_noise * machine.nominal_kw),
        };
        let held = trace[fault.from];
        for minute in fault.from..fault.to.min(trace.len()) {
            match fault.kind {
                Kind::StuckSensor => trace[minute] = held,
                Kind::Noise => {
                    trace[minute] = (trace[minute] + fault.size * noise * stream.heavy()).max(0.0);
                }
                Kind::Spike if fault.channel == Channel::Temperature => {
                    trace[minute] += fault.size;
                }
                _ => {}
            }
        }
    }
}
