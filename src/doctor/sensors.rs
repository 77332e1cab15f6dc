//! What the sensors send: the newest reading of each plant, and the sensors that are silent.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use sqlx::postgres::PgConnection;

use super::Finding;
use crate::domain::sensor::SILENT_INTERVALS;

/// Silent sensors that are named.
const NAMED: usize = 5;

/// Senders' clocks may be ahead by this much.
const AHEAD_S: f64 = 300.0;

/// Plant, sensor, seconds after which it is silent, its newest reading and that one's age in seconds.
type Row = (String, Option<String>, Option<f64>, Option<DateTime<Utc>>, Option<f64>);

const NEWEST: &str = "SELECT p.key, s.key, greatest($1 * s.interval_s, s.max_gap_s), newest.time,
        date_part('epoch', now() - newest.time)
    FROM lotwise.plant p
    LEFT JOIN lotwise.sensor s ON s.plant_id = p.id
    LEFT JOIN LATERAL (SELECT r.time FROM lotwise.reading r
        WHERE r.plant_id = s.plant_id AND r.sensor_id = s.id ORDER BY r.time DESC LIMIT 1) newest ON true
    ORDER BY p.key, s.key";

/// A line for each plant, and one for the silent sensors.
pub async fn check(conn: &mut PgConnection) -> sqlx::Result<Vec<Finding>> {
    Ok(findings(&sqlx::query_as(NEWEST).bind(SILENT_INTERVALS).fetch_all(conn).await?))
}

/// Sensors that came with their first reading, and that nobody has said anything about.
pub async fn incomplete(conn: &mut PgConnection) -> sqlx::Result<Finding> {
    let check = "incomplete sensors";
    let count: i64 =
        sqlx::query_scalar("SELECT count(*) FROM lotwise.sensor WHERE quantity = 'unknown'")
            .fetch_one(conn)
            .await?;
    Ok(match count {
        0 => Finding::ok(check, "none"),
        count => Finding::warn(
            check,
            format!("{count} registered themselves"),
            "GET /v1/sensors/incomplete lists them; say with POST /v1/sensors what they measure",
        ),
    })
}

/// Readings in quarantine.
pub async fn waiting(conn: &mut PgConnection) -> sqlx::Result<Finding> {
    let check = "quarantine";
    let counts: Vec<(String, i64)> = sqlx::query_as(
        "SELECT reason, count(*) FROM lotwise.quarantine GROUP BY reason ORDER BY reason",
    )
    .fetch_all(conn)
    .await?;
    if counts.is_empty() {
        return Ok(Finding::ok(check, "empty"));
    }
    let counts: Vec<_> = counts.iter().map(|(why, count)| format!("{count} {why}")).collect();
    let advice = "GET /v1/quarantine lists them; they are dropped after 30 days";
    Ok(Finding::warn(check, format!("readings that wait: {}", counts.join(", ")), advice))
}

fn findings(rows: &[Row]) -> Vec<Finding> {
    if rows.is_empty() {
        let advice = "create them with POST /v1/plants (docs/ingest.md)";
        return vec![Finding::warn("plants", "there are none", advice)];
    }
    let plants = rows.chunk_by(|a, b| a.0 == b.0);
    plants.map(plant).chain([silent(rows)]).collect()
}

/// The newest reading of one plant.
fn plant(rows: &[Row]) -> Finding {
    let check = format!("plant {}", rows.first().map_or("", |row| &row.0));
    let sensors = rows.iter().filter(|row| row.1.is_some()).count();
    if sensors == 0 {
        let advice = "create them with POST /v1/sensors (docs/ingest.md)";
        return Finding::warn(check, "no sensors", advice);
    }
    let newest = rows.iter().filter_map(|row| Some((row.3?, row.4?))).max_by_key(|(time, _)| *time);
    let Some((time, age_s)) = newest else {
        let found = format!("no reading of its {sensors} sensors");
        return Finding::warn(check, found, "check the gateways: key, URL, names of the sensors");
    };
    let time = time.to_rfc3339_opts(SecondsFormat::Secs, true);
    if age_s < -AHEAD_S {
        let found = format!("newest reading {time}, {} in the future", words(-age_s));
        return Finding::warn(check, found, "set the sender's clock, or its time zone");
    }
    let found = format!("newest reading {time}, {} ago, of {sensors} sensors", words(age_s));
    if rows.iter().filter(|row| row.1.is_some()).all(is_silent) {
        return Finding::warn(check, found, "all are silent: check the gateways and the network");
    }
    Finding::ok(check, found)
}

fn silent(rows: &[Row]) -> Finding {
    let check = "silent sensors";
    let silent: Vec<_> = rows.iter().filter(|row| is_silent(row)).collect();
    if silent.is_empty() {
        return Finding::ok(check, "none");
    }
    let named: Vec<_> = silent
        .iter()
        .take(NAMED)
        .map(|(plant, sensor, _, _, age_s)| {
            let since = age_s.map_or("never sent".to_owned(), words);
            format!("{plant}/{} ({since})", sensor.as_deref().unwrap_or_default())
        })
        .collect();
    let more = if silent.len() > NAMED { ", ..." } else { "" };
    let found = format!(
        "{} for longer than {SILENT_INTERVALS} intervals and their longest gap: {}{more}",
        silent.len(),
        named.join(", ")
    );
    Finding::warn(check, found, "check these sensors and what sends for them")
}

fn is_silent((_, sensor, silent_after_s, _, age_s): &Row) -> bool {
    let longest = silent_after_s.unwrap_or(f64::INFINITY);
    sensor.is_some() && age_s.is_none_or(|age_s| age_s > longest)
}

/// A length of time in its largest whole unit.
fn words(seconds: f64) -> String {
    // Out of range only for what is no time: then it is as good as none.
    let seconds = Duration::try_from_secs_f64(seconds).unwrap_or_default().as_secs();
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::{Row, findings, words};

    fn sensor(plant: &str, key: &str, age_s: Option<f64>) -> Row {
        let time =
            age_s.map(|age_s| DateTime::UNIX_EPOCH - chrono::TimeDelta::seconds(age_s as i64));
        (plant.to_owned(), Some(key.to_owned()), Some(600.0), time, age_s)
    }

    fn lines(rows: &[Row]) -> Vec<String> {
        findings(rows).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn names_plants_and_silent_sensors() {
        assert!(lines(&[])[0].starts_with("WARN  plants"));
        let empty = ("a".to_owned(), None, None, None, None);
        let rows = [empty, sensor("b", "x", Some(5.0)), sensor("b", "y", Some(601.0))];
        let found = lines(&rows);
        assert!(found[0].contains("plant a") && found[0].contains("no sensors"), "{found:#?}");
        assert!(found[1].starts_with("OK    plant b") && found[1].contains(", 5 s ago, of 2"));
        assert!(
            found[2].contains("1 for longer than 3 intervals and their longest gap: b/y (10 min)"),
            "{found:#?}"
        );
        assert_eq!(found.len(), 3);
    }

    #[test]
    fn warns_of_silent_plants_and_of_clocks() {
        let found = lines(&[sensor("a", "x", Some(600.0)), sensor("b", "x", Some(700.0))]);
        assert!(found[0].starts_with("OK") && found[1].starts_with("WARN"), "{found:#?}");
        let found = lines(&[sensor("a", "x", Some(-3_600.0)), sensor("b", "x", None)]);
        assert!(found[0].contains("60 min in the future"), "{found:#?}");
        assert!(found[1].starts_with("WARN") && found[1].contains("no reading"), "{found:#?}");
        assert!(found[2].contains("b/x (never sent)"), "{found:#?}");
        let many: Vec<_> = ["a", "b", "c", "d", "e", "f"].map(|k| sensor("p", k, None)).into();
        let found = lines(&many);
        assert!(found[1].contains("6 for") && found[1].contains("p/e (never sent), ..."));
        assert!(!found[1].contains("p/f"), "{found:#?}");
    }

    #[test]
    fn lengths_of_time_in_words() {
        let texts = [0.4, 119.0, 120.0, 7_200.0, 172_800.0, f64::NAN].map(words);
        assert_eq!(texts, ["0 s", "119 s", "2 min", "2 h", "2 days", "0 s"]);
    }
}
