import { ask, bars, columns, CONTEXT, DOTTED, grid, series, STACKED, t, table, to, toLot, variables } from './kit.mjs';

const kpi = (kpis, query) => ask('kpi', { context: CONTEXT, kpis, bucket: 'whole', groupBy: 'reference', ...query });

export const references = {
  title: t('Energy by reference', 'Energía por referencia'),
  description: t(
    'What each product takes: energy, cost and CO₂ per good unit, over time and lot by lot.',
    'Qué necesita cada producto: energía, coste y CO₂ por unidad buena, a lo largo del tiempo y lote a lote.'
  ),
  time: 'now-14d',
  templating: variables(['plant', 'line', 'reference']),
  panels: grid(
    [
      10,
      [
        16,
        table(
          t('References', 'Referencias'),
          t(
            'Of each reference: energy of its runs in the time range, good units, and their ratios (total divided by total). Unallocated is what ran while nothing was made.',
            'De cada referencia: energía de sus fabricaciones en el intervalo, unidades buenas y sus cocientes (total entre total). «Sin asignar» es lo que consumió mientras no se fabricaba nada.'
          ),
          kpi([
            'energy',
            'energy_per_good_unit',
            'cost',
            'cost_per_good_unit',
            'co2_per_good_unit',
            'good_units',
            'scrap_units',
          ]),
          columns(
            [
              'name',
              {
                minWidth: 160,
                link: {
                  title: t('Compare its lots', 'Comparar sus lotes'),
                  url: to(
                    'compare-lots',
                    'var-plant=${__data.fields.plant}&var-reference=${__data.fields.reference}&${__url_time_range}'
                  ),
                },
              },
            ],
            'energy',
            'energy_per_good_unit',
            'cost',
            'cost_per_good_unit',
            'co2_per_good_unit',
            'good_units',
            'coverage',
            ['reference', { hidden: true }],
            ['plant', { hidden: true }]
          )
        ),
      ],
      [
        8,
        bars(
          t('Energy per good unit', 'Energía por unidad buena'),
          t(
            'Total energy divided by total good units of each reference: the fifteen that used most energy.',
            'Energía total dividida por unidades buenas totales de cada referencia: las quince que más energía usaron.'
          ),
          kpi(['energy_per_good_unit'], { limit: 15 }),
          'energy_per_good_unit',
          { defaults: { decimals: 3 }, notNull: 'energy_per_good_unit' }
        ),
      ],
    ],
    [
      9,
      [
        12,
        series(
          t('Energy per day', 'Energía por día'),
          t(
            'Energy of the runs of each reference on each day of the plant: the eight with most, the others together, and what belongs to no run.',
            'Energía de las fabricaciones de cada referencia en cada día de la planta: las ocho de mayor consumo, las demás juntas, y lo que no es de ninguna fabricación.'
          ),
          kpi(['energy'], { bucket: 'day', top: 8 }),
          { custom: STACKED, defaults: { unit: 'kwatth', min: 0 } }
        ),
      ],
      [
        12,
        series(
          t('Energy per good unit over time', 'Energía por unidad buena a lo largo del tiempo'),
          t(
            'Energy divided by good units of each day of the plant: the eight references that take most for a unit, and the others together. A day without good units is empty.',
            'Energía dividida por unidades buenas de cada día de la planta: las ocho referencias que más necesitan por unidad, y las demás juntas. Un día sin unidades buenas está vacío.'
          ),
          kpi(['energy_per_good_unit'], { bucket: 'day', top: 8 }),
          { defaults: { decimals: 3, min: 0 }, custom: DOTTED }
        ),
      ],
    ],
    [
      10,
      [
        24,
        table(
          t('Runs', 'Fabricaciones'),
          t(
            'Every run in the time range, the newest first; a click on a lot opens it, with its time range.',
            'Cada fabricación del intervalo, la más reciente primero; un clic en un lote lo abre, con su intervalo.'
          ),
          ask('runs', { context: CONTEXT, limit: 500 }),
          columns(
            'started_at',
            'ended_at',
            'line',
            'reference',
            ['lot', toLot('started_at', 'ended_at')],
            'operator',
            'duration_s',
            'good_units',
            'scrap_units',
            'energy',
            'energy_per_good_unit',
            ['plant', { hidden: true }]
          )
        ),
      ],
    ]
  ),
};
