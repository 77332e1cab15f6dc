import { defineConfig } from 'eslint/config';
import baseConfig from './.config/eslint.config.mjs';

export default defineConfig([
  {
    ignores: [
      '**/node_modules/',
      '**/dist/',
      '**/coverage/',
      '.config/',
      'src/generated/',
      'test-results/',
      'playwright-report/',
      'playwright/.auth/',
    ],
  },
  ...baseConfig,
  {
    // The preview page and the browser tests; without this only what is under src is linted.
    files: ['preview/**/*.{ts,tsx,mjs}', 'e2e/**/*.ts', 'playwright.config.ts'],
    // The new JSX transform imports it.
    rules: { 'react/react-in-jsx-scope': 'off' },
  },
  {
    // `use` is how a Playwright fixture hands over what it made.
    files: ['e2e/**/*.ts'],
    rules: { 'react-hooks/rules-of-hooks': 'off' },
  },
]);
