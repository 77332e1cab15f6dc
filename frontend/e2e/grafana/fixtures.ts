import { test as grafana } from '@grafana/plugin-e2e';
import { Locator, mergeTests, Page } from '@playwright/test';

import { test as lotwise } from '../support/page';

export { expect } from '@grafana/plugin-e2e';

/**
 * Grafana's pages and the database behind the plugin, on a page that must not complain on the console. A Grafana
 * without the internet complains of its own catalogue.
 */
export const test = mergeTests(grafana, lotwise).extend({
  expectedErrors: async ({}, use) => use([/\/api\/gnet\//, /Failed to fetch plugins from catalog/]),
});

export const PLUGIN = 'buutech-lotwise-datasource';
export const DATA_SOURCE = 'Lotwise';

/** Chooses from one of an editor's boxes. Does not type: a typed text is offered as a value of its own. */
export async function choose(page: Page, editor: Locator, testId: string, value: string | RegExp) {
  await editor.getByTestId(testId).click();
  await page.getByRole('option', { name: value }).first().click();
  await page.keyboard.press('Escape');
}
