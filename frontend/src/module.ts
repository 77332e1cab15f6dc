import { DataSourcePlugin } from '@grafana/data';

import { LotwiseDataSource } from './datasource';
import { LotwiseOptions, LotwiseQuery, LotwiseSecrets } from './types';

export const plugin = new DataSourcePlugin<LotwiseDataSource, LotwiseQuery, LotwiseOptions, LotwiseSecrets>(
  LotwiseDataSource
);
