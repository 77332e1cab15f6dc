import { css } from '@emotion/css';
import { CoreApp, DataFrame, DataQueryRequest, dateTime, FieldType, GrafanaTheme2, Labels } from '@grafana/data';
import { getBackendSrv, getDataSourceSrv } from '@grafana/runtime';
import { DataQuery } from '@grafana/schema';
import { useStyles2 } from '@grafana/ui';
import { useCallback } from 'react';
import { lastValueFrom } from 'rxjs';

import { texts } from '../boot/texts';
import { runRequest } from '../host/runRequest';
import { Loaded } from './Loaded';
import { box, column } from './styles';

/** A rule as Grafana's provisioning has it; of the conditions, those of the examples. */
interface Rule {
  uid: string;
  title: string;
  /** The step whose outcome decides. */
  condition: string;
  annotations?: Record<string, string>;
  data: Step[];
}

interface Step {
  refId: string;
  datasourceUid: string;
  /** Seconds before now. */
  relativeTimeRange?: { from: number; to: number };
  model: DataQuery & { expression?: string; conditions?: Array<{ evaluator: Evaluator }> };
}

interface Evaluator {
  type: string;
  params: number[];
}

interface Instance {
  labels: Labels;
  value: number;
  isFiring: boolean;
}

const load = () => getBackendSrv().get<Rule[]>('/api/v1/provisioning/alert-rules');

/** The rules of the provisioning folder with their instances, as a look at Grafana's own page would show them. */
export function AlertRulesPage() {
  const styles = useStyles2(getStyles);
  return (
    <Loaded load={load}>
      {(rules) => (
        <div className={styles}>
          <h1>{texts.alertRules}</h1>
          <p>{texts.alertRulesHint}</p>
          {rules.map((rule) => (
            <AlertRule key={rule.uid} rule={rule} />
          ))}
        </div>
      )}
    </Loaded>
  );
}

function AlertRule({ rule }: { rule: Rule }) {
  const load = useCallback(() => evaluate(rule), [rule]);
  return (
    <section data-testid={`alert-rule-${rule.uid}`}>
      <h2>{rule.title}</h2>
      <p>{rule.annotations?.description}</p>
      <Loaded load={load}>
        {(instances) => (instances.length === 0 ? <p>{texts.noFrames}</p> : <Instances instances={instances} />)}
      </Loaded>
    </section>
  );
}

function Instances({ instances }: { instances: Instance[] }) {
  return (
    <table>
      <thead>
        <tr>
          <th>{texts.instance}</th>
          <th>{texts.value}</th>
          <th>{texts.state}</th>
        </tr>
      </thead>
      <tbody>
        {instances.map(({ labels, value, isFiring }) => (
          <tr key={JSON.stringify(labels)}>
            <td>{Object.values(labels).filter(Boolean).join(' · ')}</td>
            <td>{value.toLocaleString(undefined, { maximumSignificantDigits: 5 })}</td>
            <td>{isFiring ? texts.firing : texts.normal}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

/** Asks as Grafana's scheduler does, and compares: a threshold over the only number of each instance. */
async function evaluate({ uid, title, condition, data }: Rule): Promise<Instance[]> {
  const threshold = data.find(({ refId }) => refId === condition)?.model;
  const step = data.find(({ refId }) => refId === threshold?.expression);
  const evaluator = threshold?.conditions?.[0]?.evaluator;
  if (!step || !evaluator) {
    throw new Error(`${title}: only thresholds over a query are evaluated here`);
  }
  const datasource = await getDataSourceSrv().get(step.datasourceUid);
  const answer = await lastValueFrom(runRequest(datasource, request(uid, step)));
  if (answer.error) {
    throw new Error(answer.error.message);
  }
  return answer.series.flatMap(numbers).map(([labels, value]) => ({
    labels,
    value,
    isFiring: passes(evaluator, value),
  }));
}

function request(rule: string, { relativeTimeRange, model, datasourceUid }: Step): DataQueryRequest {
  const { from: first, to: last } = relativeTimeRange ?? { from: 600, to: 0 };
  const before = (seconds: number) => dateTime(Date.now() - seconds * 1000);
  const [from, to] = [before(first), before(last)];
  return {
    // A second request of the same id would end the first one.
    requestId: `alert-${rule}`,
    app: CoreApp.UnifiedAlerting,
    targets: [{ ...model, datasource: { uid: datasourceUid } }],
    range: { from, to, raw: { from, to } },
    interval: '1s',
    intervalMs: 1000,
    maxDataPoints: 43200,
    timezone: 'utc',
    scopedVars: {},
    startTime: Date.now(),
  };
}

/** The number of each row with its labels: those of its column, and the row's texts. */
function numbers(frame: DataFrame): Array<[Labels, number]> {
  const figures = frame.fields.find(({ type }) => type === FieldType.number);
  const names = frame.fields.filter(({ type }) => type === FieldType.string);
  return (figures?.values ?? []).flatMap((value: unknown, row: number) => {
    const texts = names.map(({ name, values }) => [name, String(values[row] ?? '')]);
    const labels: Labels = { ...figures?.labels, ...Object.fromEntries(texts) };
    return typeof value === 'number' ? [[labels, value] as [Labels, number]] : [];
  });
}

function passes({ type, params: [limit] }: Evaluator, value: number): boolean {
  switch (type) {
    case 'gt':
      return value > limit;
    case 'lt':
      return value < limit;
    default:
      throw new Error(`thresholds of type ${type} are not evaluated here`);
  }
}

const getStyles = (theme: GrafanaTheme2) =>
  css({
    ...column(theme),
    h2: { fontSize: theme.typography.h5.fontSize },
    section: box(theme),
    table: { width: '100%' },
    'th, td': { padding: theme.spacing(0.5, 1), textAlign: 'left' },
  });
