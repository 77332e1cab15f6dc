use super::score::{Verdict, judge};
use super::*;
use crate::analytics::finding::{Finding, Kind, Reason, Usual, What};
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
        reason: Reason {
            what: What::Rough("power".into()),
            usual: Usual::Past,
            from: None,
            minutes: None,
        },
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

fn published(directory: &str, format: Format) -> Report {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(directory);
    evaluate(&read(&path, format).unwrap(), &Settings::default()).0
}

#[test]
fn tennessee_eastman_faults_are_found_cell_by_cell() {
    let report = published("tep", Format::Tep);
    let samples = &report.samples;
    assert_eq!(samples.machines.len(), 11);
    assert_eq!(samples.machines["d01"].faulty_cells, 800);
    assert_eq!(samples.machines["d00"].normal_cells, 960);
    assert!(samples.fault_detection_rate.unwrap() >= 0.93, "{samples:?}");
    assert!(samples.false_alarm_rate.unwrap() <= 0.02, "{samples:?}");
    assert_eq!((report.found, report.false_alarms), (10, 0));
}

#[test]
fn a_table_on_its_side_is_the_same_table() {
    let directory = tempfile::tempdir().unwrap();
    // Variables in rows for the normal run and in columns for the test, as the .dat files have them.
    let value = |row: usize, variable: usize| (row * 7 + variable * 3) % 10;
    let line = |values: Vec<usize>| {
        values.iter().map(|value| format!("  {value}.0e+00")).collect::<String>() + "\n"
    };
    let turned: String =
        (0..52).map(|v| line((0..60).map(|row| value(row, v)).collect())).collect();
    std::fs::write(directory.path().join("d00.dat"), turned).unwrap();
    let upright: String =
        (0..200).map(|row| line((0..52).map(|v| value(row, v)).collect())).collect();
    std::fs::write(directory.path().join("d03_te.dat"), upright).unwrap();
    let dataset = read(directory.path(), Format::Tep).unwrap();
    let machine = &dataset.machines[0];
    assert_eq!((machine.key.as_str(), machine.sensors.len()), ("d03", 52));
    assert_eq!(machine.sensors[41].key, "XMV1");
    assert_eq!(machine.sensors[5].values[59], value(59, 5) as f64);
    assert_eq!(machine.sensors[5].values[60], value(0, 5) as f64);
    let (start, end) = machine.normal.unwrap();
    assert_eq!(end - start, 60 * 180);
    let [label] = dataset.labels.as_slice() else { panic!("{:?}", dataset.labels) };
    assert_eq!((label.start - end, label.end - end), (160 * 180, 200 * 180));
}

#[test]
fn the_numenta_series_are_scored() {
    let report = published("nab", Format::Nab);
    let nab = report.nab.unwrap();
    assert_eq!((nab.windows, nab.series.len()), (12, 4));
    assert!(nab.score >= 60.0, "{nab:?}");
}

#[test]
fn a_named_normal_stretch_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write("readings.csv", "time,machine,sensor,value\n2026-01-01T00:00:00Z,m,s,1\n");
    write("normal.csv", "machine,start,end\nm,2026-01-01T00:00:00Z,2026-01-02T00:00:00Z\n");
    let dataset = read(directory.path(), Format::Lotwise).unwrap();
    let (start, end) = dataset.machines[0].normal.unwrap();
    assert_eq!(end - start, 86_400);
    write("normal.csv", "machine,start,end\nm,2026-01-02T00:00:00Z,2026-01-01T00:00:00Z\n");
    let error = read(directory.path(), Format::Lotwise).unwrap_err();
    assert!(format!("{error:#}").contains("line 2: the end is not after the start"), "{error:#}");
}

#[test]
fn a_picture_shows_labels_and_findings() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/nab");
    let dataset = read(&path, Format::Nab).unwrap();
    let index = dataset.machines.iter().position(|machine| machine.key == "nyc_taxi").unwrap();
    let outcomes = judge_all(&dataset, &Settings::default());
    let svg = picture(&dataset, &dataset.machines[index], &outcomes[index]).unwrap();
    assert_eq!(svg.matches("fill=\"#dddddd\"").count(), 5, "five windows");
    assert_eq!(svg.matches("fill=\"#d62728\"").count(), outcomes[index].findings.len());
    assert!(svg.contains(">nyc_taxi, value<") && !svg.contains("NaN"), "{svg}");
    assert!(picture(&dataset, &Default::default(), &Default::default()).is_none());
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
    read(directory.path(), Format::Lotwise).unwrap()
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
    let whole = runs::evaluate(&dataset);
    dataset.shuffle_references(1);
    let (shuffled, _) = evaluate(&dataset, &settings);
    assert!(shuffled.f1.unwrap() <= 0.5, "{shuffled:?}");
    // The same for golden curves, run by run.
    let without = runs::evaluate(&dataset).golden_power;
    let with = whole.golden_power;
    assert!(with.recall.unwrap() >= 0.5 && with.false_alarm_rate.unwrap() <= 0.1, "{with:?}");
    assert!(without.recall.unwrap() <= 0.2, "{without:?}");
    assert!(whole.abnormal_runs.false_alarm_rate.unwrap() <= 0.05, "{:?}", whole.abnormal_runs);
}

#[test]
fn energy_models_are_near_the_truth_and_their_cusum_finds_a_lasting_change() {
    // A seed without a lot under a wrong reference, which no model could foresee.
    let options = Options {
        seed: 15,
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
    let dataset = read(directory.path(), Format::Lotwise).unwrap();
    assert_eq!(dataset.plant.len(), 1, "the outdoor thermometer");
    assert!(dataset.labels.iter().all(|label| label.kind != "wrong_label"));
    let mut truth = super::truth::truth(directory.path()).unwrap();
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
    // The picture: a dot a shift that is known, the change in grey, the CUSUM beyond its limit at the end.
    let machine = &report.machines[0];
    let svg = super::energy_picture(machine).unwrap();
    let known = machine.course.iter().filter(|c| c.actual.is_finite()).count();
    assert!(known > 100 && svg.matches("<circle").count() == known, "{known}");
    assert!(svg.contains("fill=\"#dddddd\"") && svg.contains("stroke-dasharray"));
    assert!(machine.course.last().unwrap().share > 1.0);
    assert_eq!(super::energy_picture(&super::energy::MachineReport::default()), None);
    // A machine whose truth is another one is seen as such.
    truth.scale(1.1);
    let report = super::energy::evaluate(&dataset, &truth, &settings).unwrap();
    assert_eq!(report.within_3_percent, 0, "{report:?}");
}

#[test]
fn the_truth_is_that_of_the_days_that_a_model_was_fitted_to() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write(
        "consumption.csv",
        "machine,reference,base_kw,kwh_per_unit,units,minutes\nm,A,1,0.5,9,9\nm,B,1,0.7,9,9\nm,C,1,,9,9\n",
    );
    let of = |reference: &str, second: i64| {
        super::truth::truth(directory.path()).unwrap().until("m", reference, second)
    };
    assert_eq!((of("A", 0), of("C", 0)), (Some(0.5), None), "all that is known");
    write(
        "consumption_days.csv",
        "machine,reference,day,kwh,units,minutes\n\
         m,A,1970-01-01T00:00:00Z,10,20,60\n\
         m,A,1970-01-02T00:00:00Z,30,40,60\n\
         m,A,1970-01-03T00:00:00Z,99,1,60\n",
    );
    assert_eq!(of("A", 86_399), None, "not a day yet");
    assert_eq!(of("A", 86_400), Some(0.5));
    assert_eq!(of("A", 3 * 86_400 - 1), Some(40.0 / 60.0), "two of the days");
    assert_eq!(of("B", 86_400), Some(0.7), "of another reference nothing more is known");
    write(
        "consumption_days.csv",
        "machine,reference,day,kwh,units\nm,A,1970-01-01T00:00:00Z,x,1\n",
    );
    let error = super::truth::truth(directory.path()).unwrap_err().to_string();
    assert!(error.contains("kwh is 'x', not a number"), "{error}");
}

#[test]
fn shifts_with_a_labelled_lot_or_fault_do_not_count_against_a_forecast() {
    // Shifts of eight hours; the third has a lot of another reference, the fifth a fault.
    let labels = [label("wrong_label", 17 * HOUR, 18 * HOUR), label("spike", 33 * HOUR, 34 * HOUR)];
    let labels: Vec<&Label> = labels.iter().collect();
    let watched = super::energy::Watched { labels: &labels, ends: 0 };
    let shift = |index: i64| super::energy::Course {
        from: 8 * index * HOUR,
        to: 8 * (index + 1) * HOUR,
        ..Default::default()
    };
    let labelled = |after: i64, others: &[&str]| -> Vec<i64> {
        (0..8).filter(|index| watched.is_labelled(&shift(*index), after, others)).collect()
    };
    assert_eq!(labelled(0, &["efficiency_loss"]), [2, 4]);
    assert_eq!(labelled(0, &["efficiency_loss", "wrong_label"]), [4], "an alarm there is false");
    assert_eq!(labelled(8 * HOUR, &["wrong_label"]), [4, 5], "an alarm after it may be its own");
}

#[test]
fn modes_take_hardly_any_running_for_idle_and_nearly_all_rest() {
    let options = Options {
        seed: 7,
        machines: 2,
        days: 24,
        quiet_days: 14,
        severity: 0.0,
        rarity: Rarity::Rare,
        start: None,
        drift: None,
    };
    let directory = tempfile::tempdir().unwrap();
    write(&factory(&options), directory.path()).unwrap();
    let mut dataset = read(directory.path(), Format::Lotwise).unwrap();
    let reports = super::modes::evaluate(&dataset);
    assert_eq!(reports.len(), 2);
    for it in &reports {
        // Nine or ten days of minutes, of which a factory runs about half.
        assert!(it.resting + it.running > 9 * 1_440 && it.running > 1_440, "{}", it.machine);
        assert!(
            it.resting_below as f64 > 0.93 * it.resting as f64,
            "{} {:?}",
            it.machine,
            it.modes
        );
        assert!(
            (it.running_below as f64) < 0.02 * it.running as f64,
            "{} {:?}",
            it.machine,
            it.modes
        );
        let svg = super::modes::picture(it).unwrap();
        assert!(svg.contains("#ff7f0e") && svg.contains("#1f77b4") && svg.contains("#d62728"));
    }
    // Without reported states nothing says what is right.
    dataset.machines[0].states.clear();
    assert_eq!(super::modes::evaluate(&dataset).len(), 1);
}
