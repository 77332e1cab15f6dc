//! The pipeline: a saved query in, frames out.
//!
//! parse -> resolve places -> resolve runs -> plan -> SQL -> figures -> frames. Knows nothing of
//! gRPC; the same function answers panels, alert rules, Explore and resource calls.

mod abnormal_runs;
mod anomalies;
mod baseline;
pub mod choices;
mod compare;
mod data_quality;
mod demand;
mod error;
mod golden;
mod kpi;
mod latest;
mod lots;
mod memo;
mod points;
pub mod raw;
mod runs;
mod series;
mod spc;
mod states;
mod sums;

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use crate::catalog::Catalog;
use crate::db::Db;
use crate::domain::{Bucket, Language, Say, TimeRange};
use crate::frame::{Frame, Notice};
use crate::model::{self, Aggregate, Query, QueryType};
use crate::plan::{
    Ask, Labels, Narrowed, PlanError, Rates, Run, Selection, keep, narrow, needs_states, select,
};
use crate::sql;

pub use error::AnswerError;

/// What answering needs of a data source.
pub struct Source<'a> {
    /// The database.
    pub db: &'a Db,
    /// The places that may be shown.
    pub catalog: &'a Catalog,
}

/// Answers one saved query.
///
/// # Errors
/// [`AnswerError`], whose text says what to change.
pub async fn answer(
    source: &Source<'_>,
    json: &[u8],
    ask: &Ask,
) -> Result<Vec<Frame>, AnswerError> {
    of_query(source, model::parse(json)?, ask).await
}

/// Answers one saved query in the shape that alert rules can read.
///
/// # Errors
/// [`AnswerError`], whose text says what to change.
pub async fn answer_alert(
    source: &Source<'_>,
    json: &[u8],
    ask: &Ask,
) -> Result<Vec<Frame>, AnswerError> {
    of_query(source, model::parse(json)?.for_alert(), ask).await
}

async fn of_query(source: &Source<'_>, query: Query, ask: &Ask) -> Result<Vec<Frame>, AnswerError> {
    let Narrowed { query, notices } = narrow(query, source.catalog)?;
    let notices: Vec<Notice> = notices.into_iter().map(Notice::Info).collect();
    let Some(query) = query else { return Ok(nothing(&notices)) };
    let mut frames = of_narrowed(source, &query, ask).await?;
    let notices: Vec<Notice> = notices.into_iter().chain(not_kept(source, &query, ask)).collect();
    for frame in frames.iter_mut().filter(|_| !notices.is_empty()) {
        frame.notify_more(&notices);
    }
    Ok(frames.into_iter().map(|frame| frame.in_language(query.language)).collect())
}

/// Says what is less exact where readings were dropped.
fn not_kept(source: &Source<'_>, query: &Query, ask: &Ask) -> Option<Notice> {
    let from = source.catalog.raw_from.filter(|from| ask.range.from() < *from)?;
    let pick = |en, es| query.language.pick(en, es);
    let text = match query.kind {
        QueryType::States | QueryType::Latest | QueryType::DataQuality => return None,
        QueryType::Series if query.aggregate == Aggregate::Raw => {
            pick("there are none to show", "no hay ninguna que mostrar")
        }
        QueryType::Anomalies | QueryType::Golden | QueryType::AbnormalRuns => pick(
            "what needs single readings is missing there",
            "allí falta lo que necesita lecturas sueltas",
        ),
        QueryType::Demand => pick(
            "quarters of an hour there are parts of their hour, and peaks lower than they were",
            "allí los cuartos de hora son partes de su hora, y los picos menores de lo que fueron",
        ),
        _ => pick(
            "parts of an hour there are in proportion to time, whole hours and lots exact",
            "allí las partes de una hora son proporcionales al tiempo; las horas y los lotes enteros, exactos",
        ),
    };
    let from = from.to_rfc3339_opts(SecondsFormat::Secs, true);
    Some(Notice::Info(
        pick(
            &format!("Readings before {from} are not kept: {text}."),
            &format!("No se conservan las lecturas anteriores a {from}: {text}."),
        )
        .to_owned(),
    ))
}

async fn of_narrowed(
    source: &Source<'_>,
    query: &Query,
    ask: &Ask,
) -> Result<Vec<Frame>, AnswerError> {
    let selection = select(&query.place, source.catalog)?;
    match query.kind {
        QueryType::Series if query.aggregate == Aggregate::Raw => {
            points::answer(source, query, &selection, ask).await
        }
        QueryType::Series | QueryType::Kpi => compare::answer(source, query, &selection, ask).await,
        QueryType::Runs => runs::answer(source, query, &selection, ask).await,
        QueryType::Latest => latest::answer(source, query, &selection, ask).await,
        QueryType::Lots => lots::answer(source, query, &selection, ask).await,
        QueryType::DataQuality => data_quality::answer(source, query, &selection, ask).await,
        QueryType::Anomalies => anomalies::answer(source, query, &selection, ask).await,
        QueryType::States => states::answer(source, query, &selection, ask).await,
        QueryType::Baseline => baseline::answer(source, query, &selection, ask).await,
        QueryType::Spc => spc::answer(source, query, &selection, ask).await,
        QueryType::AbnormalRuns => abnormal_runs::answer(source, query, &selection, ask).await,
        QueryType::Golden => golden::answer(source, query, &selection, ask).await,
        QueryType::Demand => demand::answer(source, query, &selection, ask).await,
    }
}

/// The frames of a query, with what a comparison needs to line others up with them.
struct Answered {
    frames: Vec<Frame>,
    /// The bucket that was chosen.
    bucket: Bucket,
    /// Starts of the buckets.
    starts: Vec<DateTime<Utc>>,
    /// The groups that are shown by themselves; `None` is all.
    kept: Option<Vec<Labels>>,
}

/// The labels with the largest values, those of the same value by label.
fn largest<'a>(all: impl Iterator<Item = (f64, &'a Labels)>, top: usize) -> Vec<Labels> {
    let mut order: Vec<(f64, &Labels)> = all.collect();
    order.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    order.into_iter().take(top).map(|(_, labels)| labels.clone()).collect()
}

/// Whether labels are among those that are shown; `None` is all.
fn is_kept(kept: Option<&[Labels]>, labels: &Labels) -> bool {
    kept.is_none_or(|kept| kept.contains(labels))
}

/// Most runs that a figure is made of; a year of a large plant.
const MAX_RUNS: usize = 20_000;

/// The runs of the selection in a range, oldest first, and a notice when there are none or more
/// than can be used.
async fn resolve_runs(
    source: &Source<'_>,
    query: &Query,
    selection: &Selection<'_>,
    range: TimeRange,
) -> Result<(Vec<Run>, Vec<Notice>), AnswerError> {
    let statement = sql::runs::statement(selection, &query.context, range, MAX_RUNS + 1);
    let rows = source.db.query(&statement.sql, statement.params).await?;
    let mut runs: Vec<Run> = rows.iter().map(sql::runs::read).collect::<Result<_, _>>()?;
    if runs.len() > MAX_RUNS {
        return Err(AnswerError::TooManyRuns(MAX_RUNS));
    }
    runs.reverse();
    keep(&mut runs, &query.context)?;
    let mut notices = Vec::new();
    if runs.is_empty() {
        reject_unknown(source, query, selection).await?;
        let text = query.language.pick(
            "No run of this selection lies in the time range.",
            "Ninguna fabricación de esta selección está en el intervalo de tiempo.",
        );
        notices.push(Notice::Info(text.to_owned()));
    }
    Ok((runs, notices))
}

/// Most changes of state: a year of a hundred machines with five changes a day.
const MAX_STATES: usize = 200_000;

/// What the selection's machines were doing in a range, by machine and time.
async fn machine_states(
    source: &Source<'_>,
    selection: &Selection<'_>,
    range: TimeRange,
) -> Result<Vec<sql::states::State>, AnswerError> {
    let machines = selection.machines.iter().map(|machine| machine.id).collect();
    let statement = sql::states::statement(machines, range, MAX_STATES + 1);
    let rows = source.db.query(&statement.sql, statement.params).await?;
    if rows.len() > MAX_STATES {
        return Err(AnswerError::TooManyStates(MAX_STATES));
    }
    Ok(rows.iter().map(sql::states::read).collect::<Result<_, _>>()?)
}

/// Prices and factors of the plants that hold in the range.
async fn fetch_rates(
    source: &Source<'_>,
    plants: impl IntoIterator<Item = i32>,
    range: TimeRange,
) -> Result<Rates, AnswerError> {
    let statement = sql::rates::statement(plants.into_iter().collect(), range);
    let rows = source.db.query(&statement.sql, statement.params).await?;
    Ok(sql::rates::read(&rows)?)
}

/// The states that a query's plan needs.
async fn needed_states(
    source: &Source<'_>,
    query: &Query,
    selection: &Selection<'_>,
    range: TimeRange,
) -> Result<Vec<sql::states::State>, AnswerError> {
    match needs_states(query) {
        true => machine_states(source, selection, range).await,
        false => Ok(Vec::new()),
    }
}

/// An error for a reference, lot or operator that does not exist at all.
async fn reject_unknown(
    source: &Source<'_>,
    query: &Query,
    selection: &Selection<'_>,
) -> Result<(), AnswerError> {
    if !query.context.is_restricted() {
        return Ok(());
    }
    let statement = sql::runs::unknown(selection, &query.context);
    let rows = source.db.query(&statement.sql, statement.params).await?;
    match rows.first() {
        None => Ok(()),
        Some(row) => Err(AnswerError::UnknownContext {
            what: crate::db::column(row, 0)?,
            key: crate::db::column(row, 1)?,
        }),
    }
}

/// What the reader of a frame can look up: the statement, where the figures come from, and why.
struct Provenance<'a> {
    /// The statement for people.
    shown: &'a str,
    /// `readings`, `hours`, `runs`.
    source: &'a str,
    /// Why the windows and the resolution, and why the source.
    reason: String,
    /// Rows to be read, estimated before.
    rows: Option<f64>,
    bucket: String,
    coverage: Option<f64>,
    notices: Vec<Notice>,
    /// Of the notice on coverage.
    language: Language,
}

/// Below this share of time with data a figure carries a warning.
const COVERAGE_WARNING: f64 = 0.9;

impl Provenance<'_> {
    fn write(mut self, frame: &mut Frame) {
        if let Some(coverage) = self.coverage.filter(|c| *c < COVERAGE_WARNING) {
            let share = self.language.number(format_args!("{:.1}", coverage * 100.0));
            self.notices.push(Notice::Warning(self.language.pick(
                format!("Only {share} % of the time has data: figures are lower than the truth."),
                format!("Solo el {share} % del tiempo tiene datos: las cifras son menores que las reales."),
            )));
        }
        frame.notify(&self.notices);
        if let Value::Object(meta) = &mut frame.meta {
            if !self.shown.is_empty() {
                meta.insert("executedQueryString".to_owned(), json!(self.shown));
            }
            meta.insert(
                "custom".to_owned(),
                json!({
                    "source": self.source,
                    "reason": self.reason,
                    "estimatedRows": self.rows.map(f64::round),
                    "bucket": self.bucket,
                    "coverage": self.coverage,
                }),
            );
        }
    }
}

/// Name of what no group accounts for.
fn unallocated(language: Language) -> &'static str {
    language.pick("Unallocated", "Sin asignar")
}

/// Says that there is nothing yet.
fn in_the_future(language: Language) -> Notice {
    let text = language
        .pick("The time range lies in the future.", "El intervalo de tiempo está en el futuro.");
    Notice::Info(text.to_owned())
}

/// " and 3 more" behind a list that was cut, nothing where `more` is 0.
fn and_more(more: usize, language: Language) -> String {
    match more {
        0 => String::new(),
        _ => language.pick(format!(" and {more} more"), format!(" y {more} más")),
    }
}

/// Says that of some of what is shown the plants' tariffs have no price, and what to do about it.
fn without_tariff(plants: &[&str], of_en: &str, of_es: &str, language: Language) -> Option<Notice> {
    let what = language.pick("No tariff", "Ninguna tarifa");
    let text = || not_valid(what, plants, language.pick(of_en, of_es), "tariffs", language);
    (!plants.is_empty()).then(|| Notice::Info(text()))
}

/// The sentence: none of `what` of these plants is valid for some `of` what is shown, and where to add it.
fn not_valid(what: &str, plants: &[&str], of: &str, route: &str, language: Language) -> String {
    let plants = plants.join(", ");
    language.pick(
        format!("{what} of plant {plants} is valid for some of {of}. Add one with POST /v1/{route}."),
        format!("{what} de la planta {plants} vale para parte {of}. Añade lo que falta con POST /v1/{route}."),
    )
}

/// A frame without rows that says why.
/// No values, and a warning that says why and what to change.
pub fn without_sensors(error: &PlanError, language: Language) -> Vec<Frame> {
    let said = error.say(language);
    let mut letters = said.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    let sentence = first.chain(letters).chain(['.']).collect();
    nothing(&[Notice::Warning(sentence)])
}

fn nothing(notices: &[Notice]) -> Vec<Frame> {
    let mut frame = Frame::new("", "", Vec::new());
    frame.notify(notices);
    vec![frame]
}
