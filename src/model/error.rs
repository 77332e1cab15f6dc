//! Why a saved query cannot be asked: text for people.

use super::saved::{self, Format, GroupBy, QueryType};
use super::{DEFAULT_LEARNING_DAYS, LEARNING_DAYS, MAX_DRIVERS, MAX_LOTS};
use crate::analytics::golden::FEWEST_RUNS;
use crate::domain::{Bucket, Say, Words};

/// A saved query that cannot be understood; says what to change.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// Not the JSON of a query.
    #[error("the query is not understood: {0}; open it in the query editor and save it again")]
    Json(#[from] serde_json::Error),
    /// A version newer than this plugin.
    #[error(
        "the query was saved by a newer Lotwise (query version {0}, this plugin knows up to {latest}): update the plugin",
        latest = saved::VERSION
    )]
    Version(u32),
    /// A bucket that does not exist.
    #[error(transparent)]
    Bucket(#[from] crate::domain::bucket::UnknownBucket),
    /// Steps that elapsed time does not have.
    #[error(
        "curves of lots count from the start of each lot, which has no {0} of the calendar: choose auto or a width such as 5m"
    )]
    Steps(Bucket),
    /// A filter or a rule that cannot be used.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// Readings as they are, of what has more than one sensor.
    #[error(
        "readings as they are have no group: choose series by sensor, without grouping, or an aggregate such as mean"
    )]
    RawGroup,
    /// A grouping whose rows are of the whole range.
    #[error(
        "baseline queries are grouped by {group} in tables only: choose the format table, or another grouping",
        group = .0.as_str()
    )]
    TableOnly(GroupBy),
    /// A grouping that this query type does not have.
    #[error(
        "{} queries cannot be grouped by {}: choose another grouping",
        .kind.as_str(), .group.as_str()
    )]
    Group {
        /// Type of the query.
        kind: QueryType,
        /// The grouping asked for.
        group: GroupBy,
    },
    /// A filter that this type of query does not have.
    #[error(
        "{} queries cannot be filtered by shift or state: choose all shifts and states",
        .0.as_str()
    )]
    Time(QueryType),
    /// Lots are to be compared with, and none is named.
    #[error("no lot to compare with: choose one or more, or compare with an earlier time")]
    NoLots,
    /// Lots are to be compared over time.
    #[error(
        "lots are compared in KPI tables only: choose the whole range as time step, or the query type that compares lots over their elapsed time"
    )]
    LotsOverTime,
    /// No state of a machine.
    #[error(transparent)]
    State(#[from] crate::domain::state::UnknownState),
    /// A time to learn from that is too short or too long.
    #[error(
        "{0} days to learn from are not possible: choose {least} to {most}, or 0 for the default of {DEFAULT_LEARNING_DAYS}",
        least = LEARNING_DAYS.start(), most = LEARNING_DAYS.end()
    )]
    LearningDays(u32),
    /// A baseline period that is none.
    #[error(
        "the baseline period from {from:?} to {to:?} is not understood: give a first and a last day such as 2026-01-31, or leave both empty"
    )]
    Period {
        /// First day as given.
        from: String,
        /// Last day as given.
        to: String,
    },
    /// More drivers than a model can be fitted with.
    #[error("{0} drivers are too many for a baseline: choose at most {MAX_DRIVERS}")]
    Drivers(usize),
    /// A share of best lots that says nothing.
    #[error(
        "{0} % of the lots as best lots are not possible: choose {FEWEST_RUNS} to {MAX_LOTS} lots, or 1 to 100 per cent"
    )]
    BestPercent(u32),
    /// A number of best lots that says nothing.
    #[error(
        "{0} best lots are not possible: choose {FEWEST_RUNS} to {MAX_LOTS} lots, or 1 to 100 per cent"
    )]
    BestLots(u32),
    /// A format that this type of query does not have.
    #[error(
        "{} queries have no format {}: choose another format",
        .kind.as_str(), .format.as_str()
    )]
    Format {
        /// Type of the query.
        kind: QueryType,
        /// The format asked for.
        format: Format,
    },
}

/// A filter or rule that cannot be used; says what to change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// A filter that is too long.
    #[error("the filter {} has {count} values, more than {max}: narrow it down or choose All", .field[0])]
    TooManyValues {
        /// Which filter.
        field: Words,
        /// How many it has.
        count: usize,
        /// Most allowed.
        max: usize,
    },
    /// A value that no text of the database can be.
    #[error("a value of the filter {} has a NUL character, which no key has: remove it", .0[0])]
    Nul(Words),
    /// No regular expression.
    #[error("{text:?} is no regular expression that can be used: {why}")]
    Expression {
        /// What was given.
        text: String,
        /// What is wrong with it, in the library's words.
        why: String,
    },
}

impl Say for FilterError {
    fn in_spanish(&self) -> String {
        match self {
            Self::TooManyValues { field: [_, field], count, max } => format!(
                "el filtro de {field} tiene {count} valores, más de {max}: redúzcalo o elija Todo"
            ),
            Self::Nul([_, field]) => format!(
                "un valor del filtro de {field} tiene un carácter NUL, que ninguna clave tiene: quítelo"
            ),
            Self::Expression { text, why } => {
                format!("{text:?} no es una expresión regular que se pueda usar: {why}")
            }
        }
    }
}

impl Say for ModelError {
    fn in_spanish(&self) -> String {
        let (least_days, most_days) = (LEARNING_DAYS.start(), LEARNING_DAYS.end());
        let best = format!("elija de {FEWEST_RUNS} a {MAX_LOTS} lotes, o del 1 al 100 por ciento");
        match self {
            Self::Json(e) => format!(
                "la consulta no se entiende: {e}; ábrala en el editor de consultas y guárdela de nuevo"
            ),
            Self::Version(version) => format!(
                "la consulta la guardó un Lotwise más nuevo (versión de consulta {version}, este plugin conoce hasta la {}): actualice el plugin",
                saved::VERSION
            ),
            Self::Bucket(e) => e.in_spanish(),
            Self::Steps(bucket) => format!(
                "las curvas de lotes cuentan desde el inicio de cada lote, que no conoce el calendario ({}): elija automático o un ancho como 5m",
                bucket.in_spanish()
            ),
            Self::Filter(e) => e.in_spanish(),
            Self::RawGroup => {
                "las lecturas tal cual no tienen grupo: elija series por sensor, sin agrupar, o un agregado como la media"
                    .to_owned()
            }
            Self::TableOnly(group) => format!(
                "las consultas de línea base se agrupan por {} solo en tablas: elija el formato Tabla, u otra agrupación",
                group_in_spanish(*group)
            ),
            Self::Group { kind, group } => format!(
                "las consultas de {} no se pueden agrupar por {}: elija otra agrupación",
                kind_in_spanish(*kind),
                group_in_spanish(*group)
            ),
            Self::Time(kind) => format!(
                "las consultas de {} no se pueden filtrar por turno ni estado: elija todos los turnos y estados",
                kind_in_spanish(*kind)
            ),
            Self::NoLots => {
                "no hay lote con el que comparar: elija uno o más, o compare con un tiempo anterior"
                    .to_owned()
            }
            Self::LotsOverTime => {
                "los lotes se comparan solo en tablas de KPI: elija todo el intervalo como paso de tiempo, o el tipo de consulta que compara lotes en su tiempo transcurrido"
                    .to_owned()
            }
            Self::State(e) => e.in_spanish(),
            Self::LearningDays(days) => format!(
                "{days} días de los que aprender no son posibles: elija de {least_days} a {most_days}, o 0 para los {DEFAULT_LEARNING_DAYS} predeterminados"
            ),
            Self::Period { from, to } => format!(
                "el periodo de referencia de {from:?} a {to:?} no se entiende: indique un primer y un último día como 2026-01-31, o deje ambos vacíos"
            ),
            Self::Drivers(count) => format!(
                "{count} variables son demasiadas para una línea base: elija como mucho {MAX_DRIVERS}"
            ),
            Self::BestPercent(percent) => {
                format!("{percent} % de los lotes como mejores no es posible: {best}")
            }
            Self::BestLots(lots) => format!("{lots} mejores lotes no son posibles: {best}"),
            Self::Format { kind, format } => format!(
                "las consultas de {} no tienen el formato {}: elija otro formato",
                kind_in_spanish(*kind),
                format_in_spanish(*format)
            ),
        }
    }
}

/// How the Spanish editor calls a type of query.
fn kind_in_spanish(kind: QueryType) -> &'static str {
    match kind {
        QueryType::Series => "valores en el tiempo",
        QueryType::Kpi => "KPI",
        QueryType::Runs => "fabricaciones",
        QueryType::Latest => "últimos valores",
        QueryType::DataQuality => "calidad de datos",
        QueryType::Anomalies => "anomalías",
        QueryType::Lots => "comparar lotes",
        QueryType::Baseline => "línea base",
        QueryType::Spc => "gráfico de control",
        QueryType::Demand => "demanda de potencia",
        QueryType::States => "estados",
        QueryType::Golden => "lote patrón",
        QueryType::AbnormalRuns => "fabricaciones anómalas",
    }
}

/// How the Spanish editor calls a grouping.
fn group_in_spanish(group: GroupBy) -> &'static str {
    match group {
        GroupBy::None => "nada",
        GroupBy::Plant => "planta",
        GroupBy::Line => "línea",
        GroupBy::Machine => "máquina",
        GroupBy::Sensor => "sensor",
        GroupBy::Reference => "referencia",
        GroupBy::Lot => "lote",
        GroupBy::Operator => "operario",
        GroupBy::Shift => "turno",
        GroupBy::State => "estado",
        GroupBy::TariffPeriod => "periodo tarifario",
    }
}

/// How the Spanish editor calls a format.
fn format_in_spanish(format: Format) -> &'static str {
    match format {
        Format::Table => "Tabla",
        Format::Annotations => "Anotaciones",
        Format::Silent => "Solo los que callan",
        Format::Alert => "Para reglas de alerta",
        Format::Score => "Puntuación en el tiempo",
        Format::Series => "Series temporales",
        Format::Model => "Modelo",
        Format::Uses => "Usos",
        Format::Curves => "Curvas",
        Format::Deviation => "Desviación en el tiempo",
    }
}
