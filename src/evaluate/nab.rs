//! The score of the Numenta Anomaly Benchmark, written from its description: Lavin and Ahmad,
//! "Evaluating Real-time Anomaly Detection Algorithms" (ICMLA 2015), and the benchmark's own wiki.

use std::collections::BTreeMap;

use serde::Serialize;

/// Weights of the standard profile: a window that is found, a false alarm, a window that is missed.
const FOUND: f64 = 1.0;
const FALSE_ALARM: f64 = 0.11;
const MISSED: f64 = 1.0;
/// Share of a series at whose start nothing counts, and rows to which the share is taken at most.
const PROBATION: f64 = 0.15;
const PROBATION_OF: f64 = 5000.0;

/// Score of one or more series.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Nab {
    /// 100 for a detector that finds every window at its first row, 0 for one that never raises;
    /// below 0 for one that raises falsely.
    pub score: f64,
    /// Windows.
    pub windows: usize,
    /// Windows in which something was raised.
    pub found: usize,
    /// What was raised outside all windows.
    pub false_alarms: usize,
    /// Score of each series by its own windows.
    pub series: BTreeMap<String, f64>,
}

/// A series as the score sees it.
pub struct Series<'a> {
    /// Key.
    pub key: &'a str,
    /// Rows.
    pub rows: usize,
    /// Rows at which something was raised.
    pub raised: Vec<usize>,
    /// First and last row of each window, in order and without overlap.
    pub windows: Vec<(usize, usize)>,
}

/// Value of an alarm at a place relative to a window: -1 is its start, 0 its end, above 0 after it.
/// 2 / (1 + e^5x) - 1, and -1 beyond three widths.
fn value(place: f64) -> f64 {
    if place > 3.0 { -1.0 } else { 2.0 / (1.0 + (5.0 * place).exp()) - 1.0 }
}

#[derive(Default)]
struct Counted {
    raw: f64,
    found: usize,
    false_alarms: usize,
}

fn count(series: &Series<'_>) -> Counted {
    let probation = (PROBATION * (series.rows as f64).min(PROBATION_OF)).floor() as usize;
    let mut best: Vec<Option<f64>> = vec![None; series.windows.len()];
    let mut counted = Counted::default();
    for &row in series.raised.iter().filter(|&&row| row >= probation) {
        let within = series.windows.iter().position(|&(from, to)| (from..=to).contains(&row));
        if let Some(index) = within {
            let (from, to) = series.windows[index];
            let place = -((to - row + 1) as f64) / (to - from + 1) as f64;
            let worth = value(place) / value(-1.0);
            best[index] = Some(best[index].map_or(worth, |before| before.max(worth)));
            continue;
        }
        let before = series.windows.iter().rev().find(|&&(_, to)| to < row);
        let cost = match before {
            // A window of one row has no width.
            Some(&(from, to)) => value((row - to) as f64 / ((to - from) as f64).max(1.0)),
            None => -1.0,
        };
        counted.raw += FALSE_ALARM * cost;
        counted.false_alarms += 1;
    }
    for worth in &best {
        counted.raw += worth.map_or(-MISSED, |worth| FOUND * worth);
        counted.found += usize::from(worth.is_some());
    }
    counted
}

fn normalised(raw: f64, windows: usize) -> f64 {
    let (null, perfect) = (-MISSED * windows as f64, FOUND * windows as f64);
    100.0 * (raw - null) / (perfect - null)
}

/// The standard score: per window the earliest alarm in it counts, more the earlier it is; alarms
/// outside cost, less shortly after a window; normalised by a detector that never raises and by a
/// perfect one. `None` without windows.
pub fn nab(all: &[Series<'_>]) -> Option<Nab> {
    let mut nab = Nab::default();
    let mut raw = 0.0;
    for series in all {
        let own = count(series);
        raw += own.raw;
        nab.windows += series.windows.len();
        nab.found += own.found;
        nab.false_alarms += own.false_alarms;
        if !series.windows.is_empty() {
            nab.series.insert(series.key.to_owned(), normalised(own.raw, series.windows.len()));
        }
    }
    nab.score = normalised(raw, nab.windows);
    (nab.windows > 0).then_some(nab)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(raised: &[usize], windows: &[(usize, usize)]) -> Series<'static> {
        Series { key: "s", rows: 1000, raised: raised.into(), windows: windows.into() }
    }

    fn score(raised: &[usize], windows: &[(usize, usize)]) -> f64 {
        nab(&[series(raised, windows)]).unwrap().score
    }

    fn near(got: f64, want: f64) {
        assert!((got - want).abs() < 1e-3, "got {got}, want {want}");
    }

    #[test]
    fn scores_by_hand() {
        let windows = [(400, 499), (700, 799)];
        // Nothing raised is 0; each window at its first row 100.
        near(score(&[], &windows), 0.0);
        near(score(&[400, 700], &windows), 100.0);
        // One of two: (1 - 1 + 2) / 4.
        near(score(&[400], &windows), 50.0);
        // At the last row of the first window: place -1/100, value 2 / (1 + e^-0.05) - 1 = 0.024995,
        // over 0.986614 is 0.025334; (0.025334 - 1 + 2) / 4.
        near(score(&[499], &windows), 25.6333);
        // A second alarm in the window adds nothing.
        near(score(&[400, 450], &windows), 50.0);
        // An alarm before all windows costs 0.11: (-2 - 0.11 + 2) / 4.
        near(score(&[300], &windows), -2.75);
        // Shortly after a window: place 11/99, value 2 / (1 + e^0.555556) - 1 = -0.270847, times 0.11
        // is -0.029793.
        near(score(&[510], &windows), -0.7448);
        // More than three widths after a window it costs all of it.
        near(score(&[999], &[(200, 210)]), -5.5);
        // Row 149 is in the 15 % of 1000 rows that do not count, row 150 is not.
        near(score(&[149], &windows), 0.0);
        near(score(&[150], &windows), -2.75);
        assert_eq!(nab(&[series(&[1], &[])]), None);
    }

    #[test]
    fn probation_is_at_most_750_rows_and_series_add_up() {
        let long =
            |raised| Series { key: "long", rows: 100_000, raised, windows: vec![(50_000, 50_999)] };
        near(nab(&[long(vec![749])]).unwrap().score, 0.0);
        near(nab(&[long(vec![750])]).unwrap().score, -5.5);
        let both = nab(&[long(vec![50_000]), series(&[], &[(400, 499), (700, 799)])]).unwrap();
        // One of three windows.
        near(both.score, 100.0 / 3.0);
        assert_eq!((both.windows, both.found, both.false_alarms), (3, 1, 0));
        near(both.series["long"], 100.0);
    }
}
