//! The table `api_key`.

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;

use super::{Scope, SecretHash};

/// A key without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
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
);

fn stored((name, scopes, plants, created_at, expires_at, revoked_at): Row) -> StoredKey {
    let scopes = scopes.iter().filter_map(|s| Scope::parse(s)).collect();
    StoredKey { name, scopes, plants, created_at, expires_at, revoked_at }
}

/// The key with this secret, whether it works or not.
///
/// # Errors
/// The database's.
pub async fn by_hash(
    db: impl PgExecutor<'_>,
    hash: &SecretHash,
) -> sqlx::Result<Option<StoredKey>> {
    let row: Option<Row> = sqlx::query_as(
        "SELECT name, scopes, plants, created_at, expires_at, revoked_at FROM lotwise.api_key WHERE hash = $1",
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
        "SELECT name, scopes, plants, created_at, expires_at, revoked_at FROM lotwise.api_key ORDER BY name",
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

/// Revokes a key; false when there is no key of this name that works.
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
