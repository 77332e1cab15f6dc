//! Figures per group, as one table or as series over time.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::{
    AnswerError, Answered, Provenance, Source, fetch_rates, largest, needed_states, not_valid,
    nothing, resolve_runs, sums, unallocated,
};
use crate::domain::Bucket;
use crate::figures::{self, Figures, KpiFigures};
use crate::frame::{Field, Frame, Notice};
use crate::model::{Fill, Format, Kpi, Query};
use crate::plan::{self, Ask, KpiPlan, Labels, Rates, Selection, Window};
use crate::sql::cell::Ends;

pub(super) async fn answer(
    source: &Source<'_>,
    query: &Query,
    selection: &Selection<'_>,
    ask: &Ask,
    keep: Option<Vec<Labels>>,
) -> Result<Answered, AnswerError> {
    let (runs, mut notices) = resolve_runs(source, query, selection, ask.range).await?;
    let states = needed_states(source, query, selection, ask.range).await?;
    let rates = rates(source, query, selection, ask).await?;
    let mut plan = plan::kpi(query, selection, source.catalog, &runs, &states, &rates, ask)?;
    let starts = plan.edges[..plan.edges.len() - 1].to_vec();
    let bucket = plan.bucket;
    if plan.groups.is_empty() && query.context.narrows_time() {
        let text = query.language.pick(
            "Nothing of this selection was in such a shift or state in the time range.",
            "Nada de esta selección estuvo en ese turno o estado en el intervalo de tiempo.",
        );
        notices.push(Notice::Info(text.to_owned()));
    }
    // What is not allocated is shown also where it is all.
    if plan.groups.is_empty() && !plan.balanced {
        return Ok(Answered { frames: nothing(&notices), bucket, starts, kept: keep });
    }
    let money = query.kpis.iter().any(|k| k.is_money());
    let currency = if money { plan::currency(&rates)?.unwrap_or_default() } else { "" };
    if query.kpis.iter().any(|k| k.needs_rates()) {
        plan.price(&rates, &selection.plants, ask.now);
    }
    let windows: Vec<Window<'_>> = plan.windows.iter().map(|w| w.window.clone()).collect();
    let sums = sums::fetch(source, &windows, &plan.slices.cuts, Ends::Omit).await?;
    let kept = keep.or_else(|| {
        let whole = || figures::kpi(&plan.as_whole(), &runs, &sums.cells, ask.now);
        Some(most(query, &plan, query.top.filter(|n| *n < plan.groups.len())?, &whole()))
    });
    if let Some(kept) = &kept {
        plan.gather(kept, query.language);
    }
    let figures = figures::kpi(&plan, &runs, &sums.cells, ask.now);
    notices.extend(plan.notices.iter().cloned().map(Notice::Info));
    if figures.groups.iter().flatten().any(|f| f.provisional) {
        let text = query.language.pick(
            "A run that is still open is part of these figures: they are provisional.",
            "Una fabricación aún abierta es parte de estas cifras: son provisionales.",
        );
        notices.push(Notice::Info(text.to_owned()));
    }
    if !plan.units && query.kpis.iter().any(|k| k.needs_units()) {
        let text = query.language.pick(
            "Units belong to runs, not to states of machines: they are empty here.",
            "Las unidades son de las fabricaciones, no de los estados de las máquinas: aquí quedan vacías.",
        );
        notices.push(Notice::Info(text.to_owned()));
    }
    if query.kpis.iter().any(|k| k.needs_states()) && plan.machine_time.is_empty() {
        let text = query.language.pick(
            "Nothing says what these machines were doing: send it with POST /v1/states.",
            "Nada dice qué hacían estas máquinas: envíalo con POST /v1/states.",
        );
        notices.push(Notice::Info(text.to_owned()));
    }
    notices.extend(without_rates(query, selection, &figures));
    let mut frames = match plan.bucket {
        Bucket::Whole if query.format == Format::Alert => numbers(query, &plan, &figures, currency),
        Bucket::Whole => {
            vec![table(query, &plan, &figures, currency, kept.is_some(), &mut notices)]
        }
        _ => over_time(query, &plan, &figures, currency, ask.now),
    };
    for frame in &mut frames {
        Provenance {
            language: query.language,
            shown: &sums.shown,
            source: &sums.source,
            reason: sums.because(&plan.reason),
            rows: Some(sums.rows),
            bucket: plan.bucket.to_string(),
            coverage: figures.coverage,
            notices: notices.clone(),
        }
        .write(frame);
    }
    Ok(Answered { frames, bucket, starts, kept })
}

/// The labels of the `top` groups with the most of the first KPI, the largest first.
fn most(query: &Query, plan: &KpiPlan<'_>, top: usize, whole: &KpiFigures) -> Vec<Labels> {
    let Some(&kpi) = query.kpis.first() else { return Vec::new() };
    let of = |index: usize| value(kpi, plan, &whole.groups[index][0]).unwrap_or(f64::NEG_INFINITY);
    largest(plan.groups.iter().enumerate().map(|(index, group)| (of(index), &group.labels)), top)
}

/// Prices and factors of the selection's plants, where a KPI or the grouping needs them.
pub(super) async fn rates(
    source: &Source<'_>,
    query: &Query,
    selection: &Selection<'_>,
    ask: &Ask,
) -> Result<Rates, AnswerError> {
    if !query.kpis.iter().any(|k| k.needs_rates()) && !plan::needs_tariffs(query) {
        return Ok(Rates::new());
    }
    fetch_rates(source, selection.plants.iter().map(|p| p.id), ask.range).await
}

/// Says for which plants cost or emissions are empty, and what to do about it.
fn without_rates(query: &Query, selection: &Selection<'_>, figures: &KpiFigures) -> Vec<Notice> {
    let asked = |of: fn(&Kpi) -> bool| query.kpis.iter().any(of);
    let pick = |en, es| query.language.pick(en, es);
    let missing = &figures.missing;
    let cases = [
        (
            asked(|k| k.is_money()),
            &missing.price,
            pick("No tariff", "Ninguna tarifa"),
            pick("the energy: its cost is empty", "de la energía: su coste queda vacío"),
            "tariffs",
        ),
        (
            asked(|k| matches!(k, Kpi::Co2 | Kpi::Co2PerGoodUnit)),
            &missing.location_based,
            pick("No location-based factor", "Ningún factor de ubicación"),
            pick("the energy: its CO2 is empty", "de la energía: su CO2 queda vacío"),
            "factors",
        ),
        (
            asked(|k| *k == Kpi::Co2MarketBased),
            &missing.market_based,
            pick("No market-based factor", "Ningún factor de mercado"),
            pick(
                "the energy: its market-based CO2 is empty",
                "de la energía: su CO2 de mercado queda vacío",
            ),
            "factors",
        ),
    ];
    let cases = cases.into_iter().filter(|(asked, plants, ..)| *asked && !plants.is_empty());
    let text = |(_, ids, what, of, route): (_, &BTreeSet<i32>, _, _, _)| {
        let plants = selection.plants.iter().filter(|p| ids.contains(&p.id));
        let keys: Vec<&str> = plants.map(|p| p.key.as_str()).collect();
        not_valid(what, &keys, of, route, query.language)
    };
    cases.map(|case| Notice::Warning(text(case))).collect()
}

/// Value, unit and definition of one KPI.
pub(super) fn value(kpi: Kpi, plan: &KpiPlan<'_>, figures: &Figures) -> Option<f64> {
    match kpi {
        _ if kpi.needs_units() && !plan.units => None,
        Kpi::Energy => figures.energy,
        Kpi::EnergyPerGoodUnit => figures.energy_per_good_unit(),
        Kpi::Cost => figures.cost,
        Kpi::CostPerGoodUnit => figures.cost_per_good_unit(),
        Kpi::Co2 => figures.co2,
        Kpi::Co2PerGoodUnit => figures.co2_per_good_unit(),
        Kpi::Co2MarketBased => figures.co2_market_based,
        Kpi::GoodUnits => figures.good_units(),
        Kpi::ScrapUnits => figures.scrap_units(),
        Kpi::MeanTemperature => figures.mean_temperature,
        Kpi::Availability => figures.machines.availability(),
        Kpi::MachineHours => figures.machines.hours(),
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
        Kpi::Availability => "ratio".to_owned(),
        Kpi::MachineHours => "h".to_owned(),
    }
}

fn style(kpi: Kpi, field: Field, currency: &str) -> Field {
    match kpi {
        Kpi::Energy => {
            field.unit("kWh").description("Electrical energy of the meters, exact at the edges.", "Energía eléctrica de los contadores, exacta en los bordes.")
        }
        Kpi::EnergyPerGoodUnit => field
            .unit("kWh/unit")
            .description("Total energy divided by total good units; empty without units.", "Energía total dividida por las unidades buenas totales; vacío sin unidades."),
        Kpi::Cost => field.unit(currency).description("Energy of each tariff period times its price; empty where no tariff is valid.", "Energía de cada periodo de la tarifa por su precio; vacío donde no vale ninguna tarifa."),
        Kpi::CostPerGoodUnit => field
            .unit(&format!("{currency}/unit"))
            .description("Total cost of energy divided by total good units; empty without units.", "Coste total de la energía dividido por las unidades buenas totales; vacío sin unidades."),
        Kpi::Co2 => field
            .unit("kg")
            .description("CO2 of the energy by the mean of the grid (location-based).", "CO2 de la energía por la media de la red (por ubicación)."),
        Kpi::Co2PerGoodUnit => field.unit("kg/unit").description("Total CO2 (location-based) divided by total good units; empty without units.", "CO2 total (por ubicación) dividido por las unidades buenas totales; vacío sin unidades."),
        Kpi::Co2MarketBased => {
            field.unit("kg").description("CO2 of the energy by its contract (market-based).", "CO2 de la energía según su contrato (por mercado).")
        }
        Kpi::GoodUnits => {
            field.description("Good units; of a run that is cut, in proportion to time; empty where no run says how many.", "Unidades buenas; de una fabricación cortada, en proporción al tiempo; vacío si ninguna fabricación dice cuántas.")
        }
        Kpi::ScrapUnits => {
            field.description("Scrapped units; of a run that is cut, in proportion to time; empty where no run says how many.", "Unidades de rechazo; de una fabricación cortada, en proporción al tiempo; vacío si ninguna fabricación dice cuántas.")
        }
        Kpi::MeanTemperature => {
            field.unit("°C").description("Mean of the process thermometers, weighted by time.", "Media de los termómetros del proceso, ponderada por el tiempo.")
        }
        Kpi::Availability => field.unit("ratio").description("Time in which the machines were running, of the time in which they were not switched off.", "Tiempo con las máquinas en marcha, del tiempo en que no estaban apagadas."),
        Kpi::MachineHours => field
            .unit("h")
            .description("Hours of the machines in a known state, added up over the machines.", "Horas de las máquinas en un estado conocido, sumadas entre las máquinas."),
    }
}

/// Energy smaller than this share of the place's is rounding, not unallocated energy.
const NEGLIGIBLE: f64 = 1e-9;

fn table(
    query: &Query,
    plan: &KpiPlan<'_>,
    figures: &KpiFigures,
    currency: &str,
    gathered: bool,
    notices: &mut Vec<Notice>,
) -> Frame {
    let of = |i: usize| figures.groups[i][0];
    let mut order: Vec<usize> = (0..plan.groups.len()).collect();
    // The groups with the most come in their order, the others as one after them.
    if !gathered {
        order.sort_by(|a, b| {
            let energy = |i: &usize| of(*i).energy.unwrap_or(f64::NEG_INFINITY);
            energy(b)
                .total_cmp(&energy(a))
                .then_with(|| plan.groups[*a].labels.cmp(&plan.groups[*b].labels))
        });
    }
    if order.len() > query.limit {
        let limit = query.limit;
        notices.push(Notice::Warning(query.language.pick(
            format!("Only the {limit} groups with most energy."),
            format!("Solo los {limit} grupos con más energía."),
        )));
        order.truncate(query.limit);
    }
    let allocated: f64 = figures.groups.iter().filter_map(|g| g[0].energy).sum();
    let tells = |rest: f64| rest.abs() > NEGLIGIBLE * (allocated.abs() + rest.abs());
    let rest = figures.unallocated.first().filter(|f| f.energy.is_some_and(tells));
    if rest.and_then(|r| r.energy).is_some_and(|r| r < 0.0) {
        let text = query.language.pick(
            "The parts measure more than the whole: check the meter tree, or runs that overlap on a line and its machines.",
            "Las partes miden más que el todo: revise el árbol de contadores, o las fabricaciones que se solapan en una línea y sus máquinas.",
        );
        notices.push(Notice::Warning(text.to_owned()));
    }
    let names: Vec<&'static str> = match plan.groups.first() {
        Some(group) => group.labels.iter().map(|l| l.0).collect(),
        None => vec!["plant", query.group_by.as_str()],
    };
    let last = rest.into_iter();
    let mut fields: Vec<Field> = Vec::new();
    for (column, name) in names.iter().enumerate() {
        let keys = order.iter().map(|&i| Some(plan.groups[i].labels[column].1.clone()));
        fields.push(Field::text(name, keys.chain(last.clone().map(|_| Some(String::new())))));
    }
    let shown = order.iter().map(|&i| Some(plan.groups[i].name.clone()));
    fields.push(Field::text(
        "name",
        shown.chain(last.clone().map(|_| Some(unallocated(query.language).to_owned()))),
    ));
    for &kpi in &query.kpis {
        let values = order.iter().map(|&i| value(kpi, plan, &of(i)));
        let left = |rest: &Figures| value(kpi, plan, rest).filter(|_| kpi.is_balanced());
        let values = values.chain(last.clone().map(left));
        fields.push(style(kpi, Field::number(kpi.as_str(), values), currency));
    }
    let coverage = order.iter().map(|&i| of(i).coverage).chain(last.clone().map(|_| None));
    fields.push(Field::number("coverage", coverage).unit("ratio").description(
        "Share of the time for which the meters have data.",
        "Parte del tiempo para la que los contadores tienen datos.",
    ));
    let provisional = order.iter().map(|&i| Some(of(i).provisional)).chain(last.map(|_| None));
    fields.push(Field::bool("provisional", provisional));
    Frame::new("kpi", "numeric-long", fields)
}

/// One number a frame: rules tell numbers apart by their labels only, and a table has several figures
/// with the same ones.
fn numbers(query: &Query, plan: &KpiPlan<'_>, figures: &KpiFigures, currency: &str) -> Vec<Frame> {
    let mut frames = Vec::new();
    for (group, figures) in plan.groups.iter().zip(&figures.groups) {
        for &kpi in &query.kpis {
            let labels = group.labels.iter().cloned().chain([("kpi", kpi.as_str().to_owned())]);
            let field = Field::number(kpi.as_str(), [value(kpi, plan, &figures[0])]).labels(labels);
            let field = style(kpi, field, currency).display_name(&group.name);
            frames.push(Frame::new(&group.name, "numeric-multi", vec![field]));
        }
    }
    frames
}

fn over_time(
    query: &Query,
    plan: &KpiPlan<'_>,
    figures: &KpiFigures,
    currency: &str,
    now: DateTime<Utc>,
) -> Vec<Frame> {
    let begun = plan.edges.partition_point(|edge| *edge < now);
    let starts = &plan.edges[..plan.edges.len() - 1];
    let frame =
        |labels: Vec<(&'static str, String)>, name: &str, kpi: Kpi, values: Vec<Option<f64>>| {
            let title = match (labels.is_empty(), query.kpis.len()) {
                (true, _) => kpi.as_str().to_owned(),
                (false, 1) => name.to_owned(),
                _ => format!("{name} {}", kpi.as_str()),
            };
            let labels = labels.into_iter().chain([("kpi", kpi.as_str().to_owned())]);
            let fill = match query.fill {
                Fill::Zero if !kpi.is_amount() => Fill::None,
                fill => fill,
            };
            let values = figures::fill(values, fill, begun);
            let value = style(kpi, Field::number("value", values), currency);
            let value = value.labels(labels).display_name(&title);
            let time = Field::time("time", starts.iter().copied().map(Some));
            Frame::new(&title, "timeseries-multi", vec![time, value])
        };
    let mut frames = Vec::new();
    for (group, buckets) in plan.groups.iter().zip(&figures.groups) {
        for &kpi in &query.kpis {
            let values = buckets.iter().map(|f| value(kpi, plan, f)).collect();
            frames.push(frame(group.labels.clone(), &group.name, kpi, values));
        }
    }
    let scale: f64 = figures.groups.iter().flatten().filter_map(|f| f.energy).sum();
    let mut rest = figures.unallocated.iter().filter_map(|f| f.energy);
    if rest.any(|r| r.abs() > NEGLIGIBLE * scale.abs()) {
        let labels: Option<Vec<(&'static str, String)>> =
            plan.groups.first().map(|g| g.labels.iter().map(|l| (l.0, String::new())).collect());
        for &kpi in query.kpis.iter().filter(|k| k.is_balanced()) {
            let values = figures.unallocated.iter().map(|f| value(kpi, plan, f)).collect();
            let name = unallocated(query.language);
            frames.push(frame(labels.clone().unwrap_or_default(), name, kpi, values));
        }
    }
    frames
}
