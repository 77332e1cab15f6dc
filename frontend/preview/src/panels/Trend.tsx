import {
  Field,
  FieldType,
  formattedValueToString,
  getFieldDisplayName,
  getFieldSeriesColor,
  PanelPlugin,
  PanelProps,
} from '@grafana/data';
import { LegendDisplayMode, VizLegendOptions } from '@grafana/schema';
import { measureText, useTheme2, VizLayout, VizLegend } from '@grafana/ui';
import { useState } from 'react';

import { colorBySeries, customOptions } from './fieldOptions';
import { Message } from './Message';
import { niceTicks, timeTicks } from './ticks';

interface Options {
  xField?: string;
  legend?: VizLegendOptions;
}

interface Curve {
  field: Field;
  label: string;
  color: string;
}

const FONT_SIZE = 12;
const textWidth = (text: string) => measureText(text, FONT_SIZE).width;

/** Curves over a number, which the first numeric field holds in rising order. */
function TrendPanel({ data, options, width, height }: PanelProps<Options>) {
  const theme = useTheme2();
  const frame = data.series.find(({ length, fields }) => length > 0 && fields.filter(isNumber).length > 1);
  const x = frame?.fields.find((field) => field.name === options.xField) ?? frame?.fields.find(isNumber);
  if (!frame || !x) {
    return <Message>No data</Message>;
  }
  const curves = frame.fields
    .filter((field) => field !== x && isNumber(field) && !field.config.custom?.hideFrom?.viz)
    .map((field) => ({
      field,
      label: getFieldDisplayName(field, frame, data.series),
      color: getFieldSeriesColor(field, theme).color,
    }));
  const legend =
    options.legend?.showLegend === false ? null : (
      <VizLayout.Legend placement={options.legend?.placement ?? 'bottom'}>
        <VizLegend
          placement={options.legend?.placement ?? 'bottom'}
          displayMode={LegendDisplayMode.List}
          items={curves.map(({ label, color }) => ({ label, color, yAxis: 1 }))}
        />
      </VizLayout.Legend>
    );
  return (
    <VizLayout width={width} height={height} legend={legend}>
      {(width, height) => <Curves x={x} curves={curves} width={width} height={height} />}
    </VizLayout>
  );
}

function Curves({ x, curves, width, height }: { x: Field; curves: Curve[]; width: number; height: number }) {
  const theme = useTheme2();
  const [row, setRow] = useState<number>();
  const values: number[] = curves.flatMap(({ field }) => field.values.filter(Number.isFinite));
  if (values.length === 0) {
    return <Message>No data</Message>;
  }
  const config = curves[0].field.config;
  const least = config.min ?? Math.min(...values);
  const most = Math.max(...values, least + 1e-9);
  const ticks = niceTicks(least, most, height / 40);
  const [min, max] = [ticks[0], ticks[ticks.length - 1]];
  const format = (field: Field, value: unknown) => formattedValueToString(field.display!(value));
  const left = 10 + Math.max(...ticks.map((tick) => textWidth(format(curves[0].field, tick))));
  const plot = { width: width - left - 12, height: height - 30 };
  const [first, last] = [Number(x.values[0]), Number(x.values[x.values.length - 1])];
  const across = (value: number) => ((value - first) / (last - first || 1)) * plot.width;
  const up = (value: number) => plot.height - ((value - min) / (max - min)) * plot.height;
  const xTicks =
    x.config.unit === 's'
      ? timeTicks(first, last, plot.width / 80)
      : niceTicks(first, last, plot.width / 90).filter((tick) => tick >= first && tick <= last);
  const hover = (clientX: number, box: DOMRect) => {
    const wanted = first + ((clientX - box.left - left) / plot.width) * (last - first);
    const at = x.values.findIndex((value: number) => value >= wanted);
    setRow(at < 0 ? undefined : at);
  };
  return (
    <svg
      width={width}
      height={height}
      fontSize={FONT_SIZE}
      fill={theme.colors.text.primary}
      role="img"
      onMouseMove={(event) => hover(event.clientX, event.currentTarget.getBoundingClientRect())}
      onMouseLeave={() => setRow(undefined)}
    >
      <g transform={`translate(${left} 6)`}>
        {ticks.map((tick) => (
          <g key={tick}>
            <line x1={0} x2={plot.width} y1={up(tick)} y2={up(tick)} stroke={theme.colors.border.weak} />
            <text x={-6} y={up(tick) + 4} textAnchor="end">
              {format(curves[0].field, tick)}
            </text>
          </g>
        ))}
        {xTicks.map((tick) => (
          <text key={tick} x={across(tick)} y={plot.height + 18} textAnchor="middle">
            {format(x, tick)}
          </text>
        ))}
        {curves.map(({ field, color }, index) => {
          const style = field.config.custom ?? {};
          return (
            <path
              key={index}
              d={path(x, field, across, up, Boolean(style.spanNulls))}
              fill="none"
              stroke={color}
              strokeWidth={style.lineWidth ?? 1}
              strokeDasharray={style.lineStyle?.fill === 'dash' ? '6 4' : undefined}
            />
          );
        })}
        {row !== undefined && (
          <g pointerEvents="none">
            <line
              x1={across(x.values[row])}
              x2={across(x.values[row])}
              y1={0}
              y2={plot.height}
              stroke={theme.colors.border.strong}
            />
            {[
              format(x, x.values[row]),
              ...curves.map(({ field, label }) => `${label}: ${format(field, field.values[row])}`),
            ].map((text, index) => (
              <text
                key={index}
                x={across(x.values[row]) + (across(x.values[row]) > plot.width / 2 ? -8 : 8)}
                y={14 + index * 15}
                textAnchor={across(x.values[row]) > plot.width / 2 ? 'end' : 'start'}
                fill={index === 0 ? undefined : curves[index - 1].color}
              >
                {text}
              </text>
            ))}
          </g>
        )}
      </g>
    </svg>
  );
}

function path(
  x: Field,
  field: Field,
  across: (value: number) => number,
  up: (value: number) => number,
  overGaps: boolean
): string {
  let pen = 'M';
  const parts: string[] = [];
  field.values.forEach((value: number | null, row: number) => {
    if (value === null || !Number.isFinite(value)) {
      pen = overGaps ? pen : 'M';
    } else {
      parts.push(`${pen}${across(x.values[row]).toFixed(1)} ${up(value).toFixed(1)}`);
      pen = 'L';
    }
  });
  return parts.join('');
}

const isNumber = (field: Field) => field.type === FieldType.number;

export const trend = new PanelPlugin<Options>(TrendPanel).useFieldConfig({
  standardOptions: colorBySeries,
  useCustomConfig: customOptions({
    drawStyle: undefined,
    lineInterpolation: undefined,
    lineWidth: 1,
    lineStyle: undefined,
    fillOpacity: 0,
    fillBelowTo: undefined,
    showPoints: undefined,
    pointSize: 5,
    spanNulls: false,
    stacking: undefined,
    axisPlacement: undefined,
    axisLabel: '',
    hideFrom: { legend: false, tooltip: false, viz: false },
  }),
});
