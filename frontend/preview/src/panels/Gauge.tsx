import { FieldDisplay, formattedValueToString, PanelPlugin, PanelProps, VizOrientation } from '@grafana/data';
import { useTheme2, VizRepeater } from '@grafana/ui';

import { colorByThreshold } from './fieldOptions';
import { Message } from './Message';
import { ReducedOptions, reducedValues } from './values';

/** The dial is open at the bottom: it runs over 270 degrees, from south-west to south-east. */
const SWEEP = 1.5 * Math.PI;
const START = 0.75 * Math.PI;

function GaugePanel(props: PanelProps<ReducedOptions>) {
  const { data, options, width, height, renderCounter } = props;
  if (reducedValues(props).length === 0) {
    return <Message>No data</Message>;
  }
  return (
    <VizRepeater<FieldDisplay>
      source={data}
      getValues={() => reducedValues(props)}
      renderCounter={renderCounter}
      width={width}
      height={height}
      autoGrid
      orientation={(options.orientation ?? VizOrientation.Auto) as VizOrientation}
      renderValue={({ value, width, height, count }) => (
        <Dial value={value} width={width} height={height} titled={count > 1} />
      )}
    />
  );
}

function Dial(props: { value: FieldDisplay; width: number; height: number; titled: boolean }) {
  const theme = useTheme2();
  const { value, width, height, titled } = props;
  const [min, max] = [value.field.min ?? 0, value.field.max ?? 100];
  const titleHeight = titled ? 20 : 0;
  const centre = { x: width / 2, y: (height - titleHeight) / 2 + 8 };
  const radius = Math.max(10, Math.min(width / 2, (height - titleHeight) / 2) - 12);
  const stroke = radius / 5;
  const share = Math.min(1, Math.max(0, (value.display.numeric - min) / (max - min || 1)));
  return (
    <svg width={width} height={height} role="img">
      <path d={arc(centre, radius, 1)} fill="none" stroke={theme.colors.background.secondary} strokeWidth={stroke} />
      {Number.isFinite(share) && share > 0 && (
        <path d={arc(centre, radius, share)} fill="none" stroke={value.display.color} strokeWidth={stroke} />
      )}
      <text
        x={centre.x}
        y={centre.y}
        textAnchor="middle"
        dominantBaseline="central"
        fontSize={Math.max(12, radius / 3)}
        fontWeight={500}
        fill={value.display.color ?? theme.colors.text.primary}
      >
        {formattedValueToString(value.display)}
      </text>
      {titled && (
        <text x={centre.x} y={height - 6} textAnchor="middle" fontSize={13} fill={theme.colors.text.secondary}>
          {value.display.title}
        </text>
      )}
    </svg>
  );
}

function arc({ x, y }: { x: number; y: number }, radius: number, share: number) {
  const end = START + SWEEP * share;
  const point = (angle: number) => `${x + radius * Math.cos(angle)} ${y + radius * Math.sin(angle)}`;
  return `M ${point(START)} A ${radius} ${radius} 0 ${SWEEP * share > Math.PI ? 1 : 0} 1 ${point(end)}`;
}

export const gauge = new PanelPlugin<ReducedOptions>(GaugePanel).useFieldConfig({ standardOptions: colorByThreshold });
