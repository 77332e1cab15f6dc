// node tests/package/check.mjs ZIP FRONTEND: unpacks the zip as Grafana does, holds it to the rules, and
// then breaks copies of it, one rule at a time, to see that the rules would have said so.
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

import { problems, RULES, unpacked } from './rules.mjs';

const edit = (file, change) => ({ folder }) => {
  const at = path.join(folder, file);
  const before = readFileSync(at, 'utf8');
  rmSync(at); // A hard link: the other copy keeps its own.
  writeFileSync(at, change(before));
};
const json = (change) =>
  edit('plugin.json', (before) => {
    const value = JSON.parse(before);
    change(value);
    return JSON.stringify(value);
  });
const remove = (file) => ({ folder }) => rmSync(path.join(folder, file));
const add = (file, content) => ({ folder }) => {
  mkdirSync(path.dirname(path.join(folder, file)), { recursive: true });
  writeFileSync(path.join(folder, file), content);
};
const executable = ({ folder }) =>
  path.join(folder, readdirSync(folder).find((file) => file.startsWith('gpx_')));

/** What breaks each rule. A rule without an entry here is not trusted. */
const BROKEN = {
  archive: ({ root }) => mkdirSync(path.join(root, 'zzz')),
  archivename: (plugin) => renameSync(plugin.folder, path.join(plugin.root, 'dist')),
  metadata: json((it) => delete it.name),
  metadatavalid: json((it) => (it.info.updated = '%TODAY%')),
  metadatapaths: json((it) => (it.includes[0].path = 'dashboards/none.json')),
  nestedmetadata: add('other/plugin.json', '{}'),
  includesnested: add('other/plugin.json', '{}'),
  pluginname: json((it) => (it.name = 'Lotwise datasource')),
  typesuffix: json((it) => (it.type = 'panel')),
  modulejs: remove('module.js'),
  'js-source-map': remove('module.js.map'),
  binarypermissions: (plugin) => {
    const at = executable(plugin);
    cpSync(at, `${at}.copy`);
    renameSync(`${at}.copy`, at);
    chmodSync(at, 0o644);
  },
  backenddebug: add('standalone.txt', '1'),
  backendbinary: (plugin) => {
    const at = executable(plugin);
    rmSync(at);
    writeFileSync(at, '#!/bin/sh\n', { mode: 0o755 });
  },
  logos: json((it) => (it.info.logos.small = '')),
  unsafesvg: edit('img/logo.svg', (before) => before.replace('</svg>', '<script>alert(1)</script></svg>')),
  screenshots: json((it) => (it.info.screenshots = [])),
  discoverability: json((it) => (it.info.keywords = [])),
  readme: edit('README.md', (before) => `${before}\n<!-- later -->\n`),
  templatereadme: edit('README.md', () => '# Grafana Data Source Plugin Template\n'),
  jargon: edit('README.md', (before) => `${before}\nRun yarn.\n`),
  brokenlinks: edit('README.md', (before) => `${before}\n[see](docs/admin.md)\n`),
  changelog: edit('CHANGELOG.md', () => ''),
  license: edit('LICENSE', () => 'All rights reserved.'),
  grafanadependency: json((it) => (it.dependencies.grafanaDependency = 'new')),
  restrictivedep: json((it) => (it.dependencies.grafanaDependency = '12.3.0')),
  circulardependencies: json((it) => it.dependencies.plugins.push({ id: it.id })),
  version: json((it) => (it.info.version = '%VERSION%')),
  legacyplatform: edit('module.js', (before) => `${before};angular.module('x')`),
  trackingscripts: edit('module.js', (before) => `${before};"https://www.googletagmanager.com"`),
  'no-local-paths': edit('module.js', (before) => `${before};"/home/me/lotwise/module.ts"`),
};
/** Rules about the checkout, which is not broken for a test, and the one that nothing can break. */
const OF_THE_SOURCE = ['legacybuilder', 'buildtools', 'sponsorshiplink'];

const [zip, source] = process.argv.slice(2);
const work = mkdtempSync(path.join(tmpdir(), 'lotwise-zip-'));
let failed = 0;
let passed = 0;
const note = (good, said) => {
  good ? passed++ : failed++;
  if (!good) {
    console.log(`FAIL ${said}`);
  }
};
try {
  const plugins = path.join(work, 'plugins');
  mkdirSync(plugins);
  execFileSync('unzip', ['-q', zip, '-d', plugins]);
  const plugin = unpacked(plugins, source);
  const found = Object.fromEntries(problems(plugin));
  for (const rule of Object.keys(RULES)) {
    note(!found[rule], `${rule}: ${found[rule]?.join('; ')}`);
  }
  for (const rule of Object.keys(RULES).filter((name) => !OF_THE_SOURCE.includes(name))) {
    const root = path.join(work, rule);
    execFileSync('cp', ['-al', plugins, root]);
    BROKEN[rule]?.(unpacked(root, source));
    const said = problems(unpackedAnyhow(root, plugin)).map(([name]) => name);
    note(said.includes(rule), `${rule} says nothing about a zip that breaks it`);
  }
} finally {
  rmSync(work, { recursive: true });
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);

/** The plugin under `root`, whose folder may have lost its name. */
function unpackedAnyhow(root, plugin) {
  const name = readdirSync(root).find((entry) => entry !== 'zzz');
  const folder = path.join(root, name);
  return { root, folder, source: plugin.source, json: JSON.parse(readFileSync(path.join(folder, 'plugin.json'), 'utf8')) };
}
