//! Compares the rollups with the readings.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::FromRow;
use sqlx::postgres::PgConnection;

use super::hours::{Span, todo_and_fresh};
use super::{BUDGET, cost_of_hour, runs};

/// Which rollups.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Scope {
    /// Key of the plant; none: all.
    pub plant: Option<String>,
    /// Key of the sensor; none: all.
    pub sensor: Option<String>,
    /// From this hour on; none: the first one.
    pub from: Option<DateTime<Utc>>,
    /// Before this hour; none: the last one.
    pub to: Option<DateTime<Utc>>,
}

/// What was compared.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Checked {
    /// Sensors.
    pub sensors: usize,
    /// Rows of hours, kept or computed.
    pub hours: i64,
    /// Sums of runs.
    pub runs: i64,
    /// The first difference, for people.
    pub difference: Option<String>,
}

/// A sensor with its final hours in the scope.
#[derive(Debug, FromRow)]
pub(super) struct Sensor {
    pub plant_id: i32,
    pub sensor_id: i32,
    pub name: String,
    interval_s: f64,
    pub lo: DateTime<Utc>,
    pub hi: DateTime<Utc>,
}

impl Sensor {
    pub(super) fn span(&self) -> Span {
        Span { plant: self.plant_id, sensor: self.sensor_id, lo: self.lo, hi: self.hi }
    }
}

const RUNS_A_STATEMENT: usize = 100;

/// From the first reading or row, whichever is older; where readings were dropped, from those that are kept.
const SENSORS: &str = "SELECT x.plant_id, x.sensor_id, p.key || '/' || s.key AS name, x.interval_s,
        greatest(f.lo, date_bin('1 hour', $3::timestamptz, 'epoch'), m.raw_from) AS lo,
        least(x.built_until, date_bin('1 hour', $4::timestamptz + interval '1 hour' - interval '1 us', 'epoch')) AS hi
    FROM rollup_sensor x JOIN sensor s ON s.plant_id = x.plant_id AND s.id = x.sensor_id JOIN plant p ON p.id = s.plant_id
    CROSS JOIN rollup_state m CROSS JOIN LATERAL (SELECT least(
        (SELECT date_bin('1 hour', r.time, 'epoch') FROM reading r
            WHERE r.plant_id = x.plant_id AND r.sensor_id = x.sensor_id ORDER BY r.time LIMIT 1),
        (SELECT h.hour FROM rollup_hour h
            WHERE h.plant_id = x.plant_id AND h.sensor_id = x.sensor_id ORDER BY h.hour LIMIT 1)) AS lo) f
    WHERE ($1::text IS NULL OR p.key = $1) AND ($2::text IS NULL OR s.key = $2)
        AND greatest(f.lo, $3, m.raw_from) < least(x.built_until, $4)
    ORDER BY p.key, s.key";

/// The sensors of the scope that have something rolled up in it.
pub(super) async fn sensors(conn: &mut PgConnection, scope: &Scope) -> sqlx::Result<Vec<Sensor>> {
    sqlx::query_as(SENSORS)
        .bind(&scope.plant)
        .bind(&scope.sensor)
        .bind(scope.from)
        .bind(scope.to)
        .fetch_all(conn)
        .await
}

/// Both sides in one snapshot, and without marked hours, which nobody reads. Rows must be the same
/// to the last bit.
const HOURS: &str = concat!(
    "WITH ",
    todo_and_fresh!(),
    ",
    kept AS (
        SELECT h.plant_id, h.sensor_id, h.hour, h.first_t, h.first_v, h.last_t, h.last_v, h.n, h.rest_sum,
            h.rest_min, h.rest_max, h.covered_s, h.total
        FROM rollup_hour h JOIN todo t ON h.plant_id = t.plant_id AND h.sensor_id = t.sensor_id
            AND h.hour >= t.lo AND h.hour < t.hi)
    SELECT count(*), (SELECT jsonb_build_object('kept', to_jsonb(k), 'readings', to_jsonb(f))::text
        FROM fresh f FULL JOIN kept k USING (plant_id, sensor_id, hour) AS j
        WHERE f IS DISTINCT FROM k AND NOT EXISTS (SELECT FROM rollup_dirty d
            WHERE d.plant_id = j.plant_id AND d.sensor_id = j.sensor_id AND d.hour = j.hour)
        ORDER BY j.hour LIMIT 1)
    FROM fresh"
);

/// Compares, sensor by sensor, until the first difference.
///
/// # Errors
/// The database does not answer.
pub async fn check(conn: &mut PgConnection, scope: &Scope) -> sqlx::Result<Checked> {
    let mut checked = Checked::default();
    for sensor in sensors(conn, scope).await? {
        checked.sensors += 1;
        let step = TimeDelta::hours((BUDGET / cost_of_hour(sensor.interval_s)).ceil() as i64);
        let mut lo = sensor.lo;
        while lo < sensor.hi {
            let hi = sensor.hi.min(lo + step);
            let (hours, difference): (i64, Option<String>) = sqlx::query_as(HOURS)
                .bind(vec![sensor.plant_id])
                .bind(vec![sensor.sensor_id])
                .bind(vec![lo])
                .bind(vec![hi])
                .fetch_one(&mut *conn)
                .await?;
            checked.hours += hours;
            if let Some(difference) = difference {
                checked.difference = Some(format!("{}: {difference}", sensor.name));
                return Ok(checked);
            }
            lo = hi;
        }
        let kept = runs::kept(conn, sensor.span()).await?;
        for windows in kept.chunks(RUNS_A_STATEMENT) {
            let (runs, difference) = runs::compare(conn, windows).await?;
            checked.runs += runs;
            if let Some(difference) = difference {
                checked.difference = Some(format!("{}: {difference}", sensor.name));
                return Ok(checked);
            }
        }
    }
    Ok(checked)
}
