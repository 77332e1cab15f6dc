//! Keys of sensors with places for what a line has: `{tag:machine}.{field}`.

use super::Line;
use crate::domain::Key;
use crate::domain::key::{KeyError, MAX_BYTES};

/// A key, or what keys are made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Measurement,
    Field,
    Tag(String),
}

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// Not one of the names.
    #[error(
        "unknown place {{{0}}}: use {{measurement}}, {{field}} or {{tag:NAME}}, and two braces for one"
    )]
    Place(String),
    /// A brace without its partner.
    #[error("a single brace: write two of them for one in the key")]
    Brace,
    /// Too long.
    #[error("a sensor's key must not be longer than {MAX_BYTES} bytes")]
    TooLong,
    /// No places, and no key.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// When it can never make a key.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        if text.len() > MAX_BYTES {
            return Err(TemplateError::TooLong);
        }
        let (mut parts, mut plain, mut rest) = (Vec::new(), String::new(), text);
        while let Some(at) = rest.find(['{', '}']) {
            plain.push_str(&rest[..at]);
            let from = &rest[at..];
            if let Some(after) = from.strip_prefix("{{").or_else(|| from.strip_prefix("}}")) {
                plain.push_str(&from[..1]);
                rest = after;
                continue;
            }
            let inside = from.strip_prefix('{').and_then(|inside| inside.split_once('}'));
            let (name, after) = inside.ok_or(TemplateError::Brace)?;
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(match name {
                "measurement" => Part::Measurement,
                "field" => Part::Field,
                _ => match name.strip_prefix("tag:") {
                    Some(tag) if !tag.is_empty() => Part::Tag(tag.to_owned()),
                    _ => return Err(TemplateError::Place(name.to_owned())),
                },
            });
            rest = after;
        }
        plain.push_str(rest);
        if parts.is_empty() {
            Key::parse(&plain)?;
        }
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self { text: text.to_owned(), parts })
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The key for a field; `None` where the line lacks a tag.
    pub fn render(&self, line: &impl Line, field: &str) -> Option<String> {
        let mut key = String::new();
        for part in &self.parts {
            key.push_str(match part {
                Part::Text(text) => text,
                Part::Measurement => line.measurement(),
                Part::Field => field,
                Part::Tag(name) => line.tag(name)?,
            });
        }
        Some(key)
    }
}
