use proptest::prelude::*;

use super::*;
use crate::analytics::history::{Run, Span};
use crate::domain::{Language, Say};
use crate::simulate::Stream;

const HOUR: i64 = 3600;

fn run(key: &str, reference: &str, start: i64, end: i64, good: f64, scrap: f64) -> Run {
    let (good_units, scrap_units) = (Some(good), Some(scrap));
    Run { key: key.into(), reference: reference.into(), start, end, good_units, scrap_units }
}

fn span(state: &str, start: i64, end: i64) -> Span {
    Span { state: state.into(), start, end }
}

#[test]
fn units_go_to_the_time_in_which_the_machine_ran() {
    // A run of four hours with 90 good and 10 scrap, of which the second hour is a stop.
    let runs = [run("r", "A", 0, 4 * HOUR, 90.0, 10.0)];
    let states = [
        span("running", 0, HOUR),
        span("stopped", HOUR, 2 * HOUR),
        span("running", 2 * HOUR, 3 * HOUR),
        span("running", 3 * HOUR, 5 * HOUR),
        span("off", 5 * HOUR, 6 * HOUR),
    ];
    let edges: Vec<i64> = (0..=6).map(|hour| hour * HOUR).collect();
    let seen = observe(&edges, &runs, &[Machine::alone(states.into(), 1)]);
    let units: Vec<f64> =
        seen.intervals.iter().map(|i| i.made.iter().map(|m| m.units).sum()).collect();
    let third = 100.0 / 3.0;
    for (got, want) in units.iter().zip([third, 0.0, third, third, 0.0, 0.0]) {
        assert!((got - want).abs() < 1e-9, "{units:?}");
    }
    assert_eq!(seen.references, ["A", UNNAMED], "production that no run names");
    assert_eq!(seen.intervals[4].made, [Made { reference: 1, units: 0.0, hours: 1.0 }]);
    assert_eq!(seen.states, ["stopped"]);
    assert_eq!(seen.intervals[1].resting, [(0, 1.0)]);
    // Without states, by the clock; a run that goes on counts up to the last edge.
    let open = [run("o", "B", 2 * HOUR, i64::MAX, 40.0, 0.0)];
    let seen = observe(&edges, &open, &[]);
    let units: Vec<f64> =
        seen.intervals.iter().map(|i| i.made.iter().map(|m| m.units).sum()).collect();
    assert_eq!(units, [0.0, 0.0, 10.0, 10.0, 10.0, 10.0]);
}

#[test]
fn a_line_does_what_its_machines_do_on_average() {
    // Two machines of a line and one of another; the line's run of 120 units in four hours, and one
    // of 30 units on the other line without states.
    let runs = [
        run("r", "A", 0, 4 * HOUR, 100.0, 20.0),
        run("s", "B", HOUR, 2 * HOUR, 30.0, 0.0),
        run("t", "C", 4 * HOUR, 5 * HOUR, 10.0, 0.0),
    ];
    let machines = [
        Machine { states: vec![span("running", 0, 4 * HOUR)], runs: vec![0], share: 0.5 },
        Machine {
            states: vec![
                span("running", 0, 2 * HOUR),
                span("stopped", 2 * HOUR, 4 * HOUR),
                span("idle", 4 * HOUR, 5 * HOUR),
                span("running", 5 * HOUR, 6 * HOUR),
            ],
            runs: vec![0, 2],
            share: 0.5,
        },
    ];
    let edges: Vec<i64> = (0..=6).map(|hour| hour * HOUR).collect();
    let seen = observe(&edges, &runs, &machines);
    assert_eq!(seen.references, ["A", "B", "C", UNNAMED]);
    let made = |reference, units, hours| Made { reference, units, hours };
    // 60 units each: 15 an hour of the first machine, 30 an hour of the second.
    assert_eq!(seen.intervals[0].made, [made(0, 45.0, 1.0)]);
    assert_eq!(seen.intervals[1].made, [made(0, 45.0, 1.0), made(1, 30.0, 1.0)]);
    assert_eq!(seen.intervals[2].made, [made(0, 15.0, 0.5)]);
    assert_eq!(seen.intervals[3].made, [made(0, 15.0, 0.5)]);
    // Made on the second machine alone, which says that it was idle: by the clock.
    assert_eq!(seen.intervals[4].made, [made(2, 10.0, 1.0)]);
    assert_eq!(seen.intervals[5].made, [made(3, 0.0, 0.5)], "half of the line runs for no run");
    assert_eq!(seen.states, ["stopped", "idle"]);
    assert_eq!(seen.intervals[2].resting, [(0, 0.5)]);
    assert_eq!(seen.intervals[4].resting, [(1, 0.5)]);
}

#[test]
fn time_outside_of_runs_that_overlap() {
    // Runs 1-4, 2-3 and 6-8 h of a machine that runs 0-9 h: 0-1, 4-6 and 8-9 h are of no run.
    let hour = |a: i64, b: i64| run("r", "A", a * HOUR, b * HOUR, 1.0, 0.0);
    let runs = [hour(1, 4), hour(2, 3), hour(6, 8)];
    let edges: Vec<i64> = (0..=9).map(|hour| hour * HOUR).collect();
    let alone = Machine::alone(vec![span("running", 0, 9 * HOUR)], 3);
    let seen = observe(&edges, &runs, &[alone]);
    let unnamed = |i: &Interval| i.made.iter().any(|m| seen.references[m.reference] == UNNAMED);
    let got: Vec<bool> = seen.intervals.iter().map(unnamed).collect();
    let want = [true, false, false, false, true, true, false, false, true];
    assert_eq!(got, want);
}

/// Four weeks of hours: three references by turns in blocks of five hours with two hours of rest,
/// nothing at the end of each week. E = 4 h + 0.5 a + 2 b + 0.125 c + 0.2 kW/K × (t - mean).
fn factory(noise: f64, seed: u64) -> Observations {
    let k = [0.5, 2.0, 0.125];
    let mut stream = Stream::new(seed, &["baseline"]);
    let mut data = Observations {
        references: ["a", "b", "c"].map(str::to_owned).into(),
        states: vec!["setup".into()],
        drivers: vec!["outdoor".into()],
        intervals: Vec::new(),
    };
    for hour in 0..28 * 24 {
        let block = hour / 7;
        let outdoor = 15.0 + 8.0 * (hour as f64 / 37.0).sin();
        let mut interval = Interval { hours: 1.0, drivers: vec![outdoor], ..Interval::default() };
        let mut kwh = 4.0 + 0.2 * (outdoor - 15.0);
        if hour % 168 < 120 && hour % 7 < 5 {
            let reference = block % 3;
            let units = [60.0, 20.0, 200.0][reference] * (1.0 + 0.1 * stream.normal());
            kwh += k[reference] * units * (1.0 + noise * stream.normal());
            interval.made.push(Made { reference, units, hours: 1.0 });
        } else if hour % 168 < 120 && hour % 7 == 5 {
            interval.resting.push((0, 1.0));
            kwh += 6.0;
        }
        interval.energy = kwh;
        data.intervals.push(interval);
    }
    data
}

fn k(model: &Model) -> Vec<f64> {
    model.references.iter().map(|r| r.k.value).collect()
}

#[test]
fn exact_data_gives_its_coefficients_back() {
    let model = fit(&factory(0.0, 1)).unwrap();
    let near = |got: f64, want: f64| assert!((got / want - 1.0).abs() < 2e-3, "{got}, not {want}");
    near(model.states[0].1.value, 6.0);
    near(model.drivers[0].slope.value, 0.2);
    // The mean of the driver is not 15: what it adds there is part of the base.
    near(model.base.value + 0.2 * (15.0 - model.drivers[0].centre), 4.0);
    for (got, want) in k(&model).iter().zip([0.5, 2.0, 0.125]) {
        near(*got, want);
    }
    assert!(model.quality.r2.unwrap() > 0.9999 && model.quality.cv_rmse.unwrap() < 0.01);
    assert!(model.references.iter().all(|r| r.own > 0.99));
}

#[test]
fn wrong_hours_and_wrong_papers_do_not_move_it() {
    let mut data = factory(0.03, 2);
    for (hour, interval) in data.intervals.iter_mut().enumerate() {
        if hour % 19 == 0 {
            interval.energy *= 1.6;
        }
        // One block in twelve has the wrong reference.
        if (hour / 7) % 12 == 5 {
            for made in &mut interval.made {
                made.reference = 0;
            }
        }
    }
    let model = fit(&data).unwrap();
    for (got, want) in k(&model).iter().zip([0.5, 2.0, 0.125]) {
        assert!((got / want - 1.0).abs() < 0.02, "{got}, not {want}");
    }
}

#[test]
fn a_lot_under_a_wrong_label_does_not_count_into_the_rate_of_the_other_reference() {
    // Energy goes with the time: 30, 40 and 25 kW, whatever is made in it. One block of c, which is made
    // ten times as fast as b, is said to be b: 1,000 units more in five hours.
    let mut data = factory(0.0, 3);
    let kw = [30.0, 40.0, 25.0];
    let mut wrong = 0;
    for (hour, interval) in data.intervals.iter_mut().enumerate() {
        let Some(made) = interval.made.first_mut() else { continue };
        interval.energy = 4.0 + kw[made.reference];
        if made.reference == 2 && hour / 7 == 5 {
            made.reference = 1;
            wrong += 1;
        }
    }
    assert_eq!(wrong, 5);
    let b = data.intervals.iter().flat_map(|i| &i.made).filter(|made| made.reference == 1);
    let (units, hours) = b.fold((0.0, 0.0), |sum, made| (sum.0 + made.units, sum.1 + made.hours));
    assert!(units / hours > 25.0, "{units} in {hours} h");
    let model = fit(&data).unwrap();
    assert_eq!(model.by_units, 0.0);
    let Measure::Units { rate } = model.references[1].measure else { panic!("{model:?}") };
    assert!((rate / 20.0 - 1.0).abs() < 0.03, "{rate}");
    assert!((model.references[1].k.value * rate / 40.0 - 1.0).abs() < 2e-3, "{model:?}");
    assert_eq!(model.references[1].units, units, "all that was made");
}

#[test]
fn a_stop_that_comes_only_with_production_has_its_own_power() {
    const STOPPED_KW: f64 = 8.0;
    let mut data = factory(0.02, 7);
    data.states.push("stopped".into());
    let mut stream = Stream::new(7, &["stops"]);
    let making = data.intervals.iter_mut().filter(|interval| !interval.made.is_empty());
    for (hour, interval) in making.enumerate().filter(|(hour, _)| hour % 4 == 0) {
        // Minutes as a rule, now and then seconds at the edge of an hour, or most of it.
        let stopped = match hour % 16 {
            0 => 0.0005,
            _ => 0.05 + 0.8 * stream.normal().abs().min(3.0).powi(3) / 27.0,
        };
        let base = 4.0 + 0.2 * (interval.drivers[0] - 15.0);
        interval.energy = base + (interval.energy - base) * (1.0 - stopped) + STOPPED_KW * stopped;
        for made in &mut interval.made {
            made.units *= 1.0 - stopped;
            made.hours *= 1.0 - stopped;
        }
        interval.resting.push((1, stopped));
    }
    let model = fit(&data).unwrap();
    let (_, stopped) = model.states.iter().find(|(name, _)| name == "stopped").unwrap();
    assert!((stopped.value - STOPPED_KW).abs() < 4.0, "{stopped:?}");
    for interval in &data.intervals {
        let expected = model.expected(&data, interval).energy;
        assert!((expected - interval.energy).abs() < 5.0, "{expected}, {interval:?}");
    }
}

#[test]
fn many_years_have_the_coefficients_of_one() {
    let mut data = factory(0.03, 8);
    let hours = fit(&data).unwrap().references[0].hours;
    let four_weeks = data.intervals.clone();
    data.intervals = std::iter::repeat_n(four_weeks, 40).flatten().collect();
    let model = fit(&data).unwrap();
    for (got, want) in k(&model).iter().zip([0.5, 2.0, 0.125]) {
        assert!((got / want - 1.0).abs() < 0.01, "{got}, not {want}");
    }
    assert_eq!(model.references[0].hours, 40.0 * hours, "all of them count");
}

#[test]
fn what_was_never_seen_is_the_machines_and_what_was_seen_little_is_near_it() {
    let mut data = factory(0.03, 3);
    data.references.push("rare".into());
    // Two hours of a reference, one of them twice as much as the machine uses for anything.
    let hours: Vec<usize> =
        (0..data.intervals.len()).filter(|i| !data.intervals[*i].made.is_empty()).take(2).collect();
    for &i in &hours {
        data.intervals[i].made = vec![Made { reference: 3, units: 10.0, hours: 1.0 }];
    }
    let model = fit(&data).unwrap();
    let rare = &model.references[3];
    let common = &model.references[0];
    assert!(rare.k.error / rare.k.value > 3.0 * common.k.error / common.k.value, "{rare:?}");
    assert!(rare.own < common.own, "{} {}", rare.own, common.own);
    let unseen = Observations { references: vec!["new".into()], ..Observations::default() };
    let interval = Interval {
        hours: 1.0,
        made: vec![Made { reference: 0, units: 999.0, hours: 1.0 }],
        ..Interval::default()
    };
    let expected = model.expected(&unseen, &interval);
    assert_eq!(expected.production, model.production_kw);
    assert!(!expected.is_valid);
    // Each reference uses 25 to 40 kW: so does the machine.
    assert!((25.0..40.0).contains(&model.production_kw), "{}", model.production_kw);
    // A run whose units nobody has counted yet counts by its hours.
    let open = Interval {
        hours: 1.0,
        made: vec![Made { reference: 1, units: 0.0, hours: 0.5 }],
        ..Interval::default()
    };
    let by_hours = model.expected(&data, &open).production;
    assert!((by_hours - 20.0).abs() < 1.0, "half an hour of 2 kWh x 20 an hour: {by_hours}");
}

#[test]
fn a_plant_that_counts_no_units_has_a_model_by_hours() {
    let mut data = factory(0.02, 4);
    for made in data.intervals.iter_mut().flat_map(|i| &mut i.made) {
        made.units = 0.0;
    }
    let model = fit(&data).unwrap();
    assert!(model.references.iter().all(|r| r.measure == Measure::Hours));
    for (got, want) in k(&model).iter().zip([30.0, 40.0, 25.0]) {
        assert!((got / want - 1.0).abs() < 0.03, "{got}, not {want}");
    }
}

#[test]
fn what_carries_no_model_is_refused_with_the_reason() {
    let reason = |data: &Observations| fit(data).unwrap_err().to_string();
    let mut short = factory(0.0, 5);
    short.intervals.truncate(20);
    assert!(reason(&short).contains("has 20 intervals"), "{}", reason(&short));
    let mut idle = factory(0.0, 5);
    idle.intervals.iter_mut().for_each(|i| i.made.clear());
    assert!(reason(&idle).contains("only 0 intervals of the baseline period have production"));
    let mut dead = factory(0.0, 5);
    dead.intervals.iter_mut().for_each(|i| i.energy = 0.0);
    assert!(reason(&dead).contains("counts nothing"));
    let mut stream = Stream::new(5, &["poor"]);
    let mut wild = factory(0.0, 5);
    wild.intervals.iter_mut().for_each(|i| i.energy = 40.0 * stream.heavy().abs().powi(2));
    assert!(reason(&wild).contains("explains too little"), "{}", reason(&wild));
    assert!(fit(&Observations::default()).is_err());
}

#[test]
fn parts_of_the_expected_add_up_and_parts_of_an_interval_too() {
    let data = factory(0.03, 6);
    let model = fit(&data).unwrap();
    for interval in &data.intervals {
        let whole = model.expected(&data, interval);
        let sum = whole.base + whole.resting + whole.production + whole.drivers;
        assert!((whole.energy - sum).abs() < 1e-9);
        let part = |share: f64| model.expected(&data, &interval.clone().measured(share)).energy;
        assert!((part(0.3) + part(0.7) - whole.energy).abs() < 1e-9 * whole.energy.abs());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Wh instead of kWh, and pieces instead of dozens, change nothing but the units of the figures.
    #[test]
    fn units_of_measurement_do_not_matter(seed in 0u64..1000, energy in 1e-3f64..1e3, pieces in 1e-2f64..1e2) {
        let data = factory(0.05, seed);
        let mut scaled = data.clone();
        for interval in &mut scaled.intervals {
            interval.energy *= energy;
            interval.made.iter_mut().for_each(|made| made.units *= pieces);
        }
        let (a, b) = (fit(&data).unwrap(), fit(&scaled).unwrap());
        for (a, b) in k(&a).into_iter().zip(k(&b)) {
            prop_assert!((b / (a * energy / pieces) - 1.0).abs() < 1e-5);
        }
        prop_assert!((b.base.value / (a.base.value * energy) - 1.0).abs() < 1e-5);
        prop_assert_eq!(fit(&data).unwrap(), a, "deterministic");
    }

    /// Whatever the numbers are, the answer is a model of finite numbers or a reason.
    #[test]
    fn any_data_gives_finite_numbers_or_a_reason(
        energies in proptest::collection::vec(prop_oneof![Just(f64::NAN), Just(f64::INFINITY), Just(0.0), Just(7.0), -1e9f64..1e12], 0..200),
        units in prop_oneof![Just(0.0), Just(1.0), 0f64..1e9],
        gap in 1usize..5,
    ) {
        let intervals = energies.iter().enumerate().map(|(i, &energy)| Interval {
            hours: if i % 7 == 0 { 0.0 } else { 1.0 },
            energy,
            made: if i % gap == 0 { vec![Made { reference: 0, units, hours: 0.5 }] } else { Vec::new() },
            resting: if i % 3 == 0 { vec![(0, 0.5)] } else { Vec::new() },
            drivers: vec![if i % 11 == 0 { f64::NAN } else { 3.0 }],
        }).collect();
        let data = Observations { references: vec!["a".into()], states: vec!["idle".into()], drivers: vec!["d".into()], intervals };
        if let Ok(model) = fit(&data) {
            prop_assert!(model.base.value.is_finite() && model.base.value >= 0.0);
            prop_assert!(model.base.error.is_finite() && model.production_kw.is_finite());
            for interval in &data.intervals {
                prop_assert!(model.expected(&data, interval).energy.is_finite());
            }
        }
    }
}

#[test]
fn why_there_is_no_model_is_said_in_each_language() {
    for refusal in [
        Refusal::TooShort { known: 7 },
        Refusal::NoProduction { producing: 7 },
        Refusal::NoEnergy,
        Refusal::Poor { cv_percent: 77.4 },
        Refusal::Numbers,
    ] {
        let [en, es] = [Language::En, Language::Es].map(|language| refusal.say(language));
        assert_eq!(en, refusal.to_string());
        assert!(es.contains("periodo de referencia") || es.contains("un 77 % de la media"), "{es}");
        // The same numbers, and as many of them.
        let numbers = |text: &str| -> Vec<String> {
            let digits = text.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty());
            digits.map(str::to_owned).collect()
        };
        assert_eq!(numbers(&en), numbers(&es));
    }
}
