import { ask, bars, columns, grid, series, stat, STEPPED, steps, t, table, variables, YES_NO } from './kit.mjs';

export const quality = {
  title: t('Ingest and data quality', 'Recepción y calidad de los datos'),
  description: t(
    'Whether the data behind all other dashboards is whole: which sensors are silent, how many readings arrive, and what share of the time the meters cover.',
    'Si están completos los datos de los demás tableros: qué sensores callan, cuántas lecturas llegan y qué parte del tiempo cubren los contadores.'
  ),
  time: 'now-2d',
  refresh: '1m',
  templating: variables(['plant', 'line']),
  panels: grid(
    [
      5,
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
      [
        6,
        stat(
          t('Sensors', 'Sensores'),
          t('Registered sensors of the chosen lines.', 'Sensores registrados de las líneas elegidas.'),
          ask('data_quality', { format: 'alert' }),
          'silent',
          { over: 'count' }
        ),
      ],
      [
        6,
        stat(
          t('Coverage of the meters', 'Cobertura de los contadores'),
          t(
            'Share of the time range for which the meters have data: a gap longer than a sensor’s longest is not covered.',
            'Parte del intervalo para la que los contadores tienen datos: un hueco mayor que el máximo del sensor no está cubierto.'
          ),
          ask('kpi', { kpis: ['energy'], bucket: 'whole' }),
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
      [
        6,
        stat(
          t('Quietest sensor', 'El sensor más callado'),
          t(
            'Age of the newest reading of the sensor that has been quiet longest, of those that have ever sent.',
            'Antigüedad de la última lectura del sensor que lleva más tiempo callado, de los que han enviado alguna vez.'
          ),
          ask('data_quality'),
          'age_s',
          {
            over: 'max',
            defaults: { unit: 's', decimals: 0 },
          }
        ),
      ],
    ],
    [
      9,
      [
        14,
        series(
          t('Readings per hour of each sensor', 'Lecturas por hora de cada sensor'),
          t(
            'Number of readings stored of each hour, a line a sensor: a dip is a sensor or gateway that stood still, and is filled when it sends what it kept.',
            'Número de lecturas guardadas de cada hora, una línea por sensor: un bajón es un sensor o pasarela parados, y se llena cuando envían lo que guardaron.'
          ),
          ask('series', { aggregate: 'count', bucket: 'hour' }),
          {
            defaults: { decimals: 0, min: 0, unit: 'locale' },
            custom: STEPPED,
            showLegend: false,
            options: { tooltip: { mode: 'single', sort: 'none' } },
          }
        ),
      ],
      [
        10,
        bars(
          t('Coverage by machine', 'Cobertura por máquina'),
          t(
            'Share of the time range for which each machine’s meter has data.',
            'Parte del intervalo para la que el contador de cada máquina tiene datos.'
          ),
          ask('kpi', { kpis: ['energy'], groupBy: 'machine', bucket: 'whole', limit: 30 }),
          'coverage',
          { defaults: { unit: 'percentunit', max: 1, decimals: 1 }, notNull: 'coverage' }
        ),
      ],
    ],
    [
      12,
      [
        24,
        table(
          t('Sensors', 'Sensores'),
          t(
            'Every sensor with the time of its newest reading; the silent ones first, those that never sent before them.',
            'Cada sensor con la hora de su última lectura; los mudos primero, y antes los que nunca enviaron.'
          ),
          ask('data_quality'),
          columns(
            ['silent', { mappings: YES_NO, cell: { type: 'color-text' } }],
            'name',
            'sensor',
            'quantity',
            'plant',
            'line',
            'machine',
            'last_seen',
            'age_s',
            'expected_interval_s',
            'silent_after_s'
          )
        ),
      ],
    ]
  ),
};
