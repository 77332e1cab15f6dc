import { asAnnotation, complete, formats, isBucket, withGroup, withType } from './query';
import { summarize } from './summary';

describe('complete', () => {
  it('fills gaps with what the back end takes for them', () => {
    expect(complete({ refId: 'A' })).toMatchObject({
      type: 'kpi',
      bucket: 'auto',
      groupBy: 'none',
      kpis: [],
      limit: 0,
    });
  });

  it('keeps everything that is saved, known or not', () => {
    const saved = { refId: 'A', version: 9, hide: true, place: { plants: ['madrid'] }, later: 1 } as never;
    expect(complete(saved)).toMatchObject({
      version: 9,
      hide: true,
      later: 1,
      place: { plants: ['madrid'], lines: [] },
    });
  });
});

describe('withType', () => {
  const series = complete({ refId: 'A', type: 'series', groupBy: 'sensor', kpis: ['energy'], bucket: '5m' });

  it('drops a grouping that the new type does not have', () => {
    expect(withType(series, 'kpi')).toMatchObject({ type: 'kpi', queryType: 'kpi', groupBy: 'none', bucket: '5m' });
  });

  it('drops a format that the new type does not have', () => {
    const alert = complete({ refId: 'A', type: 'data_quality', format: 'alert' });
    expect(withType(alert, 'data_quality').format).toBe('alert');
    expect(withType(alert, 'runs').format).toBe('table');
    expect(withType({ ...alert, type: 'runs', format: 'annotations' }, 'data_quality').format).toBe('table');
  });

  it('offers anomalies as table, regions, score and for alert rules', () => {
    expect(formats('anomalies')).toEqual(['table', 'annotations', 'score', 'alert']);
    const score = complete({ refId: 'A', type: 'anomalies', format: 'score', learningDays: 45 });
    expect(withType(score, 'runs')).toMatchObject({ type: 'runs', format: 'table', learningDays: 45 });
  });

  it('offers a baseline by lot and reference as a table only', () => {
    expect(formats('baseline')).toEqual(['table', 'series', 'uses', 'model', 'alert']);
    expect(formats('baseline', 'lot')).toEqual(['table']);
    const series = complete({ refId: 'A', type: 'baseline', format: 'series' });
    expect(withGroup(series, 'reference')).toMatchObject({ groupBy: 'reference', format: 'table' });
    expect(withGroup(series, 'machine')).toMatchObject({ groupBy: 'machine', format: 'series' });
    expect(withType({ ...series, type: 'kpi', groupBy: 'lot' }, 'baseline')).toMatchObject({
      groupBy: 'lot',
      format: 'table',
    });
  });

  it('offers the golden lot as curves and deviations, and drops them elsewhere', () => {
    expect(formats('golden')).toEqual(['table', 'curves', 'deviation', 'annotations', 'alert']);
    const curves = complete({ refId: 'A', type: 'golden', format: 'curves' });
    expect(withType(curves, 'abnormal_runs').format).toBe('table');
    expect(withType({ ...curves, bucket: 'day' }, 'golden').bucket).toBe('auto');
    expect(withType({ ...curves, groupBy: 'lot' }, 'golden').groupBy).toBe('none');
    const golden = withType(complete({ refId: 'A' }), 'golden');
    expect(golden.place.quantity).toBe('power');
    expect(withType(golden, 'kpi').place.quantity).toBe('');
    const warm = complete({ refId: 'A', place: { ...golden.place, quantity: 'temperature' } });
    expect(withType(warm, 'golden').place.quantity).toBe('temperature');
  });

  it('keeps what the new type does not use, for the way back', () => {
    expect(withType(withType(series, 'runs'), 'series')).toEqual({ ...series, queryType: 'series' });
  });
});

test.each(['auto', 'whole', '30s', '15m', '6h', '2d', 'shift', 'week', '$step'])('%s is a bucket', (text) => {
  expect(isBucket(text)).toBe(true);
});
test.each(['', '0m', '1.5h', 'fortnight', '-1d', '5'])('%p is no bucket', (text) => {
  expect(isBucket(text)).toBe(false);
});

describe('asAnnotation', () => {
  it('keeps anomalies and makes everything else runs', () => {
    const shape = { queryType: 'anomalies', type: 'anomalies', format: 'annotations' };
    expect(asAnnotation({ refId: 'A', type: 'anomalies', learningDays: 20 })).toEqual({
      refId: 'A',
      learningDays: 20,
      ...shape,
    });
    expect(asAnnotation({ refId: 'A', type: 'kpi' })).toMatchObject({ type: 'runs', format: 'annotations' });
  });
});

describe('summarize', () => {
  it.each([
    [
      { type: 'kpi', kpis: ['energy'], groupBy: 'reference', bucket: 'whole', place: { plants: ['madrid'] } },
      'Energy (kWh) by reference, over the whole time range, at plant madrid.',
    ],
    [
      { type: 'kpi', bucket: 'shift', place: { plants: ['*'] }, context: { lots: ['<L&1>'] } },
      'Energy, units and temperature, per shift of the plant, everywhere, while lot <L&1> ran.',
    ],
    [
      { type: 'series', bucket: '15m', place: { quantity: 'power', machines: ['a', 'b', 'c', 'd', 'e'] } },
      'Mean of power of each sensor, in steps of 15 minutes, at machine a, b, c and 2 more.',
    ],
    [{ type: 'latest' }, 'The newest reading of every quantity of each sensor, everywhere.'],
    [
      { type: 'data_quality', place: { quantity: 'power' } },
      'When each sensor of power was last heard of, everywhere.',
    ],
    [
      { type: 'data_quality', format: 'silent', place: { lines: ['M1'] } },
      'The sensors of every quantity that are silent now, at line M1.',
    ],
    [{ type: 'runs', format: 'annotations' }, 'The runs of the time range as marked regions, everywhere.'],
  ])('%j', (query, sentence) => {
    expect(summarize(complete({ refId: 'A', ...query } as never))).toBe(sentence);
  });
});
