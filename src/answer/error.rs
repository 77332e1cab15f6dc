//! Why a query has no answer: text for the user, status and source for Grafana.

use crate::db::DbError;
use crate::domain::time::TimeRangeError;
use crate::model::ModelError;
use crate::plan::PlanError;

/// A query without an answer; the text says what to change.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// The saved query is not understood.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The time range is reversed or out of bounds.
    #[error(transparent)]
    Range(#[from] TimeRangeError),
    /// It cannot be answered as asked.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The range cannot be cut into such buckets.
    #[error(transparent)]
    Cut(#[from] crate::domain::bucket::CutError),
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
    /// A reference, lot or operator that no plant of the selection has.
    #[error(
        "unknown {what} {key:?}: check the spelling, or choose one from the list in the query editor"
    )]
    UnknownContext {
        /// `reference`, `lot` or `operator`.
        what: String,
        /// The key asked for.
        key: String,
    },
    /// More runs than a figure can be made of.
    #[error(
        "the selection has more than {0} runs: choose a shorter time range, or fewer lines, references or lots"
    )]
    TooManyRuns(usize),
    /// More history than the detectors may walk through for one query.
    #[error(
        "the selection is {readings} readings with those to learn from, more than {most}: choose fewer machines or sensors, a shorter time range, or fewer days to learn from"
    )]
    TooMuchHistory {
        /// Readings of the selection, estimated from the sensors' intervals.
        readings: usize,
        /// Most readings.
        most: usize,
    },
    /// A baseline period that is too long.
    #[error(
        "the baseline period is longer than {most} days: choose a later first or an earlier last day"
    )]
    BaselinePeriod {
        /// Most days.
        most: i64,
    },
    /// A baseline period of which nothing has happened.
    #[error("the baseline period begins on {0}, which lies ahead: choose an earlier first day")]
    BaselineAhead(chrono::NaiveDate),
    /// Buckets that are shorter than the model's intervals.
    #[error(
        "baselines are fitted to hours, {0} buckets are shorter: choose hour, shift, day, or a width from 1h"
    )]
    BaselineBucket(crate::domain::Bucket),
    /// More hours than one query may compare.
    #[error(
        "the meters of the selection have {cells} hours in the baseline period and the time range, more than {most}: choose fewer places, or shorter times"
    )]
    TooManyHours {
        /// Hours times meters.
        cells: usize,
        /// Most of them.
        most: usize,
    },
    /// More changes of state than can be used.
    #[error(
        "the machines changed their state more than {0} times: choose fewer, or a shorter time range"
    )]
    TooManyStates(usize),
    /// More raw readings than the data source may answer with.
    #[error(
        "the selection has more than the {limit} readings that this data source may answer with: choose a wider bucket, fewer places or a shorter time range, or raise the most points in the data source"
    )]
    TooManyReadings {
        /// The data source's limit.
        limit: usize,
    },
    /// A frame that cannot be written.
    #[error("the answer cannot be written ({0}): this is a fault in Lotwise, please report it")]
    Frame(#[from] arrow::error::ArrowError),
    /// The query's task panicked; the log has the place.
    #[error("the query failed inside Lotwise: this is a fault in the plugin, its log says where")]
    Panic,
}

impl AnswerError {
    /// HTTP-like status of the answer.
    pub fn status(&self) -> u16 {
        match self {
            Self::Model(_)
            | Self::Range(_)
            | Self::Plan(_)
            | Self::Cut(_)
            | Self::UnknownContext { .. }
            | Self::TooManyRuns(_)
            | Self::TooMuchHistory { .. }
            | Self::TooManyStates(_)
            | Self::BaselinePeriod { .. }
            | Self::BaselineAhead(_)
            | Self::BaselineBucket(_)
            | Self::TooManyHours { .. }
            | Self::TooManyReadings { .. } => 400,
            Self::Frame(_) | Self::Panic => 500,
            Self::Db(e) => status_of(e),
        }
    }

    /// True when the fault is the plugin's own, and not the query's or the database's.
    pub fn is_plugin_fault(&self) -> bool {
        self.status() == 500
    }
}

fn status_of(e: &DbError) -> u16 {
    match e {
        DbError::Settings(_) => 400,
        DbError::Refused { .. } => 401,
        DbError::NotAllowed { .. } => 403,
        DbError::Timeout => 504,
        DbError::Busy => 429,
        DbError::Unexpected(_) => 500,
        DbError::Shared(e) => status_of(e),
        _ => 502,
    }
}
