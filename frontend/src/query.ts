import { DataQuery } from '@grafana/schema';

import { Compare, Format, GroupBy, LotwiseModel, MODEL_VERSION, QueryType } from './generated/model';
import { LotwiseQuery } from './types';

/** A saved query with every gap filled, as the editor works on it. */
export type CompleteQuery = DataQuery & LotwiseModel;

/** What the back end takes for a field that a saved query leaves out. */
export const MODEL_DEFAULTS: LotwiseModel = {
  version: MODEL_VERSION,
  type: 'kpi',
  place: { plants: [], lines: [], machines: [], sensors: [], quantity: '' },
  context: { references: [], lots: [], operators: [], shifts: [], states: [] },
  aggregate: 'mean',
  kpis: [],
  groupBy: 'none',
  bucket: 'auto',
  format: 'table',
  learningDays: 0,
  limit: 0,
  align: 'elapsed',
  lastLots: 0,
  learnFrom: 'good',
  bestPercent: 0,
  bestLots: 0,
  extremes: false,
  fill: 'none',
  compare: 'none',
  compareLots: [],
  top: 0,
  filters: [],
  baseline: { from: '', to: '', drivers: [], alertOn: 'drift' },
  spc: { subject: 'run', chart: 'individuals', rules: 'nelson' },
};

/**
 * What a new panel asks: something that every plant with a meter can answer. Spikes of its series stay visible unless
 * somebody hides them.
 */
export const NEW_QUERY: LotwiseModel = { ...MODEL_DEFAULTS, kpis: ['energy'], groupBy: 'line', extremes: true };

/** What a new annotation asks: the runs, as regions. */
export const NEW_ANNOTATION: LotwiseModel = { ...MODEL_DEFAULTS, type: 'runs', format: 'annotations' };

/** The query types that can be shown as marked regions; others become runs. */
export const ANNOTATION_TYPES: readonly QueryType[] = ['runs', 'states', 'anomalies', 'abnormal_runs', 'golden', 'spc'];

/** The query of an annotation: one of those types, as regions. */
export function asAnnotation(query: LotwiseQuery): LotwiseQuery {
  const type = ANNOTATION_TYPES.find((known) => known === query.type) ?? 'runs';
  return { ...query, type, queryType: type, format: 'annotations' };
}

/** The query types, in the order in which they are offered. */
export const QUERY_TYPES: readonly QueryType[] = [
  'series',
  'kpi',
  'lots',
  'golden',
  'runs',
  'abnormal_runs',
  'states',
  'latest',
  'data_quality',
  'anomalies',
  'baseline',
  'demand',
  'spc',
];

/** Parts of a query that only some query types use. */
export type QueryPart =
  | 'sensors'
  | 'quantity'
  | 'context'
  | 'time'
  | 'shifts'
  | 'aggregate'
  | 'kpis'
  | 'groupBy'
  | 'bucket'
  | 'format'
  | 'limit'
  | 'align'
  | 'extremes'
  | 'fill'
  | 'compare'
  | 'top'
  | 'baseline'
  | 'spc'
  | 'learningDays'
  | 'learnFrom';

const PARTS: Record<QueryType, readonly QueryPart[]> = {
  series: [
    'sensors',
    'quantity',
    'context',
    'time',
    'shifts',
    'aggregate',
    'groupBy',
    'bucket',
    'limit',
    'extremes',
    'fill',
    'compare',
    'top',
  ],
  kpi: ['context', 'time', 'shifts', 'kpis', 'groupBy', 'bucket', 'format', 'limit', 'fill', 'compare', 'top'],
  lots: ['sensors', 'quantity', 'context', 'aggregate', 'groupBy', 'bucket', 'limit', 'align'],
  runs: ['context', 'format', 'limit'],
  states: ['context', 'time', 'groupBy', 'limit'],
  latest: ['sensors', 'quantity', 'format', 'limit'],
  data_quality: ['sensors', 'quantity', 'format', 'limit'],
  golden: [
    'sensors',
    'quantity',
    'context',
    'groupBy',
    'bucket',
    'format',
    'limit',
    'align',
    'learningDays',
    'learnFrom',
  ],
  abnormal_runs: ['context', 'format', 'learningDays', 'limit'],
  anomalies: ['sensors', 'quantity', 'context', 'format', 'learningDays', 'limit'],
  baseline: ['groupBy', 'bucket', 'format', 'baseline', 'learningDays', 'limit'],
  demand: ['format'],
  spc: [
    'sensors',
    'quantity',
    'context',
    'kpis',
    'bucket',
    'aggregate',
    'format',
    'spc',
    'baseline',
    'learningDays',
    'limit',
  ],
};

const GROUPS: readonly GroupBy[] = [
  'none',
  'plant',
  'line',
  'machine',
  'sensor',
  'reference',
  'lot',
  'operator',
  'shift',
  'state',
  'tariff_period',
];

/** Whether queries of this type use this part. */
export function uses(type: QueryType, part: QueryPart): boolean {
  return PARTS[type]?.includes(part) ?? false;
}

/** The groupings that queries of this type can be asked for. */
export function groupings(type: QueryType): readonly GroupBy[] {
  switch (type) {
    case 'kpi':
      return GROUPS.filter((group) => group !== 'sensor');
    case 'lots':
      return ['none', 'line', 'machine', 'sensor'];
    case 'spc':
    case 'demand':
      return ['none'];
    case 'baseline':
      return ['none', 'plant', 'line', 'machine', 'reference', 'lot'];
    case 'golden':
      return ['none', 'sensor'];
    case 'states':
      return ['machine', 'reference', 'lot', 'operator'];
    default:
      return GROUPS.filter((group) => group !== 'tariff_period');
  }
}

/** The formats that queries of this type and grouping can be asked for; the first is what others become. */
export function formats(type: QueryType, groupBy: GroupBy = 'none'): readonly Format[] {
  switch (type) {
    case 'kpi':
    case 'latest':
      return ['table', 'alert'];
    case 'data_quality':
      return ['table', 'silent', 'alert'];
    case 'anomalies':
    case 'abnormal_runs':
      return ['table', 'annotations', 'score', 'alert'];
    case 'baseline':
      // What is made changes within a bucket: its rows are of the whole range.
      return groupBy === 'reference' || groupBy === 'lot' ? ['table'] : ['table', 'series', 'uses', 'model', 'alert'];
    case 'demand':
      return ['table', 'series', 'alert'];
    case 'spc':
      return ['table', 'series', 'annotations', 'alert'];
    case 'golden':
      return ['table', 'curves', 'deviation', 'annotations', 'alert'];
    default:
      return ['table', 'annotations'];
  }
}

/** Fills what a saved query leaves out. Saved values always win; nothing is migrated here. */
export function complete(query: LotwiseQuery): CompleteQuery {
  const { place, context, baseline, spc, ...rest } = query;
  return {
    ...MODEL_DEFAULTS,
    ...rest,
    place: { ...MODEL_DEFAULTS.place, ...place },
    context: { ...MODEL_DEFAULTS.context, ...context },
    baseline: { ...MODEL_DEFAULTS.baseline, ...baseline },
    spc: { ...MODEL_DEFAULTS.spc, ...spc },
  };
}

/** Changes the query type and brings the other fields to values that the new type accepts. */
export function withType(query: CompleteQuery, type: QueryType): CompleteQuery {
  const groupBy = groupings(type).includes(query.groupBy) ? query.groupBy : 'none';
  const format = formats(type, groupBy).includes(query.format) ? query.format : 'table';
  const bucket = uses(type, 'align') && !isElapsed(query.bucket) ? 'auto' : query.bucket;
  // The back end refuses filters that would not be applied.
  const context = {
    ...query.context,
    ...(!uses(type, 'shifts') && { shifts: [] }),
    ...(!uses(type, 'time') && { states: [] }),
  };
  // Lots are compared in tables only.
  const compare = query.compare === 'lots' && type !== 'kpi' ? 'none' : query.compare;
  // A golden curve is of one quantity: the one that most lines measure, until another is chosen.
  const { quantity } = query.place;
  const suggested =
    type === 'golden' ? quantity || 'power' : query.type === 'golden' && quantity === 'power' ? '' : quantity;
  const place = { ...query.place, quantity: suggested };
  return { ...query, type, queryType: type, groupBy, format, bucket, context, compare, place };
}

/** Changes the grouping, and a format that it does not have. */
export function withGroup(query: CompleteQuery, groupBy: GroupBy): CompleteQuery {
  const format = formats(query.type, groupBy).includes(query.format) ? query.format : 'table';
  return { ...query, groupBy, format };
}

/** Whether a KPI query with this bucket is a table, as opposed to figures over time. */
export function isTable(query: Pick<LotwiseModel, 'type' | 'bucket'>): boolean {
  return query.type === 'kpi' && (query.bucket === 'auto' || query.bucket === 'whole' || query.bucket === '');
}

/** What a query of this type and bucket can be compared with. */
export function comparisons(query: Pick<LotwiseModel, 'type' | 'bucket'>): readonly Compare[] {
  const times: Compare[] = ['none', 'previous', 'day', 'week', 'month', 'year'];
  return isTable(query) ? [...times, 'lots'] : times;
}

/** Whether a bucket can be counted from any start, as opposed to those of the calendar. */
export function isElapsed(bucket: string): boolean {
  return !/^(whole|shift|day|week|month|1d|1w)$/.test(bucket);
}

/** Whether the back end knows this bucket; a variable may hold one. */
export function isBucket(text: string): boolean {
  return /^(auto|whole|hour|shift|day|week|month|1w|[1-9]\d*[smhd])$/.test(text) || text.includes('$');
}
