//! The options of `lotwise key create|update` for a key's own rules.

use clap::Args;

use crate::domain::span;
use crate::ingest::keys::rules::{Rate, Registration, Rules, Window};

/// A rule of the key's own, or the service's again.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Rule<T> {
    Service,
    Own(T),
}

/// The key's own rules; those that are left out stay as they are.
#[derive(Debug, Clone, Default, Args)]
pub struct RuleArgs {
    /// How far ahead of the service's clock a reading may be: 15m, none, or default (the service's)
    #[arg(long, value_name = "TIME", value_parser = window)]
    future_window: Option<Rule<Window>>,
    /// How old a reading may be when it arrives: 7d, none (history), or default (the service's)
    #[arg(long, value_name = "TIME", value_parser = window)]
    past_window: Option<Rule<Window>>,
    /// Most readings a second on average: a number, none, or default (the service's)
    #[arg(long, value_name = "READINGS", value_parser = rate)]
    rate: Option<Rule<Rate>>,
    /// Most writing requests a second on average: a number, none, or default (the service's)
    #[arg(long, value_name = "REQUESTS", value_parser = rate)]
    request_rate: Option<Rule<Rate>>,
    /// As much as the rates give in this time may come at once: 10s, or default (the service's)
    #[arg(long, value_name = "TIME", value_parser = burst)]
    burst: Option<Rule<f64>>,
    /// Register a sensor when its first reading comes, instead of keeping that in quarantine
    #[arg(long, overrides_with = "no_auto_register")]
    auto_register: bool,
    /// Register no sensors
    #[arg(long)]
    no_auto_register: bool,
    /// Most sensors registered this way that nobody has completed (1,000 at first)
    #[arg(long, value_name = "N", requires = "auto_register", value_parser = clap::value_parser!(i32).range(1..))]
    max_incomplete_sensors: Option<i32>,
    /// Most sensors registered this way in an hour (100 at first)
    #[arg(long, value_name = "N", requires = "auto_register", value_parser = clap::value_parser!(i32).range(1..))]
    max_new_sensors_per_hour: Option<i32>,
}

/// What a key may register when nothing else is said: far more than a gateway has, far less than
/// hurts.
const REGISTRATION: Registration = Registration { incomplete: 1_000, per_hour: 100 };

impl RuleArgs {
    /// The rules after the change.
    pub fn apply(&self, stored: Rules) -> Rules {
        Rules {
            future_window: changed(self.future_window, stored.future_window),
            past_window: changed(self.past_window, stored.past_window),
            readings: changed(self.rate, stored.readings),
            requests: changed(self.request_rate, stored.requests),
            burst_s: changed(self.burst, stored.burst_s),
            registration: self.registration(stored.registration),
        }
    }

    fn registration(&self, stored: Option<Registration>) -> Option<Registration> {
        if self.no_auto_register {
            return None;
        }
        if !self.auto_register {
            return stored;
        }
        let Registration { incomplete, per_hour } = stored.unwrap_or(REGISTRATION);
        Some(Registration {
            incomplete: self.max_incomplete_sensors.unwrap_or(incomplete),
            per_hour: self.max_new_sensors_per_hour.unwrap_or(per_hour),
        })
    }
}

fn changed<T>(change: Option<Rule<T>>, stored: Option<T>) -> Option<T> {
    match change {
        None => stored,
        Some(Rule::Service) => None,
        Some(Rule::Own(value)) => Some(value),
    }
}

fn rule<T>(text: &str, parse: impl Fn(&str) -> Result<T, String>) -> Result<Rule<T>, String> {
    if text == "default" {
        return Ok(Rule::Service);
    }
    parse(text).map(Rule::Own).map_err(|e| format!("{e} nor default"))
}

fn window(text: &str) -> Result<Rule<Window>, String> {
    rule(text, Window::parse)
}

fn rate(text: &str) -> Result<Rule<Rate>, String> {
    rule(text, Rate::parse)
}

fn burst(text: &str) -> Result<Rule<f64>, String> {
    rule(text, parse_burst)
}

/// Reads the time of a burst, at least a second.
///
/// # Errors
/// In words, what it should be.
pub fn parse_burst(text: &str) -> Result<f64, String> {
    let seconds = span::seconds(text).ok().filter(|seconds| *seconds > 0);
    seconds.map(f64::from).ok_or_else(|| "neither a time, such as 10s or 1m".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::{RuleArgs, Rules};

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        rules: RuleArgs,
    }

    fn apply(arguments: &[&str], stored: Rules) -> Result<Rules, clap::Error> {
        let all = [&["key"], arguments].concat();
        Ok(Command::try_parse_from(all)?.rules.apply(stored))
    }

    #[test]
    fn changes_what_is_named_and_keeps_the_rest() {
        let none = Rules::default();
        assert_eq!(apply(&[], none).expect("nothing"), none);
        let arguments = ["--past-window", "7d", "--rate", "50", "--burst", "1m", "--auto-register"];
        let rules = apply(&arguments, none).expect("rules");
        let shown = "  past window 7d  readings/s 50  burst 1m  new sensors 1000, 100 an hour";
        assert_eq!(rules.to_string(), shown);
        let fewer = ["--auto-register", "--max-new-sensors-per-hour", "5", "--rate", "none"];
        let rules = apply(&fewer, rules).expect("rules");
        let shown = "  past window 7d  readings/s none  burst 1m  new sensors 1000, 5 an hour";
        assert_eq!(rules.to_string(), shown);
        let back = ["--past-window", "default", "--rate", "default", "--burst", "default"];
        let rules = apply(&[&back[..], &["--no-auto-register"]].concat(), rules).expect("rules");
        assert_eq!(rules, none);
    }

    #[test]
    fn refuses_what_makes_no_sense() {
        for arguments in [
            ["--rate", "0"],
            ["--burst", "0s"],
            ["--burst", "none"],
            ["--past-window", "-1d"],
            ["--max-incomplete-sensors", "5"],
        ] {
            assert!(apply(&arguments, Rules::default()).is_err(), "{arguments:?}");
        }
    }
}
