import { css } from '@emotion/css';
import {
  CoreApp,
  dateMath,
  DataQueryRequest,
  DataSourceApi,
  dateTime,
  GrafanaTheme2,
  LoadingState,
  PanelData,
  QueryEditorProps,
  RawTimeRange,
  rangeUtil,
  TimeRange,
} from '@grafana/data';
import { getDataSourceSrv, locationService } from '@grafana/runtime';
import { DataQuery } from '@grafana/schema';
import { Alert, RefreshPicker, TimeRangePicker, useStyles2 } from '@grafana/ui';
import { ComponentType, useCallback, useEffect, useRef, useState } from 'react';
import { useLocation } from 'react-router-dom';
import { Subscription } from 'rxjs';

import { texts } from '../boot/texts';
import { runRequest } from '../host/runRequest';
import { exploreUrl, parseExploreUrl } from './exploreUrl';
import { ExploreResult } from './ExploreResult';
import { Loaded } from './Loaded';
import { box } from './styles';

/** As many points as Grafana's Explore asks for on a screen of usual width. */
const MAX_DATA_POINTS = 1000;

const load = () => getDataSourceSrv().get();

export function ExplorePage() {
  return <Loaded load={load}>{(datasource) => <Explore datasource={datasource} />}</Loaded>;
}

function Explore({ datasource }: { datasource: DataSourceApi }) {
  const styles = useStyles2(getStyles);
  const { search } = useLocation();
  const [initial] = useState(() => parseExploreUrl(search));
  const [query, setQuery] = useState<DataQuery>(() => ({
    ...datasource.getDefaultQuery?.(CoreApp.Explore),
    ...initial.query,
    refId: 'A',
    datasource: datasource.getRef(),
  }));
  const [range, setRange] = useState(() => timeRange(initial.range));
  const [data, setData] = useState<PanelData>();
  const running = useRef<Subscription>(null);
  // An editor calls onChange and then onRunQuery at once, before React has rendered the changed query.
  const latest = useRef({ query, range });

  const run = useCallback(() => {
    const { query, range } = latest.current;
    const now = timeRange(range.raw);
    latest.current.range = now;
    setRange(now);
    locationService.replace(exploreUrl(query, rawTexts(now.raw)));
    running.current?.unsubscribe();
    running.current = runRequest(datasource, request(query, now)).subscribe(setData);
  }, [datasource]);

  useEffect(() => {
    if (initial.query) {
      run();
    }
    return () => running.current?.unsubscribe();
  }, [initial, run]);

  const changeRange = (changed: TimeRange) => {
    latest.current.range = changed;
    setRange(changed);
    run();
  };
  const QueryEditor = datasource.components?.QueryEditor as ComponentType<QueryEditorProps<DataSourceApi>> | undefined;
  return (
    <div className={styles}>
      <div className="toolbar">
        <h1>{texts.explore}</h1>
        <span className="name">{datasource.name}</span>
        <TimeRangePicker
          value={range}
          onChange={changeRange}
          onChangeTimeZone={() => {}}
          onMoveBackward={() => changeRange(moved(range, -1))}
          onMoveForward={() => changeRange(moved(range, 1))}
          onZoom={() => changeRange(zoomedOut(range))}
          isOnCanvas
        />
        <RefreshPicker
          text={texts.run}
          onRefresh={run}
          onIntervalChanged={() => {}}
          isLoading={data?.state === LoadingState.Loading}
          noIntervalPicker
          primary
        />
      </div>
      <section className="editor">
        {QueryEditor ? (
          <QueryEditor
            datasource={datasource}
            query={query}
            onChange={(changed) => {
              latest.current.query = changed;
              setQuery(changed);
            }}
            onRunQuery={run}
            data={data}
            range={range}
            app={CoreApp.Explore}
            queries={[query]}
          />
        ) : (
          <Alert title={texts.noEditor} severity="warning" bottomSpacing={0} />
        )}
      </section>
      {data ? <ExploreResult data={data} /> : <p>{texts.runHint}</p>}
    </div>
  );
}

function request(query: DataQuery, range: TimeRange): DataQueryRequest {
  const { interval, intervalMs } = rangeUtil.calculateInterval(range, MAX_DATA_POINTS);
  return {
    requestId: 'explore',
    app: CoreApp.Explore,
    targets: [query],
    range,
    rangeRaw: range.raw,
    interval,
    intervalMs,
    maxDataPoints: MAX_DATA_POINTS,
    timezone: 'browser',
    scopedVars: {
      __interval: { text: interval, value: interval },
      __interval_ms: { text: String(intervalMs), value: intervalMs },
    },
    startTime: Date.now(),
  };
}

/** Reads `now-6h` and the like, and milliseconds since 1970. */
function timeRange(raw: RawTimeRange): TimeRange {
  const instant = (value: RawTimeRange['from']) =>
    typeof value === 'string' && /^\d+$/.test(value) ? dateTime(Number(value)) : value;
  const [from, to] = [instant(raw.from), instant(raw.to)];
  return {
    from: dateMath.toDateTime(from, { roundUp: false }) ?? dateTime(),
    to: dateMath.toDateTime(to, { roundUp: true }) ?? dateTime(),
    raw: { from, to },
  };
}

function rawTexts(raw: RawTimeRange) {
  const text = (value: RawTimeRange['from']) => (typeof value === 'string' ? value : String(value.valueOf()));
  return { from: text(raw.from), to: text(raw.to) };
}

function moved(range: TimeRange, direction: 1 | -1): TimeRange {
  const half = (range.to.valueOf() - range.from.valueOf()) / 2;
  return fixed(range.from.valueOf() + direction * half, range.to.valueOf() + direction * half);
}

function zoomedOut(range: TimeRange): TimeRange {
  const half = (range.to.valueOf() - range.from.valueOf()) / 2;
  return fixed(range.from.valueOf() - half, range.to.valueOf() + half);
}

function fixed(fromMs: number, toMs: number): TimeRange {
  const [from, to] = [dateTime(fromMs), dateTime(toMs)];
  return { from, to, raw: { from, to } };
}

const getStyles = (theme: GrafanaTheme2) =>
  css({
    display: 'grid',
    gap: theme.spacing(2),
    padding: theme.spacing(2),
    '.toolbar': {
      display: 'flex',
      alignItems: 'center',
      gap: theme.spacing(1),
      h1: { fontSize: theme.typography.h3.fontSize, margin: 0 },
      '.name': { marginRight: 'auto', color: theme.colors.text.secondary },
    },
    '.editor': box(theme),
  });
