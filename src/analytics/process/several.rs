//! Several sensors, watched together.

use super::season::{Lessons, Norm};
use super::walk::{AT_ONCE, CALM, Cause, Channel};
use crate::analytics::mewma::{Model, ROWS_A_SENSOR, Track};

/// A sensor that sends nothing for so many cells is not known any more.
const HELD: usize = 10;
/// Rows of a covariance at most, where there are not more sensors than this allows.
const MOST_ROWS: usize = 4096;
/// A covariance is fitted anew when the past has grown by a quarter, and at least every seven days.
const GROWTH: f64 = 1.25;
/// Share of the limit below which the present is calm.
const CALM_SHARE: f64 = 0.7;
/// Deviations are not told apart beyond so many sigmas.
const MOST: f64 = 1e3;

/// The multivariate charts over the deviations of all sensors that ever change.
pub struct Several {
    model: Option<Model>,
    track: Track,
    /// The sensors that are watched, as positions of channels.
    active: Vec<usize>,
    /// Of each of these the last known deviation, and the cells since.
    held: Vec<(f64, usize)>,
    row: Vec<f64>,
    /// Cell of the last fit.
    fitted: usize,
    /// Cells in which the present was calm, and the largest share of its limit before.
    calm: usize,
    peak: f64,
}

impl Several {
    /// Of so many sensors, without a past.
    pub fn new(sensors: usize) -> Self {
        Self {
            model: None,
            track: Track::new(sensors),
            active: Vec::new(),
            held: Vec::new(),
            row: Vec::new(),
            fitted: 0,
            calm: 0,
            peak: 0.0,
        }
    }

    /// Whether there is a model.
    pub fn can_judge(&self) -> bool {
        self.model.is_some()
    }

    /// Begins the charts anew, after a gap.
    pub fn forget(&mut self) {
        self.track.forget();
    }

    /// Share of the limit in a cell; `None` where no sensor is known.
    pub fn push(&mut self, cell: usize, channels: &[Channel]) -> Option<f64> {
        let model = self.model.as_ref()?;
        let mut fresh = 0;
        for ((to, held), &index) in self.row.iter_mut().zip(&mut self.held).zip(&self.active) {
            *to = hold(held, channels[index].course.deviation(cell), &mut fresh);
        }
        if fresh == 0 {
            return None;
        }
        let statistics = self.track.push(&self.row, model);
        let present = self.track.present(model);
        self.calm = if present < CALM_SHARE { self.calm + 1 } else { 0 };
        self.peak = self.peak.max(present);
        // A strong event that is over would stay in the long memories.
        if self.calm >= CALM && self.peak >= AT_ONCE {
            self.track.forget();
            self.peak = 0.0;
        }
        let shares = statistics.iter().zip(model.limits()).map(|(t, limit)| t / limit);
        shares.reduce(f64::max).map(|share| share.min(1e6))
    }

    /// The sensors by what they contribute to the chart that is worst.
    pub fn causes(&self) -> Vec<Cause> {
        let Some(model) = &self.model else { return Vec::new() };
        let chart = self.track.worst(model);
        let mut causes: Vec<Cause> = (self.track.contributions(chart, model).iter())
            .zip(&self.active)
            .map(|(&(share, sigmas), &channel)| Cause { channel, share, sigmas })
            .collect();
        causes.sort_by(|a, b| b.share.total_cmp(&a.share));
        causes
    }

    /// Whether the past has grown enough for another fit.
    pub fn is_due(&self, cell: usize, week: usize) -> bool {
        self.model.is_none()
            || cell as f64 >= GROWTH * self.fitted as f64
            || cell - self.fitted >= week
    }

    /// Learns deviations and covariance together; without enough of the past all stays as it was.
    pub fn refit(&mut self, cell: usize, channels: &mut [Channel], lessons: &Lessons) {
        let end = lessons.end.map_or(cell, |end| end.min(cell));
        let before: Vec<Norm> = channels.iter().map(|channel| channel.course.norm()).collect();
        for channel in channels.iter_mut() {
            channel.course.refit(cell, lessons);
        }
        let active: Vec<usize> =
            (0..channels.len()).filter(|&index| channels[index].course.can_judge()).collect();
        let rows = rows(channels, &active, lessons, end);
        match Model::fit(&rows, active.len()) {
            Some(model) => {
                if self.active != active {
                    self.track = Track::new(active.len());
                    self.row = vec![0.0; active.len()];
                    self.held = vec![(0.0, 0); active.len()];
                    self.active = active;
                }
                self.model = Some(model);
                self.fitted = cell;
            }
            // Deviations and covariance belong together.
            None if self.model.is_some() => {
                for (channel, norm) in channels.iter_mut().zip(before) {
                    channel.course.keep(norm);
                }
            }
            None => {}
        }
    }
}

/// The last known deviation, while it is not too old; then nothing is known to be abnormal.
fn hold(held: &mut (f64, usize), deviation: f64, fresh: &mut usize) -> f64 {
    if deviation.is_finite() {
        *held = (deviation.clamp(-MOST, MOST), 0);
        *fresh += 1;
    } else {
        held.1 += 1;
        if held.1 > HELD {
            held.0 = 0.0;
        }
    }
    held.0
}

/// Rows of deviations of the newest usable cells before `end`, in order of time.
fn rows(channels: &[Channel], active: &[usize], lessons: &Lessons, end: usize) -> Vec<f64> {
    let most = MOST_ROWS.max(4 * ROWS_A_SENSOR * active.len());
    let is_known =
        |cell: &usize| active.iter().any(|&i| channels[i].course.deviation(*cell).is_finite());
    let cells: Vec<usize> =
        (0..end).rev().filter(|&cell| lessons.usable[cell]).filter(is_known).take(most).collect();
    let mut rows = Vec::with_capacity(cells.len() * active.len());
    let mut held = vec![(0.0, 0); active.len()];
    for &cell in cells.iter().rev() {
        for (held, &index) in held.iter_mut().zip(active) {
            rows.push(hold(held, channels[index].course.deviation(cell), &mut 0));
        }
    }
    rows
}
