import { DataQuery } from '@grafana/schema';

import { GroupBy, Kpi, LotwiseModel, QueryType } from './generated/model';
import { LotwiseQuery } from './types';

/** A saved query with every gap filled, as the editor works on it. */
export type CompleteQuery = DataQuery & LotwiseModel;

/** Stands for every value of a filter, in saved queries and as a variable's "All". */
export const ALL = '*';

/** What a new panel asks. */
export const DEFAULT_MODEL: LotwiseModel = {
  version: 1,
  type: 'series',
  place: { plants: [], lines: [], machines: [], sensors: [], quantity: 'temperature' },
  context: { references: [], lots: [], operators: [] },
  aggregate: 'mean',
  kpis: [],
  groupBy: 'none',
  bucket: 'auto',
  format: 'table',
  limit: 1000,
};

/** What an annotation asks: the runs, as regions. */
export const DEFAULT_ANNOTATION: LotwiseModel = {
  ...DEFAULT_MODEL,
  type: 'runs',
  format: 'annotations',
  place: { ...DEFAULT_MODEL.place, quantity: '' },
};

/** Parts of a query that only some query types use. */
export type QueryPart =
  | 'sensors'
  | 'quantity'
  | 'context'
  | 'aggregate'
  | 'kpis'
  | 'groupBy'
  | 'bucket'
  | 'format'
  | 'limit';

const PARTS: Record<QueryType, readonly QueryPart[]> = {
  series: ['sensors', 'quantity', 'context', 'aggregate', 'groupBy', 'bucket'],
  kpi: ['context', 'kpis', 'groupBy', 'bucket'],
  runs: ['context', 'format', 'limit'],
  latest: ['sensors', 'quantity', 'limit'],
};

const GROUPS: Record<QueryType, readonly GroupBy[]> = {
  series: ['none', 'plant', 'line', 'machine', 'sensor', 'reference', 'lot', 'operator'],
  kpi: ['none', 'plant', 'line', 'machine', 'reference', 'lot', 'operator'],
  runs: ['none'],
  latest: ['none'],
};

const DEFAULT_KPIS: Kpi[] = ['energy', 'good_units', 'energy_per_good_unit'];

/** Whether queries of this type use this part. */
export function uses(type: QueryType, part: QueryPart): boolean {
  return PARTS[type]?.includes(part) ?? false;
}

/** The groupings that queries of this type can be asked for. */
export function groupings(type: QueryType): readonly GroupBy[] {
  return GROUPS[type] ?? GROUPS.series;
}

/** Fills what a saved query leaves out. Saved values always win; nothing is migrated here. */
export function complete(query: LotwiseQuery): CompleteQuery {
  const { place, context, ...rest } = query;
  // A query that already names its type was saved on purpose with "any quantity"; only a new one gets the default.
  const quantity = query.type === undefined ? DEFAULT_MODEL.place.quantity : '';
  return {
    ...DEFAULT_MODEL,
    ...rest,
    place: { ...DEFAULT_MODEL.place, quantity, ...place },
    context: { ...DEFAULT_MODEL.context, ...context },
  };
}

/** Changes the query type and brings the other fields to values that the new type accepts. */
export function withType(query: CompleteQuery, type: QueryType): CompleteQuery {
  const next: CompleteQuery = { ...query, type, queryType: type };
  if (!groupings(type).includes(next.groupBy)) {
    next.groupBy = 'none';
  }
  if (type === 'kpi') {
    if (next.kpis.length === 0) {
      next.kpis = DEFAULT_KPIS;
    }
    if (query.type !== 'kpi' && next.bucket === 'auto') {
      next.bucket = 'whole';
    }
  } else if (query.type === 'kpi' && next.bucket === 'whole') {
    next.bucket = 'auto';
  }
  return next;
}
