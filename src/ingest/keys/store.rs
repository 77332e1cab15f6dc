//! The table `api_key`.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgConnection;
use sqlx::{Connection, PgExecutor};

use super::{Scope, SecretHash};

/// A key without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredKey {
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

type Row = (
    String,
    Vec<String>,
    Option<Vec<String>>,
    DateTime<Utc>,
    Option<DateTime<Utc>>,
    Option<DateTime<Utc>>,
    Option<DateTime<Utc>>,
);

fn stored(row: Row) -> StoredKey {
    let (name, scopes, plants, created_at, expires_at, revoked_at, old_secret_until) = row;
    let scopes = scopes.iter().filter_map(|s| Scope::parse(s)).collect();
    StoredKey { name, scopes, plants, created_at, expires_at, revoked_at, old_secret_until }
}

/// The key with this secret, be it the present or an old one, whether it works or not.
///
/// # Errors
/// The database's.
pub async fn by_hash(
    db: impl PgExecutor<'_>,
    hash: &SecretHash,
) -> sqlx::Result<Option<StoredKey>> {
    let row: Option<Row> = sqlx::query_as(
        "SELECT name, scopes, plants, created_at, expires_at, revoked_at, NULL::timestamptz
         FROM lotwise.api_key WHERE hash = $1
         UNION ALL
         SELECT name, scopes, plants, created_at, expires_at, revoked_at, works_until
         FROM lotwise.api_key_old_secret old JOIN lotwise.api_key k ON k.id = old.api_key_id
         WHERE old.hash = $1",
    )
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
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT name, scopes, plants, created_at, expires_at, revoked_at,
             (SELECT max(works_until) FROM lotwise.api_key_old_secret old
              WHERE old.api_key_id = k.id AND works_until > now())
         FROM lotwise.api_key k ORDER BY name",
    )
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
