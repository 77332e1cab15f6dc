// node dashboards/build.mjs [--check]: writes provisioning/dashboards/{en,es}/*.json from the definitions beside it, and
// the list of them in plugin.json; or says which are stale.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { DASHBOARDS } from './all.mjs';
import { dashboard, inLanguage, LANGUAGES } from './kit.mjs';

const OUT = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../provisioning/dashboards');

const check = process.argv.includes('--check');
const stale = [];
for (const language of LANGUAGES) {
  const folder = path.join(OUT, language);
  mkdirSync(folder, { recursive: true });
  const files = new Map(
    Object.entries(DASHBOARDS).map(([name, definition]) => [
      `${name}.json`,
      `${JSON.stringify(dashboard(language, name, definition), null, 2)}\n`,
    ])
  );
  for (const [file, content] of files) {
    const at = path.join(folder, file);
    let before;
    try {
      before = readFileSync(at, 'utf8');
    } catch {
      before = undefined;
    }
    if (before !== content) {
      stale.push(`${language}/${file}`);
      if (!check) {
        writeFileSync(at, content);
      }
    }
  }
  for (const file of readdirSync(folder).filter((file) => !files.has(file))) {
    stale.push(`${language}/${file}`);
    if (!check) {
      rmSync(path.join(folder, file));
    }
  }
}
const manifest = path.join(OUT, '../../plugin.json');
const before = readFileSync(manifest, 'utf8');
const plugin = JSON.parse(before);
plugin.includes = LANGUAGES.flatMap((language) =>
  Object.entries(DASHBOARDS).map(([name, { title }]) => ({
    type: 'dashboard',
    name: inLanguage(title, language),
    path: `dashboards/${language}/${name}.json`,
  }))
);
// The rest of the file as it was written.
const includes = JSON.stringify(plugin.includes, null, 2).replaceAll('\n', '\n  ');
const after = before.replace(/"includes": \[[^\]]*\]/, `"includes": ${includes}`);
if (after !== before) {
  stale.push('plugin.json');
  if (!check) {
    writeFileSync(manifest, after);
  }
}
if (check && stale.length > 0) {
  console.error(`Stale, run \`node frontend/dashboards/build.mjs\`: ${stale.join(', ')}`);
  process.exitCode = 1;
}
