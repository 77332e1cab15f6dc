import { initPluginTranslations } from '@grafana/i18n';
import {
  setAppEvents,
  setBackendSrv,
  setDataSourceSrv,
  setPluginImportUtils,
  setRunRequest,
  setTemplateSrv,
} from '@grafana/runtime';
import { initializeLoggersRegistry, reloadDataSourceInstanceSettings } from '@grafana/runtime/unstable';
import i18next from 'i18next';

import { preferredLanguage } from '../boot/preferences';
import { importPanelPlugin } from '../panels';
import { appEvents } from './appEvents';
import { PreviewBackendSrv } from './backendSrv';
import { PreviewDataSourceSrv } from './dataSourceSrv';
import { lendModules } from './pluginLoader';
import { fillRegistries } from './registries';
import { runRequest } from './runRequest';
import { PreviewTemplateSrv } from './templateSrv';

/** Puts our services where Grafana's packages look for them. */
export async function installServices() {
  initializeLoggersRegistry();
  // Grafana's own texts come in English only in the packages; the plugin's follow the language.
  await initPluginTranslations('grafana');
  await i18next.changeLanguage(preferredLanguage());

  fillRegistries();
  lendModules();
  setAppEvents(appEvents);
  setBackendSrv(new PreviewBackendSrv());
  setTemplateSrv(new PreviewTemplateSrv());
  setRunRequest(runRequest);
  // Before there is a DataSourceSrv, or the runtime would ask that one instead of filling its own list.
  await reloadDataSourceInstanceSettings();
  setDataSourceSrv(new PreviewDataSourceSrv());
  setPluginImportUtils({
    importPanelPlugin: async (id) => importPanelPlugin(id),
    getPanelPluginFromCache: importPanelPlugin,
  });
}
