//! What a key may have of its own in place of the service's settings: time windows, rates, and the
//! registration of new sensors.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::span;

/// How far from now the time of a reading may be, in seconds; infinite without a limit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Window(f64);

/// Most readings or requests a second; infinite without a limit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Rate(f64);

/// A word for no limit.
const NONE: &str = "none";

impl Window {
    /// No limit.
    pub const UNLIMITED: Self = Self(f64::INFINITY);

    /// A window of whole seconds.
    pub const fn of_seconds(seconds: u32) -> Self {
        Self(seconds as f64)
    }

    /// Reads `15m`, `7d` or `none`.
    ///
    /// # Errors
    /// In words, what it should be.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == NONE {
            return Ok(Self::UNLIMITED);
        }
        let seconds = span::seconds(text)
            .map_err(|_| "neither a time, such as 15m, 24h or 7d, nor none".to_owned())?;
        Ok(Self::of_seconds(seconds))
    }

    /// In seconds; infinite without a limit.
    pub fn seconds(self) -> f64 {
        self.0
    }

    /// What the database has; `None` for what is no window.
    pub fn stored(seconds: f64) -> Option<Self> {
        (seconds >= 0.0).then_some(Self(seconds))
    }
}

impl Rate {
    /// No limit.
    pub const UNLIMITED: Self = Self(f64::INFINITY);

    /// Reads a number above 0, or `none`.
    ///
    /// # Errors
    /// In words, what it should be.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == NONE {
            return Ok(Self::UNLIMITED);
        }
        let rate = text.parse().ok().filter(|rate: &f64| rate.is_finite()).and_then(Self::stored);
        rate.ok_or_else(|| "neither a number a second above 0 nor none".to_owned())
    }

    /// A second; infinite without a limit.
    pub fn per_second(self) -> f64 {
        self.0
    }

    /// What the database has; `None` for what is no rate.
    pub fn stored(per_second: f64) -> Option<Self> {
        (per_second > 0.0).then_some(Self(per_second))
    }
}

impl From<Window> for String {
    fn from(window: Window) -> Self {
        window.to_string()
    }
}

impl TryFrom<String> for Window {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl From<Rate> for String {
    fn from(rate: Rate) -> Self {
        rate.to_string()
    }
}

impl TryFrom<String> for Rate {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text)
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_infinite() {
            f.write_str(NONE)
        } else {
            // Only whole seconds are ever set.
            f.write_str(&span::words(self.0 as u64))
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_infinite() { f.write_str(NONE) } else { write!(f, "{}", self.0) }
    }
}

/// How many sensors a key may register by sending their first reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// Most of them that nobody has completed yet.
    pub incomplete: i32,
    /// Most in an hour.
    pub per_hour: i32,
}

/// What a key has of its own. `None`: the service's.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Rules {
    /// How far ahead of now a reading's time may be.
    pub future_window: Option<Window>,
    /// How far back it may be.
    pub past_window: Option<Window>,
    /// Most readings a second.
    pub readings: Option<Rate>,
    /// Most requests a second.
    pub requests: Option<Rate>,
    /// Seconds of the rates that may come at once.
    pub burst_s: Option<f64>,
    /// Whether and how many sensors it may register.
    pub registration: Option<Registration>,
}

/// What holds for a key.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// How far ahead of now a reading's time may be.
    pub future_window: Window,
    /// How far back it may be.
    pub past_window: Window,
    /// Most readings a second.
    pub readings: Rate,
    /// Most requests a second.
    pub requests: Rate,
    /// Seconds of the rates that may come at once.
    pub burst_s: f64,
    /// Whether and how many sensors it may register.
    pub registration: Option<Registration>,
}

impl Default for Limits {
    /// A service without settings: clocks may be 15 minutes ahead, history of any age is welcome,
    /// and no sender is slowed down.
    fn default() -> Self {
        Self {
            future_window: Window::of_seconds(15 * 60),
            past_window: Window::UNLIMITED,
            readings: Rate::UNLIMITED,
            requests: Rate::UNLIMITED,
            burst_s: 10.0,
            registration: None,
        }
    }
}

impl Rules {
    /// What holds for the key in a service with these settings.
    pub fn over(&self, service: &Limits) -> Limits {
        Limits {
            future_window: self.future_window.unwrap_or(service.future_window),
            past_window: self.past_window.unwrap_or(service.past_window),
            readings: self.readings.unwrap_or(service.readings),
            requests: self.requests.unwrap_or(service.requests),
            burst_s: self.burst_s.unwrap_or(service.burst_s),
            registration: self.registration,
        }
    }
}

impl fmt::Display for Rules {
    /// Those that are set, each with two blanks before it; nothing where all is as the service has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut show = |name: &str, value: Option<String>| match value {
            Some(value) => write!(f, "  {name} {value}"),
            None => Ok(()),
        };
        show("future window", self.future_window.map(|w| w.to_string()))?;
        show("past window", self.past_window.map(|w| w.to_string()))?;
        show("readings/s", self.readings.map(|r| r.to_string()))?;
        show("requests/s", self.requests.map(|r| r.to_string()))?;
        show("burst", self.burst_s.map(|s| span::words(s as u64)))?;
        let registration = |r: Registration| format!("{}, {} an hour", r.incomplete, r.per_hour);
        show("new sensors", self.registration.map(registration))
    }
}

#[cfg(test)]
mod tests {
    use super::{Limits, Rate, Registration, Rules, Window};

    #[test]
    fn a_keys_rule_goes_before_the_services() {
        let service = Limits::default();
        assert_eq!(Rules::default().over(&service), service);
        let own = Rules {
            past_window: Window::parse("7d").ok(),
            readings: Rate::parse("0.5").ok(),
            registration: Some(Registration { incomplete: 9, per_hour: 2 }),
            ..Rules::default()
        };
        let limits = own.over(&service);
        assert_eq!(limits.past_window.seconds(), 604_800.0);
        assert_eq!(limits.readings.per_second(), 0.5);
        assert_eq!(limits.future_window, service.future_window);
        assert_eq!(own.to_string(), "  past window 7d  readings/s 0.5  new sensors 9, 2 an hour");
        assert_eq!(Rules::default().to_string(), "");
    }

    #[test]
    fn reads_limits_and_none() {
        assert_eq!(Window::parse("none"), Ok(Window::UNLIMITED));
        assert_eq!(Rate::parse("none"), Ok(Rate::UNLIMITED));
        assert_eq!(Window::parse("0").map(|w| w.to_string()).as_deref(), Ok("0s"));
        for text in ["", "0", "-1", "nan", "inf", "many"] {
            assert!(Rate::parse(text).is_err(), "{text}");
        }
        for text in ["", "15", "-1m", "inf"] {
            assert!(Window::parse(text).is_err(), "{text}");
        }
    }
}
