import { from, map, Observable, of } from 'rxjs';

import {
  createDataFrame,
  CustomVariableSupport,
  DataQueryRequest,
  DataQueryResponse,
  FieldType,
  ScopedVars,
} from '@grafana/data';
import { TemplateSrv } from '@grafana/runtime';

import { Catalog, CatalogFilter, CatalogItem, CatalogPath } from './catalog';
import { VariableQueryEditor } from './components/VariableQueryEditor.lazy';
import type { LotwiseDataSource } from './datasource';
import { expandList } from './expand';
import { LotwiseVariableQuery, VariableKind } from './types';

/** Grafana puts what the user types into the drop-down here, when the saved query names it. */
export const SEARCH = '$__searchFilter';

const LISTED = 1000;

const PATHS: Record<VariableKind, CatalogPath> = {
  plant: 'plants',
  line: 'lines',
  machine: 'machines',
  sensor: 'sensors',
  quantity: 'quantities',
  reference: 'references',
  lot: 'lots',
  operator: 'operators',
  shift: 'shifts',
  state: 'states',
};

/** Filters of a variable's listing. */
export type VariableFilter = 'plants' | 'lines' | 'machines' | 'references' | 'quantity';

const FILTERS: Record<VariableKind, readonly VariableFilter[]> = {
  plant: [],
  line: ['plants'],
  machine: ['plants', 'lines'],
  sensor: ['plants', 'lines', 'machines', 'quantity'],
  quantity: ['plants', 'lines', 'machines'],
  reference: ['plants', 'lines'],
  lot: ['plants', 'lines', 'references'],
  operator: ['plants'],
  shift: ['plants'],
  state: [],
};

/** The kinds, in the order in which they are offered. */
export const VARIABLE_KINDS = Object.keys(PATHS) as VariableKind[];

/** The filters that a listing of this kind understands. */
export function variableFilters(kind: VariableKind): readonly VariableFilter[] {
  return FILTERS[kind] ?? [];
}

/** A saved variable query with its gaps filled. Grafana starts a new variable with an empty text. */
export function completeVariable(saved: unknown): LotwiseVariableQuery {
  const query = typeof saved === 'object' && saved !== null ? (saved as Partial<LotwiseVariableQuery>) : {};
  const kind = VARIABLE_KINDS.find((known) => known === query.kind) ?? 'plant';
  return { refId: 'LotwiseVariable', search: SEARCH, ...query, kind };
}

/** The listing that a variable query asks for. */
export function variableListing(
  query: LotwiseVariableQuery,
  templates: TemplateSrv,
  scopedVars: ScopedVars,
  range?: DataQueryRequest['range']
): [CatalogPath, CatalogFilter] {
  const used = variableFilters(query.kind);
  const list = (filter: VariableFilter & keyof LotwiseVariableQuery, values?: string[]) =>
    used.includes(filter) ? expandList(values, templates, scopedVars) : undefined;
  const typed: unknown = scopedVars.__searchFilter?.value;
  return [
    PATHS[query.kind],
    {
      plant: list('plants', query.plants),
      line: list('lines', query.lines),
      machine: list('machines', query.machines),
      reference: list('references', query.references),
      quantity: list('quantity', query.quantity ? [query.quantity] : [])?.[0],
      // Grafana appends a wildcard; the back end looks for the text anywhere by itself.
      search:
        query.search?.includes('__searchFilter') && typeof typed === 'string' ? typed.replace(/[*%]+$/, '') : undefined,
      ...(query.kind === 'lot' && range && { from: range.from.toISOString(), to: range.to.toISOString() }),
      limit: LISTED,
    },
  ];
}

/** Lists plants, lines, lots and so on for dashboard variables. */
export class LotwiseVariables extends CustomVariableSupport<LotwiseDataSource, LotwiseVariableQuery> {
  editor = VariableQueryEditor;

  constructor(
    private readonly catalog: Catalog,
    private readonly templates: TemplateSrv
  ) {
    super();
    // Grafana's variable runner calls it without its object.
    this.query = this.query.bind(this);
  }

  getDefaultQuery(): Partial<LotwiseVariableQuery> {
    return completeVariable(undefined);
  }

  query(request: DataQueryRequest<LotwiseVariableQuery>): Observable<DataQueryResponse> {
    const target = request.targets[0];
    if (!target) {
      return of({ data: [] });
    }
    const listing = variableListing(completeVariable(target), this.templates, request.scopedVars, request.range);
    return from(this.catalog.list(...listing)).pipe(map(({ items }) => ({ data: [valuesFrame(items)] })));
  }
}

function valuesFrame(items: CatalogItem[]) {
  return createDataFrame({
    fields: [
      { name: 'value', type: FieldType.string, values: items.map((item) => item.value) },
      { name: 'text', type: FieldType.string, values: items.map((item) => item.label) },
    ],
  });
}
