// The rules of Grafana's plugin validator that can be asked of an unpacked zip without Go and without
// the network, one function each under the validator's own name. docs/packaging.md lists the others.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';

/** Everything in the folder of the plugin, as paths relative to it. */
function files(folder, ending = '') {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(ending))
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)));
}

/** The content of a file, nothing when it is not there. */
function text({ folder }, file) {
  const at = path.join(folder, file);
  return existsSync(at) ? readFileSync(at, 'utf8') : '';
}

const executables = (plugin) => files(plugin.folder).filter((file) => file.startsWith(plugin.json.executable));
const image = /\.(svg|png|jpe?g|gif|webp)$/;

/** All paths of images that plugin.json names. */
function images({ json }) {
  return [json.info.logos.small, json.info.logos.large, ...json.info.screenshots.map((shot) => shot.path)];
}

/** Elements and attributes that let an SVG run a script or load something. */
const ACTIVE_SVG = /<script|<foreignObject|<iframe|<use[^>]+href="(?!#)|\son\w+\s*=|javascript:|<!ENTITY|@import/i;

/** Each rule: problems found, none when it is met. `plugin` has folder, root (where it was unpacked), json, source. */
export const RULES = {
  archive: ({ root }) => {
    const entries = readdirSync(root, { withFileTypes: true });
    return entries.length === 1 && entries[0].isDirectory() ? [] : ['the zip must hold one folder and nothing else'];
  },
  archivename: ({ folder, json }) =>
    path.basename(folder) === json.id ? [] : [`the folder must be named ${json.id}`],
  metadata: ({ json }) => (json.id && json.name && json.type ? [] : ['plugin.json lacks id, name or type']),
  metadatavalid: ({ json }) => [
    ...['type', 'name', 'id', 'info', 'dependencies'].filter((key) => !json[key]).map((key) => `${key} is missing`),
    ...['description', 'author', 'keywords', 'logos', 'links', 'screenshots', 'version', 'updated']
      .filter((key) => !json.info[key])
      .map((key) => `info.${key} is missing`),
    ...(/^\d{4}-\d{2}-\d{2}$/.test(json.info.updated) ? [] : ['info.updated is no date']),
    ...(json.includes ?? [])
      .filter(({ type }) => !['dashboard', 'page', 'panel', 'datasource'].includes(type))
      .map(({ type }) => `includes has the unknown type ${type}`),
  ],
  metadatapaths: (plugin) => [
    ...images(plugin)
      .filter((file) => !file || path.isAbsolute(file) || !image.test(file) || !existsSync(path.join(plugin.folder, file)))
      .map((file) => `no image at ${file}`),
    // Not of the validator: Grafana itself says nothing when an included dashboard is missing.
    ...(plugin.json.includes ?? [])
      .filter(({ path: file }) => file && !existsSync(path.join(plugin.folder, file)))
      .map(({ path: file }) => `nothing at ${file}`),
  ],
  nestedmetadata: ({ folder }) => {
    const nested = files(folder, 'plugin.json').filter((file) => path.basename(file) === 'plugin.json');
    return nested.length === 1 ? [] : [`plugin.json is there ${nested.length} times`];
  },
  includesnested: ({ folder, json }) =>
    json.type !== 'app' && files(folder).filter((file) => path.basename(file) === 'plugin.json').length > 1
      ? ['only apps may hold other plugins']
      : [],
  pluginname: ({ json }) => [
    ...(/^[a-z0-9]+(-[a-z0-9]+){1,2}$/.test(json.id) ? [] : ['the id must be organisation-name-type']),
    ...(/\b(datasource|data source|plugin|grafana)\b/i.test(json.name) ? ['the name must not say what every plugin is'] : []),
  ],
  typesuffix: ({ json }) => (json.id.endsWith(`-${json.type}`) ? [] : ['the id must end in the type']),
  modulejs: ({ folder }) => (existsSync(path.join(folder, 'module.js')) ? [] : ['there is no module.js']),
  'js-source-map': (plugin) => {
    const problems = [];
    for (const file of files(plugin.folder, '.js')) {
      if (!existsSync(path.join(plugin.folder, `${file}.map`))) {
        problems.push(`${file} has no source map`);
        continue;
      }
      const map = JSON.parse(text(plugin, `${file}.map`));
      map.sources.forEach((name, at) => {
        // Ours only: webpack's own and those of packages have no file in src.
        const own = /^webpack:\/\/[^/]+\/\.\/((?!node_modules).+\.(?:ts|tsx))$/.exec(name)?.[1];
        if (own === undefined || !map.sourcesContent?.[at]) {
          return;
        }
        const source = path.join(plugin.source, 'src', own);
        if (!existsSync(source) || readFileSync(source, 'utf8') !== map.sourcesContent[at]) {
          problems.push(`${file} was not made from the ${own} of this checkout`);
        }
      });
    }
    return problems;
  },
  binarypermissions: (plugin) => {
    const found = executables(plugin);
    return [
      ...(found.length > 0 ? [] : ['the executable is missing']),
      ...found
        .filter((file) => (statSync(path.join(plugin.folder, file)).mode & 0o777) !== 0o755)
        .map((file) => `${file} must have mode 0755`),
    ];
  },
  backenddebug: ({ folder }) =>
    files(folder)
      .filter((file) => /(^|\/)(standalone\.txt|pid\.txt)$|\.(pdb|dwp|debug)$/.test(file))
      .map((file) => `${file} is for debugging`),
  // The part of `backendbinary` that is not about Go.
  backendbinary: (plugin) => [
    ...(plugin.json.backend && plugin.json.executable ? [] : ['backend and executable belong together']),
    ...(plugin.json.alerting && !plugin.json.backend ? ['alerting needs a back end'] : []),
    ...executables(plugin)
      .filter((file) => elf(path.join(plugin.folder, file)) !== /_([a-z0-9]+)_([a-z0-9]+)$/.exec(file)?.slice(1).join('/'))
      .map((file) => `${file} is a program for ${elf(path.join(plugin.folder, file))}`),
  ],
  logos: ({ json }) => (json.info.logos?.small?.trim() && json.info.logos?.large?.trim() ? [] : ['a logo is missing']),
  unsafesvg: (plugin) =>
    files(plugin.folder, '.svg')
      .filter((file) => ACTIVE_SVG.test(text(plugin, file)))
      .map((file) => `${file} may run or load something`),
  screenshots: (plugin) => [
    ...(plugin.json.info.screenshots.length > 0 ? [] : ['there is no screenshot']),
    ...plugin.json.info.screenshots
      .filter(({ path: file }) => file && existsSync(path.join(plugin.folder, file)) && !isPicture(path.join(plugin.folder, file)))
      .map(({ path: file }) => `${file} is not what its ending says`),
  ],
  discoverability: ({ json }) => [
    ...(json.info.description?.trim() ? [] : ['no description']),
    ...(json.info.keywords?.length > 0 && !json.info.keywords.some((word) => /^example/i.test(word)) ? [] : ['no keywords']),
  ],
  readme: (plugin) => {
    const readme = existsSync(path.join(plugin.folder, 'README.md')) ? text(plugin, 'README.md') : '';
    return [...(readme.trim() ? [] : ['README.md is empty']), ...(readme.includes('<!--') ? ['README.md has comments'] : [])];
  },
  templatereadme: (plugin) =>
    /This template is a starting point|^# .*[Tt]emplate$/m.test(text(plugin, 'README.md')) ? ['README.md is the template'] : [],
  jargon: (plugin) =>
    ['yarn', 'nodejs'].filter((word) => text(plugin, 'README.md').includes(word)).map((word) => `README.md says ${word}`),
  brokenlinks: (plugin) =>
    [...text(plugin, 'README.md').matchAll(/\]\(([^)\s]+)/g)]
      .map(([, link]) => link)
      .filter((link) => !/^(https?:\/\/|mailto:|#)/.test(link))
      .map((link) => `README.md has the relative link ${link}`),
  changelog: (plugin) =>
    existsSync(path.join(plugin.folder, 'CHANGELOG.md')) && text(plugin, 'CHANGELOG.md').trim() ? [] : ['CHANGELOG.md is empty'],
  license: (plugin) => {
    const file = path.join(plugin.folder, 'LICENSE');
    const is = existsSync(file) && /Apache License\s+Version 2\.0/.test(readFileSync(file, 'utf8'));
    return is ? [] : ['LICENSE is not the Apache License 2.0'];
  },
  grafanadependency: ({ json }) =>
    /^(>=|\^|~)?\d+\.\d+\.\d+(-\d+)?( (<|<=)\d+\.\d+\.\d+)?$/.test(json.dependencies.grafanaDependency)
      ? []
      : ['grafanaDependency is no range of versions'],
  restrictivedep: ({ json }) =>
    /^>=/.test(json.dependencies.grafanaDependency) ? [] : ['grafanaDependency shuts out later versions'],
  circulardependencies: ({ json }) =>
    json.dependencies.plugins.some(({ id }) => id === json.id) ? ['the plugin depends on itself'] : [],
  version: ({ json, source }) => {
    const { version } = JSON.parse(readFileSync(path.join(source, 'package.json'), 'utf8'));
    return /^\d+\.\d+\.\d+(-[\w.]+)?$/.test(json.info.version) && json.info.version === version
      ? []
      : [`version ${json.info.version} is not the ${version} of package.json`];
  },
  legacyplatform: (plugin) =>
    /from ["']grafana\/app\/|angular\.module|PanelCtrl|QueryCtrl|ConfigCtrl/.test(text(plugin, 'module.js')) ? ['module.js uses Angular'] : [],
  legacybuilder: ({ source }) =>
    readFileSync(path.join(source, 'package.json'), 'utf8').includes('grafana-toolkit') ? ['built by grafana-toolkit'] : [],
  buildtools: ({ source }) =>
    readFileSync(path.join(source, '.config/webpack/webpack.config.ts'), 'utf8').includes('@grafana/create-plugin')
      ? []
      : ['not built by create-plugin'],
  trackingscripts: (plugin) =>
    files(plugin.folder, '.js')
      .filter((file) => /googletagmanager\.com|google-analytics\.com|plausible\.io|cdn\.segment\.com|hotjar\.com/.test(text(plugin, file)))
      .map((file) => `${file} tracks`),
  sponsorshiplink: () => [], // A recommendation: there is nobody to sponsor.
  // The programs' own folders and the machine's must not be in what is handed out.
  'no-local-paths': (plugin) =>
    files(plugin.folder, '.json').concat(files(plugin.folder, '.js'))
      .filter((file) => /\/(home|root|Users)\/\w+\//.test(text(plugin, file)))
      .map((file) => `${file} names a folder of the machine that built it`),
};

/** What an ELF program is for, in the words of a plugin's file names. */
function elf(file) {
  const head = readFileSync(file).subarray(0, 20);
  if (head.length < 20 || head.readUInt32BE(0) !== 0x7f454c46) {
    return 'nothing';
  }
  return { 0x3e: 'linux/amd64', 0xb7: 'linux/arm64' }[head.readUInt16LE(18)] ?? 'another machine';
}

/** Do the first bytes agree with the ending? */
function isPicture(file) {
  const head = readFileSync(file).subarray(0, 4).toString('latin1');
  return { '.png': '\x89PNG', '.jpg': '\xff\xd8\xff', '.svg': '<' }[path.extname(file)]?.startsWith(head.slice(0, 1)) ?? false;
}

/** Problems by rule, of the rules that are not met. */
export function problems(plugin) {
  return Object.entries(RULES)
    .map(([rule, check]) => [rule, check(plugin)])
    .filter(([, found]) => found.length > 0);
}

/** The plugin that was unpacked into `root`. */
export function unpacked(root, source) {
  const [name] = readdirSync(root).sort();
  const folder = path.join(root, name);
  return { root, folder, source, json: JSON.parse(readFileSync(path.join(folder, 'plugin.json'), 'utf8')) };
}
