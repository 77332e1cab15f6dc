//! Energy, cost and CO2 by period of the tariff, against figures computed by hand.

use serde_json::{Value, json};

use crate::answers::{Factory, both, near, some, texts};
use crate::support::db::Server;

/// Saturday of 24 hours, Sunday of 25 (03:00 CEST is 02:00 CET), Monday up to 13:00 in Madrid.
const AUTUMN: (&str, &str) = ("2026-10-23T22:00:00Z", "2026-10-26T12:00:00Z");
/// The Sunday of 23 hours, on which 02:00 CET is 03:00 CEST.
const SPRING: (&str, &str) = ("2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z");

/// P3 up to 08:00, P1 up to 14:00, then P2; nothing is agreed from 26 October on.
const TARIFF: &str = r#"
INSERT INTO lotwise.tariff (plant_id, key, name, valid_from, valid_to, periods, calendar) VALUES
  (1, 'year', 'Year', '2026-01-01', '2026-10-26',
   '[{"period": "P1", "price_per_kwh": 0.3}, {"period": "P2", "price_per_kwh": 0.2},
     {"period": "P3", "price_per_kwh": 0.1}]',
   '[{"to": "08:00", "period": "P3"}, {"to": "14:00", "period": "P1"}, {"period": "P2"}]');
INSERT INTO lotwise.factor (plant_id, kind, valid_from, kg_co2_per_kwh) VALUES
  (1, 'location_based', '2026-01-01', 0.25);
-- 07:30 to 08:30 in Madrid, with 60 good units.
UPDATE lotwise.run SET started_at = '2026-10-24T05:30:00Z', ended_at = '2026-10-24T06:30:00Z'
  WHERE key = 'r1';"#;

async fn factory(server: Server) -> Factory {
    let factory = Factory::new(server, AUTUMN.0, AUTUMN.1).await;
    factory.read(SPRING.0, SPRING.1).await;
    sqlx::raw_sql(TARIFF).execute(&factory.pool).await.unwrap();
    factory
}

/// By tariff period, of line M1: 120 kWh an hour.
fn of_line(more: Value) -> Value {
    let mut query = json!({"type": "kpi", "groupBy": "tariff_period", "place": {"lines": ["M1"]},
        "kpis": ["energy", "cost", "co2"]});
    let all = query.as_object_mut().unwrap();
    all.extend(more.as_object().unwrap().clone());
    query
}

#[tokio::test]
async fn energy_cost_and_co2_by_tariff_period_add_up_to_the_meter_when_the_clock_goes_back() {
    both(async |server| {
        let factory = factory(server).await;
        let ask = async |query| factory.ask(AUTUMN.0, AUTUMN.1, query).await;
        // P2: 10 + 10 hours. P3: 8 + 9, the hour that comes twice is one of them. P1: 6 + 6.
        // Monday has 13 hours without a tariff, so no known cost.
        let check = async || {
            let table = ask(of_line(json!({}))).await.remove(0);
            assert_eq!(texts(&table, "name"), ["P2", "P3", "(no tariff)", "P1"]);
            assert_eq!(texts(&table, "tariff_period"), ["P2", "P3", "", "P1"]);
            let energy = [20.0, 17.0, 13.0, 12.0].map(|hours| hours * 120.0);
            near(table.numbers("energy").unwrap(), &some(&energy));
            let cost = [Some(2400.0 * 0.2), Some(2040.0 * 0.1), None, Some(1440.0 * 0.3)];
            near(table.numbers("cost").unwrap(), &cost);
            near(table.numbers("co2").unwrap(), &some(&[600.0, 510.0, 390.0, 360.0]));
            // The main meter of the whole plant has 240 kWh an hour; none of it is unallocated.
            let whole =
                ask(json!({"type": "kpi", "groupBy": "tariff_period", "kpis": ["energy"]})).await;
            assert_eq!(texts(&whole[0], "name"), ["P2", "P3", "(no tariff)", "P1"]);
            near(whole[0].numbers("energy").unwrap(), &some(&energy.map(|kwh| kwh * 2.0)));
        };
        check().await;
        factory.roll_up().await;
        check().await;

        let days = ask(of_line(json!({"bucket": "day", "kpis": ["energy"]}))).await;
        let nights = days.iter().find(|f| f.name == "P3").expect("a frame of P3");
        near(&nights.numbers("value").unwrap()[..2], &some(&[8.0 * 120.0, 9.0 * 120.0]));
    })
    .await;
}

#[tokio::test]
async fn the_short_day_of_spring_has_a_night_of_seven_hours() {
    both(async |server| {
        let factory = factory(server).await;
        let table = factory.ask(SPRING.0, SPRING.1, of_line(json!({}))).await.remove(0);
        assert_eq!(texts(&table, "name"), ["P2", "P3", "P1"]);
        near(table.numbers("energy").unwrap(), &some(&[1200.0, 840.0, 720.0]));
        near(table.numbers("cost").unwrap(), &some(&[240.0, 84.0, 216.0]));
    })
    .await;
}

#[tokio::test]
async fn runs_and_shifts_are_cut_at_the_periods() {
    both(async |server| {
        let factory = factory(server).await;
        let ask = async |more| factory.ask(AUTUMN.0, AUTUMN.1, of_line(more)).await.remove(0);
        let kpis = ["energy", "good_units", "energy_per_good_unit"];
        let run = ask(json!({"context": {"references": ["R1"]}, "kpis": kpis})).await;
        assert_eq!(texts(&run, "name"), ["P1", "P3"]);
        near(run.numbers("energy").unwrap(), &some(&[60.0, 60.0]));
        near(run.numbers("good_units").unwrap(), &some(&[30.0, 30.0]));
        near(run.numbers("energy_per_good_unit").unwrap(), &some(&[2.0, 2.0]));

        // The morning shift is 06:00 to 14:00: two hours of P3 and six of P1, twice, and seven on Monday.
        let morning = ask(json!({"context": {"shifts": ["morning"]}})).await;
        assert_eq!(texts(&morning, "name"), ["P1", "(no tariff)", "P3"]);
        near(morning.numbers("energy").unwrap(), &some(&[1440.0, 840.0, 480.0]));
    })
    .await;
}

#[tokio::test]
async fn alert_rules_tell_periods_apart_and_series_refuse_them() {
    let factory = factory(Server::Plain).await;
    let query = of_line(json!({"format": "alert", "kpis": ["energy"]}));
    let frames = factory.ask(SPRING.0, SPRING.1, query).await;
    let label = |f: &lotwise::frame::Frame| f.fields[0].label("tariff_period").map(str::to_owned);
    let mut numbers: Vec<_> =
        frames.iter().map(|f| (label(f).unwrap(), f.numbers("energy").unwrap()[0])).collect();
    numbers.sort_by(|a, b| a.0.cmp(&b.0));
    let want = [("P1", 720.0), ("P2", 1200.0), ("P3", 840.0)];
    assert_eq!(numbers.iter().map(|n| n.0.as_str()).collect::<Vec<_>>(), want.map(|w| w.0));
    near(&numbers.iter().map(|n| n.1).collect::<Vec<_>>(), &some(&want.map(|w| w.1)));

    let series = json!({"type": "series", "groupBy": "tariff_period"});
    let error = factory.try_ask(SPRING.0, SPRING.1, series).await.unwrap_err().to_string();
    assert!(error.contains("series queries cannot be grouped by tariff_period"), "{error}");
}
