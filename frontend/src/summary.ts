import { t } from './i18n';
import { CompleteQuery, uses } from './query';
import { aggregateWords, bucketWords, groupWords, kpiWords } from './texts';

function listed(values: string[]): string {
  const shown = values.slice(0, 3).join(', ');
  const more = values.length - 3;
  return more > 0 ? t('summary.more', '{{shown}} and {{more}} more', { shown, more }) : shown;
}

function chosen(values: string[]): boolean {
  return values.length > 0 && !values.includes('*') && !values.includes('$__all');
}

function where(query: CompleteQuery): string {
  const { place, context, type } = query;
  const parts = [
    chosen(place.plants) && t('summary.plants', 'plant {{keys}}', { keys: listed(place.plants) }),
    chosen(place.lines) && t('summary.lines', 'line {{keys}}', { keys: listed(place.lines) }),
    chosen(place.machines) && t('summary.machines', 'machine {{keys}}', { keys: listed(place.machines) }),
    uses(type, 'sensors') &&
      chosen(place.sensors) &&
      t('summary.sensors', 'sensor {{keys}}', { keys: listed(place.sensors) }),
  ].filter((part) => part !== false);
  const made = !uses(type, 'context')
    ? []
    : [
        chosen(context.references) &&
          t('summary.references', 'reference {{keys}}', { keys: listed(context.references) }),
        chosen(context.lots) && t('summary.lots', 'lot {{keys}}', { keys: listed(context.lots) }),
        chosen(context.operators) && t('summary.operators', 'operator {{keys}}', { keys: listed(context.operators) }),
      ].filter((part) => part !== false);
  const at =
    parts.length === 0
      ? t('summary.everywhere', 'everywhere')
      : t('summary.at', 'at {{places}}', { places: parts.join(', ') });
  return made.length === 0 ? at : t('summary.while', '{{at}}, while {{made}} ran', { at, made: made.join(', ') });
}

function steps(query: CompleteQuery): string {
  switch (query.bucket) {
    case 'auto':
      return t('summary.steps-auto', 'in steps that fit the panel');
    case 'whole':
      return t('summary.steps-whole', 'over the whole time range');
    case 'hour':
    case 'shift':
    case 'day':
    case 'week':
    case 'month':
      return t('summary.steps-plant', 'per {{bucket}} of the plant', {
        bucket: bucketWords(query.bucket).label.toLowerCase(),
      });
    default:
      return t('summary.steps-width', 'in steps of {{bucket}}', { bucket: bucketWords(query.bucket).label });
  }
}

/** What a query asks, in one sentence. */
export function summarize(query: CompleteQuery): string {
  const quantity = query.place.quantity || t('summary.any-quantity', 'every quantity');
  const values = { where: where(query), steps: steps(query), quantity };
  switch (query.type) {
    case 'series':
      return query.groupBy === 'none' || query.groupBy === 'sensor'
        ? t('summary.series', '{{aggregate}} of {{quantity}} of each sensor, {{steps}}, {{where}}.', {
            ...values,
            aggregate: aggregateWords(query.aggregate).label,
          })
        : t('summary.series-by', '{{aggregate}} of {{quantity}} by {{group}}, {{steps}}, {{where}}.', {
            ...values,
            aggregate: aggregateWords(query.aggregate).label,
            group: groupWords(query.groupBy).label.toLowerCase(),
          });
    case 'kpi': {
      const kpis =
        query.kpis.length === 0
          ? t('summary.all-kpis', 'Energy, units and temperature')
          : query.kpis.map((kpi) => kpiWords(kpi).label).join(', ');
      return query.groupBy === 'none'
        ? t('summary.kpi', '{{kpis}}, {{steps}}, {{where}}.', { ...values, kpis })
        : t('summary.kpi-by', '{{kpis}} by {{group}}, {{steps}}, {{where}}.', {
            ...values,
            kpis,
            group: groupWords(query.groupBy).label.toLowerCase(),
          });
    }
    case 'lots': {
      const words = { ...values, aggregate: aggregateWords(query.aggregate).label };
      return chosen(query.context.lots)
        ? t('summary.lots-named', '{{aggregate}} of {{quantity}}, one curve a lot, {{where}}.', words)
        : t('summary.lots-newest', '{{aggregate}} of {{quantity}} of the newest {{number}} lots, {{where}}.', {
            ...words,
            number: query.lastLots || 10,
          });
    }
    case 'runs':
      return query.format === 'annotations'
        ? t('summary.annotations', 'The runs of the time range as marked regions, {{where}}.', values)
        : t('summary.runs', 'One row for each run of the time range, {{where}}.', values);
    case 'states':
      return query.groupBy === 'machine' || query.groupBy === 'none'
        ? t('summary.states', 'What each machine was doing over time, {{where}}.', values)
        : t('summary.states-by', 'Which {{group}} was on each line over time, {{where}}.', {
            ...values,
            group: groupWords(query.groupBy).label.toLowerCase(),
          });
    case 'latest':
      return t('summary.latest', 'The newest reading of {{quantity}} of each sensor, {{where}}.', values);
    case 'data_quality':
      return query.format === 'silent'
        ? t('summary.silent', 'The sensors of {{quantity}} that are silent now, {{where}}.', values)
        : t('summary.data-quality', 'When each sensor of {{quantity}} was last heard of, {{where}}.', values);
    case 'anomalies':
      return query.format === 'score'
        ? t('summary.anomaly-score', 'How abnormal {{quantity}} of each machine was, {{where}}.', values)
        : t('summary.anomalies', 'What was abnormal in {{quantity}}, what it cost, and why, {{where}}.', values);
    case 'spc':
      return t('summary.spc', 'Control charts against the limits of the baseline period, {{where}}.', values);
    case 'baseline':
      return t('summary.baseline', 'Energy against what production should have used, {{steps}}, {{where}}.', values);
    default:
      return t('summary.unknown', 'This query was made by a newer Lotwise.');
  }
}
