import {
  DataFrame,
  DataQueryRequest,
  DataQueryResponse,
  DataSourceApi,
  DataTopic,
  LoadingState,
  PanelData,
  toDataFrame,
} from '@grafana/data';
import { toDataQueryError } from '@grafana/runtime';
import { catchError, concat, defer, from, isObservable, map, Observable, of, scan, startWith } from 'rxjs';

/**
 * Runs the queries of a panel, and tells how far it is: loading, then what has arrived, then done or failed.
 * Frames of an answer in several packets are kept by the key of their packet.
 */
export function runRequest(
  datasource: DataSourceApi,
  request: DataQueryRequest,
  queryFunction?: DataSourceApi['query']
): Observable<PanelData> {
  const loading: PanelData = { state: LoadingState.Loading, series: [], timeRange: request.range, request };
  const targets = request.targets.filter((target) => !target.hide);
  if (targets.length === 0) {
    return of({ ...loading, state: LoadingState.Done });
  }
  const asked = { ...request, targets };
  const query = queryFunction ?? datasource.query.bind(datasource);
  const packets = new Map<string, DataQueryResponse>();
  return defer(() => {
    const answer = query(asked);
    return isObservable(answer) ? answer : from(answer);
  }).pipe(
    scan((all, packet) => all.set(packet.key ?? 'only', packet), packets),
    map((all) => panelData(loading, [...all.values()])),
    catchError((error) => {
      if (error?.cancelled) {
        return concat();
      }
      const shown = toDataQueryError(error);
      return of({ ...loading, state: LoadingState.Error, error: shown, errors: [shown] });
    }),
    startWith(loading)
  );
}

function panelData(loading: PanelData, packets: DataQueryResponse[]): PanelData {
  const frames: DataFrame[] = packets.flatMap((packet) => packet.data.map((frame) => toDataFrame(frame)));
  const errors = packets.flatMap((packet) => packet.errors ?? (packet.error ? [packet.error] : []));
  const streaming = packets.some((packet) => packet.state === LoadingState.Streaming);
  const unfinished = packets.some((packet) => packet.state === LoadingState.Loading);
  const annotation = (frame: DataFrame) => frame.meta?.dataTopic === DataTopic.Annotations;
  return {
    ...loading,
    state:
      errors.length > 0
        ? LoadingState.Error
        : streaming
          ? LoadingState.Streaming
          : unfinished
            ? LoadingState.Loading
            : LoadingState.Done,
    series: frames.filter((frame) => !annotation(frame)),
    annotations: frames.filter(annotation),
    errors: errors.length > 0 ? errors : undefined,
    error: errors[0],
  };
}
