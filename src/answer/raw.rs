//! Raw readings of a plan's windows, for panels that can show them and for analytics.

use super::{AnswerError, Source};
use crate::plan::Window;
use crate::sql::raw::{self, Readings};

/// Readings of windows, with where they come from.
#[derive(Debug, Default)]
pub struct RawReadings {
    /// The readings inside each window, in the order of the windows.
    pub readings: Vec<Readings>,
    /// The statement for people.
    pub shown: String,
}

/// Reads them all in one statement, which is cancelled when the future is dropped.
///
/// # Errors
/// [`AnswerError::TooManyReadings`] as soon as there are more than `limit` together (use
/// [`crate::plan::Ask::max_points`], the data source's); [`AnswerError::Db`].
pub async fn fetch(
    source: &Source<'_>,
    windows: &[Window<'_>],
    limit: usize,
) -> Result<RawReadings, AnswerError> {
    let mut readings = vec![Readings::default(); windows.len()];
    let mut raw = raw::statement(windows, limit);
    let params = std::mem::take(&mut raw.statement.params);
    let mut count = 0;
    source
        .db
        .each(&raw.statement.sql, params, |row| -> Result<(), AnswerError> {
            count += raw.append(row, &mut readings)?;
            if count > limit { Err(AnswerError::TooManyReadings { limit }) } else { Ok(()) }
        })
        .await?;
    Ok(RawReadings { readings, shown: raw.statement.shown })
}
