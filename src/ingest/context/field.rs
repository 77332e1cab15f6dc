//! Types of the items' fields.

use serde::{Deserialize, Deserializer};

use super::ItemError;
use crate::domain::key::MAX_BYTES;

/// A name, unit or the like: not empty, not too long, without control characters.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Name(String);

impl Name {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Name {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, &'static str> {
        if text.trim().is_empty() {
            Err("a text must not be empty")
        } else if text.len() > MAX_BYTES {
            Err("a text must not be longer than 256 bytes")
        } else if text.chars().any(char::is_control) {
            Err("a text must not contain control characters")
        } else {
            Ok(Self(text))
        }
    }
}

/// A field that can be left out, cleared with `null`, or set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Update<T> {
    /// Left out.
    #[default]
    Keep,
    /// `null`.
    Clear,
    /// A value.
    Set(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Update<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Clear, Self::Set))
    }
}

impl<T> Update<T> {
    /// The value afterwards.
    pub fn apply(self, stored: Option<T>) -> Option<T> {
        match self {
            Self::Keep => stored,
            Self::Clear => None,
            Self::Set(value) => Some(value),
        }
    }

    /// With the value changed.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Update<U> {
        match self {
            Self::Keep => Update::Keep,
            Self::Clear => Update::Clear,
            Self::Set(value) => Update::Set(change(value)),
        }
    }

    /// With a reference to the value.
    pub fn as_ref(&self) -> Update<&T> {
        match self {
            Self::Keep => Update::Keep,
            Self::Clear => Update::Clear,
            Self::Set(value) => Update::Set(value),
        }
    }
}

/// A number that must be finite and at least (or above) 0.
pub fn at_least_zero(field: &str, value: f64) -> Result<f64, ItemError> {
    if value.is_finite() && value >= 0.0 {
        Ok(value)
    } else {
        Err(ItemError::Invalid(format!("{field} is {value}: it must be at least 0")))
    }
}

/// A number that must be finite and above 0.
pub fn above_zero(field: &str, value: f64) -> Result<f64, ItemError> {
    if value.is_finite() && value > 0.0 {
        Ok(value)
    } else {
        Err(ItemError::Invalid(format!("{field} is {value}: it must be above 0")))
    }
}
