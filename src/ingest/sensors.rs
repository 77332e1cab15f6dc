//! Sensors that somebody should look at: those that came with their first reading and are not
//! completed yet, and those that say nothing.

use sqlx::postgres::PgPool;

use crate::ingest::database::Unavailable;

const INCOMPLETE: &str = "SELECT row_to_json(x)::text FROM (
    SELECT p.key AS plant, s.key, s.name, s.quantity, s.unit, s.kind, k.name AS registered_by, s.registered_at
    FROM lotwise.sensor s JOIN lotwise.plant p ON p.id = s.plant_id
    LEFT JOIN lotwise.api_key k ON k.id = s.registered_by
    WHERE s.quantity = 'unknown' AND ($1::text[] IS NULL OR p.key = ANY($1))
    ORDER BY p.key, s.key LIMIT $2) x";

/// Sensors of unknown quantity, of these plants (`None`: all), as JSON texts.
///
/// # Errors
/// The database does not answer.
pub async fn incomplete(
    pool: &PgPool,
    plants: Option<Vec<String>>,
    limit: i64,
) -> Result<Vec<String>, Unavailable> {
    Ok(sqlx::query_scalar(INCOMPLETE).bind(plants).bind(limit).fetch_all(pool).await?)
}

/// What is still in the future is no sign of life.
const SILENT: &str = "SELECT row_to_json(x)::text FROM (
    SELECT p.key AS plant, l.key AS line, m.key AS machine, s.key, s.name, s.quantity, s.interval_s,
        allowed.silent_after_s, newest.time AS last_seen, date_part('epoch', now() - newest.time) AS age_s
    FROM lotwise.sensor s JOIN lotwise.plant p ON p.id = s.plant_id
    LEFT JOIN lotwise.line l ON l.id = s.line_id LEFT JOIN lotwise.machine m ON m.id = s.machine_id
    CROSS JOIN LATERAL (SELECT coalesce($2, greatest($3 * s.interval_s, s.max_gap_s))) allowed (silent_after_s)
    LEFT JOIN LATERAL (SELECT r.time FROM lotwise.reading r
        WHERE r.plant_id = s.plant_id AND r.sensor_id = s.id AND r.time <= now()
        ORDER BY r.time DESC LIMIT 1) newest ON true
    WHERE ($1::text[] IS NULL OR p.key = ANY($1))
      AND coalesce(date_part('epoch', now() - newest.time) > allowed.silent_after_s, true)
    ORDER BY p.key, s.key LIMIT $4) x";

/// From when on a sensor counts as silent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Silence {
    /// This many of its intervals after its newest reading, or after its longest gap if that is
    /// longer.
    Intervals(f64),
    /// This many seconds after it.
    Seconds(f64),
}

/// Sensors of these plants (`None`: all) that are silent or never sent, as JSON texts.
///
/// # Errors
/// The database does not answer.
pub async fn silent(
    pool: &PgPool,
    plants: Option<Vec<String>>,
    silence: Silence,
    limit: i64,
) -> Result<Vec<String>, Unavailable> {
    let (after_s, factor) = match silence {
        Silence::Intervals(factor) => (None, factor),
        Silence::Seconds(after_s) => (Some(after_s), 0.0),
    };
    let silent = sqlx::query_scalar(SILENT).bind(plants).bind(after_s).bind(factor).bind(limit);
    Ok(silent.fetch_all(pool).await?)
}
