use chrono::{NaiveDate, NaiveDateTime};
use serde_json::{Value, json};

use super::{Period, Rule, TariffError, Terms};

fn terms(periods: Value, calendar: Value, holidays: &[&str]) -> Result<Terms, TariffError> {
    let periods: Vec<Period> = serde_json::from_value(periods).expect("periods");
    let rules: Vec<Rule> = serde_json::from_value(calendar).expect("rules");
    Terms::new(periods, &rules, holidays.iter().map(|d| d.parse::<NaiveDate>().expect("date")))
}

/// The six periods of Spain's 3.0TD and 6.1TD on the peninsula (CNMC Circular 3/2020, article 7).
fn spain() -> Terms {
    let periods: Vec<Value> = (1..=6)
        .map(|p| json!({"period": format!("P{p}"), "price_per_kwh": f64::from(7 - p) / 100.0}))
        .collect();
    let mut calendar = vec![
        json!({"days": ["sat", "sun", "holiday"], "period": "P6"}),
        json!({"to": "08:00", "period": "P6"}),
    ];
    let seasons = [([1, 2, 7, 12].as_slice(), 1), (&[3, 11], 2), (&[6, 8, 9], 3), (&[4, 5, 10], 4)];
    for (months, peak) in seasons {
        for (from, to) in [("09:00", "14:00"), ("18:00", "22:00")] {
            calendar.push(
                json!({"months": months, "from": from, "to": to, "period": format!("P{peak}")}),
            );
        }
        calendar.push(json!({"months": months, "period": format!("P{}", peak + 1)}));
    }
    terms(Value::from(periods), Value::from(calendar), &["2026-01-06", "2026-05-01"])
        .expect("terms")
}

#[test]
fn spain_is_data() {
    let spain = spain();
    for (local, period) in [
        ("2026-01-07T07:59", "P6"), // Wednesday, high season
        ("2026-01-07T08:00", "P2"),
        ("2026-01-07T09:00", "P1"),
        ("2026-01-07T13:59", "P1"),
        ("2026-01-07T14:00", "P2"),
        ("2026-01-07T21:59", "P1"),
        ("2026-01-07T22:00", "P2"),
        ("2026-01-06T10:00", "P6"), // Tuesday, Epiphany
        ("2026-01-10T10:00", "P6"), // Saturday
        ("2026-03-04T10:00", "P2"),
        ("2026-11-04T16:00", "P3"),
        ("2026-06-03T19:00", "P3"),
        ("2026-09-02T23:45", "P4"),
        ("2026-04-01T12:00", "P4"),
        ("2026-10-07T15:00", "P5"),
        ("2026-05-01T12:00", "P6"), // Friday, Labour Day
    ] {
        let local = NaiveDateTime::parse_from_str(local, "%Y-%m-%dT%H:%M").expect("time");
        assert_eq!(spain.period_at(local).period, period, "{local}");
    }
}

#[test]
fn what_cannot_be_is_named() {
    let p1 = json!([{"period": "P1", "price_per_kwh": 0.1}]);
    let all = json!([{"period": "P1"}]);
    let cases = [
        (json!([]), all.clone(), "it has 0 periods"),
        (p1.clone(), json!([]), "it has 0 rules in its calendar"),
        (json!([p1[0], p1[0]]), all.clone(), "period \"P1\" is there twice"),
        (json!([{"period": " ", "price_per_kwh": 0.1}]), all.clone(), "no name for a period"),
        (
            json!([{"period": "P1", "price_per_kwh": 0.1, "contracted_kw": -1}]),
            all.clone(),
            "contracted_kw of period \"P1\" is -1: it must be at least 0",
        ),
        (
            p1.clone(),
            json!([{"period": "P2"}]),
            "rule 1 of the calendar names period \"P2\", which `periods` does not have",
        ),
        (p1.clone(), json!([{"months": [13], "period": "P1"}]), "a month that is not 1 to 12"),
        (
            p1.clone(),
            json!([{"from": "22:00", "to": "06:00", "period": "P1"}]),
            "rule 1 of the calendar does not end after it starts",
        ),
        (
            p1.clone(),
            json!([{"days": ["mon"], "period": "P1"}, {"to": "23:45", "period": "P1"}]),
            "no rule of the calendar fits Tue at 23:45 in month 1",
        ),
        (
            p1.clone(),
            json!([{"days": ["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "period": "P1"}]),
            "fits holiday at 00:00 in month 1",
        ),
    ];
    for (periods, calendar, words) in cases {
        let error = terms(periods, calendar, &[]).expect_err(words).to_string();
        assert!(error.contains(words), "{error}");
    }
    for clock in ["8:00", "08:10", "24:15", "25:00", "08", "aa:00", "-1:00", "+8:00"] {
        let rule = json!({"from": clock, "period": "P1"});
        assert!(serde_json::from_value::<Rule>(rule).is_err(), "{clock}");
    }
}

#[test]
fn the_stored_form_reads_back() {
    let rule = json!({"months": [1], "days": ["mon", "holiday"], "from": "08:15", "to": "24:00", "period": "P1"});
    let parsed: Rule = serde_json::from_value(rule.clone()).expect("rule");
    assert_eq!(serde_json::to_value(parsed).expect("json"), rule);
}
