import { DataSourcePlugin } from '@grafana/data';

import { LotwiseDataSource } from './datasource';
import { lazily } from './lazily';
import { LotwiseOptions, LotwiseQuery, LotwiseSecrets } from './types';

export const plugin = new DataSourcePlugin<LotwiseDataSource, LotwiseQuery, LotwiseOptions, LotwiseSecrets>(
  LotwiseDataSource
)
  .setConfigEditor(
    lazily(async () => (await import(/* webpackChunkName: "config-editor" */ './components/ConfigEditor')).ConfigEditor)
  )
  .setQueryEditor(
    lazily(async () => (await import(/* webpackChunkName: "query-editor" */ './components/QueryEditor')).QueryEditor)
  )
  .setQueryEditorHelp(
    lazily(async () => (await import(/* webpackChunkName: "query-help" */ './components/QueryHelp')).QueryHelp)
  );
