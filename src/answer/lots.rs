//! Curves of lots, one upon the other: a number as x axis, or time series that begin together.

use chrono::TimeDelta;

use super::sums::{self, Sums};
use super::{AnswerError, MAX_RUNS, Provenance, Source, nothing, reject_unknown};
use crate::figures;
use crate::frame::{Field, Frame, Notice};
use crate::model::{Aggregate, Align, Filter, Query};
use crate::plan::{self, Ask, Items, LotsPlan, Run, Selection, Steps, Window};
use crate::sql;
use crate::sql::cell::{Cell, Ends};

/// Readings up to which all lots are read at once; more are read lot by lot, from rollups where that
/// is exact.
const AT_ONCE: f64 = 1_000_000.0;

pub(super) async fn answer(
    source: &Source<'_>,
    query: &Query,
    selection: &Selection<'_>,
    ask: &Ask,
) -> Result<Vec<Frame>, AnswerError> {
    let runs = runs(source, query, selection, ask).await?;
    let plan = plan::lots(query, selection, source.catalog, &runs, ask)?;
    let mut notices = Vec::new();
    if plan.windows.is_empty() {
        let text = match runs.is_empty() {
            true => query.language.pick(
                "No lot of this selection has a run here.",
                "Ningún lote de esta selección tiene una fabricación aquí.",
            ),
            false => query.language.pick(
                "The lots' runs have no such sensor on their lines and machines.",
                "Las fabricaciones de los lotes no tienen ese sensor en sus líneas y máquinas.",
            ),
        };
        return Ok(nothing(&[Notice::Info(text.to_owned())]));
    }
    if plan.lots.iter().any(|l| l.open) {
        let text = query.language.pick(
            "A lot is still being made: its curve goes on.",
            "Un lote aún se está fabricando: su curva continúa.",
        );
        notices.push(Notice::Info(text.to_owned()));
    }
    let rows: f64 =
        plan.windows.iter().map(|w| w.range.seconds() / w.sensor.interval_s + 2.0).sum();
    let is_dropped =
        source.catalog.raw_from.is_some_and(|from| plan::need_before(&plan.windows, from));
    let sums = match is_dropped || rows > AT_ONCE {
        true => lot_by_lot(source, &plan, query.aggregate).await?,
        false => from_readings(source, &plan, rows).await?,
    };
    let owner =
        |window: usize| Some((plan.windows.get(window)?.sensor, plan.owners.get(window)?.1));
    let values =
        figures::pooled(owner, plan.series.len(), plan.count, query.aggregate, &sums.cells);
    let mut frames = match query.align {
        Align::Time => over_time(&plan, values, ask),
        Align::Elapsed | Align::Progress => vec![over_number(&plan, values)],
    };
    for frame in &mut frames {
        Provenance {
            language: query.language,
            shown: &sums.shown,
            source: &sums.source,
            reason: format!(
                "{} runs of {} lots resolved first, then only their intervals; {}; {}",
                runs.len(),
                plan.lots.len(),
                plan.reason,
                sums.reason
            ),
            rows: Some(sums.rows),
            bucket: match plan.steps {
                Steps::Elapsed(width) => format!("{width}s"),
                Steps::Progress => format!("1/{}", plan.count),
            },
            coverage: None,
            notices: notices.clone(),
        }
        .write(frame);
    }
    Ok(frames)
}

/// The runs of the lots that are compared, newest lot first.
async fn runs(
    source: &Source<'_>,
    query: &Query,
    selection: &Selection<'_>,
    ask: &Ask,
) -> Result<Vec<Run>, AnswerError> {
    let newest = match query.context.lots {
        Filter::All if query.context.rules.is_empty() => query.last_lots,
        // Rules of the dashboard are applied to what was fetched.
        _ => query.limit,
    };
    let statement =
        sql::lots::statement(selection, &query.context, ask.range.to(), newest, MAX_RUNS + 1);
    let rows = source.db.query(&statement.sql, statement.params).await?;
    let mut runs: Vec<Run> = rows.iter().map(sql::runs::read).collect::<Result<_, _>>()?;
    if runs.len() > MAX_RUNS {
        return Err(AnswerError::TooManyRuns(MAX_RUNS));
    }
    plan::keep(&mut runs, &query.context)?;
    let most = match query.context.lots {
        Filter::All => query.last_lots,
        Filter::Keys(_) => query.limit,
    };
    let mut lots: Vec<(i32, String)> = Vec::new();
    runs.retain(|run| {
        let lot = (run.plant, run.lot.clone());
        let known = lots.contains(&lot);
        if !known && lots.len() < most {
            lots.push(lot);
            return true;
        }
        known
    });
    if runs.is_empty() {
        reject_unknown(source, query, selection).await?;
    }
    Ok(runs)
}

/// One statement for the readings of all lots.
async fn from_readings(
    source: &Source<'_>,
    plan: &LotsPlan<'_>,
    rows: f64,
) -> Result<Sums, AnswerError> {
    let edges: Vec<Vec<f64>> = (0..plan.lots.len()).map(|lot| plan.edges(lot)).collect();
    let mut wanted = sql::items::wanted(
        &plan.windows,
        &[],
        Items::Readings,
        Ends::Read,
        source.catalog.raw_from,
    );
    let shown = wanted.statement.shown.clone();
    let lot_of = |window: usize| plan.owners[window].0;
    let cells = sums::walk_each(source, &mut wanted, |window| {
        (plan.lots[lot_of(window)].from, &edges[lot_of(window)])
    })
    .await?;
    Ok(Sums {
        cells,
        source: "readings".to_owned(),
        reason: "readings, because they are few".to_owned(),
        rows,
        shown,
    })
}

/// A statement a lot, which has its own edges.
async fn lot_by_lot(
    source: &Source<'_>,
    plan: &LotsPlan<'_>,
    aggregate: Aggregate,
) -> Result<Sums, AnswerError> {
    let ends = match aggregate {
        Aggregate::First | Aggregate::Last => Ends::Read,
        _ => Ends::Omit,
    };
    let mut all = Sums::default();
    for lot in 0..plan.lots.len() {
        let of_lot = |(index, owner): (usize, &(usize, usize))| (owner.0 == lot).then_some(index);
        let indices: Vec<usize> = plan.owners.iter().enumerate().filter_map(of_lot).collect();
        if indices.is_empty() {
            continue;
        }
        let windows: Vec<Window<'_>> = indices.iter().map(|i| plan.windows[*i].clone()).collect();
        let sums = sums::fetch(source, &windows, &plan.instants(lot), ends).await?;
        let global = |cell: Cell| Cell { window: indices[cell.window], ..cell };
        all.cells.extend(sums.cells.into_iter().filter(|c| c.window < indices.len()).map(global));
        all.rows += sums.rows;
        (all.source, all.reason, all.shown) = (sums.source, sums.reason, sums.shown);
    }
    Ok(all)
}

/// One frame: where each step begins, and a column a curve.
fn over_number(plan: &LotsPlan<'_>, values: Vec<figures::Values>) -> Frame {
    let positions = plan.positions().into_iter().map(Some);
    let x = match plan.steps {
        Steps::Elapsed(_) => Field::number("elapsed", positions).unit("s").description(
            "Time since the first run of the lot began; start of the step.",
            "Tiempo desde que empezó la primera fabricación del lote; inicio del paso.",
        ),
        Steps::Progress => Field::number("progress", positions).unit("ratio").description(
            "Share of the time from the lot's first start to its last end.",
            "Parte del tiempo entre el primer inicio del lote y su último fin.",
        ),
    };
    let mut fields = vec![x];
    fields.extend(plan.series.iter().zip(values).map(|(key, values)| curve(key, values)));
    Frame::new("lots", "", fields)
}

/// A frame a curve, with the lot's start moved to that of the time range.
fn over_time(plan: &LotsPlan<'_>, values: Vec<figures::Values>, ask: &Ask) -> Vec<Frame> {
    let at = |seconds: f64| ask.range.from() + TimeDelta::microseconds((seconds * 1e6) as i64);
    let times: Vec<_> = plan.positions().into_iter().map(|s| Some(at(s))).collect();
    let frame = |(key, values): (&plan::SeriesKey, figures::Values)| {
        let time = Field::time("time", times.iter().copied());
        Frame::new(&key.name, "timeseries-multi", vec![time, curve(key, values)])
    };
    plan.series.iter().zip(values).map(frame).collect()
}

fn curve(key: &plan::SeriesKey, values: figures::Values) -> Field {
    let labels = key.labels.iter().map(|(k, v)| (*k, v.clone()));
    Field::number("value", values).labels(labels).unit(&key.unit).display_name(&key.name)
}
