//! The pipeline: a saved query in, frames out.
//!
//! parse -> resolve places -> resolve runs -> plan -> SQL -> figures -> frames. Knows nothing of
//! gRPC; the same function answers panels, alert rules, Explore and resource calls.

mod anomalies;
mod baseline;
pub mod choices;
mod data_quality;
mod error;
mod kpi;
mod latest;
mod lots;
pub mod raw;
mod runs;
mod series;
mod spc;
mod states;
mod sums;

use serde_json::{Value, json};

use crate::catalog::Catalog;
use crate::db::Db;
use crate::domain::TimeRange;
use crate::frame::{Frame, Notice};
use crate::model::{self, Query, QueryType};
use crate::plan::{Ask, Run, Selection, select};
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
    let query = model::parse(json)?;
    let selection = select(&query.place, source.catalog)?;
    match query.kind {
        QueryType::Series => series::answer(source, &query, &selection, ask).await,
        QueryType::Kpi => kpi::answer(source, &query, &selection, ask).await,
        QueryType::Runs => runs::answer(source, &query, &selection, ask).await,
        QueryType::Latest => latest::answer(source, &query, &selection, ask).await,
        QueryType::Lots => lots::answer(source, &query, &selection, ask).await,
        QueryType::DataQuality => data_quality::answer(source, &query, &selection, ask).await,
        QueryType::States => states::answer(source, &query, &selection, ask).await,
        QueryType::Anomalies => anomalies::answer(source, &query, &selection, ask).await,
        QueryType::Baseline => baseline::answer(source, &query, &selection, ask).await,
        QueryType::Spc => spc::answer(source, &query, &selection, ask).await,
    }
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
    let mut notices = Vec::new();
    if runs.is_empty() {
        reject_unknown(source, query, selection).await?;
        let text = "No run of this selection lies in the time range.";
        notices.push(Notice::Info(text.to_owned()));
    }
    Ok((runs, notices))
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
}

/// Below this share of time with data a figure carries a warning.
const COVERAGE_WARNING: f64 = 0.9;

impl Provenance<'_> {
    fn write(mut self, frame: &mut Frame) {
        if let Some(coverage) = self.coverage.filter(|c| *c < COVERAGE_WARNING) {
            self.notices.push(Notice::Warning(format!(
                "Only {:.1} % of the time has data: figures are lower than the truth.",
                coverage * 100.0
            )));
        }
        frame.notify(&self.notices);
        if let Value::Object(meta) = &mut frame.meta {
            meta.insert("executedQueryString".to_owned(), json!(self.shown));
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

/// A frame without rows that says why.
fn nothing(notices: &[Notice]) -> Vec<Frame> {
    let mut frame = Frame::new("", "", Vec::new());
    frame.notify(notices);
    vec![frame]
}
