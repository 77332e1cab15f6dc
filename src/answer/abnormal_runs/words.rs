//! Abnormal runs in words.

use super::Judged;
use crate::analytics::abnormal::{Deviation, FEWEST_RUNS, Measure, Refusal};

/// Most features that a reason names.
const MOST_FEATURES: usize = 3;
/// Robust sigmas below which a feature does not deviate.
const LEAST_SIGMAS: f64 = 1.0;

/// Why a run is abnormal: the features that deviate most, and what they used.
pub(super) fn reason(judged: &Judged<'_>) -> String {
    let reference = &judged.run.reference;
    let verdict = match &judged.verdict {
        Ok(verdict) => verdict,
        Err(Refusal::TooFewRuns(runs)) => {
            return format!("{runs} earlier runs of {reference} here, {FEWEST_RUNS} are needed");
        }
        Err(Refusal::TooShort) => {
            return "less than a quarter of the usual duration: not compared".to_owned();
        }
        Err(Refusal::NoFeatures) => return "nothing of the run was measured".to_owned(),
    };
    let mut parts: Vec<String> = Vec::new();
    let telling = verdict.deviations.iter().filter(|d| d.sigmas.abs() >= LEAST_SIGMAS);
    for deviation in telling.take(MOST_FEATURES) {
        let what = deviation.feature.words();
        let off = off(deviation);
        parts.push(match parts.is_empty() {
            true => format!("{what} {off} the usual of {reference}"),
            false => format!("{what} {off}"),
        });
    }
    if parts.is_empty() {
        parts.push(format!("the features do not go together as usual for {reference}"));
    }
    parts.extend(energy(judged));
    parts.join(", ")
}

/// "18 % above", "6.1 °C below", "12 percentage points above".
fn off(deviation: &Deviation) -> String {
    let side = if deviation.sigmas < 0.0 { "below" } else { "above" };
    let difference = (deviation.value - deviation.usual).abs();
    match deviation.feature.measure() {
        Measure::Ratio => {
            format!("{:.0} % {side}", 100.0 * difference / deviation.usual.abs())
        }
        Measure::Share => {
            format!("{:.0} percentage points {side}", 100.0 * difference)
        }
        Measure::Difference => format!("{difference:.1} °C {side}"),
    }
}

fn energy(judged: &Judged<'_>) -> Option<String> {
    let kwh = judged.energy.filter(|kwh| kwh.abs() >= 1.0)?;
    let side = if kwh < 0.0 { "less" } else { "more" };
    let cost = judged.cost.map(|cost| format!(" and {:.2} {}", cost.abs(), judged.currency));
    Some(format!("{:.0} kWh{} {side} than usual", kwh.abs(), cost.unwrap_or_default()))
}
