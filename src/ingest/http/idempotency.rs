//! The header `Idempotency-Key`: a change that is sent again is answered, not made, again.
//!
//! As draft-ietf-httpapi-idempotency-key-header has it. The answer is kept in the transaction of the
//! change, so neither can be there without the other, and an advisory lock that ends with the
//! transaction tells a repeat of a request that is still at work.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use sha2::{Digest, Sha256};
use sqlx::postgres::{PgConnection, PgPool, PgTransaction};

use super::App;
use super::problem::Problem;
use crate::ingest::auth::Grant;
use crate::ingest::database::Unavailable;

/// The request's header.
const HEADER: &str = "idempotency-key";
/// The answer's header on a repeat.
const REPLAYED: &str = "idempotency-replayed";
/// Longest key in bytes.
const MAX_KEY: usize = 255;
/// Longest answer that is kept, in bytes.
const MAX_ANSWER: usize = 256 * 1024;
/// Most answers of one API key that are kept when the house is kept.
const MAX_ANSWERS: i64 = 100_000;

const FIND: &str = "SELECT fingerprint, status, answer FROM lotwise.idempotency
    WHERE api_key = $1 AND key = $2 AND created_at > now() - interval '24 hours'";

const KEEP: &str = "INSERT INTO lotwise.idempotency (api_key, key, fingerprint, status, answer)
    VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (api_key, key) DO UPDATE SET fingerprint = excluded.fingerprint, status = excluded.status,
        answer = excluded.answer, created_at = now()";

const FORGET: &str = "DELETE FROM lotwise.idempotency WHERE created_at < now() - interval '24 hours'
    OR (api_key, key) IN (
        SELECT api_key, key FROM (
            SELECT api_key, key, row_number() OVER (PARTITION BY api_key ORDER BY created_at DESC) AS nr
            FROM lotwise.idempotency) newest
        WHERE nr > $1)";

/// A request that may be a repeat: its key, if it has one, and what tells it from others.
pub struct Once {
    key: Option<String>,
    request: Sha256,
}

impl FromRequestParts<App> for Once {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        let key = parts.headers.get(HEADER).map(key).transpose()?;
        let mut request = Sha256::new();
        request.update(parts.method.as_str());
        request.update([0]);
        request.update(parts.uri.path_and_query().map_or("", |p| p.as_str()));
        request.update([0]);
        Ok(Self { key, request })
    }
}

/// The key in the header: a structured-field string, or the bare text that many clients send.
fn key(value: &HeaderValue) -> Result<String, Problem> {
    let text = value.to_str().unwrap_or_default().trim();
    let bare = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text);
    if bare.is_empty() || bare.len() > MAX_KEY || bare.contains(['"', '\\']) {
        let detail = format!(
            "Idempotency-Key must be 1 to {MAX_KEY} visible ASCII characters, such as a UUID in quotation marks"
        );
        return Err(Problem::new(StatusCode::BAD_REQUEST, "idempotency_key_malformed", detail));
    }
    Ok(bare.to_owned())
}

/// What to do with a request.
pub enum Begun {
    /// Make the change, then [`Change::end`].
    New(Change),
    /// Give this answer: that of the first time.
    Answered(Response),
}

/// A change in a transaction of its own.
pub struct Change {
    tx: PgTransaction<'static>,
    keep: Option<Keep>,
}

/// Under what the answer is kept.
struct Keep {
    api_key: String,
    key: String,
    fingerprint: [u8; 32],
}

impl Once {
    /// Begins the change, unless it was made before.
    ///
    /// # Errors
    /// The key was used for another request, or that request is still at work; or the database is
    /// away.
    pub async fn begin(self, pool: &PgPool, grant: &Grant, body: &[u8]) -> Result<Begun, Problem> {
        let mut tx = pool.begin().await.map_err(unavailable)?;
        let Some(key) = self.key else { return Ok(Begun::New(Change { tx, keep: None })) };
        let fingerprint = self.request.chain_update(body).finalize().into();
        let keep = Keep { api_key: grant.key.clone(), key, fingerprint };
        let free: bool = sqlx::query_scalar("SELECT pg_try_advisory_xact_lock($1)")
            .bind(keep.lock())
            .fetch_one(&mut *tx)
            .await
            .map_err(unavailable)?;
        if !free {
            let detail = "a request with this Idempotency-Key is still at work: wait for its answer, then repeat";
            return Err(Problem::new(StatusCode::CONFLICT, "idempotency_in_progress", detail));
        }
        if let Some(answer) = keep.answered(&mut tx).await? {
            return Ok(Begun::Answered(answer));
        }
        sqlx::query("SAVEPOINT before_change").execute(&mut *tx).await.map_err(unavailable)?;
        Ok(Begun::New(Change { tx, keep: Some(keep) }))
    }
}

impl Change {
    /// The transaction.
    pub fn conn(&mut self) -> &mut PgConnection {
        &mut self.tx
    }

    /// Commits the change with its answer. A refused change is undone, but its answer is kept.
    ///
    /// # Errors
    /// The refusal, or that the database is away.
    pub async fn end<T: Serialize>(
        self,
        outcome: Result<(StatusCode, Option<T>), Problem>,
    ) -> Result<Response, Problem> {
        let Self { mut tx, keep } = self;
        let (status, body) = match outcome {
            Ok((status, body)) => (status, body.as_ref().map(json).unwrap_or_default()),
            Err(refused) => {
                // Where the service is at fault, a repeat is a new attempt.
                if let Some(keep) = keep.filter(|_| refused.status().is_client_error()) {
                    let undo = sqlx::query("ROLLBACK TO SAVEPOINT before_change");
                    undo.execute(&mut *tx).await.map_err(unavailable)?;
                    keep.store(&mut tx, refused.status(), &json(&refused)).await?;
                    tx.commit().await.map_err(unavailable)?;
                }
                return Err(refused);
            }
        };
        if let Some(keep) = keep {
            keep.store(&mut tx, status, &body).await?;
        }
        tx.commit().await.map_err(unavailable)?;
        Ok(response(status, body))
    }
}

impl Keep {
    /// Number of the advisory lock.
    fn lock(&self) -> i64 {
        let mut hash = Sha256::new();
        hash.update("lotwise.idempotency\0");
        hash.update(&self.api_key);
        hash.update([0]);
        hash.update(&self.key);
        let hash = hash.finalize();
        hash.iter().take(8).fold(0, |number, byte| number << 8 | i64::from(*byte))
    }

    /// The answer of the first time.
    async fn answered(&self, conn: &mut PgConnection) -> Result<Option<Response>, Problem> {
        let stored: Option<(Vec<u8>, i16, String)> = sqlx::query_as(FIND)
            .bind(&self.api_key)
            .bind(&self.key)
            .fetch_optional(conn)
            .await
            .map_err(unavailable)?;
        let Some((fingerprint, status, body)) = stored else { return Ok(None) };
        if fingerprint != self.fingerprint {
            let detail =
                "this Idempotency-Key was used for another request: use a new key for each change";
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            return Err(Problem::new(status, "idempotency_key_reused", detail));
        }
        let status = u16::try_from(status).ok().and_then(|s| StatusCode::from_u16(s).ok());
        let mut answer = response(status.unwrap_or(StatusCode::OK), body);
        answer.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        Ok(Some(answer))
    }

    async fn store(
        &self,
        conn: &mut PgConnection,
        status: StatusCode,
        body: &str,
    ) -> Result<(), Problem> {
        if body.len() > MAX_ANSWER {
            let detail = format!(
                "the answer is longer than the {MAX_ANSWER} bytes that are kept for an Idempotency-Key, and nothing is stored: send fewer items"
            );
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            return Err(Problem::new(status, "idempotency_answer_too_long", detail));
        }
        sqlx::query(KEEP)
            .bind(&self.api_key)
            .bind(&self.key)
            .bind(self.fingerprint.as_slice())
            .bind(status.as_u16().cast_signed())
            .bind(body)
            .execute(conn)
            .await
            .map_err(unavailable)?;
        Ok(())
    }
}

/// Drops answers that are older than a day, and of an API key with very many the oldest.
///
/// # Errors
/// The database does not answer.
pub async fn forget_old(pool: &PgPool) -> Result<u64, Unavailable> {
    Ok(sqlx::query(FORGET).bind(MAX_ANSWERS).execute(pool).await?.rows_affected())
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn response(status: StatusCode, body: String) -> Response {
    if body.is_empty() {
        return status.into_response();
    }
    let kind = if status.is_success() { "application/json" } else { "application/problem+json" };
    (status, [(header::CONTENT_TYPE, kind)], body).into_response()
}

fn unavailable(error: sqlx::Error) -> Problem {
    Unavailable::from(error).into()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::key;

    #[test]
    fn a_key_is_a_string_with_or_without_quotation_marks() {
        let of = |text: &str| key(&HeaderValue::from_str(text).expect("header")).ok();
        assert_eq!(of("\"8e03978e-40d5\"").as_deref(), Some("8e03978e-40d5"));
        assert_eq!(of(" 8e03978e-40d5 ").as_deref(), Some("8e03978e-40d5"));
        for wrong in ["", "\"\"", "\"a", "a\"b", "a\\b", &"x".repeat(256)] {
            assert_eq!(of(wrong), None, "{wrong:?}");
        }
        assert!(key(&HeaderValue::from_bytes(b"\xff").expect("header")).is_err());
    }
}
