use proptest::prelude::*;

use super::*;
use crate::analytics::robust::MAD_TO_SIGMA;

fn learn(curves: &[Vec<f64>]) -> Option<Envelope> {
    Envelope::learn(&curves.iter().map(Vec::as_slice).collect::<Vec<_>>())
}

/// Five runs of six steps about 100, 101 ... 105: they lie 0, 1, 1, 2 and 2 off.
fn five() -> Vec<Vec<f64>> {
    [0.0, 1.0, -1.0, 2.0, -2.0]
        .map(|off| (0..6).map(|step| 100.0 + f64::from(step) + off).collect())
        .to_vec()
}

#[test]
fn an_envelope_by_hand() {
    let envelope = learn(&five()).unwrap();
    assert_eq!(envelope.runs, 5);
    // Medians are those of the run in the middle. The deviations 0, 1, 1, 2, 2 have the median 1 in
    // each step and over all; times √(5/4), and √(1 + 1.5/5) for the median's own error.
    let sigma = MAD_TO_SIGMA * 1.25_f64.sqrt() * 1.3_f64.sqrt();
    for (step, band) in envelope.bands.iter().enumerate() {
        let band = band.unwrap();
        assert_eq!((band.median, band.runs), (100.0 + step as f64, 5));
        assert!((band.sigma - sigma).abs() < 1e-12, "{band:?}");
        assert_eq!(band.upper() - band.median, band.median - band.lower());
    }
}

#[test]
fn a_verdict_by_hand() {
    let envelope = learn(&five()).unwrap();
    let sigma = envelope.bands[0].unwrap().sigma;
    // On the median, 4 sigmas above in two steps, one in which nothing is known, 5 below, and a step
    // that no run has reached.
    let off = [0.0, 4.0, 4.0, f64::NAN, 0.0, -5.0, 0.0];
    let curve: Vec<f64> =
        off.iter().enumerate().map(|(step, off)| 100.0 + step as f64 + off * sigma).collect();
    let verdict = envelope.judge(&curve).unwrap();
    assert_eq!(verdict.judged, 5);
    assert!((verdict.score - ((16.0 + 16.0 + 25.0) / 5.0_f64).sqrt()).abs() < 1e-9);
    assert_eq!(verdict.outside, 0.6);
    assert!((verdict.mean_difference - 3.0 * sigma / 5.0).abs() < 1e-9);
    assert_eq!(verdict.usual, (100.0 + 101.0 + 102.0 + 104.0 + 105.0) / 5.0);
    let spans: Vec<_> = verdict.stretches.iter().map(|s| (s.from, s.to, s.above)).collect();
    assert_eq!(spans, [(1, 3, true), (5, 6, false)]);
    assert!((verdict.stretches[0].difference - 4.0 * sigma).abs() < 1e-9);
    assert_eq!(verdict.stretches[0].usual, 101.5);
    assert!((verdict.stretches[1].worst - 5.0).abs() < 1e-9);
    assert_eq!(verdict.deviations[3], None);
    assert_eq!(verdict.deviations[6], None);
}

#[test]
fn too_few_runs_or_steps_have_no_answer() {
    assert_eq!(learn(&five()[..4]), None);
    assert_eq!(learn(&[]), None);
    let envelope = learn(&five()).unwrap();
    assert_eq!(envelope.judge(&[100.0, 101.0]), None);
    // A step that one run does not reach has no envelope, its neighbours have.
    let mut curves = five();
    curves[0].truncate(5);
    let bands = learn(&curves).unwrap().bands;
    assert!(bands[4].is_some() && bands[5].is_none());
}

#[test]
fn a_return_of_one_step_does_not_end_a_stretch() {
    let envelope = learn(&five()).unwrap();
    let high = |step: usize, off: f64| 100.0 + step as f64 + off;
    let curve = [20.0, 0.0, 20.0, 20.0, 0.0, 0.0];
    let curve: Vec<f64> = curve.iter().enumerate().map(|(s, off)| high(s, *off)).collect();
    let spans: Vec<_> =
        envelope.judge(&curve).unwrap().stretches.iter().map(|s| (s.from, s.to)).collect();
    assert_eq!(spans, [(0, 4)]);
}

#[test]
fn the_best_runs_are_good_ones_with_least_energy() {
    let run = |per_unit: f64, hours: f64, scrap: f64| Candidate {
        energy_per_good_unit: Some(per_unit),
        seconds: hours * 3600.0,
        scrap_share: Some(scrap),
    };
    let mut runs: Vec<Candidate> =
        (0..8).map(|i| run(1.0 + 0.02 * f64::from(i), 8.0, 0.02)).collect();
    runs.push(run(0.5, 8.0, 0.02)); // a meter that failed
    runs.push(run(1.01, 1.0, 0.02)); // broken off
    runs.push(run(1.01, 8.0, 0.40)); // scrap
    assert_eq!(choose(&runs, Choice::Good), (0..8).collect::<Vec<_>>());
    assert_eq!(choose(&runs, Choice::BestRuns(6)), (0..6).collect::<Vec<_>>());
    // A quarter of eight is two: five are the fewest that say anything.
    assert_eq!(choose(&runs, Choice::BestShare(0.25)), (0..5).collect::<Vec<_>>());
    for run in &mut runs {
        run.energy_per_good_unit = None;
    }
    assert_eq!(choose(&runs, Choice::BestRuns(6)), Vec::<usize>::new());
    assert_eq!(choose(&runs, Choice::Good).len(), 9, "unknown energy is not held against a run");
}

fn curves() -> impl Strategy<Value = Vec<Vec<f64>>> {
    let value = prop_oneof![
        9 => -50.0..150.0,
        1 => Just(f64::NAN),
        1 => Just(7.0),
    ];
    prop::collection::vec(prop::collection::vec(value, 0..30), 0..15)
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-6 * a.abs().max(b.abs()).max(1.0)
}

proptest! {
    #[test]
    fn units_do_not_matter(curves in curves(), factor in 0.01..1000.0, offset in -300.0..300.0) {
        let other: Vec<Vec<f64>> =
            curves.iter().map(|c| c.iter().map(|v| v * factor + offset).collect()).collect();
        let (one, two) = (learn(&curves), learn(&other));
        prop_assert_eq!(one.is_some(), two.is_some());
        if let (Some(one), Some(two), Some(curve), Some(changed)) =
            (one, two, curves.first(), other.first())
        {
            let (one, two) = (one.judge(curve), two.judge(changed));
            prop_assert_eq!(one.is_some(), two.is_some());
            if let (Some(one), Some(two)) = (one, two) {
                prop_assert!(close(one.score, two.score), "{} {}", one.score, two.score);
                prop_assert!(close(one.mean_difference * factor, two.mean_difference));
            }
        }
    }

    #[test]
    fn later_runs_of_the_learning_set_may_come_in_any_order(curves in curves(), turn in 0usize..15) {
        let mut turned = curves.clone();
        if !turned.is_empty() {
            let by = turn % turned.len();
            turned.rotate_left(by);
        }
        prop_assert_eq!(learn(&curves), learn(&turned));
    }

    #[test]
    fn whatever_is_compared_is_finite(curves in curves(), judged in prop::collection::vec(
        prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(1e300), -1e3..1e3], 0..40)) {
        if let Some(envelope) = learn(&curves) {
            for band in envelope.bands.iter().flatten() {
                prop_assert!(band.median.is_finite() && band.sigma.is_finite() && band.sigma > 0.0);
            }
            if let Some(verdict) = envelope.judge(&judged) {
                prop_assert!(verdict.score.is_finite() && verdict.score <= MOST_SIGMAS);
                prop_assert!((0.0..=1.0).contains(&verdict.outside));
                prop_assert!(verdict.deviations.iter().flatten().all(|z| z.is_finite()));
                prop_assert!(verdict.mean_difference.is_finite());
            }
        }
    }

    #[test]
    fn constants_and_gaps_are_no_deviation(level in -1e6..1e6, steps in 3usize..40, runs in 5usize..12) {
        let envelope = learn(&vec![vec![level; steps]; runs]).unwrap();
        let mut curve = vec![level; steps + 5];
        curve[1] = f64::NAN;
        if let Some(verdict) = envelope.judge(&curve) {
            prop_assert_eq!((verdict.score, verdict.outside), (0.0, 0.0));
            prop_assert_eq!(verdict.judged, steps - 1);
        }
    }
}
