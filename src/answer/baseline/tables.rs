//! Tables of what energy was used for, and of what was made when it deviated.

use std::collections::BTreeMap;

use super::compare::Compared;
use super::frames::{currency, currency_of, one_currency, place, unit_of};
use super::history::Unit;
use super::split::{Making, Used};
use crate::analytics::baseline::Use;
use crate::answer::unallocated;
use crate::frame::{Field, Frame, Notice};
use crate::model::{GroupBy, Query};

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
        let currency = currency_of(one.unit, currencies);
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
    let number = |name: &str, of: &dyn Fn(&Row<'_>, &Used) -> Option<f64>| {
        Field::number(name, rows.iter().map(|(row, _, used)| of(row, used)))
    };
    let money = one_currency(currencies);
    let title = |unit: &Unit<'_>| unit.title().to_owned();
    let titles = rows.iter().map(|(row, ..)| Some(row.unit.map(title).unwrap_or_default()));
    let mut fields: Vec<Field> = place(rows.iter().map(|(row, ..)| row.unit)).into();
    fields.extend([
        Field::text("name", titles),
        Field::text("use", rows.iter().map(|(_, kind, _)| Some(kind.as_str().to_owned()))).description("production: above the base; base_load: the base while things are made; standby: idle, set-up and stopped, with the base; off and weekend: nothing is made.", "production: sobre la base; base_load: la base mientras se fabrica; standby: en espera, preparación y parada, con la base; off y weekend: no se fabrica nada."),
        number("energy", &|_, used| Some(used.kwh))
            .unit("kWh")
            .description("Energy of the meters, shared as the model expects; rows add up to the meters.", "Energía de los contadores, repartida como espera el modelo; las filas suman lo de los contadores."),
        number("share", &|row, used| {
            let all: f64 = row.uses.iter().map(|used| used.kwh).sum();
            Some(used.kwh / all).filter(|share| share.is_finite())
        })
        .unit("ratio")
        .description("Share of the energy of the place, or of all places together.", "Parte de la energía del lugar, o de todos los lugares juntos."),
        number("hours", &|_, used| Some(used.hours))
            .unit("h")
            .description("Hours of it, added up over the places.", "Sus horas, sumadas entre los lugares."),
        number("cost", &|_, used| used.cost)
            .unit(&unit_of("money", money))
            .description("At the prices of its time; empty without a tariff.", "A los precios de su hora; vacío sin tarifa."),
        number("co2", &|_, used| used.co2)
            .unit("kg")
            .description("Location-based; empty without a factor.", "Por ubicación; vacío sin factor."),
    ]);
    fields.extend(currency(rows.iter().map(|(row, ..)| row.currency), currencies));
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
        let (limit, all) = (query.limit, rows.len());
        notices.push(Notice::Warning(query.language.pick(
            format!("Only the {limit} rows with the largest deviation of {all}."),
            format!("Solo las {limit} filas con mayor desviación de {all}."),
        )));
        rows.truncate(query.limit);
    }
    let text = |name: &str, of: &dyn Fn(&Making) -> String| {
        Field::text(name, rows.iter().map(|(_, making)| Some(of(making))))
    };
    let number = |name: &str, of: &dyn Fn(&Making) -> Option<f64>| {
        Field::number(name, rows.iter().map(|(_, making)| of(making)))
    };
    let money = one_currency(currencies);
    let mut fields: Vec<Field> = place(rows.iter().map(|(unit, _)| Some(*unit))).into();
    if query.group_by == GroupBy::Lot {
        fields.push(text("lot", &|making| making.lot.clone()));
    }
    fields.extend([
        text("reference", &|making| making.reference.clone()),
        text("name", &|making| match (making.lot.as_str(), making.reference.as_str()) {
            ("", "") => unallocated(query.language).to_owned(),
            ("", reference) => reference.to_owned(),
            (lot, _) => lot.to_owned(),
        }),
        Field::time("started_at", rows.iter().map(|(_, making)| making.from)),
        Field::time("ended_at", rows.iter().map(|(_, making)| making.to))
            .description("First and last instant of it in the time range.", "Su primer y último instante en el intervalo de tiempo."),
        number("runs", &|making| Some(making.runs as f64)),
        number("actual", &|making| Some(making.actual))
            .unit("kWh")
            .description("Energy of the meters while it was made; rows add up to the meters.", "Energía de los contadores mientras se fabricaba; las filas suman lo de los contadores."),
        number("expected", &|making| Some(making.expected))
            .unit("kWh")
            .description("Energy that the model of the baseline period expects of it.", "Energía que el modelo del periodo de base espera de ello."),
        number("deviation", &|making| Some(making.deviation()))
            .unit("kWh")
            .description("Actual less expected energy: more than nothing is waste.", "Energía real menos la esperada: por encima de cero es derroche."),
        number("deviation_percent", &|making| {
            (making.expected > 0.0).then(|| 100.0 * making.deviation() / making.expected)
        })
        .unit("%"),
        number("cost", &|making| making.cost)
            .unit(&unit_of("money", money))
            .description("Deviation at the prices of its time; empty without a tariff.", "Desviación a los precios de su hora; vacío sin tarifa."),
        number("co2", &|making| making.co2)
            .unit("kg")
            .description("CO2 of the deviation, location-based; empty without a factor.", "CO2 de la desviación, por ubicación; vacío sin factor."),
    ]);
    let of_rows = rows.iter().map(|(unit, _)| currency_of(unit, currencies));
    fields.extend(currency(of_rows, currencies));
    Frame::new("deviation", "", fields)
}
