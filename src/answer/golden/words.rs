//! Deviations in words.

use super::{Answer, Judged};
use crate::analytics::golden::{FEWEST_RUNS, FEWEST_STEPS, Stretch};
use crate::plan::Grid;

/// Most stretches that a reason names.
const MOST_STRETCHES: usize = 3;

/// Why a lot has its score, or has none.
pub(super) fn reason(judged: &Judged<'_>, answer: &Answer<'_>) -> String {
    let Some(verdict) = &judged.verdict else { return refusal(judged) };
    let reference = &judged.made.reference;
    if verdict.stretches.is_empty() {
        return format!("{} inside the golden band of {reference}", answer.quantity);
    }
    let mut worst: Vec<&Stretch> = verdict.stretches.iter().collect();
    // By what they add to the score.
    let weight = |s: &Stretch| (s.to - s.from) as f64 * s.worst.powi(2);
    worst.sort_by(|a, b| weight(b).total_cmp(&weight(a)));
    let more = worst.len().saturating_sub(MOST_STRETCHES);
    worst.truncate(MOST_STRETCHES);
    worst.sort_by_key(|s| s.from);
    let mut parts: Vec<String> = Vec::new();
    for stretch in worst {
        let off = off(stretch, answer);
        let when = when(stretch, judged, answer.grid);
        parts.push(match parts.is_empty() {
            true => format!("{} {off} the golden curve of {reference} {when}", answer.quantity),
            false => format!("{off} it {when}"),
        });
    }
    if more > 0 {
        parts.push(format!("and {more} more times outside the band"));
    }
    parts.extend(energy(judged));
    parts.join(", ")
}

/// What one stretch is.
pub(super) fn stretch(stretch: &Stretch, judged: &Judged<'_>, answer: &Answer<'_>) -> String {
    format!(
        "{} {} the golden curve of {} {}, up to {:.1} robust sigmas",
        answer.quantity,
        off(stretch, answer),
        judged.made.reference,
        when(stretch, judged, answer.grid),
        stretch.worst,
    )
}

/// "14 % above", or "6.3 °C below" where a zero means nothing.
fn off(stretch: &Stretch, answer: &Answer<'_>) -> String {
    let side = if stretch.above { "above" } else { "below" };
    let is_ratio = answer.unit == "kW" || answer.unit.ends_with("/h");
    let percent = 100.0 * (stretch.difference / stretch.usual).abs();
    match is_ratio && percent.is_finite() && percent < 1_000.0 {
        true => format!("{percent:.0} % {side}"),
        false => format!("{} {} {side}", rounded(stretch.difference.abs()), answer.unit),
    }
}

/// Two significant digits or more.
fn rounded(value: f64) -> String {
    match value {
        v if v >= 10.0 => format!("{v:.0}"),
        v if v >= 1.0 => format!("{v:.1}"),
        v => format!("{v:.2}"),
    }
}

fn when(stretch: &Stretch, judged: &Judged<'_>, grid: Grid) -> String {
    let (from, to) = (grid.position(stretch.from), grid.position(stretch.to));
    match grid {
        Grid::Elapsed(..) => {
            let to = to.min(judged.made.seconds());
            format!("in minutes {:.0}-{:.0}", from / 60.0, to / 60.0)
        }
        Grid::Progress(_) => format!("from {:.0} to {:.0} % of the lot", from * 100.0, to * 100.0),
    }
}

/// Energy and cost beyond the golden curve, where they are more than next to nothing.
fn energy(judged: &Judged<'_>) -> Option<String> {
    let kwh = judged.energy.filter(|kwh| kwh.abs() >= 1.0)?;
    let side = if kwh < 0.0 { "less" } else { "more" };
    let cost = judged.cost.map(|cost| format!(" and {:.2} {}", cost.abs(), judged.currency));
    Some(format!("{:.0} kWh{} {side} than the golden lot", kwh.abs(), cost.unwrap_or_default()))
}

fn refusal(judged: &Judged<'_>) -> String {
    let (golden, reference) = (&judged.golden, &judged.made.reference);
    match golden.envelope.as_ref() {
        Some(_) => format!(
            "too little to compare: {FEWEST_STEPS} measured steps are needed in which {FEWEST_RUNS} lots say what is usual"
        ),
        None if golden.chosen < golden.ended => format!(
            "no golden lot: only {} of {} lots of {reference} that ended before are usable, {FEWEST_RUNS} are needed",
            golden.chosen, golden.ended
        ),
        None => format!(
            "no golden lot: {} lots of {reference} ended here in the days to learn from, {FEWEST_RUNS} with measurements are needed",
            golden.ended
        ),
    }
}
