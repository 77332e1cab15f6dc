//! The rows of `rollup_run`: what the meters and thermometers of a closed run add up to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArguments, PgConnection};
use sqlx::{Arguments, AssertSqlSafe, Connection, FromRow};

use super::hours::{Columns, Span};
use super::integrate::SUMS;
use super::{BUDGET, cost_of_hour};
use crate::domain::{SensorKind, TimeRange};
use crate::sql::cell;

/// Runs that were gone through and are not what they were: deleted, moved, opened again.
const FORGET_CHANGED: &str = "
    WITH changed AS (
        DELETE FROM rollup_run_done d
        WHERE NOT EXISTS (SELECT FROM run r WHERE r.id = d.run_id AND r.line_id = d.line_id
            AND r.machine_id IS NOT DISTINCT FROM d.machine_id
            AND r.started_at = d.started_at AND r.ended_at = d.ended_at)
        RETURNING d.run_id)
    DELETE FROM rollup_run w USING changed c WHERE w.run_id = c.run_id";

/// Deletes what is kept of runs that are not any more what they were.
pub(super) async fn forget_changed(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query(FORGET_CHANGED).execute(conn).await?;
    Ok(())
}

const FORGET_DEPENDING: &str = "
    WITH gone AS (
        DELETE FROM rollup_run w
        USING unnest($1::int4[], $2::int4[], $3::timestamptz[], $4::timestamptz[]) AS t (plant_id, sensor_id, lo, hi)
        WHERE w.plant_id = t.plant_id AND w.sensor_id = t.sensor_id AND w.depends_on && tstzrange(t.lo, t.hi)
        RETURNING w.run_id)
    UPDATE rollup_run_done d SET again = true FROM (SELECT DISTINCT run_id FROM gone) g WHERE d.run_id = g.run_id";

/// Deletes what depends on the hours; those runs are gone through again.
pub(super) async fn forget_depending(conn: &mut PgConnection, spans: &[Span]) -> sqlx::Result<()> {
    let Columns { plants, sensors, lo, hi } = Columns::of(spans);
    let forget = sqlx::query(FORGET_DEPENDING).bind(plants).bind(sensors).bind(lo).bind(hi);
    forget.execute(conn).await?;
    Ok(())
}

/// After a month without a next reading, a run's sensor is left to the readings.
const RETRY: &str = "UPDATE rollup_run_done d SET again = true FROM rollup_state m
    WHERE NOT d.complete AND NOT d.again AND d.ended_at > m.mark_until - interval '30 days'";

/// Lets incomplete runs be gone through again, now that more hours are made.
pub(super) async fn retry(conn: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query(RETRY).execute(conn).await?;
    Ok(())
}

const TODO: &str = "SELECT r.id, r.line_id, r.machine_id, r.started_at, r.ended_at
    FROM run r JOIN rollup_state m ON r.ended_at < m.mark_until
    WHERE NOT EXISTS (SELECT FROM rollup_run_done d WHERE d.run_id = r.id AND NOT d.again)
    ORDER BY r.ended_at DESC, r.id LIMIT 200";

/// A closed run that is to be gone through.
#[derive(Debug, FromRow)]
struct Run {
    id: i64,
    line_id: i32,
    machine_id: Option<i32>,
    started_at: DateTime<Utc>,
    ended_at: DateTime<Utc>,
}

/// Meters and thermometers of the run's place: what KPIs of runs read.
const MISSING: &str = "SELECT r.id AS run_id, x.plant_id, x.sensor_id, x.kind, x.interval_s, x.max_gap_s, x.rollover,
        r.started_at, r.ended_at
    FROM unnest($1::int8[], $2::int4[], $3::int4[], $4::timestamptz[], $5::timestamptz[])
        AS r (id, line_id, machine_id, started_at, ended_at)
    JOIN sensor s ON s.line_id = r.line_id AND (r.machine_id IS NULL OR s.machine_id = r.machine_id)
        AND s.quantity IN ('energy', 'power', 'temperature')
    JOIN rollup_sensor x ON x.plant_id = s.plant_id AND x.sensor_id = s.id
    WHERE NOT EXISTS (SELECT FROM rollup_run w WHERE w.plant_id = x.plant_id AND w.sensor_id = x.sensor_id
        AND w.started_at = r.started_at AND w.ended_at = r.ended_at AND w.run_id = r.id)
    ORDER BY r.id, x.sensor_id";

/// A sensor over a run, with its rules.
#[derive(Debug, FromRow)]
pub(super) struct RunSensor {
    run_id: i64,
    plant_id: i32,
    sensor_id: i32,
    kind: String,
    interval_s: f64,
    max_gap_s: f64,
    rollover: Option<f64>,
    started_at: DateTime<Utc>,
    ended_at: DateTime<Utc>,
}

impl RunSensor {
    fn cost(&self) -> f64 {
        let hours = (self.ended_at - self.started_at).num_seconds() as f64 / 3_600.0;
        10.0 + hours * cost_of_hour(self.interval_s)
    }
}

/// The parameters $1 to $12 of a statement that holds [`SUMS`]: the windows, one bucket
/// that holds all time, and the runs.
pub(super) fn parameters(windows: &[RunSensor]) -> Result<PgArguments, BoxDynError> {
    let mut codes = Vec::with_capacity(windows.len());
    let (mut lo, mut hi) = (Vec::new(), Vec::new());
    for w in windows {
        let kind: SensorKind = w.kind.parse()?;
        let range = TimeRange::new(w.started_at, w.ended_at)?;
        let (from, to) = cell::reach(kind, w.max_gap_s, w.interval_s, range);
        codes.push(cell::code(kind));
        lo.push(from);
        hi.push(to);
    }
    let edges = [crate::sql::far_past(), crate::sql::far_future()];
    let mut all = PgArguments::default();
    all.add(windows.iter().map(|w| w.plant_id).collect::<Vec<_>>())?;
    all.add(windows.iter().map(|w| w.sensor_id).collect::<Vec<_>>())?;
    all.add(codes)?;
    all.add(windows.iter().map(|w| w.max_gap_s).collect::<Vec<_>>())?;
    all.add(windows.iter().map(|w| w.interval_s).collect::<Vec<_>>())?;
    all.add(windows.iter().map(|w| w.rollover).collect::<Vec<_>>())?;
    all.add(windows.iter().map(|w| w.started_at).collect::<Vec<_>>())?;
    all.add(windows.iter().map(|w| w.ended_at).collect::<Vec<_>>())?;
    all.add(lo)?;
    all.add(hi)?;
    all.add(edges.map(crate::domain::time::epoch_seconds).to_vec())?;
    all.add(windows.iter().map(|w| w.run_id).collect::<Vec<_>>())?;
    Ok(all)
}

/// The sums in one bucket that holds all time; the neighbours that
/// they depend on; and only where all of that is made already, and its readings are kept.
static STORE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "WITH cell AS MATERIALIZED ({}),
        win AS MATERIALIZED (
            SELECT w.*, x.built_until FROM unnest($1::int4[], $2::int4[], $7::timestamptz[], $8::timestamptz[],
                $9::timestamptz[], $10::timestamptz[], $12::int8[]) WITH ORDINALITY
                AS w (plant_id, sensor_id, a, b, lo, hi, run_id, nr)
            JOIN rollup_sensor x USING (plant_id, sensor_id)),
        dep AS (
            SELECT w.*,
                coalesce((SELECT r.time FROM reading r WHERE r.plant_id = w.plant_id AND r.sensor_id = w.sensor_id
                    AND r.time < w.a AND r.time >= w.lo ORDER BY r.time DESC LIMIT 1), w.lo) AS since,
                coalesce((SELECT r.time FROM reading r WHERE r.plant_id = w.plant_id AND r.sensor_id = w.sensor_id
                    AND r.time >= w.b AND r.time <= w.hi ORDER BY r.time LIMIT 1), w.hi) AS until
            FROM win w)
        INSERT INTO rollup_run (plant_id, sensor_id, started_at, ended_at, run_id, integral, amount, covered_s,
            n, sum, min, max, depends_on)
        SELECT d.plant_id, d.sensor_id, d.a, d.b, d.run_id, coalesce(c.integral, 0), c.amount,
            coalesce(c.covered_s, 0), coalesce(c.n, 0), coalesce(c.total, 0), c.low, c.high,
            tstzrange(date_bin('1 hour', d.since, 'epoch'), date_bin('1 hour', d.until, 'epoch') + interval '1 hour')
        FROM dep d LEFT JOIN cell c ON c.win = d.nr - 1
        WHERE d.until < d.built_until AND d.since >= (SELECT coalesce(raw_from, '-infinity') FROM rollup_state)
        ON CONFLICT DO NOTHING
        RETURNING run_id",
        *SUMS
    )
});

const DONE: &str = "INSERT INTO rollup_run_done (run_id, line_id, machine_id, started_at, ended_at, complete)
    SELECT * FROM unnest($1::int8[], $2::int4[], $3::int4[], $4::timestamptz[], $5::timestamptz[], $6::bool[])
    ON CONFLICT (run_id) DO UPDATE SET complete = excluded.complete, again = false";

/// Goes through a bounded part of the closed runs; how many sums were made, none when no run is left.
pub(super) async fn build(conn: &mut PgConnection) -> sqlx::Result<Option<u64>> {
    let mut tx = conn.begin().await?;
    let runs: Vec<Run> = sqlx::query_as(TODO).fetch_all(&mut *tx).await?;
    if runs.is_empty() {
        // Now: a dropped transaction would stay open until the connection's next statement, which
        // comes with the next refresh.
        tx.rollback().await?;
        return Ok(None);
    }
    let mut windows: Vec<RunSensor> = sqlx::query_as(MISSING)
        .bind(runs.iter().map(|r| r.id).collect::<Vec<_>>())
        .bind(runs.iter().map(|r| r.line_id).collect::<Vec<_>>())
        .bind(runs.iter().map(|r| r.machine_id).collect::<Vec<_>>())
        .bind(runs.iter().map(|r| r.started_at).collect::<Vec<_>>())
        .bind(runs.iter().map(|r| r.ended_at).collect::<Vec<_>>())
        .fetch_all(&mut *tx)
        .await?;
    let runs = first_affordable(&runs, &windows);
    let taken: BTreeSet<i64> = runs.iter().map(|r| r.id).collect();
    windows.retain(|w| taken.contains(&w.run_id));
    let parameters = parameters(&windows).map_err(sqlx::Error::Encode)?;
    let made: Vec<i64> = sqlx::query_scalar_with(AssertSqlSafe(STORE.as_str()), parameters)
        .fetch_all(&mut *tx)
        .await?;
    let mut lacking: BTreeMap<i64, i64> = BTreeMap::new();
    for window in &windows {
        *lacking.entry(window.run_id).or_default() += 1;
    }
    for run in &made {
        *lacking.entry(*run).or_default() -= 1;
    }
    let complete = |run: &Run| lacking.get(&run.id).is_none_or(|lacking| *lacking == 0);
    sqlx::query(DONE)
        .bind(runs.iter().map(|r| r.id).collect::<Vec<_>>())
        .bind(runs.iter().map(|r| r.line_id).collect::<Vec<_>>())
        .bind(runs.iter().map(|r| r.machine_id).collect::<Vec<_>>())
        .bind(runs.iter().map(|r| r.started_at).collect::<Vec<_>>())
        .bind(runs.iter().map(|r| r.ended_at).collect::<Vec<_>>())
        .bind(runs.iter().map(complete).collect::<Vec<_>>())
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(Some(made.len() as u64))
}

/// The first runs, as many as one transaction may read; always one.
fn first_affordable<'a>(runs: &'a [Run], windows: &[RunSensor]) -> &'a [Run] {
    let mut costs: BTreeMap<i64, f64> = BTreeMap::new();
    for window in windows {
        *costs.entry(window.run_id).or_default() += window.cost();
    }
    let mut sum = 0.0;
    let end = runs.iter().position(|run| {
        sum += costs.get(&run.id).copied().unwrap_or(0.0);
        sum > BUDGET
    });
    &runs[..end.unwrap_or(runs.len()).max(1).min(runs.len())]
}

const KEPT: &str =
    "SELECT w.run_id, x.plant_id, x.sensor_id, x.kind, x.interval_s, x.max_gap_s, x.rollover,
        w.started_at, w.ended_at
    FROM rollup_run w JOIN rollup_sensor x USING (plant_id, sensor_id)
    WHERE w.plant_id = $1 AND w.sensor_id = $2 AND w.started_at >= $3 AND w.ended_at <= $4
        AND lower(w.depends_on) >= (SELECT coalesce(raw_from, '-infinity') FROM rollup_state)
    ORDER BY w.started_at, w.run_id";

/// The sums of a sensor that are kept, within hours.
pub(super) async fn kept(conn: &mut PgConnection, span: Span) -> sqlx::Result<Vec<RunSensor>> {
    let query = sqlx::query_as(KEPT).bind(span.plant).bind(span.sensor).bind(span.lo).bind(span.hi);
    query.fetch_all(conn).await
}

/// Both sides in one snapshot, and without sums that depend on marked hours. Sums may have been
/// added up in another order: the same to 1e-9.
static COMPARE: LazyLock<String> = LazyLock::new(|| {
    format!(
        "WITH cell AS MATERIALIZED ({}),
        both_sides AS (
            SELECT w.nr, k, c, (k.n, k.min, k.max, k.amount IS NULL) IS DISTINCT FROM
                    (coalesce(c.n, 0), c.low, c.high, c.amount IS NULL)
                OR abs(k.integral - coalesce(c.integral, 0)) > 1e-9 * (1 + abs(k.integral))
                OR abs(k.amount - c.amount) > 1e-9 * (1 + abs(k.amount))
                OR abs(k.covered_s - coalesce(c.covered_s, 0)) > 1e-9 * (1 + k.covered_s)
                OR abs(k.sum - coalesce(c.total, 0)) > 1e-9 * (1 + abs(k.sum)) AS differ
            FROM unnest($1::int4[], $2::int4[], $7::timestamptz[], $8::timestamptz[], $12::int8[]) WITH ORDINALITY
                AS w (plant_id, sensor_id, a, b, run_id, nr)
            JOIN rollup_run k ON k.plant_id = w.plant_id AND k.sensor_id = w.sensor_id
                AND k.started_at = w.a AND k.ended_at = w.b AND k.run_id = w.run_id
            LEFT JOIN cell c ON c.win = w.nr - 1
            WHERE NOT EXISTS (SELECT FROM rollup_dirty d WHERE d.plant_id = k.plant_id
                AND d.sensor_id = k.sensor_id AND k.depends_on @> d.hour))
        SELECT count(*), (SELECT jsonb_build_object('kept', to_jsonb(k), 'readings', to_jsonb(c))::text
            FROM both_sides WHERE differ ORDER BY nr LIMIT 1)
        FROM both_sides",
        *SUMS
    )
});

/// Compares kept sums with the readings: how many, and the first difference.
pub(super) async fn compare(
    conn: &mut PgConnection,
    windows: &[RunSensor],
) -> sqlx::Result<(i64, Option<String>)> {
    let parameters = parameters(windows).map_err(sqlx::Error::Encode)?;
    sqlx::query_as_with(AssertSqlSafe(COMPARE.as_str()), parameters).fetch_one(conn).await
}
