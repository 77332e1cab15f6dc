//! Who sends: from an API key's secret to what its holder may do.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::Utc;
use sqlx::postgres::PgPool;

use crate::ingest::database::Unavailable;
use crate::ingest::keys::grace::Grace;
use crate::ingest::keys::rules::Limits;
use crate::ingest::keys::store::{self, StoredKey};
use crate::ingest::keys::{Scope, Secret, SecretHash};
use crate::ingest::rate::Meter;
use crate::ingest::spool::record::Sender;

/// What the holder of a key may do.
#[derive(Debug, Clone)]
pub struct Grant {
    /// Name of the key.
    pub key: String,
    /// Row id of the key.
    pub key_id: i32,
    /// Its time windows, rates and the like.
    pub limits: Limits,
    /// What it has sent, against its rates.
    pub meter: Meter,
    scopes: Vec<Scope>,
    plants: Option<BTreeSet<String>>,
}

impl Grant {
    /// Of the sender of rows that were checked when they came, and are stored later.
    pub fn of_checked_rows(sender: &Sender) -> Self {
        let Sender { key, key_id, future_window, past_window, registration } = sender.clone();
        let limits = Limits { future_window, past_window, registration, ..Limits::default() };
        let (scopes, plants) = (Vec::new(), None);
        Self { key, key_id, limits, meter: Meter::default(), scopes, plants }
    }

    /// What is kept of it with rows that are stored later.
    pub fn sender(&self) -> Sender {
        let Limits { future_window, past_window, registration, .. } = self.limits;
        let (key, key_id) = (self.key.clone(), self.key_id);
        Sender { key, key_id, future_window, past_window, registration }
    }

    /// Whether the key has the scope.
    pub fn allows(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope) || self.scopes.contains(&Scope::Admin)
    }

    /// Whether the key is for the plant.
    pub fn allows_plant(&self, plant: &str) -> bool {
        self.plants.as_ref().is_none_or(|plants| plants.contains(plant))
    }

    /// The plants that the key is for; none: all.
    pub fn plants(&self) -> Option<Vec<String>> {
        self.plants.as_ref().map(|plants| plants.iter().cloned().collect())
    }

    /// The plant that a request without one means: the key's, when it is for one only.
    pub fn only_plant(&self) -> Option<&str> {
        match &self.plants {
            Some(plants) if plants.len() == 1 => plants.first().map(String::as_str),
            _ => None,
        }
    }
}

/// Why a request is not let in.
#[derive(Debug, thiserror::Error)]
pub enum Denied {
    /// No usable `Authorization` header.
    #[error("the API key is missing: send the header `Authorization: Bearer KEY`")]
    Missing,
    /// No such key.
    #[error("this API key is not known: make one with `lotwise key create`")]
    Unknown,
    /// Past its time.
    #[error("API key {0:?} has expired: make a new one with `lotwise key create`")]
    Expired(String),
    /// Revoked.
    #[error("API key {0:?} was revoked")]
    Revoked(String),
    /// An old secret of a key that was rotated, past its time.
    #[error("this secret of API key {0:?} was replaced by `lotwise key rotate`: use the new one")]
    Replaced(String),
    /// The database could not be asked.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// The keys of one database. What it answers is believed for a short time, so that a busy sender
/// costs no look-up each time; a revoked key works for that long.
#[derive(Debug, Clone)]
pub struct Keys {
    pool: PgPool,
    believed: Duration,
    service: Limits,
    meters: Arc<Mutex<HashMap<i32, Meter>>>,
    seen: Arc<Mutex<HashMap<SecretHash, (Instant, StoredKey)>>>,
    grace: Option<Arc<Grace>>,
}

impl Keys {
    /// The keys in the pool's database; `service` holds for what they do not have of their own.
    pub fn new(pool: PgPool, believed: Duration, service: Limits) -> Self {
        let (meters, seen) = (Arc::default(), Arc::default());
        Self { pool, believed, service, meters, seen, grace: None }
    }

    /// Keys that were confirmed are believed while the database cannot be asked.
    pub fn with_grace(self, grace: Arc<Grace>) -> Self {
        Self { grace: Some(grace), ..self }
    }

    /// What the bearer of this `Authorization` header may do.
    ///
    /// # Errors
    /// When the key does not work or the database cannot say.
    pub async fn grant(&self, authorization: Option<&str>) -> Result<Grant, Denied> {
        let secret = authorization.and_then(secret).ok_or(Denied::Missing)?;
        let hash = secret.hash();
        let fresh = self.seen().get(&hash).filter(|(at, _)| at.elapsed() < self.believed).cloned();
        let key = match fresh {
            Some((_, key)) => key,
            None => match self.find(&hash).await? {
                // Only keys that exist are kept, so guessing does not fill the memory.
                Some(key) => {
                    self.seen().insert(hash, (Instant::now(), key.clone()));
                    key
                }
                None => {
                    self.seen().remove(&hash);
                    return Err(Denied::Unknown);
                }
            },
        };
        self.usable(key)
    }

    fn usable(&self, key: StoredKey) -> Result<Grant, Denied> {
        check(&key)?;
        Ok(Grant {
            limits: key.rules.over(&self.service),
            meter: self.meter(key.id),
            key: key.name,
            key_id: key.id,
            scopes: key.scopes,
            plants: key.plants.map(BTreeSet::from_iter),
        })
    }

    /// One for each key that was ever used, whichever of its secrets came.
    fn meter(&self, key: i32) -> Meter {
        let mut meters = self.meters.lock().unwrap_or_else(PoisonError::into_inner);
        meters.entry(key).or_default().clone()
    }

    async fn find(&self, hash: &SecretHash) -> Result<Option<StoredKey>, Unavailable> {
        match &self.grace {
            Some(grace) => grace.find(&self.pool, hash).await,
            None => Ok(store::by_hash(&self.pool, hash).await?),
        }
    }

    fn seen(&self) -> MutexGuard<'_, HashMap<SecretHash, (Instant, StoredKey)>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The secret in `Bearer SECRET`, or in `Token SECRET` as InfluxDB's clients write it.
fn secret(header: &str) -> Option<Secret> {
    let (scheme, secret) = header.trim().split_once(' ')?;
    let known = scheme.eq_ignore_ascii_case("bearer") || scheme.eq_ignore_ascii_case("token");
    (known && !secret.trim().is_empty()).then(|| Secret::presented(secret.trim()))
}

fn check(key: &StoredKey) -> Result<(), Denied> {
    if key.revoked_at.is_some() {
        return Err(Denied::Revoked(key.name.clone()));
    }
    if key.expires_at.is_some_and(|at| at <= Utc::now()) {
        return Err(Denied::Expired(key.name.clone()));
    }
    if key.old_secret_until.is_some_and(|at| at <= Utc::now()) {
        return Err(Denied::Replaced(key.name.clone()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::secret;

    #[test]
    fn reads_both_schemes() {
        for header in ["Bearer lw_x", "bearer  lw_x ", "Token lw_x"] {
            assert_eq!(secret(header).map(|s| s.reveal().to_owned()).as_deref(), Some("lw_x"));
        }
        for header in ["", "lw_x", "Basic lw_x", "Bearer ", "Token"] {
            assert!(secret(header).is_none(), "{header}");
        }
    }
}
