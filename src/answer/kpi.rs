//! Figures per group, as one table or as series over time.

use std::collections::BTreeSet;

use super::{AnswerError, Provenance, Source, nothing, resolve_runs, sums};
use crate::domain::Bucket;
use crate::figures::{self, Figures, KpiFigures};
use crate::frame::{Field, Frame, Notice};
use crate::model::{Kpi, Query};
use crate::plan::{self, Ask, KpiPlan, Rates, Selection, Window};
use crate::sql;
use crate::sql::integrate::Ends;

pub(super) async fn answer(
    source: &Source<'_>,
    query: &Query,
    selection: &Selection<'_>,
    ask: &Ask,
) -> Result<Vec<Frame>, AnswerError> {
    let (runs, mut notices) = resolve_runs(source, query, selection, ask.range).await?;
    let mut plan = plan::kpi(query, selection, source.catalog, &runs, ask)?;
    if plan.groups.is_empty() {
        return Ok(nothing(&notices));
    }
    let rates = rates(source, query, selection, ask).await?;
    let money = query.kpis.iter().any(|k| k.is_money());
    let currency = if money { plan::currency(&rates)?.unwrap_or_default() } else { "" };
    if !rates.is_empty() {
        plan.price(&rates, &selection.plants, ask.now);
    }
    let windows: Vec<Window<'_>> = plan.windows.iter().map(|w| w.window.clone()).collect();
    let sums = sums::fetch(source, &windows, &plan.slices.cuts, Ends::Omit).await?;
    let figures = figures::kpi(&plan, &runs, &sums.cells, ask.now);
    notices.extend(plan.notices.iter().cloned().map(Notice::Info));
    if figures.groups.iter().flatten().any(|f| f.provisional) {
        let text = "A run that is still open is part of these figures: they are provisional.";
        notices.push(Notice::Info(text.to_owned()));
    }
    notices.extend(without_rates(query, selection, &figures));
    let mut frames = match plan.bucket {
        Bucket::Whole => vec![table(query, &plan, &figures, currency, &mut notices)],
        _ => over_time(query, &plan, &figures, currency),
    };
    for frame in &mut frames {
        Provenance {
            shown: &sums.shown,
            source: &sums.source,
            reason: format!("{}; {}", plan.reason, sums.reason),
            rows: Some(sums.rows),
            bucket: plan.bucket.to_string(),
            coverage: figures.coverage,
            notices: notices.clone(),
        }
        .write(frame);
    }
    Ok(frames)
}

/// Prices and factors of the selection's plants, where a KPI needs them.
pub(super) async fn rates(
    source: &Source<'_>,
    query: &Query,
    selection: &Selection<'_>,
    ask: &Ask,
) -> Result<Rates, AnswerError> {
    if !query.kpis.iter().any(|k| k.needs_rates()) {
        return Ok(Rates::new());
    }
    let plants = selection.plants.iter().map(|p| p.id).collect();
    let statement = sql::rates::statement(plants, ask.range);
    let rows = source.db.query(&statement.sql, statement.params).await?;
    Ok(sql::rates::read(&rows)?)
}

/// Says for which plants cost or emissions are empty, and what to do about it.
fn without_rates(query: &Query, selection: &Selection<'_>, figures: &KpiFigures) -> Vec<Notice> {
    let asked = |of: fn(&Kpi) -> bool| query.kpis.iter().any(of);
    let missing = &figures.missing;
    let cases = [
        (asked(|k| k.is_money()), &missing.price, "cost", "tariff", "tariffs"),
        (
            asked(|k| matches!(k, Kpi::Co2 | Kpi::Co2PerGoodUnit)),
            &missing.location_based,
            "CO2",
            "location-based factor",
            "factors",
        ),
        (
            asked(|k| *k == Kpi::Co2MarketBased),
            &missing.market_based,
            "market-based CO2",
            "market-based factor",
            "factors",
        ),
    ];
    let cases = cases.into_iter().filter(|(asked, plants, ..)| *asked && !plants.is_empty());
    let text = |(_, ids, figure, what, route): (_, &BTreeSet<i32>, _, _, _)| {
        let plants = selection.plants.iter().filter(|p| ids.contains(&p.id));
        let keys: Vec<&str> = plants.map(|p| p.key.as_str()).collect();
        format!(
            "No {what} of plant {} is valid for some of the energy: its {figure} is empty. Add one with POST /v1/{route}.",
            keys.join(", ")
        )
    };
    cases.map(|case| Notice::Warning(text(case))).collect()
}

/// Value, unit and definition of one KPI.
pub(super) fn value(kpi: Kpi, figures: &Figures) -> Option<f64> {
    match kpi {
        Kpi::Energy => figures.energy,
        Kpi::EnergyPerGoodUnit => figures.energy_per_good_unit(),
        Kpi::Cost => figures.cost,
        Kpi::CostPerGoodUnit => figures.cost_per_good_unit(),
        Kpi::Co2 => figures.co2,
        Kpi::Co2PerGoodUnit => figures.co2_per_good_unit(),
        Kpi::Co2MarketBased => figures.co2_market_based,
        Kpi::GoodUnits => Some(figures.good_units),
        Kpi::ScrapUnits => Some(figures.scrap_units),
        Kpi::MeanTemperature => figures.mean_temperature,
    }
}

/// Unit of one KPI; empty for a bare number.
pub(super) fn unit(kpi: Kpi, currency: &str) -> String {
    match kpi {
        Kpi::Energy => "kWh".to_owned(),
        Kpi::EnergyPerGoodUnit => "kWh/unit".to_owned(),
        Kpi::Cost => currency.to_owned(),
        Kpi::CostPerGoodUnit => format!("{currency}/unit"),
        Kpi::Co2 | Kpi::Co2MarketBased => "kg".to_owned(),
        Kpi::Co2PerGoodUnit => "kg/unit".to_owned(),
        Kpi::GoodUnits | Kpi::ScrapUnits => String::new(),
        Kpi::MeanTemperature => "°C".to_owned(),
    }
}

fn style(kpi: Kpi, field: Field, currency: &str) -> Field {
    match kpi {
        Kpi::Energy => {
            field.unit("kWh").description("Electrical energy of the meters, exact at the edges.")
        }
        Kpi::EnergyPerGoodUnit => field
            .unit("kWh/unit")
            .description("Total energy divided by total good units; empty without units."),
        Kpi::Cost => field.unit(currency).description(
            "Energy of each tariff period times its price; empty where no tariff is valid.",
        ),
        Kpi::CostPerGoodUnit => field
            .unit(&format!("{currency}/unit"))
            .description("Total cost of energy divided by total good units; empty without units."),
        Kpi::Co2 => field
            .unit("kg")
            .description("CO2 of the energy by the mean of the grid (location-based)."),
        Kpi::Co2PerGoodUnit => field.unit("kg/unit").description(
            "Total CO2 (location-based) divided by total good units; empty without units.",
        ),
        Kpi::Co2MarketBased => {
            field.unit("kg").description("CO2 of the energy by its contract (market-based).")
        }
        Kpi::GoodUnits => {
            field.description("Good units; of a run that is cut, in proportion to time.")
        }
        Kpi::ScrapUnits => {
            field.description("Scrapped units; of a run that is cut, in proportion to time.")
        }
        Kpi::MeanTemperature => {
            field.unit("°C").description("Mean of the process thermometers, weighted by time.")
        }
    }
}

/// Energy smaller than this share of the place's is rounding, not unallocated energy.
const NEGLIGIBLE: f64 = 1e-9;

fn table(
    query: &Query,
    plan: &KpiPlan<'_>,
    figures: &KpiFigures,
    currency: &str,
    notices: &mut Vec<Notice>,
) -> Frame {
    let of = |i: usize| figures.groups[i][0];
    let mut order: Vec<usize> = (0..plan.groups.len()).collect();
    order.sort_by(|a, b| {
        let energy = |i: &usize| of(*i).energy.unwrap_or(f64::NEG_INFINITY);
        energy(b)
            .total_cmp(&energy(a))
            .then_with(|| plan.groups[*a].labels.cmp(&plan.groups[*b].labels))
    });
    if order.len() > query.limit {
        notices.push(Notice::Warning(format!("Only the {} groups with most energy.", query.limit)));
        order.truncate(query.limit);
    }
    let allocated: f64 = figures.groups.iter().filter_map(|g| g[0].energy).sum();
    let tells = |rest: f64| rest.abs() > NEGLIGIBLE * (allocated.abs() + rest.abs());
    let rest = figures.unallocated.first().filter(|f| f.energy.is_some_and(tells));
    if rest.and_then(|r| r.energy).is_some_and(|r| r < 0.0) {
        notices.push(Notice::Warning("The parts measure more than the whole: check the meter tree, or runs that overlap on a line and its machines.".to_owned()));
    }
    let names: Vec<&'static str> =
        plan.groups.first().map(|g| g.labels.iter().map(|l| l.0).collect()).unwrap_or_default();
    let last = rest.into_iter();
    let mut fields: Vec<Field> = Vec::new();
    for (column, name) in names.iter().enumerate() {
        let keys = order.iter().map(|&i| Some(plan.groups[i].labels[column].1.clone()));
        fields.push(Field::text(name, keys.chain(last.clone().map(|_| Some(String::new())))));
    }
    let shown = order.iter().map(|&i| Some(plan.groups[i].name.clone()));
    fields.push(Field::text(
        "name",
        shown.chain(last.clone().map(|_| Some("Unallocated".to_owned()))),
    ));
    for &kpi in &query.kpis {
        let values = order.iter().map(|&i| value(kpi, &of(i)));
        let left = |rest: &Figures| value(kpi, rest).filter(|_| kpi.is_balanced());
        let values = values.chain(last.clone().map(left));
        fields.push(style(kpi, Field::number(kpi.as_str(), values), currency));
    }
    let coverage = order.iter().map(|&i| of(i).coverage).chain(last.clone().map(|_| None));
    fields.push(
        Field::number("coverage", coverage)
            .unit("ratio")
            .description("Share of the time for which the meters have data."),
    );
    let provisional = order.iter().map(|&i| Some(of(i).provisional)).chain(last.map(|_| None));
    fields.push(Field::bool("provisional", provisional));
    Frame::new("kpi", "numeric-long", fields)
}

fn over_time(
    query: &Query,
    plan: &KpiPlan<'_>,
    figures: &KpiFigures,
    currency: &str,
) -> Vec<Frame> {
    let starts = &plan.edges[..plan.edges.len() - 1];
    let frame =
        |labels: Vec<(&'static str, String)>, name: &str, kpi: Kpi, values: Vec<Option<f64>>| {
            let title = match (labels.is_empty(), query.kpis.len()) {
                (true, _) => kpi.as_str().to_owned(),
                (false, 1) => name.to_owned(),
                _ => format!("{name} {}", kpi.as_str()),
            };
            let labels = labels.into_iter().chain([("kpi", kpi.as_str().to_owned())]);
            let value = style(kpi, Field::number("value", values), currency);
            let value = value.labels(labels).display_name(&title);
            let time = Field::time("time", starts.iter().copied().map(Some));
            Frame::new(&title, "timeseries-multi", vec![time, value])
        };
    let mut frames = Vec::new();
    for (group, buckets) in plan.groups.iter().zip(&figures.groups) {
        for &kpi in &query.kpis {
            let values = buckets.iter().map(|f| value(kpi, f)).collect();
            frames.push(frame(group.labels.clone(), &group.name, kpi, values));
        }
    }
    let scale: f64 = figures.groups.iter().flatten().filter_map(|f| f.energy).sum();
    let mut rest = figures.unallocated.iter().filter_map(|f| f.energy);
    if rest.any(|r| r.abs() > NEGLIGIBLE * scale.abs()) {
        let labels: Option<Vec<(&'static str, String)>> =
            plan.groups.first().map(|g| g.labels.iter().map(|l| (l.0, String::new())).collect());
        for &kpi in query.kpis.iter().filter(|k| k.is_balanced()) {
            let values = figures.unallocated.iter().map(|f| value(kpi, f)).collect();
            frames.push(frame(labels.clone().unwrap_or_default(), "Unallocated", kpi, values));
        }
    }
    frames
}
