use proptest::prelude::*;

use super::*;

/// Centre 0, σ 1: values are in standard deviations.
const UNIT: Limits = Limits { centre: 0.0, sigma: 1.0, n: 30 };

/// Positions at which a rule fires.
fn fires(rule: Rule, values: &[f64]) -> Vec<usize> {
    let found = violations(values, &UNIT, &[rule]);
    (0..values.len()).filter(|i| !found[*i].is_empty()).collect()
}

#[test]
fn limits_are_those_of_montgomerys_example() {
    // Viscosity of a primer (Montgomery, example 6.5): mean 33.52, mean moving range 0.48, limits
    // 33.52 ± 3 × 0.48 / 1.128 = 34.80 and 32.24.
    let values = [
        33.75, 33.05, 34.00, 33.81, 33.46, 34.02, 33.68, 33.27, 33.49, 33.20, 33.62, 33.00, 33.54,
        33.12, 33.84,
    ];
    let limits = Limits::of(&values).unwrap();
    assert!((limits.centre - 33.52).abs() < 0.005, "{limits:?}");
    assert!((limits.sigma * D2 - 0.48).abs() < 0.005, "{limits:?}");
    assert!((limits.line(3.0) - 34.80).abs() < 0.01 && (limits.line(-3.0) - 32.24).abs() < 0.01);
    assert!((D2 - 2.0 / std::f64::consts::PI.sqrt()).abs() < 5e-4);
    // 1 + 3 d3 / d2 with d3 = 0.853.
    assert!((D4 - (1.0 + 3.0 * 0.853 / D2)).abs() < 2e-3);
    assert_eq!(Limits::of(&values[..7]), None);
}

#[test]
fn rule_1_a_point_beyond_three_sigma() {
    assert_eq!(fires(Rule::Beyond3, &[0.0, 3.1, 3.0, -3.1, f64::NAN]), [1, 3]);
}

#[test]
fn rule_2_nine_and_eight_on_one_side() {
    let values = [0.1, 0.2, 0.1, 0.3, 0.1, 0.2, 0.1, 0.2, 0.1, 0.3, -0.1];
    assert_eq!(fires(Rule::Nine, &values), [8, 9]);
    assert_eq!(fires(Rule::Eight, &values), [7, 8, 9]);
    let below: Vec<f64> = values.iter().map(|v| -v).collect();
    assert_eq!(fires(Rule::Nine, &below), [8, 9]);
    // A gap is no interruption, the centre itself is.
    let mut gap = values.to_vec();
    gap.insert(4, f64::NAN);
    assert_eq!(fires(Rule::Nine, &gap), [9, 10]);
    let mut centre = values;
    centre[4] = 0.0;
    assert!(fires(Rule::Nine, &centre).is_empty());
}

#[test]
fn rule_3_six_rising_or_falling() {
    assert_eq!(fires(Rule::Trend, &[0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.4]), [5]);
    assert_eq!(fires(Rule::Trend, &[0.5, 0.4, 0.3, 0.2, 0.1, 0.0, -0.1]), [5, 6]);
    assert!(fires(Rule::Trend, &[0.0, 0.1, 0.2, 0.2, 0.4, 0.5]).is_empty(), "equals do not rise");
}

#[test]
fn rule_4_fourteen_alternating() {
    let values: Vec<f64> = (0..15).map(|i| if i % 2 == 0 { 0.2 } else { -0.2 }).collect();
    assert_eq!(fires(Rule::Alternating, &values), [13, 14]);
    let mut broken = values;
    broken[7] = 0.3;
    assert!(fires(Rule::Alternating, &broken).is_empty());
}

#[test]
fn rule_5_two_of_three_beyond_two_sigma() {
    assert_eq!(fires(Rule::TwoOfThree, &[2.1, 0.0, 2.1, 0.0, 0.0, 2.1]), [2]);
    assert!(fires(Rule::TwoOfThree, &[2.1, -2.1, 0.0]).is_empty(), "not on one side");
    assert!(fires(Rule::TwoOfThree, &[2.1, 2.0, 0.0]).is_empty(), "on the line is not beyond");
    assert_eq!(fires(Rule::TwoOfThree, &[0.0, -2.5, -2.5, 0.0]), [2], "not again by a good point");
}

#[test]
fn rule_6_four_of_five_beyond_one_sigma() {
    assert_eq!(fires(Rule::FourOfFive, &[1.1, 1.1, 0.0, 1.1, 1.1, 0.0]), [4]);
    assert!(fires(Rule::FourOfFive, &[1.1, 1.1, 0.0, 0.0, 1.1, 1.1]).is_empty());
}

#[test]
fn rule_7_fifteen_within_one_sigma() {
    let values: Vec<f64> = (0..16).map(|i| 0.5 * f64::from(i % 3 - 1)).collect();
    assert_eq!(fires(Rule::Fifteen, &values), [14, 15]);
    let mut wide = values;
    wide[3] = 1.0;
    assert!(fires(Rule::Fifteen, &wide).is_empty());
}

#[test]
fn rule_8_eight_beyond_one_sigma_on_either_side() {
    let values = [1.5, -1.5, 1.2, 1.3, -1.1, -1.2, 1.1, -1.4, 0.5];
    assert_eq!(fires(Rule::EightBeyond1, &values), [7]);
}

#[test]
fn sets_have_the_rules_of_their_books() {
    let all = violations(&[3.5], &UNIT, &Rule::NELSON);
    assert_eq!(all, [vec![Rule::Beyond3]]);
    assert_eq!((Rule::NELSON.len(), Rule::WESTERN_ELECTRIC.len()), (8, 4));
    let two = violations(&[2.5, 2.5], &UNIT, &Rule::WESTERN_ELECTRIC);
    assert!(two[1].is_empty(), "two of three needs three points");
    let two = violations(&[0.0, 2.5, 2.5], &UNIT, &Rule::WESTERN_ELECTRIC);
    assert_eq!(two[2], [Rule::TwoOfThree]);
}

#[test]
fn the_ewma_is_that_of_the_formula() {
    let limits = Limits { centre: 10.0, sigma: 1.0, n: 30 };
    let points = ewma(&[10.0, 12.0, f64::NAN, 12.0], &limits);
    assert_eq!(points[0].value, 10.0);
    assert!((points[1].value - 10.4).abs() < 1e-12 && points[2].value.is_nan());
    assert!((points[3].value - 10.72).abs() < 1e-12, "0.2 × 12 + 0.8 × 10.4");
    // After one point the half width is L σ λ, after many L σ √(λ / (2-λ)) = 2.962 / 3.
    assert!((points[0].half_width - EWMA_LIMIT * 0.2).abs() < 1e-12);
    let many = ewma(&[10.0; 60], &limits);
    assert!((many[59].half_width - EWMA_LIMIT / 3.0).abs() < 1e-6);
    // A shift of one σ passes the limit within about ten points (Montgomery's ARL is 10.3).
    let shifted = ewma(&[11.0; 40], &limits);
    assert!(shifted.iter().position(|p| p.is_beyond(&limits)).is_some_and(|at| at > 10));
    assert!(
        ewma(&[12.0; 20], &limits)
            .iter()
            .position(|p| p.is_beyond(&limits))
            .is_some_and(|at| at < 5)
    );
}

proptest! {
    #[test]
    fn units_and_zero_points_do_not_matter(
        values in proptest::collection::vec(-50.0f64..50.0, 8..60), factor in 0.01f64..100.0, offset in -1e3f64..1e3,
    ) {
        let other: Vec<f64> = values.iter().map(|v| factor * v + offset).collect();
        let (a, b) = (Limits::of(&values).unwrap(), Limits::of(&other).unwrap());
        prop_assert!((b.centre - (factor * a.centre + offset)).abs() < 1e-8 * (1.0 + b.centre.abs()));
        prop_assert!((b.sigma / (factor * a.sigma) - 1.0).abs() < 1e-8);
        // Points on a line may fall on either side by rounding.
        let clear = |values: &[f64], limits: &Limits| values.iter().all(|v| {
            let z = limits.sigmas(*v).abs();
            [0.0, 1.0, 2.0, 3.0].iter().all(|line| (z - line).abs() > 1e-6)
        });
        if clear(&values, &a) {
            prop_assert_eq!(violations(&values, &a, &Rule::NELSON), violations(&other, &b, &Rule::NELSON));
        }
    }

    #[test]
    fn whatever_the_values_are_the_answer_is_finite_and_looks_only_back(
        values in proptest::collection::vec(prop_oneof![Just(f64::NAN), Just(0.0), Just(1.0), Just(f64::INFINITY), -1e308f64..1e308], 0..60),
        cut in 0usize..60,
    ) {
        let Some(limits) = Limits::of(&values) else { return Ok(()) };
        prop_assert!(limits.centre.is_finite() && limits.sigma.is_finite());
        let all = violations(&values, &limits, &Rule::NELSON);
        prop_assert_eq!(all.len(), values.len());
        let cut = cut.min(values.len());
        prop_assert_eq!(&violations(&values[..cut], &limits, &Rule::NELSON), &all[..cut]);
        let smooth = ewma(&values, &limits);
        prop_assert!(smooth.iter().zip(&values).all(|(s, v)| v.is_finite() == s.half_width.is_finite() || s.value.is_infinite()));
    }
}

#[test]
fn every_rule_has_words_of_its_own_in_each_language() {
    let all: std::collections::BTreeSet<&str> = Rule::NELSON
        .iter()
        .chain(&Rule::WESTERN_ELECTRIC)
        .flat_map(|rule| [Language::En, Language::Es].map(|language| rule.words(language)))
        .collect();
    // Three rules are in both sets.
    assert_eq!(all.len(), 2 * 9);
    assert_eq!(Rule::Beyond3.words(Language::Es), "más allá de 3 sigma");
}
