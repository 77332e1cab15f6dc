//! Whether the rollups follow the readings.

use chrono::SecondsFormat;
use sqlx::postgres::PgConnection;

use super::Finding;
use crate::rollup::worker::{self, Status};

/// One to two hours behind the clock is normal.
const BEHIND_S: f64 = 3.0 * 3_600.0;

/// Marked hours that a worker makes again in a minute or so.
const MANY: i64 = 10_000;

/// One line.
pub async fn check(conn: &mut PgConnection) -> sqlx::Result<Finding> {
    Ok(finding(&worker::status(conn).await?))
}

fn finding(status: &Status) -> Finding {
    let check = "rollups";
    let advice =
        "is `lotwise ingest` running, with --rollup-seconds above 0? figures are right, but slow";
    let Some(built_until) = status.built_until else {
        return Finding::ok(check, "none yet");
    };
    let until = built_until.to_rfc3339_opts(SecondsFormat::Secs, true);
    let found = format!("made before {until}, {} hours wait to be made again", status.marks);
    match status.lag_s {
        Some(lag_s) if lag_s <= BEHIND_S && status.marks <= MANY => Finding::ok(check, found),
        _ => Finding::warn(check, found, advice),
    }
}

#[cfg(test)]
mod tests {
    use super::{Status, finding};

    #[test]
    fn warns_of_rollups_that_lag() {
        let status = |lag_s, marks| Status {
            mark_until: None,
            built_until: chrono::DateTime::from_timestamp(1_800_000_000, 0),
            sensors: 1,
            marks,
            lag_s: Some(lag_s),
        };
        let text = |s: &Status| finding(s).to_string();
        let said = text(&status(7_000.0, 3));
        assert!(
            said.starts_with("OK") && said.contains("before 2027-01-15T08:00:00Z, 3 hours"),
            "{said}"
        );
        assert!(text(&status(90_000.0, 3)).starts_with("WARN"));
        assert!(text(&status(7_000.0, 50_000)).starts_with("WARN"));
        let never = Status { built_until: None, lag_s: None, ..status(0.0, 0) };
        assert!(text(&never).starts_with("OK"));
    }
}
