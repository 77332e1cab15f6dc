import {
  and,
  ask,
  columns,
  DOTTED,
  grid,
  like,
  mostFirst,
  series,
  stat,
  steps,
  t,
  table,
  variables,
  YES_NO,
} from './kit.mjs';

const charts = (query) =>
  ask('spc', { kpis: ['energy_per_good_unit'], context: { references: ['$reference'] }, ...query });
/** How the lines of a chart look; its zones of one and two sigmas are left out. */
const LOOKS = [
  like(t(' (ucl|lcl)$', ' límite (superior|inferior)$'), {
    color: { mode: 'fixed', fixedColor: 'red' },
    lineStyle: { fill: 'dash', dash: [8, 6] },
    showPoints: 'never',
  }),
  like(t(' centre$', ' centro$'), { color: { mode: 'fixed', fixedColor: 'green' }, showPoints: 'never' }),
  like(t('_sigma$', ' [+-][12] sigma$'), { hideFrom: { viz: true, legend: true, tooltip: true } }),
  like(t(' ewma$', ' EWMA$'), { color: { mode: 'fixed', fixedColor: 'blue' }, lineWidth: 2 }),
  like(t(' out of control$', ' fuera de control$'), {
    color: { mode: 'fixed', fixedColor: 'red' },
    lineWidth: 0,
    pointSize: 11,
  }),
];
const LEARNED = t(
  'Limits are the mean and three standard deviations (mean moving range / 1.128) of the runs that ended in the 30 days before the time range; without eight of them there are none.',
  'Los límites son la media y tres desviaciones típicas (recorrido móvil medio / 1,128) de las fabricaciones que acabaron en los 30 días anteriores al intervalo; sin ocho de ellas no los hay.'
);

export const spc = {
  title: t('Control charts', 'Gráficos de control'),
  description: t(
    'Is what a product takes under control? Each run of a line against the limits of its reference (SPC).',
    '¿Está bajo control lo que necesita un producto? Cada fabricación de una línea frente a los límites de su referencia (SPC).'
  ),
  time: 'now-14d',
  templating: variables(['plant', 'line', 'reference'], { single: ['plant', 'line', 'reference'] }),
  panels: grid(
    [
      4,
      [
        12,
        stat(
          t('Runs out of control', 'Fabricaciones fuera de control'),
          t(
            'Runs of the time range that break a rule, of all references of the line.',
            'Fabricaciones del intervalo que incumplen una regla, de todas las referencias de la línea.'
          ),
          ask('spc', { kpis: ['energy_per_good_unit'], format: 'alert' }),
          'violations',
          {
            over: 'sum',
            defaults: { decimals: 0, color: { mode: 'thresholds' }, thresholds: steps('green', [1, 'orange']) },
          }
        ),
      ],
      [
        12,
        stat(
          t('Runs judged', 'Fabricaciones juzgadas'),
          t(
            'Runs of the reference that ended in the time range.',
            'Fabricaciones de la referencia que acabaron en el intervalo.'
          ),
          charts(),
          'value',
          {
            over: 'count',
            defaults: { unit: 'none', decimals: 0 },
          }
        ),
      ],
    ],
    [
      10,
      [
        24,
        series(
          t('Energy per good unit of each run', 'Energía por unidad buena de cada fabricación'),
          and(
            t(
              'A point for each run of the reference, at its end; red where one of Nelson’s rules is broken.',
              'Un punto por fabricación de la referencia, en su final; rojo donde se incumple una regla de Nelson.'
            ),
            LEARNED
          ),
          charts({ format: 'series' }),
          { custom: DOTTED, defaults: { decimals: 4 }, overrides: LOOKS }
        ),
      ],
    ],
    [
      10,
      [
        24,
        series(
          t('Its moving average (EWMA)', 'Su media móvil (EWMA)'),
          and(
            t(
              'Exponentially weighted mean of the runs: small shifts that last show here first.',
              'Media de las fabricaciones con peso exponencial: los cambios pequeños que duran se ven antes aquí.'
            ),
            LEARNED
          ),
          charts({ format: 'series', spc: { chart: 'ewma' } }),
          { custom: DOTTED, defaults: { decimals: 4 }, overrides: LOOKS }
        ),
      ],
    ],
    [
      11,
      [
        24,
        table(
          t('Runs of the line', 'Fabricaciones de la línea'),
          t(
            'Every run of the line that ended in the time range, with the limits of its reference, how many standard deviations it is from the centre, and the rule that it breaks.',
            'Cada fabricación de la línea que acabó en el intervalo, con los límites de su referencia, a cuántas desviaciones típicas está del centro y la regla que incumple.'
          ),
          ask('spc', { kpis: ['energy_per_good_unit'] }),
          columns(
            'time',
            'reference',
            ['key', { text: t('Run', 'Fabricación') }],
            ['value', { text: t('kWh/unit', 'kWh/ud.'), unit: 'none', decimals: 4 }],
            ['lcl', { text: t('Lower limit', 'Límite inferior'), unit: 'none', decimals: 4 }],
            ['centre', { text: t('Centre', 'Centro'), unit: 'none', decimals: 4 }],
            ['ucl', { text: t('Upper limit', 'Límite superior'), unit: 'none', decimals: 4 }],
            ['sigmas', { text: 'σ', decimals: 1, width: 70 }],
            ['violation', { text: t('Out', 'Fuera'), mappings: YES_NO, width: 80 }],
            ['rules', { text: t('Rule', 'Regla') }]
          ),
          { before: [mostFirst('time')] }
        ),
      ],
    ]
  ),
};
