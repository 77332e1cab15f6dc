//! The channels of a running machine as one: what single charts do not show.

use super::channel::Channel;
use crate::analytics::history::Quantity;
use crate::analytics::mewma::{Model, ROWS_A_SENSOR, Track};

/// Rows that the covariance is fitted to at most.
const MOST_ROWS: usize = 8192;
/// Times its limit of the past from which the chart raises. Runs differ more than one run's cells.
const LIMIT: f64 = 5.0;
/// Cells in a row beyond it.
const PERSISTENCE: u32 = 10;
/// Share of T² from which a channel explains it alone.
const ALONE: f64 = 0.8;

/// Multivariate EWMA over the 8-minute means of all channels but counts, each in sigmas of its
/// reference and phase: so centre, scale and covariance belong to the context. Formula and limits are
/// those of [`crate::analytics::mewma`].
///
/// Does not see: cells in which a channel is not judged, and machines with one channel.
#[derive(Clone)]
pub struct Joint {
    channels: Vec<usize>,
    model: Option<Model>,
    track: Track,
    run: Option<usize>,
    row: Vec<f64>,
    streak: u32,
    /// The channels by what they contributed when it was at its worst, with their deviations in sigmas.
    causes: Vec<(usize, f64)>,
    worst: f64,
}

/// Beyond the limit.
#[derive(Clone, Copy, Debug)]
pub struct Beyond {
    /// The channel that contributes most.
    pub channel: usize,
    /// T² as a share of its limit.
    pub share: f64,
    /// Cells in a row.
    pub cells: u32,
    /// Whether that is long enough to raise.
    pub lasting: bool,
}

impl Joint {
    /// Over a machine's channels.
    pub fn new(channels: &[Channel]) -> Self {
        let counted = |index: &usize| channels[*index].quantity != Quantity::Count;
        let channels: Vec<usize> = (0..channels.len()).filter(counted).collect();
        Self {
            track: Track::new(channels.len()),
            row: vec![0.0; channels.len()],
            channels,
            model: None,
            run: None,
            streak: 0,
            causes: Vec::new(),
            worst: 0.0,
        }
    }

    /// Fits to the usable cells before `to`.
    pub fn refit(
        &mut self,
        channels: &[Channel],
        from: usize,
        to: usize,
        usable: &dyn Fn(usize) -> bool,
    ) {
        if self.channels.len() < 2 {
            return;
        }
        let most = MOST_ROWS.max(4 * ROWS_A_SENSOR * self.channels.len());
        let is_whole = |cell: &usize| {
            usable(*cell) && self.channels.iter().all(|&i| channels[i].levels[*cell].is_finite())
        };
        let cells: Vec<usize> = (from..to).rev().filter(is_whole).take(most).collect();
        let rows: Vec<f64> = (cells.iter().rev())
            .flat_map(|&cell| {
                self.channels.iter().map(move |&i| f64::from(channels[i].levels[cell]))
            })
            .collect();
        self.model = Model::fit(&rows, self.channels.len()).or(self.model.take());
    }

    /// Judges a cell of a run.
    pub fn judge(&mut self, channels: &[Channel], cell: usize, run: usize) -> Option<Beyond> {
        let model = self.model.as_ref()?;
        if self.run.replace(run) != Some(run) {
            self.track.forget();
            self.streak = 0;
        }
        for (to, &index) in self.row.iter_mut().zip(&self.channels) {
            *to = f64::from(channels[index].levels[cell]);
        }
        if self.row.iter().any(|level| !level.is_finite()) {
            self.streak = 0;
            return None;
        }
        let statistics = self.track.push(&self.row, model);
        let shares = statistics.iter().zip(model.limits()).map(|(t, limit)| t / limit);
        let share = shares.reduce(f64::max)?.min(1e6) / LIMIT;
        // What is over stays in the long memories.
        let is_present = self.track.present(model) >= 0.5 * LIMIT;
        self.streak = if share >= 1.0 && is_present { self.streak + 1 } else { 0 };
        if self.streak == 0 {
            return None;
        }
        let mut parts: Vec<(usize, (f64, f64))> = (self.channels.iter().copied())
            .zip(self.track.contributions(self.track.worst(model), model))
            .collect();
        parts.sort_by(|a, b| b.1.0.total_cmp(&a.1.0));
        // What one channel does alone is for its own charts, which know when it is no fault.
        let all: f64 = parts.iter().map(|(_, (part, _))| part.max(0.0)).sum();
        let &(channel, (first, _)) = parts.first()?;
        if first > ALONE * all {
            self.streak = 0;
            return None;
        }
        if share > self.worst {
            self.worst = share;
            self.causes =
                parts.into_iter().map(|(channel, (_, sigmas))| (channel, sigmas)).collect();
        }
        let lasting = self.streak >= PERSISTENCE;
        Some(Beyond { channel, share, cells: self.streak, lasting })
    }

    /// The channels of the event that ends here, the most important one first.
    pub fn take_causes(&mut self) -> Vec<(usize, f64)> {
        self.worst = 0.0;
        std::mem::take(&mut self.causes)
    }
}
