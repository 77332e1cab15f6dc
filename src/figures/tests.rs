use super::*;
use crate::catalog::Plant;
use crate::domain::tariff::{Period, Quarter, Rule, Terms};
use crate::domain::{Bucket, Calendar};
use crate::plan::{KpiGroup, KpiWindow, PlantRates, SeriesKey, Slices, Valid, Window};

fn at(hour: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_772_409_600 + hour * 3600, 0).unwrap()
}

fn hours(from: i64, to: i64) -> TimeRange {
    TimeRange::new(at(from), at(to)).unwrap()
}

fn sensor(id: i32, quantity: &str, unit: &str, kind: SensorKind) -> Sensor {
    Sensor {
        id,
        plant: 1,
        line: Some(1),
        machine: None,
        key: format!("s{id}"),
        name: String::new(),
        quantity: quantity.into(),
        unit: unit.into(),
        kind,
        interval_s: 60.0,
        max_gap_s: 300.0,
        rollover: None,
        parent: None,
    }
}

fn cell(window: usize, bucket: usize) -> Cell {
    Cell {
        window,
        bucket,
        integral: 0.0,
        amount: None,
        covered_s: 0.0,
        count: 0,
        sum: 0.0,
        min: None,
        max: None,
        first: None,
        last: None,
    }
}

fn run(from: i64, to: Option<i64>, good: f64) -> Run {
    Run {
        key: "r".into(),
        plant: 1,
        line: 1,
        machine: None,
        lot: "l".into(),
        reference: "f".into(),
        reference_name: "f".into(),
        operator: None,
        started_at: at(from),
        ended_at: to.map(at),
        good_units: Some(good),
        scrap_units: Some(good / 10.0),
    }
}

/// Two buckets of two hours; the meter's group is made from hour 1 to hour 3.
fn plan<'a>(sensors: &[(&'a Sensor, Role)], runs: Vec<(usize, TimeRange)>) -> KpiPlan<'a> {
    let window = |&(sensor, role)| {
        let range = if role == Role::Total { hours(0, 4) } else { hours(1, 3) };
        KpiWindow { window: Window { sensor, range }, role }
    };
    KpiPlan {
        windows: sensors.iter().map(window).collect(),
        groups: vec![KpiGroup { labels: vec![], name: "g".into(), runs }],
        machine_time: vec![],
        units: true,
        slices: Slices::of_buckets(&[at(0), at(2), at(4)]),
        edges: vec![at(0), at(2), at(4)],
        bucket: Bucket::Width(7200),
        balanced: sensors.iter().any(|s| s.1 == Role::Total),
        reason: String::new(),
        notices: vec![],
        found: Default::default(),
    }
}

#[test]
fn ratios_are_of_sums_and_what_is_left_is_unallocated() {
    let meter = sensor(1, "energy", "MWh", SensorKind::Counter);
    let main = sensor(2, "power", "W", SensorKind::Gauge);
    let plan = plan(&[(&meter, Role::Energy(0)), (&main, Role::Total)], vec![(0, hours(1, 3))]);
    let cells = [
        Cell { amount: Some(0.006), covered_s: 3600.0, ..cell(0, 0) },
        Cell { amount: Some(0.004), covered_s: 1800.0, ..cell(0, 1) },
        // 5 kW for two hours: 10 kWh.
        Cell { integral: 5000.0 * 7200.0, covered_s: 7200.0, ..cell(1, 0) },
    ];
    let runs = [run(1, Some(3), 8.0)];
    let kpi = kpi(&plan, &runs, &cells, at(9));
    let [first, second] = kpi.groups[0][..] else { panic!() };
    assert_eq!((first.energy, second.energy), (Some(6.0), Some(4.0)));
    // Half of the run lies in each bucket.
    assert_eq!((first.good_units, first.scrap_units), (4.0, 0.4));
    assert_eq!(first.energy_per_good_unit(), Some(1.5));
    assert_eq!((first.coverage, second.coverage), (Some(1.0), Some(0.5)));
    assert_eq!(kpi.coverage, Some(0.75));
    let unallocated: Vec<_> = kpi.unallocated.iter().map(|f| (f.energy, f.cost)).collect();
    assert_eq!(unallocated, [(Some(4.0), None), (None, None)]);
    assert!(!first.provisional);
}

#[test]
fn without_units_or_data_there_is_no_ratio_and_no_zero() {
    let meter = sensor(1, "energy", "kWh", SensorKind::Counter);
    let plan = plan(&[(&meter, Role::Energy(0))], vec![]);
    let cells = [Cell { amount: Some(3.0), ..cell(0, 0) }];
    let kpi = kpi(&plan, &[], &cells, at(9));
    assert_eq!(kpi.groups[0][0].energy_per_good_unit(), None);
    assert_eq!(kpi.groups[0][1].energy, None);
    assert!(kpi.unallocated.is_empty());
}

#[test]
fn units_that_nobody_counted_are_not_known() {
    let meter = sensor(1, "energy", "kWh", SensorKind::Counter);
    let made = vec![(0, hours(1, 3)), (1, hours(1, 3))];
    let units = |runs: [Run; 2]| {
        let kpi = kpi(&plan(&[(&meter, Role::Energy(0))], made.clone()), &runs, &[], at(9));
        let first = kpi.groups[0][0];
        (first.good_units(), first.scrap_units())
    };
    let counted = run(1, Some(3), 8.0);
    let good_only = Run { scrap_units: None, ..counted.clone() };
    let uncounted = Run { good_units: None, ..good_only.clone() };
    // Half of each run lies in the first bucket.
    assert_eq!(units([uncounted.clone(), uncounted.clone()]), (None, None));
    assert_eq!(units([uncounted, good_only.clone()]), (Some(4.0), None));
    assert_eq!(units([good_only, counted]), (Some(8.0), Some(0.4)));
    let kpi = kpi(&plan(&[(&meter, Role::Energy(0))], vec![]), &[], &[], at(9));
    assert_eq!(kpi.groups[0][0].good_units(), Some(0.0), "nothing was made");
}

#[test]
fn an_open_run_makes_a_figure_provisional() {
    let meter = sensor(1, "energy", "kWh", SensorKind::Counter);
    let plan = plan(&[(&meter, Role::Energy(0))], vec![(0, hours(1, 3))]);
    let kpi = kpi(&plan, &[run(1, None, 6.0)], &[], at(4));
    assert!(kpi.groups[0][0].provisional);
    // One of the three hours that it has lasted.
    assert_eq!(kpi.groups[0][0].good_units, 2.0);
}

#[test]
fn temperatures_are_weighted_by_time() {
    let one = sensor(1, "temperature", "°C", SensorKind::Gauge);
    let two = sensor(2, "temperature", "°C", SensorKind::Gauge);
    let plan = plan(&[(&one, Role::Temperature(0)), (&two, Role::Temperature(0))], vec![]);
    let cells = [
        Cell { integral: 20.0 * 3000.0, covered_s: 3000.0, ..cell(0, 0) },
        Cell { integral: 80.0 * 1000.0, covered_s: 1000.0, ..cell(1, 0) },
    ];
    let kpi = kpi(&plan, &[], &cells, at(9));
    assert_eq!(kpi.groups[0][0].mean_temperature, Some(35.0));
}

fn series_of(sensors: &[&Sensor], aggregate: Aggregate, cells: &[Cell]) -> Values {
    let plan = SeriesPlan {
        windows: sensors.iter().map(|&sensor| Window { sensor, range: hours(0, 4) }).collect(),
        series_of: vec![0; sensors.len()],
        series: vec![SeriesKey { labels: vec![], name: String::new(), unit: String::new() }],
        edges: vec![at(0), at(2), at(4)],
        bucket: Bucket::Width(7200),
        aggregate,
        reason: String::new(),
        notices: vec![],
    };
    series(&plan, cells).remove(0)
}

#[test]
fn powers_of_a_group_add_up_and_temperatures_do_not() {
    let cells = [
        Cell { integral: 30.0 * 7200.0, covered_s: 7200.0, count: 1, ..cell(0, 0) },
        Cell { integral: 10.0 * 3600.0, covered_s: 3600.0, count: 1, ..cell(1, 0) },
    ];
    let mean = |quantity, unit| {
        let (a, b) = (
            sensor(1, quantity, unit, SensorKind::Gauge),
            sensor(2, quantity, unit, SensorKind::Gauge),
        );
        series_of(&[&a, &b], Aggregate::Mean, &cells)
    };
    assert_eq!(mean("power", "kW"), [Some(40.0), None]);
    let pooled = (30.0 * 7200.0 + 10.0 * 3600.0) / 10_800.0;
    assert_eq!(mean("temperature", "°C"), [Some(pooled), None]);
}

#[test]
fn readings_too_far_apart_to_cover_time_still_have_a_mean_and_ends() {
    let gauge = sensor(1, "temperature", "°C", SensorKind::Gauge);
    let cells = [Cell {
        count: 2,
        sum: 30.0,
        min: Some(10.0),
        max: Some(20.0),
        first: Some((1.0, 20.0)),
        last: Some((2.0, 10.0)),
        ..cell(0, 0)
    }];
    let value = |aggregate| series_of(&[&gauge], aggregate, &cells)[0];
    assert_eq!(value(Aggregate::Mean), Some(15.0));
    assert_eq!((value(Aggregate::Min), value(Aggregate::Max)), (Some(10.0), Some(20.0)));
    assert_eq!((value(Aggregate::First), value(Aggregate::Last)), (Some(20.0), Some(10.0)));
    assert_eq!(value(Aggregate::Count), Some(2.0));
    assert_eq!(value(Aggregate::Sum), None);
}

#[test]
fn cost_is_energy_times_the_price_of_its_time_and_parts_add_up() {
    let meter = sensor(1, "energy", "kWh", SensorKind::Counter);
    let main = sensor(2, "energy", "kWh", SensorKind::Counter);
    let mut plan = plan(&[(&meter, Role::Energy(0)), (&main, Role::Total)], vec![(0, hours(1, 3))]);
    // Hour 0 is 00:00Z on 2 March 2026, 01:00 in Madrid: 0.10 up to 02:00, 0.30 up to 04:00, then 0.50.
    let period = |name: &str, price: f64| Period {
        period: name.into(),
        price_per_kwh: price,
        contracted_kw: None,
        price_per_kw_year: None,
        excess_price_per_kw: None,
    };
    let rule = |to: &str, period: &str| Rule {
        months: vec![],
        days: vec![],
        from: Quarter::START,
        to: to.parse().unwrap(),
        period: period.into(),
    };
    let periods = vec![period("a", 0.1), period("b", 0.3), period("c", 0.5)];
    let rules = [rule("02:00", "a"), rule("04:00", "b"), rule("24:00", "c")];
    let from = "2026-03-01".parse().unwrap();
    let rates = PlantRates {
        currency: "EUR".into(),
        tariffs: vec![Valid { from, to: None, what: Terms::new(periods, &rules, []).unwrap() }],
        location_based: vec![Valid { from, to: None, what: 0.2 }],
        market_based: vec![],
    };
    let zone = chrono_tz::Europe::Madrid;
    let calendar = Calendar { zone, shifts: vec![] };
    let madrid = Plant { id: 1, key: "madrid".into(), name: String::new(), calendar };
    plan.price(&BTreeMap::from([(1, rates)]), &[&madrid], at(9));
    assert_eq!(plan.slices.cuts, [0, 1, 2, 3, 4].map(at));
    let kwh = |window, slice, kwh| Cell { amount: Some(kwh), ..cell(window, slice) };
    let cells = [
        kwh(0, 1, 2.0),
        kwh(0, 2, 3.0),
        kwh(1, 0, 10.0),
        kwh(1, 1, 10.0),
        kwh(1, 2, 10.0),
        kwh(1, 3, 10.0),
    ];
    let kpi = kpi(&plan, &[run(1, Some(3), 8.0)], &cells, at(9));
    let near =
        |got: Option<f64>, want: f64| assert!((got.unwrap() - want).abs() < 1e-12, "{got:?}");
    let [first, second] = kpi.groups[0][..] else { panic!() };
    near(first.cost, 2.0 * 0.3);
    near(second.cost, 3.0 * 0.3);
    near(first.cost_per_good_unit(), 0.6 / 4.0);
    near(first.co2, 0.4);
    near(second.co2_per_good_unit(), 0.6 / 4.0);
    // The whole costs 10 x (0.1 + 0.3) and 10 x (0.3 + 0.5).
    near(kpi.unallocated[0].cost, 4.0 - 0.6);
    near(kpi.unallocated[1].cost, 8.0 - 0.9);
    near(kpi.unallocated[1].co2, 4.0 - 0.6);
    assert_eq!((first.co2_market_based, kpi.unallocated[0].co2_market_based), (None, None));
    assert!(kpi.missing.price.is_empty() && kpi.missing.market_based.contains(&1));
}

#[test]
fn energy_without_a_price_makes_the_cost_unknown_and_not_zero() {
    let meter = sensor(1, "energy", "kWh", SensorKind::Counter);
    let plan = plan(&[(&meter, Role::Energy(0)), (&meter, Role::Total)], vec![]);
    let cells =
        [Cell { amount: Some(3.0), ..cell(0, 0) }, Cell { amount: Some(4.0), ..cell(1, 0) }];
    let kpi = kpi(&plan, &[], &cells, at(9));
    let [first, second] = kpi.groups[0][..] else { panic!() };
    assert_eq!((first.energy, first.cost, first.co2), (Some(3.0), None, None));
    assert_eq!((second.energy, second.cost), (None, None));
    assert_eq!((kpi.unallocated[0].energy, kpi.unallocated[0].cost), (Some(1.0), None));
    assert_eq!(kpi.missing.price, [1].into());
}
