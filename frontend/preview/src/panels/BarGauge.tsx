import { FieldDisplay, getDisplayValueAlignmentFactors, PanelPlugin, PanelProps, VizOrientation } from '@grafana/data';
import { BarGaugeDisplayMode, BarGaugeNamePlacement, BarGaugeValueMode } from '@grafana/schema';
import { BarGauge as BarGaugeBars, useTheme2, VizRepeater } from '@grafana/ui';

import { colorByThreshold } from './fieldOptions';
import { Message } from './Message';
import { ReducedOptions, reducedValues } from './values';

interface Options extends ReducedOptions {
  displayMode?: BarGaugeDisplayMode;
  valueMode?: BarGaugeValueMode;
  namePlacement?: BarGaugeNamePlacement;
  showUnfilled?: boolean;
}

function BarGaugePanel(props: PanelProps<Options>) {
  const theme = useTheme2();
  const { data, options, width, height, renderCounter } = props;
  if (reducedValues(props).length === 0) {
    return <Message>No data</Message>;
  }
  return (
    <VizRepeater<FieldDisplay, ReturnType<typeof getDisplayValueAlignmentFactors>>
      source={data}
      getValues={() => reducedValues(props)}
      getAlignmentFactors={(shown) => getDisplayValueAlignmentFactors(shown)}
      renderCounter={renderCounter}
      width={width}
      height={height}
      minVizHeight={24}
      itemSpacing={8}
      orientation={(options.orientation ?? VizOrientation.Auto) as VizOrientation}
      renderValue={({ value, alignmentFactors, orientation, width, height }) => (
        <BarGaugeBars
          width={width}
          height={height}
          orientation={orientation}
          value={value.display}
          field={value.field}
          display={value.view?.getFieldDisplayProcessor(value.colIndex ?? 0)}
          alignmentFactors={alignmentFactors}
          displayMode={options.displayMode ?? BarGaugeDisplayMode.Gradient}
          valueDisplayMode={options.valueMode}
          namePlacement={options.namePlacement}
          showUnfilled={options.showUnfilled ?? true}
          text={options.text}
          itemSpacing={8}
          theme={theme}
        />
      )}
    />
  );
}

export const barGauge = new PanelPlugin<Options>(BarGaugePanel).useFieldConfig({ standardOptions: colorByThreshold });
