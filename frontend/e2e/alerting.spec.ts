import { expect, Page } from '@playwright/test';

import { test } from './support/page';

/** The thresholds of provisioning/alerting, which fire above them. */
const LIMITS = {
  'lotwise-energy-per-unit': 0.25,
  'lotwise-sensor-silent': 0,
  'lotwise-anomaly-open': 0,
  'lotwise-quarter-hour-power': 95,
};

/** Instance, value and state of each row of a rule. */
async function instances(page: Page, uid: string): Promise<string[][]> {
  const table = page.getByTestId(`alert-rule-${uid}`).getByRole('table');
  await expect(table).toBeVisible();
  return table.locator('tbody tr').evaluateAll((rows) => {
    const texts = (row: Element) => Array.from(row.children).map((cell) => cell.textContent ?? '');
    return rows.map(texts);
  });
}

test('the example alert rules give a number for each place, and fire above their limits', async ({
  page,
  database,
}) => {
  const silent = 'a probe that never sent';
  await database.registerSilentSensor('madrid', 'M1', silent);
  // The plugin's catalog is some seconds old.
  await expect(async () => {
    await page.goto('/alerting?lang=en');
    const sensors = await instances(page, 'lotwise-sensor-silent');
    expect(sensors.find(([name]) => name.includes(silent))).toEqual([expect.anything(), '1', 'Firing']);
  }).toPass({ timeout: 30_000 });
  for (const [uid, limit] of Object.entries(LIMITS)) {
    const rows = await instances(page, uid);
    expect(rows.length, uid).toBeGreaterThan(0);
    for (const [name, value, state] of rows) {
      expect(state, `${uid}: ${name} ${value}`).toBe(Number(value.replaceAll(',', '')) > limit ? 'Firing' : 'Normal');
    }
  }
  // Every machine has been judged: the demo has history enough.
  const machines = await database.machines();
  const judged = await instances(page, 'lotwise-anomaly-open');
  expect(judged.length).toBeGreaterThanOrEqual(machines);
});
