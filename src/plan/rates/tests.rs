use super::*;
use crate::domain::Calendar;
use crate::domain::tariff::{Period, Rule};

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// 0.30 from 08:00 to 22:00, else 0.10; holidays all day 0.05.
fn terms(factor: f64, holidays: &[&str]) -> Terms {
    let periods = [("day", 0.30), ("night", 0.10), ("holiday", 0.05)].map(|(name, price)| {
        serde_json::from_value::<Period>(
            serde_json::json!({"period": name, "price_per_kwh": price * factor}),
        )
        .unwrap()
    });
    let rules: Vec<Rule> = serde_json::from_value(serde_json::json!([
        {"days": ["holiday"], "period": "holiday"},
        {"from": "08:00", "to": "22:00", "period": "day"},
        {"period": "night"}
    ]))
    .unwrap();
    Terms::new(periods.to_vec(), &rules, holidays.iter().map(|d| day(d))).unwrap()
}

fn plant(id: i32, zone: Tz) -> Plant {
    let calendar = Calendar { zone, shifts: vec![] };
    Plant { id, key: format!("p{id}"), name: String::new(), calendar }
}

fn rates(tariffs: Vec<Valid<Terms>>) -> PlantRates {
    PlantRates { currency: "EUR".into(), tariffs, ..PlantRates::default() }
}

fn prices(rates: &PlantRates, from: &str, to: &str) -> Vec<(DateTime<Utc>, Option<f64>)> {
    let range = TimeRange::new(at(from), at(to)).unwrap();
    let steps = rates.steps(chrono_tz::Europe::Madrid, range);
    steps.into_iter().map(|(start, rate)| (start, rate.price)).collect()
}

#[test]
fn prices_follow_the_clock_of_the_plant_across_a_change() {
    let all_year = Valid { from: day("2026-01-01"), to: None, what: terms(1.0, &["2026-03-30"]) };
    // The clocks go from 02:00 to 03:00 on 29 March 2026: before it 08:00 is 07:00Z, after it 06:00Z.
    assert_eq!(
        prices(&rates(vec![all_year]), "2026-03-28T00:00:00Z", "2026-03-31T12:00:00Z"),
        [
            (at("2026-03-28T00:00:00Z"), Some(0.10)),
            (at("2026-03-28T07:00:00Z"), Some(0.30)),
            (at("2026-03-28T21:00:00Z"), Some(0.10)),
            (at("2026-03-29T06:00:00Z"), Some(0.30)),
            (at("2026-03-29T20:00:00Z"), Some(0.10)),
            (at("2026-03-29T22:00:00Z"), Some(0.05)),
            (at("2026-03-30T22:00:00Z"), Some(0.10)),
            (at("2026-03-31T06:00:00Z"), Some(0.30)),
        ]
    );
}

#[test]
fn a_tariff_begins_and_ends_at_the_plants_midnight() {
    let old = Valid { from: day("2025-12-01"), to: Some(day("2026-01-01")), what: terms(1.0, &[]) };
    let new = Valid { from: day("2026-01-01"), to: Some(day("2026-01-02")), what: terms(2.0, &[]) };
    assert_eq!(
        prices(&rates(vec![old, new]), "2025-12-31T12:34:56Z", "2026-01-03T00:00:00Z"),
        [
            (at("2025-12-31T12:30:00Z"), Some(0.30)),
            (at("2025-12-31T21:00:00Z"), Some(0.10)),
            (at("2025-12-31T23:00:00Z"), Some(0.20)),
            (at("2026-01-01T07:00:00Z"), Some(0.60)),
            (at("2026-01-01T21:00:00Z"), Some(0.20)),
            (at("2026-01-01T23:00:00Z"), None),
        ]
    );
}

#[test]
fn slices_are_the_buckets_cut_where_a_rate_of_any_plant_changes() {
    let madrid = plant(1, chrono_tz::Europe::Madrid);
    let lisbon = plant(2, chrono_tz::Europe::Lisbon);
    let tariff = || Valid { from: day("2026-01-01"), to: None, what: terms(1.0, &[]) };
    let mut lisbons = rates(vec![tariff()]);
    lisbons.location_based = vec![Valid { from: day("2026-01-01"), to: None, what: 0.2 }];
    let rates = Rates::from([(1, rates(vec![tariff()])), (2, lisbons)]);
    let edges =
        [at("2026-02-02T06:30:00Z"), at("2026-02-02T07:30:00Z"), at("2026-02-02T09:00:00Z")];
    let slices = Slices::of_rates(&edges, &rates, &[&madrid, &lisbon], edges[2]);
    let cuts = ["06:30", "07:00", "07:30", "08:00", "09:00"];
    assert_eq!(slices.cuts, cuts.map(|t| at(&format!("2026-02-02T{t}:00Z"))));
    assert_eq!(
        [0, 1, 2, 3, 4].map(|s| slices.bucket(s)),
        [Some(0), Some(0), Some(1), Some(1), None]
    );
    let price = |plant| [0, 1, 2, 3].map(|slice| slices.rate(plant, slice).price.unwrap());
    assert_eq!(price(1), [0.10, 0.30, 0.30, 0.30]);
    assert_eq!(price(2), [0.10, 0.10, 0.10, 0.30]);
    assert_eq!(slices.rate(2, 3).location_based, Some(0.2));
    assert_eq!((slices.rate(1, 3).location_based, slices.rate(3, 0)), (None, Rate::default()));
    assert_eq!(Slices::of_buckets(&edges).cuts, edges);
    // What is still to come is not cut.
    let now = Slices::of_rates(&edges, &rates, &[&madrid, &lisbon], edges[1]);
    assert_eq!(now.cuts.len(), 4);
    assert_eq!(super::currency(&rates), Ok(Some("EUR")));
    let mut mixed = rates;
    mixed.insert(3, PlantRates { currency: "USD".into(), ..PlantRates::default() });
    assert_eq!(super::currency(&mixed), Err(PlanError::Currencies("EUR, USD".into())));
}
