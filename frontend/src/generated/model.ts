// Generated from src/model/saved.rs by `just bless`. Do not edit.

export const MODEL_VERSION = 1;

export type QueryType = "series" | "kpi" | "runs" | "latest" | "data_quality" | "anomalies" | "lots" | "golden" | "abnormal_runs" | "states" | "baseline" | "spc" | "demand";

export type Kpi = "energy" | "energy_per_good_unit" | "cost" | "cost_per_good_unit" | "co2" | "co2_per_good_unit" | "co2_market_based" | "good_units" | "scrap_units" | "mean_temperature" | "availability" | "machine_hours";

export type GroupBy = "none" | "plant" | "line" | "machine" | "sensor" | "reference" | "lot" | "operator" | "shift" | "state" | "tariff_period";

export type Aggregate = "mean" | "min" | "max" | "first" | "last" | "count" | "sum" | "raw";

export type Format = "table" | "annotations" | "silent" | "alert" | "score" | "series" | "model" | "uses" | "curves" | "deviation";

export type Align = "elapsed" | "progress" | "time";

export type AlertOn = "drift" | "deviation_percent" | "deviation";

export type Baseline = { 
/**
 * First day of the baseline period, `YYYY-MM-DD` on the plant's clock; empty for `learningDays`
 * days before the time range.
 */
from: string, 
/**
 * Last day of it.
 */
to: string, 
/**
 * Keys of sensors, beside production, on which the energy depends, such as an outdoor
 * thermometer.
 */
drivers: Array<string>, 
/**
 * The number of the format `alert`.
 */
alertOn: AlertOn, };

export type SpcSubject = "run" | "lot" | "sensor";

export type SpcChart = "individuals" | "ewma";

export type SpcRules = "nelson" | "western_electric" | "limits";

export type Spc = { 
/**
 * What its points are.
 */
subject: SpcSubject, 
/**
 * Kind of chart.
 */
chart: SpcChart, 
/**
 * Rules of a chart of individuals.
 */
rules: SpcRules, };

export type LearnFrom = "good" | "best";

export type Fill = "none" | "previous" | "zero";

export type FilterKey = "plant" | "line" | "machine" | "sensor" | "quantity" | "reference" | "lot" | "operator" | "shift" | "state";

export type FilterOp = "is" | "is_not" | "matches" | "matches_not";

export type Rule = { 
/**
 * What it is about.
 */
key: FilterKey, 
/**
 * How it compares.
 */
op: FilterOp, 
/**
 * What with; without any, everything passes.
 */
values: Array<string>, };

export type Compare = "none" | "previous" | "day" | "week" | "month" | "year" | "lots";

export type Place = { 
/**
 * Plant keys.
 */
plants: Array<string>, 
/**
 * Line keys.
 */
lines: Array<string>, 
/**
 * Machine keys.
 */
machines: Array<string>, 
/**
 * Sensor keys.
 */
sensors: Array<string>, 
/**
 * Quantity of the sensors, such as `temperature`; empty is any.
 */
quantity: string, };

export type Context = { 
/**
 * Reference keys.
 */
references: Array<string>, 
/**
 * Lot keys.
 */
lots: Array<string>, 
/**
 * Operator keys.
 */
operators: Array<string>, 
/**
 * Shift keys (series, kpi).
 */
shifts: Array<string>, 
/**
 * States of machines: `running`, `idle`, `setup`, `stopped`, `off` (series, kpi).
 */
states: Array<string>, };

export type Language = "en" | "es";

export type LotwiseModel = { 
/**
 * Version of this form.
 */
version: number, 
/**
 * Kind of answer.
 */
type: QueryType, 
/**
 * Where to look.
 */
place: Place, 
/**
 * What was being made.
 */
context: Context, 
/**
 * How the readings of a bucket become one value (series).
 */
aggregate: Aggregate, 
/**
 * Figures of a KPI query; empty is energy, units, their ratio and temperature.
 */
kpis: Array<Kpi>, 
/**
 * What the answer is split by.
 */
groupBy: GroupBy, 
/**
 * `auto`, `whole`, a width such as `5m`, or `hour`, `shift`, `day`, `week`, `month` of the plant.
 */
bucket: string, 
/**
 * Shape of an answer (all but series and lots).
 */
format: Format, 
/**
 * Days before the time range from which is learned what is usual (anomalies, golden,
 * abnormal_runs, baseline, spc); 0 is the default of 30.
 */
learningDays: number, 
/**
 * Most rows or series; 0 is the default of 1,000.
 */
limit: number, 
/**
 * What the curves of lots have in common (lots, golden).
 */
align: Align, 
/**
 * How many of the newest lots, where none is named (lots), or how many curves (golden); 0 is 10.
 */
lastLots: number, 
/**
 * What is compared with what (baseline, spc).
 */
baseline: Baseline, 
/**
 * What a control chart shows (spc).
 */
spc: Spc, 
/**
 * Which lots a golden one is learned from (golden).
 */
learnFrom: LearnFrom, 
/**
 * Share of the lots that are the best, in per cent (golden); 0 is 25.
 */
bestPercent: number, 
/**
 * Number of lots that are the best, at least 5 (golden); 0: by share.
 */
bestLots: number, 
/**
 * True: the least and the greatest reading of each bucket as a band around the mean (series).
 */
extremes: boolean, 
/**
 * What stands in a bucket without data (series, KPIs over time).
 */
fill: Fill, 
/**
 * What figures are compared with (series, kpi).
 */
compare: Compare, 
/**
 * Lots that are compared with, where `compare` is `lots`.
 */
compareLots: Array<string>, 
/**
 * How many groups with the most of the first KPI are shown, the others as one (kpi), or how many
 * series with the highest mean (series); 0 is all.
 */
top: number, 
/**
 * Ad hoc filters of the dashboard.
 */
filters: Array<Rule>, 
/**
 * Language of what is said in words: reasons, titles, names that are not the data's. Without one,
 * that of whoever looks, and English where nobody does (alert rules).
 */
language?: Language, };
