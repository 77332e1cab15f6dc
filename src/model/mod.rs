//! What a saved query says: a selection, never SQL.
//!
//! [`saved`] is the JSON contract (version 1), [`Query`] is what later stages accept: parsed once,
//! every text a type. Knows neither the database nor Grafana's services.

mod rule;
pub mod saved;

use serde::{Deserialize, Serialize};

use crate::domain::{Bucket, MachineState};
pub use rule::Rules;
pub use saved::{
    Aggregate, Align, Compare, Fill, FilterKey, FilterOp, Format, GroupBy, Kpi, QueryType, Rule,
    SavedQuery,
};

/// Values of one filter: all, or the keys named.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Filter {
    /// No restriction.
    #[default]
    All,
    /// Only these keys; never empty.
    Keys(Vec<String>),
}

impl Filter {
    /// A list is "all" when it is empty or holds `*` or `$__all`.
    pub fn from_list(list: Vec<String>) -> Self {
        if list.iter().all(String::is_empty) || list.iter().any(|v| v == "*" || v == "$__all") {
            return Self::All;
        }
        let mut keys: Vec<String> = list.into_iter().filter(|v| !v.is_empty()).collect();
        keys.sort();
        keys.dedup();
        Self::Keys(keys)
    }

    /// The keys, or `None` for all.
    pub fn keys(&self) -> Option<&[String]> {
        match self {
            Self::All => None,
            Self::Keys(keys) => Some(keys),
        }
    }

    /// True when `key` passes.
    pub fn accepts(&self, key: &str) -> bool {
        self.keys().is_none_or(|keys| keys.iter().any(|k| k == key))
    }
}

/// Where to look.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Place {
    /// Plants by key.
    pub plants: Filter,
    /// Lines by key.
    pub lines: Filter,
    /// Machines by key.
    pub machines: Filter,
    /// Sensors by key.
    pub sensors: Filter,
    /// Quantity of the sensors; `None` is any.
    pub quantity: Option<String>,
}

/// What was being made, by whom, and when.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Context {
    /// References (products) by key.
    pub references: Filter,
    /// Lots by key.
    pub lots: Filter,
    /// Operators by key.
    pub operators: Filter,
    /// Shifts by key.
    pub shifts: Filter,
    /// States of machines.
    pub states: Filter,
    /// Rules of the dashboard about references, lots and operators.
    pub rules: Vec<Rule>,
}

impl Context {
    /// True when any filter restricts to some runs.
    pub fn is_restricted(&self) -> bool {
        !self.rules.is_empty()
            || [&self.references, &self.lots, &self.operators].iter().any(|f| **f != Filter::All)
    }

    /// True when only the time of some shifts or states counts.
    pub fn narrows_time(&self) -> bool {
        self.shifts != Filter::All || self.states != Filter::All
    }
}

/// A validated query.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Query {
    /// Kind of answer.
    pub kind: QueryType,
    /// Where to look.
    pub place: Place,
    /// What was being made.
    pub context: Context,
    /// How a series' bucket becomes one value.
    pub aggregate: Aggregate,
    /// Which figures a KPI query shows; never empty.
    pub kpis: Vec<Kpi>,
    /// What the answer is split by.
    pub group_by: GroupBy,
    /// How time is cut.
    pub bucket: Bucket,
    /// Shape of an answer.
    pub format: Format,
    /// Days before the time range from which is learned what is usual.
    pub learning_days: u32,
    /// Most rows or series.
    pub limit: usize,
    /// What the curves of lots have in common.
    pub align: Align,
    /// How many of the newest lots, where none is named.
    pub last_lots: usize,
    /// True when the extremes of each bucket are wanted beside the mean.
    pub extremes: bool,
    /// What stands in a bucket without data.
    pub fill: Fill,
    /// What figures are compared with.
    pub compare: Compare,
    /// Lots that are compared with.
    pub compare_lots: Filter,
    /// How many groups are shown, the others as one; `None` is all.
    pub top: Option<usize>,
    /// Ad hoc filters of the dashboard.
    pub filters: Vec<Rule>,
}

impl Query {
    /// The same question in the shape that alert rules can read: numbers that labels tell apart.
    #[must_use]
    pub fn for_alert(mut self) -> Self {
        self.format = match (self.kind, self.format) {
            (QueryType::Kpi | QueryType::Latest | QueryType::DataQuality, _) => Format::Alert,
            (QueryType::Anomalies, Format::Table | Format::Annotations) => Format::Alert,
            (_, format) => format,
        };
        // A rule compares with a threshold, and reads one value a series.
        (self.compare, self.extremes) = (Compare::None, false);
        self
    }
}

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
        "lots queries count from the start of each lot, which has no {0} of the calendar: choose auto or a width such as 5m"
    )]
    Steps(Bucket),
    /// A filter that is too long.
    #[error("the filter {field} has {count} values, more than {max}: narrow it down or choose All")]
    TooManyValues {
        /// Which filter.
        field: &'static str,
        /// How many it has.
        count: usize,
        /// Most allowed.
        max: usize,
    },
    /// A grouping that this type of query does not have.
    #[error("{kind} queries cannot be grouped by {group}: choose another grouping")]
    Group {
        /// Type of the query.
        kind: &'static str,
        /// The grouping asked for.
        group: &'static str,
    },
    /// A filter that this type of query does not have.
    #[error("{kind} queries cannot be filtered by shift or state: choose all shifts and states")]
    Time {
        /// Type of the query.
        kind: &'static str,
    },
    /// No regular expression.
    #[error("{text:?} is no regular expression that can be used: {why}")]
    Expression {
        /// What was given.
        text: String,
        /// What is wrong with it.
        why: String,
    },
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
    /// A format that this type of query does not have.
    #[error("{kind} queries have no format {format}: choose another format")]
    Format {
        /// Type of the query.
        kind: &'static str,
        /// The format asked for.
        format: &'static str,
    },
}

/// Most values in one filter: what an IN list stays fast with, and far beyond what people pick.
const MAX_VALUES: usize = 5_000;
/// Rows or series when the query names no limit, and at most.
const DEFAULT_LIMIT: usize = 1_000;
const MAX_LIMIT: usize = 10_000;
/// Days to learn from: fewer than the detectors need are no use, more are older than their models.
const LEARNING_DAYS: std::ops::RangeInclusive<u32> = 10..=90;
const DEFAULT_LEARNING_DAYS: u32 = 30;
/// Lots that are compared when the query names neither lots nor a number, and at most.
const DEFAULT_LOTS: usize = 10;
const MAX_LOTS: usize = 200;

/// Parses the JSON of one Grafana target.
///
/// # Errors
/// [`ModelError`], whose text says what to change.
pub fn parse(json: &[u8]) -> Result<Query, ModelError> {
    validate(serde_json::from_slice(json)?)
}

/// Checks a saved query.
///
/// # Errors
/// [`ModelError`], whose text says what to change.
pub fn validate(saved: SavedQuery) -> Result<Query, ModelError> {
    if saved.version > saved::VERSION {
        return Err(ModelError::Version(saved.version));
    }
    let filter = |field, list: Vec<String>| match list.len() {
        count if count > MAX_VALUES => {
            Err(ModelError::TooManyValues { field, count, max: MAX_VALUES })
        }
        _ => Ok(Filter::from_list(list)),
    };
    let query = Query {
        kind: saved.kind,
        place: Place {
            plants: filter("plants", saved.place.plants)?,
            lines: filter("lines", saved.place.lines)?,
            machines: filter("machines", saved.place.machines)?,
            sensors: filter("sensors", saved.place.sensors)?,
            quantity: Some(saved.place.quantity).filter(|q| !q.is_empty() && q != "*"),
        },
        context: Context {
            references: filter("references", saved.context.references)?,
            lots: filter("lots", saved.context.lots)?,
            operators: filter("operators", saved.context.operators)?,
            shifts: filter("shifts", saved.context.shifts)?,
            states: filter("states", saved.context.states)?,
            rules: Vec::new(),
        },
        aggregate: saved.aggregate,
        kpis: if saved.kpis.is_empty() { Kpi::USUAL.to_vec() } else { saved.kpis },
        group_by: saved.group_by,
        bucket: saved.bucket.parse()?,
        format: saved.format,
        learning_days: match saved.learning_days {
            0 => DEFAULT_LEARNING_DAYS,
            days if LEARNING_DAYS.contains(&days) => days,
            days => return Err(ModelError::LearningDays(days)),
        },
        limit: match saved.limit {
            0 => DEFAULT_LIMIT,
            n => (n as usize).min(MAX_LIMIT),
        },
        align: saved.align,
        last_lots: match saved.last_lots {
            0 => DEFAULT_LOTS,
            n => (n as usize).min(MAX_LOTS),
        },
        extremes: saved.extremes,
        fill: saved.fill,
        compare: saved.compare,
        compare_lots: filter("compareLots", saved.compare_lots)?,
        top: Some(saved.top as usize).filter(|n| *n > 0),
        filters: saved.filters,
    };
    check_group(&query)?;
    check_time(&query)?;
    check_comparison(&query)?;
    Rules::new(&query.filters)?;
    if query.kind == QueryType::Lots
        && !matches!(query.bucket, Bucket::Auto | Bucket::Hour | Bucket::Width(_))
    {
        return Err(ModelError::Steps(query.bucket));
    }
    let refuse = |kind| Err(ModelError::Format { kind, format: query.format.as_str() });
    match (query.kind, query.format) {
        (QueryType::Runs | QueryType::States, Format::Silent | Format::Alert | Format::Score) => {
            refuse(query.kind.as_str())
        }
        (QueryType::DataQuality, Format::Annotations | Format::Score) => refuse("data_quality"),
        (QueryType::Anomalies, Format::Silent) => refuse("anomalies"),
        _ => Ok(query),
    }
}

fn check_group(query: &Query) -> Result<(), ModelError> {
    let group = query.group_by;
    match (query.kind, group) {
        (QueryType::Kpi, GroupBy::Sensor) => {
            Err(ModelError::Group { kind: "kpi", group: group.as_str() })
        }
        (QueryType::Lots, GroupBy::None | GroupBy::Line | GroupBy::Machine | GroupBy::Sensor) => {
            Ok(())
        }
        (QueryType::Lots, _) => Err(ModelError::Group { kind: "lots", group: group.as_str() }),
        (QueryType::States, GroupBy::None | GroupBy::Machine) => Ok(()),
        (QueryType::States, group) if !group.is_context() => {
            Err(ModelError::Group { kind: "states", group: group.as_str() })
        }
        _ => Ok(()),
    }
}

/// Lots have no common time axis, so only tables compare them.
fn check_comparison(query: &Query) -> Result<(), ModelError> {
    if query.compare != Compare::Lots {
        return Ok(());
    }
    match (query.kind, query.bucket) {
        (QueryType::Kpi, Bucket::Auto | Bucket::Whole) if query.compare_lots == Filter::All => {
            Err(ModelError::NoLots)
        }
        (QueryType::Kpi, Bucket::Auto | Bucket::Whole) => Ok(()),
        _ => Err(ModelError::LotsOverTime),
    }
}

/// Only these types of query know shifts and states.
fn check_time(query: &Query) -> Result<(), ModelError> {
    for state in query.context.states.keys().unwrap_or_default() {
        state.parse::<MachineState>()?;
    }
    match query.kind {
        QueryType::Series | QueryType::Kpi => Ok(()),
        QueryType::States if query.context.shifts == Filter::All => Ok(()),
        _ if !query.context.narrows_time() => Ok(()),
        kind => Err(ModelError::Time { kind: kind.as_str() }),
    }
}

#[cfg(test)]
mod tests;
