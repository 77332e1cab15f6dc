// Generated from src/model/saved.rs by `just bless`. Do not edit.

export const MODEL_VERSION = 1;

export type QueryType = "series" | "kpi" | "runs" | "latest" | "data_quality" | "anomalies" | "lots" | "states";

export type Kpi = "energy" | "energy_per_good_unit" | "cost" | "cost_per_good_unit" | "co2" | "co2_per_good_unit" | "co2_market_based" | "good_units" | "scrap_units" | "mean_temperature" | "availability" | "machine_hours";

export type GroupBy = "none" | "plant" | "line" | "machine" | "sensor" | "reference" | "lot" | "operator" | "shift" | "state";

export type Aggregate = "mean" | "min" | "max" | "first" | "last" | "count" | "sum";

export type Format = "table" | "annotations" | "silent" | "alert" | "score";

export type Align = "elapsed" | "progress" | "time";

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
 * Days before the time range from which is learned what is usual (anomalies); 0 is the default of
 * 30.
 */
learningDays: number, 
/**
 * Most rows or series; 0 is the default of 1,000.
 */
limit: number, 
/**
 * What the curves of lots have in common (lots).
 */
align: Align, 
/**
 * How many of the newest lots, where none is named (lots); 0 is 10.
 */
lastLots: number, 
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
 * How many groups with the most of the first KPI are shown, the others as one (kpi); 0 is all.
 */
top: number, 
/**
 * Ad hoc filters of the dashboard.
 */
filters: Array<Rule>, };
