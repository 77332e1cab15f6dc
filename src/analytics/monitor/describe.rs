//! From an episode to a finding: kind, energy, and the reason.

use super::channel::Channel;
use crate::analytics::charts::Chart;
use crate::analytics::context::{Context, Doing};
use crate::analytics::envelope::Measure;
use crate::analytics::episode::{Episode, Evidence, Rule};
use crate::analytics::finding::{Deviation, Finding, Kind, Reason, Usual, What};
use crate::analytics::grid::Grid;
use crate::analytics::history::{Machine, Quantity};
use crate::analytics::robust;

/// A temperature that is off within so many minutes of a run's start was set wrong.
const SET_POINT_MIN: f64 = 75.0;
/// An event that lasts longer than this many hours is a drift, a shorter one than this a spike.
const DRIFT_HOURS: f64 = 30.0;
const SPIKE_HOURS: f64 = 0.3;
/// Sensors that are named.
const NAMED: usize = 3;

/// An episode and where it happened.
pub struct Story<'a> {
    /// The machine.
    pub machine: &'a Machine,
    /// Its grid.
    pub grid: &'a Grid,
    /// Context on the grid.
    pub context: &'a Context,
    /// Channels on the grid.
    pub channels: &'a [Channel],
    /// What happened.
    pub episode: &'a Episode,
    /// The channels that contribute most to the chart of all of them, with their deviations in sigmas.
    pub causes: &'a [(usize, f64)],
}

impl Story<'_> {
    /// Makes a finding of it; `None` without evidence.
    pub fn finding(&self) -> Option<Finding> {
        let main = self.main_evidence()?;
        let channel = &self.channels[main.channel];
        let kind = self.kind(channel, main);
        Some(Finding {
            machine: self.machine.key.clone(),
            sensor: self.machine.sensors[channel.sensor].key.clone(),
            kind,
            start: self.grid.second(self.episode.start),
            raised: self.grid.second(self.episode.raised + 1),
            end: self.grid.second(self.episode.last + 1),
            is_open: false,
            severity: main.peak.abs(),
            energy_kwh: self.energy(),
            reason: self.reason(channel, main, kind),
        })
    }

    /// The rule that says most: a stuck sensor explains everything else that it shows, roughness
    /// explains jumps; otherwise the largest share of its limit, lost production before its power.
    fn main_evidence(&self) -> Option<Evidence> {
        let strength = |evidence: &Evidence| {
            let is_count = self.channels[evidence.channel].quantity == Quantity::Count;
            let rank = match evidence.rule {
                Rule::Stuck => 1e6,
                // What a single sensor shows is told as that.
                Rule::Joint => 1e-3,
                Rule::Chart(Chart::Roughness) => 3.0,
                Rule::Chart(Chart::Jump) => 0.2,
                Rule::Chart(_) if is_count => 2.0,
                Rule::Chart(_) | Rule::Resting => 1.0,
            };
            rank * evidence.peak.abs() / evidence.limit
        };
        let evidence = self.episode.evidence.iter();
        evidence.max_by(|a, b| strength(a).total_cmp(&strength(b))).copied()
    }

    fn kind(&self, channel: &Channel, main: Evidence) -> Kind {
        let hours = self.minutes() / 60.0;
        match (main.rule, channel.quantity) {
            (Rule::Stuck, _) => Kind::StuckSensor,
            (Rule::Joint, _) => Kind::Pattern,
            (Rule::Resting, _) => Kind::IdleWaste,
            (Rule::Chart(Chart::Jump), _) => Kind::Spike,
            (Rule::Chart(Chart::Roughness), _) => Kind::Noise,
            (_, Quantity::Count) => Kind::SlowProduction,
            (_, Quantity::Temperature) => match self.context.cells[self.episode.start] {
                Doing::Running { elapsed_min, .. }
                    if elapsed_min > SET_POINT_MIN && main.peak > 0.0 =>
                {
                    Kind::CoolingFailure
                }
                _ => Kind::WrongSetPoint,
            },
            (Rule::Chart(Chart::Runs), _) => Kind::Drift,
            _ if hours > DRIFT_HOURS => Kind::Drift,
            _ if hours < SPIKE_HOURS => Kind::Spike,
            _ => Kind::LevelShift,
        }
    }

    fn minutes(&self) -> f64 {
        (self.episode.last + 1 - self.episode.start) as f64 * self.grid.minutes()
    }

    /// Energy beyond what is usual over the episode, in kWh.
    fn energy(&self) -> Option<f64> {
        let power = self.channels.iter().find(|channel| channel.quantity == Quantity::Power)?;
        let cells = self.episode.start..=self.episode.last;
        let known: Vec<f64> =
            cells.map(|cell| power.excess_kw(cell)).filter(|excess| excess.is_finite()).collect();
        (!known.is_empty()).then(|| known.iter().sum::<f64>() * self.grid.minutes() / 60.0)
    }

    fn reason(&self, channel: &Channel, main: Evidence, kind: Kind) -> Reason {
        let sensor = &self.machine.sensors[channel.sensor];
        let key = sensor.key.clone();
        let what = match kind {
            Kind::StuckSensor => {
                let what = What::Stuck {
                    sensor: key,
                    value: channel.values[self.episode.last],
                    unit: sensor.unit.clone(),
                };
                let minutes = Some(self.minutes());
                return Reason { what, usual: Usual::Past, from: None, minutes };
            }
            Kind::Pattern => {
                let named = self.causes.iter().take(NAMED).map(|&(channel, sigmas)| {
                    let sensor = &self.machine.sensors[self.channels[channel].sensor];
                    (sensor.key.clone(), sigmas)
                });
                What::Apart(named.collect())
            }
            Kind::Noise => What::Rough(key),
            _ => What::Off { sensor: key, by: self.deviation(channel, &sensor.unit, main) },
        };
        let (usual, from) = self.usual();
        Reason { what, usual, from, minutes: None }
    }

    /// What it is compared with, and its start where that says no time.
    fn usual(&self) -> (Usual, Option<i64>) {
        match self.context.cells[self.episode.start] {
            Doing::Running { reference, elapsed_min, .. } => {
                let key = self.context.references[reference].clone();
                let minutes = (elapsed_min, elapsed_min + self.minutes());
                (Usual::Reference { key, minutes }, None)
            }
            Doing::Resting { state, .. } => {
                (Usual::State(self.context.states[state].clone()), None)
            }
            Doing::Unknown => (Usual::Past, Some(self.grid.second(self.episode.start))),
        }
    }

    /// Middle of the deviations over the episode.
    fn deviation(&self, channel: &Channel, unit: &str, main: Evidence) -> Deviation {
        let measure = match main.rule {
            Rule::Resting => Measure::Difference,
            _ => channel.measure,
        };
        let deviations: Vec<f64> = (self.episode.start..=self.episode.last)
            .map(|cell| measure.deviation(channel.values[cell], f64::from(channel.usual[cell])))
            .collect();
        let middle = match channel.quantity {
            Quantity::Count => robust::mean(&deviations),
            _ => robust::median_of(&deviations),
        };
        let value = middle.unwrap_or(f64::NAN);
        match measure {
            Measure::Ratio => Deviation::Share(value),
            Measure::Difference => {
                Deviation::Difference { value, digits: 1, unit: unit.to_owned() }
            }
        }
    }
}
