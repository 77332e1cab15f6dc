//! Runs the detectors over a dataset and counts.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Serialize;

use super::dataset::{Dataset, Label};
use super::energy::EnergyReport;
use super::nab::{Nab, Series, nab};
use super::samples::Samples;
use super::score::{PAPERWORK, Verdict, judge};
use super::vus::vus_pr;
use crate::analytics::finding::Finding;
use crate::analytics::monitor::{Outcome, monitor};
use crate::analytics::robust;
use crate::analytics::settings::Settings;

/// Widths of the buffer of VUS-PR, in minutes.
const BUFFERS_MIN: [i64; 5] = [0, 30, 60, 90, 120];

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Faults that could be found: those that begin after the detectors may raise.
    pub faults: usize,
    /// Of these, found.
    pub found: usize,
    /// Faults that lie before, and are not counted.
    pub faults_before: usize,
    /// found / faults.
    pub recall: Option<f64>,
    /// found / (found + false alarms): several findings of one fault count once.
    pub precision: Option<f64>,
    /// Harmonic mean of recall and precision.
    pub f1: Option<f64>,
    /// Findings that are not real.
    pub false_alarms: usize,
    /// False alarms per machine and week in which something could be raised.
    pub false_alarms_per_machine_week: Option<f64>,
    /// Machine-weeks in which something could be raised.
    pub machine_weeks: f64,
    /// All findings.
    pub findings: usize,
    /// Findings of faults that another finding has found already.
    pub duplicates: usize,
    /// Volume under the surface of precision and recall.
    pub vus_pr: Option<f64>,
    /// Median minutes from the start of a fault until it was raised.
    pub median_delay_min: Option<f64>,
    /// Rates by cell.
    pub samples: Samples,
    /// Standard score of the Numenta Anomaly Benchmark, with labels as windows; `None` without labels.
    pub nab: Option<Nab>,
    /// Errors of the paperwork: neither faults nor false alarms.
    pub paperwork: Paperwork,
    /// By kind of fault.
    pub kinds: BTreeMap<String, ByKind>,
    /// False alarms by the kind that the detector gave them.
    pub false_alarms_by_kind: BTreeMap<String, usize>,
    /// The energy baseline, where machines have meters and runs.
    pub energy: Option<EnergyReport>,
}

/// Lots that are not what is written.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Paperwork {
    /// How many.
    pub errors: usize,
    /// How many were noticed.
    pub noticed: usize,
    /// Findings on them.
    pub findings: usize,
}

/// One kind of fault.
#[derive(Clone, Debug, Default, Serialize)]
pub struct ByKind {
    /// How many.
    pub faults: usize,
    /// How many were found.
    pub found: usize,
    /// found / faults.
    pub recall: f64,
    /// Of those found, how many were given this kind.
    pub named: usize,
    /// Median minutes from the start until it was raised.
    pub median_delay_min: Option<f64>,
}

/// A finding with its verdict.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Judged {
    /// The finding.
    #[serde(flatten)]
    pub finding: Finding,
    /// Kind of the label that it found; empty where it is false.
    pub label: String,
}

/// Runs the detectors with `settings` and counts. Machines are taken one after another.
pub fn evaluate(dataset: &Dataset, settings: &Settings) -> (Report, Vec<Judged>) {
    report(dataset, &judge_all(dataset, settings))
}

/// What the detectors say of each machine.
pub fn judge_all(dataset: &Dataset, settings: &Settings) -> Vec<Outcome> {
    dataset.machines.iter().map(|machine| monitor(machine, settings)).collect()
}

/// Counts what they said.
pub fn report(dataset: &Dataset, outcomes: &[Outcome]) -> (Report, Vec<Judged>) {
    let mut counts = Counts::default();
    for (machine, outcome) in dataset.machines.iter().zip(outcomes) {
        let Some(from) = outcome.judged_from else { continue };
        let own: Vec<Label> =
            dataset.labels.iter().filter(|label| label.machine == machine.key).cloned().collect();
        counts.machine(&own, outcome, from);
        counts.samples.count(&machine.key, &own, outcome, from);
    }
    counts.nab = standard_score(dataset, outcomes);
    counts.report(vus(dataset, outcomes))
}

#[derive(Default)]
struct Counts {
    before: usize,
    seconds: i64,
    /// By kind: number, and delays in seconds of those found, and how many were named right.
    kinds: BTreeMap<String, (usize, Vec<f64>, usize)>,
    paperwork: Paperwork,
    duplicates: usize,
    judged: Vec<Judged>,
    samples: Samples,
    nab: Option<Nab>,
}

impl Counts {
    fn machine(&mut self, labels: &[Label], outcome: &Outcome, from: i64) {
        self.seconds += outcome.start + outcome.step * outcome.score.len() as i64 - from;
        let verdicts: Vec<Verdict> =
            outcome.findings.iter().map(|finding| judge(finding, labels)).collect();
        for (index, label) in labels.iter().enumerate() {
            if label.start < from {
                self.before += usize::from(label.kind != PAPERWORK);
                continue;
            }
            let found: Vec<&Finding> = (outcome.findings.iter().zip(&verdicts))
                .filter(|(_, verdict)| {
                    matches!(verdict, Verdict::Real(found) | Verdict::Paperwork(found) if *found == index)
                })
                .map(|(finding, _)| finding)
                .collect();
            if label.kind == PAPERWORK {
                self.paperwork.errors += 1;
                self.paperwork.noticed += usize::from(!found.is_empty());
                self.paperwork.findings += found.len();
                continue;
            }
            let entry = self.kinds.entry(label.kind.clone()).or_default();
            entry.0 += 1;
            if let Some(first) = found.iter().map(|finding| finding.raised).min() {
                entry.1.push((first - label.start).max(0) as f64);
                let named = found.iter().any(|finding| finding.kind.as_str() == label.kind);
                entry.2 += usize::from(named);
                self.duplicates += found.len() - 1;
            }
        }
        for (finding, verdict) in outcome.findings.iter().zip(verdicts) {
            let label = match verdict {
                Verdict::Real(index) | Verdict::Paperwork(index) => labels[index].kind.clone(),
                Verdict::False => String::new(),
            };
            self.judged.push(Judged { finding: finding.clone(), label });
        }
    }

    fn report(self, vus_pr: Option<f64>) -> (Report, Vec<Judged>) {
        let minutes = |delays: &[f64]| robust::median_of(delays).map(|seconds| seconds / 60.0);
        let faults: usize = self.kinds.values().map(|(number, ..)| number).sum();
        let found: usize = self.kinds.values().map(|(_, delays, _)| delays.len()).sum();
        let mut false_by_kind: BTreeMap<String, usize> = BTreeMap::new();
        for judged in self.judged.iter().filter(|judged| judged.label.is_empty()) {
            *false_by_kind.entry(judged.finding.kind.as_str().to_owned()).or_default() += 1;
        }
        let false_alarms: usize = false_by_kind.values().sum();
        let machine_weeks = self.seconds as f64 / (7.0 * 86_400.0);
        let share = |part: usize, all: usize| (all > 0).then(|| part as f64 / all as f64);
        let recall = share(found, faults);
        let precision = share(found, found + false_alarms);
        let f1 = match (recall, precision) {
            (Some(r), Some(p)) if r + p > 0.0 => Some(2.0 * r * p / (r + p)),
            (Some(_), Some(_)) => Some(0.0),
            _ => None,
        };
        let all: Vec<f64> =
            self.kinds.values().flat_map(|(_, delays, _)| delays).copied().collect();
        let kinds = self
            .kinds
            .iter()
            .map(|(kind, (number, delays, named))| {
                let by_kind = ByKind {
                    faults: *number,
                    found: delays.len(),
                    recall: delays.len() as f64 / *number as f64,
                    named: *named,
                    median_delay_min: minutes(delays),
                };
                (kind.clone(), by_kind)
            })
            .collect();
        let report = Report {
            faults,
            found,
            faults_before: self.before,
            recall,
            precision,
            f1,
            false_alarms,
            false_alarms_per_machine_week: (machine_weeks > 0.0)
                .then(|| false_alarms as f64 / machine_weeks),
            machine_weeks,
            findings: self.judged.len(),
            duplicates: self.duplicates,
            vus_pr,
            median_delay_min: minutes(&all),
            samples: self.samples.finish(),
            nab: self.nab,
            paperwork: self.paperwork,
            kinds,
            false_alarms_by_kind: false_by_kind,
            energy: None,
        };
        (report, self.judged)
    }
}

/// The rows of a machine are the instants of its readings; an alarm belongs to the last one that it
/// knew.
fn standard_score(dataset: &Dataset, outcomes: &[Outcome]) -> Option<Nab> {
    let series: Vec<Series<'_>> = (dataset.machines.iter().zip(outcomes))
        .map(|(machine, outcome)| {
            let mut times: Vec<i64> =
                machine.sensors.iter().flat_map(|sensor| &sensor.times).copied().collect();
            times.sort_unstable();
            times.dedup();
            let before = |second: i64| times.partition_point(|&time| time < second);
            let mut windows: Vec<(usize, usize)> = (dataset.labels.iter())
                .filter(|label| label.machine == machine.key && label.kind != PAPERWORK)
                .map(|label| (before(label.start), before(label.end).saturating_sub(1)))
                .filter(|(from, to)| from <= to)
                .collect();
            windows.sort_unstable();
            windows.dedup_by(|next, last| {
                let overlaps = next.0 <= last.1;
                last.1 = if overlaps { last.1.max(next.1) } else { last.1 };
                overlaps
            });
            let raised = outcome.findings.iter().map(|f| before(f.raised).saturating_sub(1));
            Series { key: &machine.key, rows: times.len(), raised: raised.collect(), windows }
        })
        .collect();
    nab(&series)
}

/// VUS-PR over all machines, one after another.
fn vus(dataset: &Dataset, outcomes: &[Outcome]) -> Option<f64> {
    let mut score: Vec<f32> = Vec::new();
    let mut events: Vec<Range<usize>> = Vec::new();
    let mut step = 60;
    for (machine, outcome) in dataset.machines.iter().zip(outcomes) {
        let Some(from) = outcome.judged_from else { continue };
        step = outcome.step;
        let skipped = ((from - outcome.start) / step) as usize;
        let offset = score.len();
        let cells = outcome.score.len() - skipped;
        let labels = dataset.labels.iter().filter(|label| {
            label.machine == machine.key && label.kind != PAPERWORK && label.start >= from
        });
        for label in labels {
            let start = ((label.start - from) / step) as usize;
            let end = (((label.end - from) / step) as usize).max(start + 1).min(cells);
            if start < end {
                events.push(offset + start..offset + end);
            }
        }
        score.extend(&outcome.score[skipped..]);
    }
    let widths = BUFFERS_MIN.map(|minutes| (minutes * 60 / step) as usize);
    vus_pr(&score, &events, &widths)
}
