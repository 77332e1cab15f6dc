import { expect } from '@playwright/test';

import { CHECKS } from './support/dashboards';
import { Range } from './support/figures';
import { panel, picture, Query, settled, test } from './support/page';
import { World } from './support/world';

interface Panel {
  id: number;
  type: string;
  title: string;
  targets?: Query[];
}

const NAMES = Object.keys(CHECKS);
const WHAT_HAPPENED: Record<string, string> = { en: 'What happened', es: 'Qué pasó' };
const LOOKS = [
  { language: 'en', locale: 'en-US', theme: 'dark', suffix: '' },
  { language: 'es', locale: 'es-ES', theme: 'light', suffix: '-es' },
];

/** Where a dashboard looks in this test. */
async function view(name: string, world: World): Promise<{ range: Range; variables: Record<string, string> }> {
  const { plant, line } = World;
  const { reference, lot } = world.run;
  switch (name) {
    case 'lot':
      return { range: await world.lot(), variables: { plant, line, reference, lot } };
    case 'compare-lots':
      return { range: world.range, variables: { plant, line, reference, lot } };
    case 'live-line':
      return { range: world.hour(), variables: { plant, line } };
    case 'spc':
      return { range: world.range, variables: { plant, line, reference } };
    default:
      return { range: world.range, variables: { plant } };
  }
}

/** Whether a query that was asked is the one of a panel, whose variables have become values. */
function isOf(target: Query, asked: Query): boolean {
  const parts = [
    'type',
    'kpis',
    'groupBy',
    'bucket',
    'format',
    'align',
    'aggregate',
    'limit',
    'lastLots',
    'spc',
  ] as const;
  const part = (query: Query) => JSON.stringify(parts.map((name) => (query as never)[name] ?? null));
  const quantity = target.place?.quantity ?? '';
  return part(target) === part(asked) && (quantity.startsWith('$') || quantity === (asked.place?.quantity ?? ''));
}

for (const { language, locale, theme, suffix } of LOOKS) {
  for (const name of NAMES) {
    test(`${name}, ${language}, ${theme}`, async ({ page, database, answers }) => {
      test.setTimeout(120_000);
      const world = await World.find(database);
      const { range, variables } = await view(name, world);
      const uid = `lotwise-${name}${suffix}`;
      const { dashboard } = await (await page.request.get(`/api/dashboards/uid/${uid}`)).json();
      const panels: Panel[] = dashboard.panels;
      const height = Math.max(...dashboard.panels.map(({ gridPos: { y, h } }: never) => Number(y) + Number(h)));
      // All of it on the screen: panels ask only when they are seen.
      await page.setViewportSize({ width: 1720, height: 140 + height * 38 });
      const values = Object.entries(variables).map(([key, value]) => `&var-${key}=${encodeURIComponent(value)}`);
      await page.goto(`/d/${uid}?from=${range.from}&to=${range.to}&theme=${theme}&lang=${locale}${values.join('')}`);
      // Grafana says more in it: its folder, itself.
      await expect(page).toHaveTitle(new RegExp(`^${dashboard.title}( - |$)`));
      await expect(page.locator('body')).toHaveClass(new RegExp(`theme-${theme}`));
      const asking = panels.filter(({ targets }) => targets?.length);
      await expect
        .poll(() => asking.filter(({ targets }) => !answers.frames((query) => isOf(targets![0], query))).length, {
          timeout: 90_000,
        })
        .toBe(0);
      await settled(page);

      expect(CHECKS[name]).toHaveLength(asking.length);
      const others = asking.map(({ targets }) => answers.frames((query) => isOf(targets![0], query))!);
      for (const [at, { title }] of asking.entries()) {
        await test.step(title, async () => {
          const shown = panel(page, title).first();
          await expect(shown.getByText('No data')).toHaveCount(0);
          await expect(shown.locator('[data-testid="data-testid Panel status error"]')).toHaveCount(0);
          const frames = others[at];
          // A week may be without events, and the table of them without rows.
          const isCalm = title === WHAT_HAPPENED[language] && !frames.some((frame) => frame.data.values[0]?.length);
          if (!isCalm) {
            await expect(
              shown
                .locator('svg[role=img], canvas, [role=gridcell], [data-testid="data-testid panel content"] span')
                .first()
            ).toBeVisible();
          }
          await CHECKS[name][at]({ panel: shown, frames, others, range, world });
        });
      }
      await picture(page, `${name}-${language}`);
    });
  }
}
