use std::collections::HashMap;

use crate::analytics::finding::Finding;
use crate::analytics::history;
use crate::analytics::monitor::monitor;
use crate::analytics::settings::Settings;

use super::layout::{PLANTS, SHIFTS};
use super::sensors::Measures;
use super::*;

/// Monday, 2 November 2026, 00:00 UTC.
const MONDAY: i64 = 1_793_577_600;
const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

/// Values of one sensor, by second.
fn series(
    simulation: &Simulation,
    plant: usize,
    readings: &[Reading],
    key: &str,
) -> Vec<(i64, f64)> {
    let sensor = simulation.sensors(plant).iter().position(|sensor| sensor.key == key).unwrap();
    readings.iter().filter(|r| r.sensor == sensor).map(|r| (r.second, r.value)).collect()
}

/// Sum of a counter's increments; after a fall the register has begun again at 0.
fn increments(counter: &[(i64, f64)]) -> f64 {
    counter.windows(2).map(|w| if w[1].1 < w[0].1 { w[1].1 } else { w[1].1 - w[0].1 }).sum()
}

#[test]
fn the_factory_is_as_large_as_promised() {
    let simulation = Simulation::new(7);
    let lines: usize = PLANTS.iter().map(|plant| plant.lines.len()).sum();
    let machines: usize =
        PLANTS.iter().flat_map(|plant| plant.lines).map(|line| line.machines.len()).sum();
    let references: usize =
        PLANTS.iter().flat_map(|plant| plant.lines).map(|line| line.references.len()).sum();
    let sensors: usize = (0..PLANTS.len()).map(|plant| simulation.sensors(plant).len()).sum();
    assert_eq!((PLANTS.len(), lines, machines, references, sensors), (2, 5, 15, 30, 60));
    assert_eq!(SHIFTS.len(), 3);
}

#[test]
fn keys_are_unique_and_parents_come_first() {
    let simulation = Simulation::new(7);
    for plant in 0..PLANTS.len() {
        let mut seen: HashMap<&str, &Sensor> = HashMap::new();
        for sensor in simulation.sensors(plant) {
            if let Some(parent) = &sensor.parent {
                let parent = seen[parent.as_str()];
                assert_eq!(
                    parent.quantity(),
                    sensor.quantity(),
                    "{} is part of another quantity",
                    sensor.key
                );
            }
            assert!(seen.insert(&sensor.key, sensor).is_none(), "{} occurs twice", sensor.key);
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_data_however_it_is_asked_for() {
    let whole = Simulation::new(3).readings(0, MONDAY, MONDAY + 8 * HOUR, 300);
    let mut pieces = Simulation::new(3);
    // Backwards, so that nothing can depend on what was computed before.
    let late = pieces.readings(0, MONDAY + 5 * HOUR, MONDAY + 8 * HOUR, 300);
    let mut joined = pieces.readings(0, MONDAY, MONDAY + 5 * HOUR, 300);
    joined.extend(late);
    assert_eq!(whole, joined);
    assert_eq!(
        Simulation::new(3).runs(0, MONDAY, MONDAY + DAY, MONDAY + DAY),
        pieces.runs(0, MONDAY, MONDAY + DAY, MONDAY + DAY)
    );
    assert_ne!(whole, Simulation::new(4).readings(0, MONDAY, MONDAY + 8 * HOUR, 300));
}

#[test]
fn counters_are_the_integral_of_power() {
    let mut simulation = Simulation::new(7);
    for plant in 0..PLANTS.len() {
        // Over a week and its end, in which registers begin again.
        let readings = simulation.readings(plant, MONDAY - 60, MONDAY + 8 * DAY, 60);
        let pairs: Vec<(String, String)> = (simulation.sensors(plant).iter())
            .filter(|sensor| sensor.quantity().0 == "energy")
            .map(|sensor| {
                (
                    sensor.key.clone(),
                    sensor.key.replace("-energy", "-power").replace("-main", "-power"),
                )
            })
            .collect();
        assert!(pairs.len() >= 6);
        for (counter, gauge) in pairs {
            let energy = increments(&series(&simulation, plant, &readings, &counter));
            let power = series(&simulation, plant, &readings, &gauge);
            let integral: f64 = power[..power.len() - 1].iter().map(|(_, kw)| kw / 60.0).sum();
            assert!(
                (energy / integral - 1.0).abs() < 1e-4,
                "{counter}: {energy} kWh, {gauge}: {integral} kWh"
            );
        }
    }
}

#[test]
fn meters_add_up_but_for_what_is_not_metered() {
    let mut simulation = Simulation::new(7);
    let readings = simulation.readings(0, MONDAY, MONDAY + 7 * DAY, 60);
    let energy = |key: &str| increments(&series(&simulation, 0, &readings, key));
    let lines: f64 = ["M1-energy", "M2-energy", "M3-energy"].map(energy).iter().sum();
    let base = 1.0 - lines / energy("madrid-main");
    assert!((0.05..0.3).contains(&base), "base load is {base} of the plant");
    let presses = energy("M1-press-1-energy") + energy("M1-press-2-energy");
    let share = presses / energy("M1-energy");
    assert!((0.7..0.85).contains(&share), "the presses take {share} of line M1");
}

#[test]
fn one_meter_forgets_and_the_others_do_not() {
    let mut simulation = Simulation::new(7);
    let readings = simulation.readings(0, MONDAY + 60, MONDAY + 27 * DAY, 600);
    let mut falls: HashMap<String, usize> = HashMap::new();
    for sensor in simulation.sensors(0).iter().filter(|sensor| sensor.is_counter()) {
        let counter = series(&simulation, 0, &readings, &sensor.key);
        falls.insert(sensor.key.clone(), counter.windows(2).filter(|w| w[1].1 < w[0].1).count());
    }
    let forgetful = falls.remove("M1-press-2-energy").unwrap();
    assert!((1..=4).contains(&forgetful), "{forgetful} resets in four weeks");
    // Others are at most exchanged, once a year.
    assert!(falls.values().all(|&count| count <= 1), "{falls:?}");
}

#[test]
fn runs_never_overlap_and_keys_are_unique() {
    let mut simulation = Simulation::new(11);
    for (plant, spec) in PLANTS.iter().enumerate() {
        let runs = simulation.runs(plant, MONDAY - 28 * DAY, MONDAY + 28 * DAY, MONDAY + 28 * DAY);
        let mut keys: Vec<&str> = runs.iter().map(|run| run.key.as_str()).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), runs.len());
        for line in spec.lines {
            let own: Vec<&RunRecord> = runs.iter().filter(|run| run.line == line.key).collect();
            assert!(own.len() > 60, "{} runs on {} in eight weeks", own.len(), line.key);
            for pair in own.windows(2) {
                assert!(
                    pair[0].ended.unwrap() <= pair[1].started,
                    "{} and {}",
                    pair[0].key,
                    pair[1].key
                );
            }
            let lots: std::collections::HashSet<&str> =
                own.iter().map(|run| run.lot.as_str()).collect();
            assert!(lots.len() < own.len(), "no lot of {} has two runs", line.key);
        }
        for run in &runs {
            assert!(run.good > 0.0 && run.scrap >= 0.0 && run.scrap < 0.1 * run.good, "{run:?}");
            let hours = (run.ended.unwrap() - run.started) as f64 / HOUR as f64;
            assert!((1.0..9.0).contains(&hours), "{} lasts {hours} h", run.key);
        }
    }
}

#[test]
fn states_cover_all_time_without_overlap() {
    let mut simulation = Simulation::new(7);
    let (from, to) = (MONDAY + 10 * HOUR, MONDAY + 9 * DAY + 30);
    for (plant, spec) in PLANTS.iter().enumerate() {
        let states = simulation.states(plant, from, to, to);
        for machine in spec.lines.iter().flat_map(|line| line.machines) {
            let own: Vec<&StateRecord> =
                states.iter().filter(|state| state.machine == machine.key).collect();
            assert!(own[0].started <= from);
            for pair in own.windows(2) {
                assert_eq!(pair[0].ended, Some(pair[1].started), "{}", machine.key);
            }
            assert_eq!(own.last().unwrap().ended, None, "the state at the end lasts");
        }
    }
}

#[test]
fn what_is_open_at_one_moment_is_closed_by_a_later_one() {
    let mut simulation = Simulation::new(7);
    let now = MONDAY + 34 * HOUR;
    let open: Vec<RunRecord> = simulation.runs(0, now - 60, now, now);
    let open: Vec<RunRecord> = open.into_iter().filter(|run| run.ended.is_none()).collect();
    assert!(!open.is_empty(), "nothing runs on a Tuesday at 11:00");
    let later = simulation.runs(0, now, now + 12 * HOUR, now + 12 * HOUR);
    for run in open {
        let closed = later.iter().find(|other| other.key == run.key).unwrap();
        assert!(
            closed.ended.unwrap() > now && closed.good >= run.good && closed.started == run.started
        );
    }
}

#[test]
fn at_the_weekend_only_the_base_load_is_left() {
    let mut simulation = Simulation::new(7);
    let sunday = MONDAY + 6 * DAY;
    for (plant, spec) in PLANTS.iter().enumerate() {
        assert_eq!(simulation.runs(plant, sunday, sunday + DAY, sunday + DAY), []);
        let key = format!("{}-power", spec.key);
        let mut mean = |from: i64| {
            let readings = simulation.readings(plant, from, from + 8 * HOUR, 60);
            let values = series(&simulation, plant, &readings, &key);
            values.iter().map(|(_, kw)| kw).sum::<f64>() / values.len() as f64
        };
        let (sunday, tuesday) = (mean(sunday + 8 * HOUR), mean(MONDAY + 32 * HOUR));
        assert!(sunday < 0.2 * tuesday, "{key}: {sunday} kW on Sunday, {tuesday} kW on Tuesday");
    }
}

#[test]
fn each_reference_has_a_specific_energy_of_its_own() {
    let mut simulation = Simulation::new(7);
    let weeks = 8;
    for (plant, spec) in PLANTS.iter().enumerate() {
        let (from, to) = (MONDAY, MONDAY + weeks * 7 * DAY);
        let readings = simulation.readings(plant, from, to, 60);
        let runs = simulation.runs(plant, from, to, to);
        for (line, signatures) in spec.lines.iter().zip(simulation.signatures(plant)) {
            let energy = series(&simulation, plant, &readings, &format!("{}-energy", line.key));
            let at = |second: i64| ((second - from) / 60 - 1) as usize;
            let mut found: Vec<(f64, f64)> = Vec::new();
            for (reference, signature) in line.references.iter().zip(signatures) {
                let own: Vec<&RunRecord> = (runs.iter())
                    .filter(|run| {
                        run.line == line.key && run.reference == reference.0 && run.ended.is_some()
                    })
                    .collect();
                assert!(own.len() >= 3, "{} was made {} times", reference.0, own.len());
                let specific: Vec<f64> = (own.iter())
                    .map(|run| {
                        increments(&energy[at(run.started)..=at(run.ended.unwrap())])
                            / (run.good + run.scrap)
                    })
                    .collect();
                let mean = specific.iter().sum::<f64>() / specific.len() as f64;
                let worst =
                    specific.iter().map(|value| (value / mean - 1.0).abs()).fold(0.0, f64::max);
                assert!(worst < 0.15, "{} strays by {worst}", reference.0);
                // Breaks, stops and auxiliaries come on top of the signature.
                let overhead = mean / signature.kwh_per_unit;
                assert!((1.02..1.20).contains(&overhead), "{}: overhead {overhead}", reference.0);
                found.push((signature.kwh_per_unit, mean));
            }
            found.sort_by(|a, b| a.0.total_cmp(&b.0));
            assert!(
                found.windows(2).all(|w| w[1].0 / w[0].0 > 1.08),
                "signatures of {}: {found:?}",
                line.key
            );
            assert!(
                found.windows(2).all(|w| w[1].1 / w[0].1 > 1.03),
                "energies of {}: {found:?}",
                line.key
            );
        }
    }
}

#[test]
fn values_are_finite_and_plausible() {
    let mut simulation = Simulation::new(5);
    for plant in 0..PLANTS.len() {
        // Through the end of summer time, 25 October 2026.
        for reading in simulation.readings(plant, MONDAY - 9 * DAY, MONDAY - 6 * DAY, 60) {
            let sensor = &simulation.sensors(plant)[reading.sensor];
            let range = match sensor.measures {
                Measures::PlantPower => 15.0..700.0,
                Measures::LinePower(_) => 0.5..320.0,
                Measures::MachinePower(..) => 0.1..150.0,
                Measures::Temperature(..) => 10.0..320.0,
                Measures::Ambient => -10.0..45.0,
                Measures::Pressure => 5.8..7.4,
                Measures::PlantEnergy | Measures::LineEnergy(_) | Measures::MachineEnergy(..) => {
                    0.0..4e6
                }
                Measures::Output(_) => 0.0..2e7,
            };
            assert!(
                range.contains(&reading.value),
                "{} = {} at {}",
                sensor.key,
                reading.value,
                reading.second
            );
        }
    }
}

#[test]
fn production_follows_the_plants_clock_over_both_changes() {
    let mut simulation = Simulation::new(7);
    // Mondays after the clocks changed: 30 March 2026 (UTC+2 in Madrid) and 26 October (UTC+1).
    for (midnight_utc, offset) in [(1_774_828_800, 2), (1_792_972_800, 1)] {
        let six = midnight_utc + (6 - offset) * HOUR;
        let states = simulation.states(0, six - HOUR, six + 1, six + 1);
        assert!(states.iter().any(|state| state.started == six), "nobody starts at 06:00");
        assert!(states.iter().all(|state| state.started == six || state.state == State::Off));
    }
}

#[test]
fn three_weeks_of_ten_have_a_fault_of_every_kind() {
    let mut simulation = Simulation::new(7);
    let (from, to) = (MONDAY, MONDAY + 70 * DAY);
    let all: Vec<FaultRecord> =
        (0..PLANTS.len()).flat_map(|plant| simulation.faults(plant, from, to)).collect();
    // Fifteen machines, ten weeks: 45, give or take two standard deviations of 5.6.
    assert!((34..=56).contains(&all.len()), "{}", all.len());
    assert!(all.iter().all(|fault| fault.ended - fault.started >= 90 * 60));
    let count = |is: fn(&FaultKind) -> bool| all.iter().filter(|fault| is(&fault.kind)).count();
    let counts = [
        count(|kind| matches!(kind, FaultKind::Friction(_))),
        count(|kind| matches!(kind, FaultKind::LeftOn(_))),
        count(|kind| matches!(kind, FaultKind::Overheating(_))),
        count(|kind| matches!(kind, FaultKind::StuckThermometer)),
    ];
    assert!(counts.iter().all(|count| *count >= 2), "{counts:?}");
    assert_eq!(counts.iter().sum::<usize>(), all.len());
}

/// What a new user sees in Madrid: most of what is planted, and not much else.
#[test]
fn the_detectors_find_what_is_planted() {
    const STEP: i64 = 300;
    let mut simulation = Simulation::new(7);
    let (from, to) = (MONDAY, MONDAY + 30 * DAY);
    let judged = from + 11 * DAY;
    let (mut planted, mut found, mut raised, mut real) = (0, 0, 0, 0);
    for (plant, spec) in PLANTS.iter().enumerate().take(1) {
        let readings = simulation.readings(plant, from - 1, to, STEP);
        let runs = simulation.runs(plant, from, to, to);
        let states = simulation.states(plant, from, to, to);
        let faults = simulation.faults(plant, judged, to);
        for (line, machine) in
            spec.lines.iter().flat_map(|line| line.machines.iter().map(move |m| (line, m)))
        {
            let sensor = |what: &str, quantity| {
                let key = format!("{}-{what}", machine.key);
                let series = series(&simulation, plant, &readings, &key);
                history::Sensor {
                    quantity,
                    unit: String::new(),
                    kind: history::Kind::Gauge,
                    to_kilo: 1.0,
                    times: series.iter().map(|(second, _)| *second).collect(),
                    values: series.iter().map(|(_, value)| *value).collect(),
                    key,
                }
            };
            let history = history::Machine {
                key: machine.key.to_owned(),
                sensors: vec![
                    sensor("power", history::Quantity::Power),
                    sensor("temperature", history::Quantity::Temperature),
                ],
                runs: (runs.iter().filter(|run| run.line == line.key))
                    .map(|run| history::Run {
                        key: run.key.clone(),
                        reference: run.reference.to_owned(),
                        start: run.started,
                        end: run.ended.unwrap_or(to),
                        good_units: Some(run.good),
                        scrap_units: Some(run.scrap),
                    })
                    .collect(),
                states: (states.iter().filter(|state| state.machine == machine.key))
                    .map(|state| history::Span {
                        state: serde_json::to_value(state.state).unwrap().as_str().unwrap().into(),
                        start: state.started,
                        end: state.ended.unwrap_or(to),
                    })
                    .collect(),
                normal: None,
            };
            let findings = monitor(&history, &Settings::default()).findings;
            let own: Vec<&FaultRecord> =
                faults.iter().filter(|fault| fault.machine == machine.key).collect();
            let meets = |finding: &Finding, fault: &FaultRecord| {
                finding.start < fault.ended + HOUR && finding.end > fault.started
            };
            planted += own.len();
            found += own.iter().filter(|f| findings.iter().any(|found| meets(found, f))).count();
            let late = findings.iter().filter(|finding| finding.start >= judged);
            for finding in late {
                raised += 1;
                let is_real = own.iter().any(|fault| meets(finding, fault));
                real += usize::from(is_real);
                if !is_real {
                    println!("not planted: {finding:?}");
                }
            }
        }
    }
    println!("{found} of {planted} found, {real} of {raised} real");
    assert!(planted >= 6 && 10 * found >= 7 * planted, "{found} of {planted}");
    assert!(2 * real >= raised, "{real} of {raised}");
}
