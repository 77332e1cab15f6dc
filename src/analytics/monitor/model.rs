//! What is usual for one channel of a machine, fitted to the past.

use std::sync::Arc;

use super::spread::{Spread, Watch};
use crate::analytics::envelope::{Envelope, Middle, Observation, RunMiddles};
use crate::analytics::robust;
use crate::analytics::settings::Settings;

/// Deviations beyond this many sigmas are not told apart.
pub const MOST: f64 = 1e6;
/// Runs that the slow offset of a machine follows.
const RECENT_RUNS: usize = 10;

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
    /// How far the charts stray from it; of an earlier day's fit where that still serves.
    pub spread: Arc<Spread>,
    /// How far the machine has moved since, slowly and without a fault.
    pub offset: f64,
}

impl Model {
    /// Fits to what was seen; `None` where that is too little. `known` is of the fit before, and its
    /// offset that of the model before, which moves by at most `adaptation`.
    pub fn fit(
        seen: &[Seen],
        references: usize,
        watch: Watch,
        middle: Middle,
        (before, known): (Option<&Self>, &mut Middles),
        settings: &Settings,
    ) -> Option<Self> {
        let runs: Vec<&[Seen]> = seen.chunk_by(|a, b| a.item.run == b.item.run).collect();
        known.renew(&runs, middle);
        let middles: Vec<&RunMiddles> = known.0.iter().map(|known| &known.middles).collect();
        let envelope = Envelope::fit(&middles, references, watch.measure);
        let spread = match before.filter(|model| model.spread.serves(watch, settings)) {
            Some(model) => Arc::clone(&model.spread),
            None => Arc::new(Spread::fit(&runs, &envelope, references, watch, settings)?),
        };
        let levels = runs.iter().rev().filter_map(|run| spread.level_of(run, &envelope, watch));
        let recent: Vec<f64> = levels.take(RECENT_RUNS).collect();
        let target = robust::median_of(&recent).unwrap_or(0.0) * 0.7;
        let most = settings.adaptation_per_day * spread.level_sigma;
        let old = before.map_or(0.0, |model| model.offset);
        let offset = old + (target - old).clamp(-most, most);
        Some(Self { envelope, spread, offset })
    }
}

#[cfg(test)]
mod tests {
    use super::super::spread::tests::run;
    use super::*;

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
