import { lastValueFrom, of } from 'rxjs';

import { AnnotationQuery, CoreApp, DataQueryRequest } from '@grafana/data';
import { DataSourceWithBackend, HealthStatus } from '@grafana/runtime';

import { LotwiseDataSource } from './datasource';
import { spokenLanguage } from './i18n';
import { complete } from './query';
import { FakeTemplates, SETTINGS } from './test/fakes';
import { LotwiseQuery } from './types';

jest.mock('@grafana/runtime', () => ({
  ...jest.requireActual('@grafana/runtime'),
  getTemplateSrv: () => new FakeTemplates(),
}));

jest.mock('./i18n', () => ({
  ...jest.requireActual('./i18n'),
  spokenLanguage: jest.fn(async () => 'en'),
}));

const templates = new FakeTemplates(
  { line: ['M1', 'M2'], reference: ['R-07'], step: 'day', quantity: 'power' },
  { plant: '*', lot: '*' }
);
const datasource = new LotwiseDataSource(SETTINGS, templates);

describe('applyTemplateVariables', () => {
  it('expands every filter to lists and leaves the rest of the query alone', () => {
    const query: LotwiseQuery = {
      refId: 'A',
      version: 1,
      type: 'kpi',
      kpis: ['energy'],
      groupBy: 'line',
      bucket: '$step',
      place: { plants: ['$plant'], lines: ['$line'], machines: [], sensors: [], quantity: '$quantity' },
      context: { references: ['$reference', 'R-08'], lots: ['$lot'], operators: [] },
    };
    expect(datasource.applyTemplateVariables(query, {})).toEqual({
      ...query,
      bucket: 'day',
      place: { plants: ['*'], lines: ['M1', 'M2'], machines: [], sensors: [], quantity: 'power' },
      context: { references: ['R-07', 'R-08'], lots: ['*'], operators: [] },
    });
  });

  it('adds nothing to a query that leaves fields out', () => {
    expect(datasource.applyTemplateVariables({ refId: 'A', type: 'runs' }, {})).toEqual({ refId: 'A', type: 'runs' });
  });

  it('expands shifts, states and the lots to compare with', () => {
    const query: LotwiseQuery = {
      refId: 'A',
      context: { shifts: ['$line'], states: ['idle', '$reference'] },
      compareLots: ['$line'],
    };
    expect(datasource.applyTemplateVariables(query, {})).toMatchObject({
      context: { shifts: ['M1', 'M2'], states: ['idle', 'R-07'] },
      compareLots: ['M1', 'M2'],
    });
  });

  it("adds the dashboard's ad hoc filters as rules", () => {
    const filters = [{ key: 'line', operator: '!=', value: 'M2' }];
    const rules = [{ key: 'line', op: 'is_not', values: ['M2'] }];
    expect(datasource.applyTemplateVariables({ refId: 'A' }, {}, filters)).toEqual({ refId: 'A', filters: rules });
    expect(datasource.applyTemplateVariables({ refId: 'A' }, {}, [])).toEqual({ refId: 'A' });
  });

  it('does not change the saved query', () => {
    const query: LotwiseQuery = { refId: 'A', place: { lines: ['$line'] } };
    datasource.applyTemplateVariables(query, {});
    expect(query.place?.lines).toEqual(['$line']);
  });
});

describe('query', () => {
  const asked = async (...targets: LotwiseQuery[]) => {
    const backend = jest.spyOn(DataSourceWithBackend.prototype, 'query').mockReturnValue(of({ data: [] }));
    await lastValueFrom(datasource.query({ targets } as DataQueryRequest<LotwiseQuery>));
    return backend.mock.lastCall?.[0].targets;
  };
  const query: LotwiseQuery = { refId: 'A', type: 'anomalies' };

  it('asks in the language of whoever looks', async () => {
    expect(await asked(query)).toEqual([{ ...query, language: 'en' }]);
    jest.mocked(spokenLanguage).mockResolvedValueOnce('es');
    expect(await asked(query, { refId: 'B' })).toEqual([
      { ...query, language: 'es' },
      { refId: 'B', language: 'es' },
    ]);
    expect(query).toEqual({ refId: 'A', type: 'anomalies' });
  });

  it('asks in the language that the saved query names', async () => {
    expect(await asked({ ...query, language: 'es' })).toEqual([{ ...query, language: 'es' }]);
    jest.mocked(spokenLanguage).mockResolvedValueOnce('es');
    expect(await asked({ ...query, language: 'en' })).toEqual([{ ...query, language: 'en' }]);
  });

  it('leaves the language open in what the editor saves and in what goes to Explore', () => {
    expect(complete(query)).not.toHaveProperty('language');
    expect(datasource.interpolateVariablesInQueries([query], {})).toEqual([query]);
  });
});

describe('the connection test', () => {
  const said = async (details?: Record<string, unknown>) => {
    const result = { status: HealthStatus.OK, message: 'Connected.', details };
    jest.spyOn(DataSourceWithBackend.prototype, 'callHealthCheck').mockResolvedValueOnce(result);
    return (await datasource.testDatasource()).message;
  };
  const messages = { en: 'Connected.', es: 'Conectado.' };

  it('speaks the language of whoever looks', async () => {
    expect(await said({ messages })).toBe('Connected.');
    jest.mocked(spokenLanguage).mockResolvedValueOnce('es');
    expect(await said({ messages })).toBe('Conectado.');
  });

  it('says what there is where the back end has no messages', async () => {
    jest.mocked(spokenLanguage).mockResolvedValueOnce('es');
    expect(await said()).toBe('Connected.');
  });
});

describe('the data source', () => {
  it('starts new queries complete, with the type where Grafana shows it', () => {
    const query = datasource.getDefaultQuery(CoreApp.Dashboard);
    expect(query).toMatchObject({ version: 1, type: 'kpi', queryType: 'kpi', kpis: ['energy'] });
    expect(complete({ refId: 'A', ...query })).toEqual({ refId: 'A', ...query });
  });

  it('does not run hidden queries', () => {
    expect(datasource.filterQuery({ refId: 'A', hide: true })).toBe(false);
    expect(datasource.filterQuery({ refId: 'A' })).toBe(true);
  });

  it('asks for runs as regions whatever an annotation has saved', () => {
    const prepare = (target?: LotwiseQuery) =>
      datasource.annotations.prepareQuery?.({
        name: 'Runs',
        enable: true,
        iconColor: 'red',
        target,
      } as AnnotationQuery<LotwiseQuery>);
    expect(prepare()).toMatchObject({ type: 'runs', format: 'annotations' });
    expect(prepare({ refId: 'X', type: 'kpi', place: { lines: ['M1'] } })).toEqual({
      refId: 'X',
      type: 'runs',
      queryType: 'runs',
      format: 'annotations',
      place: { lines: ['M1'] },
    });
  });

  it('says what a query asks in a sentence', () => {
    expect(datasource.getQueryDisplayText({ refId: 'A', type: 'runs', place: { lines: ['M1', 'M2'] } })).toBe(
      'One row for each run of the time range, at line M1, M2.'
    );
  });
});
