import { DataSourceInstanceSettings, ScopedVars } from '@grafana/data';
import { TemplateSrv } from '@grafana/runtime';

import { CatalogPage } from '../catalog';
import { LotwiseOptions } from '../types';

type Format = string | ((value: string | string[], variable: object) => string);

/** A dashboard's variables. Like Grafana, it hands a value to the formatter, but not a custom "All" value. */
export class FakeTemplates implements TemplateSrv {
  constructor(
    readonly values: Record<string, string | string[]> = {},
    readonly allValues: Record<string, string> = {}
  ) {}

  getVariables() {
    return [...Object.keys(this.values), ...Object.keys(this.allValues)].map(
      (name) => ({ type: 'query', name, label: name }) as unknown as ReturnType<TemplateSrv['getVariables']>[number]
    );
  }

  replace(target = '', scopedVars: ScopedVars = {}, format?: Format): string {
    return target.replace(/\$(\w+)|\$\{(\w+)\}/g, (match, plain, braced) => {
      const name: string = plain ?? braced;
      if (name in this.allValues) {
        return this.allValues[name];
      }
      const value = name in scopedVars ? scopedVars[name]?.value : this.values[name];
      if (value === undefined) {
        return match;
      }
      return typeof format === 'function' ? format(value, {}) : Array.isArray(value) ? `{${value.join(',')}}` : value;
    });
  }

  containsTemplate(target?: string) {
    return target?.includes('$') ?? false;
  }

  updateTimeRange() {}
}

export const SETTINGS = {
  id: 1,
  uid: 'lotwise',
  type: 'buutech-lotwise-datasource',
  name: 'Lotwise',
  jsonData: {},
} as unknown as DataSourceInstanceSettings<LotwiseOptions>;

type Entry = { value: string; label: string; plant?: string; line?: string; quantity?: string };

const FACTORY: Record<string, Entry[]> = {
  plants: [
    { value: 'madrid', label: 'Madrid' },
    { value: 'porto', label: 'Porto' },
  ],
  lines: [
    { value: 'M1', label: 'Moulding 1', plant: 'madrid' },
    { value: 'M2', label: 'Moulding 2', plant: 'madrid' },
    { value: 'P1', label: 'Pressing 1', plant: 'porto' },
  ],
  machines: [
    { value: 'M1-oven', label: 'Oven', plant: 'madrid', line: 'M1' },
    { value: 'P1-press', label: 'Press', plant: 'porto', line: 'P1' },
  ],
  sensors: [
    { value: 'M1-oven-temp', label: 'Oven temperature', plant: 'madrid', line: 'M1', quantity: 'temperature' },
    { value: 'P1-power', label: 'Press power', plant: 'porto', line: 'P1', quantity: 'power' },
  ],
  quantities: [
    { value: 'temperature', label: 'temperature' },
    { value: 'power', label: 'power' },
  ],
  references: [
    { value: 'R-07', label: 'Bracket 7', plant: 'madrid' },
    { value: 'R-08', label: 'Bracket 8', plant: 'madrid' },
  ],
  lots: [{ value: 'L-0001', label: 'L-0001', plant: 'madrid' }],
  operators: [{ value: 'ana', label: 'Ana', plant: 'madrid' }],
  shifts: [
    { value: 'morning', label: 'Morning', plant: 'madrid' },
    { value: 'night', label: 'Night', plant: 'madrid' },
  ],
};

/** Answers the resource calls of a two-plant factory, as the plugin does. */
export async function factoryResource(address: string): Promise<CatalogPage> {
  const url = new URL(address, 'http://plugin/');
  const ask = (name: string) => url.searchParams.getAll(name);
  const search = url.searchParams.get('search')?.toLowerCase() ?? '';
  const entries = FACTORY[url.pathname.slice(1)] ?? [];
  const among = (name: string, value: string | undefined) =>
    ask(name).length === 0 || value === undefined || ask(name).includes(value);
  const items = entries
    .filter((entry) => among('plant', entry.plant) && among('line', entry.line) && among('quantity', entry.quantity))
    .filter(({ value, label }) => `${value} ${label}`.toLowerCase().includes(search))
    .map(({ value, label }) => ({ value, label }));
  return { items, truncated: false };
}
