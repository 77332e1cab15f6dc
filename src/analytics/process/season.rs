//! What is usual for one sensor at a time of the day or of the week, as far as its own past says so.

use crate::analytics::grid::Grid;
use crate::analytics::robust;

/// Periods that are looked back on, of days and of weeks.
const LOOK_BACK: [usize; 2] = [21, 6];
/// Of these, known ones without which nothing is usual.
const FEWEST_PERIODS: usize = 3;
/// How far a season's residuals must be below those without one.
const WORTH: f64 = 0.9;
/// Days over which the level is taken, and over which seasons are compared: a whole week.
const LEVEL_DAYS: f64 = 5.0;
const CHOICE_DAYS: f64 = 7.0;
/// Days over which the scale is taken.
const SCALE_DAYS: f64 = 28.0;
/// Values of each of these at most, at equal distances: a median from a thousand is off by 4 % of a
/// sigma.
const MOST_VALUES: usize = 1024;

/// What the past is compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Season {
    /// Nothing: only the level counts.
    None,
    /// The time of the day.
    Day,
    /// The time of the week.
    Week,
}

const SEASONS: [Season; 3] = [Season::None, Season::Day, Season::Week];

/// Which cells may teach what is usual.
#[derive(Clone, Debug)]
pub struct Lessons {
    /// Of each cell.
    pub usable: Vec<bool>,
    /// Cell at which the lessons end, where a stretch of them was named.
    pub end: Option<usize>,
}

/// A sensor's usual course.
///
/// usual(t) = season(t) + level, with season(t) the median of the values at the same time of up to 21
/// days or 6 weeks before (at least 3), or 0; level the median of what is left over five days; and the
/// season whose residuals were smallest over seven (median of their magnitudes, at least a tenth
/// less than without a season). The scale is 1.4826 times the median magnitude of the residuals over
/// 28 days, in the sensor's unit. All of it from the past only. Days are counted from the start of the
/// data, in steps of 24 hours.
///
/// Does not see: holidays, a clock that is put forward, seasons of other lengths (shifts that rotate),
/// and a drift that takes weeks.
#[derive(Clone, Debug)]
pub struct Course {
    periods: [usize; 3],
    recent: usize,
    compared: usize,
    window: usize,
    /// Values less each season.
    left: [Vec<f64>; 3],
    norm: Norm,
}

/// What was learned last.
#[derive(Clone, Copy, Debug)]
pub struct Norm {
    season: usize,
    level: f64,
    scale: f64,
}

impl Course {
    /// Of a sensor without a past.
    pub fn new(grid: &Grid) -> Self {
        let day = 86_400 / usize::try_from(grid.step).unwrap_or(1).max(1);
        let cells = |days: f64| grid.cells_in(days * 1440.0);
        Self {
            periods: [1, day, 7 * day],
            recent: cells(LEVEL_DAYS),
            compared: cells(CHOICE_DAYS),
            window: cells(SCALE_DAYS),
            left: std::array::from_fn(|_| vec![f64::NAN; grid.cells]),
            norm: Norm { season: 0, level: f64::NAN, scale: f64::NAN },
        }
    }

    /// Takes a cell: what is left of its value by each season.
    pub fn push(&mut self, cell: usize, values: &[f64], lessons: &Lessons) {
        let value = values[cell];
        self.left[0][cell] = value;
        for index in 1..3 {
            let season = self.at(index, cell, values, lessons);
            self.left[index][cell] = value - season;
        }
    }

    /// Median of the values at the same time of earlier periods.
    fn at(&self, index: usize, cell: usize, values: &[f64], lessons: &Lessons) -> f64 {
        let period = self.periods[index];
        // A period of one cell or none is no season.
        if period < 2 {
            return f64::NAN;
        }
        let skipped = match lessons.end {
            Some(end) if cell >= end => (cell - end) / period,
            _ => 0,
        };
        let most = LOOK_BACK[index - 1];
        let mut found = [0.0; LOOK_BACK[0]];
        let mut count = 0;
        for back in 1..=most {
            let Some(at) = cell.checked_sub((skipped + back) * period) else { break };
            if lessons.usable[at] && values[at].is_finite() {
                found[count] = values[at];
                count += 1;
            }
        }
        if count < FEWEST_PERIODS { f64::NAN } else { middle(&mut found[..count]) }
    }

    /// Learns level, season and scale from the cells before `cell`.
    pub fn refit(&mut self, cell: usize, lessons: &Lessons) {
        let end = lessons.end.map_or(cell, |end| end.min(cell));
        let recent = end.saturating_sub(self.recent)..end;
        let compared = end.saturating_sub(self.compared)..end;
        let mut best: Option<(f64, usize, f64)> = None;
        let mut known = 0;
        for index in 0..SEASONS.len() {
            let mut left = usable(&self.left[index], compared.clone(), lessons);
            if index == 0 {
                known = left.len();
            } else if 2 * left.len() < known {
                continue;
            }
            let mut newest = usable(&self.left[index], recent.clone(), lessons);
            let Some(level) = robust::median(&mut newest) else { continue };
            for value in &mut left {
                *value = (*value - level).abs();
            }
            let Some(error) = robust::median(&mut left) else { continue };
            let better = match best {
                None => true,
                Some((least, 0, _)) => error < WORTH * least,
                Some((least, ..)) => error < least,
            };
            if better {
                best = Some((error, index, level));
            }
        }
        let Some((_, chosen, level)) = best else { return };
        let from = end.saturating_sub(self.window);
        let mut left = usable(&self.left[chosen], from..end, lessons);
        let Some(centre) = robust::median(&mut left) else { return };
        let mean = robust::mean(&left.iter().map(|x| (x - centre).abs()).collect::<Vec<_>>());
        let sigma = robust::sigma_about(&left, centre).filter(|sigma| *sigma > 0.0);
        // Where more than half of the values are equal, the mean magnitude has to do: of normal data it
        // is √(2/π) sigma.
        let scale = sigma.or(mean.map(|mean| mean * 1.253_314_137_315_5)).unwrap_or(0.0);
        // What has never changed has no scale, and cannot be judged.
        let scale = if scale > 0.0 && scale.is_finite() { scale } else { f64::NAN };
        self.norm = Norm { season: chosen, level, scale };
    }

    /// What was learned last, to be taken back by `keep`.
    pub fn norm(&self) -> Norm {
        self.norm
    }

    /// Goes back to what was learned before.
    pub fn keep(&mut self, norm: Norm) {
        self.norm = norm;
    }

    /// Whether deviations are known at all.
    pub fn can_judge(&self) -> bool {
        self.norm.scale.is_finite()
    }

    /// What is compared with.
    pub fn season(&self) -> Season {
        SEASONS[self.norm.season]
    }

    /// Deviation of a cell from what is usual, in robust sigmas; `NaN` where it is not known.
    pub fn deviation(&self, cell: usize) -> f64 {
        self.difference(cell) / self.norm.scale
    }

    /// Deviation in the sensor's unit.
    pub fn difference(&self, cell: usize) -> f64 {
        self.left[self.norm.season][cell] - self.norm.level
    }
}

fn usable(left: &[f64], cells: std::ops::Range<usize>, lessons: &Lessons) -> Vec<f64> {
    let step = cells.len().div_ceil(MOST_VALUES).max(1);
    let cells = cells.step_by(step);
    cells.filter(|&c| lessons.usable[c]).map(|c| left[c]).filter(|x| x.is_finite()).collect()
}

/// Median of a few values, none of which is `NaN`.
fn middle(values: &mut [f64]) -> f64 {
    // Odd-even transposition: no branch depends on the values, which for so few beats any other order
    // of comparisons several times over.
    for round in 0..values.len() {
        for pair in values[round % 2..].chunks_exact_mut(2) {
            let (a, b) = (pair[0], pair[1]);
            pair[0] = if b < a { b } else { a };
            pair[1] = if b < a { a } else { b };
        }
    }
    let half = values.len() / 2;
    if values.len() % 2 == 1 {
        values[half]
    } else {
        values[half - 1] + (values[half] - values[half - 1]) / 2.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn course(values: &[f64], step: i64) -> (Course, Lessons) {
        let grid = Grid { start: 0, step, cells: values.len() };
        let lessons = Lessons { usable: vec![true; values.len()], end: None };
        let mut course = Course::new(&grid);
        for cell in 0..values.len() {
            course.push(cell, values, &lessons);
        }
        (course, lessons)
    }

    #[test]
    fn the_median_of_a_few() {
        assert_eq!(middle(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(middle(&mut [4.0, 1.0, 2.0, 3.0]), 2.5);
    }

    #[test]
    fn the_time_of_the_week_is_learned_from_the_past() {
        // Hours; on the first two days of each week 100 more.
        let value = |hour: usize| {
            (hour % 24) as f64 + if hour % 168 < 48 { 100.0 } else { 0.0 } + (hour % 5) as f64 * 0.1
        };
        let values: Vec<f64> = (0..168 * 6).map(value).collect();
        let (mut course, lessons) = course(&values, 3600);
        course.refit(168 * 2, &lessons);
        assert_ne!(course.season(), Season::Week, "three weeks are needed");
        course.refit(168 * 5, &lessons);
        assert_eq!(course.season(), Season::Week);
        let most = (168 * 5..168 * 6).map(|cell| course.difference(cell).abs()).fold(0.0, f64::max);
        assert!(most < 0.5, "{most}");
    }

    #[test]
    fn what_never_changes_cannot_be_judged() {
        let (mut course, lessons) = course(&[5.0; 400], 60);
        course.refit(300, &lessons);
        assert!(course.deviation(350).is_nan());
    }
}
