//! From an episode to a finding: kind, energy, and the reason in words.

use chrono::DateTime;

use super::channel::Channel;
use crate::analytics::charts::Chart;
use crate::analytics::context::{Context, Doing};
use crate::analytics::envelope::Measure;
use crate::analytics::episode::{Episode, Evidence, Rule};
use crate::analytics::finding::{Finding, Kind};
use crate::analytics::grid::Grid;
use crate::analytics::history::{Machine, Quantity};
use crate::analytics::robust;

/// A temperature that is off within so many minutes of a run's start was set wrong.
const SET_POINT_MIN: f64 = 75.0;
/// An event that lasts longer than this many hours is a drift, a shorter one than this a spike.
const DRIFT_HOURS: f64 = 30.0;
const SPIKE_HOURS: f64 = 0.3;

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
        let energy_kwh = self.energy();
        Some(Finding {
            machine: self.machine.key.clone(),
            sensor: self.machine.sensors[channel.sensor].key.clone(),
            kind,
            start: self.grid.second(self.episode.start),
            raised: self.grid.second(self.episode.raised + 1),
            end: self.grid.second(self.episode.last + 1),
            is_open: false,
            severity: main.peak.abs(),
            energy_kwh,
            reason: self.reason(channel, main, kind, energy_kwh),
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

    fn reason(
        &self,
        channel: &Channel,
        main: Evidence,
        kind: Kind,
        energy_kwh: Option<f64>,
    ) -> String {
        let sensor = &self.machine.sensors[channel.sensor];
        let (name, minutes) = (&sensor.key, self.minutes());
        let mut text = match kind {
            Kind::StuckSensor => {
                let value = channel.values[self.episode.last];
                format!("{name} repeats {value} {} for {minutes:.0} minutes", sensor.unit)
            }
            Kind::Pattern => {
                let named: Vec<String> = (self.causes.iter().take(3))
                    .map(|&(channel, sigmas)| {
                        let sensor = &self.machine.sensors[self.channels[channel].sensor];
                        format!("{} ({sigmas:+.1} sigma)", sensor.key)
                    })
                    .collect();
                let subject = self.subject();
                format!("sensors not together as usual {subject}: {}", named.join(", "))
            }
            Kind::Noise => format!("{name} much rougher than usual {}", self.subject()),
            _ => {
                let deviation = self.deviation(channel, &sensor.unit, main);
                format!("{name} {deviation} the usual {}", self.subject())
            }
        };
        if let Some(kwh) = energy_kwh.filter(|kwh| kwh.abs() >= 1.0) {
            text.push_str(&format!(", {kwh:.0} kWh"));
        }
        text
    }

    /// What it is compared with, and when.
    fn subject(&self) -> String {
        match self.context.cells[self.episode.start] {
            Doing::Running { reference, elapsed_min, .. } => {
                let reference = &self.context.references[reference];
                let to = elapsed_min + self.minutes();
                format!("for reference {reference} in minutes {elapsed_min:.0}-{to:.0}")
            }
            Doing::Resting { state, .. } => format!("for state {}", self.context.states[state]),
            Doing::Unknown => {
                let at = DateTime::from_timestamp(self.grid.second(self.episode.start), 0);
                format!("from {}", at.unwrap_or_default().format("%Y-%m-%d %H:%M UTC"))
            }
        }
    }

    /// Middle of the deviations over the episode, with its side.
    fn deviation(&self, channel: &Channel, unit: &str, main: Evidence) -> String {
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
        let middle = middle.unwrap_or(f64::NAN);
        let side = if middle < 0.0 { "below" } else { "above" };
        match measure {
            Measure::Ratio => format!("{:.0} % {side}", 100.0 * middle.abs()),
            Measure::Difference => format!("{:.1} {unit} {side}", middle.abs()),
        }
    }
}
