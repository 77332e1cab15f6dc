//! One quantity of a machine, as time passes.

use std::collections::VecDeque;
use std::sync::Arc;

use super::model::{Middles, Model};
use super::spread::ARRIVED;
use crate::analytics::charts::{Chart, Track};
use crate::analytics::context::is_cold;
use crate::analytics::envelope::Measure;
use crate::analytics::episode::{Exceedance, Rule};
use crate::analytics::history::Quantity;
use crate::analytics::rules::Repetition;
use crate::analytics::settings::Settings;
use crate::analytics::window::Window;

/// Minutes of a run in which a deviation that recedes is left over from its start.
const SETTLING_MIN: f64 = 120.0;
/// A deviation recedes when it is below this share of its largest in the last minutes.
const RECEDING_SHARE: f64 = 0.85;
const RECEDING_MIN: f64 = 20.0;

/// A channel: a sensor on the grid, its model, and the state of its charts.
#[derive(Clone, Debug)]
pub struct Channel {
    /// Position of its sensor.
    pub sensor: usize,
    /// What it measures.
    pub quantity: Quantity,
    /// How deviations are measured.
    pub measure: Measure,
    /// kW or kWh per unit of its values; `NaN` where the unit is neither.
    pub to_kilo: f64,
    /// Values on the grid.
    pub values: Vec<f64>,
    /// What was usual in each cell, as known then.
    pub usual: Vec<f32>,
    /// The 8-minute mean in each cell, in sigmas of its reference and phase, as known then.
    pub levels: Vec<f32>,
    /// Whether a repeated value is suspect: not for counters, which may well stand still.
    pub may_stick: bool,
    /// The newest model, and what may serve for the next one.
    pub model: Option<Arc<Model>>,
    pub middles: Middles,
    /// Cells for which each cell's value has been the same.
    pub repeated: Vec<u16>,
    /// Cells of repetition that are suspect.
    pub stuck_cells: f64,
    repetition: Repetition,
    track: Track,
    run: Option<usize>,
    run_start: usize,
    arrived: bool,
    is_cold: bool,
    reference: usize,
    runs_mean: f64,
    run_was_abnormal: bool,
    streaks: [u32; Chart::COUNT],
    /// The 8-minute means of the last 20 minutes, standardised.
    recent: VecDeque<f64>,
    /// The values of the last quarter of an hour.
    raw: Window,
    /// Largest 8-minute mean of the event that lasts, standardised.
    peak: f64,
}

fn nearer_to_zero(a: f64, b: f64) -> f64 {
    if a * b <= 0.0 {
        0.0
    } else if a.abs() < b.abs() {
        a
    } else {
        b
    }
}

/// What the present says, beside the charts.
#[derive(Clone, Copy, Debug)]
struct Present {
    /// Deviation of the cell, in sigmas of cells.
    away: f64,
    /// Whether the deviation is on its way back.
    is_receding: bool,
    /// Whether the run has hardly begun.
    is_young: bool,
}

/// Where a cell lies.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Cell of the grid.
    pub cell: usize,
    /// Position of the reference.
    pub reference: usize,
    /// Which run.
    pub run: usize,
    /// Phase of the run.
    pub phase: usize,
}

/// What a running cell says.
#[derive(Clone, Debug, Default)]
pub struct Judgement {
    /// Rules beyond their limits.
    pub exceedances: Vec<Exceedance>,
    /// Largest |z| / limit of all charts; `None` where nothing could be judged.
    pub score: Option<f64>,
}

impl Channel {
    /// A channel without a past.
    pub fn new(
        sensor: usize,
        quantity: Quantity,
        measure: Measure,
        values: Vec<f64>,
        cell_min: f64,
    ) -> Self {
        Self {
            sensor,
            quantity,
            measure,
            to_kilo: 1.0,
            usual: vec![f32::NAN; values.len()],
            levels: vec![f32::NAN; values.len()],
            repeated: vec![0; values.len()],
            values,
            may_stick: false,
            model: None,
            middles: Middles::default(),
            stuck_cells: f64::INFINITY,
            repetition: Repetition::default(),
            track: Track::new(cell_min),
            run: None,
            run_start: 0,
            arrived: false,
            is_cold: false,
            reference: 0,
            runs_mean: 0.0,
            run_was_abnormal: false,
            streaks: [0; Chart::COUNT],
            recent: VecDeque::new(),
            raw: Window::default(),
            peak: 0.0,
        }
    }

    /// Cuts what is known of cells, or makes room for more.
    pub fn resize(&mut self, cells: usize) {
        for list in [&mut self.usual, &mut self.levels] {
            list.resize(cells, f32::NAN);
            list.shrink_to_fit();
        }
        self.repeated.resize(cells, 0);
        self.repeated.shrink_to_fit();
    }

    /// What a power is beyond the usual in a cell, in kW; not finite where that is not known.
    pub fn excess_kw(&self, cell: usize) -> f64 {
        (self.values[cell] - f64::from(self.usual[cell])) * self.to_kilo
    }

    /// Counts repetitions; to be called for every cell.
    pub fn repeat(&mut self, cell: usize) {
        let value = self.values[cell];
        if value.is_finite() {
            self.repetition.push(value);
        }
        self.repeated[cell] = self.repetition.cells.min(u32::from(u16::MAX)) as u16;
    }

    /// Forgets the runs before and the levels of this one: an event is over.
    pub fn forget(&mut self) {
        self.runs_mean = 0.0;
        self.peak = 0.0;
        self.track.forget();
    }

    /// Judges a cell of a running machine. `is_still` tells that it stands still all the same.
    pub fn judge(
        &mut self,
        place: Place,
        is_still: bool,
        cell_min: f64,
        settings: &Settings,
    ) -> Judgement {
        if self.run != Some(place.run) {
            self.begin_run(place, cell_min, settings);
        }
        let mut judgement = Judgement::default();
        self.judge_repetition(place.cell, &mut judgement);
        let value = self.values[place.cell];
        let Some(model) = self.model.clone() else { return judgement };
        let usual = model
            .envelope
            .usual(place.reference, place.phase)
            .map(|usual| self.measure.apply(usual, model.offset));
        self.usual[place.cell] = usual.map_or(f32::NAN, |usual| usual as f32);
        let deviation = usual.map(|usual| self.measure.deviation(value, usual));
        let deviation = deviation.filter(|deviation| deviation.is_finite() && !is_still);
        let (Some(usual), Some(deviation)) = (usual, deviation) else {
            self.track.interrupt();
            return judgement;
        };
        let before = self.raw_middle(value, cell_min);
        if !model.spread.is_settled(place.phase) {
            self.track.interrupt();
            let away = deviation / model.spread.sigma;
            self.recedes(Some(away), cell_min);
            return judgement;
        }
        self.arrived = self.arrived
            || deviation.abs() <= ARRIVED * model.spread.sigma
            || place.cell - self.run_start >= model.spread.arrival(self.is_cold);
        if !self.arrived {
            let away = deviation / model.spread.sigma;
            self.recedes(Some(away), cell_min);
            return judgement;
        }
        let away = deviation / model.spread.sigma;
        let mut statistics = self.track.push(deviation, model.spread.limit());
        // A step of what is usual, from one phase to the next, is no jump of the machine's.
        let raw = before.map(|before| deviation - self.measure.deviation(before, usual));
        statistics[0] = statistics[0].zip(raw).map(|(jump, raw)| nearer_to_zero(jump, raw));
        let z: [Option<f64>; 5] = std::array::from_fn(|chart| {
            model.spread.z(chart, place.reference, place.phase, statistics[chart]?)
        });
        self.levels[place.cell] = z[1].map_or(f32::NAN, |z| z as f32);
        let over_runs = self.track.run_level().and_then(|level| {
            let now = model.spread.z_of_level(place.reference, level)?;
            let mean =
                self.runs_mean + settings.runs_weight * (now.clamp(-4.0, 4.0) - self.runs_mean);
            let agrees = now * mean > 0.0 && now.abs() >= 2.0;
            model.spread.z_of_runs(mean).filter(|_| agrees)
        });
        let z = [z[0], z[1], z[2], z[3], z[4], over_runs];
        let minutes = (place.cell - self.run_start) as f64 * cell_min;
        let is_receding = self.recedes(z[1], cell_min) && minutes < SETTLING_MIN;
        let present = Present { away, is_receding, is_young: minutes < 20.0 };
        self.raise(z, present, settings, &mut judgement);
        judgement
    }

    /// Median of the values of the last quarter of an hour; takes the new one.
    fn raw_middle(&mut self, value: f64, cell_min: f64) -> Option<f64> {
        let middle = self.raw.median();
        self.raw.push(value);
        if self.raw.len() as f64 * cell_min > 15.0 {
            self.raw.pop();
        }
        middle
    }

    /// Whether the deviation is on its way back: what is left of a start, not a fault.
    fn recedes(&mut self, now: Option<f64>, cell_min: f64) -> bool {
        let Some(now) = now else { return false };
        let largest = self.recent.iter().fold(0.0f64, |most, z| most.max(z * now.signum()));
        self.recent.push_back(now);
        if self.recent.len() as f64 * cell_min > RECEDING_MIN {
            self.recent.pop_front();
        }
        now.abs() < RECEDING_SHARE * largest
    }

    fn raise(
        &mut self,
        z: [Option<f64>; Chart::COUNT],
        present: Present,
        settings: &Settings,
        judgement: &mut Judgement,
    ) {
        const CHARTS: [Chart; Chart::COUNT] = [
            Chart::Jump,
            Chart::Level8,
            Chart::Level25,
            Chart::Level90,
            Chart::Roughness,
            Chart::Runs,
        ];
        let now = z[1].unwrap_or(0.0);
        for (index, chart) in CHARTS.into_iter().enumerate() {
            let limit = settings.limits[index];
            let still_there = match chart {
                // Long memories must be borne out by the present.
                Chart::Level25 | Chart::Level90 | Chart::Runs => {
                    z[index].is_some_and(|z| z * now > 0.0)
                        && now.abs() >= (0.35 * self.peak).max(2.5)
                        && !present.is_receding
                }
                // Smoother than usual is no fault of its own.
                Chart::Roughness => z[index].is_some_and(|z| z > 0.0) && !present.is_receding,
                // Less power for a moment is a stop that nobody reported.
                // A jump towards what is usual is none.
                Chart::Jump => {
                    !present.is_young
                        && z[index].is_some_and(|z| z * present.away > 0.0)
                        && present.away.abs() >= 3.0
                        && (self.measure == Measure::Difference || present.away > 0.0)
                }
                Chart::Level8 => !present.is_receding && now.abs() >= 0.35 * self.peak,
            };
            // Counted units come in grains: only longer means say something about their rate.
            // More of them than usual is no fault.
            let is_grain = self.quantity == Quantity::Count
                && (matches!(chart, Chart::Jump | Chart::Level8 | Chart::Roughness)
                    || z[index].is_some_and(|z| z > 0.0));
            let Some(z) = z[index].filter(|_| still_there && !is_grain) else {
                self.streaks[index] = 0;
                continue;
            };
            let strength = z.abs() / limit;
            judgement.score = Some(judgement.score.unwrap_or(0.0).max(strength));
            if strength < 1.0 {
                self.streaks[index] = 0;
            } else {
                self.streaks[index] += 1;
            }
            if strength >= 0.75 {
                let lasting = self.streaks[index] >= settings.persistence[index];
                if lasting && matches!(chart, Chart::Level8 | Chart::Level25 | Chart::Level90) {
                    self.run_was_abnormal = true;
                    self.peak = self.peak.max(now.abs());
                }
                judgement.exceedances.push(Exceedance {
                    channel: 0,
                    rule: Rule::Chart(chart),
                    z,
                    limit,
                    lasting,
                    cells: self.streaks[index],
                });
            }
        }
    }

    fn judge_repetition(&mut self, cell: usize, judgement: &mut Judgement) {
        let repeated = f64::from(self.repeated[cell]);
        if !self.may_stick || !self.stuck_cells.is_finite() {
            return;
        }
        let strength = repeated / self.stuck_cells;
        judgement.score = Some(strength.min(2.0));
        if strength >= 1.0 && self.values[cell].is_finite() {
            judgement.exceedances.push(Exceedance {
                channel: 0,
                rule: Rule::Stuck,
                z: strength,
                limit: 1.0,
                lasting: true,
                cells: u32::from(self.repeated[cell]),
            });
        }
    }

    /// A run begins: the one before goes into the chart over runs, unless it was an event already.
    fn begin_run(&mut self, place: Place, cell_min: f64, settings: &Settings) {
        let level = self.track.run_level();
        let z =
            self.model.as_ref().and_then(|model| model.spread.z_of_level(self.reference, level?));
        if self.run_was_abnormal {
            self.runs_mean = 0.0;
        } else if let Some(z) = z {
            self.runs_mean += settings.runs_weight * (z.clamp(-4.0, 4.0) - self.runs_mean);
        }
        self.track = Track::new(cell_min);
        self.run = Some(place.run);
        self.run_start = place.cell;
        self.arrived = false;
        self.is_cold = is_cold(place.phase);
        self.reference = place.reference;
        self.run_was_abnormal = false;
        self.streaks = [0; Chart::COUNT];
        self.recent.clear();
        self.raw.clear();
    }
}
