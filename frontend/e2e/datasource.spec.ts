import { expect, Page } from '@playwright/test';

import { picture, settled, test } from './support/page';

const save = (page: Page) => page.getByTestId('data-testid Data source settings page Save and Test button').click();
const outcome = (page: Page) => page.getByTestId('data-testid Alert health');

test('save and test tells what it found', async ({ page }) => {
  await page.goto('/datasources/edit/lotwise');
  await expect(page.getByTestId('lotwise-config-editor')).toBeVisible();
  await save(page);
  await expect(outcome(page)).toContainText('Connected');
  await settled(page);
  await picture(page, 'data-source', 'full page');

  await page.goto('/datasources/edit/lotwise?lang=es');
  await save(page);
  await expect(outcome(page)).toContainText('Conectado');
});

test('a wrong port says what to do, and a secret never comes back', async ({ page, expectedErrors }) => {
  expectedErrors.push(/400 \(Bad Request\).*\/health/);
  await page.goto('/datasources/edit/lotwise');
  const port = page.getByTestId('lotwise-config-port');
  const right = await port.inputValue();
  try {
    await port.fill('1');
    await save(page);
    await expect(outcome(page)).toContainText(/port|connect/i);
    await expect(outcome(page)).not.toContainText('Connected');
  } finally {
    await port.fill(right);
    await save(page);
    await expect(outcome(page)).toContainText('Connected');
  }
  const settings = await (await page.request.get('/api/datasources/uid/lotwise')).text();
  expect(JSON.parse(settings).secureJsonFields).toEqual({ password: true });
  expect(settings).not.toContain('secureJsonData');
});
