import { FieldDisplay, getFieldDisplayValues, PanelProps, ReduceDataOptions } from '@grafana/data';
import { config } from '@grafana/runtime';

/** Options that stat and bar gauge share. */
export interface ReducedOptions {
  reduceOptions?: Partial<ReduceDataOptions>;
  orientation?: 'auto' | 'horizontal' | 'vertical';
  text?: { titleSize?: number; valueSize?: number };
}

/** One value for each field (or for each row, when the panel asks for all values). */
export function reducedValues(props: PanelProps<ReducedOptions>, sparkline = false): FieldDisplay[] {
  const { data, options, fieldConfig, replaceVariables, timeZone } = props;
  return getFieldDisplayValues({
    data: data.series,
    reduceOptions: { calcs: ['lastNotNull'], values: false, ...options.reduceOptions },
    fieldConfig,
    replaceVariables,
    theme: config.theme2,
    timeZone,
    sparkline,
  });
}
