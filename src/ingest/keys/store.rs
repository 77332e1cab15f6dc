//! The table `api_key`.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgConnection;
use sqlx::{Connection, PgExecutor};

use super::rules::{Rate, Registration, Rules, Window};
use super::{Scope, SecretHash};

/// A key without its secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredKey {
    /// Row id.
    pub id: i32,
    /// Its name.
    pub name: String,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// Keys of the plants it is for; none: all.
    pub plants: Option<Vec<String>>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it stops working.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
    /// Found by a secret from before a rotation: when that one stops working. In a list: when the
    /// last of them does.
    pub old_secret_until: Option<DateTime<Utc>>,
    /// What it has of its own.
    pub rules: Rules,
}

/// A key to be made.
#[derive(Debug, Clone)]
pub struct NewKey<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it allows.
    pub scopes: &'a [Scope],
    /// Keys of the plants it is for; empty: all.
    pub plants: &'a [String],
    /// When it stops working.
    pub expires_at: Option<DateTime<Utc>>,
}

/// The columns of [`Row`] but the last.
macro_rules! columns {
    () => {
        "k.id, k.name, k.scopes, k.plants, k.created_at, k.expires_at, k.revoked_at, \
         k.future_window_s, k.past_window_s, k.readings_per_s, k.requests_per_s, k.burst_s, \
         k.max_incomplete_sensors, k.max_new_sensors_per_hour"
    };
}

#[derive(sqlx::FromRow)]
struct Row {
    id: i32,
    name: String,
    scopes: Vec<String>,
    plants: Option<Vec<String>>,
    created_at: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
    future_window_s: Option<f64>,
    past_window_s: Option<f64>,
    readings_per_s: Option<f64>,
    requests_per_s: Option<f64>,
    burst_s: Option<f64>,
    max_incomplete_sensors: Option<i32>,
    max_new_sensors_per_hour: Option<i32>,
    old_secret_until: Option<DateTime<Utc>>,
}

fn stored(row: Row) -> StoredKey {
    let registration = row
        .max_incomplete_sensors
        .zip(row.max_new_sensors_per_hour)
        .map(|(incomplete, per_hour)| Registration { incomplete, per_hour });
    StoredKey {
        id: row.id,
        name: row.name,
        scopes: row.scopes.iter().filter_map(|s| Scope::parse(s)).collect(),
        plants: row.plants,
        created_at: row.created_at,
        expires_at: row.expires_at,
        revoked_at: row.revoked_at,
        old_secret_until: row.old_secret_until,
        rules: Rules {
            future_window: row.future_window_s.and_then(Window::stored),
            past_window: row.past_window_s.and_then(Window::stored),
            readings: row.readings_per_s.and_then(Rate::stored),
            requests: row.requests_per_s.and_then(Rate::stored),
            burst_s: row.burst_s,
            registration,
        },
    }
}

/// The key with this secret, be it the present or an old one, whether it works or not.
///
/// # Errors
/// The database's.
pub async fn by_hash(
    db: impl PgExecutor<'_>,
    hash: &SecretHash,
) -> sqlx::Result<Option<StoredKey>> {
    let row: Option<Row> = sqlx::query_as(concat!(
        "SELECT ",
        columns!(),
        ", NULL::timestamptz AS old_secret_until FROM lotwise.api_key k WHERE k.hash = $1
         UNION ALL SELECT ",
        columns!(),
        ", works_until FROM lotwise.api_key_old_secret old
         JOIN lotwise.api_key k ON k.id = old.api_key_id WHERE old.hash = $1",
    ))
    .bind(&hash[..])
    .fetch_optional(db)
    .await?;
    Ok(row.map(stored))
}

/// All keys by name.
///
/// # Errors
/// The database's.
pub async fn list(db: impl PgExecutor<'_>) -> sqlx::Result<Vec<StoredKey>> {
    let rows: Vec<Row> = sqlx::query_as(concat!(
        "SELECT ",
        columns!(),
        ", (SELECT max(works_until) FROM lotwise.api_key_old_secret old
            WHERE old.api_key_id = k.id AND works_until > now()) AS old_secret_until
         FROM lotwise.api_key k ORDER BY k.name",
    ))
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(stored).collect())
}

/// Stores a new key; false when its name is taken.
///
/// # Errors
/// The database's.
pub async fn insert(
    db: impl PgExecutor<'_>,
    key: &NewKey<'_>,
    hash: &SecretHash,
) -> sqlx::Result<bool> {
    let scopes: Vec<&str> = key.scopes.iter().map(|s| s.as_str()).collect();
    let done = sqlx::query(
        "INSERT INTO lotwise.api_key (name, hash, scopes, plants, expires_at)
         VALUES ($1, $2, $3, nullif($4, '{}'::text[]), $5) ON CONFLICT (name) DO NOTHING",
    )
    .bind(key.name)
    .bind(&hash[..])
    .bind(scopes)
    .bind(key.plants)
    .bind(key.expires_at)
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Stores a new key with rules of its own; false when its name is taken.
///
/// # Errors
/// The database's.
pub async fn insert_with(
    conn: &mut PgConnection,
    key: &NewKey<'_>,
    hash: &SecretHash,
    rules: &Rules,
) -> sqlx::Result<bool> {
    let mut change = conn.begin().await?;
    let inserted = insert(&mut *change, key, hash).await?;
    if inserted {
        set_rules(&mut *change, key.name, rules).await?;
    }
    change.commit().await?;
    Ok(inserted)
}

/// Replaces a key's own rules; false when there is no key of this name.
///
/// # Errors
/// The database's.
pub async fn set_rules(db: impl PgExecutor<'_>, name: &str, rules: &Rules) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "UPDATE lotwise.api_key SET future_window_s = $2, past_window_s = $3, readings_per_s = $4,
             requests_per_s = $5, burst_s = $6, max_incomplete_sensors = $7,
             max_new_sensors_per_hour = $8
         WHERE name = $1",
    )
    .bind(name)
    .bind(rules.future_window.map(Window::seconds))
    .bind(rules.past_window.map(Window::seconds))
    .bind(rules.readings.map(Rate::per_second))
    .bind(rules.requests.map(Rate::per_second))
    .bind(rules.burst_s)
    .bind(rules.registration.map(|r| r.incomplete))
    .bind(rules.registration.map(|r| r.per_hour))
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Gives an existing key that is not revoked a new secret; the old one stops working.
///
/// # Errors
/// The database's.
pub async fn replace_secret(
    db: impl PgExecutor<'_>,
    name: &str,
    hash: &SecretHash,
) -> sqlx::Result<bool> {
    let done =
        sqlx::query("UPDATE lotwise.api_key SET hash = $2 WHERE name = $1 AND revoked_at IS NULL")
            .bind(name)
            .bind(&hash[..])
            .execute(db)
            .await?;
    Ok(done.rows_affected() == 1)
}

/// Gives a working key a new secret. The old one works for `keep_s` seconds more, and so, at most,
/// does every older one. Gives the time when they stop; none: there is no key of this name that
/// works.
///
/// # Errors
/// The database's.
pub async fn rotate(
    conn: &mut PgConnection,
    name: &str,
    hash: &SecretHash,
    keep_s: u32,
) -> sqlx::Result<Option<DateTime<Utc>>> {
    let mut change = conn.begin().await?;
    let key: Option<(i32, Vec<u8>, DateTime<Utc>)> = sqlx::query_as(
        "SELECT id, hash, now() + make_interval(secs => $2) FROM lotwise.api_key
         WHERE name = $1 AND revoked_at IS NULL AND coalesce(expires_at > now(), true) FOR UPDATE",
    )
    .bind(name)
    .bind(f64::from(keep_s))
    .fetch_optional(&mut *change)
    .await?;
    let Some((id, old, until)) = key else { return Ok(None) };
    sqlx::query(
        "UPDATE lotwise.api_key_old_secret SET works_until = $2 WHERE api_key_id = $1 AND works_until > $2",
    )
    .bind(id)
    .bind(until)
    .execute(&mut *change)
    .await?;
    sqlx::query(
        "INSERT INTO lotwise.api_key_old_secret (api_key_id, hash, works_until) VALUES ($1, $2, $3)",
    )
    .bind(id)
    .bind(old)
    .bind(until)
    .execute(&mut *change)
    .await?;
    sqlx::query("UPDATE lotwise.api_key SET hash = $2 WHERE id = $1")
        .bind(id)
        .bind(&hash[..])
        .execute(&mut *change)
        .await?;
    change.commit().await?;
    Ok(Some(until))
}

/// Revokes a key with all its secrets; false when there is no key of this name that works.
///
/// # Errors
/// The database's.
pub async fn revoke(db: impl PgExecutor<'_>, name: &str) -> sqlx::Result<bool> {
    let done = sqlx::query(
        "UPDATE lotwise.api_key SET revoked_at = now() WHERE name = $1 AND revoked_at IS NULL",
    )
    .bind(name)
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}
