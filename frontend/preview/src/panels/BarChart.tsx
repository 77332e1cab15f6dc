import { css } from '@emotion/css';
import {
  dateTimeFormat,
  DataFrame,
  Field,
  FieldType,
  formattedValueToString,
  getFieldDisplayName,
  getFieldSeriesColor,
  PanelPlugin,
  PanelProps,
} from '@grafana/data';
import { LegendDisplayMode, StackingMode, VizLegendOptions } from '@grafana/schema';
import { measureText, useTheme2, VizLayout, VizLegend } from '@grafana/ui';

import { colorBySeries, customOptions } from './fieldOptions';
import { Message } from './Message';
import { niceTicks } from './ticks';

interface Options {
  orientation?: 'auto' | 'horizontal' | 'vertical';
  stacking?: StackingMode;
  showValue?: 'auto' | 'always' | 'never';
  xField?: string;
  legend?: VizLegendOptions;
}

interface Series {
  field: Field;
  label: string;
  color: string;
}

const FONT_SIZE = 12;

interface Bars {
  categories: string[];
  series: Series[];
}

function BarChartPanel(props: PanelProps<Options>) {
  const theme = useTheme2();
  const { data, options, width, height, timeZone } = props;
  const frame = data.series.find((candidate) => candidate.fields.some(isShownNumber));
  const categoryField = frame && findCategories(frame, options.xField);
  if (!frame || !categoryField || frame.length === 0) {
    return <Message>No data</Message>;
  }
  const category = (value: unknown) =>
    categoryField.type === FieldType.time
      ? dateTimeFormat(Number(value), { timeZone, format: 'MM-DD HH:mm' })
      : formattedValueToString(categoryField.display!(value ?? ''));
  const series = frame.fields
    .filter((field) => field !== categoryField && isShownNumber(field))
    .map((field) => ({
      field,
      label: getFieldDisplayName(field, frame, data.series),
      color: getFieldSeriesColor(field, theme).color,
    }));
  const bars = { categories: Array.from(categoryField.values, category), series };
  const legend =
    options.legend?.showLegend === false ? null : (
      <VizLayout.Legend placement={options.legend?.placement ?? 'bottom'}>
        <VizLegend
          placement={options.legend?.placement ?? 'bottom'}
          displayMode={LegendDisplayMode.List}
          items={series.map(({ label, color }) => ({ label, color, yAxis: 1 }))}
        />
      </VizLayout.Legend>
    );
  return (
    <VizLayout width={width} height={height} legend={legend}>
      {(width, height) => <Chart {...bars} options={options} width={width} height={height} />}
    </VizLayout>
  );
}

function Chart({
  categories,
  series,
  options,
  width,
  height,
}: Bars & { options: Options; width: number; height: number }) {
  const theme = useTheme2();
  const horizontal = options.orientation === 'horizontal';
  const stacked = options.stacking === StackingMode.Normal;
  const format = (value: number) => formattedValueToString(series[0].field.display!(value));
  const value = (at: Series, row: number): number => at.field.values[row] ?? 0;

  const totals = categories.map((_, row) => series.map((at) => value(at, row)));
  const reach = totals.map((values) => (stacked ? values.reduce((sum, next) => sum + next, 0) : Math.max(...values)));
  const low = Math.min(0, ...totals.flat());
  const [least, most] = [low, Math.max(...reach, low + 1e-9)];
  const widestName = Math.min(width * 0.45, Math.max(0, ...categories.map(textWidth)));
  const roomForTick = horizontal ? textWidth(format(most)) + 24 : 40;
  const ticks = niceTicks(least, most, (horizontal ? width - widestName : height) / roomForTick);
  const [min, max] = [ticks[0], ticks[ticks.length - 1]];

  const widestTick = Math.max(...ticks.map((tick) => textWidth(format(tick))));
  // Beside the longest bar there must be room for its value.
  const widestValue = Math.max(
    0,
    ...series.flatMap(({ field }) => Array.from(field.values, (value) => textWidth(format(value))))
  );
  const beside = options.showValue === 'never' || stacked ? widestTick / 2 : Math.max(widestTick / 2, widestValue);
  const margin = horizontal
    ? { left: 12 + widestName, right: 8 + beside, top: 4, bottom: 22 }
    : { left: 12 + widestTick, right: 8, top: 18, bottom: 22 };
  const plot = { width: width - margin.left - margin.right, height: height - margin.top - margin.bottom };
  const length = horizontal ? plot.width : plot.height;
  const along = (amount: number) => ((amount - min) / (max - min)) * length;
  const slot = (horizontal ? plot.height : plot.width) / categories.length;
  const bandwidth = slot * 0.7;
  const thickness = stacked ? bandwidth : bandwidth / series.length;
  const everyNthTick = Math.max(1, Math.ceil((widestTick + 12) / (length / Math.max(1, ticks.length - 1))));
  const everyNth = Math.max(1, Math.ceil((horizontal ? 14 : widestName + 8) / slot));

  return (
    <svg
      width={width}
      height={height}
      className={css({ fontSize: FONT_SIZE, fill: theme.colors.text.primary })}
      role="img"
    >
      <g transform={`translate(${margin.left} ${margin.top})`}>
        {ticks.map((tick, index) => {
          const at = along(tick);
          const labelled = !horizontal || index % everyNthTick === 0;
          const line = horizontal
            ? { x1: at, x2: at, y1: 0, y2: plot.height }
            : { x1: 0, x2: plot.width, y1: plot.height - at, y2: plot.height - at };
          return (
            <g key={tick}>
              <line {...line} stroke={theme.colors.border.weak} />
              {horizontal ? (
                <text x={at} y={plot.height + 16} textAnchor="middle">
                  {labelled ? format(tick) : ''}
                </text>
              ) : (
                <text x={-6} y={plot.height - at + 4} textAnchor="end">
                  {format(tick)}
                </text>
              )}
            </g>
          );
        })}
        {categories.map((name, row) => {
          let base = 0;
          const start = row * slot + (slot - bandwidth) / 2;
          const middle = row * slot + slot / 2;
          return (
            <g key={row}>
              {series.map((at, index) => {
                const amount = value(at, row);
                const from = along(stacked ? base : Math.max(min, Math.min(0, max)));
                const to = along(stacked ? base + amount : amount);
                base += amount;
                const across = start + (stacked ? 0 : index * thickness);
                const size = Math.abs(to - from);
                const label = formattedValueToString(at.field.display!(at.field.values[row]));
                const box = horizontal
                  ? { x: Math.min(from, to), y: across, width: size, height: thickness }
                  : { x: across, y: plot.height - Math.max(from, to), width: thickness, height: size };
                const fits = horizontal ? thickness >= 12 : thickness >= textWidth(label);
                const shown = options.showValue !== 'never' && !stacked && (fits || options.showValue === 'always');
                return (
                  <g key={index}>
                    <rect {...box} fill={at.color} fillOpacity={0.8} stroke={at.color}>
                      <title>{`${name}\n${at.label}: ${label}`}</title>
                    </rect>
                    {shown && (
                      <text
                        x={
                          horizontal
                            ? Math.min(to + 4, plot.width + margin.right - textWidth(label))
                            : across + thickness / 2
                        }
                        y={horizontal ? across + thickness / 2 + 4 : plot.height - to - 4}
                        textAnchor={horizontal ? 'start' : 'middle'}
                      >
                        {label}
                      </text>
                    )}
                  </g>
                );
              })}
              {row % everyNth === 0 && (
                <text
                  x={horizontal ? -6 : middle}
                  y={horizontal ? middle + 4 : plot.height + 16}
                  textAnchor={horizontal ? 'end' : 'middle'}
                >
                  {shortened(name, widestName)}
                </text>
              )}
            </g>
          );
        })}
      </g>
    </svg>
  );
}

const textWidth = (text: string) => measureText(text, FONT_SIZE).width;

/** The text, or as much of it as fits into `room` pixels. */
function shortened(text: string, room: number): string {
  if (textWidth(text) <= room) {
    return text;
  }
  let length = text.length;
  while (length > 1 && textWidth(`${text.slice(0, length)}…`) > room) {
    length--;
  }
  return `${text.slice(0, length)}…`;
}

function isShownNumber(field: Field) {
  return field.type === FieldType.number && !field.config.custom?.hideFrom?.viz;
}

function findCategories(frame: DataFrame, wanted?: string) {
  return (
    frame.fields.find((field) => wanted !== undefined && getFieldDisplayName(field, frame) === wanted) ??
    frame.fields.find((field) => field.type === FieldType.string) ??
    frame.fields.find((field) => field.type === FieldType.time)
  );
}

export const barChart = new PanelPlugin<Options>(BarChartPanel).useFieldConfig({
  standardOptions: colorBySeries,
  useCustomConfig: customOptions({
    fillOpacity: 80,
    lineWidth: 1,
    gradientMode: undefined,
    axisPlacement: undefined,
    axisLabel: '',
    hideFrom: { legend: false, tooltip: false, viz: false },
  }),
});
