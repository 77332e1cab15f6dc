import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { complete, groupings, isBucket, MODEL_DEFAULTS, QUERY_TYPES } from './query';
import { LotwiseQuery } from './types';
import { VARIABLE_KINDS, variableFilters } from './variables';

interface Panel {
  id: number;
  type: string;
  title: string;
  description?: string;
  gridPos: { x: number; y: number; w: number; h: number };
  targets: LotwiseQuery[];
}

const dashboard = JSON.parse(readFileSync(join(__dirname, 'dashboards', 'plant-overview.json'), 'utf8'));
const panels: Panel[] = dashboard.panels;
const targets = [
  ...panels.flatMap((panel) => panel.targets),
  ...dashboard.annotations.list.map((query: { target: LotwiseQuery }) => query.target),
];

test('every panel says where its figure comes from', () => {
  for (const { title, description } of panels) {
    expect([title, description ?? '']).toEqual([title, expect.stringMatching(/.{40,}/)]);
  }
});

test('panels are of types that come with Grafana, have ids of their own and do not overlap', () => {
  const types = ['timeseries', 'stat', 'table', 'bargauge', 'barchart', 'gauge', 'state-timeline'];
  const cells = new Set<string>();
  for (const { type, gridPos } of panels) {
    expect(types).toContain(type);
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        expect(x).toBeLessThan(24);
        expect(cells).not.toContain(`${x},${y}`);
        cells.add(`${x},${y}`);
      }
    }
  }
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
});

test('queries are complete and valid', () => {
  for (const target of targets) {
    // What is left out has a default; what is there is known.
    expect(complete(target)).toMatchObject(target);
    expect(Object.keys({ ...MODEL_DEFAULTS, refId: '', datasource: {}, queryType: '' })).toEqual(
      expect.arrayContaining(Object.keys(target))
    );
    expect(QUERY_TYPES).toContain(target.type);
    expect(target.queryType).toBe(target.type);
    expect(groupings(target.type!)).toContain(target.groupBy);
    expect(isBucket(target.bucket!)).toBe(true);
    expect(target.place).toMatchObject({ plants: ['$plant'], lines: ['$line'] });
  }
});

test('variables cascade, and their "All" is one value', () => {
  const variables = dashboard.templating.list.filter(({ type }: { type: string }) => type === 'query');
  expect(variables.map(({ name }: { name: string }) => name)).toEqual(['plant', 'line', 'reference', 'lot']);
  for (const { query, multi, includeAll, allValue } of variables) {
    expect({ multi, includeAll, allValue }).toEqual({ multi: true, includeAll: true, allValue: '*' });
    expect(VARIABLE_KINDS).toContain(query.kind);
    const { refId: _refId, kind, search: _search, ...filters } = query;
    expect(variableFilters(kind)).toEqual(expect.arrayContaining(Object.keys(filters)));
  }
});
