//! Why a query has no answer: text for the user, status and source for Grafana.

use crate::db::DbError;
use crate::domain::Say;
use crate::domain::time::TimeRangeError;
use crate::model::ModelError;
use crate::plan::PlanError;

/// A query without an answer; the text says what to change.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// The saved query is not understood.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The time range is reversed or out of bounds.
    #[error(transparent)]
    Range(#[from] TimeRangeError),
    /// It cannot be answered as asked.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The range cannot be cut into such buckets.
    #[error(transparent)]
    Cut(#[from] crate::domain::bucket::CutError),
    /// The database.
    #[error(transparent)]
    Db(#[from] DbError),
    /// A reference, lot or operator that no plant of the selection has.
    #[error(
        "unknown {what} {key:?}: check the spelling, or choose one from the list in the query editor"
    )]
    UnknownContext {
        /// `reference`, `lot` or `operator`.
        what: String,
        /// The key asked for.
        key: String,
    },
    /// More runs than a figure can be made of.
    #[error(
        "the selection has more than {0} runs: choose a shorter time range, or fewer lines, references or lots"
    )]
    TooManyRuns(usize),
    /// More history than the detectors may walk through for one query.
    #[error(
        "the selection is {readings} readings with those to learn from, more than {most}: choose fewer machines or sensors, a shorter time range, or fewer days to learn from"
    )]
    TooMuchHistory {
        /// Readings of the selection, estimated from the sensors' intervals.
        readings: usize,
        /// Most readings.
        most: usize,
    },
    /// A baseline period that is too long.
    #[error(
        "the baseline period is longer than {most} days: choose a later first or an earlier last day"
    )]
    BaselinePeriod {
        /// Most days.
        most: i64,
    },
    /// A baseline period of which nothing has happened.
    #[error("the baseline period begins on {0}, which lies ahead: choose an earlier first day")]
    BaselineAhead(chrono::NaiveDate),
    /// Buckets that are shorter than the model's intervals.
    #[error(
        "baselines are fitted to hours, {0} buckets are shorter: choose hour, shift, day, or a width from 1h"
    )]
    BaselineBucket(crate::domain::Bucket),
    /// More hours than one query may compare.
    #[error(
        "the meters of the selection have {cells} hours in the baseline period and the time range, more than {most}: choose fewer places, or shorter times"
    )]
    TooManyHours {
        /// Hours times meters.
        cells: usize,
        /// Most of them.
        most: usize,
    },
    /// More changes of state than can be used.
    #[error(
        "the machines changed their state more than {0} times: choose fewer, or a shorter time range"
    )]
    TooManyStates(usize),
    /// More raw readings than the data source may answer with.
    #[error(
        "the selection has more than the {limit} readings that this data source may answer with: choose a wider bucket, fewer places or a shorter time range, or raise the most points in the data source"
    )]
    TooManyReadings {
        /// The data source's limit.
        limit: usize,
    },
    /// A frame that cannot be written.
    #[error("the answer cannot be written ({0}): this is a fault in Lotwise, please report it")]
    Frame(#[from] arrow::error::ArrowError),
    /// The query's task panicked; the log has the place.
    #[error("the query failed inside Lotwise: this is a fault in the plugin, its log says where")]
    Panic,
}

impl AnswerError {
    /// HTTP-like status of the answer.
    pub fn status(&self) -> u16 {
        match self {
            Self::Model(_)
            | Self::Range(_)
            | Self::Plan(_)
            | Self::Cut(_)
            | Self::UnknownContext { .. }
            | Self::TooManyRuns(_)
            | Self::TooMuchHistory { .. }
            | Self::TooManyStates(_)
            | Self::BaselinePeriod { .. }
            | Self::BaselineAhead(_)
            | Self::BaselineBucket(_)
            | Self::TooManyHours { .. }
            | Self::TooManyReadings { .. } => 400,
            Self::Frame(_) | Self::Panic => 500,
            Self::Db(e) => status_of(e),
        }
    }

    /// True when the fault is the plugin's own, and not the query's or the database's.
    pub fn is_plugin_fault(&self) -> bool {
        self.status() == 500
    }
}

impl Say for AnswerError {
    fn in_spanish(&self) -> String {
        match self {
            Self::Model(e) => e.in_spanish(),
            Self::Range(e) => e.in_spanish(),
            Self::Plan(e) => e.in_spanish(),
            Self::Cut(e) => e.in_spanish(),
            Self::Db(e) => e.in_spanish(),
            Self::UnknownContext { what, key } => {
                let what = match what.as_str() {
                    "reference" => "la referencia",
                    "lot" => "el lote",
                    _ => "el operario",
                };
                format!(
                    "no se conoce {what} {key:?}: revise cómo está escrito, o elija en la lista del editor de consultas"
                )
            }
            Self::TooManyRuns(most) => format!(
                "la selección tiene más de {most} fabricaciones: elija un intervalo de tiempo más corto, o menos líneas, referencias o lotes"
            ),
            Self::TooMuchHistory { readings, most } => format!(
                "la selección son {readings} lecturas con las que hay que aprender, más de {most}: elija menos máquinas o sensores, un intervalo de tiempo más corto, o menos días de los que aprender"
            ),
            Self::BaselinePeriod { most } => format!(
                "el periodo de referencia dura más de {most} días: elija un primer día posterior o un último día anterior"
            ),
            Self::BaselineAhead(day) => format!(
                "el periodo de referencia empieza el {day}, que está por venir: elija un primer día anterior"
            ),
            Self::BaselineBucket(bucket) => format!(
                "las líneas base se ajustan por horas y los pasos de {} son más cortos: elija hora, turno, día, o un ancho desde 1h",
                bucket.in_spanish()
            ),
            Self::TooManyHours { cells, most } => format!(
                "los contadores de la selección suman {cells} horas en el periodo de referencia y el intervalo de tiempo, más de {most}: elija menos lugares, o tiempos más cortos"
            ),
            Self::TooManyStates(most) => format!(
                "las máquinas cambiaron de estado más de {most} veces: elija menos, o un intervalo de tiempo más corto"
            ),
            Self::TooManyReadings { limit } => format!(
                "la selección tiene más que las {limit} lecturas con las que esta fuente de datos puede responder: elija un paso de tiempo más ancho, menos lugares o un intervalo más corto, o suba los puntos por respuesta en la fuente de datos"
            ),
            Self::Frame(e) => format!(
                "la respuesta no se puede escribir ({e}): es un fallo de Lotwise, comuníquelo, por favor"
            ),
            Self::Panic => {
                "la consulta falló dentro de Lotwise: es un fallo del plugin, su registro dice dónde"
                    .to_owned()
            }
        }
    }
}

fn status_of(e: &DbError) -> u16 {
    match e {
        DbError::Settings(_) => 400,
        DbError::Refused { .. } => 401,
        DbError::NotAllowed { .. } => 403,
        DbError::Timeout => 504,
        DbError::Busy => 429,
        DbError::Unexpected(_) => 500,
        DbError::Shared(e) => status_of(e),
        _ => 502,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::db::SettingsError;
    use crate::domain::bucket::{CutError, UnknownBucket};
    use crate::domain::state::UnknownState;
    use crate::domain::{Bucket, Language, TimeRange};
    use crate::model::{FilterError, Format, GroupBy, QueryType};
    use crate::plan::{HERE, Hint, METERED, OF_MACHINES, ON_A_LINE};

    const WORDS: crate::domain::Words = ["plants", "plantas"];

    fn models() -> Vec<ModelError> {
        let (kind, group) = (QueryType::Runs, GroupBy::TariffPeriod);
        let too_many = FilterError::TooManyValues { field: WORDS, count: 5_001, max: 5_000 };
        let expression = FilterError::Expression { text: "a(".to_owned(), why: "1:2".to_owned() };
        vec![
            ModelError::Json(serde_json::from_str::<u8>("300").unwrap_err()),
            ModelError::Version(9),
            UnknownBucket("fortnight".to_owned()).into(),
            ModelError::Steps(Bucket::Day),
            too_many.into(),
            FilterError::Nul(WORDS).into(),
            expression.into(),
            ModelError::RawGroup,
            ModelError::TableOnly(group),
            ModelError::Group { kind, group },
            ModelError::Time(kind),
            ModelError::NoLots,
            ModelError::LotsOverTime,
            UnknownState("asleep".to_owned()).into(),
            ModelError::LearningDays(7),
            ModelError::Period { from: "x".to_owned(), to: "2026-01-31".to_owned() },
            ModelError::Drivers(17),
            ModelError::BestPercent(101),
            ModelError::BestLots(1),
            ModelError::Format { kind, format: Format::Score },
        ]
    }

    fn plans() -> Vec<PlanError> {
        let unknown = |hint| {
            let what = ["plant", "la planta"];
            PlanError::Unknown { what, key: "Madrid".to_owned(), hint }
        };
        let power = || "power".to_owned();
        let mut all = vec![
            unknown(Hint::OneOf(vec!["madrid".to_owned(), "porto".to_owned()], true)),
            unknown(Hint::Nothing),
            UnknownState("asleep".to_owned()).into(),
            CutError::NoShifts.into(),
            CutError::TooMany { bucket: Bucket::Width(60), limit: 1_000 }.into(),
            PlanError::TooManyPoints { series: 8, points: 240, limit: 1_000 },
            PlanError::TooManyWindows(70_001),
            PlanError::Currencies("EUR, USD".to_owned()),
            PlanError::TooManySeries { count: 12, limit: 10 },
            PlanError::Quantity("power, temperature".to_owned()),
            PlanError::TooManySteps { steps: 9_001, most: 5_000 },
            PlanError::NoZero { quantity: power() },
            PlanError::NoSum { quantity: power(), unit: "kW".to_owned() },
        ];
        let places = [HERE, ON_A_LINE, OF_MACHINES, METERED];
        all.extend(places.map(|place| PlanError::no_sensor(Some("power"), place)));
        all.push(PlanError::no_sensor(None, HERE));
        all
    }

    fn databases() -> Vec<DbError> {
        let (address, reason) = (|| "db:5432/plant".to_owned(), || "42P01".to_owned());
        vec![
            DbError::Unreachable { address: address(), reason: reason() },
            DbError::Refused { address: address(), reason: reason() },
            DbError::Tls { address: address(), reason: reason() },
            DbError::NoDatabase { address: address(), reason: reason() },
            DbError::NoSchema { address: address(), reason: reason() },
            DbError::NotAllowed { address: address(), reason: reason() },
            DbError::Lost { address: address(), reason: reason() },
            DbError::Other { address: address(), reason: reason() },
            DbError::Timeout,
            DbError::Shared(Arc::new(DbError::Busy)),
            DbError::Unexpected("42".to_owned()),
            SettingsError::Json(serde_json::from_str::<u8>("300").unwrap_err()).into(),
            SettingsError::Missing(["Host", "Servidor"]).into(),
            SettingsError::Pem { field: crate::tls::CLIENT_KEY, reason: reason() }.into(),
            SettingsError::ReadHost("a b".to_owned(), ["use a host", "use un servidor"]).into(),
            SettingsError::Pool("42".to_owned()).into(),
        ]
    }

    fn all() -> Vec<AnswerError> {
        let mut all = vec![
            TimeRange::from_millis(2_000, 1_000).unwrap_err().into(),
            TimeRange::from_millis(i64::MIN, 1_000).unwrap_err().into(),
            CutError::NoShifts.into(),
            AnswerError::TooManyRuns(20_000),
            AnswerError::TooMuchHistory { readings: 4_000, most: 3_000 },
            AnswerError::BaselinePeriod { most: 732 },
            AnswerError::BaselineAhead(chrono::NaiveDate::MIN),
            AnswerError::BaselineBucket(Bucket::Width(300)),
            AnswerError::TooManyHours { cells: 4_000, most: 3_000 },
            AnswerError::TooManyStates(20_000),
            AnswerError::TooManyReadings { limit: 20_000 },
            arrow::error::ArrowError::DivideByZero.into(),
            AnswerError::Panic,
        ];
        all.extend(["reference", "lot", "operator"].map(|what| AnswerError::UnknownContext {
            what: what.to_owned(),
            key: "X-7".to_owned(),
        }));
        all.extend(models().into_iter().map(AnswerError::from));
        all.extend(plans().into_iter().map(AnswerError::from));
        all.extend(databases().into_iter().map(AnswerError::from));
        all
    }

    /// Numbers and quoted keys of a text, in order of size.
    fn facts(text: &str) -> Vec<&str> {
        let mut facts: Vec<&str> =
            text.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty()).collect();
        facts.extend(text.split('"').skip(1).step_by(2));
        facts.sort_unstable();
        facts
    }

    #[test]
    fn each_error_says_the_same_in_spanish() {
        let english = ["the", "of", "is", "are", "has", "choose", "with", "than", "no answer"];
        for error in all() {
            let (en, es) = (error.say(Language::En), error.say(Language::Es));
            assert_eq!(en, error.to_string());
            assert_eq!(facts(&en), facts(&es), "{en}\n{es}");
            // What libraries say is quoted as it is.
            if !en.contains("integer `300`") {
                let mut words = es.split(|c: char| !c.is_alphabetic());
                assert!(!words.any(|word| english.contains(&word)), "{es}");
            }
            assert_ne!(en, es);
        }
    }
}
