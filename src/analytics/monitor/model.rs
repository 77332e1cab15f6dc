//! What is usual for one channel of a machine, fitted to the past.

use crate::analytics::charts::{Chart, Track};
use crate::analytics::context::{PHASES, is_cold, is_late};
use crate::analytics::envelope::{Envelope, Measure, Middle, Observation};
use crate::analytics::robust;
use crate::analytics::scale::{Bounds, Centre, Sample, Scale};
use crate::analytics::settings::Settings;

/// A phase is unsettled where the deviations scatter so many times as much as usual: the machine is
/// still on its way, and how far depends on where it came from.
const UNSETTLED: f64 = 4.0;
/// A run has arrived once it is within so many sigmas of what is usual.
pub const ARRIVED: f64 = 2.5;
/// Deviations beyond this many sigmas are not told apart.
pub const MOST: f64 = 1e6;
/// Every how many cells of a run a sample is kept for the scales, at least; and about how many samples
/// are enough. Neighbours say nearly the same, so more of them cost time and tell nothing.
const EVERY: usize = 3;
const SAMPLES: usize = 8_000;

/// An observation with its cell, so that gaps are known.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// Cell of the grid.
    pub cell: usize,
    /// What was observed.
    pub item: Observation,
}

/// A channel's model.
#[derive(Clone, Debug)]
pub struct Model {
    /// What is usual.
    pub envelope: Envelope,
    /// Scales of the charts of a run.
    scales: [Option<Scale>; 5],
    /// Scale of the chart over runs.
    runs: f64,
    /// Phases in which levels can be judged.
    settled: [bool; PHASES],
    /// How far the machine has moved since, slowly and without a fault.
    pub offset: f64,
    /// What a single cell may contribute to a level.
    pub limit: f64,
    /// Standard deviation of a cell from what is usual.
    pub sigma: f64,
    /// Cells of a run after which it should have arrived at its level: on a warm and a cold machine.
    arrival: [usize; 2],
}

impl Model {
    /// Fits to what was seen; `None` where that is too little. `offset` is the one of the model
    /// before, which moves by at most `adaptation`.
    pub fn fit(
        seen: &[Seen],
        references: usize,
        (measure, middle): (Measure, Middle),
        cell_min: f64,
        before: Option<&Self>,
        settings: &Settings,
    ) -> Option<Self> {
        let items: Vec<Observation> = seen.iter().map(|seen| seen.item).collect();
        let envelope = Envelope::fit(&items, references, measure, middle);
        let deviation =
            |item: &Observation| envelope.deviation(item.reference, item.phase, item.value);
        let deviations: Vec<Option<f64>> = items.iter().map(deviation).collect();
        let (settled, sigma) = settled(&items, &deviations);
        let resolution = resolution(&items);
        let pass = Pass::over(seen, &deviations, &settled, sigma, cell_min);
        let bounds = |chart: Chart| match (chart, measure) {
            (Chart::Roughness, _) => Bounds { least: 0.1, most: f64::INFINITY },
            (Chart::Jump, Measure::Ratio) => Bounds { least: 0.004, most: f64::INFINITY },
            (_, Measure::Ratio) => Bounds { least: 0.004, most: settings.most_scatter },
            (_, Measure::Difference) => {
                Bounds { least: resolution.max(f64::MIN_POSITIVE), most: f64::INFINITY }
            }
        };
        let mut scales = Chart::OF_A_RUN.iter().zip(&pass.samples).map(|(&chart, samples)| {
            let centre = if chart == Chart::Roughness { Centre::Median } else { Centre::Zero };
            Scale::fit(samples, references, centre, bounds(chart))
        });
        let scales: [Option<Scale>; 5] = std::array::from_fn(|_| scales.next().flatten());
        let level = scales[2].as_ref()?;
        let usual = level.sigma(usize::MAX, SETTLED_SAMPLE);
        let recent = pass.levels.len().saturating_sub(10);
        let target = robust::median_of(&pass.levels[recent..]).unwrap_or(0.0) * 0.7;
        let most = settings.adaptation_per_day * usual;
        let old = before.map_or(0.0, |model| model.offset);
        let offset = old + (target - old).clamp(-most, most);
        let mut model = Self {
            envelope,
            scales,
            runs: f64::NAN,
            settled,
            offset,
            limit: 10.0 * usual,
            sigma,
            arrival: [0, 1].map(|index| arrival(&pass.arrivals[index])),
        };
        model.runs = model.scatter_of_runs(&pass, settings.runs_weight);
        Some(model)
    }

    /// Whether levels can be judged in this phase.
    pub fn is_settled(&self, phase: usize) -> bool {
        self.settled.get(phase).copied().unwrap_or(false)
    }

    /// Cells of a run after which it is judged even though it has not arrived at its level.
    pub fn arrival(&self, cold: bool) -> usize {
        self.arrival[usize::from(cold)]
    }

    /// Standardised value of a chart of a run.
    pub fn z(&self, chart: usize, reference: usize, phase: usize, value: f64) -> Option<f64> {
        let z = self.scales.get(chart)?.as_ref()?.standardise(reference, phase, value);
        z.is_finite().then_some(z.clamp(-MOST, MOST))
    }

    /// Standardised value of the chart over runs.
    pub fn z_of_runs(&self, value: f64) -> Option<f64> {
        Some(value / self.runs).filter(|z| z.is_finite()).map(|z| z.clamp(-MOST, MOST))
    }

    /// A run's level in sigmas of the chart that it is shown on.
    pub fn z_of_level(&self, reference: usize, level: f64) -> Option<f64> {
        self.z(3, reference, SETTLED_SAMPLE, level).or(self.z(2, reference, SETTLED_SAMPLE, level))
    }

    fn scatter_of_runs(&self, pass: &Pass, weight: f64) -> f64 {
        let mut mean = 0.0;
        let mut values = Vec::with_capacity(pass.levels.len());
        for (&level, &reference) in pass.levels.iter().zip(&pass.references) {
            if let Some(z) = self.z_of_level(reference, level) {
                mean += weight * (z.clamp(-4.0, 4.0) - mean);
                values.push(mean);
            }
        }
        // A mean of independent values of variance 1 scatters by √(w / (2 - w)).
        let expected = (weight / (2.0 - weight)).sqrt();
        robust::sigma_about(&values, 0.0).unwrap_or(expected).clamp(0.8 * expected, 2.0 * expected)
    }
}

/// A phase in which runs have found their level.
const SETTLED_SAMPLE: usize = 15;

/// What the charts would have shown over the past, by the model fitted to it.
#[derive(Default)]
struct Pass {
    /// Every how many cells of a run a sample is kept.
    every: usize,
    samples: [Vec<Sample>; 5],
    levels: Vec<f64>,
    references: Vec<usize>,
    /// Cells until the runs arrived, on a warm and a cold machine.
    arrivals: [Vec<f64>; 2],
}

impl Pass {
    fn over(
        seen: &[Seen],
        deviations: &[Option<f64>],
        settled: &[bool; PHASES],
        sigma: f64,
        cell_min: f64,
    ) -> Self {
        let mut pass = Self { every: EVERY.max(seen.len() / SAMPLES), ..Self::default() };
        let mut begin = 0;
        for run in seen.chunk_by(|a, b| a.item.run == b.item.run) {
            let end = begin + run.len();
            pass.run(run, &deviations[begin..end], settled, sigma, cell_min);
            begin = end;
        }
        pass
    }

    fn run(
        &mut self,
        run: &[Seen],
        deviations: &[Option<f64>],
        settled: &[bool; PHASES],
        sigma: f64,
        cell_min: f64,
    ) {
        let mut track = Track::new(cell_min);
        let Some(first) = run.first() else { return };
        let cold = usize::from(is_cold(first.item.phase));
        let mut arrived = false;
        let mut last = first.cell;
        for (position, (seen, deviation)) in run.iter().zip(deviations).enumerate() {
            let item = seen.item;
            if seen.cell > last + 1 {
                track.interrupt();
            }
            last = seen.cell;
            let Some(deviation) = deviation.filter(|_| settled[item.phase]) else {
                track.interrupt();
                continue;
            };
            if !arrived {
                arrived = deviation.abs() <= ARRIVED * sigma;
                if !arrived {
                    continue;
                }
                self.arrivals[cold].push((seen.cell - first.cell) as f64);
            }
            if !position.is_multiple_of(self.every) {
                track.pass(deviation, f64::INFINITY);
                continue;
            }
            let statistics = track.push(deviation, f64::INFINITY);
            for (samples, value) in self.samples.iter_mut().zip(statistics) {
                samples.extend(value.map(|value| Sample {
                    reference: item.reference,
                    phase: item.phase,
                    run: item.run,
                    value,
                }));
            }
        }
        if let Some(level) = track.run_level() {
            self.levels.push(level);
            self.references.push(first.item.reference);
        }
    }
}

/// Time in which nearly all runs arrived, and a little more.
fn arrival(arrivals: &[f64]) -> usize {
    robust::quantile(arrivals, 0.95).map_or(0, |cells| (1.25 * cells) as usize + 10)
}

/// The phases in which levels can be judged, and the standard deviation of cells in late phases.
fn settled(items: &[Observation], deviations: &[Option<f64>]) -> ([bool; PHASES], f64) {
    let mut by_phase: Vec<Vec<f64>> = vec![Vec::new(); PHASES];
    let mut late = Vec::new();
    for (item, deviation) in items.iter().zip(deviations) {
        if let Some(deviation) = *deviation {
            by_phase[item.phase].push(deviation);
            if is_late(item.phase) {
                late.push(deviation);
            }
        }
    }
    let usual = robust::sigma_about(&late, 0.0).unwrap_or(0.0);
    let mut settled = [false; PHASES];
    for (phase, values) in by_phase.iter().enumerate() {
        let sigma = robust::sigma_about(values, 0.0);
        settled[phase] = match sigma {
            Some(sigma) => sigma <= UNSETTLED * usual,
            None => is_late(phase),
        };
    }
    (settled, usual)
}

/// Smallest step between neighbouring values that are not equal, at most what one in twenty is below:
/// the sensor's resolution. A deviation below half of it is nothing.
fn resolution(items: &[Observation]) -> f64 {
    let steps: Vec<f64> = items
        .windows(2)
        .step_by(7)
        .map(|pair| (pair[1].value - pair[0].value).abs())
        .filter(|step| *step > 0.0)
        .collect();
    robust::quantile(&steps, 0.05).unwrap_or(0.0) * 0.5
}
