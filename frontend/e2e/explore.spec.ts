import { expect, Page } from '@playwright/test';

import { picture, settled, test } from './support/page';

const editor = (page: Page) => page.getByTestId('lotwise-query-editor');
const result = (page: Page) => page.getByTestId('explore-result');

/** Chooses from one of the editor's boxes. Does not type: a typed text is offered as a value of its own. */
async function choose(page: Page, testId: string, value: string) {
  await editor(page).getByTestId(testId).click();
  await page.getByRole('option', { name: value }).click();
  await page.keyboard.press('Escape');
}

test('a query is edited, and its result follows', async ({ page, database, answers }) => {
  const range = await database.fiveDays();
  const reference = await database.busiestReference('madrid', 'M1', range);
  const ofLine = await database.energyOfLine('madrid', 'M1', range);
  const expected = await database.ofReference('madrid', 'M1', reference.key, range);
  const values = (name: string, groupBy: string) =>
    answers.field(name, (query) => query.groupBy === groupBy && query.bucket === 'whole') ?? [];

  await page.goto(`/explore?from=${range.from}&to=${range.to}`);
  await choose(page, 'lotwise-plants', 'Madrid');
  await choose(page, 'lotwise-lines', 'Injection moulding');
  await choose(page, 'lotwise-bucket', 'Whole range');
  await expect(result(page)).toHaveAttribute('data-state', 'Done');
  await expect.poll(() => values('line', 'line')).toContain('M1');
  const lineAt = values('line', 'line').indexOf('M1');
  expect(Math.abs(Number(values('energy', 'line')[lineAt]) / ofLine - 1)).toBeLessThan(1e-9);
  await expect(result(page).getByRole('gridcell', { name: 'Injection moulding' })).toBeVisible();

  await choose(page, 'lotwise-group-by', 'Reference');
  await expect.poll(() => values('reference', 'reference')).toContain(reference.key);
  await expect(result(page).getByRole('gridcell', { name: reference.name, exact: true })).toBeVisible();
  const energies = values('energy', 'reference').map(Number);
  const referenceAt = values('reference', 'reference').indexOf(reference.key);
  expect(Math.abs(energies[referenceAt] / expected.energy - 1)).toBeLessThan(1e-9);
  // Nothing is lost: the references and what is not allocated are the line's meter.
  expect(Math.abs(energies.reduce((sum, energy) => sum + energy, 0) / ofLine - 1)).toBeLessThan(1e-9);
  await settled(page);
  await picture(page, 'query-editor');

  // What the frames say of themselves.
  await result(page).getByRole('radio', { name: 'Inspect' }).click();
  await expect(page.getByTestId('explore-inspector')).toContainText('executedQueryString');

  // The address holds the query.
  await page.reload();
  await expect(result(page).getByRole('gridcell', { name: reference.name, exact: true })).toBeVisible();
});

test('values over time are a graph', async ({ page, database, answers }) => {
  const range = await database.fiveDays();
  await page.goto(`/explore?from=${range.from}&to=${range.to}`);
  await choose(page, 'lotwise-plants', 'Madrid');
  await choose(page, 'lotwise-lines', 'Injection moulding');
  await choose(page, 'lotwise-type', 'Values over time');
  await expect.poll(() => answers.field('value', (query) => query.type === 'series')?.length ?? 0).toBeGreaterThan(100);
  await expect(result(page).locator('.uplot canvas')).toBeVisible();
  await expect(result(page)).toHaveAttribute('data-state', 'Done');
});

test('a panel opens in Explore with the values of the variables', async ({ page, database }) => {
  const range = await database.fiveDays();
  await page.goto(`/d/lotwise-director?from=${range.from}&to=${range.to}&var-plant=madrid&var-line=M1`);
  const header = page.getByTestId('data-testid Panel header Good units');
  await header.hover();
  await header.getByTestId('data-testid Panel menu Good units').click();
  await page.getByText('Explore', { exact: true }).last().click();
  await expect(page).toHaveURL(/\/explore\?/);
  await expect(editor(page)).toContainText('Madrid');
  await expect(editor(page)).toContainText('Injection moulding');
  await expect(result(page)).toHaveAttribute('data-state', 'Done');
});
