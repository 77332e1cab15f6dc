import { lastValueFrom } from 'rxjs';

import { DataFrame, DataQueryRequest, dateTime, toDataFrame } from '@grafana/data';

import { Catalog } from './catalog';
import { factoryResource, FakeTemplates } from './test/fakes';
import { LotwiseVariableQuery } from './types';
import { completeVariable, LotwiseVariables } from './variables';

const range = {
  from: dateTime('2026-03-01T00:00:00Z'),
  to: dateTime('2026-03-02T00:00:00Z'),
  raw: { from: '', to: '' },
};

async function ask(query: unknown, scopedVars = {}, resource: (url: string) => unknown = factoryResource) {
  const urls: string[] = [];
  const getResource = (url: string) => {
    urls.push(url);
    return resource(url);
  };
  const variables = new LotwiseVariables(
    new Catalog({ getResource: getResource as never }),
    new FakeTemplates({ line: ['M1', 'M2'], reference: ['R-07'] }, { plant: '*' })
  );
  const { query: run } = variables;
  const request = { targets: [query], scopedVars, range } as unknown as DataQueryRequest<LotwiseVariableQuery>;
  const { data } = await lastValueFrom(run(request));
  const frame: DataFrame | undefined = data[0] && toDataFrame(data[0]);
  return { urls, frame };
}

describe('LotwiseVariables', () => {
  it('lists keys as values and names as texts', async () => {
    const { frame } = await ask({ kind: 'line', plants: ['madrid'] });
    expect(frame?.fields.map(({ name, values }) => [name, values])).toEqual([
      ['value', ['M1', 'M2']],
      ['text', ['Moulding 1', 'Moulding 2']],
    ]);
  });

  it('replaces variables in filters; lots are those of the time range', async () => {
    const { urls } = await ask({ kind: 'lot', plants: ['$plant'], lines: ['$line'], references: ['$reference'] });
    const url = new URL(urls[0], 'http://plugin/');
    expect(url.pathname).toBe('/lots');
    expect([...url.searchParams]).toEqual([
      ['line', 'M1'],
      ['line', 'M2'],
      ['reference', 'R-07'],
      ['from', '2026-03-01T00:00:00.000Z'],
      ['to', '2026-03-02T00:00:00.000Z'],
      ['limit', '1000'],
    ]);
  });

  it('searches for what is typed in the drop-down, when the query says so', async () => {
    const typed = { __searchFilter: { text: 'R-0', value: 'R-0*' } };
    expect((await ask({ kind: 'reference', search: '$__searchFilter' }, typed)).urls).toEqual([
      'references?search=R-0&limit=1000',
    ]);
    expect((await ask({ kind: 'reference', search: '' }, typed)).urls).toEqual(['references?limit=1000']);
    expect((await ask({ kind: 'reference', search: '$__searchFilter' })).urls).toEqual(['references?limit=1000']);
  });

  it('ignores filters that the kind does not have', async () => {
    expect((await ask({ kind: 'operator', lines: ['M1'] })).urls).toEqual(['operators?limit=1000']);
  });

  it('fails with the reason', async () => {
    await expect(ask({ kind: 'plant' }, {}, () => Promise.reject(new Error('no database')))).rejects.toThrow(
      'no database'
    );
  });
});

test('completeVariable survives whatever is saved', () => {
  for (const saved of ['', undefined, null, 3, { kind: 'toString' }, { kind: 'unicorn' }]) {
    expect(completeVariable(saved)).toMatchObject({ kind: 'plant', search: '$__searchFilter' });
  }
});
