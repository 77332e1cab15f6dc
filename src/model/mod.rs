//! What a saved query says: a selection, never SQL.
//!
//! [`saved`] is the JSON contract (version 1), [`Query`] is what later stages accept: parsed once,
//! every text a type. Knows neither the database nor Grafana's services.

mod error;
mod rule;
pub mod saved;

use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Serialize};

use crate::domain::{Bucket, Language, MachineState};
pub use error::{FilterError, ModelError};
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

/// The language in which a saved query is answered, also where nothing else of it is understood.
pub fn language(json: &[u8]) -> Language {
    #[derive(Deserialize)]
    struct Spoken {
        language: Option<Language>,
    }
    serde_json::from_slice::<Spoken>(json).ok().and_then(|s| s.language).unwrap_or_default()
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
            Err(FilterError::TooManyValues { field, count, max: MAX_VALUES })
        }
        _ if list.iter().any(|value| value.contains('\0')) => Err(FilterError::Nul(field)),
        _ => Ok(Filter::from_list(list)),
    };
    let query = Query {
        kind: saved.kind,
        place: Place {
            plants: filter(["plants", "plantas"], saved.place.plants)?,
            lines: filter(["lines", "líneas"], saved.place.lines)?,
            machines: filter(["machines", "máquinas"], saved.place.machines)?,
            sensors: filter(["sensors", "sensores"], saved.place.sensors)?,
            quantity: Some(saved.place.quantity).filter(|q| !q.is_empty() && q != "*"),
        },
        context: Context {
            references: filter(["references", "referencias"], saved.context.references)?,
            lots: filter(["lots", "lotes"], saved.context.lots)?,
            operators: filter(["operators", "operarios"], saved.context.operators)?,
            shifts: filter(["shifts", "turnos"], saved.context.shifts)?,
            states: filter(["states", "estados"], saved.context.states)?,
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
        compare_lots: filter(["compareLots", "otros lotes"], saved.compare_lots)?,
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
        Some(formats) if !formats.contains(&query.format) => {
            Err(ModelError::Format { kind: query.kind, format: query.format })
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
/// The formats that a type of query has; `None` where the format says nothing.
fn formats(kind: QueryType) -> Option<&'static [Format]> {
    use Format::{
        Alert, Annotations, Curves, Deviation, Model, Score, Series, Silent, Table, Uses,
    };
    match kind {
        QueryType::Runs => Some(&[Table, Annotations]),
        QueryType::States => Some(&[Table, Annotations]),
        QueryType::DataQuality => Some(&[Table, Silent, Alert]),
        QueryType::Anomalies => Some(&[Table, Annotations, Score, Alert]),
        QueryType::AbnormalRuns => Some(&[Table, Annotations, Score, Alert]),
        QueryType::Golden => Some(&[Table, Curves, Deviation, Annotations, Alert]),
        QueryType::Baseline => Some(&[Table, Series, Uses, Model, Alert]),
        QueryType::Spc => Some(&[Table, Series, Annotations, Alert]),
        QueryType::Demand => Some(&[Table, Series, Alert]),
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
        (_, _, 0) => Err(ModelError::BestPercent(percent)),
        (_, _, lots) if lots >= least && lots as usize <= MAX_LOTS => {
            Ok(GoldenFrom::BestLots(lots))
        }
        (_, _, lots) => Err(ModelError::BestLots(lots)),
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
            Err(ModelError::Group { kind: query.kind, group })
        }
        (QueryType::Kpi, GroupBy::Sensor) => Err(ModelError::Group { kind: query.kind, group }),
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
        (QueryType::Demand, _) => Err(ModelError::Group { kind: query.kind, group }),
        (QueryType::Spc, _) => Err(ModelError::Group { kind: query.kind, group }),
        (QueryType::Baseline, GroupBy::Reference | GroupBy::Lot) => {
            Err(ModelError::TableOnly(group))
        }
        (QueryType::Baseline, _) => Err(ModelError::Group { kind: query.kind, group }),
        (QueryType::Golden, GroupBy::None | GroupBy::Sensor) => Ok(()),
        (QueryType::Golden, _) => Err(ModelError::Group { kind: query.kind, group }),
        (QueryType::Lots, _) => Err(ModelError::Group { kind: query.kind, group }),
        (QueryType::States, GroupBy::None | GroupBy::Machine) => Ok(()),
        (QueryType::States, group) if !group.is_context() => {
            Err(ModelError::Group { kind: query.kind, group })
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
        kind => Err(ModelError::Time(kind)),
    }
}

#[cfg(test)]
mod tests;
