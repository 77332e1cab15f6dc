//! Tables of what energy was used for, and of what was made when it deviated.

use std::collections::{BTreeMap, BTreeSet};

use super::compare::Compared;
use super::frames::{key, unit_of};
use super::history::Unit;
use super::split::{Making, Used};
use crate::analytics::baseline::Use;
use crate::frame::{Field, Frame, Notice};
use crate::model::{GroupBy, Query};

/// The currency of all plants; empty where they differ, and then stands in a column.
fn one_currency(currencies: &BTreeMap<i32, String>) -> &str {
    let all: BTreeSet<&str> = currencies.values().map(String::as_str).collect();
    if all.len() == 1 { all.first().copied().unwrap_or_default() } else { "" }
}

/// The columns that tell a row's place.
fn place<'a>(units: &[&'a Unit<'a>]) -> Vec<Field> {
    let text = |name: &str, of: &dyn Fn(&Unit<'_>) -> String| {
        Field::text(name, units.iter().map(|unit| Some(of(unit))))
    };
    vec![
        text("plant", &|unit| unit.plant.key.clone()),
        text("line", &|unit| key(unit.line)),
        text("machine", &|unit| key(unit.machine)),
    ]
}

/// A column of currencies where the plants have several.
fn currency(units: &[&Unit<'_>], currencies: &BTreeMap<i32, String>) -> Option<Field> {
    let of = |unit: &&Unit<'_>| currencies.get(&unit.plant.id).cloned();
    let several = one_currency(currencies).is_empty() && !currencies.is_empty();
    several.then(|| Field::text("currency", units.iter().map(of)))
}

/// A row of the uses: of a place, or of all places with one currency.
struct Row<'a> {
    unit: Option<&'a Unit<'a>>,
    currency: &'a str,
    uses: [Used; 5],
}

/// A row a use, with its share of the energy: of all places together, or of each place where the query
/// groups by one.
pub(super) fn uses(
    compared: &[Compared<'_>],
    currencies: &BTreeMap<i32, String>,
    group: GroupBy,
) -> Frame {
    let mut all: Vec<Row<'_>> = Vec::new();
    for one in compared {
        let Some(uses) = one.uses else { continue };
        let currency = currencies.get(&one.unit.plant.id).map_or("", String::as_str);
        let same = all.iter_mut().find(|row| group == GroupBy::None && row.currency == currency);
        match same {
            Some(row) => {
                row.uses.iter_mut().zip(uses).for_each(|(sum, used)| sum.merge(used));
            }
            None => {
                let unit = (group != GroupBy::None).then_some(one.unit);
                all.push(Row { unit, currency, uses });
            }
        }
    }
    let rows: Vec<(&Row<'_>, Use, Used)> = all
        .iter()
        .flat_map(|row| {
            Use::ALL.into_iter().zip(row.uses).map(move |(kind, used)| (row, kind, used))
        })
        .collect();
    let text = |name: &str, of: &dyn Fn(&Unit<'_>) -> String| {
        Field::text(name, rows.iter().map(|(row, ..)| Some(row.unit.map(of).unwrap_or_default())))
    };
    let number = |name: &str, of: &dyn Fn(&Row<'_>, &Used) -> Option<f64>| {
        Field::number(name, rows.iter().map(|(row, _, used)| of(row, used)))
    };
    let money = one_currency(currencies);
    let mut fields = vec![
        text("plant", &|unit| unit.plant.key.clone()),
        text("line", &|unit| key(unit.line)),
        text("machine", &|unit| key(unit.machine)),
        text("name", &|unit| unit.title().to_owned()),
        Field::text("use", rows.iter().map(|(_, kind, _)| Some(kind.as_str().to_owned()))).description(
            "production: above the base; base_load: the base while things are made; standby: idle, set-up and stopped, with the base; off and weekend: nothing is made.",
        ),
        number("energy", &|_, used| Some(used.kwh))
            .unit("kWh")
            .description("Energy of the meters, shared as the model expects; rows add up to the meters."),
        number("share", &|row, used| {
            let all: f64 = row.uses.iter().map(|used| used.kwh).sum();
            Some(used.kwh / all).filter(|share| share.is_finite())
        })
        .unit("ratio")
        .description("Share of the energy of the place, or of all places together."),
        number("hours", &|_, used| Some(used.hours))
            .unit("h")
            .description("Hours of it, added up over the places."),
        number("cost", &|_, used| used.cost)
            .unit(&unit_of("money", money))
            .description("At the prices of its time; empty without a tariff."),
        number("co2", &|_, used| used.co2)
            .unit("kg")
            .description("Location-based; empty without a factor."),
    ];
    if money.is_empty() && !currencies.is_empty() {
        let currencies = rows.iter().map(|(row, ..)| Some(row.currency.to_owned()));
        fields.push(Field::text("currency", currencies));
    }
    Frame::new("uses", "", fields)
}

/// A row a lot or reference and place, the largest deviation first, by cost where there is one.
pub(super) fn making(
    compared: &[Compared<'_>],
    currencies: &BTreeMap<i32, String>,
    query: &Query,
    notices: &mut Vec<Notice>,
) -> Frame {
    let mut rows: Vec<(&Unit<'_>, &Making)> =
        compared.iter().flat_map(|one| one.making.iter().map(|m| (one.unit, m))).collect();
    let has_cost = rows.iter().all(|(_, making)| making.cost.is_some());
    let rank = |making: &Making| making.cost.filter(|_| has_cost).unwrap_or(making.deviation());
    rows.sort_by(|a, b| rank(b.1).total_cmp(&rank(a.1)).then_with(|| a.1.lot.cmp(&b.1.lot)));
    if rows.len() > query.limit {
        notices.push(Notice::Warning(format!(
            "Only the {} rows with the largest deviation of {}.",
            query.limit,
            rows.len()
        )));
        rows.truncate(query.limit);
    }
    let units: Vec<&Unit<'_>> = rows.iter().map(|row| row.0).collect();
    let text = |name: &str, of: &dyn Fn(&Making) -> String| {
        Field::text(name, rows.iter().map(|(_, making)| Some(of(making))))
    };
    let number = |name: &str, of: &dyn Fn(&Making) -> Option<f64>| {
        Field::number(name, rows.iter().map(|(_, making)| of(making)))
    };
    let money = one_currency(currencies);
    let mut fields = place(&units);
    if query.group_by == GroupBy::Lot {
        fields.push(text("lot", &|making| making.lot.clone()));
    }
    fields.extend([
        text("reference", &|making| making.reference.clone()),
        text("name", &|making| match (making.lot.as_str(), making.reference.as_str()) {
            ("", "") => "Unallocated".to_owned(),
            ("", reference) => reference.to_owned(),
            (lot, _) => lot.to_owned(),
        }),
        Field::time("started_at", rows.iter().map(|(_, making)| making.from)),
        Field::time("ended_at", rows.iter().map(|(_, making)| making.to))
            .description("First and last instant of it in the time range."),
        number("runs", &|making| Some(making.runs as f64)),
        number("actual", &|making| Some(making.actual))
            .unit("kWh")
            .description("Energy of the meters while it was made; rows add up to the meters."),
        number("expected", &|making| Some(making.expected))
            .unit("kWh")
            .description("Energy that the model of the baseline period expects of it."),
        number("deviation", &|making| Some(making.deviation()))
            .unit("kWh")
            .description("Actual less expected energy: more than nothing is waste."),
        number("deviation_percent", &|making| {
            (making.expected > 0.0).then(|| 100.0 * making.deviation() / making.expected)
        })
        .unit("%"),
        number("cost", &|making| making.cost)
            .unit(&unit_of("money", money))
            .description("Deviation at the prices of its time; empty without a tariff."),
        number("co2", &|making| making.co2)
            .unit("kg")
            .description("CO2 of the deviation, location-based; empty without a factor."),
    ]);
    fields.extend(currency(&units, currencies));
    Frame::new("deviation", "", fields)
}
