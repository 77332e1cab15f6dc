use std::collections::HashMap;

use super::*;

fn options(seed: u64, rarity: Rarity) -> Options {
    Options {
        seed,
        machines: 2,
        days: 28,
        quiet_days: 10,
        severity: 1.0,
        rarity,
        start: None,
        drift: None,
    }
}

fn files(seed: u64) -> Vec<Vec<u8>> {
    let directory = tempfile::tempdir().unwrap();
    let small = Options { machines: 1, days: 12, quiet_days: 5, ..options(seed, Rarity::Dense) };
    write(&factory(&small), directory.path()).unwrap();
    ["readings.csv", "runs.csv", "states.csv", "labels.csv", "consumption.csv"]
        .map(|name| std::fs::read(directory.path().join(name)).unwrap())
        .into()
}

#[test]
fn the_files_of_a_seed_are_the_same_byte_for_byte() {
    let first = files(5);
    assert!(first.iter().all(|file| file.len() > 50));
    assert_eq!(first, files(5));
    assert_ne!(first, files(6));
}

#[test]
fn faults_are_labelled_apart_and_not_before_the_quiet_days() {
    let factory = factory(&options(3, Rarity::Dense));
    let faults: Vec<_> =
        factory.labels.iter().filter(|label| label.kind != "wrong_label").collect();
    // Two machines in 18 days at two a machine-week are ten.
    assert!((8..=10).contains(&faults.len()), "{}", faults.len());
    let first = factory.start + 10 * 86_400;
    assert!(faults.iter().all(|label| label.start >= first && label.end > label.start));
    for (index, a) in faults.iter().enumerate() {
        for b in &faults[index + 1..] {
            assert!(a.machine != b.machine || a.end < b.start || b.end < a.start);
        }
    }
}

#[test]
fn rare_means_at_most_a_fifth_of_a_fault_a_machine_week() {
    let factory = factory(&Options { days: 56, ..options(3, Rarity::Rare) });
    let faults = factory.labels.iter().filter(|label| label.kind != "wrong_label").count();
    assert!((1..=3).contains(&faults), "{faults} in 16 machine-weeks");
}

#[test]
fn severity_moves_the_faults_and_nothing_before_them() {
    let strong = factory(&Options { severity: 2.0, ..options(3, Rarity::Dense) });
    let usual = factory(&options(3, Rarity::Dense));
    let first = usual.start + 10 * 86_400;
    let early = |factory: &Factory| -> Vec<(i64, usize, f64)> {
        let before = factory.readings.iter().filter(|reading| reading.time < first);
        before.map(|reading| (reading.time, reading.sensor, reading.value)).collect()
    };
    assert_eq!(early(&strong), early(&usual));
    assert_ne!(strong.readings, usual.readings);
}

#[test]
fn readings_come_late_and_twice_and_leave_gaps() {
    let factory = factory(&options(4, Rarity::Dense));
    let late = factory.readings.windows(2).filter(|pair| pair[1].time < pair[0].time - 60).count();
    assert!(late > 10, "{late}");
    let mut seen: HashMap<(usize, i64), f64> = HashMap::new();
    let mut repeated = 0;
    for reading in &factory.readings {
        if let Some(value) = seen.insert((reading.sensor, reading.time), reading.value) {
            assert_eq!(value, reading.value, "a repeat changes nothing");
            repeated += 1;
        }
    }
    assert!(repeated > 10, "{repeated}");
    let power = factory.sensors.iter().position(|sensor| sensor.key == "power").unwrap();
    let times: std::collections::BTreeSet<i64> =
        seen.keys().filter(|(sensor, _)| *sensor == power).map(|(_, time)| *time).collect();
    assert!(times.len() < 28 * 1440, "gaps");
}

#[test]
fn the_energy_meter_integrates_the_power() {
    let factory = factory(&Options { severity: 0.0, ..options(7, Rarity::Rare) });
    let series = |key: &str| {
        let sensor = factory.sensors.iter().position(|sensor| sensor.key == key).unwrap();
        let mut rows: Vec<(i64, f64)> = (factory.readings.iter())
            .filter(|reading| reading.sensor == sensor)
            .map(|reading| (reading.time, reading.value))
            .collect();
        rows.sort_by_key(|row| row.0);
        rows.dedup_by_key(|row| row.0);
        rows
    };
    let power: f64 = {
        let rows = series("power");
        rows.iter().map(|row| row.1).sum::<f64>() / rows.len() as f64
    };
    // Over steps in which the register is not lost.
    let energy = series("energy");
    let (kwh, seconds) = energy
        .windows(2)
        .filter(|pair| pair[1].1 >= pair[0].1)
        .fold((0.0, 0), |sum, pair| (sum.0 + pair[1].1 - pair[0].1, sum.1 + pair[1].0 - pair[0].0));
    let mean = kwh * 3600.0 / seconds as f64;
    assert!((mean / power - 1.0).abs() < 0.03, "{mean} kW by the meter, {power} kW by the gauge");
}

#[test]
fn the_true_consumption_and_a_lasting_change_are_what_the_meter_sees() {
    let usual = factory(&Options { severity: 0.0, ..options(8, Rarity::Rare) });
    let drift = Some(Drift { size: 0.05, from_day: 20 });
    let lossy = factory(&Options { severity: 0.0, drift, ..options(8, Rarity::Rare) });
    let label = lossy.labels.iter().find(|label| label.kind == "efficiency_loss").unwrap();
    assert_eq!((label.start, label.size), (lossy.start + 20 * 86_400, 0.05));
    let running = |factory: &Factory, after: i64| {
        let power = factory.sensors.iter().position(|s| s.key == "power").unwrap();
        let machine = &factory.sensors[power].machine;
        let is_running = |time: i64| {
            let of = |s: &&super::factory::StateRecord| {
                s.machine == *machine && s.start + 600 < time && time < s.end
            };
            factory.states.iter().find(of).is_some_and(|s| s.state == "running")
        };
        let own = factory.readings.iter().filter(|r| r.sensor == power && r.time % 3600 < 60);
        let values: Vec<f64> =
            own.filter(|r| r.time > after && is_running(r.time)).map(|r| r.value).collect();
        values.iter().sum::<f64>() / values.len() as f64
    };
    let from = usual.start + 20 * 86_400;
    let ratio = running(&lossy, from) / running(&usual, from);
    assert!((ratio - 1.05).abs() < 0.005, "{ratio}");
    assert!(usual.consumption.len() >= 10, "two machines with five references or more");
    for it in &usual.consumption {
        assert!(it.kwh_per_unit > 0.0 && it.base_kw > 0.0 && it.units > 0.0, "{it:?}");
    }
}
