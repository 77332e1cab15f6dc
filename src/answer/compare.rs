//! Figures beside those of an earlier time, or of other lots.
//!
//! The same question is asked twice; the second answer is laid upon the first one, bucket by bucket
//! and group by group.

use std::collections::HashSet;

use super::{AnswerError, Answered, MAX_RUNS, Source, kpi, series};
use crate::domain::{Bucket, Language, TimeRange};
use crate::frame::{Field, Frame, Notice};
use crate::model::{Compare, Format, Query, QueryType};
use crate::plan::{Ask, Labels, Selection};
use crate::sql;

pub(super) async fn answer(
    source: &Source<'_>,
    query: &Query,
    selection: &Selection<'_>,
    ask: &Ask,
) -> Result<Vec<Frame>, AnswerError> {
    let now = plain(source, query, selection, ask, None).await?;
    let over_time = query.kind == QueryType::Series || now.bucket != Bucket::Whole;
    // Numbers for alert rules are compared with a threshold, not with another time.
    if query.compare == Compare::None || query.format == Format::Alert {
        return Ok(now.frames);
    }
    // Both are asked in the same steps.
    let mut other = Query { bucket: now.bucket, ..query.clone() };
    let range = match query.compare {
        Compare::Lots => {
            other.context.lots = query.compare_lots.clone();
            lots_range(source, &other, selection, ask).await?
        }
        compare => earlier(compare, selection, compared(ask, over_time)),
    };
    let Some(range) = range else { return Ok(now.frames) };
    let ask = Ask { range, ..*ask };
    let then = plain(source, &other, selection, &ask, now.kept.clone()).await?;
    let mut frames = match over_time {
        true => lines(now, &then, query.compare.words(query.language)),
        false => tables(now.frames, &then.frames, query.compare),
    };
    let words = query.compare.words(query.language);
    let [from, to] = [range.from(), range.to()].map(|at| at.format("%Y-%m-%d %H:%M UTC"));
    let text = query.language.pick(
        format!("Compared with {words}: {from} to {to}."),
        format!("Comparado con {words}: de {from} a {to}."),
    );
    for frame in &mut frames {
        frame.notify_more(&[Notice::Info(text.clone())]);
    }
    Ok(frames)
}

async fn plain(
    source: &Source<'_>,
    query: &Query,
    selection: &Selection<'_>,
    ask: &Ask,
    keep: Option<Vec<Labels>>,
) -> Result<Answered, AnswerError> {
    match query.kind {
        QueryType::Series => series::answer(source, query, selection, ask, keep).await,
        _ => kpi::answer(source, query, selection, ask, keep).await,
    }
}

/// The range that is compared: a figure that is not complete is compared with as much of the other
/// time; a line goes on.
fn compared(ask: &Ask, over_time: bool) -> TimeRange {
    match ask.range.clip(ask.range.from(), Some(ask.now)) {
        Some(past) if !over_time => past,
        _ => ask.range,
    }
}

/// The range so much earlier on the clock of the first plant.
fn earlier(compare: Compare, selection: &Selection<'_>, range: TimeRange) -> Option<TimeRange> {
    let calendar = &selection.plants.first()?.calendar;
    let (days, months) = match compare {
        Compare::None | Compare::Lots => return None,
        Compare::Previous => {
            let from = range.from() - (range.to() - range.from());
            return TimeRange::new(from, range.from()).ok();
        }
        Compare::Day => (1, 0),
        Compare::Week => (7, 0),
        Compare::Month => (0, 1),
        Compare::Year => (0, 12),
    };
    let back = |t| calendar.earlier(t, days, months);
    TimeRange::new(back(range.from()), back(range.to())).ok()
}

/// From the first start of the lots' runs to their last end.
async fn lots_range(
    source: &Source<'_>,
    query: &Query,
    selection: &Selection<'_>,
    ask: &Ask,
) -> Result<Option<TimeRange>, AnswerError> {
    let context = &query.context;
    let statement =
        sql::lots::statement(selection, context, ask.range.to(), query.limit, MAX_RUNS + 1);
    let rows = source.db.query(&statement.sql, statement.params).await?;
    let runs: Vec<_> = rows.iter().map(sql::runs::read).collect::<Result<_, _>>()?;
    if runs.is_empty() {
        super::reject_unknown(source, query, selection).await?;
    }
    let from = runs.iter().map(|r| r.started_at).min();
    let to = runs.iter().map(|r| r.ended_at.unwrap_or(ask.now)).max();
    Ok(from.zip(to).and_then(|(from, to)| TimeRange::new(from, to).ok()))
}

/// The field that expressions and alert rules read.
fn value(frame: &Frame) -> Option<&Field> {
    frame.fields.iter().find(|f| f.name() == "value")
}

/// Adds the other time's values to each series as a field of their own. A series of that time only
/// has no values of this one.
fn lines(now: Answered, then: &Answered, when: &str) -> Vec<Frame> {
    let count = now.starts.len();
    let mut frames = now.frames;
    // An answer without a series has no field that it could be said in.
    if frames.iter().all(|f| f.fields.is_empty()) && then.frames.iter().any(|f| value(f).is_some())
    {
        frames.clear();
    }
    for other in then.frames.iter().filter(|f| value(f).is_some()) {
        let (Some(field), Some(numbers)) = (value(other), other.numbers("value")) else { continue };
        let mut numbers = numbers.to_vec();
        numbers.resize(count, None);
        let name = format!("{} ({when})", field.shown_name());
        let previous = field
            .with_numbers("previous", numbers)
            .labels([("period", "previous".to_owned())])
            .display_name(&name)
            .dashed();
        let same =
            |frame: &&mut Frame| value(frame).is_some_and(|f| f.all_labels() == field.all_labels());
        match frames.iter_mut().find(same) {
            Some(frame) => frame.fields.push(previous),
            None => {
                let time = Field::time("time", now.starts.iter().copied().map(Some));
                let empty = field.with_numbers("value", vec![None; count]);
                let fields = vec![time, empty, previous];
                frames.push(Frame { fields, ..other.clone() });
            }
        }
    }
    frames
}

/// The texts of a table's columns that tell its rows.
fn keys(frame: &Frame) -> Vec<Vec<String>> {
    let columns: Vec<&[Option<String>]> = frame
        .fields
        .iter()
        .filter_map(|f| frame.texts(f.name()).filter(|_| f.name() != "name"))
        .collect();
    let rows = frame.texts("name").map_or(0, <[_]>::len);
    let row = |row: usize| columns.iter().map(|c| c[row].clone().unwrap_or_default()).collect();
    (0..rows).map(row).collect()
}

/// A time of which less is measured, as a share, says nothing about a change.
const LEAST_COVERAGE: f64 = 0.5;

/// Adds to each figure of a table that of the other time, and the change in percent of it. A group
/// of that time only is a row without figures of this one.
fn tables(now: Vec<Frame>, then: &[Frame], compare: Compare) -> Vec<Frame> {
    let Some(other) = then.iter().find(|f| !f.fields.is_empty()) else { return now };
    let merge = |frame: Frame| {
        if frame.fields.is_empty() {
            return frame;
        }
        let (mut here, there) = (keys(&frame), keys(other));
        let known: HashSet<Vec<String>> = here.iter().cloned().collect();
        let only: Vec<usize> = (0..there.len()).filter(|i| !known.contains(&there[*i])).collect();
        here.extend(only.iter().map(|i| there[*i].clone()));
        let at: Vec<Option<usize>> =
            here.iter().map(|key| there.iter().position(|other| other == key)).collect();
        let covered = other.numbers("coverage");
        let measured: Vec<bool> = at
            .iter()
            .map(|i| i.zip(covered).and_then(|(i, c)| c[i]).is_none_or(|c| c >= LEAST_COVERAGE))
            .collect();
        let mut fields = Vec::new();
        for field in &frame.fields {
            let longer =
                field.followed_by(other.fields.iter().find(|f| f.name() == field.name()), &only);
            let figure = frame.numbers(field.name()).filter(|_| field.name() != "coverage");
            let (Some(_), Some(then)) = (figure, other.numbers(field.name())) else {
                fields.push(longer);
                continue;
            };
            let mut now = frame.numbers(field.name()).unwrap_or_default().to_vec();
            now.resize(here.len(), None);
            let then: Vec<Option<f64>> = at.iter().map(|i| i.and_then(|i| then[i])).collect();
            let change = now.iter().zip(&then).zip(&measured).map(|((now, then), measured)| {
                let (now, then) = ((*now)?, then.filter(|t| *t != 0.0 && *measured)?);
                Some((now - then) / then.abs() * 100.0)
            });
            let change =
                Field::number(&format!("{}_change", field.name()), change).unit("%").description(
                    &format!(
                        "Change against {}, in percent of it; empty where less than half of that is measured.",
                        compare.words(Language::En)
                    ),
                    &format!(
                        "Cambio frente a {}, en tanto por ciento; vacío si está medido menos de la mitad.",
                        compare.words(Language::Es)
                    ),
                );
            fields.push(field.with_numbers(field.name(), now));
            fields.push(field.with_numbers(&format!("{}_previous", field.name()), then));
            fields.push(change);
        }
        Frame { fields, ..frame }
    };
    now.into_iter().map(merge).collect()
}
