//! Electricity tariffs: prices by period, and the calendar that says which period an hour is in.
//!
//! Nothing of a country is built in: months, days and hours of the plant's clock are mapped to named
//! periods by rules that come as data.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use chrono::{Datelike, NaiveDate, NaiveDateTime, Timelike};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A period, such as P1, with its prices in the plant's currency.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Period {
    /// Its name.
    #[schema(example = "P1")]
    pub period: String,
    /// Price of energy, per kWh. It may be negative.
    #[schema(example = 0.1873)]
    pub price_per_kwh: f64,
    /// Contracted power, kW.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = 450.0)]
    pub contracted_kw: Option<f64>,
    /// Price of contracted power, per kW and year.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = 19.6)]
    pub price_per_kw_year: Option<f64>,
    /// Price of power above the contracted, per kW of excess.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = 3.36)]
    pub excess_price_per_kw: Option<f64>,
}

/// Kind of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DayKind {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
    /// A day on the tariff's list of holidays, whatever day of the week.
    Holiday,
}

impl DayKind {
    const ALL: [Self; 8] = [
        Self::Mon,
        Self::Tue,
        Self::Wed,
        Self::Thu,
        Self::Fri,
        Self::Sat,
        Self::Sun,
        Self::Holiday,
    ];
}

impl fmt::Display for DayKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun", "holiday"][*self as usize])
    }
}

/// Quarters of an hour in a day.
const QUARTERS: usize = 96;

/// A quarter of an hour on the wall clock, `HH:MM` from 00:00 to 24:00.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Quarter(u8);

impl Quarter {
    /// Start of the day.
    pub const START: Self = Self(0);
    /// End of the day.
    pub const END: Self = Self(QUARTERS as u8);

    fn start() -> Self {
        Self::START
    }

    fn end() -> Self {
        Self::END
    }
}

impl FromStr for Quarter {
    type Err = TariffError;

    fn from_str(text: &str) -> Result<Self, TariffError> {
        let wrong = || TariffError::Clock(text.to_owned());
        let (hours, minutes) = text.split_once(':').ok_or_else(wrong)?;
        let digits = |s: &str| s.len() == 2 && s.bytes().all(|b| b.is_ascii_digit());
        let two = |s: &str| digits(s).then(|| s.parse::<u8>().ok()).flatten();
        let (hours, minutes) = (two(hours).ok_or_else(wrong)?, two(minutes).ok_or_else(wrong)?);
        if hours > 24 || minutes > 45 || minutes % 15 != 0 || (hours == 24 && minutes > 0) {
            return Err(wrong());
        }
        Ok(Self(hours * 4 + minutes / 15))
    }
}

impl TryFrom<String> for Quarter {
    type Error = TariffError;

    fn try_from(text: String) -> Result<Self, TariffError> {
        text.parse()
    }
}

impl From<Quarter> for String {
    fn from(quarter: Quarter) -> Self {
        quarter.to_string()
    }
}

impl fmt::Display for Quarter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 4, self.0 % 4 * 15)
    }
}

/// When a period holds. What is left out does not restrict; the first rule that fits decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Months, 1 to 12.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub months: Vec<u8>,
    /// Days of the week, or `holiday`. A holiday fits only rules that name it, or no day.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub days: Vec<DayKind>,
    /// First quarter of an hour.
    #[serde(default = "Quarter::start")]
    #[schema(value_type = String, example = "09:00")]
    pub from: Quarter,
    /// First quarter of an hour after it.
    #[serde(default = "Quarter::end")]
    #[schema(value_type = String, example = "14:00")]
    pub to: Quarter,
    /// The period.
    #[schema(example = "P1")]
    pub period: String,
}

impl Rule {
    fn fits(&self, month: u8, day: DayKind, quarter: u8) -> bool {
        (self.months.is_empty() || self.months.contains(&month))
            && (self.days.is_empty() || self.days.contains(&day))
            && (self.from.0..self.to.0).contains(&quarter)
    }
}

/// What is wrong with a tariff.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum TariffError {
    /// No clock time.
    #[error("{0:?} is not a quarter of an hour from 00:00 to 24:00, such as 08:00 or 17:30")]
    Clock(String),
    /// Too few or too many.
    #[error("it has {count} {what}: from 1 to {most} are possible")]
    Count {
        /// Of what.
        what: &'static str,
        /// How many.
        count: usize,
        /// How many are possible.
        most: usize,
    },
    /// A period twice.
    #[error("period {0:?} is there twice")]
    Twice(String),
    /// A name that is empty or too long.
    #[error("{0:?} is no name for a period: use a short one such as P1")]
    Name(String),
    /// A price or power that cannot be.
    #[error("{what} of period {period:?} is {value}: {rule}")]
    Number {
        /// Which number.
        what: &'static str,
        /// The period.
        period: String,
        /// As given.
        value: f64,
        /// What it has to be.
        rule: &'static str,
    },
    /// A rule for a period that has no prices.
    #[error("rule {rule} of the calendar names period {period:?}, which `periods` does not have")]
    NoSuchPeriod {
        /// Number of the rule, from 1.
        rule: usize,
        /// The period named.
        period: String,
    },
    /// A rule that cannot fit.
    #[error("rule {rule} of the calendar {why}")]
    Rule {
        /// Number of the rule, from 1.
        rule: usize,
        /// What is wrong.
        why: &'static str,
    },
    /// A time without a period.
    #[error(
        "no rule of the calendar fits {day} at {at} in month {month}: end with a rule that has only a period"
    )]
    Uncovered {
        /// Month, 1 to 12.
        month: u8,
        /// Kind of day.
        day: DayKind,
        /// Time of day.
        at: Quarter,
    },
}

/// Most periods, rules and holidays of one tariff.
const MAX_PERIODS: usize = 24;
const MAX_RULES: usize = 200;
const MAX_HOLIDAYS: usize = 1_000;

/// Prices with a calendar in which every quarter of an hour has a period.
#[derive(Debug, Clone, PartialEq)]
pub struct Terms {
    periods: Vec<Period>,
    holidays: BTreeSet<NaiveDate>,
    /// Index of the period by month, kind of day and quarter of an hour.
    table: Vec<u8>,
}

impl Terms {
    /// Checks them.
    ///
    /// # Errors
    /// [`TariffError`], whose text says what to change.
    pub fn new(
        periods: Vec<Period>,
        rules: &[Rule],
        holidays: impl IntoIterator<Item = NaiveDate>,
    ) -> Result<Self, TariffError> {
        let holidays: BTreeSet<NaiveDate> = holidays.into_iter().collect();
        count("periods", periods.len(), MAX_PERIODS)?;
        count("rules in its calendar", rules.len(), MAX_RULES)?;
        if holidays.len() > MAX_HOLIDAYS {
            count("holidays", holidays.len(), MAX_HOLIDAYS)?;
        }
        for (index, period) in periods.iter().enumerate() {
            check_period(period)?;
            if periods[..index].iter().any(|p| p.period == period.period) {
                return Err(TariffError::Twice(period.period.clone()));
            }
        }
        let targets = rules
            .iter()
            .enumerate()
            .map(|(index, rule)| check_rule(index + 1, rule, &periods))
            .collect::<Result<Vec<u8>, _>>()?;
        let table = table(rules, &targets)?;
        Ok(Self { periods, holidays, table })
    }

    /// The periods with their prices.
    pub fn periods(&self) -> &[Period] {
        &self.periods
    }

    /// The period at a moment of the plant's clock.
    pub fn period_at(&self, local: NaiveDateTime) -> &Period {
        let day = if self.holidays.contains(&local.date()) {
            DayKind::Holiday as usize
        } else {
            local.weekday().num_days_from_monday() as usize
        };
        let quarter = (local.hour() * 4 + local.minute() / 15) as usize;
        let slot = (local.month0() as usize * DayKind::ALL.len() + day) * QUARTERS + quarter;
        &self.periods[usize::from(self.table[slot])]
    }
}

fn count(what: &'static str, count: usize, most: usize) -> Result<(), TariffError> {
    if (1..=most).contains(&count) { Ok(()) } else { Err(TariffError::Count { what, count, most }) }
}

fn check_period(period: &Period) -> Result<(), TariffError> {
    let name = period.period.as_str();
    if name.trim().is_empty() || name.len() > 32 || name.chars().any(char::is_control) {
        return Err(TariffError::Name(name.to_owned()));
    }
    let wrong = |what, value, rule| {
        Err(TariffError::Number { what, period: period.period.clone(), value, rule })
    };
    if !period.price_per_kwh.is_finite() {
        return wrong("price_per_kwh", period.price_per_kwh, "it must be a finite number");
    }
    for (what, value) in [
        ("contracted_kw", period.contracted_kw),
        ("price_per_kw_year", period.price_per_kw_year),
        ("excess_price_per_kw", period.excess_price_per_kw),
    ] {
        if let Some(value) = value.filter(|v| !v.is_finite() || *v < 0.0) {
            return wrong(what, value, "it must be at least 0");
        }
    }
    Ok(())
}

/// Index of the rule's period.
fn check_rule(number: usize, rule: &Rule, periods: &[Period]) -> Result<u8, TariffError> {
    if rule.months.iter().any(|m| !(1..=12).contains(m)) {
        return Err(TariffError::Rule { rule: number, why: "has a month that is not 1 to 12" });
    }
    if rule.from >= rule.to {
        let why = "does not end after it starts: write one rule up to 24:00 and one from 00:00";
        return Err(TariffError::Rule { rule: number, why });
    }
    let index = periods.iter().position(|p| p.period == rule.period);
    index
        .and_then(|i| u8::try_from(i).ok())
        .ok_or_else(|| TariffError::NoSuchPeriod { rule: number, period: rule.period.clone() })
}

fn table(rules: &[Rule], targets: &[u8]) -> Result<Vec<u8>, TariffError> {
    let mut table = Vec::with_capacity(12 * DayKind::ALL.len() * QUARTERS);
    for month in 1..=12 {
        for day in DayKind::ALL {
            for quarter in 0..QUARTERS as u8 {
                let rule = rules.iter().position(|r| r.fits(month, day, quarter));
                let uncovered = || TariffError::Uncovered { month, day, at: Quarter(quarter) };
                table.push(targets[rule.ok_or_else(uncovered)?]);
            }
        }
    }
    Ok(table)
}

#[cfg(test)]
mod tests;
