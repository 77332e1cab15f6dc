import { DataSourceApi, DataSourceInstanceSettings, DataSourceRef, ScopedVars } from '@grafana/data';
import { config, DataSourceSrv, getBackendSrv, GetDataSourceListFilters, getTemplateSrv } from '@grafana/runtime';

import { importDataSourcePlugin } from './pluginLoader';

type Reference = DataSourceRef | string | null;

interface FrontendSettings {
  datasources: Record<string, DataSourceInstanceSettings>;
  defaultDatasource: string;
}

/** Finds data sources, and makes an instance of the plugin's class for each of them. */
export class PreviewDataSourceSrv implements DataSourceSrv {
  private settings: FrontendSettings = config;
  private instances = new Map<string, Promise<DataSourceApi>>();

  getList({ pluginId, type, filter, metrics, annotations, alerting }: GetDataSourceListFilters = {}) {
    return Object.values(this.settings.datasources).filter(
      (settings) =>
        (!pluginId || settings.meta.id === pluginId) &&
        (!type || [type].flat().includes(settings.type)) &&
        (!metrics || settings.meta.metrics) &&
        (!annotations || settings.meta.annotations) &&
        (!alerting || settings.meta.alerting) &&
        (!filter || filter(settings))
    );
  }

  getInstanceSettings(reference?: Reference, scopedVars?: ScopedVars): DataSourceInstanceSettings | undefined {
    const { datasources, defaultDatasource } = this.settings;
    const name = typeof reference === 'string' ? reference : reference?.uid;
    const type = typeof reference === 'string' ? undefined : reference?.type;
    if (!name || name === 'default') {
      return (type ? this.getList({ type })[0] : undefined) ?? datasources[defaultDatasource];
    }
    const wanted = name.includes('$') ? getTemplateSrv().replace(name, scopedVars) : name;
    if (wanted === 'default') {
      return datasources[defaultDatasource];
    }
    return Object.values(datasources).find((settings) => settings.uid === wanted || settings.name === wanted);
  }

  async get(reference?: Reference, scopedVars?: ScopedVars): Promise<DataSourceApi> {
    const settings = this.getInstanceSettings(reference, scopedVars);
    if (!settings) {
      const name = typeof reference === 'string' ? reference : reference?.uid;
      throw new Error(`Data source ${name} is not in the preview`);
    }
    let instance = this.instances.get(settings.uid);
    if (!instance) {
      instance = create(settings);
      this.instances.set(settings.uid, instance);
      instance.catch(() => this.instances.delete(settings.uid));
    }
    return instance;
  }

  async reload() {
    this.settings = await getBackendSrv().get<FrontendSettings>('/api/frontend/settings');
    this.instances.clear();
  }

  registerRuntimeDataSource() {
    throw new Error('runtime data sources are not in the preview');
  }
}

async function create(settings: DataSourceInstanceSettings) {
  const plugin = await importDataSourcePlugin(settings.meta);
  const instance = new plugin.DataSourceClass(settings);
  instance.components = plugin.components;
  return instance;
}
