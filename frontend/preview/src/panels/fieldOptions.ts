import { FieldColorModeId, FieldConfigEditorBuilder, FieldConfigProperty, ThresholdsMode } from '@grafana/data';

const noEditor = () => null;

/** Registers a panel's own field options, so that defaults hold and overrides (`custom.…`) are applied. */
export function customOptions(defaults: Record<string, unknown>) {
  return (builder: FieldConfigEditorBuilder<Record<string, unknown>>) => {
    for (const [path, defaultValue] of Object.entries(defaults)) {
      builder.addCustomEditor({
        id: path,
        path,
        name: path,
        editor: noEditor,
        override: noEditor,
        process: (value) => value,
        shouldApply: () => true,
        defaultValue,
      });
    }
  };
}

/** Each series in its own colour: the default of graphs. */
export const colorBySeries = {
  [FieldConfigProperty.Color]: { defaultValue: { mode: FieldColorModeId.PaletteClassic } },
};

/** The colour says how good the value is: the default of stats and bar gauges. */
export const colorByThreshold = {
  [FieldConfigProperty.Color]: { defaultValue: { mode: FieldColorModeId.Thresholds } },
  [FieldConfigProperty.Thresholds]: {
    defaultValue: { mode: ThresholdsMode.Absolute, steps: [{ value: -Infinity, color: 'green' }] },
  },
};
