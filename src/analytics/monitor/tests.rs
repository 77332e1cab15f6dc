use proptest::prelude::*;

use super::*;
use crate::analytics::finding::{Finding, Kind};
use crate::analytics::history::{Kind as Reads, Machine, Quantity, Run, Sensor, Span};
use crate::analytics::settings::Settings;
use crate::domain::Language;

const DAY_MIN: i64 = 1440;

/// A number in [-1, 1) that looks like chance.
fn chance(position: i64) -> f64 {
    let mut z = (position as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 52) as f64 - 1.0
}

fn gauge(key: &str, quantity: Quantity, values: Vec<f64>) -> Sensor {
    Sensor {
        key: key.into(),
        quantity,
        unit: String::new(),
        kind: Reads::Gauge,
        to_kilo: 1.0,
        times: (0..values.len() as i64).map(|minute| minute * 60).collect(),
        values,
    }
}

/// A machine that makes A at 100 kW and B at 140 kW, four hours each with half an hour between.
fn machine(days: i64, change: impl Fn(i64, f64) -> f64) -> Machine {
    let cycle = 270;
    let mut values = Vec::new();
    let (mut runs, mut states) = (Vec::new(), Vec::new());
    for minute in 0..days * DAY_MIN {
        let (turn, of_turn) = (minute / cycle, minute % cycle);
        let level = match of_turn {
            0..30 => 10.0,
            _ if turn % 2 == 0 => 100.0 * (1.0 + 0.01 * chance(turn)),
            _ => 140.0 * (1.0 + 0.01 * chance(turn)),
        };
        values.push(change(minute, level * (1.0 + 0.02 * chance(minute + 1_000_000))));
        if of_turn == 0 {
            let (rest, start, end) = (minute * 60, (minute + 30) * 60, (minute + cycle) * 60);
            let span = |state: &str, start, end| Span { state: state.into(), start, end };
            states.push(span("idle", rest, start));
            states.push(span("running", start, end));
            runs.push(Run {
                key: turn.to_string(),
                reference: if turn % 2 == 0 { "A" } else { "B" }.into(),
                start,
                end,
                good_units: None,
                scrap_units: None,
            });
        }
    }
    let sensors = vec![gauge("power", Quantity::Power, values)];
    Machine { key: "m".into(), sensors, runs, states, normal: None }
}

/// 15 % more from minute 200 to 290 of day 14.
fn shifted(minute: i64, value: f64) -> f64 {
    if (14 * DAY_MIN + 200..14 * DAY_MIN + 290).contains(&minute) { 1.15 * value } else { value }
}

#[test]
fn nothing_is_found_where_nothing_is() {
    let outcome = monitor(&machine(20, |_, value| value), &Settings::default());
    assert_eq!(outcome.findings, []);
    assert_eq!(outcome.judged_from, Some(10 * 86_400));
    assert!(outcome.score.iter().any(|score| *score > 0.0));
}

#[test]
fn a_level_shift_is_one_event_with_its_energy_and_reason() {
    let outcome = monitor(&machine(16, shifted), &Settings::default());
    let [finding] = outcome.findings.as_slice() else { panic!("{:?}", outcome.findings) };
    assert_eq!(finding.kind, Kind::LevelShift);
    let minute = |second: i64| second / 60 - 14 * DAY_MIN;
    assert!((200..=215).contains(&minute(finding.start)), "{finding:?}");
    assert!((280..=305).contains(&minute(finding.end)), "{finding:?}");
    // 15 % of 100 or 140 kW while running: between 15 and 35 kWh in an hour and a half.
    let kwh = finding.energy_kwh.unwrap();
    assert!((12.0..36.0).contains(&kwh), "{kwh}");
    let reason = finding.say(Language::En, None);
    assert!(reason.contains("% above the usual for reference B"), "{reason}");
}

#[test]
fn a_stuck_sensor_and_waste_while_idle_are_found() {
    let from = 12 * DAY_MIN;
    let stuck = monitor(
        &machine(
            14,
            |minute, value| {
                if (from + 60..from + 160).contains(&minute) { 101.5 } else { value }
            },
        ),
        &Settings::default(),
    );
    assert!(stuck.findings.iter().any(|finding| finding.kind == Kind::StuckSensor), "{stuck:?}");
    // Day 12 begins at the start of a rest: 12 * 1440 is 64 cycles.
    let waste = monitor(
        &machine(14, |minute, value| {
            if (from..from + 30).contains(&minute) { 80.0 + chance(minute) } else { value }
        }),
        &Settings::default(),
    );
    let kinds: Vec<Kind> = waste.findings.iter().map(|finding| finding.kind).collect();
    assert_eq!(kinds, [Kind::IdleWaste]);
}

#[test]
fn stops_and_set_up_that_nobody_reports_are_no_events_and_waste_is() {
    // Every fifth run is not made, a machine is set up for 12 to 18 minutes before the others, and stands
    // still for 25 in every third.
    let is_made = |turn: i64| turn % 5 != 4;
    let usual = |minute: i64, value: f64| {
        let (turn, of_turn) = (minute / 270, minute % 270);
        let noise = 1.0 + 0.02 * chance(minute + 2_000_000);
        match of_turn {
            _ if !is_made(turn) => 10.0 * noise,
            0..30 if of_turn >= 18 - turn % 7 => 40.0 * noise,
            100..125 if turn % 3 == 0 => 12.0 * noise,
            _ => value,
        }
    };
    let silent = |days: i64, change: &dyn Fn(i64, f64) -> f64| {
        let mut machine = machine(days, |minute, value| change(minute, usual(minute, value)));
        machine.runs.retain(|run| is_made(run.key.parse().unwrap()));
        machine.states.clear();
        monitor(&machine, &Settings::default())
    };
    assert_eq!(silent(20, &|_, value| value).findings, []);
    // Three hours of 60 kW in a turn without a run.
    let from = 74 * 270 + 60;
    let waste = |minute: i64, value: f64| {
        if (from..from + 180).contains(&minute) { 60.0 + chance(minute) } else { value }
    };
    let outcome = silent(22, &waste);
    let [finding] = outcome.findings.as_slice() else { panic!("{:?}", outcome.findings) };
    assert_eq!(finding.kind, Kind::IdleWaste);
    // Known once it lasts clearly longer than any set-up: a quarter longer and a quarter of an hour.
    let minute = |second: i64| second / 60 - from;
    assert!((30..=60).contains(&minute(finding.raised)), "{finding:?}");
    assert!((160..=200).contains(&minute(finding.end)), "{finding:?}");
}

/// Power that swings slowly within 5 %, and a temperature that follows it, but for two hours.
fn coupled(parted: std::ops::Range<i64>) -> Machine {
    let swing = |minute: i64| {
        let waves = (minute as f64 / 47.0).sin() + (minute as f64 / 31.0).sin();
        0.5 * (waves + chance(minute / 20 + 7_000_000))
    };
    let mut coupled = machine(20, |minute, value| value * (1.0 + 0.05 * swing(minute)));
    let temperature = (0..20 * DAY_MIN).map(|minute| {
        let side = if parted.contains(&minute) { -1.0 } else { 1.0 };
        200.0 + side * 3.0 * swing(minute) + 0.2 * chance(minute + 3_000_000)
    });
    coupled.sensors.push(gauge("heat", Quantity::Temperature, temperature.collect()));
    coupled
}

#[test]
fn sensors_that_part_are_found_though_each_is_as_usual() {
    let settings = Settings::default();
    assert_eq!(monitor(&coupled(0..0), &settings).findings, []);
    let from = 17 * DAY_MIN + 60;
    let outcome = monitor(&coupled(from..from + 120), &settings);
    let [finding] = outcome.findings.as_slice() else { panic!("{:?}", outcome.findings) };
    assert_eq!(finding.kind, Kind::Pattern);
    assert!((-5..60).contains(&(finding.start / 60 - from)), "{finding:?}");
    let reason = finding.say(Language::En, None);
    assert!(reason.starts_with("sensors not together as usual for reference "), "{reason}");
    assert!(reason.contains("heat (") && reason.contains("power ("), "{reason}");
}

#[test]
fn the_future_changes_nothing_that_was_raised() {
    let whole = machine(18, shifted);
    let mut cut = whole.clone();
    let until = 16 * DAY_MIN as usize;
    for sensor in &mut cut.sensors {
        sensor.times.truncate(until);
        sensor.values.truncate(until);
    }
    let settings = Settings::default();
    let (all, past) = (monitor(&whole, &settings), monitor(&cut, &settings));
    assert_eq!(past.findings, all.findings);
    assert_eq!(past.score[..], all.score[..past.score.len()]);
}

/// As it was known after so many minutes.
fn as_of(whole: &Machine, minutes: i64) -> Machine {
    let mut cut = whole.clone();
    for sensor in &mut cut.sensors {
        sensor.times.truncate(minutes as usize);
        sensor.values.truncate(minutes as usize);
    }
    cut.runs.retain(|run| run.start < minutes * 60);
    cut.states.retain(|span| span.start < minutes * 60);
    let last = |end: &mut i64| *end = if *end >= minutes * 60 { i64::MAX } else { *end };
    cut.runs.iter_mut().for_each(|run| last(&mut run.end));
    cut.states.iter_mut().for_each(|span| last(&mut span.end));
    cut
}

#[test]
fn going_on_gives_what_a_walk_from_the_start_gives() {
    let mut whole = machine(18, shifted);
    // Something new on the last day: a reference, and a state before all others in the alphabet.
    let last = whole.runs.len() - 2;
    whole.runs[last].reference = "new".into();
    let rest = whole.states.iter().rposition(|span| span.state != "running").unwrap();
    whole.states[rest].state = "another".into();
    let settings = Settings::default();
    let (early, late) = (16 * DAY_MIN + 1_100, 17 * DAY_MIN - 3);
    let known = as_of(&whole, early);
    let until = settled_until(&known).unwrap();
    assert_eq!(until, 16 * DAY_MIN * 60);
    let progress = begin(&known, &settings, &|| true).unwrap();
    assert_eq!(progress.bytes(), 16 * 1440 * 17);
    for minutes in [early, early + 1, late, 18 * DAY_MIN] {
        let now = as_of(&whole, minutes);
        let (on, anew) = (go_on(&now, &settings, &progress).unwrap(), monitor(&now, &settings));
        assert_eq!(on.findings, anew.findings, "{minutes}");
        assert_eq!((&on.score, &on.judged), (&anew.score, &anew.judged), "{minutes}");
        assert_eq!((on.start, on.step, on.judged_from), (anew.start, anew.step, anew.judged_from));
        let bits = |values: &[f32]| values.iter().map(|kw| kw.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&on.excess_kw), bits(&anew.excess_kw), "{minutes}");
    }
    assert!(!monitor(&whole, &settings).findings.is_empty());
    let mut other = whole.clone();
    other.sensors[0].times.iter_mut().for_each(|time| *time += 60);
    assert!(go_on(&other, &settings, &progress).is_none(), "another grid");
    assert!(begin(&as_of(&whole, 900), &settings, &|| true).is_none(), "the first day");
    assert!(begin(&whole, &settings, &|| false).is_none(), "nobody waits");
}

fn times(findings: &[Finding], by: i64) -> Vec<(Kind, i64, i64, i64)> {
    let moved = |f: &Finding| (f.kind, f.start - by, f.raised - by, f.end - by);
    findings.iter().map(moved).collect()
}

#[test]
fn units_and_the_calendar_do_not_matter() {
    let settings = Settings::default();
    let usual = machine(16, shifted);
    let expected = times(&monitor(&usual, &settings).findings, 0);
    let mut watts = usual.clone();
    watts.sensors[0].values.iter_mut().for_each(|value| *value *= 1024.0);
    assert_eq!(times(&monitor(&watts, &settings).findings, 0), expected);
    let by = 1_700_000_040;
    let mut later = usual;
    later.sensors[0].times.iter_mut().for_each(|time| *time += by);
    for run in &mut later.runs {
        (run.start, run.end) = (run.start + by, run.end + by);
    }
    for span in &mut later.states {
        (span.start, span.end) = (span.start + by, span.end + by);
    }
    assert_eq!(times(&monitor(&later, &settings).findings, by), expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_the_readings_are_the_answer_is_finite(
        pattern in proptest::collection::vec(
            prop_oneof![
                Just(f64::NAN), Just(0.0), Just(-1.0), Just(1e300), Just(f64::INFINITY), 0.0..100.0f64
            ],
            0..40,
        ),
        quantity in prop_oneof![
            Just(Quantity::Power), Just(Quantity::Temperature), Just(Quantity::Count), Just(Quantity::Other)
        ],
        kind in prop_oneof![Just(Reads::Gauge), Just(Reads::Counter), Just(Reads::Delta)],
        with_runs: bool,
    ) {
        let mut machine = machine(12, |_, value| value);
        let sensor = &mut machine.sensors[0];
        sensor.quantity = quantity;
        sensor.kind = kind;
        let length = sensor.values.len();
        if pattern.is_empty() {
            sensor.times.clear();
            sensor.values.clear();
        } else {
            for index in length / 2..length {
                sensor.values[index] = pattern[index % pattern.len()];
            }
        }
        if !with_runs {
            machine.runs.clear();
            machine.states.clear();
        }
        let outcome = monitor(&machine, &Settings::default());
        prop_assert!(outcome.score.iter().all(|score| score.is_finite()));
        for finding in &outcome.findings {
            prop_assert!(finding.severity.is_finite());
            prop_assert!(finding.start < finding.raised && finding.start < finding.end);
        }
    }
}
