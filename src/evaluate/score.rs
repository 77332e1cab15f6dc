//! Which findings are real. Strict: no point adjustment, and an alert that sprawls is false.

use super::dataset::Label;
use crate::analytics::finding::Finding;

/// How far a finding may reach beyond the event that it found, in seconds.
pub const SPRAWL_S: i64 = 2 * 3600;
/// How far a finding may miss an event and still have found it: what sampling costs.
const SLACK_S: i64 = 180;

/// Errors of the paperwork: a finding there is neither real nor false.
pub const PAPERWORK: &str = "wrong_label";

/// What a finding turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It found this label.
    Real(usize),
    /// It found an error of the paperwork, the label at this position.
    Paperwork(usize),
    /// It found nothing, or reaches too far.
    False,
}

/// Judges a finding: it is real where it overlaps a label of its machine and neither begins more than
/// two hours before it nor ends more than two hours after it.
pub fn judge(finding: &Finding, labels: &[Label]) -> Verdict {
    let matches = |label: &Label| {
        label.machine == finding.machine
            && finding.start <= label.end + SLACK_S
            && finding.end >= label.start - SLACK_S
            && finding.start >= label.start - SPRAWL_S
            && finding.end <= label.end + SPRAWL_S
    };
    let found = |paperwork: bool| {
        labels.iter().position(|label| (label.kind == PAPERWORK) == paperwork && matches(label))
    };
    match (found(false), found(true)) {
        (Some(label), _) => Verdict::Real(label),
        (None, Some(label)) => Verdict::Paperwork(label),
        (None, None) => Verdict::False,
    }
}
