import { t } from './i18n';
import { CompleteQuery, uses } from './query';
import { aggregateWords, bucketWords, compareWords, groupWords, kpiWords, STATES, stateWords } from './texts';

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
  const done = made.length === 0 ? at : t('summary.while', '{{at}}, while {{made}} ran', { at, made: made.join(', ') });
  return during(query, done);
}

/** Adds the shifts and machine states that count. */
function during(query: CompleteQuery, at: string): string {
  const { shifts, states } = query.context;
  const parts = [
    uses(query.type, 'shifts') && chosen(shifts) && t('summary.shifts', 'shift {{keys}}', { keys: listed(shifts) }),
    chosen(states) && t('summary.machine-states', 'machines {{states}}', { states: listed(states.map(stateName)) }),
  ].filter((part) => part !== false);
  return parts.length === 0 || !uses(query.type, 'time')
    ? at
    : t('summary.during', '{{at}}, during {{times}}', { at, times: parts.join(', ') });
}

function stateName(key: string): string {
  const state = STATES.find((known) => known === key);
  return state ? stateWords(state).label.toLowerCase() : key;
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

/** What a query asks, in words: one sentence, and one for what is shown beside the figures. */
export function summarize(query: CompleteQuery): string {
  return [asked(query), beside(query)].filter((text) => text !== '').join(' ');
}

function beside(query: CompleteQuery): string {
  const { type, compare, top } = query;
  const parts = [
    uses(type, 'top') &&
      top > 0 &&
      (type === 'series'
        ? t('summary.top-series', 'only the {{top}} with the highest mean', { top: String(top) })
        : t('summary.top', 'the top {{top}} by the first KPI, the others as one', { top: String(top) })),
    uses(type, 'extremes') &&
      query.extremes &&
      query.aggregate === 'mean' &&
      t('summary.extremes', 'with the least and the greatest reading of each step'),
    uses(type, 'compare') &&
      compare !== 'none' &&
      (compare === 'lots'
        ? t('summary.compare-lots', 'compared with lot {{keys}}', { keys: listed(query.compareLots) })
        : t('summary.compare', 'compared with: {{time}}', { time: compareWords(compare).label.toLowerCase() })),
  ].filter((part) => part !== false);
  return parts.length === 0 ? '' : `${sentence(parts.join(', '))}.`;
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function asked(query: CompleteQuery): string {
  const quantity = query.place.quantity || t('summary.any-quantity', 'every quantity');
  const values = { where: where(query), steps: steps(query), quantity };
  switch (query.type) {
    case 'series':
      if (query.aggregate === 'raw') {
        return t('summary.series-raw', 'Every reading of {{quantity}} of each sensor, {{where}}.', values);
      }
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
      if (query.format === 'annotations') {
        return t('summary.states-annotations', 'What the machines were doing as marked regions, {{where}}.', values);
      }
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
    case 'demand':
      return query.format === 'series'
        ? t(
            'summary.demand-series',
            'Mean power of each quarter of an hour and the contracted power, {{where}}.',
            values
          )
        : t(
            'summary.demand',
            'Highest power, quarters of an hour above the contracted power and their cost, {{where}}.',
            values
          );
    case 'baseline':
      if (query.format === 'uses') {
        return t('summary.baseline-uses', 'What the energy was used for, {{where}}.', values);
      }
      if (query.groupBy === 'lot' || query.groupBy === 'reference') {
        return t(
          'summary.baseline-by',
          'How far the energy was from what production should have used, by {{group}}, {{where}}.',
          { ...values, group: groupWords(query.groupBy).label.toLowerCase() }
        );
      }
      return t('summary.baseline', 'Energy against what production should have used, {{steps}}, {{where}}.', values);
    case 'abnormal_runs':
      return t(
        'summary.abnormal-runs',
        'Runs that are unusual for their reference, what they cost, and why, {{where}}.',
        values
      );
    case 'golden':
      return query.learnFrom === 'best'
        ? t(
            'summary.golden-best',
            'How far {{quantity}} of each lot is from the best lots before it, {{where}}.',
            values
          )
        : t('summary.golden', 'How far {{quantity}} of each lot is from the good lots before it, {{where}}.', values);
    default:
      return t('summary.unknown', 'This query was made by a newer Lotwise.');
  }
}
