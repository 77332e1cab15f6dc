//! Sensor values over time: one frame a series.

use super::{
    AnswerError, Answered, Provenance, Source, is_kept, largest, needed_states, nothing,
    resolve_runs, sums,
};
use crate::domain::Language;
use crate::figures::{self, Values};
use crate::frame::{Field, Frame, Notice};
use crate::model::{Aggregate, Query};
use crate::plan::{self, Ask, Labels, Selection, SeriesKey};
use crate::sql::cell::Ends;

pub(super) async fn answer(
    source: &Source<'_>,
    query: &Query,
    selection: &Selection<'_>,
    ask: &Ask,
    keep: Option<Vec<Labels>>,
) -> Result<Answered, AnswerError> {
    let mut notices = Vec::new();
    let mut runs = None;
    if query.context.is_restricted() || query.group_by.is_context() {
        let (found, said) = resolve_runs(source, query, selection, ask.range).await?;
        notices = said;
        runs = Some(found);
    }
    let states = needed_states(source, query, selection, ask.range).await?;
    let plan = plan::series(query, selection, source.catalog, runs.as_deref(), &states, ask)?;
    let starts = &plan.edges[..plan.edges.len() - 1];
    let answered =
        |frames, kept| Answered { frames, bucket: plan.bucket, starts: starts.to_vec(), kept };
    if plan.windows.is_empty() {
        if query.context.narrows_time() && notices.is_empty() {
            let text = query.language.pick(
                "Nothing of this selection was in such a shift or state in the time range.",
                "Nada de esta selección estuvo en ese turno o estado en el intervalo de tiempo.",
            );
            notices.push(Notice::Info(text.to_owned()));
        }
        return Ok(answered(nothing(&notices), keep));
    }
    let ends = match plan.aggregate {
        Aggregate::First | Aggregate::Last => Ends::Read,
        _ => Ends::Omit,
    };
    let sums = sums::fetch(source, &plan.windows, &plan.edges, ends).await?;
    notices.extend(plan.notices.iter().cloned().map(Notice::Info));
    let begun = starts.partition_point(|start| *start < ask.now);
    let extremes = match query.extremes {
        true => figures::extremes(&plan, &sums.cells),
        false => vec![None; plan.series.len()],
    };
    let values = figures::series(&plan, &sums.cells);
    let means = values.iter().map(|values| mean(values.iter().flatten().copied()));
    let kept = keep.or_else(|| highest(query, &plan.series, means, &mut notices));
    let all = plan.series.iter().zip(values.into_iter().zip(extremes));
    let frames = all.filter(|(key, _)| is_kept(kept.as_deref(), &key.labels)).map(
        |(key, (values, extremes))| {
            let values = figures::fill(values, query.fill, begun);
            let mut fields = vec![Field::time("time", starts.iter().copied().map(Some))];
            fields.push(field("value", key, values).display_name(&key.name));
            let band = |both| band(key, both, query.language);
            fields.extend(extremes.into_iter().flat_map(band));
            let mut frame = Frame::new(&key.name, "timeseries-multi", fields);
            Provenance {
                language: query.language,
                shown: &sums.shown,
                source: &sums.source,
                reason: sums.because(&plan.reason),
                rows: Some(sums.rows),
                bucket: plan.bucket.to_string(),
                coverage: None,
                notices: notices.clone(),
            }
            .write(&mut frame);
            frame
        },
    );
    let frames = frames.collect();
    Ok(answered(frames, kept))
}

/// Mean of what is known; less than anything where nothing is.
pub(super) fn mean(values: impl Iterator<Item = f64>) -> f64 {
    let (count, sum) = values
        .filter(|value| value.is_finite())
        .fold((0_usize, 0.0), |(count, sum), value| (count + 1, sum + value));
    if count > 0 { sum / count as f64 } else { f64::NEG_INFINITY }
}

/// The labels of the `top` series with the highest means, those of the same mean by label; `None` where
/// all are shown.
pub(super) fn highest(
    query: &Query,
    series: &[SeriesKey],
    means: impl Iterator<Item = f64>,
    notices: &mut Vec<Notice>,
) -> Option<Vec<Labels>> {
    let top = query.top.filter(|top| *top < series.len())?;
    let count = series.len();
    notices.push(Notice::Info(query.language.pick(
        format!("{top} of {count} series are shown: those with the highest mean."),
        format!("Se muestran {top} de {count} series: las de mayor media."),
    )));
    Some(largest(means.zip(series).map(|(mean, key)| (mean, &key.labels)), top))
}

fn field(name: &str, key: &SeriesKey, values: Values) -> Field {
    let labels = key.labels.iter().map(|(k, v)| (*k, v.clone()));
    Field::number(name, values).labels(labels).unit(&key.unit)
}

/// Least and greatest reading as a band that is not in the legend. Expressions and alert rules read
/// the first value of a frame only.
fn band(key: &SeriesKey, (least, greatest): (Values, Values), language: Language) -> [Field; 2] {
    let name = |what: &str| format!("{} ({what})", key.name);
    let (min, max) = language.pick(("min", "max"), ("mín", "máx"));
    let least = field("min", key, least).labels([("extreme", "min".to_owned())]);
    let greatest = field("max", key, greatest).labels([("extreme", "max".to_owned())]);
    [
        least.display_name(&name(min)).band(None),
        greatest.display_name(&name(max)).band(Some(&name(min))),
    ]
}
