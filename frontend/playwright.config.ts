import { defineConfig, devices, Project } from '@playwright/test';
import { dirname, join } from 'node:path';

// Against the preview host by default; against a real Grafana, where one signs in first, with GRAFANA_URL.
const { GRAFANA_URL, LOTWISE_PREVIEW_URL = 'http://127.0.0.1:3300', LOTWISE_CHROMIUM } = process.env;
const preview: Project[] = [{ name: 'preview', testIgnore: 'grafana/**' }];
const grafana: Project[] = [
  { name: 'sign in', testDir: join(dirname(require.resolve('@grafana/plugin-e2e')), 'auth'), testMatch: '*.js' },
  {
    name: 'grafana',
    testMatch: ['dashboards.spec.ts', 'grafana/*.spec.ts'],
    use: { storageState: 'playwright/.auth/admin.json' },
    dependencies: ['sign in'],
  },
];

export default defineConfig({
  testDir: './e2e',
  fullyParallel: false,
  workers: 1,
  forbidOnly: !!process.env.CI,
  reporter: 'list',
  timeout: 60_000,
  expect: { timeout: 15_000 },
  projects: GRAFANA_URL ? grafana : preview,
  use: {
    ...devices['Desktop Chrome'],
    baseURL: GRAFANA_URL ?? LOTWISE_PREVIEW_URL,
    trace: 'retain-on-failure',
    viewport: { width: 1720, height: 1000 },
    locale: 'en-US',
    timezoneId: 'Europe/Madrid',
    launchOptions: {
      // The system's Chromium: Playwright's own is not downloaded.
      executablePath: LOTWISE_CHROMIUM ?? '/usr/bin/chromium',
      args: [
        '--no-sandbox',
        '--disable-gpu',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
        '--no-first-run',
      ],
    },
  },
});
