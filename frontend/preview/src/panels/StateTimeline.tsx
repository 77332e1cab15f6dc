import {
  DataFrame,
  dateTimeFormat,
  Field,
  FieldType,
  formattedValueToString,
  getFieldDisplayName,
  PanelPlugin,
  PanelProps,
} from '@grafana/data';
import { LegendDisplayMode, VizLegendOptions } from '@grafana/schema';
import { measureText, useTheme2, VizLayout, VizLegend } from '@grafana/ui';

import { colorBySeries, customOptions } from './fieldOptions';
import { Message } from './Message';
import { timeTicks } from './ticks';

interface Options {
  mergeValues?: boolean;
  rowHeight?: number;
  showValue?: 'auto' | 'always' | 'never';
  legend?: VizLegendOptions;
}

interface Span {
  from: number;
  to: number;
  text: string;
  color: string;
}

interface Row {
  label: string;
  spans: Span[];
}

/** Height of the time axis. */
const AXIS = 22;
const FONT_SIZE = 12;

const textWidth = (text: string) => measureText(text, FONT_SIZE).width;

function StateTimelinePanel(props: PanelProps<Options>) {
  const theme = useTheme2();
  const { data, options, width, height, timeRange } = props;
  const end = timeRange.to.valueOf();
  const palette = new Map<string, string>();
  // Without value mappings each state gets the next colour of the palette, the same in all rows.
  const colorOf = (text: string, mapped?: string) => {
    const { colors, palette: hues } = { colors: palette, palette: theme.visualization.palette };
    if (!colors.has(text)) {
      colors.set(text, mapped ?? theme.visualization.getColorByName(hues[colors.size % hues.length]));
    }
    return colors.get(text)!;
  };
  const rows = data.series.flatMap((frame) => timelineRows(frame, data.series, end, options, colorOf));
  if (rows.length === 0) {
    return <Message>No data</Message>;
  }
  const legend =
    options.legend?.showLegend === false ? null : (
      <VizLayout.Legend placement={options.legend?.placement ?? 'bottom'}>
        <VizLegend
          placement={options.legend?.placement ?? 'bottom'}
          displayMode={LegendDisplayMode.List}
          items={[...palette].map(([label, color]) => ({ label, color, yAxis: 1 }))}
        />
      </VizLayout.Legend>
    );
  return (
    <VizLayout width={width} height={height} legend={legend}>
      {(width, height) => <Timeline {...props} rows={rows} width={width} height={height} />}
    </VizLayout>
  );
}

function Timeline({ rows, options, width, height, timeRange, timeZone }: PanelProps<Options> & { rows: Row[] }) {
  const theme = useTheme2();
  const [from, to] = [timeRange.from.valueOf(), timeRange.to.valueOf()];
  const left = Math.min(width / 3, 14 + Math.max(...rows.map(({ label }) => textWidth(label))));
  const x = (time: number) => left + ((Math.min(to, Math.max(from, time)) - from) / (to - from)) * (width - left - 8);
  const slot = (height - AXIS) / rows.length;
  const bar = slot * (options.rowHeight ?? 0.9);
  const ticks = timeTicks(from / 1000, to / 1000, (width - left) / 100).map((second) => second * 1000);
  const format = to - from > 36 * 3_600_000 ? 'MM-DD HH:mm' : 'HH:mm';
  return (
    <svg width={width} height={height} fontSize={FONT_SIZE} fill={theme.colors.text.primary} role="img">
      {rows.map((row, index) => {
        const top = index * slot + (slot - bar) / 2;
        return (
          <g key={index}>
            <text x={left - 8} y={top + bar / 2 + 4} textAnchor="end">
              {row.label}
            </text>
            {row.spans.map((span, at) => {
              const [start, size] = [x(span.from), x(span.to) - x(span.from)];
              const labelled = options.showValue !== 'never' && size > textWidth(span.text) + 8 && bar > 12;
              return (
                <g key={at}>
                  <rect x={start} y={top} width={Math.max(1, size)} height={bar} fill={span.color} fillOpacity={0.7}>
                    <title>
                      {`${span.text}\n${dateTimeFormat(span.from, { timeZone })} – ${dateTimeFormat(span.to, { timeZone })}`}
                    </title>
                  </rect>
                  {labelled && (
                    <text x={start + 4} y={top + bar / 2 + 4} pointerEvents="none">
                      {span.text}
                    </text>
                  )}
                </g>
              );
            })}
          </g>
        );
      })}
      {ticks.map((tick) => (
        <text key={tick} x={x(tick)} y={height - 6} textAnchor="middle" fill={theme.colors.text.secondary}>
          {dateTimeFormat(tick, { timeZone, format })}
        </text>
      ))}
    </svg>
  );
}

/** One row for each field that is not a time. A second time field says when each state ended. */
function timelineRows(
  frame: DataFrame,
  all: DataFrame[],
  end: number,
  options: Options,
  colorOf: (text: string, mapped?: string) => string
): Row[] {
  const [starts, ends] = frame.fields.filter((field) => field.type === FieldType.time);
  if (!starts) {
    return [];
  }
  return frame.fields
    .filter((field) => field.type !== FieldType.time && !field.config.custom?.hideFrom?.viz)
    .map((field) => {
      const spans: Span[] = [];
      for (let row = 0; row < frame.length; row++) {
        const value = field.values[row];
        const from: number = starts.values[row];
        const to: number = (ends ? ends.values[row] : starts.values[row + 1]) ?? end;
        if (value === null || value === undefined) {
          continue;
        }
        const { text, color } = shown(field, value);
        const previous = spans[spans.length - 1];
        if (options.mergeValues !== false && previous?.text === text && previous.to === from) {
          previous.to = to;
        } else {
          spans.push({ from, to, text, color: colorOf(text, color) });
        }
      }
      return { label: getFieldDisplayName(field, frame, all), spans };
    });
}

function shown(field: Field, value: unknown) {
  const display = field.display!(value);
  const mapped = (field.config.mappings?.length ?? 0) > 0 || field.type === FieldType.number;
  return { text: formattedValueToString(display), color: mapped ? display.color : undefined };
}

export const stateTimeline = new PanelPlugin<Options>(StateTimelinePanel)
  .setDataSupport({ annotations: true, alertStates: false })
  .useFieldConfig({
    standardOptions: colorBySeries,
    useCustomConfig: customOptions({
      fillOpacity: 70,
      lineWidth: 0,
      hideFrom: { legend: false, tooltip: false, viz: false },
    }),
  });
