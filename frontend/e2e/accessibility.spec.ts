import { expect, Page } from '@playwright/test';
import type { AxeResults } from 'axe-core';

import { settled, test } from './support/page';

const SERIOUS = ['serious', 'critical'];

/** What axe finds serious inside an element: rule, and where. */
async function problems(page: Page, within: string): Promise<string[]> {
  await page.addScriptTag({ path: require.resolve('axe-core/axe.min.js') });
  const { violations } = await page.evaluate<AxeResults, string>(
    (selector) => (window as never as { axe: typeof import('axe-core') }).axe.run(selector),
    within
  );
  return violations
    .filter(({ impact }) => SERIOUS.includes(impact ?? ''))
    .flatMap(({ id, help, nodes }) => nodes.map(({ target, html }) => `${id}: ${help} (${target.join(' ')}) ${html}`));
}

for (const theme of ['dark', 'light']) {
  test(`the query editor is accessible, ${theme}`, async ({ page, database }) => {
    test.setTimeout(120_000);
    // An hour: what the queries answer does not matter here.
    const { to } = await database.fiveDays();
    await page.goto(`/explore?theme=${theme}&from=${to - 3_600_000}&to=${to}`);
    const editor = page.getByTestId('lotwise-query-editor');
    await expect(editor).toBeVisible();
    await settled(page);
    // Every kind of query has rows of its own.
    const type = editor.getByTestId('lotwise-type');
    const seen = new Set<string>();
    for (;;) {
      const name = await type.inputValue();
      if (seen.has(name)) {
        break;
      }
      seen.add(name);
      expect(await problems(page, '[data-testid="lotwise-query-editor"]'), name).toEqual([]);
      await type.click();
      await type.press('ArrowDown');
      await type.press('Enter');
      await expect(type).not.toHaveValue(name);
    }
    expect(seen.size).toBeGreaterThan(10);
  });

  test(`the configuration page is accessible, ${theme}`, async ({ page }) => {
    await page.goto(`/datasources/edit/lotwise?theme=${theme}`);
    await expect(page.getByTestId('lotwise-config-editor')).toBeVisible();
    await settled(page);
    expect(await problems(page, '[data-testid="lotwise-config-editor"]')).toEqual([]);
  });
}
