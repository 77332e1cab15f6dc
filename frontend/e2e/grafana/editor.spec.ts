import { picture, settled } from '../support/page';
import { choose, DATA_SOURCE, expect, PLUGIN, test } from './fixtures';

test('a panel is made by picking, and shows the figure of the readings', async ({
  gotoDashboardPage,
  page,
  database,
  answers,
}) => {
  const range = await database.fiveDays();
  const ofLine = await database.energyOfLine('madrid', 'M1', range);
  const dashboard = await gotoDashboardPage({ timeRange: { from: String(range.from), to: String(range.to) } });
  const panelEditPage = await dashboard.addPanel();
  await panelEditPage.datasource.set(DATA_SOURCE);
  await panelEditPage.toggleTableView();
  const editor = panelEditPage.getQueryEditorRow('A');
  await choose(page, editor, 'lotwise-plants', 'Madrid');
  await choose(page, editor, 'lotwise-lines', 'Injection moulding');
  await choose(page, editor, 'lotwise-kpis', /^Energy \(kWh\)/);
  await choose(page, editor, 'lotwise-group-by', 'Line');
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
  const pane = {
    datasource: 'lotwise',
    queries: [{ refId: 'A', datasource: { type: PLUGIN, uid: 'lotwise' } }],
    range: { from: String(range.from), to: String(range.to) },
  };
  const queryParams = new URLSearchParams({ schemaVersion: '1', panes: JSON.stringify({ lotwise: pane }) });
  await explorePage.goto({ queryParams });
  const editor = explorePage.getQueryEditorRow('A');
  await choose(page, editor, 'lotwise-plants', 'Madrid');
  await choose(page, editor, 'lotwise-lines', 'Injection moulding');
  await choose(page, editor, 'lotwise-group-by', 'Reference');
  await choose(page, editor, 'lotwise-bucket', 'Whole range');
  await expect(explorePage.tablePanel.data.filter({ hasText: reference.name }).first()).toBeVisible();
  const of = (name: string) =>
    answers.field(name, ({ groupBy, bucket }) => groupBy === 'reference' && bucket === 'whole');
  const energy = Number(of('energy')![of('reference')!.indexOf(reference.key)]);
  expect(Math.abs(energy / expected.energy - 1)).toBeLessThan(1e-9);
  await settled(page);
  await picture(page, 'explore');
});
