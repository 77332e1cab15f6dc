use super::score::{Verdict, judge};
use super::*;
use crate::analytics::finding::{Finding, Kind};
use crate::analytics::settings::Settings;
use crate::simulate::{Options, Rarity, factory, write};

const HOUR: i64 = 3600;

fn finding(start: i64, end: i64) -> Finding {
    Finding {
        machine: "m".into(),
        sensor: "power".into(),
        kind: Kind::LevelShift,
        start,
        raised: start,
        end,
        is_open: false,
        severity: 9.0,
        energy_kwh: None,
        reason: String::new(),
    }
}

fn label(kind: &str, start: i64, end: i64) -> Label {
    Label { machine: "m".into(), kind: kind.into(), start, end }
}

#[test]
fn a_finding_must_touch_its_event_and_not_sprawl() {
    let labels = [label("drift", 10 * HOUR, 12 * HOUR), label("wrong_label", 40 * HOUR, 45 * HOUR)];
    let verdict = |start: i64, end: i64| judge(&finding(start * HOUR, end * HOUR), &labels);
    assert_eq!(verdict(11, 13), Verdict::Real(0));
    assert_eq!(verdict(8, 14), Verdict::Real(0));
    assert_eq!(verdict(7, 12), Verdict::False, "begins three hours before");
    assert_eq!(verdict(11, 15), Verdict::False, "ends three hours after");
    assert_eq!(verdict(13, 14), Verdict::False, "misses it");
    assert_eq!(verdict(41, 44), Verdict::Paperwork(1));
    let elsewhere = Finding { machine: "n".into(), ..finding(11 * HOUR, 12 * HOUR) };
    assert_eq!(judge(&elsewhere, &labels), Verdict::False);
}

fn simulated(seed: u64) -> Dataset {
    let options = Options {
        seed,
        machines: 2,
        days: 30,
        quiet_days: 14,
        severity: 1.0,
        rarity: Rarity::Dense,
        start: None,
        drift: None,
    };
    let directory = tempfile::tempdir().unwrap();
    write(&factory(&options), directory.path()).unwrap();
    read(directory.path()).unwrap()
}

#[test]
fn a_factory_is_watched_well_and_only_with_its_context() {
    let mut dataset = simulated(11);
    assert_eq!(dataset.machines.len(), 2);
    let settings = Settings::default();
    let (report, judged) = evaluate(&dataset, &settings);
    assert!(report.faults >= 7, "{report:?}");
    assert!(report.recall.unwrap() >= 0.8, "{report:?}");
    assert!(report.false_alarms_per_machine_week.unwrap() <= 0.5, "{report:?}");
    assert!(judged.iter().all(|item| item.finding.raised > item.finding.start));
    assert_eq!(evaluate(&dataset, &settings).1, judged, "the same data, the same findings");
    dataset.shuffle_references(1);
    let (shuffled, _) = evaluate(&dataset, &settings);
    assert!(shuffled.f1.unwrap() <= 0.5, "{shuffled:?}");
}

#[test]
fn energy_models_are_near_the_truth_and_their_cusum_finds_a_lasting_change() {
    let options = Options {
        seed: 12,
        machines: 2,
        days: 52,
        quiet_days: 14,
        severity: 0.0,
        rarity: Rarity::Rare,
        start: None,
        drift: Some(crate::simulate::Drift { size: 0.05, from_day: 42 }),
    };
    let directory = tempfile::tempdir().unwrap();
    write(&factory(&options), directory.path()).unwrap();
    let dataset = read(directory.path()).unwrap();
    assert_eq!(dataset.plant.len(), 1, "the outdoor thermometer");
    let truth = super::energy::truth(directory.path()).unwrap();
    assert!(truth.len() >= 10, "{}", truth.len());
    let settings = super::energy::Settings { baseline_days: 35, zone: chrono_tz::Europe::Madrid };
    let report = super::energy::evaluate(&dataset, &truth, &settings).unwrap();
    assert_eq!((report.models, report.refused), (2, 0));
    assert!(report.references >= 8, "{report:?}");
    assert!(report.median_error.unwrap() < 0.015, "{report:?}");
    assert!(report.cv_rmse_largest.unwrap() < 0.08, "{report:?}");
    assert!(report.cv_rmse_after_largest.unwrap() < 0.08, "{report:?}");
    assert_eq!((report.drifts, report.drifts_found), (2, 2), "{report:?}");
    assert!(report.drift_delays_days.iter().all(|days| *days <= 3.5), "{report:?}");
    // A machine whose truth is another one is seen as such.
    let wrong = truth.into_iter().map(|(key, k)| (key, k * 1.1)).collect();
    let report = super::energy::evaluate(&dataset, &wrong, &settings).unwrap();
    assert_eq!(report.within_3_percent, 0, "{report:?}");
}
