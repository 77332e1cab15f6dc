import {
  dateTimeFormat,
  FieldType,
  formattedValueToString,
  getFieldDisplayName,
  PanelPlugin,
  PanelProps,
} from '@grafana/data';
import {
  AxisPlacement,
  GraphDrawStyle,
  GraphGradientMode,
  LegendDisplayMode,
  LineInterpolation,
  ScaleDistribution,
  StackingMode,
  TooltipDisplayMode,
  VisibilityMode,
  VizLegendOptions,
  VizTooltipOptions,
} from '@grafana/schema';
import {
  TimeSeries as Graph,
  TooltipPlugin2,
  UPlotConfigBuilder,
  useTheme2,
  VizTooltipContent,
  VizTooltipHeader,
  VizTooltipWrapper,
} from '@grafana/ui';
import { useMemo } from 'react';

import { Annotations, annotationMarks } from './annotations';
import { colorBySeries, customOptions } from './fieldOptions';
import { Message } from './Message';

interface Options {
  legend?: VizLegendOptions;
  tooltip?: VizTooltipOptions;
}

// As in @grafana/ui, whose `const enum` cannot be imported.
const HOVER_ONE_SERIES = 0;
const HOVER_ALL_SERIES = 1;

function TimeSeriesPanel(props: PanelProps<Options>) {
  const theme = useTheme2();
  const { data, options, width, height, timeRange, timeZone, onChangeTimeRange } = props;
  const frames = useMemo(
    () =>
      data.series.filter(
        ({ fields, length }) =>
          length > 0 &&
          fields.some((field) => field.type === FieldType.time) &&
          fields.some((field) => field.type === FieldType.number)
      ),
    [data.series]
  );
  const marks = useMemo(() => annotationMarks(data.annotations ?? [], theme), [data.annotations, theme]);
  if (frames.length === 0) {
    return <Message>No data</Message>;
  }
  const legend = {
    displayMode: LegendDisplayMode.List,
    placement: 'bottom',
    showLegend: true,
    calcs: [],
    ...options.legend,
  };
  const tooltip = options.tooltip?.mode ?? TooltipDisplayMode.Single;
  return (
    <Graph
      frames={frames}
      structureRev={data.structureRev}
      width={width}
      height={height}
      timeRange={timeRange}
      timeZone={timeZone}
      legend={legend as VizLegendOptions}
      options={options}
    >
      {(config: UPlotConfigBuilder, aligned) => (
        <>
          <Annotations config={config} marks={marks} />
          {tooltip !== TooltipDisplayMode.None && (
            <TooltipPlugin2
              config={config}
              hoverMode={tooltip === TooltipDisplayMode.Multi ? HOVER_ALL_SERIES : HOVER_ONE_SERIES}
              queryZoom={onChangeTimeRange}
              clientZoom
              render={(_plot, indices, hovered, isPinned) => {
                const shown = aligned.fields.flatMap((field, at) => {
                  const row = indices[at];
                  const wanted = at > 0 && (tooltip === TooltipDisplayMode.Multi || at === hovered);
                  if (!wanted || row == null || field.config.custom?.hideFrom?.tooltip) {
                    return [];
                  }
                  const display = field.display!(field.values[row]);
                  return [
                    {
                      label: getFieldDisplayName(field, aligned, frames),
                      value: formattedValueToString(display),
                      color: display.color,
                      isActive: at === hovered,
                    },
                  ];
                });
                const row = indices.find((index) => index != null);
                const time: number = row == null ? NaN : aligned.fields[0].values[row];
                const around = marks.filter((mark) => mark.from <= time && time <= (mark.to ?? mark.from));
                return (
                  <VizTooltipWrapper>
                    <VizTooltipHeader
                      item={{ label: '', value: dateTimeFormat(time, { timeZone }) }}
                      isPinned={isPinned}
                    />
                    <VizTooltipContent
                      items={[...shown, ...around.map(({ title, color }) => ({ label: '', value: title, color }))]}
                      isPinned={isPinned}
                    />
                  </VizTooltipWrapper>
                );
              }}
            />
          )}
        </>
      )}
    </Graph>
  );
}

export const timeSeries = new PanelPlugin<Options>(TimeSeriesPanel)
  .setDataSupport({ annotations: true, alertStates: false })
  .useFieldConfig({
    standardOptions: colorBySeries,
    useCustomConfig: customOptions({
      drawStyle: GraphDrawStyle.Line,
      lineInterpolation: LineInterpolation.Linear,
      lineWidth: 1,
      lineStyle: undefined,
      fillOpacity: 0,
      fillBelowTo: undefined,
      gradientMode: GraphGradientMode.None,
      barAlignment: 0,
      barWidthFactor: 0.6,
      barMaxWidth: undefined,
      showPoints: VisibilityMode.Auto,
      pointSize: 5,
      spanNulls: false,
      stacking: { mode: StackingMode.None, group: 'A' },
      axisPlacement: AxisPlacement.Auto,
      axisLabel: '',
      axisWidth: undefined,
      axisSoftMin: undefined,
      axisSoftMax: undefined,
      axisGridShow: undefined,
      axisCenteredZero: false,
      axisColorMode: undefined,
      scaleDistribution: { type: ScaleDistribution.Linear },
      thresholdsStyle: undefined,
      hideFrom: { legend: false, tooltip: false, viz: false },
      transform: undefined,
    }),
  });
