import { expect, Locator, Page, Response, test as base } from '@playwright/test';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';

import { Database } from './figures';

export interface Fixtures {
  database: Database;
  /** Lines on the console that a test expects. */
  expectedErrors: RegExp[];
  answers: Answers;
}

/** A page that must not complain on the console, the database behind it, and what the queries were answered. */
export const test = base.extend<Fixtures>({
  database: async ({}, use) => {
    const database = await Database.connect();
    await use(database);
    await database.close();
  },
  expectedErrors: async ({}, use) => use([]),
  page: async ({ page, expectedErrors }, use) => {
    const complaints: string[] = [];
    watchTraffic(page);
    page.on('console', (message) => {
      if (message.type() === 'error') {
        complaints.push(`${message.text()} (${message.location().url})`);
      }
    });
    page.on('pageerror', (error) => complaints.push(error.stack ?? error.message));
    await use(page);
    expect(complaints.filter((text) => !expectedErrors.some((expected) => expected.test(text)))).toEqual([]);
  },
  answers: async ({ page }, use) => use(new Answers(page)),
});

export interface Frame {
  schema: { name?: string; fields: Array<{ name: string; labels?: Record<string, string> }> };
  data: { values: unknown[][] };
}

export interface Query {
  refId: string;
  type?: string;
  kpis?: string[];
  groupBy?: string;
  bucket?: string;
  format?: string;
  align?: string;
  aggregate?: string;
  limit?: number;
  place?: { quantity?: string };
  context?: { references?: string[] };
}

interface Exchange {
  query: Query;
  frames: Frame[];
}

/** What the page asked and was answered, in full precision; panels round. */
export class Answers {
  private exchanges: Exchange[] = [];

  constructor(page: Page) {
    page.on('response', (response) => void this.keep(response));
  }

  /** A field of the newest answer to a query that `wanted` recognises, by name. */
  field(name: string, wanted: (query: Query) => boolean): unknown[] | undefined {
    const frame = this.frames(wanted)?.[0];
    const at = frame?.schema.fields.findIndex((field) => field.name === name) ?? -1;
    return frame?.data.values[at];
  }

  /** All frames of that answer. */
  frames(wanted: (query: Query) => boolean): Frame[] | undefined {
    return this.exchanges.findLast(({ query }) => wanted(query))?.frames;
  }

  /** Forgets what came before. */
  clear() {
    this.exchanges = [];
  }

  private async keep(response: Response) {
    if (!response.url().includes('/api/ds/query')) {
      return;
    }
    const asked: Query[] = response.request().postDataJSON().queries;
    // The body of an answer that the page has cancelled is gone.
    const body = await response.json().catch(() => undefined);
    for (const query of body ? asked : []) {
      this.exchanges.push({ query, frames: body.results[query.refId]?.frames ?? [] });
    }
  }
}

/** A panel of a dashboard, by its title. */
export function panel(page: Page, title: string): Locator {
  return page.getByTestId(`data-testid Panel header ${title}`);
}

/**
 * Picks one value of a dashboard variable: types its name, clicks it and leaves the picker. Waits until the variables
 * that depend on it have their new values, as a person would.
 */
export async function pick(page: Page, variable: string, value: string) {
  const input = page.getByLabel(variable, { exact: true });
  await input.click();
  await input.pressSequentially(value, { delay: 10 });
  await page.getByTestId('data-testid Select option').getByText(value, { exact: true }).click();
  await page.keyboard.press('Escape');
  await input.blur();
  await settled(page);
}

/** Requests of a page that have not been answered yet, and when that changed last. */
const traffic = new WeakMap<Page, { open: number; changed: number }>();

function watchTraffic(page: Page) {
  const state = { open: 0, changed: Date.now() };
  traffic.set(page, state);
  const count = (change: number) => () => {
    state.open += change;
    state.changed = Date.now();
  };
  page.on('request', count(1));
  page.on('requestfinished', count(-1));
  page.on('requestfailed', count(-1));
}

/** Waits until nothing has been fetched for a moment, and the page has drawn what came. */
export async function settled(page: Page) {
  const state = traffic.get(page)!;
  await expect
    .poll(() => state.open <= 0 && Date.now() - state.changed > 500, { timeout: 30_000, intervals: [100] })
    .toBe(true);
}

const MULTIPLES: Record<string, number> = { Wh: 0.001, kWh: 1, MWh: 1_000, GWh: 1_000_000, K: 1_000, t: 1_000 };

/** Asserts that a panel shows a figure: equal as far as the digits that it shows. */
export async function expectShown(shown: Locator, expected: number) {
  await expect(async () => {
    const text = await shown.innerText();
    // The sign may stand before the currency.
    const [, minus = '', digits, decimals = '', unit = ''] =
      /(-?)[€$£]?(\d+(?:\.(\d+))?)\s*([A-Za-z]*)/.exec(text.replaceAll(',', '')) ?? [];
    const multiple = MULTIPLES[unit] ?? 1;
    const half = (0.5 / 10 ** decimals.length) * multiple;
    expect(Math.abs(Number(`${minus}${digits}`) * multiple - expected), `${text} for ${expected}`).toBeLessThanOrEqual(
      half * 1.0001
    );
  }).toPass({ timeout: 20_000 });
}

/** Writes a picture for the documents, when blessing: of what is on the screen, or of the full page. */
export async function picture(page: Page, name: string, extent: 'screen' | 'full page' = 'screen') {
  if (process.env.LOTWISE_BLESS === '1') {
    const folder = path.join(__dirname, '../../../docs/img');
    await mkdir(folder, { recursive: true });
    const fullPage = extent === 'full page';
    const host = process.env.GRAFANA_URL ? 'grafana-' : '';
    await page.screenshot({ path: path.join(folder, `${host}${name}.png`), animations: 'disabled', fullPage });
  }
}
