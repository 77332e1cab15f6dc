//! The JSON of a saved query, version 1. The front end's types are generated from here.

use serde::{Deserialize, Serialize};

use crate::domain::{Language, Words};

/// Newest version of the saved form.
pub const VERSION: u32 = 1;

/// Kind of answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum QueryType {
    /// Sensor values over time.
    Series,
    /// Energy, units and ratios per group, or over time.
    #[default]
    Kpi,
    /// Production runs, as a table or as annotations.
    Runs,
    /// The newest value of each sensor.
    Latest,
    /// When each sensor was last heard of, and whether it is silent.
    DataQuality,
    /// What was abnormal, what it cost, and why.
    Anomalies,
    /// Curves of lots, one upon the other.
    Lots,
    /// How far lots are from the golden one of their reference.
    Golden,
    /// Runs whose figures as a whole are unusual for their reference.
    AbnormalRuns,
    /// What state each machine was in, or what was made on each line, over time.
    States,
    /// What production should have used, and how far the meters are from it.
    Baseline,
    /// Control charts of runs, lots or sensors.
    Spc,
    /// Demand of plants in quarters of an hour, against the contracted power.
    Demand,
}

impl QueryType {
    /// Name in the saved form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Series => "series",
            Self::Kpi => "kpi",
            Self::Runs => "runs",
            Self::Latest => "latest",
            Self::DataQuality => "data_quality",
            Self::Anomalies => "anomalies",
            Self::Lots => "lots",
            Self::Baseline => "baseline",
            Self::Spc => "spc",
            Self::Demand => "demand",
            Self::States => "states",
            Self::Golden => "golden",
            Self::AbnormalRuns => "abnormal_runs",
        }
    }
}

/// A figure of a KPI query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Kpi {
    /// Electrical energy, kWh.
    Energy,
    /// Total energy over total good units, kWh per unit.
    EnergyPerGoodUnit,
    /// Cost of the energy, in the plant's currency.
    Cost,
    /// Total cost over total good units, currency per unit.
    CostPerGoodUnit,
    /// Emissions of the energy by the mean of the grid, kg CO2.
    Co2,
    /// Total emissions over total good units, kg CO2 per unit.
    Co2PerGoodUnit,
    /// Emissions of the energy by its contract, kg CO2.
    Co2MarketBased,
    /// Good units made.
    GoodUnits,
    /// Units scrapped.
    ScrapUnits,
    /// Time-weighted mean temperature, degrees Celsius.
    MeanTemperature,
    /// Running time of the machines over the time in which they are not switched off, 0 to 1.
    Availability,
    /// Time of the machines with a known state, hours.
    MachineHours,
}

impl Kpi {
    /// What a query that names none shows: all that needs neither tariffs nor factors.
    pub const USUAL: [Self; 5] = [
        Self::Energy,
        Self::EnergyPerGoodUnit,
        Self::GoodUnits,
        Self::ScrapUnits,
        Self::MeanTemperature,
    ];

    /// Column name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Energy => "energy",
            Self::EnergyPerGoodUnit => "energy_per_good_unit",
            Self::Cost => "cost",
            Self::CostPerGoodUnit => "cost_per_good_unit",
            Self::Co2 => "co2",
            Self::Co2PerGoodUnit => "co2_per_good_unit",
            Self::Co2MarketBased => "co2_market_based",
            Self::GoodUnits => "good_units",
            Self::ScrapUnits => "scrap_units",
            Self::MeanTemperature => "mean_temperature",
            Self::Availability => "availability",
            Self::MachineHours => "machine_hours",
        }
    }

    /// True for what is made of the energy of meters.
    pub fn needs_energy(self) -> bool {
        matches!(self, Self::Energy | Self::EnergyPerGoodUnit) || self.needs_rates()
    }

    /// True for what needs tariffs or emission factors too.
    pub fn needs_rates(self) -> bool {
        self.is_money() || matches!(self, Self::Co2 | Self::Co2PerGoodUnit | Self::Co2MarketBased)
    }

    /// True for what is made of the states of machines.
    pub fn needs_states(self) -> bool {
        matches!(self, Self::Availability | Self::MachineHours)
    }

    /// True for what is made of the units of runs.
    pub fn needs_units(self) -> bool {
        match self {
            Self::GoodUnits | Self::ScrapUnits => true,
            Self::EnergyPerGoodUnit | Self::CostPerGoodUnit | Self::Co2PerGoodUnit => true,
            Self::Energy | Self::Cost | Self::Co2 | Self::Co2MarketBased => false,
            Self::MeanTemperature | Self::Availability | Self::MachineHours => false,
        }
    }

    /// True for amounts of money.
    pub fn is_money(self) -> bool {
        matches!(self, Self::Cost | Self::CostPerGoodUnit)
    }

    /// True for amounts, of which there can be none in a time.
    pub fn is_amount(self) -> bool {
        match self {
            Self::GoodUnits | Self::ScrapUnits | Self::MachineHours => true,
            other => other.is_balanced(),
        }
    }

    /// True for what parts of a place add up to the place in.
    pub fn is_balanced(self) -> bool {
        matches!(self, Self::Energy | Self::Cost | Self::Co2 | Self::Co2MarketBased)
    }
}

/// What an answer is split by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum GroupBy {
    /// One figure for the whole selection; a series query still has one series per sensor.
    #[default]
    None,
    /// By plant.
    Plant,
    /// By line.
    Line,
    /// By machine.
    Machine,
    /// By sensor (series only).
    Sensor,
    /// By reference.
    Reference,
    /// By lot.
    Lot,
    /// By operator.
    Operator,
    /// By shift, all days of a shift together.
    Shift,
    /// By state of the machine.
    State,
    /// By period of the electricity tariff, all days of a period together (KPI only).
    TariffPeriod,
}

impl GroupBy {
    /// Column and label name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Plant => "plant",
            Self::Line => "line",
            Self::Machine => "machine",
            Self::Sensor => "sensor",
            Self::Reference => "reference",
            Self::Lot => "lot",
            Self::Operator => "operator",
            Self::Shift => "shift",
            Self::State => "state",
            Self::TariffPeriod => "tariff_period",
        }
    }

    /// True for the groupings that runs carry.
    pub fn is_context(self) -> bool {
        matches!(self, Self::Reference | Self::Lot | Self::Operator)
    }
}

/// How the readings of a bucket become one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Aggregate {
    /// Time-weighted mean over the covered time; for a counter or delta, the amount.
    #[default]
    Mean,
    /// Least reading.
    Min,
    /// Greatest reading.
    Max,
    /// Earliest reading.
    First,
    /// Newest reading.
    Last,
    /// Number of readings.
    Count,
    /// Amount of a counter or delta; for a power, its integral in kWh.
    Sum,
    /// No value of a bucket: the readings as they are (series of single sensors).
    Raw,
}

/// Shape of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// One row a run, sensor or event, with its figures.
    #[default]
    Table,
    /// Time, timeEnd, title, text and tags, as Grafana's annotations want them (runs, states,
    /// anomalies, spc).
    Annotations,
    /// Only the silent sensors (data quality).
    Silent,
    /// One number for alert rules: 1 for a sensor that is silent, else 0 (data quality); the events of
    /// a machine that are not over (anomalies); each figure of a table with its labels (KPIs, latest).
    Alert,
    /// How abnormal each machine, or each of its runs, was over time; 1 is the limit (anomalies,
    /// abnormal_runs).
    Score,
    /// Time series (baseline, spc).
    Series,
    /// The coefficients of the model, and how good it is (baseline).
    Model,
    /// What the energy was used for: production, base load, standby, and nothing made (baseline).
    Uses,
    /// The golden band with each lot's curve (golden).
    Curves,
    /// How far each lot was from the golden curve over its time (golden).
    Deviation,
}

impl Format {
    /// Name in the saved form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Annotations => "annotations",
            Self::Silent => "silent",
            Self::Alert => "alert",
            Self::Score => "score",
            Self::Series => "series",
            Self::Model => "model",
            Self::Uses => "uses",
            Self::Curves => "curves",
            Self::Deviation => "deviation",
        }
    }
}

/// What the curves of several lots have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Align {
    /// Seconds since the lot's first run began.
    #[default]
    Elapsed,
    /// Share of the time from the start of the lot's first run to the end of its last, 0 to 1.
    Progress,
    /// Elapsed time, shown as time series that begin where the time range does.
    Time,
}

/// The number of a baseline that alert rules compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum AlertOn {
    /// The CUSUM as a share of its limit: 1 is a lasting change.
    #[default]
    Drift,
    /// Energy beyond the expected, in percent of the expected, over the time range.
    DeviationPercent,
    /// Energy beyond the expected, kWh, over the time range.
    Deviation,
}

/// What is compared with what (baseline).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(default, rename_all = "camelCase")]
pub struct Baseline {
    /// First day of the baseline period, `YYYY-MM-DD` on the plant's clock; empty for `learningDays`
    /// days before the time range.
    pub from: String,
    /// Last day of it.
    pub to: String,
    /// Keys of sensors, beside production, on which the energy depends, such as an outdoor
    /// thermometer.
    pub drivers: Vec<String>,
    /// The number of the format `alert`.
    pub alert_on: AlertOn,
}

/// What the points of a control chart are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum SpcSubject {
    /// KPIs of runs that are over.
    #[default]
    Run,
    /// KPIs of lots that are over.
    Lot,
    /// Values of sensors by bucket.
    Sensor,
}

/// Kind of control chart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum SpcChart {
    /// Each value against limits from the moving range.
    #[default]
    Individuals,
    /// Exponentially weighted moving average: small, lasting shifts.
    Ewma,
}

/// The rules of a chart of individuals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum SpcRules {
    /// Nelson's eight.
    #[default]
    Nelson,
    /// The four of Western Electric.
    WesternElectric,
    /// Only points beyond the control limits.
    Limits,
}

/// What a control chart shows (spc).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(default)]
pub struct Spc {
    /// What its points are.
    pub subject: SpcSubject,
    /// Kind of chart.
    pub chart: SpcChart,
    /// Rules of a chart of individuals.
    pub rules: SpcRules,
}

/// Which lots a golden one is learned from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum LearnFrom {
    /// All good lots of the reference.
    #[default]
    Good,
    /// Those of them with least energy per good unit.
    Best,
}

/// What stands in a bucket without data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Fill {
    /// Nothing: a gap.
    #[default]
    None,
    /// The value before it.
    Previous,
    /// Zero; of amounts only.
    Zero,
}

/// What figures are compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum Compare {
    /// Nothing.
    #[default]
    None,
    /// The time range before, of the same length.
    Previous,
    /// The same time range a day earlier on the plant's clock.
    Day,
    /// A week earlier.
    Week,
    /// A month earlier.
    Month,
    /// A year earlier.
    Year,
    /// Other lots, whenever they were made (KPI tables).
    Lots,
}

impl Compare {
    /// Words for what is compared with.
    pub fn words(self, language: Language) -> &'static str {
        match self {
            Self::None => language.pick("now", "ahora"),
            Self::Previous => language.pick("previous period", "periodo anterior"),
            Self::Day => language.pick("a day earlier", "un día antes"),
            Self::Week => language.pick("a week earlier", "una semana antes"),
            Self::Month => language.pick("a month earlier", "un mes antes"),
            Self::Year => language.pick("a year earlier", "un año antes"),
            Self::Lots => language.pick("other lots", "otros lotes"),
        }
    }
}

/// Where to look. A list that is empty or holds `*` means all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(default)]
pub struct Place {
    /// Plant keys.
    pub plants: Vec<String>,
    /// Line keys.
    pub lines: Vec<String>,
    /// Machine keys.
    pub machines: Vec<String>,
    /// Sensor keys.
    pub sensors: Vec<String>,
    /// Quantity of the sensors, such as `temperature`; empty is any.
    pub quantity: String,
}

/// What was being made, and when. A list that is empty or holds `*` means all.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(default)]
pub struct Context {
    /// Reference keys.
    pub references: Vec<String>,
    /// Lot keys.
    pub lots: Vec<String>,
    /// Operator keys.
    pub operators: Vec<String>,
    /// Shift keys (series, kpi).
    pub shifts: Vec<String>,
    /// States of machines: `running`, `idle`, `setup`, `stopped`, `off` (series, kpi).
    pub states: Vec<String>,
}

/// What a rule is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum FilterKey {
    /// Plants.
    Plant,
    /// Lines.
    Line,
    /// Machines.
    Machine,
    /// Sensors.
    Sensor,
    /// Quantities of sensors.
    Quantity,
    /// References.
    Reference,
    /// Lots.
    Lot,
    /// Operators.
    Operator,
    /// Shifts.
    Shift,
    /// States of machines.
    State,
}

impl FilterKey {
    /// Name in the saved form.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plant => "plant",
            Self::Line => "line",
            Self::Machine => "machine",
            Self::Sensor => "sensor",
            Self::Quantity => "quantity",
            Self::Reference => "reference",
            Self::Lot => "lot",
            Self::Operator => "operator",
            Self::Shift => "shift",
            Self::State => "state",
        }
    }

    /// The same for people.
    pub fn words(self) -> Words {
        let spanish = match self {
            Self::Plant => "planta",
            Self::Line => "línea",
            Self::Machine => "máquina",
            Self::Sensor => "sensor",
            Self::Quantity => "magnitud",
            Self::Reference => "referencia",
            Self::Lot => "lote",
            Self::Operator => "operario",
            Self::Shift => "turno",
            Self::State => "estado",
        };
        [self.as_str(), spanish]
    }
}

/// How a rule compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "snake_case")]
pub enum FilterOp {
    /// One of the values.
    Is,
    /// None of the values.
    IsNot,
    /// One of the values, as regular expressions, is found in it.
    Matches,
    /// None of them is.
    MatchesNot,
}

/// A filter of a dashboard upon that of the query: both must hold.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Rule {
    /// What it is about.
    pub key: FilterKey,
    /// How it compares.
    pub op: FilterOp,
    /// What with; without any, everything passes.
    pub values: Vec<String>,
}

/// One saved query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[cfg_attr(test, ts(rename = "LotwiseModel"))]
#[serde(default, rename_all = "camelCase")]
pub struct SavedQuery {
    /// Version of this form.
    pub version: u32,
    /// Kind of answer.
    #[serde(rename = "type")]
    pub kind: QueryType,
    /// Where to look.
    pub place: Place,
    /// What was being made.
    pub context: Context,
    /// How the readings of a bucket become one value (series).
    pub aggregate: Aggregate,
    /// Figures of a KPI query; empty is energy, units, their ratio and temperature.
    pub kpis: Vec<Kpi>,
    /// What the answer is split by.
    pub group_by: GroupBy,
    /// `auto`, `whole`, a width such as `5m`, or `hour`, `shift`, `day`, `week`, `month` of the plant.
    pub bucket: String,
    /// Shape of an answer (all but series and lots).
    pub format: Format,
    /// Days before the time range from which is learned what is usual (anomalies, golden,
    /// abnormal_runs, baseline, spc); 0 is the default of 30.
    pub learning_days: u32,
    /// Most rows or series; 0 is the default of 1,000.
    pub limit: u32,
    /// What the curves of lots have in common (lots, golden).
    pub align: Align,
    /// How many of the newest lots, where none is named (lots), or how many curves (golden); 0 is 10.
    pub last_lots: u32,
    /// What is compared with what (baseline, spc).
    pub baseline: Baseline,
    /// What a control chart shows (spc).
    pub spc: Spc,
    /// Which lots a golden one is learned from (golden).
    pub learn_from: LearnFrom,
    /// Share of the lots that are the best, in per cent (golden); 0 is 25.
    pub best_percent: u32,
    /// Number of lots that are the best, at least 5 (golden); 0: by share.
    pub best_lots: u32,
    /// True: the least and the greatest reading of each bucket as a band around the mean (series).
    pub extremes: bool,
    /// What stands in a bucket without data (series, KPIs over time).
    pub fill: Fill,
    /// What figures are compared with (series, kpi).
    pub compare: Compare,
    /// Lots that are compared with, where `compare` is `lots`.
    pub compare_lots: Vec<String>,
    /// How many groups with the most of the first KPI are shown, the others as one (kpi), or how many
    /// series with the highest mean (series); 0 is all.
    pub top: u32,
    /// Ad hoc filters of the dashboard.
    pub filters: Vec<Rule>,
    /// Language of what is said in words: reasons, titles, names that are not the data's. Without one,
    /// that of whoever looks, and English where nobody does (alert rules).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub language: Option<Language>,
}

impl Default for SavedQuery {
    fn default() -> Self {
        Self {
            version: VERSION,
            kind: QueryType::default(),
            place: Place::default(),
            context: Context::default(),
            aggregate: Aggregate::default(),
            kpis: Vec::new(),
            group_by: GroupBy::default(),
            bucket: "auto".to_owned(),
            format: Format::default(),
            learning_days: 0,
            limit: 0,
            align: Align::default(),
            last_lots: 0,
            baseline: Baseline::default(),
            spc: Spc::default(),
            learn_from: LearnFrom::default(),
            best_percent: 0,
            best_lots: 0,
            extremes: false,
            fill: Fill::default(),
            compare: Compare::default(),
            compare_lots: Vec::new(),
            top: 0,
            filters: Vec::new(),
            language: None,
        }
    }
}
