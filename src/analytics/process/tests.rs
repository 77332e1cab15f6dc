use proptest::prelude::*;

use crate::analytics::finding::{Finding, Kind};
use crate::analytics::history::{Kind as Reads, Machine, Quantity, Sensor};
use crate::analytics::monitor::{Outcome, monitor};
use crate::analytics::settings::Settings;
use crate::domain::Language;

const DAY: usize = 288;
const STEP_S: i64 = 300;

/// A number in [-1, 1) that looks like chance.
fn chance(position: usize) -> f64 {
    let mut z = (position as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 52) as f64 - 1.0
}

fn gauge(key: &str, values: Vec<f64>) -> Sensor {
    Sensor {
        key: key.into(),
        quantity: Quantity::Other,
        unit: "bar".into(),
        kind: Reads::Gauge,
        to_kilo: f64::NAN,
        times: (0..values.len() as i64).map(|cell| cell * STEP_S).collect(),
        values,
    }
}

fn machine(sensors: Vec<Sensor>) -> Machine {
    Machine { key: "m".into(), sensors, ..Machine::default() }
}

/// A course by the time of the day, every five minutes.
fn alone(days: usize, change: impl Fn(usize, f64) -> f64) -> Machine {
    let value = |cell: usize| {
        let hour = (cell % DAY) as f64 / 12.0;
        change(cell, 50.0 + 20.0 * (hour / 24.0 * std::f64::consts::TAU).sin() + chance(cell))
    };
    machine(vec![gauge("pressure", (0..days * DAY).map(value).collect())])
}

/// Three sensors, of which the second follows the first; `break_at` parts them for two hours.
fn together(days: usize, break_at: usize) -> Machine {
    let first = |cell: usize| chance(cell) + chance(cell / 4 + 5_000_000);
    let cells = 0..days * DAY;
    let second = |cell: usize| {
        let sign = if (break_at..break_at + 24).contains(&cell) { -1.0 } else { 1.0 };
        10.0 + sign * 3.0 * first(cell) + 0.2 * chance(cell + 1_000_000)
    };
    machine(vec![
        gauge("flow", cells.clone().map(first).collect()),
        gauge("valve", cells.clone().map(second).collect()),
        gauge("level", cells.map(|cell| chance(cell + 2_000_000)).collect()),
    ])
}

fn judge(machine: &Machine) -> Outcome {
    monitor(machine, &Settings::default())
}

#[test]
fn the_time_of_the_day_is_no_event_but_what_departs_from_it_is() {
    let from = 9 * DAY + 100;
    let quiet = judge(&alone(14, |_, value| value));
    assert_eq!(quiet.findings, []);
    // 12 less for four hours: much less than the day's own swing of 40.
    let outcome =
        judge(&alone(
            14,
            |cell, value| {
                if (from..from + 48).contains(&cell) { value - 12.0 } else { value }
            },
        ));
    let [finding] = outcome.findings.as_slice() else { panic!("{:?}", outcome.findings) };
    assert_eq!(finding.kind, Kind::LevelShift);
    let cell = |second: i64| second / STEP_S - from as i64;
    assert!((0..=1).contains(&cell(finding.start)), "{finding:?}");
    assert!((47..=90).contains(&cell(finding.end)), "{finding:?}");
    let reason = finding.say(Language::En, None);
    assert!(reason.contains("below the usual for the time of day"), "{reason}");
    assert!(reason.contains("pressure 11.") || reason.contains("pressure 12."), "{reason}");
}

#[test]
fn sensors_that_part_are_found_though_each_is_as_usual() {
    let from = 5 * DAY;
    assert_eq!(judge(&together(8, usize::MAX - 100)).findings, []);
    let outcome = judge(&together(8, from));
    let [finding] = outcome.findings.as_slice() else { panic!("{:?}", outcome.findings) };
    assert_eq!(finding.kind, Kind::Pattern);
    assert!(finding.sensor == "flow" || finding.sensor == "valve", "{finding:?}");
    let reason = finding.say(Language::En, None);
    assert!(reason.starts_with("sensors not together as usual: "), "{reason}");
    assert!(reason.contains("flow (") && reason.contains("valve ("), "{reason}");
    let start = finding.start / STEP_S - from as i64;
    assert!((0..=4).contains(&start), "{finding:?}");
}

#[test]
fn only_a_stretch_that_is_known_to_be_normal_teaches_where_one_is_named() {
    // Another level from day 2 on, which would be learned otherwise.
    let mut shifted = together(20, usize::MAX - 100);
    for value in &mut shifted.sensors[2].values[2 * DAY..] {
        *value += 6.0;
    }
    shifted.normal = Some((0, 2 * DAY as i64 * STEP_S));
    let outcome = judge(&shifted);
    assert_eq!(outcome.judged_from, Some(2 * DAY as i64 * STEP_S));
    let after = &outcome.score[2 * DAY + 20..];
    assert!(after.iter().all(|score| *score >= 1.0));
    assert_eq!(outcome.findings.len(), 1, "{:?}", outcome.findings);
    assert_eq!(outcome.findings[0].sensor, "level");
    shifted.normal = None;
    let learned = judge(&shifted);
    let beyond = learned.score[18 * DAY..].iter().filter(|score| **score >= 1.0).count();
    assert!(beyond < 2 * DAY / 20, "it is usual by then, but for {beyond} cells");
}

#[test]
fn a_sensor_that_hangs_is_stuck() {
    let from = 6 * DAY;
    let outcome = judge(&alone(
        8,
        |cell, value| {
            if (from..from + 40).contains(&cell) { 50.5 } else { value }
        },
    ));
    assert!(
        outcome.findings.iter().any(|f| f.kind == Kind::StuckSensor
            && f.say(Language::En, None).starts_with("pressure repeats 50.5 bar from ")),
        "{:?}",
        outcome.findings
    );
}

#[test]
fn one_cause_is_one_event() {
    let from = 5 * DAY;
    // All three sensors jump, twice within some hours.
    let mut jumping = together(8, usize::MAX - 100);
    for sensor in &mut jumping.sensors {
        for start in [from, from + 40] {
            for value in &mut sensor.values[start..start + 10] {
                *value += 9.0;
            }
        }
    }
    assert_eq!(judge(&jumping).findings.len(), 1);
}

#[test]
fn the_future_changes_nothing_that_was_raised() {
    let departs =
        |cell: usize, value: f64| if (2000..2010).contains(&cell) { 3.0 * value } else { value };
    for whole in [alone(12, departs), together(12, 2000)] {
        let mut cut = whole.clone();
        for sensor in &mut cut.sensors {
            sensor.times.truncate(9 * DAY);
            sensor.values.truncate(9 * DAY);
        }
        let (all, past) = (judge(&whole), judge(&cut));
        assert_eq!(past.score[..], all.score[..past.score.len()]);
        let until = 9 * DAY as i64 * STEP_S;
        let before: Vec<Finding> =
            all.findings.into_iter().filter(|finding| finding.start < until).collect();
        assert_eq!(past.findings, before);
        assert!(!before.is_empty());
    }
}

#[test]
fn units_and_the_calendar_do_not_matter() {
    let departs =
        |cell: usize, value: f64| if (2000..2010).contains(&cell) { 3.0 * value } else { value };
    for usual in [alone(12, departs), together(12, 2000)] {
        let expected = judge(&usual);
        assert!(!expected.findings.is_empty());
        let mut scaled = usual.clone();
        scaled.sensors[0].values.iter_mut().for_each(|value| *value *= 1024.0);
        let got = judge(&scaled);
        let close = |a: &f32, b: &f32| (a - b).abs() <= 1e-4 * a.abs().max(1.0);
        assert!(got.score.iter().zip(&expected.score).all(|(a, b)| close(a, b)));
        let by = STEP_S * 5_678_901;
        let mut later = usual.clone();
        for sensor in &mut later.sensors {
            sensor.times.iter_mut().for_each(|time| *time += by);
        }
        let moved = judge(&later);
        assert_eq!(moved.score, expected.score);
        assert_eq!(moved.findings[0].start - by, expected.findings[0].start);
        assert_eq!(judge(&usual).findings, expected.findings, "the same again");
    }
}

fn values() -> impl Strategy<Value = Vec<f64>> {
    proptest::collection::vec(
        prop_oneof![
            Just(f64::NAN),
            Just(0.0),
            Just(-1.0),
            Just(1e300),
            Just(-1e300),
            Just(f64::INFINITY),
            0.0..100.0f64
        ],
        0..30,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_the_readings_are_the_answer_is_finite(
        patterns in proptest::collection::vec(values(), 1..4),
        lengths in proptest::collection::vec(0usize..2500, 3),
        gap in 0i64..5_000_000,
        from in 0usize..1500,
        kind in prop_oneof![Just(Reads::Gauge), Just(Reads::Counter), Just(Reads::Delta)],
        quantity in prop_oneof![Just(Quantity::Power), Just(Quantity::Other)],
        is_told: bool,
    ) {
        let sensors = patterns.iter().zip(&lengths).map(|(pattern, &length)| {
            let value = |cell: usize| match pattern.get(cell % pattern.len().max(1)) {
                Some(value) if cell >= from => *value,
                _ => 50.0 + chance(cell),
            };
            let mut sensor = gauge("s", (0..length).map(value).collect());
            sensor.times.iter_mut().skip(length / 2).for_each(|time| *time += gap);
            Sensor { kind, quantity, ..sensor }
        });
        let mut machine = machine(sensors.collect());
        machine.normal = is_told.then_some((0, 300 * 800));
        let outcome = judge(&machine);
        prop_assert!(outcome.score.iter().all(|score| score.is_finite()));
        for finding in &outcome.findings {
            prop_assert!(finding.severity.is_finite());
            prop_assert!(finding.energy_kwh.is_none_or(f64::is_finite));
            prop_assert!(finding.start < finding.raised && finding.start < finding.end);
        }
    }
}
