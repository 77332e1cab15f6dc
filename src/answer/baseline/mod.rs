//! What production should have used: the baseline of [`crate::analytics::baseline`] for each place,
//! fitted to its baseline period and compared with the meters over the time range.
//!
//! places -> meters, runs, states, drivers -> intervals of hours -> model -> buckets -> frames.

mod compare;
mod fitted;
mod frames;
mod history;
mod split;
mod tables;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

use super::{AnswerError, Provenance, Source, in_the_future, nothing};
use crate::catalog::Plant;
use crate::domain::bucket::CutError;
use crate::domain::{Bucket, Say, TimeRange};
use crate::frame::{Frame, Notice};
use crate::model::{Format, Query};
use crate::plan::{Ask, METERED, PlanError, Selection};
use compare::Compared;

/// Most days of a baseline period.
pub(super) const MOST_DAYS: i64 = 400;
/// Most sums of a meter in an interval, of one query.
const MOST_CELLS: usize = 1_500_000;

/// The times of a question, on the clock of one plant.
#[derive(Debug, Clone)]
struct Times {
    /// The baseline period: whole days.
    learned: TimeRange,
    /// What is shown, up to the present.
    shown: TimeRange,
    /// Edges of the buckets shown.
    edges: Vec<DateTime<Utc>>,
    /// The bucket that was chosen.
    bucket: Bucket,
    /// Steps of the CUSUM: shifts, or days where there are none.
    steps: Bucket,
    /// Whether the time shown is cut at the edges of runs.
    by_runs: bool,
}

pub(super) async fn answer(
    source: &Source<'_>,
    query: &Query,
    selection: &Selection<'_>,
    ask: &Ask,
) -> Result<Vec<Frame>, AnswerError> {
    let (units, mut notices) = history::units(source.catalog, selection, query);
    if units.is_empty() {
        return Err(PlanError::no_sensor(None, METERED).into());
    }
    let Some(shown) = ask.range.clip(ask.range.from(), Some(ask.now)) else {
        return Ok(nothing(&[in_the_future(query.language)]));
    };
    if query.context.is_restricted() {
        let text = query.language.pick(
            "Filters on references, lots and operators are not used: the energy of an hour is that of everything made in it.",
            "Los filtros de referencias, lotes y operarios no se usan: la energía de una hora es la de todo lo que se hizo en ella.",
        );
        notices.push(Notice::Info(text.to_owned()));
    }
    let drivers = history::drivers(source.catalog, query)?;
    let mut compared: Vec<Compared<'_>> = Vec::with_capacity(units.len());
    let mut provenance = history::Read::default();
    let mut bucket = query.bucket;
    for plant in &selection.plants {
        let own: Vec<_> = units.iter().filter(|unit| unit.plant.id == plant.id).collect();
        if own.is_empty() {
            continue;
        }
        let times = times(query, plant, shown, ask)?;
        bucket = times.bucket;
        let seen =
            history::fetch(source, selection, &own, &drivers, &times, ask, &mut provenance).await?;
        for (unit, seen) in own.into_iter().zip(seen) {
            let model = fitted::model(&seen.learned).await?;
            compared.push(compare::compare(unit, &times, seen, model, query, ask.now));
        }
    }
    notices.extend(refusals(&compared, query));
    notices.extend(provenance.without_price(&compared, query.language));
    let mut frames = match query.format {
        Format::Series => frames::series(&compared, &provenance.currencies, query.language),
        Format::Model => vec![frames::model(&compared, query.language)],
        Format::Alert => vec![frames::numbers(&compared, query.baseline.alert_on)],
        Format::Uses => vec![tables::uses(&compared, &provenance.currencies, query.group_by)],
        _ if query.group_by.is_context() => {
            vec![tables::making(&compared, &provenance.currencies, query, &mut notices)]
        }
        _ => vec![frames::table(&compared, &provenance.currencies, query, &mut notices)],
    };
    if frames.is_empty() {
        return Ok(nothing(&notices));
    }
    for frame in &mut frames {
        Provenance {
            language: query.language,
            shown: &provenance.shown,
            source: &provenance.source,
            reason: provenance.reason.clone(),
            rows: Some(provenance.rows),
            bucket: bucket.to_string(),
            coverage: compare::coverage(&compared),
            notices: notices.clone(),
        }
        .write(frame);
    }
    Ok(frames)
}

/// The times of a query for a plant.
fn times(query: &Query, plant: &Plant, shown: TimeRange, ask: &Ask) -> Result<Times, AnswerError> {
    let calendar = &plant.calendar;
    let (first, after) = match query.baseline.period {
        Some((from, to)) => (from, to + TimeDelta::days(1)),
        None => {
            let day: NaiveDate = shown.from().with_timezone(&calendar.zone).date_naive();
            (day - TimeDelta::days(i64::from(query.learning_days)), day)
        }
    };
    if (after - first).num_days() > MOST_DAYS {
        return Err(AnswerError::BaselinePeriod { most: MOST_DAYS });
    }
    let end = calendar.midnight(after).min(ask.now);
    let learned = TimeRange::new(calendar.midnight(first), end)
        .map_err(|_| AnswerError::BaselineAhead(first))?;
    let has_shifts = !calendar.shifts.is_empty();
    let bucket = match query.bucket {
        Bucket::Auto if shown.seconds() <= 3.0 * 86_400.0 => Bucket::Hour,
        Bucket::Auto if has_shifts && shown.seconds() <= 14.0 * 86_400.0 => Bucket::Shift,
        Bucket::Auto => Bucket::Day,
        other => other,
    };
    let edges = calendar.edges(bucket, shown, ask.max_points)?;
    let least = edges.windows(2).map(|pair| pair[1] - pair[0]).min();
    if bucket != Bucket::Whole && least.is_some_and(|width| width < TimeDelta::hours(1)) {
        return Err(AnswerError::BaselineBucket(bucket));
    }
    let steps = if has_shifts { Bucket::Shift } else { Bucket::Day };
    let by_runs = query.group_by.is_context();
    Ok(Times { learned, shown, edges, bucket, steps, by_runs })
}

/// The edges of a bucket in a range, clipped to it.
fn clipped(
    plant: &Plant,
    bucket: Bucket,
    range: TimeRange,
) -> Result<Vec<DateTime<Utc>>, CutError> {
    let limit = range.seconds() as usize / 3600 + 50;
    let edges = plant.calendar.edges(bucket, range, limit)?;
    let inside = edges.into_iter().filter(|edge| range.from() < *edge && *edge < range.to());
    Ok(std::iter::once(range.from()).chain(inside).chain([range.to()]).collect())
}

/// Most places that a notice names.
const MOST_NAMES: usize = 5;

/// Says which places have no model, and why.
fn refusals(compared: &[Compared<'_>], query: &Query) -> Vec<Notice> {
    let refused: Vec<String> = compared
        .iter()
        .filter_map(|c| {
            let why = c.model.as_ref().as_ref().err()?.say(query.language);
            let none = query.language.pick("No baseline for", "Sin línea base para");
            Some(format!("{none} {}: {why}.", c.unit.name()))
        })
        .collect();
    let more = refused.len().saturating_sub(MOST_NAMES);
    let mut notices: Vec<Notice> =
        refused.into_iter().take(MOST_NAMES).map(Notice::Warning).collect();
    if more > 0 {
        notices.push(Notice::Warning(query.language.pick(
            format!("No baseline for {more} more; the format model has the reasons."),
            format!("Sin línea base para {more} más; el formato modelo tiene los motivos."),
        )));
    }
    if query.baseline.period.is_none() {
        let days = query.learning_days;
        let text = query.language.pick(
            format!("The baseline period is the {days} days before the time range: it moves with it. Choose a first and a last day for figures that compare with one period."),
            format!("El periodo de referencia son los {days} días antes del intervalo y se mueve con él. Elige un primer y un último día para cifras que comparen con un mismo periodo."),
        );
        notices.push(Notice::Info(text));
    }
    notices
}
