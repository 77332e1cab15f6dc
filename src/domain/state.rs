//! What a machine can be doing.

use std::fmt;
use std::str::FromStr;

use super::{Language, Say};

/// State of a machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum MachineState {
    /// It produces.
    Running,
    /// It is ready and waits.
    Idle,
    /// It is being set up for another reference.
    Setup,
    /// It should produce and does not.
    Stopped,
    /// It is switched off: nothing is expected of it.
    Off,
}

/// The text names no state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown state {0:?}: use running, idle, setup, stopped or off")]
pub struct UnknownState(pub String);

impl Say for UnknownState {
    fn in_spanish(&self) -> String {
        format!("estado {:?} desconocido: use running, idle, setup, stopped u off", self.0)
    }
}

impl MachineState {
    /// All states, the productive one first.
    pub const ALL: [Self; 5] = [Self::Running, Self::Idle, Self::Setup, Self::Stopped, Self::Off];

    /// Key, as the database has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Idle => "idle",
            Self::Setup => "setup",
            Self::Stopped => "stopped",
            Self::Off => "off",
        }
    }

    /// Name shown to people.
    pub fn name(self, language: Language) -> &'static str {
        match self {
            Self::Running => language.pick("Running", "En marcha"),
            Self::Idle => language.pick("Idle", "En espera"),
            Self::Setup => language.pick("Set-up", "Preparación"),
            Self::Stopped => language.pick("Stopped", "Parada"),
            Self::Off => language.pick("Off", "Apagada"),
        }
    }
}

impl fmt::Display for MachineState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for MachineState {
    type Err = UnknownState;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|state| state.as_str() == s);
        found.ok_or_else(|| UnknownState(s.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_a_key_and_a_name_of_its_own() {
        for state in MachineState::ALL {
            assert_eq!(state.to_string().parse(), Ok(state));
        }
        let names = |language| MachineState::ALL.map(|state| state.name(language));
        assert_eq!(names(Language::En), ["Running", "Idle", "Set-up", "Stopped", "Off"]);
        let spanish = ["En marcha", "En espera", "Preparación", "Parada", "Apagada"];
        assert_eq!(names(Language::Es), spanish);
        let error = "broken".parse::<MachineState>().unwrap_err().to_string();
        assert!(error.contains("use running"), "{error}");
    }
}
