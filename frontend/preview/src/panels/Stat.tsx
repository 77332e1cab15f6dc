import { FieldDisplay, getDisplayValueAlignmentFactors, PanelPlugin, PanelProps, VizOrientation } from '@grafana/data';
import {
  BigValue,
  BigValueColorMode,
  BigValueGraphMode,
  BigValueJustifyMode,
  BigValueTextMode,
  useTheme2,
  VizRepeater,
} from '@grafana/ui';

import { colorByThreshold } from './fieldOptions';
import { Message } from './Message';
import { ReducedOptions, reducedValues } from './values';

interface Options extends ReducedOptions {
  colorMode?: BigValueColorMode;
  graphMode?: BigValueGraphMode;
  justifyMode?: BigValueJustifyMode;
  textMode?: BigValueTextMode;
}

function StatPanel(props: PanelProps<Options>) {
  const theme = useTheme2();
  const { data, options, width, height, renderCounter } = props;
  const values = () => reducedValues(props, options.graphMode !== BigValueGraphMode.None);
  if (values().length === 0) {
    return <Message>No data</Message>;
  }
  return (
    <VizRepeater<FieldDisplay, ReturnType<typeof getDisplayValueAlignmentFactors>>
      source={data}
      getValues={values}
      getAlignmentFactors={(shown) => getDisplayValueAlignmentFactors(shown)}
      renderCounter={renderCounter}
      width={width}
      height={height}
      orientation={(options.orientation ?? VizOrientation.Auto) as VizOrientation}
      autoGrid
      itemSpacing={3}
      renderValue={({ value, alignmentFactors, count, ...size }) => (
        <BigValue
          {...size}
          value={value.display}
          count={count}
          sparkline={value.sparkline}
          alignmentFactors={alignmentFactors}
          colorMode={options.colorMode ?? BigValueColorMode.Value}
          graphMode={options.graphMode ?? BigValueGraphMode.Area}
          justifyMode={options.justifyMode}
          textMode={options.textMode}
          text={options.text}
          theme={theme}
        />
      )}
    />
  );
}

export const stat = new PanelPlugin<Options>(StatPanel).useFieldConfig({ standardOptions: colorByThreshold });
