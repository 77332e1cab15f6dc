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
/// two hours before it nor ends more than two hours after it. Time that an error of the paperwork
/// explains does not count as sprawl.
pub fn judge(finding: &Finding, labels: &[Label]) -> Verdict {
    let touches = |label: &Label| {
        label.machine == finding.machine
            && finding.start <= label.end + SLACK_S
            && finding.end >= label.start - SLACK_S
    };
    let paperwork: Vec<&Label> =
        labels.iter().filter(|label| label.kind == PAPERWORK && touches(label)).collect();
    let fits = |label: &Label| {
        let (mut start, mut end) = (label.start, label.end);
        for _ in &paperwork {
            for other in &paperwork {
                if other.start <= end + SPRAWL_S && other.end >= start - SPRAWL_S {
                    (start, end) = (start.min(other.start), end.max(other.end));
                }
            }
        }
        finding.start >= start - SPRAWL_S && finding.end <= end + SPRAWL_S
    };
    let found = |is_paperwork: bool| {
        labels.iter().position(|label| {
            (label.kind == PAPERWORK) == is_paperwork && touches(label) && fits(label)
        })
    };
    match (found(false), found(true)) {
        (Some(label), _) => Verdict::Real(label),
        (None, Some(label)) => Verdict::Paperwork(label),
        (None, None) => Verdict::False,
    }
}
