//! From what a file calls a number to a number: decimal mark and thousands separator are told, never
//! guessed, because `1.234` is two different numbers in two countries.

use std::borrow::Cow;

/// What marks the decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decimal {
    /// 1234.5
    Point,
    /// 1234,5
    Comma,
}

impl Decimal {
    fn mark(self) -> char {
        match self {
            Self::Point => '.',
            Self::Comma => ',',
        }
    }
}

/// What stands between groups of three digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thousands {
    /// Nothing.
    None,
    /// 1.234.567
    Point,
    /// 1,234,567
    Comma,
    /// 1'234'567
    Apostrophe,
    /// 1 234 567, with any of the blanks that programs use for it.
    Space,
}

impl Thousands {
    fn is(self, c: char) -> bool {
        match self {
            Self::None => false,
            Self::Point => c == '.',
            Self::Comma => c == ',',
            Self::Apostrophe => matches!(c, '\'' | '\u{2019}'),
            Self::Space => matches!(c, ' ' | '\u{a0}' | '\u{2009}' | '\u{202f}'),
        }
    }
}

/// How numbers are written. The two marks differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NumberFormat {
    decimal: Decimal,
    thousands: Thousands,
}

/// One mark with two meanings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the decimal mark and the thousands separator cannot be the same")]
pub struct SameMark;

/// Why a text is no number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// Not a number in any format.
    #[error("'{0}' is not a number")]
    Text(String),
    /// A mark that the format does not have.
    #[error("'{text}' has a '{mark}', but decimals are marked by '{decimal}'")]
    OtherMark {
        /// As written.
        text: String,
        /// The mark in it.
        mark: char,
        /// The mark that is told.
        decimal: char,
    },
    /// Separators that are not between groups of three digits.
    #[error("'{0}' has thousands separators that do not stand between groups of three digits")]
    Groups(String),
    /// NaN or infinite.
    #[error("'{0}' is not a finite number")]
    NotFinite(String),
}

impl NumberFormat {
    /// A format.
    ///
    /// # Errors
    /// When one mark would have two meanings.
    pub fn new(decimal: Decimal, thousands: Thousands) -> Result<Self, SameMark> {
        if thousands.is(decimal.mark()) { Err(SameMark) } else { Ok(Self { decimal, thousands }) }
    }

    /// The number, finite.
    ///
    /// # Errors
    /// The text is no number in this format.
    pub fn parse(&self, text: &str) -> Result<f64, NumberError> {
        let plain = self.without_groups(text)?;
        let plain: Cow<'_, str> = match self.decimal {
            Decimal::Point => plain,
            Decimal::Comma if plain.contains('.') => return Err(self.other_mark(text, '.')),
            Decimal::Comma => plain.replacen(',', ".", 1).into(),
        };
        match plain.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(number),
            Ok(_) => Err(NumberError::NotFinite(text.to_owned())),
            Err(_) if self.decimal == Decimal::Point && is_number_with(text, ',') => {
                Err(self.other_mark(text, ','))
            }
            Err(_) => Err(NumberError::Text(text.to_owned())),
        }
    }

    fn other_mark(&self, text: &str, mark: char) -> NumberError {
        NumberError::OtherMark { text: text.to_owned(), mark, decimal: self.decimal.mark() }
    }

    /// Without the separators, which must stand between groups of three digits.
    fn without_groups<'a>(&self, text: &'a str) -> Result<Cow<'a, str>, NumberError> {
        if !text.contains(|c| self.thousands.is(c)) {
            return Ok(Cow::Borrowed(text));
        }
        let end = text.find(self.decimal.mark()).unwrap_or(text.len());
        let (whole, decimals) = text.split_at(end);
        let digits = whole.trim_start_matches(['+', '-']);
        let mut groups = digits.split(|c| self.thousands.is(c));
        let is_group = |group: &str, lengths: std::ops::RangeInclusive<usize>| {
            lengths.contains(&group.len()) && group.bytes().all(|b| b.is_ascii_digit())
        };
        let sound = groups.next().is_some_and(|first| is_group(first, 1..=3))
            && groups.all(|group| is_group(group, 3..=3))
            && !decimals.contains(|c| self.thousands.is(c));
        if !sound {
            return Err(NumberError::Groups(text.to_owned()));
        }
        Ok(text.chars().filter(|c| !self.thousands.is(*c)).collect::<String>().into())
    }
}

/// Whether only this mark keeps the text from being a number.
fn is_number_with(text: &str, mark: char) -> bool {
    text.contains(mark) && text.replace(mark, "").parse::<f64>().is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Decimal, NumberFormat, SameMark, Thousands};

    fn read(text: &str, decimal: Decimal, thousands: Thousands) -> Result<f64, String> {
        NumberFormat::new(decimal, thousands)
            .expect("format")
            .parse(text)
            .map_err(|e| e.to_string())
    }

    #[test]
    fn reads_each_countrys_numbers() {
        use Decimal::{Comma, Point};
        for (text, decimal, thousands, number) in [
            ("1234.5", Point, Thousands::None, 1234.5),
            ("-1e3", Point, Thousands::None, -1000.0),
            ("1234,5", Comma, Thousands::None, 1234.5),
            ("1.234,5", Comma, Thousands::Point, 1234.5),
            ("-12.345.678", Comma, Thousands::Point, -12_345_678.0),
            ("1,234.5", Point, Thousands::Comma, 1234.5),
            ("1'234.5", Point, Thousands::Apostrophe, 1234.5),
            ("1\u{202f}234,5", Comma, Thousands::Space, 1234.5),
            ("123,5", Comma, Thousands::Point, 123.5),
        ] {
            assert_eq!(read(text, decimal, thousands), Ok(number), "{text}");
        }
    }

    #[test]
    fn never_guesses_what_a_mark_means() {
        use Decimal::{Comma, Point};
        for (text, decimal, thousands, says) in [
            ("1.234,5", Comma, Thousands::None, "has a '.', but decimals are marked by ','"),
            ("1,234", Point, Thousands::None, "has a ',', but decimals are marked by '.'"),
            ("1.5", Comma, Thousands::Point, "groups of three"),
            ("1234.567", Comma, Thousands::Point, "groups of three"),
            ("1,234.567.8", Comma, Thousands::Point, "groups of three"),
            ("1..234", Comma, Thousands::Point, "groups of three"),
            ("1,2,3", Comma, Thousands::None, "not a number"),
            ("hot", Point, Thousands::None, "not a number"),
            ("1 kW", Point, Thousands::Space, "groups of three"),
            ("NaN", Point, Thousands::None, "not a finite number"),
            ("-inf", Comma, Thousands::None, "not a finite number"),
            ("1e999", Point, Thousands::None, "not a finite number"),
            ("", Point, Thousands::None, "not a number"),
        ] {
            let refused = read(text, decimal, thousands).expect_err(text);
            assert!(refused.contains(says), "{text}: {refused}");
        }
        assert_eq!(NumberFormat::new(Comma, Thousands::Comma), Err(SameMark));
    }

    proptest! {
        #[test]
        fn never_panics_and_is_finite(text in "[-+0-9.,' e\u{a0}a-c]{0,12}") {
            for decimal in [Decimal::Point, Decimal::Comma] {
                for thousands in [Thousands::None, Thousands::Point, Thousands::Comma, Thousands::Space] {
                    let Ok(format) = NumberFormat::new(decimal, thousands) else { continue };
                    prop_assert!(format.parse(&text).map_or(true, f64::is_finite));
                }
            }
        }

        #[test]
        fn what_is_written_in_groups_is_read_again(number in -1_000_000_000i64..1_000_000_000) {
            let digits = number.unsigned_abs().to_string();
            let mut grouped = String::new();
            for (i, digit) in digits.chars().enumerate() {
                if i > 0 && (digits.len() - i) % 3 == 0 {
                    grouped.push('.');
                }
                grouped.push(digit);
            }
            let text = format!("{}{grouped},25", if number < 0 { "-" } else { "" });
            let expected = format!("{}{digits}.25", if number < 0 { "-" } else { "" });
            prop_assert_eq!(read(&text, Decimal::Comma, Thousands::Point), Ok(expected.parse().expect("number")));
        }
    }
}
