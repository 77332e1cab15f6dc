import {
  ask,
  columns,
  CONTEXT,
  grid,
  LIMITED,
  series,
  stat,
  steps,
  t,
  table,
  to,
  toLot,
  variables,
  words,
  YES_NO,
} from './kit.mjs';

const place = { plants: ['$plant'], lines: ['$line'], machines: ['$machine'] };
const events = (query) => ask('anomalies', { place, context: CONTEXT, ...query });

export const anomalies = {
  title: t('Anomalies', 'Anomalías'),
  description: t(
    'What was abnormal, when, what it cost, and why the detectors say so. They learn from the weeks before the time range what is usual for each machine, reference and state.',
    'Qué fue anormal, cuándo, cuánto costó y por qué lo dicen los detectores. Aprenden de las semanas anteriores al intervalo qué es habitual para cada máquina, referencia y estado.'
  ),
  time: 'now-7d',
  templating: variables(['plant', 'line', 'machine', 'reference']),
  panels: grid(
    [
      4,
      [
        6,
        stat(
          t('Events', 'Sucesos'),
          t('How many events touch the time range.', 'Cuántos sucesos tocan el intervalo.'),
          events({ limit: 500 }),
          'severity',
          { over: 'count' }
        ),
      ],
      [
        6,
        stat(
          t('Open machines', 'Máquinas con sucesos abiertos'),
          t(
            'Machines with an event that is not over where the time range ends.',
            'Máquinas con un suceso que no ha terminado donde acaba el intervalo.'
          ),
          ask('anomalies', { place, format: 'alert' }),
          'open',
          {
            over: 'sum',
            defaults: { decimals: 0, color: { mode: 'thresholds' }, thresholds: steps('green', [1, 'orange']) },
          }
        ),
      ],
      [
        6,
        stat(
          t('Energy beyond the usual', 'Energía por encima de lo habitual'),
          t(
            'Sum over the events of the energy beyond what is usual for the machine, reference and state.',
            'Suma sobre los sucesos de la energía por encima de lo habitual para la máquina, la referencia y el estado.'
          ),
          events({ limit: 500 }),
          'energy',
          { over: 'sum', defaults: { unit: 'kwatth', decimals: 1 } }
        ),
      ],
      [
        6,
        stat(
          t('Its cost', 'Su coste'),
          t('That energy at the price of its tariff period.', 'Esa energía al precio de su periodo tarifario.'),
          events({ limit: 500 }),
          'cost',
          { over: 'sum', defaults: { decimals: 2 } }
        ),
      ],
    ],
    [
      9,
      [
        24,
        series(
          t('How abnormal each machine was', 'Lo anormal que fue cada máquina'),
          t(
            'The largest deviation of each step as a share of its limit: 1 is abnormal. Empty where there is too little history to judge.',
            'La mayor desviación de cada paso como parte de su límite: 1 es anormal. Vacío donde hay poca historia para juzgar.'
          ),
          ask('anomalies', { place, context: CONTEXT, format: 'score' }),
          {
            defaults: { min: 0, decimals: 2, thresholds: steps('transparent', [1, 'red']) },
            custom: LIMITED,
          }
        ),
      ],
    ],
    [
      12,
      [
        24,
        table(
          t('What happened', 'Qué pasó'),
          t(
            'Every event, the newest first: where, what was being made, the energy beyond the usual, its cost, and the reason in words.',
            'Cada suceso, el más reciente primero: dónde, qué se fabricaba, la energía por encima de lo habitual, su coste y el motivo en palabras.'
          ),
          events({ limit: 200 }),
          columns(
            'start',
            'end',
            ['open', { mappings: YES_NO }],
            'line',
            ['machine', { width: 120 }],
            'reference',
            ['lot', { ...toLot('start', 'end'), width: 130 }],
            'kind',
            'energy',
            'cost',
            'reason',
            ['plant', { hidden: true }]
          )
        ),
      ],
    ]
  ),
};
