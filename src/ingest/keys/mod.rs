//! API keys: what they allow, and how they are kept.
//!
//! Only the SHA-256 of a secret is stored. That is enough: the secret is 32 random bytes, so there
//! is nothing to guess that a slow hash would protect.

pub mod cli;
pub mod grace;
pub mod rules;
pub mod store;

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rand::TryRngCore;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What a key allows.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    clap::ValueEnum,
    Serialize,
    Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Write readings.
    Readings,
    /// Write and list production context.
    Context,
    /// Everything.
    Admin,
}

impl Scope {
    /// As the database has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Readings => "readings",
            Self::Context => "context",
            Self::Admin => "admin",
        }
    }

    /// Reads what the database has.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Readings, Self::Context, Self::Admin].into_iter().find(|s| s.as_str() == text)
    }
}

/// A key's secret. Its text appears once, when it is made.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// Of a secret, for the database.
pub type SecretHash = [u8; 32];

impl Secret {
    /// A new one, from the system's random numbers.
    ///
    /// # Errors
    /// When the system has none.
    pub fn generate() -> Result<Self, rand::rand_core::OsError> {
        let mut bytes = [0; 32];
        rand::rngs::OsRng.try_fill_bytes(&mut bytes)?;
        Ok(Self(format!("lw_{}", URL_SAFE_NO_PAD.encode(bytes))))
    }

    /// One that somebody presents.
    pub fn presented(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// What the database keeps.
    pub fn hash(&self) -> SecretHash {
        Sha256::digest(self.0.as_bytes()).into()
    }

    /// The text, to be shown or written once.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::Secret;

    #[test]
    fn secrets_are_long_different_and_never_shown() {
        let (a, b) = (Secret::generate().expect("a"), Secret::generate().expect("b"));
        assert_ne!(a, b);
        assert_eq!(a.reveal().len(), 3 + 43);
        assert!(a.reveal().starts_with("lw_"));
        assert!(!format!("{a:?}").contains(&a.reveal()[3..]));
        assert_eq!(a.hash(), Secret::presented(a.reveal()).hash());
    }
}
