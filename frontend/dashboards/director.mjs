import {
  DOTTED,
  ask,
  bars,
  columns,
  CONTEXT,
  and,
  grid,
  mostFirst,
  NOTHING_MADE,
  override,
  PLACE,
  series,
  STACKED,
  stat,
  steps,
  t,
  table,
  to,
  together,
  toLot,
  UNALLOCATED,
  variables,
  YES_NO,
} from './kit.mjs';

const kpi = (kpis, query) => ask('kpi', { context: CONTEXT, kpis, bucket: 'whole', ...query });
/** The time range before, of the same length. */
const BEFORE = { compare: 'previous' };
/** What the lines took on each day, and what their production should have taken by their baseline. */
const baseline = (query) => ask('baseline', { bucket: 'day', ...query });
const LEARNED = t(
  'The model of each line is fitted on the 30 days before the time range.',
  'El modelo de cada línea se ajusta con los 30 días anteriores al intervalo.'
);

const ALL_REFERENCES = t('A reference that is chosen does not narrow it.', 'Una referencia elegida no lo limita.');

/** Contracts are of whole plants. */
const demand = (query) => ask('demand', { place: { plants: PLACE.plants }, ...query });
const WHOLE_PLANT = t(
  'It is of the whole plant, whatever line is chosen.',
  'Es de toda la planta, sea cual sea la línea elegida.'
);

export const director = {
  title: t('Director', 'Dirección'),
  description: t(
    'One page for who answers for the plant: what energy cost, whether that was to be expected, and where to look first.',
    'Una página para quien responde de la planta: qué ha costado la energía, si era de esperar y dónde mirar primero.'
  ),
  time: 'now-7d',
  templating: variables(['plant', 'line', 'reference']),
  panels: grid(
    [
      5,
      [
        6,
        stat(
          t('Cost of energy', 'Coste de la energía'),
          t(
            'Energy of each tariff period times its price, added up. Prices are those of the plant’s tariff; contracted power is not part of it.',
            'Energía de cada periodo tarifario por su precio, sumada. Los precios son los de la tarifa de la planta; la potencia contratada no se incluye.'
          ),
          kpi(['cost'], BEFORE),
          'cost',
          { defaults: { decimals: 2 } }
        ),
      ],
      [
        6,
        stat(
          t('Against the expected', 'Frente a lo esperado'),
          and(
            t(
              'Cost of the energy beyond what the production of the lines should have taken; negative is a saving.',
              'Coste de la energía por encima de la que debería haber necesitado la producción de las líneas; negativo es ahorro.'
            ),
            LEARNED,
            ALL_REFERENCES
          ),
          baseline(),
          'cost',
          {
            over: 'sum',
            defaults: {
              decimals: 2,
              color: { mode: 'thresholds' },
              thresholds: steps('green', [0, 'text'], [1, 'red']),
            },
          }
        ),
      ],
      [
        6,
        stat(
          t('Energy', 'Energía'),
          t(
            'Electrical energy of the chosen lines from their meters, each counted once; of a reference, while it was made.',
            'Energía eléctrica de las líneas elegidas según sus contadores, cada uno una sola vez; de una referencia, mientras se fabricaba.'
          ),
          kpi(['energy'], BEFORE),
          'energy',
          { defaults: { unit: 'kwatth', decimals: 1 } }
        ),
      ],
      [
        6,
        stat(
          t('Energy per good unit', 'Energía por unidad buena'),
          t(
            'Total energy divided by total good units of the same lines and time. Never a mean of ratios.',
            'Energía total dividida por las unidades buenas totales de las mismas líneas y tiempo. Nunca una media de cocientes.'
          ),
          kpi(['energy_per_good_unit'], BEFORE),
          'energy_per_good_unit',
          { defaults: { decimals: 4 } }
        ),
      ],
    ],
    [
      5,
      [
        8,
        stat(
          t('CO₂ per good unit', 'CO₂ por unidad buena'),
          t(
            'Emissions of the energy by the mean of the grid (location-based factor of the plant) divided by good units.',
            'Emisiones de la energía según la media de la red (factor basado en la ubicación de la planta) divididas por las unidades buenas.'
          ),
          kpi(['co2_per_good_unit'], BEFORE),
          'co2_per_good_unit',
          { defaults: { decimals: 4 } }
        ),
      ],
      [
        8,
        stat(
          t('Good units', 'Unidades buenas'),
          t(
            'Good units of the runs; of a run that the time range cuts, the share of its time that lies inside.',
            'Unidades buenas de las fabricaciones; de una fabricación cortada por el intervalo, la parte proporcional al tiempo que queda dentro.'
          ),
          kpi(['good_units'], { ...BEFORE, compareGood: 'more' }),
          'good_units',
          { defaults: { decimals: 0, unit: 'locale' } }
        ),
      ],
      [
        8,
        stat(
          t('Data coverage', 'Cobertura de datos'),
          t(
            'Share of the time for which the meters behind these figures have data. Below 90 % figures are too low.',
            'Parte del tiempo para la que los contadores de estas cifras tienen datos. Por debajo del 90 % las cifras se quedan cortas.'
          ),
          kpi(['energy']),
          'coverage',
          {
            defaults: {
              unit: 'percentunit',
              decimals: 1,
              color: { mode: 'thresholds' },
              thresholds: steps('red', [0.9, 'orange'], [0.99, 'green']),
            },
          }
        ),
      ],
    ],
    [
      9,
      [
        14,
        series(
          t('Energy against the expected', 'Energía frente a la esperada'),
          and(
            t(
              'What the lines took on each day of the plant, what their production should have taken, and the sum of the differences so far (CUSUM, right axis): a line that keeps rising is waste that lasts.',
              'Lo que consumieron las líneas cada día de la planta, lo que debería haber necesitado su producción y la suma de las diferencias hasta entonces (CUSUM, eje derecho): una línea que no deja de subir es un derroche que dura.'
            ),
            LEARNED,
            ALL_REFERENCES
          ),
          baseline(),
          {
            custom: DOTTED,
            defaults: { unit: 'kwatth' },
            transformations: [together('time', { actual: 'sum', expected: 'sum', cusum: 'sum' })],
            overrides: [
              override('actual (sum)', { text: t('Actual', 'Real') }),
              override('expected (sum)', { text: t('Expected', 'Esperada') }),
              override('cusum (sum)', {
                text: 'CUSUM',
                axisPlacement: 'right',
                color: { mode: 'fixed', fixedColor: 'red' },
              }),
            ],
          }
        ),
      ],
      [
        10,
        table(
          t('Lines against the expected', 'Líneas frente a lo esperado'),
          and(
            t(
              'Energy of each line beyond what its production should have taken, and its cost; the costliest first. A click opens what was abnormal on the line. Empty where its history carries no model.',
              'Energía de cada línea por encima de la que debería haber necesitado su producción, y su coste; la más cara primero. Un clic abre lo que fue anormal en la línea. Vacío donde su historia no permite un modelo.'
            ),
            ALL_REFERENCES
          ),
          baseline({ bucket: 'whole' }),
          columns(
            [
              'name',
              {
                link: {
                  title: t('What was abnormal here', 'Qué fue anormal aquí'),
                  url: to(
                    'anomalies',
                    'var-plant=${__data.fields.plant}&var-line=${__data.fields.line}&${__url_time_range}'
                  ),
                },
              },
            ],
            'actual',
            'deviation',
            'deviation_percent',
            'cost',
            ['plant', { hidden: true }],
            ['line', { hidden: true }]
          ),
          { before: [mostFirst('cost')] }
        ),
      ],
    ],
    [
      9,
      [
        9,
        table(
          t('Lots against the expected', 'Lotes frente a lo esperado'),
          and(
            t(
              'Energy beyond what the line should have taken while each lot was made, and its cost: the ten dearest; the time in which nothing was made has a row, too. A click opens the lot.',
              'Energía por encima de la que debería haber tomado la línea mientras se fabricaba cada lote, y su coste: los diez más caros; el tiempo en que no se fabricaba también tiene su fila. Un clic abre el lote.'
            ),
            ALL_REFERENCES
          ),
          baseline({ bucket: 'whole', groupBy: 'lot', limit: 10 }),
          columns(
            ['name', { text: t('Made', 'Fabricado'), mappings: NOTHING_MADE, ...toLot('started_at', 'ended_at') }],
            'reference',
            'line',
            'deviation',
            'deviation_percent',
            'cost',
            ['lot', { hidden: true }],
            ['plant', { hidden: true }],
            ['started_at', { hidden: true }],
            ['ended_at', { hidden: true }]
          )
        ),
      ],
      [
        6,
        table(
          t('References against the expected', 'Referencias frente a lo esperado'),
          and(
            t(
              'The same by what was made: the ten references with the dearest deviation. Rows add up to the lines.',
              'Lo mismo por lo que se fabricaba: las diez referencias con la desviación más cara. Las filas suman lo de las líneas.'
            ),
            ALL_REFERENCES
          ),
          baseline({ bucket: 'whole', groupBy: 'reference', limit: 10 }),
          columns(['name', { text: t('Made', 'Fabricado'), mappings: NOTHING_MADE }], 'line', 'deviation', 'cost')
        ),
      ],
      [
        9,
        table(
          t('What the energy was for', 'Para qué fue la energía'),
          and(
            t(
              'Energy of the lines by what it was used for, as their models share it: production above the base load, the base load meanwhile, waiting (with its base load), and hours in which nothing was made. Rows add up to the lines’ meters.',
              'Energía de las líneas según para qué se usó, como la reparten sus modelos: producción por encima del consumo base, el consumo base entretanto, esperas (con su consumo base) y horas en que no se fabricó nada. Las filas suman los contadores de las líneas.'
            ),
            ALL_REFERENCES
          ),
          baseline({ format: 'uses', bucket: 'whole' }),
          columns('use', 'energy', 'share', 'cost')
        ),
      ],
    ],
    [
      9,
      [
        14,
        series(
          t('Cost per day and line', 'Coste por día y línea'),
          t(
            'Cost of the energy of each day and line, by tariff period. A day is the plant’s own, from midnight to midnight there.',
            'Coste de la energía de cada día y línea, por periodo tarifario. El día es el de la planta, de medianoche a medianoche allí.'
          ),
          kpi(['cost'], { groupBy: 'line', bucket: 'day' }),
          { custom: STACKED, defaults: { min: 0 } }
        ),
      ],
      [
        10,
        bars(
          t('Where the money goes: machines', 'Adónde va el dinero: máquinas'),
          t(
            'Cost of the energy of each machine over the whole time range, in runs or not: the twelve with most. Unallocated is what no machine’s meter saw.',
            'Coste de la energía de cada máquina en todo el intervalo, en fabricaciones o no: las doce de mayor coste. «Sin asignar» es lo que no vio el contador de ninguna máquina.'
          ),
          kpi(['cost'], { groupBy: 'machine', limit: 12 }),
          'cost',
          { defaults: { decimals: 1 } }
        ),
      ],
    ],
    [
      9,
      [
        8,
        bars(
          t('Energy per good unit by reference', 'Energía por unidad buena por referencia'),
          t(
            'Total energy divided by total good units of each reference: the twelve that used most energy.',
            'Energía total dividida por unidades buenas totales de cada referencia: las doce que más energía usaron.'
          ),
          kpi(['energy', 'energy_per_good_unit'], { groupBy: 'reference', limit: 12 }),
          'energy_per_good_unit',
          {
            defaults: { decimals: 3 },
            notNull: 'energy_per_good_unit',
          }
        ),
      ],
      [
        8,
        table(
          t('Spread between runs', 'Dispersión entre fabricaciones'),
          t(
            'Of the whole runs of each reference that touch the time range: how many, and the least and the most energy of a good unit among them. A wide spread is money: some runs show that it can be done with less.',
            'De las fabricaciones enteras de cada referencia que tocan el intervalo: cuántas, y la menor y la mayor energía por unidad buena entre ellas. Una dispersión amplia es dinero: algunas muestran que se puede con menos.'
          ),
          ask('runs', { context: CONTEXT, limit: 5000 }),
          columns(
            'reference',
            'energy_per_good_unit (count)',
            'energy_per_good_unit (min)',
            'energy_per_good_unit (max)'
          ),
          {
            before: [together('reference', { energy_per_good_unit: ['count', 'min', 'max'] })],
          }
        ),
      ],
      [
        8,
        bars(
          t('Cost by machine state', 'Coste por estado de las máquinas'),
          and(
            t(
              'Cost of the energy of the machines’ own meters while they were running, being set up, idle, stopped or off. Unallocated is what the meters of lines and plant saw beyond them.',
              'Coste de la energía de los contadores propios de las máquinas mientras estaban en marcha, en preparación, en espera, paradas o apagadas. «Sin asignar» es lo que vieron además los contadores de líneas y planta.'
            ),
            ALL_REFERENCES
          ),
          ask('kpi', { kpis: ['cost'], groupBy: 'state', bucket: 'whole' }),
          'cost',
          { defaults: { decimals: 1 } }
        ),
      ],
    ],
    [
      9,
      [
        6,
        series(
          t('Cost while nothing was made', 'Coste mientras no se fabricaba'),
          t(
            'Cost of the energy that belongs to no run, of each day of the plant: base load, idle time, set-up, nights and weekends. The meters of the place less those of its runs.',
            'Coste de la energía que no es de ninguna fabricación, de cada día de la planta: carga base, esperas, preparación, noches y fines de semana. Los contadores del lugar menos los de sus fabricaciones.'
          ),
          kpi(['cost'], { groupBy: 'reference', bucket: 'day' }),
          {
            custom: STACKED,
            showLegend: false,
            defaults: { min: 0, color: { mode: 'fixed', fixedColor: 'orange' } },
            transformations: [{ id: 'filterFieldsByName', options: { include: { names: ['time', UNALLOCATED] } } }],
          }
        ),
      ],
      [
        6,
        series(
          t('Good units per day', 'Unidades buenas por día'),
          t(
            'Good units of each line on each day of the plant; a run that midnight cuts counts in proportion to its time.',
            'Unidades buenas de cada línea en cada día de la planta; una fabricación que corta la medianoche cuenta en proporción a su tiempo.'
          ),
          kpi(['good_units'], { groupBy: 'line', bucket: 'day' }),
          { custom: STACKED, defaults: { min: 0, decimals: 0, unit: 'locale' } }
        ),
      ],
      [
        6,
        series(
          t('Availability per day', 'Disponibilidad por día'),
          t(
            'Time in which the machines of each line were running, over the time in which they were not switched off, of each day of the plant.',
            'Tiempo en que las máquinas de cada línea estaban en marcha entre el tiempo en que no estaban apagadas, de cada día de la planta.'
          ),
          kpi(['availability'], { groupBy: 'line', bucket: 'day' }),
          { custom: DOTTED, defaults: { unit: 'percentunit', decimals: 0, max: 1 } }
        ),
      ],
      [
        6,
        bars(
          t('Cost by tariff period', 'Coste por periodo tarifario'),
          and(
            t(
              'Energy of each period of the tariff times its price. What could move to a cheaper period is seen here.',
              'Energía de cada periodo de la tarifa por su precio. Aquí se ve lo que podría pasar a un periodo más barato.'
            ),
            ALL_REFERENCES
          ),
          ask('kpi', { kpis: ['cost'], groupBy: 'tariff_period', bucket: 'whole' }),
          'cost',
          { defaults: { decimals: 1 } }
        ),
      ],
    ],
    [
      9,
      [
        12,
        series(
          t('Power against the contract', 'Potencia frente a la contratada'),
          and(
            t(
              'Mean power of the whole plant in each quarter of an hour, which is what the contract measures, and the contracted power of the period of the tariff. Over long time ranges a point is the highest of its quarters.',
              'Potencia media de toda la planta en cada cuarto de hora, que es lo que mide el contrato, y potencia contratada del periodo de la tarifa. En intervalos largos cada punto es el mayor de sus cuartos.'
            ),
            WHOLE_PLANT
          ),
          demand({ format: 'series' }),
          {
            defaults: { unit: 'kwatt', min: 0 },
            overrides: [override('contracted', { color: { mode: 'fixed', fixedColor: 'red' } })],
          }
        ),
      ],
      [
        12,
        table(
          t('Quarter-hours above the contract', 'Cuartos de hora por encima de la potencia contratada'),
          and(
            t(
              'By period of the tariff: contracted power, the highest quarter of an hour and when it was, how many were above, and what that costs: the price of the excess times the root of the sum of its squares, of each month.',
              'Por periodo de la tarifa: potencia contratada, el mayor cuarto de hora y cuándo fue, cuántos quedaron por encima y lo que cuesta: el precio del exceso por la raíz de la suma de sus cuadrados, de cada mes.'
            ),
            WHOLE_PLANT
          ),
          demand(),
          columns('plant', 'tariff_period', 'contracted', 'peak', 'peak_at', 'above', 'excess_cost')
        ),
      ],
    ],
    [
      10,
      [
        24,
        table(
          t('Newest anomalies', 'Últimas anomalías'),
          t(
            'The newest ten events that the detectors found, with the energy beyond the usual, its cost, and the reason. Nothing is expected of a place with too little history.',
            'Los diez sucesos más recientes que hallaron los detectores, con la energía por encima de lo habitual, su coste y el motivo. Donde hay poca historia no se espera nada.'
          ),
          ask('anomalies', { context: CONTEXT, limit: 10 }),
          columns(
            'start',
            ['open', { mappings: YES_NO }],
            'line',
            ['machine', { width: 120 }],
            ['lot', { ...toLot('start', 'end'), width: 130 }],
            'kind',
            'energy',
            'cost',
            'reason',
            ['plant', { hidden: true }],
            ['reference', { hidden: true }],
            ['end', { hidden: true }]
          )
        ),
      ],
    ],
    [
      6,
      [
        24,
        table(
          t('How good the models are', 'Lo buenos que son los modelos'),
          t(
            'The baseline of each line: days it was fitted on, the share of the variation that it explains (R²), the usual error of a day (CV(RMSE)) and its bias (NMBE), both of the mean, and the period. Above 20 % of error the expected is a rough guess.',
            'La línea base de cada línea: días con los que se ajustó, parte de la variación que explica (R²), error habitual de un día (CV(RMSE)) y sesgo (NMBE), ambos de la media, y el periodo. Con más del 20 % de error, lo esperado es una estimación gruesa.'
          ),
          baseline({ format: 'model' }),
          columns(
            'line',
            ['n (max)', { text: t('Days', 'Días'), decimals: 0 }],
            ['r2 (max)', { text: 'R²', decimals: 3 }],
            ['cv_rmse (max)', { text: 'CV(RMSE)', unit: 'percent', decimals: 1 }],
            ['nmbe (max)', { text: 'NMBE', unit: 'percent', decimals: 1 }],
            ['from (min)', { text: t('From', 'Desde'), unit: 'time:YYYY-MM-DD' }],
            ['to (max)', { text: t('Until', 'Hasta'), unit: 'time:YYYY-MM-DD' }]
          ),
          {
            before: [together('line', { n: 'max', r2: 'max', cv_rmse: 'max', nmbe: 'max', from: 'min', to: 'max' })],
          }
        ),
      ],
    ]
  ),
};
