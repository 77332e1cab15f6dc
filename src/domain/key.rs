//! Natural keys (`madrid`, `M1`, `L-2024-117`) and the database's ids for them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Longest key and longest text in bytes that are accepted.
pub const MAX_BYTES: usize = 256;

/// A natural key: not empty, without control characters or blanks at its ends, at most
/// [`MAX_BYTES`] long. PostgreSQL can always store one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Key(Box<str>);

/// Why a text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Nothing in it.
    #[error("a key must not be empty")]
    Empty,
    /// More than [`MAX_BYTES`] bytes.
    #[error("a key must not be longer than {MAX_BYTES} bytes")]
    TooLong,
    /// A line break, tab, zero byte or the like.
    #[error("a key must not contain control characters")]
    ControlCharacter,
    /// A blank at the start or the end.
    #[error("a key must not start or end with a blank")]
    Blank,
}

impl Key {
    /// Checks the text.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        if text.is_empty() {
            Err(KeyError::Empty)
        } else if text.len() > MAX_BYTES {
            Err(KeyError::TooLong)
        } else if text.chars().any(char::is_control) {
            Err(KeyError::ControlCharacter)
        } else if text.trim() != text {
            Err(KeyError::Blank)
        } else {
            Ok(Self(text.into()))
        }
    }

    /// The key's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Key {
    type Error = KeyError;
    fn try_from(text: String) -> Result<Self, KeyError> {
        Self::parse(&text)
    }
}

impl From<Key> for String {
    fn from(key: Key) -> Self {
        key.0.into()
    }
}

impl std::borrow::Borrow<str> for Key {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// `plant.id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PlantId(pub i32);

/// `sensor.id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SensorId(pub i32);

#[cfg(test)]
mod tests {
    use super::{Key, KeyError, MAX_BYTES};

    #[test]
    fn accepts_what_plants_write() {
        for text in ["M1", "madrid-main", "Línea 3", "oven/zone.2", "12"] {
            assert_eq!(Key::parse(text).map(String::from).as_deref(), Ok(text));
        }
    }

    #[test]
    fn refuses_what_cannot_be_stored_or_seen() {
        assert_eq!(Key::parse(""), Err(KeyError::Empty));
        assert_eq!(Key::parse("a\0b"), Err(KeyError::ControlCharacter));
        assert_eq!(Key::parse("a\n"), Err(KeyError::ControlCharacter));
        assert_eq!(Key::parse(" a"), Err(KeyError::Blank));
        assert_eq!(Key::parse(&"x".repeat(MAX_BYTES + 1)), Err(KeyError::TooLong));
    }
}
