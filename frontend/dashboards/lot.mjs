import {
  annotation,
  ask,
  bars,
  columns,
  grid,
  like,
  series,
  stat,
  STATE_COLORS,
  states,
  t,
  table,
  toLot,
  trend,
  variables,
  CURVE,
} from './kit.mjs';

const [BLUE, GREEN] = ['blue', 'green'].map((fixedColor) => ({ mode: 'fixed', fixedColor }));
const DASHED = { fill: 'dash', dash: [6, 6] };

const ONE = { references: ['$reference'], lots: ['$lot'] };
const kpi = (kpis, query) => ask('kpi', { context: ONE, kpis, bucket: 'whole', ...query });
const curves = (quantity, query) =>
  ask('series', { place: { plants: ['$plant'], lines: ['$line'], quantity }, context: ONE, ...query });
/** The newest lots of the reference, this one among them. */
const neighbours = (quantity, query) =>
  ask('lots', {
    place: { plants: ['$plant'], lines: ['$line'], quantity },
    context: { references: ['$reference'] },
    groupBy: 'line',
    align: 'progress',
    lastLots: 8,
    ...query,
  });

/** Against the good lots of the reference in the 30 days before. */
const golden = (query) =>
  ask('golden', { place: { plants: ['$plant'], lines: ['$line'], quantity: 'power' }, context: ONE, ...query });

export const lot = {
  title: t('Lot', 'Lote'),
  description: t(
    'The story of one lot: what it took, what happened meanwhile, and how it compares with the last lots of its reference. Choose the time range of the lot, or come here by a link, which does.',
    'La historia de un lote: qué consumió, qué pasó entretanto y cómo se compara con los últimos lotes de su referencia. Elige el intervalo del lote, o llega por un enlace, que ya lo hace.'
  ),
  time: 'now-2d',
  templating: variables(['plant', 'line', 'reference', 'lot'], { single: ['plant', 'line', 'lot'] }),
  annotations: [
    annotation(
      t('Anomalies', 'Anomalías'),
      'rgba(242, 73, 92, 0.7)',
      ask('anomalies', { format: 'annotations', context: ONE, limit: 50 }),
      [8, 9]
    ),
  ],
  panels: grid(
    [
      4,
      [
        4,
        stat(
          t('Energy', 'Energía'),
          t(
            'What the meters of the line counted while the lot was made, exact at the edges of its runs.',
            'Lo que contaron los contadores de la línea mientras se hacía el lote, exacto en los bordes de sus fabricaciones.'
          ),
          kpi(['energy']),
          'energy',
          { defaults: { decimals: 1 } }
        ),
      ],
      [
        4,
        stat(
          t('Energy per good unit', 'Energía por unidad buena'),
          t('Energy of the lot divided by its good units.', 'Energía del lote dividida por sus unidades buenas.'),
          kpi(['energy_per_good_unit']),
          'energy_per_good_unit',
          { defaults: { decimals: 4 } }
        ),
      ],
      [
        4,
        stat(
          t('Cost of energy', 'Coste de la energía'),
          t(
            'Energy of the lot in each tariff period times its price.',
            'Energía del lote en cada periodo tarifario por su precio.'
          ),
          kpi(['cost']),
          'cost',
          { defaults: { decimals: 2 } }
        ),
      ],
      [
        4,
        stat(
          t('CO₂', 'CO₂'),
          t(
            'Energy times the location-based factor of the plant.',
            'Energía por el factor basado en la ubicación de la planta.'
          ),
          kpi(['co2']),
          'co2',
          { defaults: { decimals: 1 } }
        ),
      ],
      [
        4,
        stat(
          t('Good units', 'Unidades buenas'),
          t(
            'As production reported them; of a run that the time range cuts, in proportion to time.',
            'Según las comunicó producción; de una fabricación cortada por el intervalo, en proporción al tiempo.'
          ),
          kpi(['good_units']),
          'good_units',
          { defaults: { decimals: 0, unit: 'locale' } }
        ),
      ],
      [
        4,
        stat(
          t('Scrap', 'Rechazo'),
          t(
            'Scrapped units of the lot, as production reported them.',
            'Unidades rechazadas del lote, según producción.'
          ),
          kpi(['scrap_units']),
          'scrap_units',
          { defaults: { decimals: 0, unit: 'locale' } }
        ),
      ],
    ],
    [
      6,
      [
        24,
        states(
          t('Machine states', 'Estados de las máquinas'),
          t(
            'What each machine of the line was doing, as it reported its states, while the lot was made.',
            'Qué hacía cada máquina de la línea, según los estados que comunicó, mientras se hacía el lote.'
          ),
          ask('states', { context: ONE, groupBy: 'machine' }),
          { mappings: STATE_COLORS }
        ),
      ],
    ],
    [
      9,
      [
        12,
        series(
          t('Power', 'Potencia'),
          t(
            'Mean power of each machine while the lot was made. Marked: anomalies.',
            'Potencia media de cada máquina mientras se hacía el lote. Marcadas: anomalías.'
          ),
          curves('power', { groupBy: 'machine' }),
          { defaults: { unit: 'kwatt', min: 0 } }
        ),
      ],
      [
        12,
        series(
          t('Temperatures', 'Temperaturas'),
          t(
            'Each thermometer of the line’s machines, as a time-weighted mean per step, while the lot was made.',
            'Cada termómetro de las máquinas de la línea, como media ponderada por el tiempo en cada paso, mientras se hacía el lote.'
          ),
          curves('temperature', { groupBy: 'sensor' }),
          { defaults: { unit: 'celsius' }, custom: CURVE }
        ),
      ],
    ],
    [
      10,
      [
        12,
        trend(
          t('Power against the last lots of the reference', 'Potencia frente a los últimos lotes de la referencia'),
          t(
            'Power of the line over the progress of each lot, from its first start to its last end: the newest lots of this reference up to the end of the time range.',
            'Potencia de la línea según el avance de cada lote, de su primer inicio a su último final: los últimos lotes de esta referencia hasta el final del intervalo.'
          ),
          neighbours('power'),
          'progress',
          { defaults: { unit: 'kwatt', min: 0 } }
        ),
      ],
      [
        12,
        trend(
          t('Power against the golden lot', 'Potencia frente al lote patrón'),
          t(
            'Power of the line since the start of this lot, and the band that the good lots of its reference of the 30 days before kept to: their median and 3 robust standard deviations to either side. Empty where there are fewer than five of them.',
            'Potencia de la línea desde el inicio de este lote, y la banda en que se mantuvieron los lotes buenos de su referencia de los 30 días anteriores: su mediana y 3 desviaciones típicas robustas a cada lado. Vacía si son menos de cinco.'
          ),
          golden({ format: 'curves', align: 'elapsed' }),
          'elapsed',
          {
            defaults: { unit: 'kwatt', min: 0 },
            overrides: [
              like(t('actual$', 'real$'), { text: t('This lot', 'Este lote'), lineWidth: 2, color: BLUE }),
              like(t('median$', 'mediana$'), { text: t('Golden lot', 'Lote patrón'), color: GREEN }),
              like(t('lower$', 'límite inferior$'), {
                text: t('Lower limit', 'Límite inferior'),
                color: GREEN,
                lineStyle: DASHED,
              }),
              like(t('upper$', 'límite superior$'), {
                text: t('Upper limit', 'Límite superior'),
                color: GREEN,
                lineStyle: DASHED,
              }),
            ],
          }
        ),
      ],
    ],
    [
      8,
      [
        16,
        table(
          t('How far from the golden lot', 'A qué distancia del lote patrón'),
          t(
            'Score: root mean square of the distance to the golden median in robust standard deviations; about 1 is usual, above 2.5 is worth a look. Share of the time outside the band, energy beyond the median and its cost, and why.',
            'Puntuación: raíz del promedio de los cuadrados de la distancia a la mediana, en desviaciones típicas robustas; 1 es lo habitual y por encima de 2,5 conviene mirar. Parte del tiempo fuera de la banda, energía de más sobre la mediana y su coste, y por qué.'
          ),
          golden({ align: 'elapsed' }),
          columns(
            ['score', { text: t('Score', 'Puntuación'), decimals: 1, width: 100 }],
            ['outside', { text: t('Outside', 'Fuera'), unit: 'percentunit', decimals: 0, width: 90 }],
            'energy',
            'cost',
            'reason'
          )
        ),
      ],
      [
        8,
        bars(
          t('Energy by machine', 'Energía por máquina'),
          t(
            'What each machine’s meter counted while the lot was made. Unallocated is what the line’s meter saw and no machine’s.',
            'Lo que contó el contador de cada máquina mientras se hacía el lote. «Sin asignar» es lo que vio el contador de la línea y ninguno de máquina.'
          ),
          kpi(['energy'], { groupBy: 'machine' }),
          'energy',
          { defaults: { decimals: 1 } }
        ),
      ],
    ],
    [
      8,
      [
        24,
        table(
          t('Runs of the lot', 'Fabricaciones del lote'),
          t(
            'Every run of the lot that touches the time range, with the energy between its start and end.',
            'Cada fabricación del lote que toca el intervalo, con la energía entre su inicio y su final.'
          ),
          ask('runs', { context: ONE }),
          columns(
            'started_at',
            'ended_at',
            ['lot', toLot('started_at', 'ended_at')],
            'reference',
            'operator',
            'duration_s',
            'good_units',
            'scrap_units',
            'energy',
            'energy_per_good_unit',
            ['plant', { hidden: true }],
            ['line', { hidden: true }]
          )
        ),
      ],
    ]
  ),
};
