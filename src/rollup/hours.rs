//! The rows of `rollup_hour`: made when their time has come, and again when their readings changed.

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Connection, FromRow, Row};

use super::{BUDGET, cost_of_hour};

/// Hours of a sensor, `[lo, hi)`, both at the full hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub plant: i32,
    pub sensor: i32,
    pub lo: DateTime<Utc>,
    pub hi: DateTime<Utc>,
}

/// Spans as the parameters $1 to $4 of a statement.
#[derive(Debug, Default)]
pub(super) struct Columns {
    pub plants: Vec<i32>,
    pub sensors: Vec<i32>,
    pub lo: Vec<DateTime<Utc>>,
    pub hi: Vec<DateTime<Utc>>,
}

impl Columns {
    pub(super) fn of(spans: &[Span]) -> Self {
        let mut columns = Self::default();
        for span in spans {
            columns.plants.push(span.plant);
            columns.sensors.push(span.sensor);
            columns.lo.push(span.lo);
            columns.hi.push(span.hi);
        }
        columns
    }
}

/// The rows that the readings give for the spans of `todo`: the expressions are those of
/// `rollup::integrate`, for segments inside an hour. Sums run in the order of time, so the same
/// readings give the same bytes.
macro_rules! todo_and_fresh {
    () => {
        "todo AS MATERIALIZED (
        SELECT x.*, t.lo, t.hi FROM unnest($1::int4[], $2::int4[], $3::timestamptz[], $4::timestamptz[])
            AS t (plant_id, sensor_id, lo, hi) JOIN rollup_sensor x USING (plant_id, sensor_id)),
    fresh AS MATERIALIZED (
        SELECT t.plant_id, t.sensor_id, f.*
        FROM todo t CROSS JOIN LATERAL (
            SELECT hour, min(time) AS first_t, min(v) FILTER (WHERE tp IS NULL) AS first_v,
                max(time) AS last_t, min(v) FILTER (WHERE is_last) AS last_v, count(*)::int AS n,
                coalesce(sum(v) FILTER (WHERE tp IS NOT NULL), 0) AS rest_sum,
                min(v) FILTER (WHERE tp IS NOT NULL) AS rest_min,
                max(v) FILTER (WHERE tp IS NOT NULL) AS rest_max,
                coalesce(sum(CASE WHEN t.kind = 'delta' THEN at - greatest(tp, at - t.interval_s)
                    WHEN at - tp <= t.max_gap_s THEN at - tp END) FILTER (WHERE tp IS NOT NULL), 0) AS covered_s,
                sum(CASE t.kind
                    WHEN 'gauge' THEN CASE WHEN at - tp <= t.max_gap_s THEN (vp + v) / 2 * (at - tp) ELSE 0 END
                    WHEN 'delta' THEN v
                    ELSE CASE WHEN v >= vp THEN v - vp WHEN t.rollover >= vp THEN v - vp + t.rollover ELSE v END
                    END) FILTER (WHERE tp IS NOT NULL) AS total
            FROM (
                SELECT hour, time, at, v, lag(at) OVER o AS tp, lag(v) OVER o AS vp, lead(at) OVER o IS NULL AS is_last
                FROM (
                    SELECT date_bin('1 hour', r.time, 'epoch') AS hour, r.time, date_part('epoch', r.time) AS at,
                        CASE WHEN abs(r.value) BETWEEN 1e-100 AND 1e100 THEN r.value
                            WHEN abs(r.value) < 1 THEN 0.0 ELSE r.value * 'Infinity'::float8 END AS v
                    FROM reading r
                    WHERE r.plant_id = t.plant_id AND r.sensor_id = t.sensor_id AND r.time >= t.lo AND r.time < t.hi
                    OFFSET 0) r
                WINDOW o AS (PARTITION BY hour ORDER BY time)
            ) s GROUP BY hour
        ) f)"
    };
}
pub(super) use todo_and_fresh;

/// Rows that are right already are not written again.
const STORE: &str = concat!(
    "WITH ",
    todo_and_fresh!(),
    ",
    gone AS (
        DELETE FROM rollup_hour h USING todo t
        WHERE h.plant_id = t.plant_id AND h.sensor_id = t.sensor_id AND h.hour >= t.lo AND h.hour < t.hi
            AND NOT EXISTS (SELECT FROM fresh f
                WHERE f.plant_id = h.plant_id AND f.sensor_id = h.sensor_id AND f.hour = h.hour))
    INSERT INTO rollup_hour AS h (plant_id, sensor_id, hour, first_t, first_v, last_t, last_v, n,
        rest_sum, rest_min, rest_max, covered_s, total)
    SELECT plant_id, sensor_id, hour, first_t, first_v, last_t, last_v, n,
        rest_sum, rest_min, rest_max, covered_s, total FROM fresh
    ON CONFLICT (plant_id, sensor_id, hour) DO UPDATE SET
        first_t = excluded.first_t, first_v = excluded.first_v, last_t = excluded.last_t,
        last_v = excluded.last_v, n = excluded.n, rest_sum = excluded.rest_sum,
        rest_min = excluded.rest_min, rest_max = excluded.rest_max,
        covered_s = excluded.covered_s, total = excluded.total
    WHERE (h.first_t, h.first_v, h.last_t, h.last_v, h.n, h.rest_sum, h.rest_min, h.rest_max, h.covered_s, h.total)
        IS DISTINCT FROM (excluded.first_t, excluded.first_v, excluded.last_t, excluded.last_v, excluded.n,
            excluded.rest_sum, excluded.rest_min, excluded.rest_max, excluded.covered_s, excluded.total)"
);

const DUE: &str =
    "SELECT x.plant_id, x.sensor_id, x.built_until AS lo, m.mark_until AS hi, x.interval_s
    FROM rollup_sensor x, rollup_state m WHERE x.built_until < m.mark_until
    ORDER BY x.built_until, x.plant_id, x.sensor_id LIMIT 1000";

const BUILT: &str = "UPDATE rollup_sensor x SET built_until = t.hi
    FROM unnest($1::int4[], $2::int4[], $3::timestamptz[]) AS t (plant_id, sensor_id, hi)
    WHERE x.plant_id = t.plant_id AND x.sensor_id = t.sensor_id";

/// Makes a bounded part of the hours before `mark_until`; how many, none when all are made.
pub(super) async fn build(conn: &mut PgConnection) -> sqlx::Result<Option<u64>> {
    let due: Vec<Due> = sqlx::query_as(DUE).fetch_all(&mut *conn).await?;
    let spans = affordable(&due);
    if spans.is_empty() {
        return Ok(None);
    }
    let mut tx = conn.begin().await?;
    store(&mut tx, &spans).await?;
    let Columns { plants, sensors, hi, .. } = Columns::of(&spans);
    sqlx::query(BUILT).bind(plants).bind(sensors).bind(hi).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(Some(spans.iter().map(|s| hours_in(s.lo, s.hi)).sum()))
}

/// Hours of a sensor that are due, and how often it is read.
struct Due {
    span: Span,
    interval_s: f64,
}

impl FromRow<'_, PgRow> for Due {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let span = Span {
            plant: row.try_get("plant_id")?,
            sensor: row.try_get("sensor_id")?,
            lo: row.try_get("lo")?,
            hi: row.try_get("hi")?,
        };
        Ok(Self { span, interval_s: row.try_get("interval_s")? })
    }
}

/// The first hours of the first sensors, as many as one transaction may read.
fn affordable(due: &[Due]) -> Vec<Span> {
    let mut budget = BUDGET;
    let mut spans = Vec::new();
    for Due { span, interval_s } in due {
        if budget <= 0.0 {
            break;
        }
        let cost = cost_of_hour(*interval_s);
        let hours = hours_in(span.lo, span.hi).min((budget / cost).ceil() as u64);
        budget -= hours as f64 * cost;
        spans.push(Span { hi: span.lo + TimeDelta::hours(hours as i64), ..*span });
    }
    spans
}

fn hours_in(lo: DateTime<Utc>, hi: DateTime<Utc>) -> u64 {
    (hi - lo).num_hours().try_into().unwrap_or(0)
}

/// Marks in an order in which neighbouring hours of a sensor follow each other. Hours whose readings are
/// not kept any more cannot be made again.
const MARKS: &str =
    "SELECT d.ctid::text AS id, d.plant_id, d.sensor_id, d.hour, x.interval_s,
        CASE WHEN m.raw_from IS NULL OR d.hour >= m.raw_from THEN x.built_until END AS built_until
    FROM rollup_dirty d CROSS JOIN rollup_state m LEFT JOIN rollup_sensor x USING (plant_id, sensor_id)
    ORDER BY d.plant_id, d.sensor_id, d.hour LIMIT 5000";

/// By their place in the table, which no other process changes: marks are only added and, here,
/// deleted. Marks that came since the list was read stay.
const UNMARK: &str = "DELETE FROM rollup_dirty WHERE ctid = ANY ($1::text[]::tid[])";

/// Recomputes a bounded part of the marked hours; how many, none when no mark is left.
pub(super) async fn settle(conn: &mut PgConnection) -> sqlx::Result<Option<u64>> {
    let mut tx = conn.begin().await?;
    let marks: Vec<Mark> = sqlx::query_as(MARKS).fetch_all(&mut *tx).await?;
    let marks = first_affordable(&marks);
    if marks.is_empty() {
        // Now: a dropped transaction would stay open until the connection's next statement.
        tx.rollback().await?;
        return Ok(None);
    }
    let ids: Vec<&str> = marks.iter().map(|m| m.id.as_str()).collect();
    sqlx::query(UNMARK).bind(ids).execute(&mut *tx).await?;
    let spans = spans(marks);
    super::runs::forget_depending(&mut tx, &spans).await?;
    store(&mut tx, &spans).await?;
    tx.commit().await?;
    Ok(Some(spans.iter().map(|s| hours_in(s.lo, s.hi)).sum()))
}

#[derive(Debug, Clone, FromRow)]
struct Mark {
    id: String,
    plant_id: i32,
    sensor_id: i32,
    hour: DateTime<Utc>,
    /// None for a sensor that is not known any more.
    interval_s: Option<f64>,
    /// None also for hours that cannot be made again.
    built_until: Option<DateTime<Utc>>,
}

fn first_affordable(marks: &[Mark]) -> &[Mark] {
    let mut cost = 0.0;
    let end = marks.iter().position(|mark| {
        cost += cost_of_hour(mark.interval_s.unwrap_or(f64::INFINITY));
        cost > BUDGET
    });
    // Always one, however dear.
    &marks[..end.unwrap_or(marks.len()).max(1).min(marks.len())]
}

/// The marked hours that are made already, neighbours joined. The others are made when it is time.
fn spans(marks: &[Mark]) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for mark in marks.iter().filter(|m| m.built_until.is_some_and(|until| m.hour < until)) {
        let (plant, sensor, lo) = (mark.plant_id, mark.sensor_id, mark.hour);
        let hi = lo + TimeDelta::hours(1);
        match spans.last_mut() {
            Some(s) if (s.plant, s.sensor) == (plant, sensor) && s.hi >= lo => s.hi = s.hi.max(hi),
            _ => spans.push(Span { plant, sensor, lo, hi }),
        }
    }
    spans
}

/// Brings the rows of the spans in line with the readings.
async fn store(conn: &mut PgConnection, spans: &[Span]) -> sqlx::Result<()> {
    let Columns { plants, sensors, lo, hi } = Columns::of(spans);
    sqlx::query(STORE).bind(plants).bind(sensors).bind(lo).bind(hi).execute(conn).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hour(n: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(n * 3_600, 0).expect("time")
    }

    fn mark(sensor_id: i32, n: i64, interval_s: f64) -> Mark {
        let (interval_s, built_until) = (Some(interval_s), Some(hour(100)));
        Mark { id: String::new(), plant_id: 1, sensor_id, hour: hour(n), interval_s, built_until }
    }

    #[test]
    fn neighbouring_marks_are_one_span() {
        let marks =
            [(1, 5), (1, 5), (1, 6), (1, 8), (2, 9), (2, 100)].map(|(s, n)| mark(s, n, 60.0));
        let span = |sensor, lo, hi| Span { plant: 1, sensor, lo: hour(lo), hi: hour(hi) };
        assert_eq!(spans(&marks), [span(1, 5, 7), span(1, 8, 9), span(2, 9, 10)]);
    }

    #[test]
    fn a_transaction_is_bounded_but_goes_on() {
        let marks = vec![mark(1, 5, 0.1); 20];
        assert_eq!(first_affordable(&marks).len(), 8);
        assert_eq!(first_affordable(&marks[..3]).len(), 3);
        assert!(first_affordable(&[]).is_empty());
        let due = |sensor, interval_s| Due {
            span: Span { plant: 1, sensor, lo: hour(0), hi: hour(24 * 365) },
            interval_s,
        };
        let spans = affordable(&[due(1, 60.0), due(2, 60.0)]);
        assert_eq!(spans.len(), 1);
        assert_eq!(hours_in(spans[0].lo, spans[0].hi), 5_000);
        assert_eq!(affordable(&[due(1, 900.0), due(2, 900.0)]).len(), 2);
    }
}
