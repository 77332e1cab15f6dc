//! The languages in which people are addressed.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// A language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// English.
    #[default]
    En,
    /// Spanish.
    Es,
}

/// A text in English and in Spanish.
pub type Words = [&'static str; 2];

/// What people are told: its `Display`, which logs have too, is the English text.
pub trait Say: fmt::Display {
    /// The same text in Spanish, with the same keys and figures.
    fn in_spanish(&self) -> String;

    /// In a language.
    fn say(&self, language: Language) -> String {
        match language {
            Language::En => self.to_string(),
            Language::Es => self.in_spanish(),
        }
    }
}

impl Language {
    /// The one of this language.
    pub fn pick<T>(self, en: T, es: T) -> T {
        match self {
            Self::En => en,
            Self::Es => es,
        }
    }

    /// A number as it was formatted, with the decimal mark of the language.
    pub fn number(self, formatted: fmt::Arguments<'_>) -> String {
        let text = formatted.to_string();
        match self {
            Self::En => text,
            Self::Es => text.replace('.', ","),
        }
    }

    /// An instant to the minute, in UTC.
    pub fn instant(self, at: DateTime<Utc>) -> String {
        at.format(self.pick("%Y-%m-%d %H:%M UTC", "%d/%m/%Y %H:%M UTC")).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_instants_are_written_as_people_do() {
        let number = |language: Language| language.number(format_args!("{:+.2} EUR", -6.1));
        assert_eq!(
            (number(Language::En), number(Language::Es)),
            ("-6.10 EUR".into(), "-6,10 EUR".into())
        );
        let at = DateTime::from_timestamp(1_772_323_200, 0).unwrap();
        assert_eq!(Language::En.instant(at), "2026-03-01 00:00 UTC");
        assert_eq!(Language::Es.instant(at), "01/03/2026 00:00 UTC");
    }
}
