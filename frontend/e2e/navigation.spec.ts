import { expect } from '@playwright/test';

import { expectShown, panel, pick, settled, test } from './support/page';

const PLANT = { key: 'madrid', name: 'Madrid' };
const LINE = { key: 'M1', name: 'Injection moulding' };

test('the panels follow plant, line and reference', async ({ page, database, answers }) => {
  const range = await database.fiveDays();
  const reference = await database.busiestReference(PLANT.key, LINE.key, range);
  const expected = await database.ofReference(PLANT.key, LINE.key, reference.key, range);
  expect(expected.runs).toBeGreaterThan(0);

  await page.goto(`/d/lotwise-director?from=${range.from}&to=${range.to}`);
  const energy = panel(page, 'Energy').getByTestId('data-testid panel content');
  await expect(energy).toContainText('Wh');
  await settled(page);
  const everywhere = await energy.innerText();
  // What the answer says of itself stands beside the title, as in Grafana.
  await expect(panel(page, 'Energy').getByRole('button', { name: /^Compared with / })).toBeVisible();

  await pick(page, 'Plant', PLANT.name);
  await pick(page, 'Line', LINE.name);
  const ofLine = await database.energyOfLine(PLANT.key, LINE.key, range);
  await expectShown(energy, ofLine);
  expect(await energy.innerText()).not.toBe(everywhere);

  await pick(page, 'Reference', reference.name);
  await expectShown(energy, expected.energy);
  await expectShown(panel(page, 'Good units').getByTestId('data-testid panel content'), expected.good);
  await expectShown(
    panel(page, 'Energy per good unit').getByTestId('data-testid panel content'),
    expected.energy / expected.good
  );

  // What was sent has all digits.
  const total = (kpi: string) => {
    const values = answers.field(
      kpi,
      (query) =>
        query.groupBy !== 'line' && query.kpis?.join() === kpi && query.context?.references?.join() === reference.key
    );
    expect(values, kpi).toHaveLength(1);
    return Number(values![0]);
  };
  expect(Math.abs(total('energy') / expected.energy - 1)).toBeLessThan(1e-9);
  expect(Math.abs(total('good_units') / expected.good - 1)).toBeLessThan(1e-9);
  expect(Math.abs(total('energy_per_good_unit') / (expected.energy / expected.good) - 1)).toBeLessThan(1e-9);
});

test('a lot opens with its own time range', async ({ page, database }) => {
  const range = await database.fiveDays();
  const [run] = (await database.runsOf(PLANT.key, range, { line: LINE.key }))
    .filter(({ to }) => to < range.to)
    .reverse();
  await page.goto(`/d/lotwise-energy-by-reference?from=${range.from}&to=${range.to}&var-plant=madrid&var-line=M1`);
  const runs = panel(page, 'Runs');
  await runs.scrollIntoViewIfNeeded();
  await settled(page);
  // A run of the lot; a lot may have two.
  await runs.getByRole('link', { name: run.lot }).first().click();
  await expect(page).toHaveURL(new RegExp(`/d/lotwise-lot\\?.*var-lot=${run.lot}`));
  await expect(page).toHaveURL(new RegExp(`from=${run.from}|from=${new Date(run.from).toISOString()}`));
  await expect(page.getByRole('heading', { level: 1 })).toHaveText('Lot');
  await settled(page);
  const energy = (await database.ofReference(PLANT.key, LINE.key, run.reference, run)).energy;
  await expectShown(panel(page, 'Energy').getByTestId('data-testid panel content'), energy);
});

test('the silent sensors of the line are listed', async ({ page, database, answers }) => {
  const silent = 'a probe that never sent';
  await database.registerSilentSensor(PLANT.key, LINE.key, silent);
  await page.goto(`/d/lotwise-data-quality?var-plant=${PLANT.key}&var-line=${LINE.key}`);
  const sensors = panel(page, 'Sensors').last();
  await sensors.scrollIntoViewIfNeeded();
  await settled(page);
  // One may fall silent between the two looks, and the plugin's catalog is some seconds old.
  await expect(async () => {
    await page.getByTestId('data-testid RefreshPicker run button').click();
    await settled(page);
    const expected = await database.silentSensors(PLANT.key, LINE.key);
    const wanted = (query: { type?: string; format?: string }) =>
      query.type === 'data_quality' && query.format !== 'alert';
    const names = answers.field('name', wanted) ?? [];
    const isSilent = answers.field('silent', wanted) ?? [];
    expect(expected).toContain(silent);
    expect(names.filter((_, at) => isSilent[at]).sort()).toEqual([...expected].sort());
  }).toPass({ timeout: 30_000 });
  await expect(sensors).toContainText(silent);
});

test('the address keeps what was picked', async ({ page, database }) => {
  const range = await database.fiveDays();
  await page.goto(`/d/lotwise-director?from=${range.from}&to=${range.to}`);
  await expect(panel(page, 'Energy')).toContainText('Wh');
  await pick(page, 'Plant', PLANT.name);
  await expect(page).toHaveURL(/var-plant=madrid/);
  await page.reload();
  await expect(
    page.getByTestId('data-testid Dashboard template variables Variable Value DropDown value link text madrid')
  ).toBeVisible();
  await expect(panel(page, 'Energy')).toContainText('Wh');
});
