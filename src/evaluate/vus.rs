//! Volume under the surface of precision and recall.

use std::ops::Range;

/// Thresholds at which the curves are sampled.
const THRESHOLDS: usize = 200;

/// VUS-PR of Paparrizos et al., "Volume under the surface" (VLDB 2022): the area under the curve of
/// precision and recall, averaged over widths of a buffer around each event, in which a score counts
/// in part. `score` and `events` are of one series; `widths` are in cells.
///
/// For a width w the label of a cell at distance d < w/2 from an event is √(1 - d/w). Recall is the
/// labelled mass above the threshold over the mean of the buffered and the plain mass, at most 1,
/// times the share of events that are touched. `None` without events.
pub fn vus_pr(score: &[f32], events: &[Range<usize>], widths: &[usize]) -> Option<f64> {
    if events.is_empty() || score.is_empty() || widths.is_empty() {
        return None;
    }
    let thresholds = thresholds(score);
    let areas: Vec<f64> =
        widths.iter().map(|&width| area(score, events, width, &thresholds)).collect();
    Some(areas.iter().sum::<f64>() / areas.len() as f64)
}

/// Quantiles of the score, from the highest to the lowest, denser at the top where alarms are.
fn thresholds(score: &[f32]) -> Vec<f32> {
    let mut sorted = score.to_vec();
    sorted.sort_unstable_by(|a, b| b.total_cmp(a));
    let last = sorted.len() - 1;
    let mut out: Vec<f32> = (0..THRESHOLDS)
        .map(|step| {
            let share = (step as f64 / (THRESHOLDS - 1) as f64).powi(3);
            sorted[(share * last as f64).round() as usize]
        })
        .collect();
    out.dedup();
    out
}

fn area(score: &[f32], events: &[Range<usize>], width: usize, thresholds: &[f32]) -> f64 {
    let length = score.len();
    let half = width / 2;
    let mut soft = vec![0f64; length];
    let mut plain = 0.0;
    for event in events {
        for label in soft.iter_mut().take(event.end.min(length)).skip(event.start) {
            plain += f64::from(u8::from(*label < 1.0));
            *label = 1.0;
        }
        for distance in 1..=half {
            let value = (1.0 - distance as f64 / width as f64).sqrt();
            let before = event.start.checked_sub(distance);
            let after = Some(event.end - 1 + distance).filter(|&cell| cell < length);
            for cell in [before, after].into_iter().flatten() {
                soft[cell] = f64::max(soft[cell], value);
            }
        }
    }
    let mass = (soft.iter().sum::<f64>() + plain) / 2.0;
    let peaks: Vec<f32> = events
        .iter()
        .map(|event| {
            let from = event.start.saturating_sub(half);
            let to = (event.end + half).min(length);
            score[from.min(to)..to].iter().copied().fold(0.0, f32::max)
        })
        .collect();
    // Cells by score, so that each threshold adds what lies between it and the one before.
    let mut order: Vec<usize> = (0..length).collect();
    order.sort_unstable_by(|&a, &b| score[b].total_cmp(&score[a]));
    let (mut taken, mut hit, mut sum) = (0usize, 0.0, 0.0);
    let mut last = (0.0, 1.0);
    for &threshold in thresholds {
        while taken < length && score[order[taken]] >= threshold {
            hit += soft[order[taken]];
            taken += 1;
        }
        let touched = peaks.iter().filter(|&&peak| peak >= threshold).count();
        let recall = (hit / mass).min(1.0) * touched as f64 / events.len() as f64;
        let precision = hit / taken.max(1) as f64;
        sum += (recall - last.0) * (precision + last.1) / 2.0;
        last = (recall, precision);
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_perfect_score_is_one_and_a_flat_one_the_share_of_labels() {
        let event = 40..50;
        let events = std::slice::from_ref(&event);
        let mut score = vec![0.0; 100];
        score[40..50].fill(1.0);
        let perfect = vus_pr(&score, events, &[0]).unwrap();
        assert!((perfect - 1.0).abs() < 1e-9, "{perfect}");
        // Everything is above the only threshold: precision is 10 of 100, reached from 1 on a line.
        let flat = vus_pr(&[1.0; 100], events, &[0]).unwrap();
        assert!((flat - 0.55).abs() < 1e-9, "{flat}");
        assert_eq!(vus_pr(&score, &[], &[0]), None);
    }
}
