//! Keeps the rollups up to date while `lotwise ingest` runs.

use std::time::Duration;

use sqlx::postgres::PgConnection;

use super::{Refreshed, connect, step, try_lock};

/// Hours of sensors that are marked and not recomputed yet, at most 100,000.
pub const DIRTY: &str = "lotwise_rollup_dirty_hours";
/// Seconds since the end of the last hour that is made of all sensors.
pub const LAG: &str = "lotwise_rollup_lag_seconds";
/// Counter of hours made or made again.
pub const HOURS: &str = "lotwise_rollup_hours_total";

const COUNTED: i64 = 100_000;

/// How things stand.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct Status {
    /// Up to when writers mark; none before the first refresh.
    pub mark_until: Option<chrono::DateTime<chrono::Utc>>,
    /// Up to when all sensors are made; none without sensors.
    pub built_until: Option<chrono::DateTime<chrono::Utc>>,
    /// Sensors.
    pub sensors: i64,
    /// Marks, counted up to 100,000.
    pub marks: i64,
    /// Seconds since `built_until`.
    pub lag_s: Option<f64>,
}

const STATUS: &str = "SELECT m.mark_until, b.built_until, b.sensors, d.marks,
        date_part('epoch', now() - b.built_until) AS lag_s
    FROM lotwise.rollup_state m,
        (SELECT min(built_until) AS built_until, count(*) AS sensors FROM lotwise.rollup_sensor) b,
        (SELECT count(*) AS marks FROM (SELECT FROM lotwise.rollup_dirty LIMIT $1) x) d";

/// Asks how things stand.
///
/// # Errors
/// The database does not answer.
pub async fn status(conn: &mut PgConnection) -> sqlx::Result<Status> {
    sqlx::query_as(STATUS).bind(COUNTED).fetch_one(conn).await
}

/// Refreshes at every interval, in this process or, while that has the lock, in another one. Never
/// returns; a database that does not answer is tried again.
pub async fn keep(url: String, every: Duration) {
    describe_metrics();
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut worker = Worker { url, conn: None, failing: false };
    loop {
        ticks.tick().await;
        match worker.tick().await {
            Ok(()) => worker.failing = false,
            Err(error) => {
                // Once, not at every interval.
                if !worker.failing {
                    tracing::warn!(error.source = %error, "rollups not refreshed; trying again");
                }
                worker.failing = true;
                worker.conn = None;
            }
        }
    }
}

struct Worker {
    url: String,
    /// There while this process has the lock.
    conn: Option<PgConnection>,
    failing: bool,
}

impl Worker {
    async fn tick(&mut self) -> sqlx::Result<()> {
        let conn = match &mut self.conn {
            Some(conn) => conn,
            None => {
                let mut conn = connect(&self.url).await?;
                if !try_lock(&mut conn).await? {
                    return Ok(());
                }
                tracing::info!("this process keeps the rollups");
                self.conn.insert(conn)
            }
        };
        measure(conn).await?;
        while let Some(Refreshed { built, settled, runs }) = step(conn, None).await? {
            tracing::debug!(
                rollup.built = built,
                rollup.settled = settled,
                rollup.runs = runs,
                "rollups"
            );
            metrics::counter!(HOURS).increment(built + settled);
            measure(conn).await?;
        }
        Ok(())
    }
}

async fn measure(conn: &mut PgConnection) -> sqlx::Result<()> {
    let status = status(conn).await?;
    metrics::gauge!(DIRTY).set(status.marks as f64);
    metrics::gauge!(LAG).set(status.lag_s.unwrap_or(0.0));
    Ok(())
}

fn describe_metrics() {
    metrics::describe_gauge!(
        DIRTY,
        "Marks of hours whose rollups wait to be made again, at most 100,000"
    );
    metrics::describe_gauge!(
        LAG,
        "Seconds since the end of the last hour that is rolled up for all sensors"
    );
    metrics::describe_counter!(HOURS, "Hours of sensors rolled up, again or for the first time");
}
