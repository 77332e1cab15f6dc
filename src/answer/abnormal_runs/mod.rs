//! Runs that are abnormal as a whole: features of each run, compared with the earlier runs of its
//! reference at its place.
//!
//! runs -> sums of their meters and thermometers, states -> features -> a model a place -> verdicts ->
//! energy and cost beyond the usual -> frames. Learned from are only runs that ended before the time
//! range begins, so none is judged by itself or by later ones.

mod features;
mod frames;
mod idle;
mod price;
mod words;

use std::sync::Arc;

use chrono::{NaiveTime, TimeDelta};

use super::memo::{Key, Memo};
use super::{
    AnswerError, MAX_RUNS, Provenance, Source, and_more, in_the_future, nothing, reject_unknown,
};
use crate::analytics::abnormal::{FEWEST_RUNS, Feature, Features, Model, Refusal, Sample, Verdict};
use crate::domain::TimeRange;
use crate::frame::{Frame, Notice};
use crate::model::{self, Format, Query};
use crate::plan::{self, Ask, Run, Selection};
use crate::sql;

/// A run with its features and what is said about it.
struct Judged<'a> {
    run: &'a Run,
    plant: String,
    line: String,
    machine: String,
    features: Features,
    verdict: Result<Verdict, Refusal>,
    /// kWh more than usual for what was made.
    energy: Option<f64>,
    /// What that costs, in the plant's currency.
    cost: Option<f64>,
    currency: String,
}

impl Judged<'_> {
    fn is_abnormal(&self) -> bool {
        self.verdict.as_ref().is_ok_and(Verdict::is_abnormal)
    }
}

static MODELS: Memo<Model> = Memo::new(256);

/// The times of a question.
struct Times {
    /// From where runs are learned from.
    learn: TimeRange,
    /// In which the runs end that are judged, up to the present.
    shown: TimeRange,
}

fn times(query: &Query, ask: &Ask) -> Option<Times> {
    let shown = ask.range.clip(ask.range.from(), Some(ask.now))?;
    let first = shown.from() - TimeDelta::days(i64::from(query.learning_days));
    // From midnight (UTC), so that the same runs are learned from while the time range moves on.
    let midnight = first.date_naive().and_time(NaiveTime::MIN).and_utc();
    Some(Times { learn: TimeRange::new(midnight, shown.from()).ok()?, shown })
}

pub(super) async fn answer(
    source: &Source<'_>,
    query: &Query,
    selection: &Selection<'_>,
    ask: &Ask,
) -> Result<Vec<Frame>, AnswerError> {
    let Some(times) = times(query, ask) else {
        return Ok(nothing(&[in_the_future(query.language)]));
    };
    let runs = fetch_runs(source, selection, &times).await?;
    let asked = |run: &Run| is_asked(query, run, &times);
    if !runs.iter().any(asked) {
        reject_unknown(source, query, selection).await?;
        let text = query.language.pick(
            "No run of this selection ended in the time range.",
            "Ninguna fabricación de esta selección terminó en el intervalo de tiempo.",
        );
        return Ok(nothing(&[Notice::Info(text.to_owned())]));
    }
    let found = features::of(source, selection, &runs, &times, ask, query.language).await?;
    let mut judged = judge(source, &runs, &found.features, &times, &asked).await?;
    let mut notices = found.notices;
    notices.extend(refusals(&judged, query, &times));
    notices.extend(price::price(source, selection, &mut judged, ask, query.language).await?);
    let count = judged.len();
    let mut frames = frames::frames(query, judged, &mut notices, ask);
    for frame in &mut frames {
        Provenance {
            language: query.language,
            shown: &found.shown,
            source: &found.source,
            reason: format!(
                "{count} runs of the time range against those of the {} days before it; {}",
                query.learning_days, found.reason
            ),
            rows: Some(found.rows),
            bucket: "none".to_owned(),
            coverage: None,
            notices: notices.clone(),
        }
        .write(frame);
    }
    Ok(frames)
}

/// All closed runs of the references since the learning began, oldest first: what lots and operators
/// the query is cut to says which are judged, not what is usual.
async fn fetch_runs(
    source: &Source<'_>,
    selection: &Selection<'_>,
    times: &Times,
) -> Result<Vec<Run>, AnswerError> {
    let Ok(range) = TimeRange::new(times.learn.from(), times.shown.to()) else {
        return Ok(Vec::new());
    };
    // Every reference: those of a place share how its features go together.
    let context = model::Context::default();
    let statement = sql::runs::statement(selection, &context, range, MAX_RUNS + 1);
    let rows = source.db.query(&statement.sql, statement.params).await?;
    let mut runs: Vec<Run> = rows.iter().map(sql::runs::read).collect::<Result<_, _>>()?;
    if runs.len() > MAX_RUNS {
        return Err(AnswerError::TooManyRuns(MAX_RUNS));
    }
    runs.retain(|run| run.ended_at.is_some_and(|end| end <= times.shown.to()));
    runs.reverse();
    Ok(runs)
}

fn is_asked(query: &Query, run: &Run, times: &Times) -> bool {
    let operator = run.operator.as_ref().map_or("", |operator| &operator.0);
    run.ended_at.is_some_and(|end| end > times.shown.from())
        && plan::keeps(run, &query.context)
        && query.context.references.accepts(&run.reference)
        && query.context.lots.accepts(&run.lot)
        && query.context.operators.accepts(operator)
}

/// A place: line, and machine where a run is made on one.
type PlaceId = (i32, Option<i32>);

fn place(run: &Run) -> PlaceId {
    (run.line, run.machine)
}

/// The verdict on each run that is asked for, newest end first.
async fn judge<'a>(
    source: &Source<'_>,
    runs: &'a [Run],
    features: &[Features],
    times: &Times,
    asked: &impl Fn(&Run) -> bool,
) -> Result<Vec<Judged<'a>>, AnswerError> {
    let mut places: Vec<PlaceId> = runs.iter().filter(|run| asked(run)).map(place).collect();
    places.sort_unstable();
    places.dedup();
    let mut judged = Vec::new();
    for here in places {
        let own = || runs.iter().zip(features).filter(|(run, _)| place(run) == here);
        let mut references: Vec<&str> = own().map(|(run, _)| run.reference.as_str()).collect();
        references.sort_unstable();
        references.dedup();
        let sample = |run: &Run, features: &Features| Sample {
            // Every reference of the place is in the list.
            reference: references.binary_search(&run.reference.as_str()).unwrap_or_default(),
            features: *features,
        };
        let past = |run: &Run| run.ended_at.is_some_and(|end| end <= times.shown.from());
        let samples: Vec<Sample> =
            own().filter(|(run, _)| past(run)).map(|(run, f)| sample(run, f)).collect();
        let model = learn(samples, references.len()).await?;
        for (run, features) in own().filter(|(run, _)| asked(run)) {
            let catalog = source.catalog;
            let machine = run.machine.and_then(|id| catalog.machine(id));
            judged.push(Judged {
                run,
                plant: catalog.plant(run.plant).map(|p| p.key.clone()).unwrap_or_default(),
                line: catalog.line(run.line).map(|l| l.key.clone()).unwrap_or_default(),
                machine: machine.map(|m| m.key.clone()).unwrap_or_default(),
                features: *features,
                verdict: model.judge(&sample(run, features)),
                energy: None,
                cost: None,
                currency: String::new(),
            });
        }
    }
    judged.sort_by(|a, b| b.run.ended_at.cmp(&a.run.ended_at).then(a.run.key.cmp(&b.run.key)));
    Ok(judged)
}

async fn learn(samples: Vec<Sample>, references: usize) -> Result<Arc<Model>, AnswerError> {
    let mut numbers = vec![references as f64];
    for sample in &samples {
        numbers.push(sample.reference as f64);
        let values = Feature::ALL.map(|feature| sample.features.get(feature));
        numbers.extend(values.map(|value| value.unwrap_or(f64::NAN)));
    }
    let key = Key::of("abnormal runs 1").numbers(&numbers);
    MODELS.get(key, move || Model::learn(&samples, references)).await
}

/// Most references that a notice names.
const MOST_NAMES: usize = 5;

/// Says of which references too few runs are known.
fn refusals(judged: &[Judged<'_>], query: &Query, times: &Times) -> Option<Notice> {
    let language = query.language;
    let mut missing: Vec<String> = Vec::new();
    for judged in judged {
        let Err(Refusal::TooFewRuns(runs)) = judged.verdict else { continue };
        let at = if judged.machine.is_empty() { &judged.line } else { &judged.machine };
        let text = format!("{} {} {at} ({runs})", judged.run.reference, language.pick("at", "en"));
        if !missing.contains(&text) {
            missing.push(text);
        }
    }
    if missing.is_empty() {
        return None;
    }
    let more = missing.len().saturating_sub(MOST_NAMES);
    missing.truncate(MOST_NAMES);
    let missing = format!("{}{}", missing.join(", "), and_more(more, language));
    let (days, from) = (query.learning_days, times.shown.from().format("%Y-%m-%d %H:%M UTC"));
    Some(Notice::Warning(language.pick(
        format!("Too few runs to judge {missing}: {FEWEST_RUNS} of a reference at a place are needed in the {days} days before {from}."),
        format!("Muy pocas fabricaciones para juzgar {missing}: hacen falta {FEWEST_RUNS} de una referencia en un lugar en los {days} días antes de {from}."),
    )))
}

/// The number that alert rules compare is in this format.
fn is_for_alerts(query: &Query) -> bool {
    query.format == Format::Alert
}
