//! Why a query cannot be planned: text for people.

use std::fmt;

use super::MAX_WINDOWS;
use crate::domain::bucket::CutError;
use crate::domain::state::UnknownState;
use crate::domain::{Say, Words};
use crate::model::FilterError;

/// Something that cannot be answered as asked; says what to change.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PlanError {
    /// A key that does not exist, or lies outside the scope.
    #[error("unknown {} {key:?}: {hint}", .what[0])]
    Unknown {
        /// `plant`, `line`, `machine` or `sensor`; in Spanish with its article.
        what: Words,
        /// The key asked for.
        key: String,
        /// What to choose instead.
        hint: Hint,
    },
    /// No state of a machine.
    #[error(transparent)]
    State(#[from] UnknownState),
    /// The range cannot be cut as asked.
    #[error(transparent)]
    Cut(#[from] CutError),
    /// More points than allowed.
    #[error(
        "{series} series of {points} points are more than the {limit} points that this data source may answer with: choose a wider bucket, fewer places or a shorter time range"
    )]
    TooManyPoints {
        /// Number of series.
        series: usize,
        /// Points of each.
        points: usize,
        /// Most points in total.
        limit: usize,
    },
    /// More intervals than one statement reads.
    #[error(
        "the selection is {0} intervals of sensors, more than {MAX_WINDOWS}: choose fewer places, references or lots, or a shorter time range"
    )]
    TooManyWindows(usize),
    /// Money of several currencies.
    #[error(
        "the plants of the selection have different currencies ({0}): choose plants with one currency, or another KPI than cost"
    )]
    Currencies(String),
    /// More series than the query's limit.
    #[error(
        "the selection is {count} series, more than the query's limit of {limit}: choose a quantity or fewer places, group by line, or raise the limit"
    )]
    TooManySeries {
        /// Number of series.
        count: usize,
        /// The query's limit.
        limit: usize,
    },
    /// A filter that cannot be applied.
    #[error(transparent)]
    Rule(#[from] FilterError),
    /// No sensor to read.
    #[error(
        "no sensor {}{}: choose another place or quantity, or register one with POST /v1/sensors",
        .quantity.as_ref().map(|q| format!("of quantity {q} ")).unwrap_or_default(), .place[0]
    )]
    NoSensor {
        /// The quantity that the query names.
        quantity: Option<String>,
        /// Where there is none.
        place: Words,
    },
    /// Curves of several quantities, which have no deviation in common.
    #[error("the sensors here are of several quantities ({0}): choose one of them")]
    Quantity(String),
    /// More steps than a curve may have.
    #[error(
        "the longest lot would have {steps} steps, more than {most}: choose a wider time step, or auto"
    )]
    TooManySteps {
        /// Number of steps.
        steps: usize,
        /// Most steps.
        most: usize,
    },
    /// Zero stands for no data where it is a value like any other.
    #[error(
        "no data is not a {quantity} of zero: fill gaps with the previous value or leave them empty; zero is for amounts"
    )]
    NoZero {
        /// Quantity of the sensor.
        quantity: String,
    },
    /// An aggregate that the sensor's values do not have.
    #[error(
        "the sum over time of {quantity} ({unit}) has no meaning: choose mean, min or max; sum is for energy, counts and power"
    )]
    NoSum {
        /// Quantity of the sensor.
        quantity: String,
        /// Unit of the sensor.
        unit: String,
    },
}

/// What to choose instead of a key that does not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hint {
    /// Some keys that exist, in order, and whether there are more.
    OneOf(Vec<String>, bool),
    /// There is none.
    Nothing,
    /// In words.
    Text(Words),
}

const NOTHING: Words = [
    "there is none here that this data source may show",
    "aquí no hay nada de eso que esta fuente de datos pueda mostrar",
];

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OneOf(keys, more) => write!(f, "choose one of {}", listed(keys, *more)),
            Self::Nothing => f.write_str(NOTHING[0]),
            Self::Text([text, _]) => f.write_str(text),
        }
    }
}

impl Say for Hint {
    fn in_spanish(&self) -> String {
        match self {
            Self::OneOf(keys, more) => format!("elija entre {}", listed(keys, *more)),
            Self::Nothing => NOTHING[1].to_owned(),
            Self::Text([_, text]) => (*text).to_owned(),
        }
    }
}

fn listed(keys: &[String], more: bool) -> String {
    format!("{}{}", keys.join(", "), if more { ", ..." } else { "" })
}

/// Places of [`PlanError::no_sensor`].
pub const HERE: Words = ["here", "aquí"];
/// Where machines work.
pub const ON_A_LINE: Words = ["at a line or machine here", "en una línea o máquina de aquí"];
/// Where states are known.
pub const OF_MACHINES: Words = [
    "of a machine here, and only machines have states",
    "de una máquina de aquí, y solo las máquinas tienen estados",
];
/// Where energy is metered.
pub const METERED: Words = [
    "that meters energy at a line or machine here",
    "que mida la energía de una línea o máquina de aquí",
];

impl PlanError {
    /// No sensor of the quantity that a query names, if it names one.
    pub fn no_sensor(quantity: Option<&str>, place: Words) -> Self {
        Self::NoSensor { quantity: quantity.map(str::to_owned), place }
    }
}

impl Say for PlanError {
    fn in_spanish(&self) -> String {
        match self {
            Self::Unknown { what: [_, what], key, hint } => {
                format!("no se conoce {what} {key:?}: {}", hint.in_spanish())
            }
            Self::State(e) => e.in_spanish(),
            Self::Cut(e) => e.in_spanish(),
            Self::TooManyPoints { series, points, limit } => format!(
                "{series} series de {points} puntos son más que los {limit} puntos con los que esta fuente de datos puede responder: elija un paso de tiempo más ancho, menos lugares o un intervalo más corto"
            ),
            Self::TooManyWindows(count) => format!(
                "la selección son {count} intervalos de sensores, más de {MAX_WINDOWS}: elija menos lugares, referencias o lotes, o un intervalo de tiempo más corto"
            ),
            Self::Currencies(all) => format!(
                "las plantas de la selección tienen monedas distintas ({all}): elija plantas de una sola moneda, u otro KPI que no sea el coste"
            ),
            Self::TooManySeries { count, limit } => format!(
                "la selección son {count} series, más que el límite de {limit} de la consulta: elija una magnitud o menos lugares, agrupe por línea, o suba el límite"
            ),
            Self::Rule(e) => e.in_spanish(),
            Self::NoSensor { quantity, place: [_, place] } => {
                let of =
                    quantity.as_ref().map(|q| format!("de la magnitud {q} ")).unwrap_or_default();
                format!(
                    "no hay ningún sensor {of}{place}: elija otro lugar u otra magnitud, o registre uno con POST /v1/sensors"
                )
            }
            Self::Quantity(all) => {
                format!("los sensores de aquí son de varias magnitudes ({all}): elija una de ellas")
            }
            Self::TooManySteps { steps, most } => format!(
                "el lote más largo tendría {steps} pasos, más de {most}: elija un paso de tiempo más ancho, o automático"
            ),
            Self::NoZero { quantity } => format!(
                "la falta de datos no es un cero de {quantity}: rellene los huecos con el valor anterior o déjelos vacíos; el cero es para cantidades"
            ),
            Self::NoSum { quantity, unit } => format!(
                "la suma en el tiempo de {quantity} ({unit}) no tiene sentido: elija media, mínimo o máximo; la suma es para energía, recuentos y potencia"
            ),
        }
    }
}
