import { cacheFieldDisplayNames, FieldType, getFrameDisplayName, PanelPlugin, PanelProps } from '@grafana/data';
import { TableCellDisplayMode, TableCellHeight } from '@grafana/schema';
import { Combobox, TableSortByFieldState } from '@grafana/ui';
import { TableNG } from '@grafana/ui/unstable';

import { customOptions } from './fieldOptions';
import { Message } from './Message';

interface Options {
  frameIndex?: number;
  showHeader?: boolean;
  cellHeight?: TableCellHeight;
  sortBy?: TableSortByFieldState[];
  enablePagination?: boolean;
}

/** Height of the picker that chooses between several tables. */
const PICKER = 40;

function TablePanel(props: PanelProps<Options>) {
  const { data, options, width, height, fieldConfig, timeRange, onOptionsChange } = props;
  const frames = data.series.filter((frame) => frame.fields.length > 0);
  if (frames.length === 0) {
    return <Message>No data</Message>;
  }
  // TableNG shows the names that are cached in the fields, and does not make them.
  cacheFieldDisplayNames(data.series);
  const index = Math.min(options.frameIndex ?? 0, frames.length - 1);
  const several = frames.length > 1;
  return (
    <>
      <TableNG
        data={frames[index]}
        width={width}
        height={several ? height - PICKER : height}
        noHeader={options.showHeader === false}
        cellHeight={options.cellHeight ?? TableCellHeight.Sm}
        sortBy={options.sortBy}
        enablePagination={options.enablePagination}
        structureRev={data.structureRev}
        fieldConfig={fieldConfig}
        timeRange={timeRange}
        resizable
      />
      {several && (
        <Combobox
          options={frames.map((frame, value) => ({ value, label: label(frame, value) }))}
          value={index}
          onChange={({ value }) => onOptionsChange({ ...options, frameIndex: value })}
        />
      )}
    </>
  );
}

function label(frame: PanelProps['data']['series'][number], index: number) {
  const values = frame.fields.find((field) => field.type === FieldType.number);
  return values?.config.displayNameFromDS ?? values?.state?.displayName ?? getFrameDisplayName(frame, index);
}

export const table = new PanelPlugin<Options>(TablePanel).useFieldConfig({
  useCustomConfig: customOptions({
    align: 'auto',
    cellOptions: { type: TableCellDisplayMode.Auto },
    width: undefined,
    minWidth: undefined,
    filterable: undefined,
    'hideFrom.viz': undefined,
    inspect: false,
    footer: undefined,
    wrapText: undefined,
    wrapHeaderText: undefined,
  }),
});
