//! From which day to which something holds: tariffs, factors, targets.

use std::fmt;

use chrono::{Datelike, NaiveDate};

use super::{ItemError, Update};

/// Days of the plant's clock, from the first up to, and not including, the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    pub from: NaiveDate,
    /// None: until further notice.
    pub to: Option<NaiveDate>,
}

impl Validity {
    /// What an item says, over what is stored.
    pub fn resolve(
        from: NaiveDate,
        to: Update<NaiveDate>,
        stored_to: Option<NaiveDate>,
    ) -> Result<Self, ItemError> {
        let validity = Self { from, to: to.apply(stored_to) };
        let sane = |day: &NaiveDate| (1970..2100).contains(&day.year());
        if !sane(&from) || !validity.to.as_ref().is_none_or(sane) {
            return Err(ItemError::Invalid(format!("{validity} is not between 1970 and 2100")));
        }
        if validity.to.is_some_and(|to| to <= from) {
            return Err(ItemError::Invalid(format!(
                "its validity ends before it starts: {validity}; valid_to is the first day on which it no longer holds"
            )));
        }
        Ok(validity)
    }
}

impl fmt::Display for Validity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to {
            Some(to) => write!(f, "{} to {to}", self.from),
            None => write!(f, "from {} until further notice", self.from),
        }
    }
}
