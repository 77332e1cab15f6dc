import * as emotionCss from '@emotion/css';
import * as emotionReact from '@emotion/react';
import { DataSourceApi, DataSourcePlugin, DataSourcePluginMeta } from '@grafana/data';
import * as grafanaData from '@grafana/data';
import * as grafanaDataUnstable from '@grafana/data/unstable';
import * as grafanaRuntime from '@grafana/runtime';
import * as grafanaRuntimeUnstable from '@grafana/runtime/unstable';
import * as grafanaUi from '@grafana/ui';
import * as grafanaUiUnstable from '@grafana/ui/unstable';
import * as i18next from 'i18next';
import * as lodash from 'lodash';
// eslint-disable-next-line no-restricted-imports -- lent to plugins, as Grafana does; not used here
import * as moment from 'moment';
import * as react from 'react';
import * as jsxRuntime from 'react/jsx-runtime';
import * as reactDom from 'react-dom';
import * as reactRouter from 'react-router-dom';
import * as rxjs from 'rxjs';
import * as rxjsOperators from 'rxjs/operators';

import { preferredLanguage } from '../boot/preferences';

/** What Grafana lends to every plugin: the externals of the scaffold's bundler, as far as a data source needs them. */
const lent: Record<string, System.Module> = {
  '@emotion/css': emotionCss,
  '@emotion/react': emotionReact,
  '@grafana/data': grafanaData,
  '@grafana/data/unstable': grafanaDataUnstable,
  '@grafana/runtime': grafanaRuntime,
  '@grafana/runtime/unstable': grafanaRuntimeUnstable,
  '@grafana/ui': grafanaUi,
  '@grafana/ui/unstable': grafanaUiUnstable,
  i18next,
  lodash,
  moment,
  react,
  'react/jsx-runtime': jsxRuntime,
  'react-dom': reactDom,
  'react-router': reactRouter,
  'react-router-dom': reactRouter,
  rxjs,
  'rxjs/operators': rxjsOperators,
};

type AnyDataSourcePlugin = DataSourcePlugin<DataSourceApi>;

const loaded = new Map<string, Promise<AnyDataSourcePlugin>>();

/** Tells SystemJS of the lent modules. */
export function lendModules() {
  const imports: Record<string, string> = {};
  for (const [name, module] of Object.entries(lent)) {
    imports[name] = `app:${name}`;
    System.set(`app:${name}`, module);
  }
  System.addImportMap({ imports });
}

/** Loads the built `module.js` of a data source plugin through SystemJS. */
export function importDataSourcePlugin(meta: DataSourcePluginMeta): Promise<AnyDataSourcePlugin> {
  let plugin = loaded.get(meta.id);
  if (!plugin) {
    plugin = load(meta);
    loaded.set(meta.id, plugin);
  }
  return plugin;
}

async function load(meta: DataSourcePluginMeta): Promise<AnyDataSourcePlugin> {
  await loadTexts(meta);
  const module = await System.import(`/${meta.module}`);
  const plugin: AnyDataSourcePlugin | undefined = module.plugin ?? module.default?.plugin;
  if (!plugin?.DataSourceClass) {
    throw new Error(`${meta.module} exports no data source plugin`);
  }
  plugin.meta = meta;
  return plugin;
}

/** Grafana, too, loads the texts of a plugin before its code. */
async function loadTexts(meta: DataSourcePluginMeta & { languages?: string[] }) {
  const language = preferredLanguage();
  if (meta.languages?.includes(language)) {
    const texts = await fetch(`/${meta.baseUrl}/locales/${language}/${meta.id}.json`);
    i18next.default.addResourceBundle(language, meta.id, await texts.json());
    // A language counts as the page's only once it has texts.
    await i18next.default.changeLanguage(language);
  }
}
