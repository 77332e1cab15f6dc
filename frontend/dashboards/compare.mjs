import { ask, bars, choice, columns, grid, steps, t, table, to, toLot, trend, variables } from './kit.mjs';

const MANY = { references: ['$reference'], lots: ['$lot'] };
const curves = (quantity, align) =>
  ask('lots', {
    place: { plants: ['$plant'], lines: ['$line'], quantity },
    context: MANY,
    groupBy: 'line',
    align,
    lastLots: 6,
  });

export const compare = {
  title: t('Compare lots', 'Comparar lotes'),
  description: t(
    'Lots of one line, one upon the other: each from its own start. Choose a reference; without lots chosen, the newest six are shown.',
    'Lotes de una línea, uno sobre otro: cada uno desde su propio inicio. Elige una referencia; si no se eligen lotes, se muestran los seis últimos.'
  ),
  time: 'now-7d',
  templating: variables(['plant', 'line', 'reference', 'lot'], {
    single: ['plant', 'line', 'reference'],
    more: [
      choice('quantity', t('Quantity', 'Magnitud'), [
        ['power', t('Power', 'Potencia')],
        ['temperature', t('Temperature', 'Temperatura')],
      ]),
    ],
  }),
  panels: grid(
    [
      11,
      [
        12,
        trend(
          t('By elapsed time', 'Por tiempo transcurrido'),
          t(
            'The chosen quantity of each lot, counted from the start of its first run; between runs of a lot the curve is empty.',
            'La magnitud elegida de cada lote, contada desde el inicio de su primera fabricación; entre fabricaciones de un lote la curva está vacía.'
          ),
          curves('$quantity', 'elapsed'),
          'elapsed'
        ),
      ],
      [
        12,
        trend(
          t('By progress', 'Por avance'),
          t(
            'The same curves from 0 % (the lot’s first start) to 100 % (its last end), in a hundred steps: shapes of long and short lots compare.',
            'Las mismas curvas del 0 % (primer inicio del lote) al 100 % (último final), en cien pasos: se comparan las formas de lotes largos y cortos.'
          ),
          curves('$quantity', 'progress'),
          'progress'
        ),
      ],
    ],
    [
      10,
      [
        10,
        bars(
          t('Energy per good unit', 'Energía por unidad buena'),
          t(
            'Energy of each lot’s runs in the time range divided by its good units.',
            'Energía de las fabricaciones de cada lote en el intervalo dividida por sus unidades buenas.'
          ),
          ask('kpi', { context: MANY, kpis: ['energy_per_good_unit'], groupBy: 'lot', bucket: 'whole', limit: 20 }),
          'energy_per_good_unit',
          { defaults: { decimals: 4 } }
        ),
      ],
      [
        14,
        table(
          t('Runs', 'Fabricaciones'),
          t(
            'The runs of these lots in the time range; a click on a lot opens it, with its time range.',
            'Las fabricaciones de estos lotes en el intervalo; un clic en un lote lo abre, con su intervalo.'
          ),
          ask('runs', { context: MANY }),
          columns(
            'started_at',
            ['lot', toLot('started_at', 'ended_at')],
            'operator',
            'duration_s',
            'good_units',
            'scrap_units',
            'energy',
            'energy_per_good_unit',
            ['reference', { hidden: true }],
            ['ended_at', { hidden: true }],
            ['plant', { hidden: true }],
            ['line', { hidden: true }]
          )
        ),
      ],
    ]
  ),
};
