import { picture, settled } from '../support/page';
import { expect, PLUGIN, test } from './fixtures';

test('the zip is installed, unsigned, and its back end finds the database', async ({
  gotoDataSourceConfigPage,
  page,
}) => {
  const plugin = await (await page.request.get(`/api/plugins/${PLUGIN}/settings`)).json();
  expect(plugin).toMatchObject({ id: PLUGIN, signature: 'unsigned' });

  const settings = await gotoDataSourceConfigPage('lotwise');
  await expect(settings.saveAndTest()).toBeOK();
  await expect(settings).toHaveAlert('success', { hasText: 'Connected' });
  await settled(page);
  await picture(page, 'data-source');
});

test('a data source without a database says what to enter', async ({ createDataSourceConfigPage, expectedErrors }) => {
  expectedErrors.push(/400 \(Bad Request\).*\/health/);
  const settings = await createDataSourceConfigPage({ type: PLUGIN });
  await expect(settings.saveAndTest()).not.toBeOK();
  await expect(settings).toHaveAlert('error', { hasText: /host/i });
});

test('the editors speak Spanish where Grafana does', async ({ page }) => {
  await page.goto('/datasources/edit/lotwise?lang=es-ES');
  await expect(page.getByTestId('lotwise-config-editor')).toContainText('Base de datos');
});

test('its dashboards are offered for import', async ({ page }) => {
  await page.goto('/datasources/edit/lotwise/dashboards');
  for (const title of ['Director', 'Lote', 'Energy by reference']) {
    await expect(page.getByRole('row', { name: title }).first()).toBeVisible();
  }
});
