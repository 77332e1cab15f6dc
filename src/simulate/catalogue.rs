//! What the factory consists of: machines that differ, and the references that each of them makes.

use super::random::{Colour, Stream};

/// Nominal powers of the kinds of machine, in kW.
const NOMINAL_KW: [f64; 6] = [18.0, 35.0, 55.0, 80.0, 120.0, 190.0];

/// A machine, as built.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Key, such as `m1`.
    pub key: String,
    /// Power while running its middle reference, in kW.
    pub nominal_kw: f64,
    /// Share of the nominal power while off, idle, and in set-up.
    pub resting: [f64; 3],
    /// Share of the running power that does not depend on speed.
    pub speedless: f64,
    /// Change of power with outdoor temperature, per kelvin.
    pub power_per_kelvin: f64,
    /// Change of process temperature with outdoor temperature, in kelvin per kelvin.
    pub process_per_kelvin: f64,
    /// Time constants of heating and cooling, in minutes.
    pub heating_min: f64,
    /// See `heating_min`.
    pub cooling_min: f64,
    /// Time constant of the power when the state changes, in minutes.
    pub lag_min: f64,
    /// Standard deviations while running: of power (relative), of temperature in kelvin, of rate
    /// (relative).
    pub power_noise: f64,
    /// See `power_noise`.
    pub temperature_noise: f64,
    /// See `power_noise`.
    pub rate_noise: f64,
    /// Share of white noise in the power's variance.
    pub whiteness: f64,
    /// Standard deviations from lot to lot, as above.
    pub lot: [f64; 3],
    /// Shifts a working day, 2 or 3.
    pub shifts: u32,
    /// Probability that a Saturday morning is worked.
    pub saturday: f64,
    /// Micro-stops and longer stops an hour of running.
    pub stops_per_hour: [f64; 2],
    /// Growth of power by wear, per day of running.
    pub wear_per_day: f64,
    /// Days between maintenance, which takes wear back.
    pub maintenance_days: f64,
    /// What it makes.
    pub references: Vec<Reference>,
}

/// A reference on its machine.
#[derive(Clone, Debug)]
pub struct Reference {
    /// Key, such as `R103`.
    pub key: String,
    /// Power relative to the machine's nominal one.
    pub power: f64,
    /// Units an hour.
    pub rate: f64,
    /// Process temperature, in °C.
    pub setpoint: f64,
    /// Relative overshoot of the power at the start, and its time constant in minutes.
    pub overshoot: (f64, f64),
    /// Relative depth of the process's own cycle, and its period in minutes.
    pub cycle: (f64, f64),
    /// Relative change of power per hour of a run, as tool and material warm.
    pub ramp_per_hour: f64,
    /// Rise of the process temperature through a run in kelvin, and its time constant in minutes.
    pub warming: (f64, f64),
    /// How often it is made.
    pub weight: f64,
    /// Day on which it is introduced.
    pub first_day: f64,
}

impl Reference {
    /// Power relative to the machine's nominal one, `minutes` into a run.
    pub fn power_at(&self, minutes: f64) -> f64 {
        let (height, decay) = self.overshoot;
        let (depth, period) = self.cycle;
        let phase = (std::f64::consts::TAU * minutes / period).sin();
        let ramp = self.ramp_per_hour * (minutes / 60.0).min(3.0);
        self.power * (1.0 + height * (-minutes / decay).exp() + depth * phase + ramp)
    }

    /// Process temperature in °C that the machine aims at, `minutes` into a run.
    pub fn temperature_at(&self, minutes: f64) -> f64 {
        let (rise, time) = self.warming;
        self.setpoint + rise * (1.0 - (-minutes / time).exp())
    }
}

/// The machines of a factory.
pub fn machines(seed: u64, count: usize, days: f64) -> Vec<Machine> {
    (0..count).map(|index| machine(seed, index, days)).collect()
}

fn machine(seed: u64, index: usize, days: f64) -> Machine {
    let key = format!("m{}", index + 1);
    let stream = &mut Stream::new(seed, &["machine", &key]);
    let off = stream.between(0.015, 0.05);
    let idle = stream.between(0.10, 0.24);
    let nominal_kw = NOMINAL_KW[stream.below(NOMINAL_KW.len())] * stream.between(0.85, 1.15);
    Machine {
        nominal_kw,
        resting: [off, idle, idle + stream.between(0.04, 0.16)],
        speedless: stream.between(0.25, 0.5),
        power_per_kelvin: stream.between(-0.001, 0.004),
        process_per_kelvin: stream.between(0.0, 0.2),
        heating_min: stream.between(8.0, 22.0),
        cooling_min: stream.between(60.0, 160.0),
        lag_min: stream.between(0.4, 2.0),
        power_noise: stream.between(0.012, 0.028),
        temperature_noise: stream.between(0.3, 0.9),
        rate_noise: stream.between(0.02, 0.05),
        whiteness: stream.between(0.2, 0.6),
        lot: [stream.between(0.008, 0.02), stream.between(0.3, 0.9), stream.between(0.01, 0.025)],
        shifts: if stream.chance(0.6) { 3 } else { 2 },
        saturday: stream.between(0.0, 0.5),
        stops_per_hour: [stream.between(0.15, 0.5), stream.between(0.01, 0.04)],
        wear_per_day: stream.between(0.0002, 0.001),
        maintenance_days: stream.between(20.0, 50.0),
        references: references(stream, index, days),
        key,
    }
}

fn references(stream: &mut Stream, machine: usize, days: f64) -> Vec<Reference> {
    let usual = 5 + stream.below(3);
    let late = 1 + stream.below(2);
    let rate = stream.log_between(40.0, 600.0);
    let setpoint = stream.between(90.0, 230.0);
    (0..usual + late)
        .map(|index| Reference {
            key: format!("R{}{:02}", machine + 1, index + 1),
            power: stream.log_between(0.68, 1.45),
            rate: rate * stream.log_between(0.6, 1.6),
            setpoint: setpoint + stream.between(-28.0, 28.0),
            overshoot: (stream.between(0.0, 0.30), stream.between(4.0, 18.0)),
            cycle: (stream.between(0.0, 0.06), stream.between(9.0, 50.0)),
            ramp_per_hour: stream.between(-0.01, 0.015),
            warming: (stream.between(0.0, 7.0), stream.between(30.0, 120.0)),
            weight: stream.log_between(0.5, 2.0),
            first_day: if index < usual { 0.0 } else { days * stream.between(0.35, 0.8) },
        })
        .collect()
}

/// The colour of a machine's noise: machines differ in that too.
pub fn colour(stream: &mut Stream) -> Colour {
    match stream.below(3) {
        0 => Colour::red(stream.log_between(3.0, 60.0)),
        1 => Colour::heavy(stream.log_between(2.0, 20.0)),
        _ => Colour::pink(),
    }
}
