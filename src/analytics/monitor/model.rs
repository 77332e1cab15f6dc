//! What is usual for one channel of a machine, fitted to the past.

use std::cmp::Reverse;

use crate::analytics::charts::{Chart, Track};
use crate::analytics::context::{PHASES, is_cold, is_late};
use crate::analytics::envelope::{Envelope, Measure, Middle, Observation, RunMiddles};
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
/// Cells that the scales are fitted to. Where there are more, they are those of the newest runs of each
/// reference: what a chart strays by is known from some hundred runs.
const CELLS: usize = 24_000;
/// Of these, every so manieth stretch of so many cells is looked at. Neighbours say nearly the same, so
/// more of them cost time and tell little; of a stretch, medians need no sorting anew. No day has a
/// multiple of them, so that runs that begin at the same time each day are seen in all of their phases.
const EVERY: usize = 3;
const STRETCH: usize = 11;

/// An observation with its cell, so that gaps are known.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// Cell of the grid.
    pub cell: usize,
    /// What was observed.
    pub item: Observation,
}

/// The middles of the runs that a model was fitted to last. By the next day most runs are what they were.
#[derive(Clone, Debug, Default)]
pub struct Middles(Vec<Known>);

#[derive(Clone, Debug)]
struct Known {
    /// What was seen of the run: which one, its first cell, how many, and their sum.
    seen: [usize; 4],
    middles: RunMiddles,
}

impl Middles {
    /// Takes those of other runs, ascending; what is known of them is taken over.
    fn renew(&mut self, runs: &[&[Seen]], middle: Middle) {
        let mut before = std::mem::take(&mut self.0).into_iter().peekable();
        for run in runs {
            let Some(first) = run.first() else { continue };
            let sum = run.iter().map(|seen| seen.cell).sum();
            let seen = [first.item.run, first.cell, run.len(), sum];
            while before.next_if(|known| known.seen[1] < first.cell).is_some() {}
            let same = before.next_if(|known| known.seen == seen);
            let anew = || {
                let middles = RunMiddles::of(run.iter().map(|seen| &seen.item), middle)?;
                Some(Known { seen, middles })
            };
            self.0.extend(same.or_else(anew));
        }
    }
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
    /// Fits to what was seen; `None` where that is too little. `known` is of the fit before, and its
    /// offset that of the model before, which moves by at most `adaptation`.
    pub fn fit(
        seen: &[Seen],
        references: usize,
        (measure, middle): (Measure, Middle),
        cell_min: f64,
        (before, known): (Option<&Self>, &mut Middles),
        settings: &Settings,
    ) -> Option<Self> {
        let runs: Vec<&[Seen]> = seen.chunk_by(|a, b| a.item.run == b.item.run).collect();
        known.renew(&runs, middle);
        let middles: Vec<&RunMiddles> = known.0.iter().map(|known| &known.middles).collect();
        let envelope = Envelope::fit(&middles, references, measure);
        let runs = newest(&runs, references);
        let deviation =
            |Seen { item, .. }: &Seen| envelope.deviation(item.reference, item.phase, item.value);
        let deviations: Vec<Vec<Option<f64>>> =
            runs.iter().map(|run| run.iter().map(deviation).collect()).collect();
        let (settled, sigma) = settled(&runs, &deviations);
        let resolution = resolution(&runs);
        let pass = Pass::over(&runs, &deviations, &settled, sigma, cell_min);
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
    samples: [Vec<Sample>; 5],
    levels: Vec<f64>,
    references: Vec<usize>,
    /// Cells until the runs arrived, on a warm and a cold machine.
    arrivals: [Vec<f64>; 2],
}

impl Pass {
    fn over(
        runs: &[&[Seen]],
        deviations: &[Vec<Option<f64>>],
        settled: &[bool; PHASES],
        sigma: f64,
        cell_min: f64,
    ) -> Self {
        let mut pass = Self::default();
        for (run, deviations) in runs.iter().zip(deviations) {
            pass.run(run, deviations, settled, sigma, cell_min);
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
        for (seen, deviation) in run.iter().zip(deviations) {
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
            if !(seen.cell / STRETCH).is_multiple_of(EVERY) {
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

/// The newest runs of each reference, by turns, of so many cells as are enough; ascending.
fn newest<'a>(runs: &[&'a [Seen]], references: usize) -> Vec<&'a [Seen]> {
    let mut made = vec![0_usize; references];
    let mut order: Vec<(usize, Reverse<usize>)> = Vec::with_capacity(runs.len());
    for (index, run) in runs.iter().enumerate().rev() {
        let before = run.first().and_then(|seen| made.get_mut(seen.item.reference));
        order.extend(before.map(|count| {
            *count += 1;
            (*count, Reverse(index))
        }));
    }
    order.sort_unstable();
    let mut cells = 0;
    let mut chosen: Vec<usize> = Vec::new();
    for (_, Reverse(index)) in order {
        if cells >= CELLS {
            break;
        }
        cells += runs[index].len();
        chosen.push(index);
    }
    chosen.sort_unstable();
    chosen.into_iter().map(|index| runs[index]).collect()
}

/// Time in which nearly all runs arrived, and a little more.
fn arrival(arrivals: &[f64]) -> usize {
    robust::quantile(arrivals, 0.95).map_or(0, |cells| (1.25 * cells) as usize + 10)
}

/// The phases in which levels can be judged, and the standard deviation of cells in late phases.
fn settled(runs: &[&[Seen]], deviations: &[Vec<Option<f64>>]) -> ([bool; PHASES], f64) {
    let mut by_phase: Vec<Vec<f64>> = vec![Vec::new(); PHASES];
    let mut late = Vec::new();
    let cells = runs.iter().copied().flatten().zip(deviations.iter().flatten());
    for (Seen { item, .. }, deviation) in cells {
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
fn resolution(runs: &[&[Seen]]) -> f64 {
    let steps: Vec<f64> = runs
        .iter()
        .flat_map(|run| run.windows(2).step_by(7))
        .map(|pair| (pair[1].item.value - pair[0].item.value).abs())
        .filter(|step| *step > 0.0)
        .collect();
    robust::quantile(&steps, 0.05).unwrap_or(0.0) * 0.5
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(number: usize, reference: usize, cells: std::ops::Range<usize>) -> Vec<Seen> {
        let item = |cell: usize| Observation {
            reference,
            phase: (cell - cells.start).min(PHASES - 1),
            run: number,
            value: (cell % 17) as f64,
        };
        cells.clone().map(|cell| Seen { cell, item: item(cell) }).collect()
    }

    #[test]
    fn of_many_runs_the_newest_of_each_reference_are_enough() {
        // Three of a reference that is made no more, then forty of another one.
        let all: Vec<Vec<Seen>> = (0..43)
            .map(|number| {
                run(number, usize::from(number < 3), number * 1_000..number * 1_000 + 1_000)
            })
            .collect();
        let runs: Vec<&[Seen]> = all.iter().map(Vec::as_slice).collect();
        let numbers =
            |runs: &[&[Seen]]| -> Vec<usize> { runs.iter().map(|run| run[0].item.run).collect() };
        let expected: Vec<usize> = (0..3).chain(43 - 21..43).collect();
        assert_eq!(numbers(&newest(&runs, 2)), expected, "24,000 cells");
        assert_eq!(numbers(&newest(&runs[..20], 2)), (0..20).collect::<Vec<_>>(), "all are few");
    }

    #[test]
    fn the_middles_of_runs_are_those_of_what_is_seen_of_them_now() {
        let days = [
            vec![run(0, 0, 0..50), run(1, 1, 60..90)],
            // The first is out of the window in part, the second went on, and a third one began.
            vec![run(0, 0, 20..50), run(1, 1, 60..110), run(2, 0, 120..130)],
            // Part of the second was an event.
            vec![[run(1, 1, 60..70), run(1, 1, 80..110)].concat(), run(2, 0, 120..130)],
        ];
        let mut known = Middles::default();
        for day in &days {
            let runs: Vec<&[Seen]> = day.iter().map(Vec::as_slice).collect();
            known.renew(&runs, Middle::Median);
            let mut fresh = Middles::default();
            fresh.renew(&runs, Middle::Median);
            let middles = |all: &Middles| -> Vec<RunMiddles> {
                all.0.iter().map(|known| known.middles.clone()).collect()
            };
            assert_eq!(middles(&known), middles(&fresh));
            assert_eq!(known.0.len(), day.len());
        }
    }
}
