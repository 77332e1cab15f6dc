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
    baseURL: process.env.GRAFANA_URL ?? process.env.LOTWISE_PREVIEW_URL ?? 'http://127.0.0.1:3300',
    trace: 'retain-on-failure',
    viewport: { width: 1600, height: 1000 },
  },
  projects: [{ name: 'chromium', use: { ...devices['Desktop Chrome'] } }],
});
