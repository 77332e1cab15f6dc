//! Rates by cell, as the literature on process faults gives them: every sample counts, not only events.

use std::collections::BTreeMap;

use serde::Serialize;

use super::dataset::Label;
use super::score::PAPERWORK;
use crate::analytics::monitor::Outcome;

/// Rates over the cells that could be judged.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Samples {
    /// Mean over the machines with labels of the share of their labelled cells whose score is at or
    /// above the limit.
    pub fault_detection_rate: Option<f64>,
    /// Share of all unlabelled cells, over all machines, whose score is at or above the limit.
    pub false_alarm_rate: Option<f64>,
    /// By machine.
    pub machines: BTreeMap<String, Rates>,
    #[serde(skip)]
    beyond: usize,
    #[serde(skip)]
    normal: usize,
}

/// Rates of a machine.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Rates {
    /// Labelled cells.
    pub faulty_cells: usize,
    /// See `Samples`.
    pub fault_detection_rate: Option<f64>,
    /// Unlabelled cells.
    pub normal_cells: usize,
    /// See `Samples`.
    pub false_alarm_rate: Option<f64>,
}

impl Samples {
    /// Counts a machine's cells from the second `from`.
    pub fn count(&mut self, machine: &str, labels: &[Label], outcome: &Outcome, from: i64) {
        let mut counts = [[0usize; 2]; 2];
        for (cell, score) in outcome.score.iter().enumerate() {
            let second = outcome.start + cell as i64 * outcome.step;
            if second < from || !outcome.judged[cell] {
                continue;
            }
            let touches =
                |label: &&Label| label.start < second + outcome.step && label.end > second;
            let mut over = labels.iter().filter(touches).peekable();
            if over.peek().is_some() && over.all(|label| label.kind == PAPERWORK) {
                continue;
            }
            let is_faulty = labels.iter().filter(touches).any(|label| label.kind != PAPERWORK);
            counts[usize::from(is_faulty)][usize::from(*score >= 1.0)] += 1;
        }
        let [[below, false_alarms], [missed, found]] = counts;
        let share = |part: usize, rest: usize| {
            (part + rest > 0).then(|| part as f64 / (part + rest) as f64)
        };
        self.beyond += false_alarms;
        self.normal += below + false_alarms;
        let rates = Rates {
            faulty_cells: found + missed,
            fault_detection_rate: share(found, missed),
            normal_cells: below + false_alarms,
            false_alarm_rate: share(false_alarms, below),
        };
        self.machines.insert(machine.to_owned(), rates);
    }

    /// The means, once all machines are counted.
    pub fn finish(mut self) -> Self {
        let rates: Vec<f64> =
            self.machines.values().filter_map(|rates| rates.fault_detection_rate).collect();
        self.fault_detection_rate = crate::analytics::robust::mean(&rates);
        self.false_alarm_rate = (self.normal > 0).then(|| self.beyond as f64 / self.normal as f64);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_by_hand() {
        // Ten cells of a minute; cells 4 to 7 are faulty, and 3, 5, 6, 7 at the limit; cell 0 is not
        // judged, cell 9 is paperwork.
        let mut outcome = Outcome { step: 60, ..Outcome::default() };
        outcome.score = vec![9.0, 0.0, 0.0, 1.0, 0.5, 1.0, 2.0, 3.0, 0.0, 5.0];
        outcome.judged = vec![true; 10];
        outcome.judged[0] = false;
        let label =
            |kind: &str, start, end| Label { machine: "m".into(), kind: kind.into(), start, end };
        let labels = [label("drift", 240, 480), label("wrong_label", 540, 600)];
        let mut samples = Samples::default();
        samples.count("m", &labels, &outcome, 0);
        let healthy =
            Outcome { step: 60, score: vec![0.0; 6], judged: vec![true; 6], ..Outcome::default() };
        samples.count("n", &[], &healthy, 60);
        let samples = samples.finish();
        assert_eq!(samples.fault_detection_rate, Some(0.75));
        // One of cells 1, 2, 3, 8 of the first, none of five of the second.
        assert_eq!(samples.false_alarm_rate, Some(1.0 / 9.0));
        assert_eq!(samples.machines["n"].fault_detection_rate, None);
    }
}
