//! Sensors that somebody should look at: those that came with their first reading and are not
//! completed yet.

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
