import {
  PLACE,
  ask,
  columns,
  grid,
  series,
  stat,
  STATE_COLORS,
  states,
  steps,
  t,
  table,
  to,
  variables,
  CURVE,
} from './kit.mjs';

const quantity = (quantity) => ({ ...PLACE, quantity });
const AGE = {
  cell: { type: 'color-text' },
  thresholds: steps('green', [180, 'orange'], [600, 'red']),
};

export const live = {
  title: t('Live line', 'Línea en vivo'),
  description: t(
    'A line right now: what it makes, what its machines do, what they take, and which sensors are silent.',
    'Una línea ahora mismo: qué fabrica, qué hacen sus máquinas, cuánto consumen y qué sensores callan.'
  ),
  time: 'now-1h',
  refresh: '10s',
  templating: variables(['plant', 'line'], { single: ['plant', 'line'] }),
  panels: grid(
    [
      4,
      [
        6,
        stat(
          t('Energy in this time', 'Energía en este tiempo'),
          t(
            'What the line’s meters counted in the time range.',
            'Lo que contaron los contadores de la línea en el intervalo.'
          ),
          ask('kpi', { kpis: ['energy'], bucket: 'whole' }),
          'energy',
          { defaults: { decimals: 1 } }
        ),
      ],
      [
        6,
        stat(
          t('Good units in this time', 'Unidades buenas en este tiempo'),
          t(
            'Good units of the runs, in proportion to their time inside the range; those of an open run are provisional.',
            'Unidades buenas de las fabricaciones, en proporción a su tiempo dentro del intervalo; las de una abierta son provisionales.'
          ),
          ask('kpi', { kpis: ['good_units'], bucket: 'whole' }),
          'good_units',
          { defaults: { decimals: 0, unit: 'locale' } }
        ),
      ],
      [
        6,
        stat(
          t('Energy per good unit', 'Energía por unidad buena'),
          t('The one divided by the other.', 'Lo uno dividido por lo otro.'),
          ask('kpi', { kpis: ['energy_per_good_unit'], bucket: 'whole' }),
          'energy_per_good_unit',
          { defaults: { decimals: 4 } }
        ),
      ],
      [
        6,
        stat(
          t('Silent sensors', 'Sensores mudos'),
          t(
            'Sensors without a reading for three of their intervals and their longest gap, or without any.',
            'Sensores sin lectura durante tres de sus intervalos y su hueco más largo, o sin ninguna.'
          ),
          ask('data_quality', { format: 'alert' }),
          'silent',
          {
            over: 'sum',
            defaults: { decimals: 0, color: { mode: 'thresholds' }, thresholds: steps('green', [1, 'red']) },
          }
        ),
      ],
    ],
    [
      5,
      [
        12,
        states(
          t('Machines', 'Máquinas'),
          t('What each machine reported to be doing.', 'Lo que cada máquina comunicó que hacía.'),
          ask('states', { groupBy: 'machine' }),
          { mappings: STATE_COLORS }
        ),
      ],
      [
        12,
        states(
          t('What is made', 'Qué se fabrica'),
          t(
            'The reference whose run was open on the line.',
            'La referencia cuya fabricación estaba abierta en la línea.'
          ),
          ask('states', { groupBy: 'reference' })
        ),
      ],
    ],
    [
      9,
      [
        12,
        series(
          t('Power', 'Potencia'),
          t('Mean power of each machine per step.', 'Potencia media de cada máquina en cada paso.'),
          ask('series', { place: quantity('power'), groupBy: 'machine' }),
          { defaults: { unit: 'kwatt', min: 0 } }
        ),
      ],
      [
        12,
        series(
          t('Temperatures', 'Temperaturas'),
          t(
            'Each thermometer of the line, as a time-weighted mean per step.',
            'Cada termómetro de la línea, como media ponderada por el tiempo en cada paso.'
          ),
          ask('series', { place: quantity('temperature'), groupBy: 'sensor' }),
          { defaults: { unit: 'celsius' }, custom: CURVE }
        ),
      ],
    ],
    [
      10,
      [
        24,
        table(
          t('Latest values', 'Últimos valores'),
          t(
            'The newest reading of every sensor of the line and its age, whatever the time range.',
            'La lectura más reciente de cada sensor de la línea y su antigüedad, sea cual sea el intervalo.'
          ),
          ask('latest'),
          columns('name', 'machine', 'quantity', 'value', 'unit', ['age_s', AGE], 'time')
        ),
      ],
    ]
  ),
};
