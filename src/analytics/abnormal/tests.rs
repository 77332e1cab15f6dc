use proptest::prelude::*;

use super::*;
use crate::analytics::robust::MAD_TO_SIGMA;

fn sample(reference: usize, pairs: &[(Feature, f64)]) -> Sample {
    let mut features = Features::default();
    for (feature, value) in pairs {
        features.set(*feature, Some(*value));
    }
    Sample { reference, features }
}

/// Nine runs of one reference whose temperatures lie 0, 1, 1, 2, 2, 3, 3, 4 and 4 degrees off 150.
fn heat() -> Vec<Sample> {
    [0.0, 1.0, -1.0, 2.0, -2.0, 3.0, -3.0, 4.0, -4.0]
        .map(|off| sample(0, &[(Feature::MeanTemperature, 150.0 + off)]))
        .to_vec()
}

#[test]
fn one_feature_by_hand() {
    let model = Model::learn(&heat(), 1);
    // The median of the deviations is 2, for the reference and for the place.
    let own = MAD_TO_SIGMA * 2.0 * (9.0_f64 / 8.0).sqrt();
    let sigma = own * (1.0 + 1.5 / 9.0_f64).sqrt();
    let verdict = model.judge(&sample(0, &[(Feature::MeanTemperature, 170.0)])).unwrap();
    let heat = verdict.of(Feature::MeanTemperature).unwrap();
    assert!((heat.usual - 150.0).abs() < 1e-9 && (heat.sigmas - 20.0 / sigma).abs() < 1e-9);
    // One degree of freedom: d is |z|, but for the inflation, which the past does not need.
    assert!((verdict.distance - 20.0 / sigma).abs() < 1e-9);
    let limit = chi_square_quantile(1, LIMIT_QUANTILE).sqrt();
    assert!((verdict.score - verdict.distance / limit).abs() < 1e-12);
    assert!(verdict.is_abnormal());
    let usual = model.judge(&sample(0, &[(Feature::MeanTemperature, 151.0)])).unwrap();
    assert!(!usual.is_abnormal());
}

#[test]
fn chi_square_as_in_tables() {
    for (freedom, probability, table) in [
        (1, 0.999, 10.828),
        (3, 0.999, 16.266),
        (5, 0.999, 20.515),
        (8, 0.999, 26.124),
        (4, 0.5, 3.357),
        (8, 0.975, 17.535),
    ] {
        let got = chi_square_quantile(freedom, probability);
        assert!((got / table - 1.0).abs() < 2e-4, "{freedom} {probability}: {got} {table}");
    }
}

#[test]
fn what_goes_against_the_usual_correlation_is_further_away() {
    // Rate and kWh per unit go in opposite ways: 1 % more of one is 1 % less of the other.
    let mut runs = Vec::new();
    for i in 0..60 {
        let a = f64::from(i * 37 % 60) / 60.0 - 0.5;
        let b = f64::from(i * 17 % 60) / 60.0 - 0.5;
        let pairs = [
            (Feature::EnergyPerGoodUnit, (0.10 * a).exp()),
            (Feature::Rate, 50.0 * (-0.10 * a + 0.02 * b).exp()),
        ];
        runs.push(sample(0, &pairs));
    }
    let model = Model::learn(&runs, 1);
    let at = |energy: f64, rate: f64| {
        let pairs =
            [(Feature::EnergyPerGoodUnit, energy.exp()), (Feature::Rate, 50.0 * rate.exp())];
        model.judge(&sample(0, &pairs)).unwrap()
    };
    let (with, against) = (at(0.08, -0.08), at(0.08, 0.08));
    assert!(against.distance > 2.0 * with.distance, "{} {}", against.distance, with.distance);
    assert!(against.is_abnormal() && !with.is_abnormal());
}

#[test]
fn a_run_without_a_norm_says_so() {
    let model = Model::learn(&heat()[..4], 2);
    let hot = sample(0, &[(Feature::MeanTemperature, 170.0)]);
    assert_eq!(model.judge(&hot), Err(Refusal::TooFewRuns(4)));
    assert_eq!(model.judge(&sample(1, &[])), Err(Refusal::TooFewRuns(0)));
    let model = Model::learn(&heat(), 1);
    assert_eq!(model.judge(&sample(0, &[])), Err(Refusal::NoFeatures));
    assert_eq!(model.judge(&sample(0, &[(Feature::Rate, 3.0)])), Err(Refusal::NoFeatures));
}

fn samples() -> impl Strategy<Value = Vec<Sample>> {
    let value = prop_oneof![
        8 => (1e-3..1e3).prop_map(Some),
        1 => Just(None),
        1 => Just(Some(0.0)),
        2 => Just(Some(7.0)),
    ];
    let features = prop::collection::vec(value, FEATURES);
    let sample = (0usize..3, features).prop_map(|(reference, values)| {
        let mut features = Features::default();
        for (feature, value) in Feature::ALL.into_iter().zip(values) {
            features.set(feature, value);
        }
        Sample { reference, features }
    });
    prop::collection::vec(sample, 0..40)
}

proptest! {
    #[test]
    fn whatever_is_compared_is_finite_and_the_same_again(runs in samples(), judged in samples()) {
        let model = Model::learn(&runs, 3);
        prop_assert_eq!(&model, &Model::learn(&runs, 3));
        for run in runs.iter().chain(&judged) {
            if let Ok(verdict) = model.judge(run) {
                prop_assert!(verdict.distance.is_finite() && verdict.score.is_finite());
                prop_assert!(verdict.deviations.iter().all(|d| d.sigmas.is_finite() && d.usual.is_finite()));
            }
        }
    }

    #[test]
    fn units_of_ratios_and_the_origin_of_temperatures_do_not_matter(
        runs in samples(), factor in 0.1..10.0, offset in -300.0..300.0,
    ) {
        let changed: Vec<Sample> = runs
            .iter()
            .map(|run| {
                let mut features = run.features;
                for feature in [Feature::EnergyPerGoodUnit, Feature::Rate, Feature::MeanPower] {
                    features.set(feature, run.features.get(feature).map(|v| v * factor));
                }
                for feature in [Feature::MeanTemperature, Feature::PeakTemperature] {
                    features.set(feature, run.features.get(feature).map(|v| v + offset));
                }
                Sample { reference: run.reference, features }
            })
            .collect();
        let (one, two) = (Model::learn(&runs, 3), Model::learn(&changed, 3));
        for (a, b) in runs.iter().zip(&changed) {
            match (one.judge(a), two.judge(b)) {
                (Ok(a), Ok(b)) => {
                    prop_assert_eq!(a.deviations.len(), b.deviations.len());
                    prop_assert!((a.distance - b.distance).abs() <= 1e-3 * a.distance.max(1.0),
                        "{} {}", a.distance, b.distance);
                }
                (a, b) => prop_assert_eq!(a.err(), b.err()),
            }
        }
    }
}
