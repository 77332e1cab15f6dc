import { picture, settled } from '../support/page';
import { choose, DATA_SOURCE, expect, test } from './fixtures';

test('a panel is made by picking, and shows the figure of the readings', async ({
  panelEditPage,
  page,
  database,
  answers,
}) => {
  const range = await database.fiveDays();
  const ofLine = await database.energyOfLine('madrid', 'M1', range);
  await panelEditPage.datasource.set(DATA_SOURCE);
  await panelEditPage.timeRange.set({ from: iso(range.from), to: iso(range.to), zone: 'Coordinated Universal Time' });
  await panelEditPage.setVisualization('Table');
  const editor = panelEditPage.getQueryEditorRow('A');
  await choose(page, editor, 'lotwise-plants', 'Madrid');
  await choose(page, editor, 'lotwise-lines', 'Injection moulding');
  await choose(page, editor, 'lotwise-bucket', 'Whole range');
  const energy = () => answers.field('energy', ({ groupBy, bucket }) => groupBy === 'line' && bucket === 'whole')?.[0];
  await expect.poll(() => Math.abs(Number(energy()) / ofLine - 1)).toBeLessThan(1e-9);
  await expect(panelEditPage.panel.data.filter({ hasText: 'Injection moulding' })).toHaveCount(1);
  await settled(page);
  await picture(page, 'panel-editor');
});

test('Explore shows a table, a graph and the SQL', async ({ explorePage, page, database, answers }) => {
  const range = await database.fiveDays();
  const reference = await database.busiestReference('madrid', 'M1', range);
  const expected = await database.ofReference('madrid', 'M1', reference.key, range);
  await explorePage.datasource.set(DATA_SOURCE);
  await explorePage.timeRange.set({ from: iso(range.from), to: iso(range.to), zone: 'Coordinated Universal Time' });
  const editor = explorePage.getQueryEditorRow('A');
  await choose(page, editor, 'lotwise-plants', 'Madrid');
  await choose(page, editor, 'lotwise-lines', 'Injection moulding');
  await choose(page, editor, 'lotwise-group-by', 'Reference');
  await choose(page, editor, 'lotwise-bucket', 'Whole range');
  await explorePage.runQuery();
  await expect(explorePage.tablePanel.data.filter({ hasText: reference.name }).first()).toBeVisible();
  const of = (name: string) => answers.field(name, ({ groupBy, bucket }) => groupBy === 'reference' && bucket === 'whole');
  const energy = Number(of('energy')![of('reference')!.indexOf(reference.key)]);
  expect(Math.abs(energy / expected.energy - 1)).toBeLessThan(1e-9);
  await settled(page);
  await picture(page, 'explore');
});

const iso = (time: number) => new Date(time).toISOString().slice(0, 19).replace('T', ' ');
