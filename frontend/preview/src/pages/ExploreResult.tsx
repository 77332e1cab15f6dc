import { css } from '@emotion/css';
import { DataFrame, FieldType, GrafanaTheme2, LoadingState, PanelData } from '@grafana/data';
import {
  EmbeddedScene,
  SceneDataNode,
  SceneFlexItem,
  SceneFlexLayout,
  SceneTimeRange,
  VizPanel,
} from '@grafana/scenes';
import { Alert, RadioButtonGroup, useStyles2 } from '@grafana/ui';
import { useEffect, useMemo, useState } from 'react';

import { texts } from '../boot/texts';
import { noticesOf } from '../dashboard/PanelNotices';

type View = 'timeseries' | 'table' | 'inspect';

/** What a query gave: as a graph or a table, with its notices, and everything that its frames say of themselves. */
export function ExploreResult({ data }: { data: PanelData }) {
  const styles = useStyles2(getStyles);
  const [chosen, setChosen] = useState<View>();
  const graphable = data.series.some(isTimeSeries);
  const natural: View = graphable ? 'timeseries' : 'table';
  const view = chosen === 'timeseries' && !graphable ? natural : (chosen ?? natural);
  const options = [
    { value: 'timeseries' as const, label: texts.graph },
    { value: 'table' as const, label: texts.table },
    { value: 'inspect' as const, label: texts.inspect },
  ];
  const done = data.state !== LoadingState.Loading;
  return (
    <section className={styles} data-testid="explore-result" data-state={data.state}>
      {data.errors?.map((error, index) => (
        <Alert key={index} title={error.message ?? String(error.status)} severity="error" bottomSpacing={0} />
      ))}
      {noticesOf(data.series).map(({ text, severity }) => (
        <Alert key={text} title={text} severity={severity} bottomSpacing={0} />
      ))}
      <RadioButtonGroup
        options={options}
        value={view}
        disabledOptions={graphable ? [] : ['timeseries']}
        onChange={setChosen}
      />
      {data.series.length === 0 && done && !data.errors && <p>{texts.noFrames}</p>}
      {view === 'inspect' ? (
        <Inspector frames={data.series} />
      ) : (
        data.series.length > 0 && <Panel key={view} pluginId={view} data={data} />
      )}
    </section>
  );
}

/** One panel, outside any dashboard. */
function Panel({ pluginId, data }: { pluginId: View; data: PanelData }) {
  const [node] = useState(() => new SceneDataNode({ data }));
  const [timeRange] = useState(() => new SceneTimeRange());
  const scene = useMemo(
    () =>
      new EmbeddedScene({
        $timeRange: timeRange,
        $data: node,
        body: new SceneFlexLayout({
          children: [
            new SceneFlexItem({
              body: new VizPanel({
                pluginId,
                title: texts.result,
                options: {},
                fieldConfig: { defaults: {}, overrides: [] },
              }),
            }),
          ],
        }),
      }),
    [pluginId, node, timeRange]
  );
  useEffect(() => {
    node.setState({ data });
  }, [node, data]);
  return (
    <div className={css({ height: 420, display: 'flex', '> div': { flexGrow: 1 } })}>
      <scene.Component model={scene} />
    </div>
  );
}

/** The metadata of the frames, as they came. */
function Inspector({ frames }: { frames: DataFrame[] }) {
  const shown = frames.map(({ name, refId, meta, fields, length }) => ({
    name,
    refId,
    rows: length,
    meta,
    fields: fields.map(({ name, type, labels, config }) => ({ name, type, labels, config })),
  }));
  return <pre data-testid="explore-inspector">{JSON.stringify(shown, null, 2)}</pre>;
}

function isTimeSeries(frame: DataFrame) {
  const of = (type: FieldType) => frame.fields.filter((field) => field.type === type).length;
  return of(FieldType.time) === 1 && of(FieldType.number) > 0 && of(FieldType.string) === 0;
}

const getStyles = (theme: GrafanaTheme2) =>
  css({
    display: 'grid',
    gap: theme.spacing(1),
    justifyItems: 'stretch',
    '> [role=radiogroup]': { justifySelf: 'start' },
    pre: { maxHeight: 420, overflow: 'auto' },
  });
