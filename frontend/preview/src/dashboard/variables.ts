import {
  ConstantVariable,
  CustomVariable,
  DataSourceVariable,
  IntervalVariable,
  QueryVariable,
  SceneVariable,
  SceneVariableSet,
  TextBoxVariable,
} from '@grafana/scenes';
import { VariableRefresh, VariableSort } from '@grafana/schema';

import { VariableJson } from './model';

/** The variables of a dashboard. Kinds that the preview lacks are left out, and named on the console. */
export function variableSet(list: VariableJson[]): SceneVariableSet {
  return new SceneVariableSet({ variables: list.flatMap((json) => variable(json) ?? []) });
}

function variable(json: VariableJson): SceneVariable | undefined {
  const common = {
    name: json.name,
    label: json.label || undefined,
    description: json.description,
    hide: json.hide,
    skipUrlSync: json.skipUrlSync,
  };
  const first = (value?: string | string[]) => [value ?? ''].flat()[0] ?? '';
  const query = typeof json.query === 'string' ? json.query : '';
  const several = {
    isMulti: json.multi,
    includeAll: json.includeAll,
    allValue: json.allValue || undefined,
    allowCustomValue: json.allowCustomValue,
    value: json.current?.value ?? (json.multi ? [] : ''),
    text: json.current?.text ?? (json.multi ? [] : ''),
  };
  switch (json.type) {
    case 'query':
      return new QueryVariable({
        ...common,
        ...several,
        datasource: json.datasource ?? null,
        query: json.query ?? '',
        regex: json.regex ?? '',
        refresh: json.refresh ?? VariableRefresh.onDashboardLoad,
        sort: json.sort ?? VariableSort.disabled,
      });
    case 'custom':
      return new CustomVariable({ ...common, ...several, query });
    case 'datasource':
      return new DataSourceVariable({ ...common, ...several, pluginId: query, regex: json.regex ?? '' });
    case 'interval':
      return new IntervalVariable({
        ...common,
        value: first(json.current?.value),
        intervals: query.split(',').map((interval) => interval.trim()),
        autoEnabled: json.auto,
        autoStepCount: json.auto_count,
        autoMinInterval: json.auto_min,
      });
    case 'textbox':
      return new TextBoxVariable({ ...common, value: first(json.current?.value ?? query) });
    case 'constant':
      return new ConstantVariable({ ...common, value: query });
    default:
      console.warn(`Variables of type ${json.type} are not in the preview: ${json.name}`);
      return undefined;
  }
}
