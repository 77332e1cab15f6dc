import { AdHocVariableFilter, DataSourceGetTagValuesOptions, MetricFindValue } from '@grafana/data';

import { Catalog, CatalogFilter, CatalogPath } from './catalog';
import { FilterKey, FilterOp, Rule } from './generated/model';
import { STATES, stateWords, variableKindWords } from './texts';

/** Ad hoc filters of a dashboard: what they can be about, what there is to choose, and what is sent. */

const LISTED = 1000;

const PATHS: Record<FilterKey, CatalogPath> = {
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

const OPS: Record<string, FilterOp> = {
  '=': 'is',
  '=|': 'is',
  '!=': 'is_not',
  '!=|': 'is_not',
  '=~': 'matches',
  '!~': 'matches_not',
};

function isFilterKey(key: string): key is FilterKey {
  return key in PATHS;
}

/** What filters can be about. */
export function tagKeys(): MetricFindValue[] {
  return Object.keys(PATHS)
    .filter(isFilterKey)
    .map((key) => ({ text: variableKindWords(key).label, value: key }));
}

/** What there is to choose for a filter, narrowed by the other filters that name what they want. */
export async function tagValues(catalog: Catalog, options: DataSourceGetTagValuesOptions): Promise<MetricFindValue[]> {
  const { key, filters, timeRange } = options;
  if (!isFilterKey(key)) {
    return [];
  }
  if (key === 'state') {
    return STATES.map((state) => ({ text: stateWords(state).label, value: state }));
  }
  const named = (other: FilterKey) =>
    filters.filter((filter) => filter.key === other && OPS[filter.operator] === 'is').flatMap(valuesOf);
  const filter: CatalogFilter = {
    plant: named('plant'),
    ...(key !== 'plant' && key !== 'line' && { line: named('line') }),
    ...((key === 'sensor' || key === 'quantity') && { machine: named('machine') }),
    ...(key === 'lot' && { reference: named('reference') }),
    ...(key === 'lot' && timeRange && { from: timeRange.from.toISOString(), to: timeRange.to.toISOString() }),
    limit: LISTED,
  };
  const page = await catalog.list(PATHS[key], key === 'plant' ? { limit: LISTED } : filter);
  return page.items.map(({ value, label }) => ({ text: label, value }));
}

function valuesOf({ value, values }: AdHocVariableFilter): string[] {
  return (values && values.length > 0 ? values : [value]).filter((text) => text !== '');
}

/** The filters as rules of the model. One that is not finished yet is left out; one that is not understood is sent, so that the back end refuses it. */
export function rulesOf(filters: AdHocVariableFilter[] = []): Rule[] {
  return filters
    .map((filter) => ({
      key: filter.key as FilterKey,
      op: OPS[filter.operator] ?? (filter.operator as FilterOp),
      values: valuesOf(filter),
    }))
    .filter(({ key, values }) => String(key) !== '' && values.length > 0);
}
