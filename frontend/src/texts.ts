import {
  Aggregate,
  AlertOn,
  Align,
  Compare,
  Fill,
  Format,
  GroupBy,
  Kpi,
  LearnFrom,
  QueryType,
  SpcChart,
  SpcRules,
  SpcSubject,
} from './generated/model';
import { t } from './i18n';
import { TlsMode, VariableKind } from './types';

// Every choice's words in one place. Functions, because the language is known only when something is shown.

interface Words {
  label: string;
  description?: string;
}

export function queryTypeWords(type: QueryType): Words {
  switch (type) {
    case 'series':
      return {
        label: t('query-type.series', 'Values over time'),
        description: t('query-type.series-description', 'What sensors measured, as time series'),
      };
    case 'kpi':
      return {
        label: t('query-type.kpi', 'KPIs'),
        description: t('query-type.kpi-description', 'Energy, units and their ratios, as a table or over time'),
      };
    case 'lots':
      return {
        label: t('query-type.lots', 'Compare lots'),
        description: t('query-type.lots-description', 'Curves of several lots, each counted from its own start'),
      };
    case 'runs':
      return {
        label: t('query-type.runs', 'Runs'),
        description: t('query-type.runs-description', 'What was made, where, when and by whom'),
      };
    case 'states':
      return {
        label: t('query-type.states', 'States over time'),
        description: t('query-type.states-description', 'What each machine was doing, or what was made on each line'),
      };
    case 'latest':
      return {
        label: t('query-type.latest', 'Latest values'),
        description: t('query-type.latest-description', 'The newest reading of each sensor, and its age'),
      };
    case 'data_quality':
      return {
        label: t('query-type.data-quality', 'Data quality'),
        description: t(
          'query-type.data-quality-description',
          'When each sensor was last heard of, and which are silent'
        ),
      };
    case 'anomalies':
      return {
        label: t('query-type.anomalies', 'Anomalies'),
        description: t('query-type.anomalies-description', 'What was abnormal, what it cost, and why'),
      };
    case 'spc':
      return {
        label: t('query-type.spc', 'Control chart'),
        description: t('query-type.spc-description', 'Runs, lots or sensors against control limits (SPC)'),
      };
    case 'demand':
      return {
        label: t('query-type.demand', 'Power demand'),
        description: t(
          'query-type.demand-description',
          'Quarters of an hour against the contracted power of the plant'
        ),
      };
    case 'baseline':
      return {
        label: t('query-type.baseline', 'Energy baseline'),
        description: t(
          'query-type.baseline-description',
          'What production should have used, and how far the meters are from it'
        ),
      };
    case 'abnormal_runs':
      return {
        label: t('query-type.abnormal-runs', 'Abnormal runs'),
        description: t('query-type.abnormal-runs-description', 'Runs whose figures are unusual for their reference'),
      };
    case 'golden':
      return {
        label: t('query-type.golden', 'Golden lot'),
        description: t('query-type.golden-description', 'How far each lot is from the usual curve of its reference'),
      };
  }
}

export function kpiWords(kpi: Kpi): Words {
  switch (kpi) {
    case 'energy':
      return { label: t('kpi.energy', 'Energy (kWh)') };
    case 'energy_per_good_unit':
      return {
        label: t('kpi.energy-per-good-unit', 'Energy per good unit'),
        description: t('kpi.energy-per-good-unit-description', 'Total kWh divided by total good units'),
      };
    case 'cost':
      return {
        label: t('kpi.cost', 'Cost of energy'),
        description: t('kpi.cost-description', 'kWh of each tariff period times its price'),
      };
    case 'cost_per_good_unit':
      return {
        label: t('kpi.cost-per-good-unit', 'Cost per good unit'),
        description: t('kpi.cost-per-good-unit-description', 'Total cost of energy divided by total good units'),
      };
    case 'co2':
      return {
        label: t('kpi.co2', 'CO₂ (kg)'),
        description: t('kpi.co2-description', 'By the mean of the grid (location-based)'),
      };
    case 'co2_per_good_unit':
      return {
        label: t('kpi.co2-per-good-unit', 'CO₂ per good unit'),
        description: t('kpi.co2-per-good-unit-description', 'Total kg of CO₂ divided by total good units'),
      };
    case 'co2_market_based':
      return {
        label: t('kpi.co2-market-based', 'CO₂ by contract (kg)'),
        description: t('kpi.co2-market-based-description', 'By the supply contract (market-based)'),
      };
    case 'good_units':
      return { label: t('kpi.good-units', 'Good units') };
    case 'scrap_units':
      return { label: t('kpi.scrap-units', 'Scrap units') };
    case 'mean_temperature':
      return {
        label: t('kpi.mean-temperature', 'Mean temperature'),
        description: t('kpi.mean-temperature-description', 'Weighted by time, gaps left out'),
      };
    case 'availability':
      return {
        label: t('kpi.availability', 'Availability'),
        description: t('kpi.availability-description', 'Running time over the time in which machines are not off'),
      };
    case 'machine_hours':
      return {
        label: t('kpi.machine-hours', 'Machine hours'),
        description: t('kpi.machine-hours-description', 'Time of the machines in a known state; group by it'),
      };
  }
}

export function aggregateWords(aggregate: Aggregate): Words {
  switch (aggregate) {
    case 'mean':
      return {
        label: t('aggregate.mean', 'Mean'),
        description: t('aggregate.mean-description', 'Weighted by time; the amount for counters'),
      };
    case 'min':
      return { label: t('aggregate.min', 'Minimum') };
    case 'max':
      return { label: t('aggregate.max', 'Maximum') };
    case 'first':
      return { label: t('aggregate.first', 'First value') };
    case 'last':
      return { label: t('aggregate.last', 'Last value') };
    case 'count':
      return { label: t('aggregate.count', 'Number of readings') };
    case 'sum':
      return {
        label: t('aggregate.sum', 'Amount'),
        description: t('aggregate.sum-description', 'What a meter counted; for power, the energy in kWh'),
      };
    case 'raw':
      return {
        label: t('aggregate.raw', 'Every reading'),
        description: t('aggregate.raw-description', 'As it was measured, without time steps'),
      };
  }
}

export function groupWords(group: GroupBy): Words {
  switch (group) {
    case 'none':
      return { label: t('group.none', 'Nothing') };
    case 'plant':
      return { label: t('group.plant', 'Plant') };
    case 'line':
      return { label: t('group.line', 'Line') };
    case 'machine':
      return { label: t('group.machine', 'Machine') };
    case 'sensor':
      return { label: t('group.sensor', 'Sensor') };
    case 'reference':
      return { label: t('group.reference', 'Reference') };
    case 'lot':
      return { label: t('group.lot', 'Lot') };
    case 'operator':
      return { label: t('group.operator', 'Operator') };
    case 'shift':
      return { label: t('group.shift', 'Shift') };
    case 'state':
      return {
        label: t('group.state', 'Machine state'),
        description: t('group.state-description', 'Energy of the machines while they ran, waited, …'),
      };
    case 'tariff_period':
      return {
        label: t('group.tariff-period', 'Tariff period'),
        description: t('group.tariff-period-description', 'Energy, cost and CO₂ in P1, P2, … of the tariff'),
      };
  }
}

/** The states that a machine can be in, the productive one first. */
export const STATES = ['running', 'idle', 'setup', 'stopped', 'off'] as const;

export function stateWords(state: (typeof STATES)[number]): Words {
  switch (state) {
    case 'running':
      return { label: t('state.running', 'Running') };
    case 'idle':
      return { label: t('state.idle', 'Idle') };
    case 'setup':
      return { label: t('state.setup', 'Set-up') };
    case 'stopped':
      return { label: t('state.stopped', 'Stopped') };
    case 'off':
      return { label: t('state.off', 'Off') };
  }
}

/** The buckets on offer; any other width can be typed. */
export const BUCKETS = ['auto', 'whole', '1m', '5m', '15m', 'hour', '6h', 'shift', 'day', 'week', 'month'] as const;

export function bucketWords(bucket: string): Words {
  switch (bucket) {
    case 'auto':
      return {
        label: t('bucket.auto', 'Automatic'),
        description: t('bucket.auto-description', 'As fine as the panel can show'),
      };
    case 'whole':
      return {
        label: t('bucket.whole', 'Whole range'),
        description: t('bucket.whole-description', 'One figure for the time range; KPIs become a table'),
      };
    case '1m':
      return { label: t('bucket.minute', '1 minute') };
    case '5m':
      return { label: t('bucket.5-minutes', '5 minutes') };
    case '15m':
      return { label: t('bucket.15-minutes', '15 minutes') };
    case '6h':
      return { label: t('bucket.6-hours', '6 hours') };
    case 'hour':
      return { label: t('bucket.hour', 'Hour') };
    case 'shift':
      return {
        label: t('bucket.shift', 'Shift'),
        description: t('bucket.shift-description', "The plant's own shifts"),
      };
    case 'day':
      return {
        label: t('bucket.day', 'Day'),
        description: t('bucket.day-description', "Of the plant's time zone"),
      };
    case 'week':
      return { label: t('bucket.week', 'Week'), description: t('bucket.week-description', 'From Monday') };
    case 'month':
      return { label: t('bucket.month', 'Month') };
    default:
      return { label: bucket };
  }
}

export function formatWords(format: Format, type?: QueryType): Words {
  switch (format) {
    case 'table':
      return { label: t('format.table', 'Table') };
    case 'annotations':
      return { label: t('format.annotations', 'Annotations') };
    case 'silent':
      return {
        label: t('format.silent', 'Silent ones only'),
        description: t(
          'format.silent-description',
          'Sensors without a reading for three intervals and the longest gap'
        ),
      };
    case 'alert':
      return {
        label: t('format.alert', 'For alert rules'),
        description: alertWords(type),
      };
    case 'series':
      return {
        label: t('format.series', 'Time series'),
        description: seriesWords(type),
      };
    case 'model':
      return {
        label: t('format.model', 'Model'),
        description: t('format.model-description', 'Coefficients, and how good the model is'),
      };
    case 'uses':
      return {
        label: t('format.uses', 'Uses'),
        description: t(
          'format.uses-description',
          'What the energy was for: production, base load, standby, nothing made'
        ),
      };
    case 'curves':
      return {
        label: t('format.curves', 'Curves'),
        description: t('format.curves-description', 'The golden band and each lot in it'),
      };
    case 'deviation':
      return {
        label: t('format.deviation', 'Deviation over time'),
        description: t('format.deviation-description', 'From the golden curve, in robust sigmas and in the unit'),
      };
    case 'score':
      return {
        label: t('format.score', 'Score over time'),
        description:
          type === 'abnormal_runs'
            ? t('format.score-abnormal-runs-description', 'How abnormal each run was, at its end; 1 is the limit')
            : t('format.score-description', 'How abnormal each machine was; 1 is the limit'),
      };
  }
}

function seriesWords(type?: QueryType): string {
  switch (type) {
    case 'spc':
      return t('format.series-spc-description', 'Values with limits, zones and violations');
    case 'demand':
      return t('format.series-demand-description', 'Mean power of each quarter of an hour, and the contracted power');
    default:
      return t('format.series-description', 'Actual, expected, deviation and CUSUM');
  }
}

function alertWords(type?: QueryType): string {
  switch (type) {
    case 'anomalies':
      return t('format.alert-anomalies-description', 'One number a machine: how many events are not over');
    case 'abnormal_runs':
      return t('format.alert-abnormal-runs-description', 'One number a place: the score of its newest run');
    case 'golden':
      return t('format.alert-golden-description', 'One number a place: the score of its newest lot');
    case 'baseline':
      return t('format.alert-baseline-description', 'One number a place');
    case 'demand':
      return t('format.alert-demand-description', 'One number a plant: per cent of the contracted power');
    case 'spc':
      return t('format.alert-spc-description', 'One number a chart: points that break a rule');
    case 'kpi':
    case 'latest':
      return t('format.alert-figures-description', 'Each figure as a number with labels; alert rules get this anyway');
    default:
      return t('format.alert-description', 'One number a sensor: 1 when it is silent, else 0');
  }
}

export function learnFromWords(from: LearnFrom): Words {
  switch (from) {
    case 'good':
      return {
        label: t('learn-from.good', 'All good lots'),
        description: t('learn-from.good-description', 'Usual duration, energy per unit and scrap'),
      };
    case 'best':
      return {
        label: t('learn-from.best', 'The best lots'),
        description: t('learn-from.best-description', 'The good ones with least energy per good unit'),
      };
  }
}

export function spcSubjectWords(subject: SpcSubject): Words {
  switch (subject) {
    case 'run':
      return { label: t('spc.run', 'Runs'), description: t('spc.run-description', 'KPIs of runs that are over') };
    case 'lot':
      return { label: t('spc.lot', 'Lots'), description: t('spc.lot-description', 'KPIs of lots that are over') };
    case 'sensor':
      return {
        label: t('spc.sensor', 'Sensor values'),
        description: t('spc.sensor-description', 'One point a time step'),
      };
  }
}

export function spcChartWords(chart: SpcChart): Words {
  switch (chart) {
    case 'individuals':
      return {
        label: t('spc.individuals', 'Individuals'),
        description: t('spc.individuals-description', 'Limits from the moving range'),
      };
    case 'ewma':
      return { label: t('spc.ewma', 'EWMA'), description: t('spc.ewma-description', 'Small shifts that last') };
  }
}

export function spcRulesWords(rules: SpcRules): Words {
  switch (rules) {
    case 'nelson':
      return { label: t('spc.nelson', 'Nelson'), description: t('spc.nelson-description', 'Eight rules') };
    case 'western_electric':
      return {
        label: t('spc.western-electric', 'Western Electric'),
        description: t('spc.western-electric-description', 'Four rules'),
      };
    case 'limits':
      return {
        label: t('spc.limits', 'Limits only'),
        description: t('spc.limits-description', 'Points beyond the control limits'),
      };
  }
}

export function alertOnWords(on: AlertOn): Words {
  switch (on) {
    case 'drift':
      return {
        label: t('alert-on.drift', 'Drift'),
        description: t('alert-on.drift-description', 'CUSUM as a share of its limit: above 1 consumption has risen'),
      };
    case 'deviation_percent':
      return {
        label: t('alert-on.deviation-percent', 'Deviation (%)'),
        description: t('alert-on.deviation-percent-description', 'Of the time range, in percent of the expected'),
      };
    case 'deviation':
      return {
        label: t('alert-on.deviation', 'Deviation (kWh)'),
        description: t('alert-on.deviation-description', 'Of the time range'),
      };
  }
}

export function fillWords(fill: Fill): Words {
  switch (fill) {
    case 'none':
      return { label: t('fill.none', 'Empty') };
    case 'previous':
      return { label: t('fill.previous', 'The value before') };
    case 'zero':
      return { label: t('fill.zero', 'Zero'), description: t('fill.zero-description', 'Of amounts only') };
  }
}

export function compareWords(compare: Compare): Words {
  switch (compare) {
    case 'none':
      return { label: t('compare.none', 'Nothing') };
    case 'previous':
      return {
        label: t('compare.previous', 'The period before'),
        description: t('compare.previous-description', 'Of the same length as the time range'),
      };
    case 'day':
      return { label: t('compare.day', 'A day earlier') };
    case 'week':
      return { label: t('compare.week', 'A week earlier') };
    case 'month':
      return { label: t('compare.month', 'A month earlier') };
    case 'year':
      return { label: t('compare.year', 'A year earlier') };
    case 'lots':
      return {
        label: t('compare.lots', 'Other lots'),
        description: t('compare.lots-description', 'Whenever they were made'),
      };
  }
}

export function alignWords(align: Align): Words {
  switch (align) {
    case 'elapsed':
      return {
        label: t('align.elapsed', 'Elapsed time'),
        description: t('align.elapsed-description', 'A number as x axis, for trend and XY chart panels'),
      };
    case 'progress':
      return {
        label: t('align.progress', 'Progress'),
        description: t('align.progress-description', 'From the start of each lot, 0 %, to its end, 100 %'),
      };
    case 'time':
      return {
        label: t('align.time', 'Time series'),
        description: t(
          'align.time-description',
          'Elapsed time from the start of the time range, for time series panels'
        ),
      };
  }
}

export function variableKindWords(kind: VariableKind): Words {
  switch (kind) {
    case 'plant':
      return { label: t('kind.plant', 'Plants') };
    case 'line':
      return { label: t('kind.line', 'Lines') };
    case 'machine':
      return { label: t('kind.machine', 'Machines') };
    case 'sensor':
      return { label: t('kind.sensor', 'Sensors') };
    case 'quantity':
      return {
        label: t('kind.quantity', 'Quantities'),
        description: t('kind.quantity-description', 'Temperature, power, …'),
      };
    case 'reference':
      return { label: t('kind.reference', 'References') };
    case 'lot':
      return {
        label: t('kind.lot', 'Lots'),
        description: t('kind.lot-description', "Those made in the dashboard's time range"),
      };
    case 'operator':
      return { label: t('kind.operator', 'Operators') };
    case 'shift':
      return { label: t('kind.shift', 'Shifts') };
    case 'state':
      return { label: t('kind.state', 'Machine states') };
  }
}

export function tlsWords(mode: TlsMode): Words {
  switch (mode) {
    case 'disable':
      return {
        label: t('tls.disable', 'Off'),
        description: t('tls.disable-description', 'Passwords and figures cross the network in the clear'),
      };
    case 'require':
      return {
        label: t('tls.require', 'Encrypt only'),
        description: t('tls.require-description', 'Encrypted, but nobody checks who answers'),
      };
    case 'verify-ca':
      return {
        label: t('tls.verify-ca', 'Check the authority'),
        description: t('tls.verify-ca-description', 'The certificate must come from a known authority'),
      };
    case 'verify-full':
      return {
        label: t('tls.verify-full', 'Check authority and host name'),
        description: t('tls.verify-full-description', 'The certificate must be for this host too; the safest'),
      };
  }
}
