import { AnnotationQuery, DataSourceRef, DataTransformerConfig, FieldConfigSource } from '@grafana/data';
import { DataQuery, VariableHide, VariableRefresh, VariableSort } from '@grafana/schema';

/** The part of Grafana's dashboard JSON that the preview understands. */
export interface DashboardJson {
  uid: string;
  title: string;
  description?: string;
  timezone?: string;
  weekStart?: string;
  refresh?: string | false;
  fiscalYearStartMonth?: number;
  time?: { from: string; to: string };
  timepicker?: { refresh_intervals?: string[]; hidden?: boolean };
  templating?: { list?: VariableJson[] };
  annotations?: { list?: Array<AnnotationQuery & { builtIn?: number; type?: string }> };
  panels?: PanelJson[];
  links?: Array<{ type: string; title?: string; tags?: string[] }>;
}

export interface PanelJson {
  id: number;
  type: string;
  title?: string;
  description?: string;
  transparent?: boolean;
  gridPos: { x: number; y: number; w: number; h: number };
  datasource?: DataSourceRef | null;
  targets?: DataQuery[];
  maxDataPoints?: number | null;
  interval?: string | null;
  options?: Record<string, unknown>;
  fieldConfig?: FieldConfigSource;
  transformations?: DataTransformerConfig[];
  /** Of a row. */
  collapsed?: boolean;
  panels?: PanelJson[];
}

export interface VariableJson {
  type: string;
  name: string;
  label?: string;
  description?: string;
  hide?: VariableHide;
  skipUrlSync?: boolean;
  datasource?: DataSourceRef | null;
  query?: string | (DataQuery & Record<string, unknown>);
  regex?: string;
  refresh?: VariableRefresh;
  sort?: VariableSort;
  multi?: boolean;
  includeAll?: boolean;
  allValue?: string | null;
  allowCustomValue?: boolean;
  current?: { value?: string | string[]; text?: string | string[] };
  auto?: boolean;
  auto_count?: number;
  auto_min?: string;
}
