//! API keys that the database confirmed, believed for a while when it cannot be asked.
//!
//! Goes with the spool: without it senders would be turned away just when their readings are to be
//! kept. They are also kept in a file, for a process that starts while the database is down: hashes
//! of secrets and what the keys allow, never a secret. A key that is known to be revoked or expired
//! stays so.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::postgres::PgPool;

use super::SecretHash;
use super::store::{self, StoredKey};
use crate::ingest::database::Unavailable;
use crate::ingest::spool::folder::replace;

/// While the database does not answer, it is asked again this often, by one request.
const ASK_AGAIN: Duration = Duration::from_secs(2);

/// How long the database may take to answer when there is something to believe instead.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long it may take otherwise.
const LONG_PATIENCE: Duration = Duration::from_secs(5);

/// How often the database is asked for all remembered keys.
const REFRESH: Duration = Duration::from_secs(60);

/// Longest time for which a mere confirmation is not in the file yet.
const SAVE_AFTER: chrono::TimeDelta = chrono::TimeDelta::minutes(5);

/// A key and when the database last gave it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Remembered {
    confirmed_at: DateTime<Utc>,
    key: StoredKey,
}

type Keys = BTreeMap<SecretHash, Remembered>;

/// Remembered keys.
#[derive(Debug)]
pub struct Grace {
    lasts: Duration,
    path: PathBuf,
    keys: Mutex<Keys>,
    /// When the database was last asked in vain; none: it answers.
    in_vain: Mutex<Option<Instant>>,
    /// What the file holds.
    saved: tokio::sync::Mutex<Keys>,
}

impl Grace {
    /// Believes keys as long as `lasts`; reads those that a former process wrote to `path`.
    pub fn open(path: PathBuf, lasts: Duration) -> Self {
        let keys = read(&path).unwrap_or_else(|error| {
            if error.kind() != io::ErrorKind::NotFound {
                tracing::warn!(file.path = %path.display(), error.message = %error,
                    "remembered API keys cannot be read; starting without");
            }
            Keys::new()
        });
        let saved = tokio::sync::Mutex::new(keys.clone());
        Self { lasts, path, keys: Mutex::new(keys), in_vain: Mutex::default(), saved }
    }

    /// The key with this secret, as the database has it, or had it when it could be asked.
    ///
    /// # Errors
    /// The database cannot be asked, and the key is not known from before.
    pub async fn find(
        &self,
        pool: &PgPool,
        hash: &SecretHash,
    ) -> Result<Option<StoredKey>, Unavailable> {
        let believed = self.believed(hash, Utc::now());
        if !self.may_ask() {
            return believed.map(Some).ok_or_else(|| sqlx::Error::PoolTimedOut.into());
        }
        let patience = if believed.is_some() { PATIENCE } else { LONG_PATIENCE };
        match ask(pool, hash, patience).await {
            Ok(found) => {
                *lock(&self.in_vain) = None;
                self.learn(hash, found.clone()).await;
                Ok(found)
            }
            Err(error) => {
                *lock(&self.in_vain) = Some(Instant::now());
                believed.map(Some).ok_or_else(|| error.into())
            }
        }
    }

    /// Keeps what is remembered up to date, so that a key that is revoked while nobody uses it is
    /// known as such; never returns.
    pub async fn refresh(&self, pool: &PgPool) {
        let mut ticks = tokio::time::interval(REFRESH);
        loop {
            ticks.tick().await;
            let hashes: Vec<SecretHash> = lock(&self.keys).keys().copied().collect();
            for hash in hashes {
                match ask(pool, &hash, LONG_PATIENCE).await {
                    Ok(found) => self.learn(&hash, found).await,
                    Err(_) => break,
                }
            }
        }
    }

    /// Whether it makes sense to ask: the database answers, or it is time to see if it does again.
    fn may_ask(&self) -> bool {
        let mut in_vain = lock(&self.in_vain);
        match &mut *in_vain {
            None => true,
            Some(at) if at.elapsed() < ASK_AGAIN => false,
            Some(at) => {
                *at = Instant::now();
                true
            }
        }
    }

    fn believed(&self, hash: &SecretHash, now: DateTime<Utc>) -> Option<StoredKey> {
        let keys = lock(&self.keys);
        let known = keys.get(hash)?;
        // A clock that was set back makes the age negative.
        let age = (now - known.confirmed_at).to_std().unwrap_or_default();
        (age < self.lasts).then(|| known.key.clone())
    }

    /// What the database says; a key that is new or was changed is in the file when it returns.
    async fn learn(&self, hash: &SecretHash, found: Option<StoredKey>) {
        let now = Utc::now();
        let keys = {
            let mut keys = lock(&self.keys);
            match found {
                Some(key) => keys.insert(*hash, Remembered { confirmed_at: now, key }),
                None => keys.remove(hash),
            };
            keys.get(hash).cloned()
        };
        let mut saved = self.saved.lock().await;
        let is_saved = match (&keys, saved.get(hash)) {
            (Some(known), Some(saved)) => {
                known.key == saved.key && now - saved.confirmed_at < SAVE_AFTER
            }
            (None, None) => true,
            _ => false,
        };
        if is_saved {
            return;
        }
        let (path, keys) = (self.path.clone(), lock(&self.keys).clone());
        let written = tokio::task::spawn_blocking(move || write(&path, &keys).map(|()| keys));
        match written.await.map_err(io::Error::other).and_then(|written| written) {
            Ok(keys) => *saved = keys,
            Err(error) => tracing::warn!(
                file.path = %self.path.display(), error.message = %error,
                "API keys cannot be remembered for a restart"
            ),
        }
    }
}

async fn ask(
    pool: &PgPool,
    hash: &SecretHash,
    patience: Duration,
) -> sqlx::Result<Option<StoredKey>> {
    let asked = tokio::time::timeout(patience, store::by_hash(pool, hash)).await;
    asked.unwrap_or(Err(sqlx::Error::PoolTimedOut))
}

/// An entry of the file.
#[derive(Debug, Serialize, Deserialize)]
struct Line {
    hash: String,
    #[serde(flatten)]
    remembered: Remembered,
}

fn read(path: &Path) -> io::Result<Keys> {
    let lines: Vec<Line> = serde_json::from_slice(&fs::read(path)?)?;
    let entry = |line: Line| {
        let hash = URL_SAFE_NO_PAD.decode(&line.hash).ok()?;
        Some((hash.try_into().ok()?, line.remembered))
    };
    Ok(lines.into_iter().filter_map(entry).collect())
}

/// Replaces the file as a whole; when it returns that is durable.
fn write(path: &Path, keys: &Keys) -> io::Result<()> {
    let line = |(hash, remembered): (&SecretHash, &Remembered)| Line {
        hash: URL_SAFE_NO_PAD.encode(hash),
        remembered: remembered.clone(),
    };
    let lines: Vec<Line> = keys.iter().map(line).collect();
    replace(path, &serde_json::to_vec_pretty(&lines)?)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Sound even if a thread panicked while it held the lock: single inserts and assignments.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    use chrono::{TimeDelta, Utc};

    use super::super::rules::{Rate, Registration, Rules, Window};
    use super::super::{Scope, Secret};
    use super::{Grace, StoredKey};

    fn key(name: &str) -> StoredKey {
        StoredKey {
            id: 7,
            name: name.to_owned(),
            scopes: vec![Scope::Readings],
            plants: Some(vec!["madrid".to_owned()]),
            created_at: Utc::now(),
            expires_at: None,
            revoked_at: None,
            old_secret_until: None,
            rules: Rules {
                future_window: Some(Window::UNLIMITED),
                past_window: Some(Window::of_seconds(90)),
                readings: Some(Rate::UNLIMITED),
                requests: Rate::stored(0.1),
                burst_s: Some(5.0),
                registration: Some(Registration { incomplete: 9, per_hour: 2 }),
            },
        }
    }

    #[tokio::test]
    async fn outlives_the_process_without_the_secret() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("keys.json");
        let secret = Secret::generate().expect("secret");
        let day = Duration::from_secs(86_400);
        let grace = Grace::open(path.clone(), day);
        assert_eq!(grace.believed(&secret.hash(), Utc::now()), None);
        grace.learn(&secret.hash(), Some(key("gateway"))).await;
        let mode = std::fs::metadata(&path).expect("file").permissions().mode() & 0o777;
        assert_eq!(mode & 0o077, 0, "{mode:o}");
        let text = std::fs::read_to_string(&path).expect("file");
        assert!(text.contains("gateway") && !text.contains(secret.reveal()), "{text}");

        let grace = Grace::open(path.clone(), day);
        let believed = |hours| grace.believed(&secret.hash(), Utc::now() + TimeDelta::hours(hours));
        assert_eq!(believed(23).map(|key| key.rules), Some(key("gateway").rules));
        assert_eq!(believed(25), None);
        // What was revoked stays so, and what is gone is forgotten.
        let revoked = StoredKey { revoked_at: Some(Utc::now()), ..key("gateway") };
        grace.learn(&secret.hash(), Some(revoked.clone())).await;
        let grace = Grace::open(path.clone(), day);
        assert_eq!(grace.believed(&secret.hash(), Utc::now()), Some(revoked));
        grace.learn(&secret.hash(), None).await;
        assert_eq!(Grace::open(path, day).believed(&secret.hash(), Utc::now()), None);
    }

    #[tokio::test]
    async fn a_damaged_file_is_no_keys() {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("keys.json");
        std::fs::write(&path, b"[{\"hash\": ").expect("write");
        let grace = Grace::open(path.clone(), Duration::from_secs(60));
        let secret = Secret::generate().expect("secret");
        grace.learn(&secret.hash(), Some(key("gateway"))).await;
        let grace = Grace::open(path, Duration::from_secs(60));
        assert!(grace.believed(&secret.hash(), Utc::now()).is_some());
    }

    #[test]
    fn asks_once_in_a_while_when_nobody_answers() {
        let grace = Grace::open("/nowhere/keys.json".into(), Duration::from_secs(60));
        assert!(grace.may_ask() && grace.may_ask());
        *super::lock(&grace.in_vain) = Some(std::time::Instant::now());
        assert!(!grace.may_ask());
        *super::lock(&grace.in_vain) = std::time::Instant::now().checked_sub(super::ASK_AGAIN);
        assert!(grace.may_ask(), "one request asks");
        assert!(!grace.may_ask(), "and no other meanwhile");
    }
}
