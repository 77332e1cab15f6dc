//! From plans to physical quantities: power, temperature, pressure and output of a plant for each
//! minute of a week. Knows neither meters nor the API.

use super::calendar::{Minute, Week};
use super::faults::{self, Fault};
use super::layout::{Heat, LineSpec, PlantSpec};
use super::noise::Noise;
use super::plan::{Activity, LinePlan, State};
use super::signature::Signature;

/// One value per minute of a week.
pub type Minutes = Vec<f64>;

/// The physics of one line. Power is constant within a minute.
#[derive(Clone, Debug)]
pub struct LineWeek {
    /// What the line does.
    pub plan: LinePlan,
    /// Power of each machine, in kW.
    pub power: Vec<Minutes>,
    /// Power of conveyors, extraction and light, which no machine meter sees, in kW.
    pub auxiliary: Minutes,
    /// Temperature of each machine, in °C.
    pub temperature: Vec<Minutes>,
    /// Units made in each minute, good and scrap.
    pub output: Minutes,
    /// What went wrong; it is in the other figures.
    pub faults: Vec<Fault>,
}

/// The physics of one plant.
#[derive(Clone, Debug)]
pub struct PlantWeek {
    /// First minute.
    pub start: Minute,
    /// First minute of the next week.
    pub end: Minute,
    /// The lines.
    pub lines: Vec<LineWeek>,
    /// Load of the buildings, in kW.
    pub base: Minutes,
    /// Outdoor temperature, in °C.
    pub ambient: Minutes,
    /// Pressure of the compressed air, in bar.
    pub pressure: Minutes,
}

impl PlantWeek {
    /// Simulates `week` of `plant`, whose lines follow `plans`.
    pub fn new(
        seed: u64,
        plant: &PlantSpec,
        signatures: &[Vec<Signature>],
        plans: Vec<LinePlan>,
        week: Week,
    ) -> Self {
        let (start, end) = (week.start(plant.zone), week.end(plant.zone));
        let ambient: Minutes = (start..end).map(|minute| outdoor(seed, plant, minute)).collect();
        let lines: Vec<LineWeek> = plans
            .into_iter()
            .enumerate()
            .map(|(i, plan)| {
                let spec = &plant.lines[i];
                let mut line = line_week(seed, spec, &signatures[i], plan, &ambient, start);
                line.faults = faults::of_week(seed, spec, &line.plan, week);
                for fault in line.faults.clone() {
                    fault.happen(spec, &mut line, start);
                }
                line
            })
            .collect();
        let manned = manned_share(&lines, start, (end - start) as usize);
        let noise = Noise::new(seed, &["base", plant.key]);
        let (mut base, mut pressure) = (Minutes::new(), Minutes::new());
        for (i, minute) in (start..end).enumerate() {
            let share = manned[i];
            let climate = 0.022 * (ambient[i] - 19.0).abs() * (0.35 + 0.65 * share);
            let wobble = 0.05 * noise.smooth(minute, 25) + 0.02 * noise.white(minute);
            base.push(plant.base_kw * (0.38 + 0.42 * share + climate) * (1.0 + wobble));
            pressure.push(
                6.35 + 0.55 * share.min(0.7)
                    + 0.08 * noise.smooth(minute + 7, 4)
                    + 0.02 * noise.white(-minute),
            );
        }
        Self { start, end, lines, base, ambient, pressure }
    }

    /// Power of a whole line at the minute with position `i`, in kW.
    pub fn line_power(&self, line: usize, i: usize) -> f64 {
        let line = &self.lines[line];
        line.power.iter().map(|power| power[i]).sum::<f64>() + line.auxiliary[i]
    }

    /// Power of the plant at the minute with position `i`, in kW.
    pub fn power(&self, i: usize) -> f64 {
        (0..self.lines.len()).map(|line| self.line_power(line, i)).sum::<f64>() + self.base[i]
    }
}

/// Share of the lines that are not off, for each minute.
fn manned_share(lines: &[LineWeek], start: Minute, minutes: usize) -> Minutes {
    let mut share = vec![0.0; minutes];
    for segment in lines.iter().flat_map(|line| &line.plan.segments) {
        if segment.activity != Activity::Off {
            let span = (segment.start - start) as usize..(segment.end - start) as usize;
            share[span].iter_mut().for_each(|value| *value += 1.0 / lines.len() as f64);
        }
    }
    share
}

/// Power of a machine when it is not producing, as a share of its nominal power.
fn standby(activity: Activity, machine: usize, heat: Heat) -> f64 {
    let heated = matches!(heat, Heat::Process(_));
    match activity {
        Activity::Off => 0.025,
        Activity::WarmUp if heated => 0.92,
        Activity::WarmUp => 0.16,
        Activity::Setup => 0.44,
        Activity::Break | Activity::Idle => 0.31,
        Activity::MicroStop(culprit) | Activity::Breakdown(culprit) if culprit == machine => 0.21,
        Activity::MicroStop(_) | Activity::Breakdown(_) => 0.33,
        Activity::Running => 1.0,
    }
}

fn line_week(
    seed: u64,
    spec: &LineSpec,
    signatures: &[Signature],
    plan: LinePlan,
    ambient: &[f64],
    week_start: Minute,
) -> LineWeek {
    let noise = Noise::new(seed, &["auxiliary", spec.key]);
    let (mut auxiliary, mut output) = (Minutes::new(), Minutes::new());
    for segment in &plan.segments {
        let running = segment.activity == Activity::Running;
        let speed = segment.run.map_or(1.0, |run| plan.runs[run].speed);
        let made = if running { signatures[segment.reference].rate * speed / 60.0 } else { 0.0 };
        let load = match segment.activity {
            Activity::Off => 0.1,
            Activity::Running => 1.0,
            _ => 0.7,
        };
        for minute in segment.start..segment.end {
            output.push(made);
            auxiliary.push(0.055 * spec.kw * load * (1.0 + 0.03 * noise.white(minute)));
        }
    }
    let power = (0..spec.machines.len()).map(|i| power(seed, spec, i, signatures, &plan)).collect();
    let temperature = (0..spec.machines.len())
        .map(|i| temperature(seed, spec, i, signatures, &plan, ambient, week_start))
        .collect();
    LineWeek { plan, power, auxiliary, temperature, output, faults: Vec::new() }
}

fn power(
    seed: u64,
    spec: &LineSpec,
    machine: usize,
    signatures: &[Signature],
    plan: &LinePlan,
) -> Minutes {
    let own = &spec.machines[machine];
    let noise = Noise::new(seed, &["power", own.key]);
    let mut power = Minutes::new();
    for segment in &plan.segments {
        let signature = &signatures[segment.reference];
        let level = match (segment.activity, segment.run) {
            // Part of the power does not depend on how fast the line runs.
            (Activity::Running, Some(run)) => {
                let run = &plan.runs[run];
                signature.kw * signature.shares[machine] * (0.35 + 0.65 * run.speed) * run.effort
            }
            (activity, _) => spec.kw * own.share * standby(activity, machine, own.heat),
        };
        for minute in segment.start..segment.end {
            power.push(
                level * (1.0 + 0.02 * noise.smooth(minute, 18) + 0.025 * noise.white(minute)),
            );
        }
    }
    power
}

/// A first-order lag towards what the machine's state asks for; heats faster than it cools.
fn temperature(
    seed: u64,
    spec: &LineSpec,
    machine: usize,
    signatures: &[Signature],
    plan: &LinePlan,
    ambient: &[f64],
    week_start: Minute,
) -> Minutes {
    let own = &spec.machines[machine];
    let noise = Noise::new(seed, &["temperature", own.key]);
    let mut temperature = Minutes::new();
    // Over a weekend every machine has cooled down to the hall.
    let mut level = hall(ambient[0]);
    for segment in &plan.segments {
        let setpoint = signatures[segment.reference].setpoint;
        let state = segment.activity.state(machine);
        for minute in segment.start..segment.end {
            let hall = hall(ambient[(minute - week_start) as usize]);
            let target = match (own.heat, state) {
                (_, State::Off) => hall,
                (Heat::Process(factor), State::Running | State::Setup) => setpoint * factor,
                (Heat::Process(factor), _) => setpoint * factor * 0.965,
                (Heat::Rise(rise), State::Running) => hall + rise,
                (Heat::Rise(rise), _) => hall + rise * 0.35,
            };
            let lag = if target > level { 14.0 } else { 85.0 };
            level += (target - level) / lag;
            let swing = if state == State::Off { 0.1 } else { 0.006 * (target - hall).max(20.0) };
            temperature
                .push(level + swing * (0.7 * noise.smooth(minute, 9) + 0.3 * noise.white(minute)));
        }
    }
    temperature
}

/// The hall is milder than the weather.
fn hall(ambient: f64) -> f64 {
    20.0 + 0.35 * (ambient - 18.0)
}

fn outdoor(seed: u64, plant: &PlantSpec, minute: Minute) -> f64 {
    let turn = std::f64::consts::TAU;
    let [mean, season, day] = plant.climate;
    let noise = Noise::new(seed, &["weather", plant.key]);
    // Warmest in late July (day 205 of 365.25) and at about 15:00 UTC.
    let of_year = (minute as f64 / 1440.0 / 365.25 - 205.0 / 365.25).fract();
    let of_day = (minute as f64 / 1440.0 - 15.0 / 24.0).fract();
    let front = 3.2 * noise.smooth(minute, 3 * 1440) + 1.1 * noise.smooth(minute, 400);
    mean + season * (turn * of_year).cos()
        + day * (turn * of_day).cos()
        + front
        + 0.05 * noise.white(minute)
}
