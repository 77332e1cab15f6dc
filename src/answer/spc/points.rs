//! The points of the charts: KPIs of runs and lots that are over, or values of sensors by bucket.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use super::super::{AnswerError, MAX_RUNS, Source, kpi, needed_states, resolve_runs, sums};
use super::{Chart, Point, Times};
use crate::domain::{Bucket, TimeRange};
use crate::figures;
use crate::frame::Notice;
use crate::model::{self, Filter, GroupBy, Kpi, Query, QueryType, SpcSubject};
use crate::plan::{self, Ask, Run, Selection, Window};
use crate::sql;
use crate::sql::cell::Ends;

/// Where the points come from.
#[derive(Default)]
pub(super) struct Read {
    pub shown: String,
    pub source: String,
    pub reason: String,
    pub rows: f64,
    pub notices: Vec<Notice>,
}

impl Read {
    fn note(&mut self, reason: &str, sums: &sums::Sums) {
        self.shown.clone_from(&sums.shown);
        self.source.clone_from(&sums.source);
        self.reason = format!("{reason}; {}", sums.reason);
        self.rows += sums.rows;
    }
}

/// How far back the runs of a lot may lie that ends in the time asked for.
const LOT_DAYS: i64 = 400;

/// What a chart is for: line, machine, reference and position of the KPI.
type Key = (i32, Option<i32>, String, usize);

/// Charts of runs or lots, one a place, reference and KPI.
pub(super) async fn runs(
    source: &Source<'_>,
    query: &Query,
    selection: &Selection<'_>,
    times: Times,
    ask: &Ask,
    read: &mut Read,
) -> Result<Vec<Chart>, AnswerError> {
    let mut runs: Vec<Run> = Vec::new();
    for range in [times.learned, times.shown] {
        let (found, _) = resolve_runs(source, query, selection, range).await?;
        runs.extend(found);
    }
    if query.spc.subject == SpcSubject::Lot {
        runs = whole_lots(source, selection, &runs, times, ask).await?;
    }
    runs.sort_by(|a, b| a.started_at.cmp(&b.started_at).then_with(|| a.key.cmp(&b.key)));
    runs.dedup();
    // A run is its own lot, so that the figures of lots are those of runs.
    let of_lots = query.spc.subject == SpcSubject::Lot;
    let keyed: Vec<Run> = (runs.iter())
        .map(|run| Run {
            lot: if of_lots { run.lot.clone() } else { run.key.clone() },
            ..run.clone()
        })
        .collect();
    let open: Vec<&str> =
        keyed.iter().filter(|r| r.ended_at.is_none()).map(|r| r.lot.as_str()).collect();
    let done: Vec<Run> =
        keyed.iter().filter(|run| !open.contains(&run.lot.as_str())).cloned().collect();
    let from = done.iter().map(|r| r.started_at).min();
    let to = done.iter().filter_map(|r| r.ended_at).max();
    let Some(range) = from.zip(to).and_then(|(from, to)| TimeRange::new(from, to).ok()) else {
        let text = query.language.pick(
            "No run of this selection is over in the time range.",
            "Ninguna fabricación de esta selección ha terminado en el intervalo de tiempo.",
        );
        read.notices.push(Notice::Info(text.to_owned()));
        return Ok(Vec::new());
    };
    let kpis =
        if query.kpis == Kpi::USUAL { vec![Kpi::EnergyPerGoodUnit] } else { query.kpis.clone() };
    let asked = Query {
        kind: QueryType::Kpi,
        group_by: GroupBy::Lot,
        bucket: Bucket::Whole,
        kpis: kpis.clone(),
        // Restricted: what no run accounts for is no point.
        context: model::Context {
            lots: Filter::Keys(vec![String::new()]),
            ..query.context.clone()
        },
        ..query.clone()
    };
    let ask = Ask { range, max_points: usize::MAX, ..*ask };
    let states = needed_states(source, &asked, selection, range).await?;
    let rates = kpi::rates(source, &asked, selection, &ask).await?;
    let mut plan = plan::kpi(&asked, selection, source.catalog, &done, &states, &rates, &ask)?;
    let money = kpis.iter().any(|k| k.is_money());
    let currency =
        if money { plan::currency(&rates)?.unwrap_or_default().to_owned() } else { String::new() };
    if !rates.is_empty() {
        plan.price(&rates, &selection.plants, ask.now);
    }
    let windows: Vec<Window<'_>> = plan.windows.iter().map(|w| w.window.clone()).collect();
    let sums = sums::fetch(source, &windows, &plan.slices.cuts, Ends::Omit).await?;
    read.note("whole runs", &sums);
    let figures = figures::kpi(&plan, &done, &sums.cells, ask.now);

    let mut charts: BTreeMap<Key, Chart> = BTreeMap::new();
    let mut all: Vec<(Point, Key, &Run)> = Vec::new();
    for (group, buckets) in plan.groups.iter().zip(&figures.groups) {
        let own = group.runs.iter().filter_map(|(run, _)| done.get(*run));
        let Some(last) = own.max_by_key(|run| run.ended_at) else { continue };
        let Some(ended) = last.ended_at else { continue };
        for (index, kpi) in kpis.iter().enumerate() {
            let Some(value) = buckets.first().and_then(|f| kpi::value(*kpi, &plan, f)) else {
                continue;
            };
            let key = (last.line, last.machine, last.reference.clone(), index);
            all.push((Point { time: ended, key: last.lot.clone(), value }, key, last));
        }
    }
    all.sort_by(|a, b| a.0.time.cmp(&b.0.time).then_with(|| a.0.key.cmp(&b.0.key)));
    for (point, key, run) in all {
        let kpi = kpis[key.3];
        let chart =
            charts.entry(key).or_insert_with(|| chart_of(source, run, kpi, kpis.len(), &currency));
        let inside = |range: TimeRange| range.from() < point.time && point.time <= range.to();
        if inside(times.learned) {
            chart.learned.push(point.value);
        }
        if inside(times.shown) {
            chart.points.push(point);
        }
    }
    Ok(charts.into_values().collect())
}

fn chart_of(source: &Source<'_>, run: &Run, kpi: Kpi, kpis: usize, currency: &str) -> Chart {
    let plant = source.catalog.plant(run.plant).map(|p| p.key.clone()).unwrap_or_default();
    let line = source.catalog.line(run.line);
    let machine = run.machine.and_then(|id| source.catalog.machine(id));
    let key = |spot: Option<&crate::catalog::Spot>| spot.map(|s| s.key.clone()).unwrap_or_default();
    let place = machine.or(line).map(|s| s.name.clone()).unwrap_or_default();
    let mut labels = vec![
        ("plant", plant),
        ("line", key(line)),
        ("machine", key(machine)),
        ("reference", run.reference.clone()),
        ("kpi", kpi.as_str().to_owned()),
    ];
    labels.retain(|(_, key)| !key.is_empty());
    let mut name = format!("{place} · {}", run.reference_name);
    if kpis > 1 {
        name = format!("{name} · {}", kpi.as_str());
    }
    Chart { unit: kpi::unit(kpi, currency), ..chart(labels, name) }
}

fn chart(labels: Vec<(&'static str, String)>, name: String) -> Chart {
    Chart {
        labels,
        name,
        unit: String::new(),
        learned: Vec::new(),
        points: Vec::new(),
        limits: None,
        broken: Vec::new(),
        smooth: Vec::new(),
    }
}

/// All runs of the lots that some runs belong to.
async fn whole_lots(
    source: &Source<'_>,
    selection: &Selection<'_>,
    runs: &[Run],
    times: Times,
    ask: &Ask,
) -> Result<Vec<Run>, AnswerError> {
    let mut lots: Vec<String> = runs.iter().map(|run| run.lot.clone()).collect();
    lots.sort_unstable();
    lots.dedup();
    if lots.is_empty() {
        return Ok(Vec::new());
    }
    let first = times.learned.from().min(times.shown.from()) - TimeDelta::days(LOT_DAYS);
    let Ok(range) = TimeRange::new(first, ask.now) else { return Ok(Vec::new()) };
    let context = model::Context { lots: Filter::Keys(lots), ..model::Context::default() };
    let statement = sql::runs::statement(selection, &context, range, MAX_RUNS + 1);
    let rows = source.db.query(&statement.sql, statement.params).await?;
    if rows.len() > MAX_RUNS {
        return Err(AnswerError::TooManyRuns(MAX_RUNS));
    }
    Ok(rows.iter().map(sql::runs::read).collect::<Result<_, _>>()?)
}

/// Charts of sensors, one each, of their values by bucket.
pub(super) async fn sensors(
    source: &Source<'_>,
    query: &Query,
    selection: &Selection<'_>,
    times: Times,
    ask: &Ask,
    read: &mut Read,
) -> Result<Vec<Chart>, AnswerError> {
    let bucket = if query.bucket == Bucket::Auto { Bucket::Hour } else { query.bucket };
    let asked = Query { group_by: GroupBy::None, bucket, ..query.clone() };
    let mut charts: Vec<Chart> = Vec::new();
    for (range, is_shown) in [(times.learned, false), (times.shown, true)] {
        let mut runs = None;
        if query.context.is_restricted() {
            runs = Some(resolve_runs(source, query, selection, range).await?.0);
        }
        let ask = Ask { range, ..*ask };
        let plan = plan::series(&asked, selection, source.catalog, runs.as_deref(), &[], &ask)?;
        if plan.windows.is_empty() {
            continue;
        }
        let ends = match plan.aggregate {
            model::Aggregate::First | model::Aggregate::Last => Ends::Read,
            _ => Ends::Omit,
        };
        let sums = sums::fetch(source, &plan.windows, &plan.edges, ends).await?;
        read.note(&plan.reason, &sums);
        for (key, values) in plan.series.iter().zip(figures::series(&plan, &sums.cells)) {
            let known = charts.iter().position(|chart| chart.labels == key.labels);
            let index = known.unwrap_or_else(|| {
                charts.push(Chart {
                    unit: key.unit.clone(),
                    ..chart(key.labels.clone(), key.name.clone())
                });
                charts.len() - 1
            });
            // A bucket that is not over yet is no point: its value still changes.
            let whole = plan
                .edges
                .windows(2)
                .zip(values)
                .filter(|(pair, _)| range.from() <= pair[0] && pair[1] <= range.to());
            for (pair, value) in whole {
                let Some(value) = value else { continue };
                match is_shown {
                    true => charts[index].points.push(Point {
                        time: pair[0],
                        key: String::new(),
                        value,
                    }),
                    false => charts[index].learned.push(value),
                }
            }
        }
    }
    Ok(charts)
}
