//! Names of what is measured of statements.

use std::time::Instant;

use super::DbError;

/// Counter of statements, by outcome: ok, cancelled, timeout, busy, unavailable, error.
pub const STATEMENTS: &str = "lotwise_statements_total";
/// Histogram of the time from the wish for a connection to the last row.
pub const STATEMENT_SECONDS: &str = "lotwise_statement_seconds";
/// Counter of rows that the database sent; a row may hold some thousand readings.
pub const ROWS: &str = "lotwise_rows_total";

/// A statement under way; dropped before its end, it counts as cancelled.
pub(super) struct Measured(Option<Instant>);

impl Measured {
    pub(super) fn start() -> Self {
        Self(Some(Instant::now()))
    }

    pub(super) fn end(mut self, error: Option<&DbError>) {
        self.count(error.map_or("ok", DbError::kind));
    }

    fn count(&mut self, outcome: &'static str) {
        if let Some(began) = self.0.take() {
            metrics::counter!(STATEMENTS, "outcome" => outcome).increment(1);
            metrics::histogram!(STATEMENT_SECONDS).record(began.elapsed().as_secs_f64());
        }
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        self.count("cancelled");
    }
}
