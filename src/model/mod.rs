//! What a saved query says: a selection, never SQL.
//!
//! [`saved`] is the JSON contract (version 1), [`Query`] is what later stages accept: parsed once,
//! every text a type. Knows neither the database nor Grafana's services.

mod rule;
pub mod saved;

use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Serialize};

use crate::domain::{Bucket, Language, MachineState};
pub use rule::Rules;
pub use saved::{
    Aggregate, AlertOn, Align, Compare, Fill, FilterKey, FilterOp, Format, GroupBy, Kpi, LearnFrom,
    QueryType, Rule, SavedQuery, SpcChart, SpcRules, SpcSubject,
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
    /// What is compared with what (baseline, spc).
    pub baseline: Baseline,
    /// What a control chart shows (spc).
    pub spc: Spc,
    /// Which lots a golden one is learned from.
    pub golden: GoldenFrom,
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
    /// Language of what is said in words.
    pub language: Language,
}

/// The validated form of [`saved::Spc`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Spc {
    /// What its points are.
    pub subject: SpcSubject,
    /// Kind of chart.
    pub chart: SpcChart,
    /// Rules of a chart of individuals.
    pub rules: SpcRules,
}

/// The validated form of [`saved::Baseline`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Baseline {
    /// First and last day of the baseline period on the plant's clock; `None` for the days before the
    /// time range.
    pub period: Option<(NaiveDate, NaiveDate)>,
    /// Keys of the drivers.
    pub drivers: Vec<String>,
    /// The number of the format `alert`.
    pub alert_on: AlertOn,
}

impl Query {
    /// The same question in the shape that alert rules can read: numbers that labels tell apart.
    #[must_use]
    pub fn for_alert(mut self) -> Self {
        self.format = match (self.kind, self.format) {
            (
                QueryType::Kpi | QueryType::Latest | QueryType::DataQuality | QueryType::Demand,
                _,
            ) => Format::Alert,
            (
                QueryType::Anomalies | QueryType::AbnormalRuns | QueryType::Golden,
                Format::Table | Format::Annotations,
            ) => Format::Alert,
            (QueryType::Baseline, Format::Table | Format::Model | Format::Uses) => Format::Alert,
            (QueryType::Spc, Format::Table | Format::Annotations) => Format::Alert,
            (_, format) => format,
        };
        // A rule compares with a threshold, and reads one value a series.
        (self.compare, self.extremes) = (Compare::None, false);
        self
    }
}

/// Which lots a golden one is learned from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GoldenFrom {
    /// All good ones.
    Good,
    /// So many per cent of the good ones, those with least energy per good unit.
    BestPercent(u32),
    /// So many of the good ones, those with least energy per good unit.
    BestLots(u32),
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
        "curves of lots count from the start of each lot, which has no {0} of the calendar: choose auto or a width such as 5m"
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
    /// A value that no text of the database can be.
    #[error("a value of the filter {0} has a NUL character, which no key has: remove it")]
    Nul(&'static str),
    /// Readings as they are, of what has more than one sensor.
    #[error(
        "readings as they are have no group: choose series by sensor, without grouping, or an aggregate such as mean"
    )]
    RawGroup,
    /// A grouping whose rows are of the whole range.
    #[error(
        "baseline queries are grouped by {group} in tables only: choose the format table, or another grouping"
    )]
    TableOnly {
        /// The grouping.
        group: &'static str,
    },
    /// A grouping that this query type does not have.
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
    /// A share or number of best lots that says nothing.
    #[error(
        "{0} best lots are not possible: choose {least} to {MAX_LOTS} lots, or 1 to 100 per cent",
        least = crate::analytics::golden::FEWEST_RUNS
    )]
    BestLots(String),
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
/// Drivers of a baseline: each wants about ten days of its own.
const MAX_DRIVERS: usize = 5;

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
        _ if list.iter().any(|value| value.contains('\0')) => Err(ModelError::Nul(field)),
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
        baseline: baseline(saved.baseline)?,
        spc: Spc { subject: saved.spc.subject, chart: saved.spc.chart, rules: saved.spc.rules },
        golden: golden_from(saved.learn_from, saved.best_percent, saved.best_lots)?,
        extremes: saved.extremes,
        fill: saved.fill,
        compare: saved.compare,
        compare_lots: filter("compareLots", saved.compare_lots)?,
        top: Some(saved.top as usize).filter(|n| *n > 0),
        filters: saved.filters,
        language: saved.language.unwrap_or_default(),
    };
    check_group(&query)?;
    check_time(&query)?;
    check_comparison(&query)?;
    Rules::new(&query.filters)?;
    if matches!(query.kind, QueryType::Lots | QueryType::Golden)
        && !matches!(query.bucket, Bucket::Auto | Bucket::Hour | Bucket::Width(_))
    {
        return Err(ModelError::Steps(query.bucket));
    }
    match formats(query.kind) {
        Some((kind, formats)) if !formats.contains(&query.format) => {
            Err(ModelError::Format { kind, format: query.format.as_str() })
        }
        _ => Ok(query),
    }
}

fn baseline(saved: saved::Baseline) -> Result<Baseline, ModelError> {
    let saved::Baseline { from, to, drivers, alert_on } = saved;
    let drivers: Vec<String> = drivers.into_iter().filter(|key| !key.is_empty()).collect();
    if drivers.len() > MAX_DRIVERS {
        return Err(ModelError::Drivers(drivers.len()));
    }
    let period = match (from.trim(), to.trim()) {
        ("", "") => None,
        (first, last) => match (first.parse::<NaiveDate>(), last.parse::<NaiveDate>()) {
            (Ok(first), Ok(last))
                if first <= last
                    && YEARS.contains(&first.year())
                    && YEARS.contains(&last.year()) =>
            {
                Some((first, last))
            }
            _ => return Err(ModelError::Period { from, to }),
        },
    };
    Ok(Baseline { period, drivers, alert_on })
}

/// Years of a baseline period: those of time ranges.
const YEARS: std::ops::Range<i32> = 1900..2200;
/// The formats that a type of query has, with its name; `None` where the format says nothing.
fn formats(kind: QueryType) -> Option<(&'static str, &'static [Format])> {
    use Format::{
        Alert, Annotations, Curves, Deviation, Model, Score, Series, Silent, Table, Uses,
    };
    match kind {
        QueryType::Runs => Some(("runs", &[Table, Annotations])),
        QueryType::States => Some(("states", &[Table, Annotations])),
        QueryType::DataQuality => Some(("data_quality", &[Table, Silent, Alert])),
        QueryType::Anomalies => Some(("anomalies", &[Table, Annotations, Score, Alert])),
        QueryType::AbnormalRuns => Some(("abnormal_runs", &[Table, Annotations, Score, Alert])),
        QueryType::Golden => Some(("golden", &[Table, Curves, Deviation, Annotations, Alert])),
        QueryType::Baseline => Some(("baseline", &[Table, Series, Uses, Model, Alert])),
        QueryType::Spc => Some(("spc", &[Table, Series, Annotations, Alert])),
        QueryType::Demand => Some(("demand", &[Table, Series, Alert])),
        _ => None,
    }
}

/// Best lots when the query names neither share nor number, in per cent.
const DEFAULT_BEST_PERCENT: u32 = 25;

fn golden_from(from: LearnFrom, percent: u32, lots: u32) -> Result<GoldenFrom, ModelError> {
    let least = crate::analytics::golden::FEWEST_RUNS as u32;
    match (from, percent, lots) {
        (LearnFrom::Good, ..) => Ok(GoldenFrom::Good),
        (_, 0, 0) => Ok(GoldenFrom::BestPercent(DEFAULT_BEST_PERCENT)),
        (_, 1..=100, 0) => Ok(GoldenFrom::BestPercent(percent)),
        (_, _, 0) => Err(ModelError::BestLots(format!("{percent} % of the lots as"))),
        (_, _, lots) if lots >= least && lots as usize <= MAX_LOTS => {
            Ok(GoldenFrom::BestLots(lots))
        }
        (_, _, lots) => Err(ModelError::BestLots(lots.to_string())),
    }
}

fn check_group(query: &Query) -> Result<(), ModelError> {
    let group = query.group_by;
    if query.aggregate == Aggregate::Raw {
        match (query.kind, group) {
            (QueryType::Series, GroupBy::None | GroupBy::Sensor) => {}
            (QueryType::Series | QueryType::Lots, _) => return Err(ModelError::RawGroup),
            _ => {}
        }
    }
    match (query.kind, group) {
        (QueryType::Series, GroupBy::TariffPeriod) => {
            Err(ModelError::Group { kind: "series", group: group.as_str() })
        }
        (QueryType::Kpi, GroupBy::Sensor) => {
            Err(ModelError::Group { kind: "kpi", group: group.as_str() })
        }
        (QueryType::Lots, GroupBy::None | GroupBy::Line | GroupBy::Machine | GroupBy::Sensor) => {
            Ok(())
        }
        (
            QueryType::Baseline,
            GroupBy::None | GroupBy::Plant | GroupBy::Line | GroupBy::Machine,
        ) => Ok(()),
        // What is being made changes within a bucket: rows of the whole range.
        (QueryType::Baseline, GroupBy::Reference | GroupBy::Lot)
            if query.format == Format::Table =>
        {
            Ok(())
        }
        (QueryType::Spc | QueryType::Demand, GroupBy::None) => Ok(()),
        (QueryType::Demand, _) => Err(ModelError::Group { kind: "demand", group: group.as_str() }),
        (QueryType::Spc, _) => Err(ModelError::Group { kind: "spc", group: group.as_str() }),
        (QueryType::Baseline, GroupBy::Reference | GroupBy::Lot) => {
            Err(ModelError::TableOnly { group: group.as_str() })
        }
        (QueryType::Baseline, _) => {
            Err(ModelError::Group { kind: "baseline", group: group.as_str() })
        }
        (QueryType::Golden, GroupBy::None | GroupBy::Sensor) => Ok(()),
        (QueryType::Golden, _) => Err(ModelError::Group { kind: "golden", group: group.as_str() }),
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
