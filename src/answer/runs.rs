//! Production runs, as a table with their energy or as annotations.

use super::sums::{self, Sums};
use super::{AnswerError, MAX_RUNS, Provenance, Source, reject_unknown};
use crate::domain::Language;
use crate::figures;
use crate::frame::{Field, Frame, Notice};
use crate::model::{Format, Query};
use crate::plan::{self, Ask, Run, Selection, Window, keep};
use crate::sql::cell::Ends;
use crate::sql::{self, Statement};

pub(super) async fn answer(
    source: &Source<'_>,
    query: &Query,
    selection: &Selection<'_>,
    ask: &Ask,
) -> Result<Vec<Frame>, AnswerError> {
    // Rules of the dashboard are applied to what was fetched.
    let fetched = if query.context.rules.is_empty() { query.limit + 1 } else { MAX_RUNS + 1 };
    let Statement { sql, params, shown } =
        sql::runs::statement(selection, &query.context, ask.range, fetched);
    let rows = source.db.query(&sql, params).await?;
    let mut runs: Vec<Run> = rows.iter().map(sql::runs::read).collect::<Result<_, _>>()?;
    if !query.context.rules.is_empty() && runs.len() > MAX_RUNS {
        return Err(AnswerError::TooManyRuns(MAX_RUNS));
    }
    keep(&mut runs, &query.context)?;
    let mut notices = Vec::new();
    if runs.is_empty() {
        reject_unknown(source, query, selection).await?;
    }
    if runs.len() > query.limit {
        runs.truncate(query.limit);
        let limit = query.limit;
        let text = query.language.pick(
            format!("Only the newest {limit} runs; raise the limit for more."),
            format!("Solo las {limit} fabricaciones más recientes; sube el límite para ver más."),
        );
        notices.push(Notice::Warning(text));
    }
    let mut reason = "runs that overlap the time range, newest first".to_owned();
    let mut from = "runs".to_owned();
    let mut frame = match query.format {
        Format::Annotations => annotations(source, &runs, query.language),
        _ => {
            let (energy, sums) = energy(source, selection, &runs, ask).await?;
            if !sums.source.is_empty() {
                from = sums.source;
                reason = format!("{reason}; their energy: {}", sums.reason);
            }
            table(source, &runs, &energy, ask)
        }
    };
    Provenance {
        language: query.language,
        shown: &shown,
        source: &from,
        reason,
        rows: None,
        bucket: "none".to_owned(),
        coverage: None,
        notices,
    }
    .write(&mut frame);
    Ok(vec![frame])
}

/// kWh of each whole run, `None` where nothing meters it.
pub(super) async fn energy(
    source: &Source<'_>,
    selection: &Selection<'_>,
    runs: &[Run],
    ask: &Ask,
) -> Result<(Vec<Option<f64>>, Sums), AnswerError> {
    let found = plan::run_energy(runs, selection, source.catalog, ask.now);
    let (Some(from), Some(to)) = (
        found.iter().map(|(_, w)| w.range.from()).min(),
        found.iter().map(|(_, w)| w.range.to()).max(),
    ) else {
        return Ok((vec![None; runs.len()], Sums::default()));
    };
    let windows: Vec<Window<'_>> = found.iter().map(|(_, w)| w.clone()).collect();
    let sums = sums::fetch(source, &windows, &[from, to], Ends::Omit).await?;
    let owners: Vec<_> = found.iter().map(|(run, w)| (*run, w.sensor)).collect();
    let energy = figures::energy_by_run(&owners, &sums.cells);
    Ok(((0..runs.len()).map(|i| energy.get(&i).copied()).collect(), sums))
}

fn table(source: &Source<'_>, runs: &[Run], energy: &[Option<f64>], ask: &Ask) -> Frame {
    let catalog = source.catalog;
    let text = |name, of: &dyn Fn(&Run) -> Option<String>| {
        Field::text(name, runs.iter().map(of).collect::<Vec<_>>())
    };
    let lasted = |r: &Run| (r.ended_at.unwrap_or(ask.now) - r.started_at).num_milliseconds();
    let per_unit =
        runs.iter().zip(energy).map(|(r, e)| e.filter(|_| r.good() > 0.0).map(|e| e / r.good()));
    let fields = vec![
        Field::time("started_at", runs.iter().map(|r| Some(r.started_at))),
        Field::time("ended_at", runs.iter().map(|r| r.ended_at)),
        text("plant", &|r| catalog.plant(r.plant).map(|p| p.key.clone())),
        text("line", &|r| catalog.line(r.line).map(|l| l.key.clone())),
        text("machine", &|r| r.machine.and_then(|id| catalog.machine(id)).map(|m| m.key.clone())),
        text("run", &|r| Some(r.key.clone())),
        text("lot", &|r| Some(r.lot.clone())),
        text("reference", &|r| Some(r.reference.clone())),
        text("operator", &|r| r.operator.as_ref().map(|o| o.1.clone())),
        Field::number("good_units", runs.iter().map(|r| r.good_units)),
        Field::number("scrap_units", runs.iter().map(|r| r.scrap_units)),
        Field::number("duration_s", runs.iter().map(|r| Some(lasted(r) as f64 / 1000.0))).unit("s"),
        Field::number("energy", energy.iter().copied()).unit("kWh"),
        Field::number("energy_per_good_unit", per_unit.collect::<Vec<_>>()).unit("kWh/unit"),
        Field::bool("provisional", runs.iter().map(|r| Some(r.ended_at.is_none()))),
    ];
    Frame::new("runs", "table", fields)
}

fn annotations(source: &Source<'_>, runs: &[Run], language: Language) -> Frame {
    let line = |r: &Run| source.catalog.line(r.line).map(|l| l.name.clone()).unwrap_or_default();
    let title = |r: &Run| Some(format!("{} · {}", r.lot, r.reference));
    let text = |r: &Run| {
        let by = r.operator.as_ref().map(|o| format!(" · {}", o.1)).unwrap_or_default();
        let running = language.pick(" (running)", " (en curso)");
        let open = if r.ended_at.is_none() { running } else { "" };
        let (good, scrap) = language.pick(("good", "scrap"), ("buenas", "de rechazo"));
        let units =
            [(r.good_units, good), (r.scrap_units, scrap)].into_iter().filter_map(|(units, of)| {
                Some(format!("{} {of}", language.number(format_args!("{}", units?))))
            });
        let units = units.collect::<Vec<_>>().join(", ");
        let units = if units.is_empty() { units } else { format!(" · {units}") };
        Some(format!("{}{by}{units}{open}", line(r)))
    };
    let tags = |r: &Run| Some(format!("{},{},{}", line(r), r.reference, r.lot));
    let fields = vec![
        Field::time("time", runs.iter().map(|r| Some(r.started_at))),
        Field::time("timeEnd", runs.iter().map(|r| r.ended_at)),
        Field::text("title", runs.iter().map(title)),
        Field::text("text", runs.iter().map(text)),
        Field::text("tags", runs.iter().map(tags)),
        Field::text("id", runs.iter().map(|r| Some(r.key.clone()))),
    ];
    Frame::new("runs", "", fields)
}
