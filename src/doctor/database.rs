//! The database, its schema, and the place for the readings to come.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use sqlx::postgres::PgConnection;

use super::{Finding, readers, roles, rollups, sensors};
use crate::domain::database_kind::DatabaseKind;
use crate::schema;

/// Longest wait for a connection.
const WITHIN: Duration = Duration::from_secs(10);

/// All checks of the database; later ones only where the earlier ones make them possible.
pub async fn check(url: &str) -> Vec<Finding> {
    let mut conn = match tokio::time::timeout(WITHIN, schema::connect(url)).await {
        Ok(Ok(conn)) => conn,
        failed => {
            let error = match failed {
                Ok(Err(error)) => error.to_string(),
                _ => "no connection within ten seconds".to_owned(),
            };
            return vec![Finding::fail(
                "database",
                error,
                "is PostgreSQL up? check --database-url",
            )];
        }
    };
    let mut findings = Vec::new();
    if let Err(error) = ask(&mut conn, &mut findings).await {
        let advice = "use the owner's --database-url; see the server's log";
        findings.push(Finding::fail("database", error.to_string(), advice));
    }
    findings
}

async fn ask(conn: &mut PgConnection, findings: &mut Vec<Finding>) -> sqlx::Result<()> {
    let (server, database): (String, String) = sqlx::query_as(
        "SELECT current_setting('server_version'), current_database()::text
         FROM set_config('statement_timeout', '60s', false)",
    )
    .fetch_one(&mut *conn)
    .await?;
    findings.push(Finding::ok("database", format!("{database} on PostgreSQL {server}")));
    let kind = schema::database_kind(conn).await?;
    findings.push(Finding::ok("kind", kind.to_string()));
    let (version, is_usable) = version(conn).await?;
    findings.push(version);
    if !is_usable {
        return Ok(());
    }
    findings.push(clock(conn).await?);
    findings.extend(roles::check(conn).await?);
    findings.extend(readers::check(conn).await?);
    findings.push(room(conn, &kind).await?);
    findings.extend(sensors::check(conn).await?);
    findings.push(sensors::incomplete(conn).await?);
    findings.push(sensors::waiting(conn).await?);
    findings.push(rollups::check(conn).await?);
    Ok(())
}

/// The schema's version, and whether it has all that this program reads.
async fn version(conn: &mut PgConnection) -> sqlx::Result<(Finding, bool)> {
    let (check, needs) = ("schema version", schema::LATEST);
    let found = match schema::version(conn).await {
        Ok(found) => found,
        // undefined_table, invalid_schema_name
        Err(sqlx::Error::Database(e)) if matches!(e.code().as_deref(), Some("42P01" | "3F000")) => {
            None
        }
        Err(error) => return Err(error),
    };
    Ok(match found {
        Some(version) if version == needs => (Finding::ok(check, version.to_string()), true),
        Some(version) if version > needs => {
            let found = format!("{version}, newer than this program's {needs}");
            (Finding::warn(check, found, "update lotwise"), true)
        }
        Some(version) => {
            let found = format!("{version}, this program needs {needs}");
            (Finding::fail(check, found, "run `lotwise migrate` as the owner"), false)
        }
        None => (Finding::fail(check, "no schema", "run `lotwise migrate` as the owner"), false),
    })
}

/// Seconds by which this machine's clock and the database's may differ.
const SKEW_S: f64 = 2.0;

/// Whether this machine and the database agree on the time: ingest judges by the one, the plugin's
/// database by the other.
async fn clock(conn: &mut PgConnection) -> sqlx::Result<Finding> {
    let before = Utc::now();
    let there: DateTime<Utc> =
        sqlx::query_scalar("SELECT clock_timestamp()").fetch_one(conn).await?;
    let after = Utc::now();
    Ok(skew(before, there, after))
}

fn skew(before: DateTime<Utc>, there: DateTime<Utc>, after: DateTime<Utc>) -> Finding {
    let seconds = |length: chrono::TimeDelta| length.as_seconds_f64();
    // The answer was made at some time in between.
    let ahead_s = if there < before {
        seconds(before - there)
    } else if there > after {
        seconds(after - there)
    } else {
        0.0
    };
    let check = "clock";
    if ahead_s.abs() <= SKEW_S {
        return Finding::ok(check, format!("that of the database (within {SKEW_S} s)"));
    }
    let which = if ahead_s > 0.0 { "ahead of" } else { "behind" };
    let found = format!("this machine's is {:.0} s {which} the database's", ahead_s.abs());
    Finding::warn(check, found, "let both follow a time server (chrony, systemd-timesyncd)")
}

const HAS_WEEK: &str = "SELECT to_regclass('lotwise.reading_w' || $1) IS NOT NULL";

const CHUNKS: &str = "SELECT count(*), max(range_end) FROM timescaledb_information.chunks
    WHERE hypertable_schema = 'lotwise' AND hypertable_name = 'reading'";

/// Partitions for this and the next week, or the hypertable's chunks.
async fn room(conn: &mut PgConnection, kind: &DatabaseKind) -> sqlx::Result<Finding> {
    if schema::has_partitions(conn).await? {
        let week = Utc::now().timestamp() / 604_800;
        let mut missing = Vec::new();
        for (name, week) in [("this week", week), ("next week", week + 1)] {
            let has: bool =
                sqlx::query_scalar(HAS_WEEK).bind(week.to_string()).fetch_one(&mut *conn).await?;
            if !has {
                missing.push(name);
            }
        }
        return Ok(match missing.join(" and ") {
            missing if missing.is_empty() => {
                Finding::ok("partitions", "those of this and next week are there")
            }
            missing => Finding::warn(
                "partitions",
                format!("none for {missing}"),
                "a running `lotwise ingest` makes them: start it, or look at its log",
            ),
        });
    }
    if !kind.has_timescaledb() {
        let found = "the table of readings is neither partitioned nor a hypertable";
        let advice = "it was changed by hand: make it anew from a backup with `lotwise migrate`";
        return Ok(Finding::fail("partitions", found, advice));
    }
    let (chunks, end): (i64, Option<DateTime<Utc>>) =
        sqlx::query_as(CHUNKS).fetch_one(&mut *conn).await?;
    let found = match end {
        None => "none yet; TimescaleDB makes them as readings come".to_owned(),
        Some(end) => {
            let end = end.to_rfc3339_opts(SecondsFormat::Secs, true);
            format!("{chunks}, the newest ends {end}; TimescaleDB makes them as readings come")
        }
    };
    Ok(Finding::ok("chunks", found))
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};

    use super::skew;

    #[test]
    fn says_which_clock_is_ahead() {
        let at = |s: i64| DateTime::UNIX_EPOCH + TimeDelta::seconds(s);
        assert!(skew(at(100), at(101), at(102)).to_string().starts_with("OK"));
        assert!(skew(at(100), at(98), at(130)).to_string().starts_with("OK"));
        let ahead = skew(at(100), at(40), at(101)).to_string();
        assert!(ahead.starts_with("WARN") && ahead.contains("60 s ahead of"), "{ahead}");
        let behind = skew(at(100), at(105), at(101)).to_string();
        assert!(behind.starts_with("WARN") && behind.contains("4 s behind"), "{behind}");
    }
}
