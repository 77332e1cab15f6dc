//! Sensor values over time: one frame a series.

use super::{AnswerError, Provenance, Source, needed_states, nothing, resolve_runs, sums};
use crate::figures;
use crate::frame::{Field, Frame, Notice};
use crate::model::{Aggregate, Query};
use crate::plan::{self, Ask, Selection};
use crate::sql::integrate::Ends;

pub(super) async fn answer(
    source: &Source<'_>,
    query: &Query,
    selection: &Selection<'_>,
    ask: &Ask,
) -> Result<Vec<Frame>, AnswerError> {
    let mut notices = Vec::new();
    let mut runs = None;
    if query.context.is_restricted() || query.group_by.is_context() {
        let (found, said) = resolve_runs(source, query, selection, ask.range).await?;
        notices = said;
        runs = Some(found);
    }
    let states = needed_states(source, query, selection, ask.range).await?;
    let plan = plan::series(query, selection, source.catalog, runs.as_deref(), &states, ask)?;
    if plan.windows.is_empty() {
        return Ok(nothing(&notices));
    }
    let ends = match plan.aggregate {
        Aggregate::First | Aggregate::Last => Ends::Read,
        _ => Ends::Omit,
    };
    let sums = sums::fetch(source, &plan.windows, &plan.edges, ends).await?;
    let starts = &plan.edges[..plan.edges.len() - 1];
    notices.extend(plan.notices.iter().cloned().map(Notice::Info));
    let frames =
        plan.series.iter().zip(figures::series(&plan, &sums.cells)).map(|(key, values)| {
            let labels = key.labels.iter().map(|(k, v)| (*k, v.clone()));
            let value = Field::number("value", values)
                .labels(labels)
                .unit(&key.unit)
                .display_name(&key.name);
            let time = Field::time("time", starts.iter().copied().map(Some));
            let mut frame = Frame::new(&key.name, "timeseries-multi", vec![time, value]);
            Provenance {
                shown: &sums.shown,
                source: &sums.source,
                reason: format!("{}; {}", plan.reason, sums.reason),
                rows: Some(sums.rows),
                bucket: plan.bucket.to_string(),
                coverage: None,
                notices: notices.clone(),
            }
            .write(&mut frame);
            frame
        });
    Ok(frames.collect())
}
