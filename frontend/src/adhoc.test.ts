import { dateTime } from '@grafana/data';

import { rulesOf, tagKeys, tagValues } from './adhoc';
import { Catalog } from './catalog';
import { factoryResource } from './test/fakes';

const filter = (key: string, operator: string, value: string, values?: string[]) => ({ key, operator, value, values });

describe('ad hoc filters', () => {
  it('are about places, what was made, shifts and states', () => {
    expect(tagKeys().map(({ value }) => value)).toEqual([
      'plant',
      'line',
      'machine',
      'sensor',
      'quantity',
      'reference',
      'lot',
      'operator',
      'shift',
      'state',
    ]);
  });

  it('offer what the other filters leave', async () => {
    const asked: string[] = [];
    const resource = (url: string) => {
      asked.push(url);
      return factoryResource(url);
    };
    const catalog = new Catalog({ getResource: resource as never });
    const values = async (key: string, ...filters: Array<ReturnType<typeof filter>>) =>
      (await tagValues(catalog, { key, filters })).map(({ value }) => value);
    expect(await values('line', filter('plant', '=', 'porto'))).toEqual(['P1']);
    expect(await values('machine', filter('line', '=|', '', ['M1', 'P1']), filter('plant', '!=', 'madrid'))).toEqual([
      'M1-oven',
      'P1-press',
    ]);
    expect(await values('state')).toEqual(['running', 'idle', 'setup', 'stopped', 'off']);
    expect(await values('colour')).toEqual([]);
    expect(asked.every((url) => url.includes('limit=1000'))).toBe(true);
  });

  it('ask for the lots of the time range', async () => {
    const asked: string[] = [];
    const resource = async (url: string) => {
      asked.push(url);
      return { items: [], truncated: false };
    };
    const from = dateTime('2026-03-02T00:00:00Z');
    const to = dateTime('2026-03-03T00:00:00Z');
    const catalog = new Catalog({ getResource: resource as never });
    await tagValues(catalog, { key: 'lot', filters: [], timeRange: { from, to, raw: { from, to } } });
    expect(asked[0]).toContain('from=2026-03-02T00%3A00%3A00.000Z');
  });

  it('become rules of the query, but for those that are not finished', () => {
    expect(
      rulesOf([
        filter('line', '=', 'M1'),
        filter('lot', '!=|', 'L-1', ['L-1', 'L-2']),
        filter('reference', '=~', '^R'),
        filter('operator', '=', ''),
        filter('plant', '<', 'x'),
      ])
    ).toEqual([
      { key: 'line', op: 'is', values: ['M1'] },
      { key: 'lot', op: 'is_not', values: ['L-1', 'L-2'] },
      { key: 'reference', op: 'matches', values: ['^R'] },
      { key: 'plant', op: '<', values: ['x'] },
    ]);
  });
});
