import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { PLUGIN_ID } from './i18n';

type Locale = Record<string, Record<string, string>>;

function locale(language: string): Record<string, string> {
  const nested: Locale = JSON.parse(readFileSync(join(__dirname, 'locales', language, `${PLUGIN_ID}.json`), 'utf8'));
  return Object.fromEntries(
    Object.entries(nested).flatMap(([group, texts]) =>
      Object.entries(texts).map(([name, text]) => [`${group}.${name}`, text])
    )
  );
}

/** Every text of the source by its key, as written at its calls of t(). */
function sourceTexts(): Record<string, string> {
  const texts: Record<string, string> = {};
  for (const file of readdirSync(__dirname, { recursive: true, encoding: 'utf8' })) {
    if (/(?<!\.test)\.tsx?$/.test(file) && !file.startsWith('dashboards')) {
      const source = readFileSync(join(__dirname, file), 'utf8');
      for (const [, key, single, double] of source.matchAll(
        /\bt\(\s*'([^']+)',\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")/g
      )) {
        const text = (single ?? double).replaceAll("\\'", "'");
        expect([key, texts[key] ?? text]).toEqual([key, text]);
        texts[key] = text;
      }
    }
  }
  return texts;
}

const placeholders = (text: string) => [...text.matchAll(/{{\w+}}/g)].map(String).sort();

test('the English file holds the texts of the source', () => {
  expect(locale('en-US')).toEqual(sourceTexts());
});

test('the plugin names the languages that it has', () => {
  const plugin = JSON.parse(readFileSync(join(__dirname, 'plugin.json'), 'utf8'));
  expect(plugin.languages).toEqual(readdirSync(join(__dirname, 'locales')).sort());
  expect(plugin.id).toBe(PLUGIN_ID);
});

test('every text is translated, with the same values put in', () => {
  const english = locale('en-US');
  const spanish = locale('es-ES');
  expect(Object.keys(spanish).sort()).toEqual(Object.keys(english).sort());
  for (const [key, text] of Object.entries(english)) {
    expect([key, placeholders(spanish[key])]).toEqual([key, placeholders(text)]);
  }
});
