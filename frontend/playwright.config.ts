import { defineConfig, devices } from '@playwright/test';

// The specs run against whatever serves the dashboards: the preview host by default, a real Grafana by GRAFANA_URL.
export default defineConfig({
  testDir: './e2e',
  fullyParallel: false,
  workers: 1,
  forbidOnly: !!process.env.CI,
  reporter: 'list',
  timeout: 60_000,
  expect: { timeout: 15_000 },
  use: {
    ...devices['Desktop Chrome'],
    baseURL: process.env.GRAFANA_URL ?? process.env.LOTWISE_PREVIEW_URL ?? 'http://127.0.0.1:3300',
    trace: 'retain-on-failure',
    viewport: { width: 1720, height: 1000 },
    locale: 'en-US',
    timezoneId: 'Europe/Madrid',
    launchOptions: {
      // The system's Chromium: Playwright's own is not downloaded.
      executablePath: process.env.LOTWISE_CHROMIUM ?? '/usr/bin/chromium',
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
