import { picture, settled } from '../support/page';
import { choose, DATA_SOURCE, expect, test } from './fixtures';

interface Rule {
  name: string;
  health: string;
  lastEvaluation: string;
  lastError?: string;
  alerts?: Array<{ labels: Record<string, string> }>;
}

/** The rules that came with the plugin, as Grafana's scheduler sees them. */
async function provisioned(request: { get(url: string): Promise<{ json(): Promise<unknown> }> }): Promise<Rule[]> {
  const answer = await request.get('/api/prometheus/grafana/api/v1/rules');
  const { data } = (await answer.json()) as { data: { groups: Array<{ name: string; rules: Rule[] }> } };
  return data.groups.find(({ name }) => name === 'Lotwise')?.rules ?? [];
}

test('the provisioned rules are evaluated without an error', async ({ page }) => {
  test.setTimeout(180_000);
  const evaluated = async () =>
    (await provisioned(page.request)).map(({ name, health, lastError }) => ({ name, health, lastError }));
  await expect
    .poll(async () => (await evaluated()).filter(({ health }) => health === 'unknown'), { timeout: 150_000 })
    .toEqual([]);
  const rules = await evaluated();
  expect(rules.length).toBeGreaterThanOrEqual(4);
  for (const { name, health, lastError } of rules) {
    expect(health, `${name}: ${lastError}`).toBe('ok');
  }
});

test('a rule is written in the editor and evaluated, an instance for each line', async ({
  alertRuleEditPage,
  page,
}) => {
  await alertRuleEditPage.alertRuleNameField.fill('Energy of a line');
  const row = await alertRuleEditPage.getQueryRow('A');
  await row.datasource.set(DATA_SOURCE);
  const editor = row.locator;
  await choose(page, editor, 'lotwise-plants', 'Madrid');
  await choose(page, editor, 'lotwise-bucket', 'Whole range');
  await choose(page, editor, 'lotwise-format', 'For alert rules');
  await expect(alertRuleEditPage.evaluate()).toBeOK();
  await expect(page.getByText('line="M1"').first()).toBeVisible();
  await settled(page);
  await picture(page, 'alert-rule');
});
