// The saved query, version 1. The Rust crate owns this model (src/model).

export type QueryType = 'series' | 'kpi' | 'runs' | 'latest';

export type Kpi = 'energy' | 'energy_per_good_unit' | 'good_units' | 'scrap_units' | 'mean_temperature';

export type GroupBy = 'none' | 'plant' | 'line' | 'machine' | 'sensor' | 'reference' | 'lot' | 'operator';

export type Aggregate = 'mean' | 'min' | 'max' | 'first' | 'last' | 'count' | 'sum';

export type Bucket = string;

export interface Place {
  plants: string[];
  lines: string[];
  machines: string[];
  sensors: string[];
  quantity: string;
}

export interface Context {
  references: string[];
  lots: string[];
  operators: string[];
}

export type RunsFormat = 'table' | 'annotations';

export interface LotwiseModel {
  version: 1;
  type: QueryType;
  place: Place;
  context: Context;
  aggregate: Aggregate;
  kpis: Kpi[];
  groupBy: GroupBy;
  bucket: Bucket;
  format: RunsFormat;
  limit: number;
}
