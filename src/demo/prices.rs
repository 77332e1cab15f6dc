//! What the demo factory pays, emits and aims at: tariffs, factors and targets as the ingest API's
//! items. The figures are examples of the usual size, not those of a supplier.

use serde_json::{Value, json};

use super::factory::Simulation;
use super::factory::layout::{PLANTS, PlantSpec};

/// First day on which they hold: before any history that the demo makes.
const SINCE: &str = "2015-01-01";

/// A target is this much above what the reference takes when all goes well.
const TARGET: f64 = 1.16;

/// Prices by period, with contracted power.
pub fn tariffs() -> Vec<Value> {
    PLANTS.iter().map(tariff).collect()
}

fn tariff(plant: &PlantSpec) -> Value {
    let (name, periods, calendar) = match plant.key {
        "madrid" => ("Six periods (example)", six_periods(), six_periods_calendar()),
        _ => ("Three periods (example)", three_periods(), three_periods_calendar()),
    };
    json!({
        "plant": plant.key, "key": "example", "name": name, "valid_from": SINCE,
        "periods": periods, "calendar": calendar,
    })
}

fn period(key: &str, price: f64, contracted_kw: f64, per_year: f64, excess: f64) -> Value {
    json!({
        "period": key, "price_per_kwh": price, "contracted_kw": contracted_kw,
        "price_per_kw_year": per_year, "excess_price_per_kw": excess,
    })
}

fn six_periods() -> Vec<Value> {
    vec![
        period("P1", 0.1912, 390.0, 20.4, 3.4),
        period("P2", 0.1685, 390.0, 10.7, 1.7),
        period("P3", 0.1467, 390.0, 4.5, 0.8),
        period("P4", 0.1301, 390.0, 3.9, 0.6),
        period("P5", 0.1118, 390.0, 2.6, 0.2),
        period("P6", 0.1034, 420.0, 1.6, 0.2),
    ]
}

/// Nights and weekends are P6; else the peak hours of a season are one period, its others the next.
fn six_periods_calendar() -> Vec<Value> {
    let mut rules = vec![
        json!({"days": ["sat", "sun"], "period": "P6"}),
        json!({"to": "08:00", "period": "P6"}),
    ];
    for (months, peak, flat) in [
        (vec![1, 2, 7, 12], "P1", "P2"),
        (vec![3, 11], "P2", "P3"),
        (vec![6, 8, 9], "P3", "P4"),
        (vec![4, 5, 10], "P4", "P5"),
    ] {
        for (from, to) in [("09:00", "14:00"), ("18:00", "22:00")] {
            rules.push(json!({"months": months, "from": from, "to": to, "period": peak}));
        }
        rules.push(json!({"months": months, "period": flat}));
    }
    rules
}

fn three_periods() -> Vec<Value> {
    vec![
        period("peak", 0.1764, 225.0, 16.2, 2.6),
        period("full", 0.1423, 225.0, 8.1, 1.3),
        period("low", 0.0987, 240.0, 2.2, 0.3),
    ]
}

fn three_periods_calendar() -> Vec<Value> {
    vec![
        json!({"days": ["sun"], "period": "low"}),
        json!({"to": "07:00", "period": "low"}),
        json!({"from": "09:30", "to": "12:00", "days": ["mon", "tue", "wed", "thu", "fri"], "period": "peak"}),
        json!({"from": "18:30", "to": "21:00", "days": ["mon", "tue", "wed", "thu", "fri"], "period": "peak"}),
        json!({"period": "full"}),
    ]
}

/// Kilograms of CO2 per kWh: of the grid, and by contract.
pub fn factors() -> Vec<Value> {
    let of = |plant: &PlantSpec, grid: f64, contract: f64| {
        [("location_based", grid), ("market_based", contract)].map(|(kind, factor)| {
            json!({
                "plant": plant.key, "kind": kind, "valid_from": SINCE, "kg_co2_per_kwh": factor,
                "source": "example",
            })
        })
    };
    let [madrid, porto] = &PLANTS;
    [of(madrid, 0.108, 0.259), of(porto, 0.094, 0.0)].into_iter().flatten().collect()
}

/// The energy that a good unit of each reference should not exceed, in kWh.
pub fn targets(simulation: &Simulation) -> Vec<Value> {
    let mut items = Vec::new();
    for (index, plant) in PLANTS.iter().enumerate() {
        for (line, signatures) in plant.lines.iter().zip(simulation.signatures(index)) {
            for ((key, _), signature) in line.references.iter().zip(signatures) {
                let kwh = (TARGET * signature.kwh_per_unit * 1e4).round() / 1e4;
                items.push(json!({
                    "plant": plant.key, "reference": key, "valid_from": SINCE, "kwh_per_unit": kwh,
                }));
            }
        }
    }
    items
}
