// What the dashboards are made of: texts in two languages, queries, variables, panels, a grid. Knows Grafana's
// dashboard JSON; knows nothing of any one dashboard.

const PLUGIN = 'buutech-lotwise-datasource';
export const LANGUAGES = ['en', 'es'];

class Text {
  constructor(en, es) {
    Object.assign(this, { en, es });
  }
}

/** A text in both languages. */
export const t = (en, es) => new Text(en, es);

/** One text after the other. */
export const and = (...texts) => t(texts.map(({ en }) => en).join(' '), texts.map(({ es }) => es).join(' '));

/** Address of another dashboard, in the language of this one; the query is kept as written. */
export const to = (name, query) => t(`/d/lotwise-${name}?${query}`, `/d/lotwise-${name}-es?${query}`);

/** The value with every text in one language. */
export function inLanguage(value, language) {
  if (value instanceof Text) {
    return value[language];
  }
  if (Array.isArray(value)) {
    return value.map((item) => inLanguage(item, language));
  }
  if (value && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, inLanguage(item, language)]));
  }
  return value;
}

const datasource = { type: PLUGIN, uid: '${datasource}' };

/** Where and what the variables of a dashboard say. */
export const PLACE = { plants: ['$plant'], lines: ['$line'] };
export const CONTEXT = { references: ['$reference'] };

/**
 * A saved query; what it leaves out is the back end's default. It is asked in the language of its dashboard, for
 * everyone: the overrides below are of names in that language.
 */
export const ask = (type, query = {}, refId = 'A') => ({
  refId,
  datasource,
  queryType: type,
  version: 1,
  type,
  language: t('en', 'es'),
  place: PLACE,
  ...query,
});

const VARIABLES = {
  plant: [t('Plant', 'Planta'), {}],
  line: [t('Line', 'Línea'), { plants: ['$plant'] }],
  machine: [t('Machine', 'Máquina'), { plants: ['$plant'], lines: ['$line'] }],
  reference: [t('Reference', 'Referencia'), { plants: ['$plant'], lines: ['$line'] }],
  lot: [
    t('Lot', 'Lote'),
    { plants: ['$plant'], lines: ['$line'], references: ['$reference'], search: '$__searchFilter' },
  ],
};

/**
 * Variables of the catalog, in this order, each narrowed by those before it. `single` ones have no "All"; lots are
 * those of the time range.
 */
export function variables(names, { single = [], more = [] } = {}) {
  const source = {
    name: 'datasource',
    label: t('Data source', 'Fuente de datos'),
    type: 'datasource',
    query: PLUGIN,
    refresh: 1,
    current: { text: 'Lotwise', value: 'lotwise' },
    // One data source is the usual case: no need to choose.
    hide: 0,
  };
  const listed = names.map((name) => {
    const [label, filters] = VARIABLES[name];
    const asked = Object.entries(filters).filter(([key]) => key === 'search' || names.includes(key.slice(0, -1)));
    const several = !single.includes(name);
    return {
      name,
      label,
      type: 'query',
      datasource,
      query: { refId: `variable-${name}`, kind: name, ...Object.fromEntries(asked) },
      refresh: name === 'lot' ? 2 : 1,
      sort: 0,
      multi: several,
      includeAll: several,
      ...(several && { allValue: '*', current: { text: ['All'], value: ['$__all'] } }),
      ...(!several && { current: {} }),
    };
  });
  return [source, ...listed, ...more];
}

/** A variable with a fixed list; each choice is `[value, text]`. The first is chosen. */
export function choice(name, label, choices) {
  const options = choices.map(([value, text]) => ({ value, text }));
  // Grafana keeps the list as `text : value`.
  const listed = (language) => options.map(({ value, text }) => `${inLanguage(text, language)} : ${value}`).join(',');
  return {
    name,
    label,
    type: 'custom',
    query: t(listed('en'), listed('es')),
    options: options.map((option, index) => ({ ...option, selected: index === 0 })),
    current: options[0],
    multi: false,
    includeAll: false,
  };
}

/** An annotation query, on the panels with these ids. */
export const annotation = (name, color, query, ids) => ({
  name,
  enable: true,
  iconColor: color,
  datasource,
  filter: { exclude: false, ids },
  target: { ...query, refId: 'Annotation' },
});

/** To the minute: seconds only take room. */
const TIME = 'time:YYYY-MM-DD HH:mm';
const KWH_PER_UNIT = 'suffix: kWh/unit';

const valueMap = (choices) => [
  {
    type: 'value',
    options: Object.fromEntries(
      choices.map(([value, text, color], index) => [value, { text, ...(color && { color }), index }])
    ),
  },
];

/** Words for what the detectors find. */
const KINDS = valueMap([
  ['spike', t('Spike', 'Pico')],
  ['level_shift', t('Level shift', 'Salto de nivel')],
  ['drift', t('Drift', 'Deriva')],
  ['wrong_set_point', t('Wrong set-point', 'Consigna errónea')],
  ['cooling_failure', t('Cooling failure', 'Fallo de refrigeración')],
  ['slow_production', t('Slow production', 'Producción lenta')],
  ['idle_waste', t('Idle waste', 'Consumo en vacío')],
  ['stuck_sensor', t('Stuck sensor', 'Sensor bloqueado')],
  ['noise', t('Noise', 'Ruido')],
  ['pattern', t('Unusual combination', 'Combinación inusual')],
]);

/** Words for what energy is used for. */
const USES = valueMap([
  ['production', t('Production', 'Producción')],
  ['base_load', t('Base load while producing', 'Consumo base al producir')],
  ['standby', t('Idle, set-up and stops', 'Esperas, preparación y paradas')],
  ['off', t('Nothing made, weekdays', 'Sin producción, laborables')],
  ['weekend', t('Nothing made, weekends', 'Sin producción, fines de semana')],
]);

/** Names and looks of the columns that queries give. `unit` only where the data does not say it. */
const COLUMNS = {
  time: [t('Time', 'Hora'), { unit: TIME, width: 150 }],
  start: [t('Start', 'Inicio'), { unit: TIME, width: 150 }],
  end: [t('End', 'Fin'), { unit: TIME, width: 150 }],
  raised: [t('Known at', 'Detectada'), { unit: TIME, width: 150 }],
  open: [t('Open', 'Abierta'), { width: 85 }],
  started_at: [t('Start', 'Inicio'), { unit: TIME, width: 150 }],
  ended_at: [t('End', 'Fin'), { unit: TIME, width: 150 }],
  last_seen: [t('Last reading', 'Última lectura'), { unit: TIME, width: 150 }],
  plant: [t('Plant', 'Planta'), { width: 90 }],
  line: [t('Line', 'Línea'), { width: 70 }],
  machine: [t('Machine', 'Máquina'), {}],
  sensor: [t('Key', 'Clave'), {}],
  sensor_name: [t('Sensor', 'Sensor'), {}],
  name: [t('Name', 'Nombre'), {}],
  quantity: [t('Quantity', 'Magnitud'), {}],
  unit: [t('Unit', 'Unidad'), { width: 80 }],
  value: [t('Value', 'Valor'), {}],
  age_s: [t('Age', 'Antigüedad'), { unit: 's', decimals: 0, width: 110 }],
  expected_interval_s: [t('Interval', 'Intervalo'), { unit: 's', width: 100 }],
  silent_after_s: [t('Silent after', 'Mudo tras'), { unit: 's', width: 110 }],
  silent: [t('Silent', 'Mudo'), { width: 90 }],
  reference: [t('Reference', 'Referencia'), { width: 105 }],
  lot: [t('Lot', 'Lote'), {}],
  run: [t('Run', 'Fabricación'), {}],
  operator: [t('Operator', 'Operario'), {}],
  energy: [t('Energy', 'Energía'), { unit: 'kwatth', decimals: 1, width: 110 }],
  energy_per_good_unit: [t('Energy/unit', 'Energía/unidad'), { unit: KWH_PER_UNIT, decimals: 4, width: 150 }],
  'energy_per_good_unit (count)': [t('Runs', 'Fabricaciones'), { decimals: 0, width: 110 }],
  'energy_per_good_unit (min)': [t('Least, kWh/unit', 'Mín., kWh/ud.'), { unit: 'none', decimals: 4 }],
  'energy_per_good_unit (max)': [t('Most, kWh/unit', 'Máx., kWh/ud.'), { unit: 'none', decimals: 4 }],
  cost: [t('Cost', 'Coste'), { decimals: 2, width: 100 }],
  cost_per_good_unit: [t('Cost/unit', 'Coste/unidad'), { decimals: 4, width: 140 }],
  co2: [t('CO₂', 'CO₂'), { unit: 'masskg', decimals: 1, width: 100 }],
  co2_per_good_unit: [t('CO₂/unit', 'CO₂/unidad'), { unit: 'suffix: kg/unit', decimals: 4, width: 140 }],
  good_units: [t('Good units', 'Buenas'), { decimals: 0, unit: 'locale', width: 125 }],
  scrap_units: [t('Scrap', 'Rechazo'), { decimals: 0, unit: 'locale', width: 100 }],
  mean_temperature: [t('Mean temperature', 'Temperatura media'), { unit: 'celsius', decimals: 1 }],
  duration_s: [t('Duration', 'Duración'), { unit: 's', decimals: 1, width: 100 }],
  tariff_period: [t('Period', 'Periodo'), { width: 85 }],
  contracted: [t('Contracted', 'Contratada'), { unit: 'kwatt', decimals: 0, width: 110 }],
  peak: [t('Highest', 'Máxima'), { unit: 'kwatt', decimals: 1, width: 105 }],
  peak_at: [t('When', 'Cuándo'), { unit: TIME, width: 150 }],
  above: [t('Quarters above', 'Cuartos por encima'), { decimals: 0, width: 150 }],
  actual: [t('Actual', 'Real'), { unit: 'kwatth', decimals: 1, width: 100 }],
  deviation: [t('Beyond expected', 'De más'), { unit: 'kwatth', decimals: 1, width: 135 }],
  deviation_percent: ['%', { unit: 'none', decimals: 1, width: 70 }],
  use: [t('Used for', 'Uso'), { mappings: USES }],
  share: [t('Share', 'Parte'), { unit: 'percentunit', decimals: 1, width: 80 }],
  excess_cost: [t('Cost', 'Coste'), { decimals: 2, width: 100 }],
  coverage: [t('Coverage', 'Cobertura'), { unit: 'percentunit', decimals: 1, width: 105 }],
  provisional: [t('Provisional', 'Provisional'), { width: 110 }],
  kind: [t('Kind', 'Tipo'), { width: 150, mappings: KINDS }],
  severity: [t('Severity', 'Gravedad'), { decimals: 1, width: 95 }],
  reason: [t('Reason', 'Motivo'), { minWidth: 300, wrapText: true }],
};

/** Adds columns of a query type that is not in the list above. */
export function knowColumns(columns) {
  Object.assign(COLUMNS, columns);
}

/** How a field looks: its name, unit and the like. */
export function override(name, settings) {
  const { hidden, width, unit, decimals, link, cell, mappings, color, text, thresholds, max, min, ...custom } =
    settings;
  const properties = [];
  const add = (id, value) => value !== undefined && properties.push({ id, value });
  add('displayName', text);
  add('unit', unit);
  add('decimals', decimals);
  add('min', min);
  add('max', max);
  add('mappings', mappings);
  add('thresholds', thresholds);
  add('color', color);
  add('custom.width', width);
  add('custom.hideFrom.viz', hidden);
  add('custom.cellOptions', cell);
  for (const [key, value] of Object.entries(custom)) {
    add(`custom.${key}`, value);
  }
  add('links', link && [{ title: link.title, url: link.url, targetBlank: false }]);
  return { matcher: { id: 'byName', options: name }, properties };
}

/** How fields look whose shown name matches; the back end gives names in the language of the dashboard. */
export const like = ({ en, es }, settings) => ({
  ...override('', settings),
  matcher: { id: 'byRegexp', options: t(`/${en}/`, `/${es}/`) },
});

/**
 * Overrides and the transformation that shows these columns in this order. Each is a name, or `[name, settings]`;
 * `hidden` ones are there for links only.
 */
export function columns(...wanted) {
  const list = wanted.map((item) => (Array.isArray(item) ? item : [item, {}]));
  const overrides = list.map(([name, settings]) => {
    const [text, usual] = COLUMNS[name] ?? [undefined, {}];
    return override(name, { text, ...usual, ...settings });
  });
  const names = list.map(([name]) => name);
  const transformations = [
    { id: 'filterFieldsByName', options: { include: { names } } },
    {
      id: 'organize',
      options: { indexByName: Object.fromEntries(names.map((name, index) => [name, index])), excludeByName: {} },
    },
  ];
  return { overrides, transformations };
}

/** Columns with a link to the lot of a row, with the time range between two of its time columns. */
export const toLot = (start, end) => ({
  link: {
    title: t('Open this lot', 'Abrir este lote'),
    url: to(
      'lot',
      [
        'var-plant=${__data.fields.plant}&var-line=${__data.fields.line}',
        'var-reference=${__data.fields.reference}&var-lot=${__data.fields.lot}',
        `from=\${__data.fields.${start}.numeric}&to=\${__data.fields.${end}.numeric}`,
      ].join('&')
    ),
  },
});

/** Words and colours of machine states. */
export const STATE_COLORS = valueMap([
  ['running', t('Running', 'En marcha'), 'green'],
  ['idle', t('Idle', 'En espera'), 'yellow'],
  ['setup', t('Setup', 'Preparación'), 'blue'],
  ['stopped', t('Stopped', 'Parada'), 'red'],
  ['off', t('Off', 'Apagada'), 'text'],
]);

/** The back end's name of what no group accounts for. */
export const UNALLOCATED = t('Unallocated', 'Sin asignar');

/** Words for the row of the time in which nothing was made. */
export const NOTHING_MADE = t(
  valueMap([[UNALLOCATED.en, '(nothing made)']]),
  valueMap([[UNALLOCATED.es, '(sin fabricar)']])
);

/** Words for what is true or false, where true is worth a look. */
export const YES_NO = valueMap([
  ['true', t('yes', 'sí'), 'orange'],
  ['false', t('no', 'no'), 'text'],
]);

/** Steps of thresholds: `steps('green', [0.9, 'red'])`. */
export const steps = (base, ...rest) => ({
  mode: 'absolute',
  steps: [{ value: null, color: base }, ...rest.map(([value, color]) => ({ value, color }))],
});

function panel(type, title, description, targets, { defaults = {}, overrides = [], options = {}, ...rest }) {
  return {
    type,
    title,
    description,
    ...(targets && { datasource, targets: [targets].flat() }),
    fieldConfig: { defaults: { noValue: '–', ...defaults }, overrides },
    options,
    ...rest,
  };
}

const BELOW = t(
  'Below: the change against the time before, of the same length.',
  'Debajo: el cambio frente al periodo anterior, de igual duración.'
);

/** How the change reads once it is renamed, in either language: Grafana matches the names that are shown. */
const CHANGE = '^against the time before$|^frente al periodo anterior$';

/** Only rows where the field is known: the sum of what is not known is not zero. */
const filled = (field) => ({
  id: 'filterByValue',
  options: {
    filters: [{ fieldName: field, config: { id: 'isNotNull', options: {} } }],
    type: 'include',
    match: 'any',
  },
});

/** Rows with the same `by` as one: `{ field: how }`, or several ways. Gives columns such as `field (sum)`. */
export const together = (by, calculations) => ({
  id: 'groupBy',
  options: {
    fields: {
      [by]: { operation: 'groupby', aggregations: [] },
      ...Object.fromEntries(
        Object.entries(calculations).map(([field, how]) => [
          field,
          { operation: 'aggregate', aggregations: [how].flat() },
        ])
      ),
    },
  },
});

/** The rows with most in a field first. */
export const mostFirst = (field) => ({ id: 'sortBy', options: { sort: [{ field, desc: true }] } });

/** What is not known is neither good nor bad. */
const UNKNOWN = { type: 'special', options: { match: 'null+nan', result: { text: '–', color: 'text' } } };

/** One figure: a field of a table with one row, or with `over`, a calculation over its rows. */
export function stat(title, description, target, field, { defaults, over, ...rest } = {}) {
  // Beside the same time before, where the query compares: more is red, less is green, unless it says otherwise.
  const compared = target.compare
    ? [
        override(`${field}_change`, {
          text: t('against the time before', 'frente al periodo anterior'),
          unit: 'percent',
          decimals: 1,
          color: { mode: 'thresholds' },
          thresholds: target.compareGood === 'more' ? steps('red', [0, 'green']) : steps('green', [0, 'red']),
          mappings: [UNKNOWN],
        }),
      ]
    : [];
  const { compareGood: _unsaved, ...query } = target;
  const said = target.compare ? and(description, BELOW) : description;
  return panel('stat', title, said, query, {
    defaults: {
      color: { mode: 'fixed', fixedColor: 'text' },
      ...(defaults?.thresholds && { mappings: [UNKNOWN] }),
      ...defaults,
    },
    overrides: compared,
    options: {
      reduceOptions: over
        ? { calcs: [over], fields: '', values: false }
        : {
            calcs: ['firstNotNull'],
            fields: target.compare ? `/^${field}(_change)?$|${CHANGE}/` : `/^${field}$/`,
            values: false,
          },
      colorMode: 'value',
      graphMode: 'none',
      textMode: 'value',
      justifyMode: 'center',
      orientation: target.compare ? 'horizontal' : 'auto',
      wideLayout: true,
      showPercentChange: false,
      percentChangeColorMode: 'standard',
      text: { valueSize: target.compare ? 28 : 36 },
    },
    ...(over && {
      transformations: [
        ...(over === 'sum' ? [filled(field)] : []),
        { id: 'filterFieldsByName', options: { include: { names: [field] } } },
      ],
    }),
    ...rest,
  });
}

const legend = (showLegend = true, calcs = []) => ({ displayMode: 'list', placement: 'bottom', showLegend, calcs });

export const LINE = {
  drawStyle: 'line',
  lineInterpolation: 'linear',
  lineWidth: 1,
  fillOpacity: 5,
  showPoints: 'never',
  spanNulls: false,
  axisPlacement: 'auto',
  stacking: { mode: 'none', group: 'A' },
};
/** Bars that stand on their bucket, one upon the other. */
export const STACKED = {
  ...LINE,
  drawStyle: 'bars',
  barAlignment: 1,
  barWidthFactor: 0.85,
  fillOpacity: 80,
  stacking: { mode: 'normal', group: 'A' },
};

/** Without a fill, for values that need not begin at zero. */
export const CURVE = { ...LINE, fillOpacity: 0 };
/** Lines with a point at each value, over what is empty in between. */
export const DOTTED = { ...LINE, showPoints: 'always', pointSize: 5, spanNulls: true, fillOpacity: 0 };
/** Each value holds up to the next. */
export const STEPPED = { ...LINE, lineInterpolation: 'stepAfter', fillOpacity: 0 };
/** With the thresholds drawn as lines. */
export const LIMITED = { ...LINE, fillOpacity: 0, thresholdsStyle: { mode: 'line' } };

/** Values over time. */
export function series(title, description, targets, { defaults, custom = LINE, showLegend, options, ...rest } = {}) {
  return panel('timeseries', title, description, targets, {
    defaults: { color: { mode: 'palette-classic' }, ...defaults, custom },
    options: { legend: legend(showLegend), tooltip: { mode: 'multi', sort: 'desc' }, ...options },
    ...rest,
  });
}

/** Curves over a number: the first field is the x axis. */
export function trend(title, description, targets, xField, { defaults, custom = LINE, ...rest } = {}) {
  return panel('trend', title, description, targets, {
    defaults: { color: { mode: 'palette-classic' }, ...defaults, custom: { ...custom, fillOpacity: 0 } },
    options: { legend: legend(), tooltip: { mode: 'multi', sort: 'desc' }, xField },
    ...rest,
  });
}

/** Rows; `columns(...)` says which, after the transformations `before`. */
export function table(title, description, target, shown, { defaults, options, before = [], ...rest } = {}) {
  return panel('table', title, description, target, {
    defaults: { ...defaults, custom: { align: 'auto', minWidth: 60 } },
    overrides: shown.overrides,
    transformations: [...before, ...shown.transformations],
    options: { showHeader: true, cellHeight: 'sm', ...options },
    ...rest,
  });
}

/** A bar a row: `name` and one figure, or several; `notNull` leaves out rows where it is empty. */
export function bars(title, description, target, fields, { defaults, overrides = [], options, notNull, ...rest } = {}) {
  const names = [fields].flat();
  return panel('barchart', title, description, target, {
    defaults: {
      min: 0,
      color: { mode: names.length > 1 ? 'palette-classic' : 'fixed', fixedColor: 'blue' },
      ...defaults,
      custom: { fillOpacity: 80, lineWidth: 1, axisPlacement: 'auto' },
    },
    overrides: [...names.map((name) => override(name, { text: COLUMNS[name]?.[0] })), ...overrides],
    transformations: [
      ...(notNull ? [filled(notNull)] : []),
      { id: 'filterFieldsByName', options: { include: { names: [options?.xField ?? 'name', ...names] } } },
    ],
    options: {
      orientation: 'horizontal',
      xField: 'name',
      showValue: 'auto',
      stacking: 'none',
      groupWidth: 0.7,
      barWidth: 0.85,
      legend: legend(names.length > 1),
      tooltip: { mode: 'single', sort: 'none' },
      ...options,
    },
    ...rest,
  });
}

/** States over time, a row a series. */
export function states(title, description, target, { mappings, ...rest } = {}) {
  return panel('state-timeline', title, description, target, {
    defaults: { custom: { fillOpacity: 80, lineWidth: 0 }, mappings },
    options: {
      mergeValues: true,
      showValue: 'never',
      alignValue: 'left',
      rowHeight: 0.85,
      legend: legend(),
      tooltip: { mode: 'single', sort: 'none' },
    },
    ...rest,
  });
}

/** Written words. */
export const words = (title, content) => ({
  type: 'text',
  title,
  options: { mode: 'markdown', content },
  fieldConfig: { defaults: {}, overrides: [] },
});

/** Places panels: each row is `[height, [width, panel], ...]`, from the left; widths of a row add up to 24. */
export function grid(...rows) {
  const panels = [];
  let y = 0;
  for (const [h, ...cells] of rows) {
    let x = 0;
    for (const [w, item] of cells) {
      panels.push({ id: panels.length + 1, ...item, gridPos: { x, y, w, h } });
      x += w;
    }
    if (x !== 24) {
      throw new Error(`a row of panels is ${x} wide, not 24: ${cells.map(([, item]) => item.title.en).join(', ')}`);
    }
    y += h;
  }
  return panels;
}

/** A whole dashboard, in one language. */
export function dashboard(
  language,
  name,
  { title, description, time, refresh = '5m', templating, annotations = [], panels }
) {
  const tag = t('english', 'español');
  return inLanguage(
    {
      uid: t(`lotwise-${name}`, `lotwise-${name}-es`),
      title,
      description,
      tags: ['lotwise', tag],
      schemaVersion: 41,
      version: 1,
      editable: true,
      graphTooltip: 1,
      links: [
        {
          type: 'dashboards',
          title: 'Lotwise',
          tags: ['lotwise', tag],
          asDropdown: true,
          includeVars: true,
          keepTime: true,
          icon: 'external link',
          targetBlank: false,
          tooltip: '',
          url: '',
        },
      ],
      timezone: 'browser',
      weekStart: '',
      refresh,
      time: { from: time, to: 'now' },
      timepicker: {},
      templating: { list: templating },
      annotations: { list: annotations },
      panels,
    },
    language
  );
}
