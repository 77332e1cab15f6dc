//! What was abnormal: the detectors of [`crate::analytics`] over readings of the time range and of the
//! days before it, from which they learn what is usual for each reference and state.
//!
//! units -> runs and states -> readings -> detectors -> events with cost -> frames, one machine at a
//! time, so that memory has a bound.

mod detect;
mod events;
mod frames;
mod history;

use std::sync::Arc;

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};

use super::{AnswerError, Provenance, Source, and_more, in_the_future, nothing, reject_unknown};
use crate::analytics::monitor::Outcome;
use crate::domain::{Language, TimeRange};
use crate::frame::{Frame, Notice};
use crate::model::{Format, Query};
use crate::plan::{Ask, ON_A_LINE, PlanError, Selection};
use events::Event;
use history::{Context, Unit};

/// Most readings of one query: about three months of ten machines with five sensors that send every
/// minute. What they cost in time is in docs/analytics.md.
const MOST_READINGS: usize = 6_000_000;

/// What the detectors said of one unit.
struct Watched<'a> {
    unit: &'a Unit<'a>,
    outcome: Arc<Outcome>,
}

/// The times of a question.
#[derive(Debug, Clone, Copy)]
struct Times {
    /// What is read: from midnight (UTC), so that models are fitted at the same instants while the
    /// time range moves on.
    read: TimeRange,
    /// What is shown, up to the present.
    shown: TimeRange,
}

pub(super) async fn answer(
    source: &Source<'_>,
    query: &Query,
    selection: &Selection<'_>,
    ask: &Ask,
) -> Result<Vec<Frame>, AnswerError> {
    let (units, mut notices) = history::units(source.catalog, selection, query);
    if units.is_empty() {
        return Err(PlanError::no_sensor(query.place.quantity.as_deref(), ON_A_LINE).into());
    }
    let Some(times) = times(query, ask) else {
        return Ok(nothing(&[in_the_future(query.language)]));
    };
    let readings = units.iter().map(|unit| unit.readings(times.read)).sum();
    if readings > MOST_READINGS {
        return Err(AnswerError::TooMuchHistory { readings, most: MOST_READINGS });
    }
    let context = Context::fetch(source, selection, times.read).await?;
    let mut watched = Vec::with_capacity(units.len());
    let mut shown = String::new();
    for unit in &units {
        let (machine, statement) = history::machine(source, unit, &context, times.read).await?;
        shown = statement;
        watched.push(Watched { unit, outcome: detect::outcome(machine).await? });
    }
    notices.extend(too_little(&watched, times, query));
    let events = events::of(&watched, &context, &query.context, times);
    if events.is_empty() {
        reject_unknown(source, query, selection).await?;
    }
    let (mut events, said) = events::price(source, events, &watched, ask, query.language).await?;
    notices.extend(said);
    let mut frames = match query.format {
        Format::Score => frames::score(&watched, times, ask),
        Format::Alert => vec![frames::numbers(&watched, &events, times)],
        _ => {
            notices.extend(limit(&mut events, query.limit, query.language));
            vec![match query.format {
                Format::Annotations => frames::annotations(&events, query.language),
                _ => frames::table(&events, query.language),
            }]
        }
    };
    for frame in &mut frames {
        Provenance {
            language: query.language,
            shown: &shown,
            source: "readings",
            reason: format!(
                "readings since {}, of which the first {} days only teach what is usual; one statement a machine",
                times.read.from().format("%Y-%m-%d %H:%M UTC"),
                (times.shown.from() - times.read.from()).num_days(),
            ),
            rows: Some(readings as f64),
            bucket: "none".to_owned(),
            coverage: None,
            notices: notices.clone(),
        }
        .write(frame);
    }
    Ok(frames)
}

fn times(query: &Query, ask: &Ask) -> Option<Times> {
    let shown = ask.range.clip(ask.range.from(), Some(ask.now))?;
    let first = shown.from() - TimeDelta::days(i64::from(query.learning_days));
    let midnight = first.date_naive().and_time(NaiveTime::MIN).and_utc();
    Some(Times { read: TimeRange::new(midnight, shown.to()).ok()?, shown })
}

/// The newest events, and a notice where that leaves some out.
fn limit(events: &mut Vec<Event<'_>>, limit: usize, language: Language) -> Option<Notice> {
    let all = events.len();
    events.truncate(limit);
    (all > limit).then(|| {
        Notice::Warning(language.pick(
            format!("Only the newest {limit} of {all} events."),
            format!("Solo los {limit} sucesos más recientes de {all}."),
        ))
    })
}

/// Most machines that a notice names.
const MOST_NAMES: usize = 5;

/// Says which units could not be judged, and what they lack.
fn too_little(watched: &[Watched<'_>], times: Times, query: &Query) -> Option<Notice> {
    let (language, learning_days) = (query.language, query.learning_days);
    let to = times.shown.to().timestamp();
    let unknown: Vec<&Watched<'_>> =
        watched.iter().filter(|w| w.outcome.judged_from.is_none_or(|from| from >= to)).collect();
    if unknown.is_empty() {
        return None;
    }
    let names: Vec<String> = unknown.iter().take(MOST_NAMES).map(|w| since(w, language)).collect();
    let more = unknown.len().saturating_sub(MOST_NAMES);
    let names = format!("{}{}", names.join(", "), and_more(more, language));
    let least = crate::analytics::settings::Settings::default().least_history_days;
    Some(Notice::Warning(language.pick(
        format!("Too little history to judge {names}: {least:.0} days of readings (about two where neither runs nor states are known) are needed before anything can be called unusual, and the {learning_days} days before the time range were read."),
        format!("Muy poco historial para juzgar {names}: hacen falta {least:.0} días de lecturas (unos dos donde no se conocen ni fabricaciones ni estados) antes de poder llamar inusual a algo, y se leyeron los {learning_days} días anteriores al intervalo."),
    )))
}

/// A unit and how long it has sent.
fn since(watched: &Watched<'_>, language: Language) -> String {
    let outcome = &watched.outcome;
    let days = outcome.score.len() as f64 * outcome.step as f64 / 86_400.0;
    match second(outcome.start).filter(|_| !outcome.score.is_empty()) {
        Some(from) => {
            let (name, from) = (watched.unit.name(), from.format("%Y-%m-%d"));
            let days = language.number(format_args!("{days:.1}"));
            language.pick(
                format!("{name} ({days} days, since {from})"),
                format!("{name} ({days} días, desde {from})"),
            )
        }
        None => {
            let none = language.pick("no readings", "sin lecturas");
            format!("{} ({none})", watched.unit.name())
        }
    }
}

/// The instant of a second since 1970.
fn second(second: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp(second, 0)
}
