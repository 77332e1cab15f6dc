import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { complete, formats, groupings, isBucket, QUERY_TYPES } from './query';
import { LotwiseQuery } from './types';
import { VARIABLE_KINDS, variableFilters } from './variables';

interface Panel {
  id: number;
  type: string;
  title: string;
  description?: string;
  gridPos: { x: number; y: number; w: number; h: number };
  targets?: LotwiseQuery[];
}

interface Variable {
  name: string;
  type: string;
  query: { kind: never };
  multi: boolean;
  includeAll: boolean;
  allValue?: string;
}

interface Dashboard {
  uid: string;
  title: string;
  panels: Panel[];
  templating: { list: Variable[] };
  annotations: { list: Array<{ target: LotwiseQuery; filter: { ids: number[] } }> };
}

const folder = join(__dirname, 'dashboards');
const read = (language: string) =>
  readdirSync(join(folder, language)).map((file): [string, Dashboard] => [
    `${language}/${file}`,
    JSON.parse(readFileSync(join(folder, language, file), 'utf8')),
  ]);
const english = read('en');
const all = [...english, ...read('es')];

test('the files are those that the definitions give', () => {
  execFileSync(process.execPath, [join(__dirname, '../dashboards/build.mjs'), '--check'], { stdio: 'pipe' });
});

test('each dashboard has its Spanish twin, with the same panels and queries', () => {
  expect(all).toHaveLength(2 * english.length);
  for (const [file, dashboard] of english) {
    const twin = all.find(([other]) => other === file.replace('en/', 'es/'))![1];
    const queries = ({ panels }: Dashboard) =>
      panels.map(({ id, type, gridPos, targets }) => [
        id,
        type,
        gridPos,
        targets?.map(({ language: _language, ...query }) => query),
      ]);
    expect(queries(twin)).toEqual(queries(dashboard));
    expect(twin.uid).toBe(`${dashboard.uid}-es`);
    for (const [at, panel] of dashboard.panels.entries()) {
      if (panel.description) {
        expect(twin.panels[at].description).not.toBe(panel.description);
      }
    }
  }
});

test.each(all)('%s', (file, { panels, templating, annotations }) => {
  const types = ['timeseries', 'trend', 'stat', 'table', 'barchart', 'gauge', 'state-timeline', 'text'];
  const cells = new Set<string>();
  for (const { title, type, description, gridPos, targets } of panels) {
    // Every panel says where its figure comes from.
    if (targets) {
      expect([title, description ?? '']).toEqual([title, expect.stringMatching(/.{18,}\.$/)]);
    }
    expect(types).toContain(type);
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        expect(x).toBeLessThan(24);
        expect(cells).not.toContain(`${x},${y}`);
        cells.add(`${x},${y}`);
      }
    }
  }
  const ids = panels.map(({ id }) => id);
  expect(new Set(ids).size).toBe(panels.length);
  expect(ids).toEqual(expect.arrayContaining(annotations.list.flatMap(({ filter }) => filter.ids)));

  const known = templating.list.map(({ name }) => `$${name}`);
  const targets = [...panels.flatMap(({ targets }) => targets ?? []), ...annotations.list.map(({ target }) => target)];
  for (const target of targets) {
    const query = complete(target);
    // Whoever looks: overrides are of names in the language of the dashboard.
    expect(target.language).toBe(file.slice(0, 2));
    expect(QUERY_TYPES).toContain(query.type);
    expect(target.queryType).toBe(query.type);
    expect(groupings(query.type)).toContain(query.groupBy === 'none' ? groupings(query.type)[0] : query.groupBy);
    expect([...formats(query.type), 'table']).toContain(query.format);
    expect(isBucket(query.bucket)).toBe(true);
    for (const [variable] of JSON.stringify(target).matchAll(/\$\w+/g)) {
      expect(known).toContain(variable);
    }
  }

  for (const { type, query, multi, includeAll, allValue } of templating.list) {
    if (type === 'query') {
      expect({ includeAll, allValue }).toEqual({ includeAll: multi, allValue: multi ? '*' : undefined });
      expect(VARIABLE_KINDS).toContain(query.kind);
      const { refId: _refId, kind, search: _search, ...filters } = query as Record<string, never>;
      expect(variableFilters(kind)).toEqual(expect.arrayContaining(Object.keys(filters)));
    }
  }
});
