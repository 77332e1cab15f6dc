//! Findings in words, in the language of whoever reads them.

use chrono::DateTime;

use super::finding::{Deviation, Finding, Kind, Reason, Usual, What};
use crate::domain::{Language, MachineState};

/// Energy of which nobody has to hear, in kWh.
const LEAST_KWH: f64 = 1.0;

impl Kind {
    /// Name for people, as in the middle of a sentence.
    pub fn words(self, language: Language) -> &'static str {
        match self {
            Self::Spike => language.pick("spike", "pico"),
            Self::LevelShift => language.pick("level shift", "salto de nivel"),
            Self::Drift => language.pick("drift", "deriva"),
            Self::WrongSetPoint => language.pick("wrong set-point", "consigna errónea"),
            Self::CoolingFailure => language.pick("cooling failure", "fallo de refrigeración"),
            Self::SlowProduction => language.pick("slow production", "producción lenta"),
            Self::IdleWaste => language.pick("idle waste", "consumo en vacío"),
            Self::StuckSensor => language.pick("stuck sensor", "sensor bloqueado"),
            Self::Noise => language.pick("noise", "ruido"),
            Self::Pattern => language.pick("pattern", "combinación inusual"),
        }
    }
}

impl Finding {
    /// Why, with the energy and what that cost in a currency, where both are worth a word.
    pub fn say(&self, language: Language, cost: Option<(f64, &str)>) -> String {
        let mut text = self.reason.say(language);
        if let Some(kwh) = self.energy_kwh.filter(|kwh| kwh.abs() >= LEAST_KWH) {
            text.push_str(&format!(", {kwh:.0} kWh"));
            if let Some((cost, currency)) = cost {
                text.push_str(&language.number(format_args!(", {cost:.2} ")));
                text.push_str(currency);
            }
        }
        text
    }
}

impl Reason {
    fn say(&self, language: Language) -> String {
        let circumstance = self.usual.circumstance(language);
        let text = match &self.what {
            What::Off { sensor, by } => {
                let usual = match self.usual {
                    Usual::Level => language.pick("its level", "de su nivel"),
                    _ => language.pick("the usual", "de lo habitual"),
                };
                format!("{sensor} {} {usual}{circumstance}", by.say(language))
            }
            What::Rough(sensor) => {
                let rougher =
                    language.pick("much rougher than usual", "mucho más irregular de lo habitual");
                format!("{sensor} {rougher}{circumstance}")
            }
            What::Stuck { sensor, value, unit } => {
                let repeats = language.pick("repeats", "repite");
                format!(
                    "{sensor} {repeats} {}{}",
                    language.number(format_args!("{value}")),
                    spaced(unit)
                )
            }
            What::Apart(sensors) => {
                let named: Vec<String> = sensors
                    .iter()
                    .map(|(key, sigmas)| {
                        format!("{key} ({} sigma)", language.number(format_args!("{sigmas:+.1}")))
                    })
                    .collect();
                let apart = language
                    .pick("sensors not together as usual", "combinación inusual de sensores");
                format!("{apart}{circumstance}: {}", named.join(", "))
            }
        };
        text + &self.when(language)
    }

    fn when(&self, language: Language) -> String {
        let mut text = String::new();
        if let Some(from) = self.from {
            let at = DateTime::from_timestamp(from, 0).unwrap_or_default();
            let from = language.pick(" from ", " desde el ");
            text.push_str(&format!("{from}{}", language.instant(at)));
        }
        if let Some(minutes) = self.minutes {
            text.push_str(&match language {
                Language::En => format!(" for {minutes:.0} minutes"),
                Language::Es if minutes.round() == 1.0 => " durante 1 minuto".to_owned(),
                Language::Es => format!(" durante {minutes:.0} minutos"),
            });
        }
        text
    }
}

impl Deviation {
    /// "14 % above", "6.1 °C below".
    fn say(&self, language: Language) -> String {
        let (amount, is_below) = match self {
            Self::Share(share) => (format!("{:.0} %", 100.0 * share.abs()), *share < 0.0),
            Self::Difference { value, digits, unit } => {
                let number = language.number(format_args!("{:.digits$}", value.abs()));
                (number + &spaced(unit), *value < 0.0)
            }
        };
        format!("{amount} {}", side(language, is_below))
    }
}

/// On which side of the usual.
pub fn side(language: Language, is_below: bool) -> &'static str {
    match is_below {
        true => language.pick("below", "por debajo"),
        false => language.pick("above", "por encima"),
    }
}

/// "38 kWh and 6.10 EUR more than usual", where that is worth a word; `than` ends it.
pub fn more_or_less(
    kwh: f64,
    cost: Option<(f64, &str)>,
    than: &str,
    language: Language,
) -> Option<String> {
    if kwh.abs() < LEAST_KWH {
        return None;
    }
    let side =
        if kwh < 0.0 { language.pick("less", "menos") } else { language.pick("more", "más") };
    let cost = cost.map(|(cost, currency)| {
        let cost = language.number(format_args!("{:.2}", cost.abs()));
        format!(" {} {cost} {currency}", language.pick("and", "y"))
    });
    Some(format!("{:.0} kWh{} {side} {than}", kwh.abs(), cost.unwrap_or_default()))
}

impl Usual {
    /// In what it is usual, with a space before; empty where there is nothing to say.
    fn circumstance(&self, language: Language) -> String {
        match self {
            Self::Reference { key, minutes: (from, to) } => match language {
                Language::En => format!(" for reference {key} in minutes {from:.0}-{to:.0}"),
                Language::Es => {
                    format!(" para la referencia {key} en los minutos {from:.0}-{to:.0}")
                }
            },
            Self::State(key) => match language {
                Language::En => format!(" for state {key}"),
                Language::Es => format!(" con la máquina {}", in_state(key)),
            },
            Self::TimeOfDay => {
                language.pick(" for the time of day", " a esa hora del día").to_owned()
            }
            Self::TimeOfWeek => {
                language.pick(" for the time of the week", " a esa hora de la semana").to_owned()
            }
            Self::Level | Self::Past => String::new(),
        }
    }
}

/// How a machine is in a state, in Spanish; a state that is not ours keeps its key.
fn in_state(key: &str) -> String {
    match key.parse() {
        Ok(MachineState::Running) => "en marcha".to_owned(),
        Ok(MachineState::Idle) => "en espera".to_owned(),
        Ok(MachineState::Setup) => "en preparación".to_owned(),
        Ok(MachineState::Stopped) => "parada".to_owned(),
        Ok(MachineState::Off) => "apagada".to_owned(),
        Err(_) => format!("en el estado {key}"),
    }
}

/// A unit with the space before it.
fn spaced(unit: &str) -> String {
    if unit.is_empty() { String::new() } else { format!(" {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(what: What, usual: Usual) -> Finding {
        Finding {
            machine: "press".into(),
            sensor: "power".into(),
            kind: Kind::LevelShift,
            start: 0,
            raised: 0,
            end: 0,
            is_open: false,
            severity: 9.0,
            energy_kwh: None,
            reason: Reason { what, usual, from: None, minutes: None },
        }
    }

    fn both(finding: &Finding) -> [String; 2] {
        [Language::En, Language::Es].map(|language| finding.say(language, None))
    }

    fn off(by: Deviation) -> What {
        What::Off { sensor: "power".into(), by }
    }

    fn reference() -> Usual {
        Usual::Reference { key: "R12".into(), minutes: (20.0, 65.0) }
    }

    #[test]
    fn energy_and_cost_end_a_reason_where_they_are_worth_a_word() {
        let mut found = finding(off(Deviation::Share(0.14)), reference());
        found.energy_kwh = Some(38.4);
        let said = |found: &Finding, language| found.say(language, Some((6.1, "EUR")));
        assert_eq!(
            said(&found, Language::En),
            "power 14 % above the usual for reference R12 in minutes 20-65, 38 kWh, 6.10 EUR"
        );
        assert_eq!(
            said(&found, Language::Es),
            "power 14 % por encima de lo habitual para la referencia R12 en los minutos 20-65, 38 kWh, 6,10 EUR"
        );
        assert!(both(&found).iter().all(|text| text.ends_with(", 38 kWh")));
        found.energy_kwh = Some(0.9);
        assert!(said(&found, Language::En).ends_with("20-65"), "next to nothing");
    }

    #[test]
    fn a_difference_to_a_state_or_to_the_past_names_it() {
        let by = |value| Deviation::Difference { value, digits: 1, unit: "kW".into() };
        let in_state = |state: &str| both(&finding(off(by(3.12)), Usual::State(state.into())));
        assert_eq!(
            in_state("idle"),
            [
                "power 3.1 kW above the usual for state idle",
                "power 3,1 kW por encima de lo habitual con la máquina en espera"
            ]
        );
        for (state, words) in [
            ("running", "en marcha"),
            ("setup", "en preparación"),
            ("stopped", "parada"),
            ("off", "apagada"),
            ("cleaning", "en el estado cleaning"),
        ] {
            let said = &in_state(state)[1];
            assert!(said.ends_with(&format!("con la máquina {words}")), "{said}");
        }
        let mut found = finding(off(by(-3.12)), Usual::Past);
        found.reason.from = Some(1_772_323_200);
        assert_eq!(
            both(&found),
            [
                "power 3.1 kW below the usual from 2026-03-01 00:00 UTC",
                "power 3,1 kW por debajo de lo habitual desde el 01/03/2026 00:00 UTC"
            ]
        );
    }

    #[test]
    fn what_is_known_of_sensors_alone_is_compared_with_their_level_or_the_time() {
        let against = |usual| {
            let by = Deviation::Difference { value: -12.34, digits: 1, unit: String::new() };
            let mut found = finding(off(by), usual);
            (found.reason.from, found.reason.minutes) = (Some(1_772_323_200), Some(45.0));
            both(&found)
        };
        let (en, es) = (
            "from 2026-03-01 00:00 UTC for 45 minutes",
            "desde el 01/03/2026 00:00 UTC durante 45 minutos",
        );
        assert_eq!(
            against(Usual::Level),
            [
                format!("power 12.3 below its level {en}"),
                format!("power 12,3 por debajo de su nivel {es}")
            ]
        );
        assert_eq!(
            against(Usual::TimeOfDay),
            [
                format!("power 12.3 below the usual for the time of day {en}"),
                format!("power 12,3 por debajo de lo habitual a esa hora del día {es}")
            ]
        );
        assert_eq!(
            against(Usual::TimeOfWeek),
            [
                format!("power 12.3 below the usual for the time of the week {en}"),
                format!("power 12,3 por debajo de lo habitual a esa hora de la semana {es}")
            ]
        );
    }

    #[test]
    fn sensors_that_are_rough_stuck_or_apart_are_named() {
        let rough = finding(What::Rough("power".into()), reference());
        assert_eq!(
            both(&rough),
            [
                "power much rougher than usual for reference R12 in minutes 20-65",
                "power mucho más irregular de lo habitual para la referencia R12 en los minutos 20-65"
            ]
        );
        let stuck = What::Stuck { sensor: "heat".into(), value: 50.5, unit: "bar".into() };
        let mut stuck = finding(stuck, Usual::Past);
        stuck.reason.minutes = Some(100.0);
        assert_eq!(
            both(&stuck),
            ["heat repeats 50.5 bar for 100 minutes", "heat repite 50,5 bar durante 100 minutos"]
        );
        stuck.reason.minutes = Some(1.0);
        assert_eq!(both(&stuck)[1], "heat repite 50,5 bar durante 1 minuto");
        let apart = What::Apart(vec![("power".into(), 3.12), ("heat".into(), -2.0)]);
        assert_eq!(
            both(&finding(apart, reference())),
            [
                "sensors not together as usual for reference R12 in minutes 20-65: power (+3.1 sigma), heat (-2.0 sigma)",
                "combinación inusual de sensores para la referencia R12 en los minutos 20-65: power (+3,1 sigma), heat (-2,0 sigma)"
            ]
        );
    }

    #[test]
    fn energy_beyond_something_is_more_or_less() {
        let said = |kwh, cost| {
            [(Language::En, "than usual"), (Language::Es, "de lo habitual")]
                .map(|(language, than)| more_or_less(kwh, cost, than, language).unwrap_or_default())
        };
        assert_eq!(
            said(38.0, Some((6.1, "EUR"))),
            ["38 kWh and 6.10 EUR more than usual", "38 kWh y 6,10 EUR más de lo habitual"]
        );
        assert_eq!(said(-2.0, None), ["2 kWh less than usual", "2 kWh menos de lo habitual"]);
        assert_eq!(said(0.9, Some((6.1, "EUR"))), ["", ""]);
    }

    #[test]
    fn files_have_the_reason_in_english() {
        let mut found = finding(off(Deviation::Share(-0.5)), reference());
        found.energy_kwh = Some(-7.0);
        let json = serde_json::to_value(&found).unwrap();
        assert_eq!(
            json["reason"],
            "power 50 % below the usual for reference R12 in minutes 20-65, -7 kWh"
        );
        assert_eq!((&json["kind"], &json["energy_kwh"]), (&"level_shift".into(), &(-7.0).into()));
        assert_eq!(json.as_object().unwrap().len(), 10);
    }

    #[test]
    fn kinds_have_a_name_of_their_own_in_each_language() {
        assert_eq!(Kind::LevelShift.words(Language::En), "level shift");
        assert_eq!(Kind::CoolingFailure.words(Language::Es), "fallo de refrigeración");
    }
}
