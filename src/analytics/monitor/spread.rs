//! How far the charts of a channel usually stray, and when its runs have settled.

use std::cmp::Reverse;

use super::model::{MOST, Seen};
use crate::analytics::charts::{self, Chart, Track};
use crate::analytics::context::{PHASES, is_cold, is_late};
use crate::analytics::envelope::{Envelope, Measure};
use crate::analytics::robust;
use crate::analytics::scale::{Bounds, Centre, Sample, Scale};
use crate::analytics::settings::Settings;

/// A phase is unsettled where the deviations scatter so many times as much as usual: the machine is
/// still on its way, and how far depends on where it came from.
const UNSETTLED: f64 = 4.0;
/// A run has arrived once it is within so many sigmas of what is usual.
pub const ARRIVED: f64 = 2.5;
/// Cells that the scales are fitted to. Where there are more, they are those of the newest runs of each
/// reference: what a chart strays by is known from some hundred runs.
const CELLS: usize = 24_000;
/// Of these, every so manieth stretch of so many cells is looked at. Neighbours say nearly the same, so
/// more of them cost time and tell little; of a stretch, medians need no sorting anew. No day has a
/// multiple of them, so that runs that begin at the same time each day are seen in all of their phases.
const EVERY: usize = 3;
const STRETCH: usize = 11;
/// The scales are fitted anew when the history, or what of it models are fitted to, has grown by so much.
const GROWN: f64 = 0.2;

/// What a model is fitted to, beside the values.
#[derive(Clone, Copy, Debug)]
pub struct Watch {
    /// How deviations are measured.
    pub measure: Measure,
    /// Minutes of a cell of the grid.
    pub cell_min: f64,
    /// Days of the history so far.
    pub days: f64,
}

/// Scales of the charts, and what else the deviations of the past say of those to come. It takes most of
/// the time of a fit, and changes little from one day to the next.
#[derive(Clone, Debug)]
pub struct Spread {
    /// Scales of the charts of a run.
    scales: [Option<Scale>; 5],
    /// Scale of the chart over runs.
    runs: f64,
    /// Phases in which levels can be judged.
    settled: [bool; PHASES],
    /// Standard deviation of a cell from what is usual.
    pub sigma: f64,
    /// Standard deviation of a level.
    pub level_sigma: f64,
    /// Cells of a run after which it should have arrived at its level: on a warm and a cold machine.
    arrival: [usize; 2],
    /// Days of the history that it was fitted after.
    days: f64,
}

impl Spread {
    /// Fits to what was seen in runs; `None` where that is too little.
    pub fn fit(
        runs: &[&[Seen]],
        envelope: &Envelope,
        references: usize,
        watch: Watch,
        settings: &Settings,
    ) -> Option<Self> {
        let runs = newest(runs, references);
        let of = |run: &&[Seen]| run.iter().map(|seen| deviation(envelope, seen)).collect();
        let deviations: Vec<Vec<Option<f64>>> = runs.iter().map(of).collect();
        let (settled, sigma) = settled(&runs, &deviations);
        let resolution = resolution(&runs);
        let pass = Pass::over(&runs, &deviations, &settled, sigma, watch.cell_min);
        let bounds = |chart: Chart| match (chart, watch.measure) {
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
        let level_sigma = scales[2].as_ref()?.sigma(usize::MAX, SETTLED_SAMPLE);
        let mut spread = Self {
            scales,
            runs: f64::NAN,
            settled,
            sigma,
            level_sigma,
            arrival: [0, 1].map(|index| arrival(&pass.arrivals[index])),
            days: watch.days,
        };
        spread.runs = spread.scatter_of_runs(&pass, settings.runs_weight);
        Some(spread)
    }

    /// Whether it is new enough for a model of that day.
    pub fn serves(&self, watch: Watch, settings: &Settings) -> bool {
        watch.days - self.days < GROWN * self.days.min(settings.window_days)
    }

    /// What a single cell may contribute to a level.
    pub fn limit(&self) -> f64 {
        10.0 * self.level_sigma
    }

    /// The level of a run, as a deviation from what is usual.
    pub fn level_of(&self, run: &[Seen], envelope: &Envelope, watch: Watch) -> Option<f64> {
        let settled = run.iter().filter(|seen| self.settled[seen.item.phase]);
        let arrived = settled
            .filter_map(|seen| deviation(envelope, seen))
            .skip_while(|deviation| deviation.abs() > ARRIVED * self.sigma);
        charts::level_of_run(arrived, watch.cell_min)
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

fn deviation(envelope: &Envelope, Seen { item, .. }: &Seen) -> Option<f64> {
    envelope.deviation(item.reference, item.phase, item.value)
}

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
pub mod tests {
    use super::*;
    use crate::analytics::envelope::{Middle, Observation, RunMiddles};

    /// A run that was seen in some cells.
    pub fn run(number: usize, reference: usize, cells: std::ops::Range<usize>) -> Vec<Seen> {
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

    /// Twelve runs of 200 minutes that have a level and a noise of their own, and what is usual of them.
    fn fitted(days: f64) -> (Vec<Vec<Seen>>, Envelope, Spread) {
        let mut all: Vec<Vec<Seen>> =
            (0..12).map(|number| run(number, 0, number * 300..number * 300 + 200)).collect();
        let mut stream = crate::simulate::Stream::new(5, &["spread"]);
        for seen in &mut all {
            let level = 100.0 + stream.normal();
            for it in seen {
                it.item.value = level + stream.normal();
            }
        }
        let of = |run: &Vec<Seen>| RunMiddles::of(run.iter().map(|it| &it.item), Middle::Median);
        let middles: Vec<RunMiddles> = all.iter().filter_map(of).collect();
        let envelope = Envelope::fit(&middles.iter().collect::<Vec<_>>(), 1, Measure::Ratio);
        let runs: Vec<&[Seen]> = all.iter().map(Vec::as_slice).collect();
        let spread = Spread::fit(&runs, &envelope, 1, watch(days), &Settings::default()).unwrap();
        (all, envelope, spread)
    }

    fn watch(days: f64) -> Watch {
        Watch { measure: Measure::Ratio, cell_min: 1.0, days }
    }

    #[test]
    fn it_serves_until_the_history_has_grown_by_a_fifth() {
        let serves = |after: f64, on: f64| fitted(after).2.serves(watch(on), &Settings::default());
        assert!(serves(10.0, 11.0) && !serves(10.0, 12.0));
        // Models are fitted to 45 days at most, of which 9 are a fifth.
        assert!(serves(100.0, 108.0) && !serves(100.0, 109.0));
    }

    #[test]
    fn the_level_of_a_run_is_that_of_its_charts() {
        let (runs, envelope, spread) = fitted(20.0);
        let mut levels = Vec::new();
        for run in &runs {
            let deviations: Vec<Option<f64>> =
                run.iter().map(|seen| deviation(&envelope, seen)).collect();
            let mut pass = Pass::default();
            pass.run(run, &deviations, &spread.settled, spread.sigma, 1.0);
            let level = spread.level_of(run, &envelope, watch(20.0));
            assert_eq!(level, pass.levels.first().copied());
            levels.extend(level);
        }
        assert_eq!(levels.len(), 12);
        // A level of 1 % and a noise that a mean over 90 minutes leaves a tenth of.
        let sigma = robust::sigma_about(&levels, 0.0).unwrap();
        assert!((0.004..0.02).contains(&sigma), "{sigma}");
    }
}
