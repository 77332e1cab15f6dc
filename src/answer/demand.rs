//! Demand of each plant in quarters of an hour, against its contracted power.

use chrono::{DateTime, Datelike, Utc};

use super::{AnswerError, Provenance, Source, fetch_rates, nothing, sums};
use crate::analytics::demand::{self, Demand, QUARTER_H, Quarter};
use crate::catalog::Plant;
use crate::domain::{Bucket, Language, TimeRange};
use crate::figures;
use crate::frame::{Field, Frame, Notice};
use crate::model::{Context, Filter, Format, GroupBy, Kpi, Query};
use crate::plan::{self, Ask, Rates, Selection};
use crate::sql::cell::Ends;

/// Most quarters of an hour: a year and a month.
const MAX_QUARTERS: usize = 38_112;
const QUARTER_S: u32 = 900;
/// Share of a quarter for which the meters have to have data.
const COMPLETE: f64 = 1.0 - 1e-6;

/// A plant with its quarters, oldest first.
struct Measured<'a> {
    plant: &'a Plant,
    quarters: Vec<Quarter<'a>>,
}

pub(super) async fn answer(
    source: &Source<'_>,
    query: &Query,
    selection: &Selection<'_>,
    ask: &Ask,
) -> Result<Vec<Frame>, AnswerError> {
    let mut notices = Vec::new();
    let place = &query.place;
    let is_whole = [&place.lines, &place.machines, &place.sensors].map(|f| *f == Filter::All);
    let is_whole = is_whole == [true; 3] && !source.catalog.lines_only;
    if !is_whole {
        let text = query.language.pick(
            "Contracted power is that of a whole plant: choose no line, machine or sensor to compare with it.",
            "La potencia contratada es la de toda la planta: no elijas línea, máquina ni sensor para comparar con ella.",
        );
        notices.push(Notice::Info(text.to_owned()));
    }
    let energy = Query {
        kpis: vec![Kpi::Energy],
        group_by: GroupBy::Plant,
        bucket: Bucket::Width(QUARTER_S),
        context: Context::default(),
        ..query.clone()
    };
    let wide = Ask { max_points: MAX_QUARTERS, ..*ask };
    let plan = plan::kpi(&energy, selection, source.catalog, &[], &[], &Rates::new(), &wide)?;
    if plan.windows.is_empty() {
        return Ok(nothing(&notices));
    }
    let windows: Vec<plan::Window<'_>> = plan.windows.iter().map(|w| w.window.clone()).collect();
    if windows.iter().any(|w| w.sensor.interval_s > f64::from(QUARTER_S)) {
        let text = query.language.pick(
            "A meter sends less often than every quarter of an hour: its demand is spread evenly, and peaks are higher.",
            "Un contador envía menos que cada cuarto de hora: su demanda se reparte por igual, y los picos son mayores.",
        );
        notices.push(Notice::Warning(text.to_owned()));
    }
    let sums = sums::fetch(source, &windows, &plan.slices.cuts, Ends::Omit).await?;
    let figures = figures::kpi(&plan, &[], &sums.cells, ask.now);
    let rates = match is_whole {
        true => fetch_rates(source, selection.plants.iter().map(|p| p.id), ask.range).await?,
        false => Rates::new(),
    };
    let mut all: Vec<Measured<'_>> = Vec::new();
    for (group, figures) in plan.groups.iter().zip(&figures.groups) {
        let key = group.labels.iter().find(|l| l.0 == "plant").map(|l| l.1.as_str());
        let Some(plant) = selection.plants.iter().find(|p| Some(p.key.as_str()) == key) else {
            continue;
        };
        let rates = rates.get(&plant.id);
        let known = figures.iter().zip(plan.edges.windows(2)).filter_map(|(figures, edges)| {
            let range = TimeRange::new(edges[0], edges[1]).ok()?;
            let is_over = range.to() <= ask.now;
            let is_inside = range.from() >= ask.range.from() && range.to() <= ask.range.to();
            let is_complete = figures.coverage.is_some_and(|share| share >= COMPLETE);
            let local = range.from().with_timezone(&plant.zone());
            (is_over && is_inside).then(|| Quarter {
                start: range.from(),
                kw: figures.energy.filter(|_| is_complete).map(|kwh| kwh / QUARTER_H),
                month: (local.year(), local.month()),
                period: rates.and_then(|rates| rates.period_at(plant.zone(), range.from())),
            })
        });
        all.push(Measured { plant, quarters: known.collect() });
    }
    if is_whole && all.iter().flat_map(|m| &m.quarters).all(|q| contracted(q).is_none()) {
        let text = query.language.pick(
            "No contracted power is known: send it with the plant's tariff, POST /v1/tariffs.",
            "No se conoce ninguna potencia contratada: envíala con la tarifa de la planta, POST /v1/tariffs.",
        );
        notices.push(Notice::Info(text.to_owned()));
    }
    let mut frames = match query.format {
        Format::Series => over_time(&all, ask.max_data_points, query.language),
        Format::Alert => numbers(&all),
        // Only here is money.
        _ => vec![table(&all, plan::currency(&rates)?.unwrap_or_default())],
    };
    if frames.is_empty() {
        return Ok(nothing(&notices));
    }
    for frame in &mut frames {
        Provenance {
            language: query.language,
            shown: &sums.shown,
            source: &sums.source,
            reason: sums.because("mean power of each quarter of an hour that is over"),
            rows: Some(sums.rows),
            bucket: plan.bucket.to_string(),
            coverage: figures.coverage,
            notices: std::mem::take(&mut notices),
        }
        .write(frame);
    }
    Ok(frames)
}

fn contracted(quarter: &Quarter<'_>) -> Option<f64> {
    quarter.period?.contracted_kw
}

/// A row a plant and period of its tariff.
fn table(all: &[Measured<'_>], currency: &str) -> Frame {
    let rows: Vec<(&Plant, Demand)> = all
        .iter()
        .flat_map(|m| demand::by_period(&m.quarters).into_iter().map(|d| (m.plant, d)))
        .collect();
    let text = |name, of: &dyn Fn(&(&Plant, Demand)) -> String| {
        Field::text(name, rows.iter().map(|row| Some(of(row))).collect::<Vec<_>>())
    };
    let number = |name, of: &dyn Fn(&Demand) -> Option<f64>| {
        Field::number(name, rows.iter().map(|(_, d)| of(d)).collect::<Vec<_>>())
    };
    let fields = vec![
        text("plant", &|(plant, _)| plant.key.clone()),
        text("tariff_period", &|(_, d)| d.period.clone()),
        number("contracted", &|d| d.contracted_kw)
            .unit("kW")
            .description("Contracted power of the period; the least of several.", "Potencia contratada del periodo; la menor si hay varias."),
        number("peak", &|d| d.peak.map(|peak| peak.1))
            .unit("kW")
            .description("Highest mean power of a quarter of an hour.", "Mayor potencia media de un cuarto de hora."),
        Field::time("peak_at", rows.iter().map(|(_, d)| d.peak.map(|peak| peak.0))),
        number("quarters", &|d| Some(d.quarters as f64))
            .description("Quarters of an hour with complete readings.", "Cuartos de hora con lecturas completas."),
        number("above", &|d| d.above.map(|n| n as f64))
            .description("Quarters of an hour above the contracted power.", "Cuartos de hora por encima de la potencia contratada."),
        number("excess", &|d| d.excess_kwh)
            .unit("kWh")
            .description("Energy above the contracted power.", "Energía por encima de la potencia contratada."),
        number("excess_cost", &|d| d.excess_cost).unit(currency).description("Price of the excess times the root of the sum of its squares, of each month and period.", "Precio del exceso por la raíz de la suma de sus cuadrados, de cada mes y periodo."),
    ];
    Frame::new("demand", "", fields)
}

/// Demand and contract of each plant. Of neighbouring quarters that share a point the highest demand
/// stands, with its contract, so that no peak is lost.
fn over_time(all: &[Measured<'_>], points: usize, language: Language) -> Vec<Frame> {
    let frame = |m: &Measured<'_>| {
        let each = m.quarters.len().div_ceil(points.max(1)).max(1);
        let shown: Vec<(DateTime<Utc>, &Quarter<'_>)> = m
            .quarters
            .chunks(each)
            .filter_map(|chunk| {
                let rank = |q: &&Quarter<'_>| q.kw.unwrap_or(f64::NEG_INFINITY);
                let highest = chunk.iter().max_by(|a, b| rank(a).total_cmp(&rank(b)))?;
                Some((chunk[0].start, highest))
            })
            .collect();
        let number = |name: &str, title: &str, of: &dyn Fn(&Quarter<'_>) -> Option<f64>| {
            Field::number(name, shown.iter().map(|(_, q)| of(q)).collect::<Vec<_>>())
                .unit("kW")
                .labels([("plant", m.plant.key.clone())])
                .display_name(&format!("{} {title}", m.plant.name))
        };
        let fields = vec![
            Field::time("time", shown.iter().map(|(start, _)| Some(*start))),
            number("demand", language.pick("demand", "demanda"), &|q| q.kw).description(
                "Mean power of a quarter of an hour.",
                "Potencia media de un cuarto de hora.",
            ),
            number("contracted", language.pick("contracted", "contratada"), &|q| contracted(q))
                .description("Contracted power.", "Potencia contratada."),
        ];
        Frame::new(&m.plant.name, "timeseries-wide", fields)
    };
    all.iter().filter(|m| !m.quarters.is_empty()).map(frame).collect()
}

/// One number a plant: the highest demand of the time range, in per cent of what was contracted then.
fn numbers(all: &[Measured<'_>]) -> Vec<Frame> {
    let used = |q: &Quarter<'_>| {
        let contracted = contracted(q).filter(|kw| *kw > 0.0)?;
        Some(q.kw? / contracted * 100.0)
    };
    let frame = |m: &Measured<'_>| {
        let most = m.quarters.iter().filter_map(used).max_by(f64::total_cmp);
        let field = Field::number("used", [most])
            .unit("percent")
            .labels([("plant", m.plant.key.clone())])
            .display_name(&m.plant.name)
            .description(
                "Highest mean power of a quarter of an hour, of the contracted power.",
                "Mayor potencia media de un cuarto de hora, de la potencia contratada.",
            );
        Frame::new(&m.plant.name, "numeric-multi", vec![field])
    };
    all.iter().map(frame).collect()
}
