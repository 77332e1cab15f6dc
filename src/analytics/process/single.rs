//! The charts of a sensor that is alone.

use super::tail::Tail;
use crate::analytics::charts::Ewma;

/// Memories of the charts, in cells.
pub const MEMORIES: [f64; 3] = [1.0, 8.0, 32.0];
/// Least limits of the charts, in robust sigmas of a cell.
const LEAST: [f64; 3] = [5.0, 2.5, 2.0];
/// What a single cell may contribute, in sigmas: to the present, and to a mean.
const MOST: [f64; 3] = [1e3, 15.0, 15.0];
/// Share of a chart's past below its limit.
const SHARE: f64 = 0.99;
/// Share of a mean that the next shorter one, or the present, must still have.
const BORNE_OUT: f64 = 0.3;
/// Of values beyond the limit in a row, each eighth counts for the limits to come: an event is one
/// thing that happened, however long it lasted.
const OF_AN_EVENT: usize = 8;

/// EWMA charts (Roberts 1959) of a sensor's deviations over 1, 8 and 32 cells, each divided by its
/// limit: the 99th percentile of its own magnitudes over 28 days, and never less than 5, 2.5 and 2
/// sigmas of a cell. A series that often strays has wide limits. A mean counts only while the next shorter
/// one still has three tenths of it. Unit: none; 1 is the limit.
///
/// Does not see: what lasts long enough to become usual (half of the five days of the level), and an
/// event that is smaller than one in a hundred of the past.
#[derive(Clone, Debug)]
pub struct Charts {
    means: [Ewma; 3],
    tails: [Tail; 3],
    limits: Option<[f64; 3]>,
    worst: usize,
    beyond: usize,
}

impl Charts {
    /// With a past of at most so many cells.
    pub fn new(window: usize) -> Self {
        Self {
            means: [Ewma::default(); 3],
            tails: std::array::from_fn(|_| Tail::new(window)),
            limits: None,
            worst: 0,
            beyond: 0,
        }
    }

    /// Takes the limits from the past, if that has so many cells.
    pub fn refit(&mut self, fewest: usize) {
        if self.tails[0].count() >= fewest {
            self.limits = Some(std::array::from_fn(|index| {
                self.tails[index].quantile(SHARE).unwrap_or(0.0).max(LEAST[index])
            }));
        }
    }

    /// Whether there are limits.
    pub fn can_judge(&self) -> bool {
        self.limits.is_some()
    }

    /// Takes a deviation in sigmas. The chart with the largest share of its limit, and that share.
    pub fn push(&mut self, deviation: f64) -> Option<(usize, f64)> {
        if !deviation.is_finite() {
            return None;
        }
        let mut best: Option<(usize, f64)> = None;
        let mut shorter = deviation;
        for (index, &memory) in MEMORIES.iter().enumerate() {
            self.means[index].push(deviation.clamp(-MOST[index], MOST[index]), memory);
            let mean = self.means[index].mean;
            // A memory of what is over is no event.
            let is_borne_out = mean * shorter >= BORNE_OUT * mean * mean;
            shorter = mean;
            if let Some(limits) = self.limits.as_ref().filter(|_| is_borne_out) {
                let share = mean.abs() / limits[index];
                if best.is_none_or(|(_, most)| share > most) {
                    best = Some((index, share));
                }
            }
        }
        let is_beyond = best.is_some_and(|(_, share)| share >= 1.0);
        self.beyond = if is_beyond { self.beyond + 1 } else { 0 };
        if self.beyond == 0 || self.beyond % OF_AN_EVENT == 1 {
            for (tail, mean) in self.tails.iter_mut().zip(&self.means) {
                tail.push(mean.mean.abs());
            }
        }
        self.worst = best.map_or(0, |(index, _)| index);
        self.limits.as_ref().map(|_| best.unwrap_or((0, 0.0)))
    }

    /// Value of the chart that was last the largest share of its limit, in sigmas of a cell.
    pub fn worst(&self) -> f64 {
        self.means[self.worst].mean
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_that_often_strays_has_wide_limits() {
        let (mut calm, mut wild) = (Charts::new(1000), Charts::new(1000));
        for cell in 0..500 {
            let wave = f64::from(cell % 7) - 3.0;
            assert_eq!(calm.push(wave * 0.3), None, "no limits yet");
            wild.push(if cell % 50 == 0 { 40.0 } else { wave * 0.3 });
        }
        calm.refit(1000);
        assert!(!calm.can_judge());
        calm.refit(500);
        wild.refit(500);
        let (chart, share) = calm.push(20.0).unwrap();
        assert_eq!((chart, share), (0, 4.0));
        assert!(wild.push(30.0).unwrap().1 < 1.0);
        assert_eq!(calm.push(f64::NAN), None);
    }
}
