import React from 'react';

import { QueryEditorHelpProps } from '@grafana/data';
import { Button, Card } from '@grafana/ui';

import { LotwiseModel } from '../generated/model';
import { t } from '../i18n';
import { complete, MODEL_DEFAULTS } from '../query';
import { summarize } from '../summary';
import { LotwiseQuery } from '../types';

interface Example {
  title: string;
  model: LotwiseModel;
}

function examples(): Example[] {
  return [
    {
      title: t('help.energy-per-day', 'How much energy does each line use a day?'),
      model: { ...MODEL_DEFAULTS, kpis: ['energy'], groupBy: 'line', bucket: 'day' },
    },
    {
      title: t('help.per-unit', 'Which references take the most energy per good unit?'),
      model: {
        ...MODEL_DEFAULTS,
        kpis: ['energy_per_good_unit', 'energy', 'good_units'],
        groupBy: 'reference',
        bucket: 'whole',
      },
    },
    {
      title: t('help.lots', 'What did each lot cost in energy?'),
      model: { ...MODEL_DEFAULTS, kpis: [], groupBy: 'lot', bucket: 'whole' },
    },
    {
      title: t('help.temperature', 'How warm were the machines?'),
      model: {
        ...MODEL_DEFAULTS,
        type: 'series',
        groupBy: 'machine',
        place: { ...MODEL_DEFAULTS.place, quantity: 'temperature' },
      },
    },
    {
      title: t('help.runs', 'What was made, and when?'),
      model: { ...MODEL_DEFAULTS, type: 'runs' },
    },
    {
      title: t('help.states', 'What was each machine doing?'),
      model: { ...MODEL_DEFAULTS, type: 'states', groupBy: 'machine' },
    },
    {
      title: t('help.latest', 'What do the sensors say now?'),
      model: { ...MODEL_DEFAULTS, type: 'latest' },
    },
    {
      title: t('help.silent', 'Which sensors are silent?'),
      model: { ...MODEL_DEFAULTS, type: 'data_quality', format: 'silent' },
    },
    {
      title: t('help.abnormal-runs', 'Which runs were unusual for their reference?'),
      model: { ...MODEL_DEFAULTS, type: 'abnormal_runs' },
    },
    {
      title: t('help.golden', 'Which lots left the golden curve, and when?'),
      model: { ...MODEL_DEFAULTS, type: 'golden', place: { ...MODEL_DEFAULTS.place, quantity: 'power' } },
    },
    {
      title: t('help.anomalies', 'What was abnormal, and what did it cost?'),
      model: { ...MODEL_DEFAULTS, type: 'anomalies' },
    },
    {
      title: t('help.baseline', 'Does production use more energy than it should?'),
      model: { ...MODEL_DEFAULTS, type: 'baseline', format: 'series' },
    },
    {
      title: t('help.demand', 'Does a plant draw more power than it has contracted?'),
      model: { ...MODEL_DEFAULTS, type: 'demand' },
    },
  ];
}

/** Questions that the data source answers; a click puts the query in the editor. */
export function QueryHelp({ onClickExample }: QueryEditorHelpProps<LotwiseQuery>) {
  return (
    <div data-testid="lotwise-help">
      <h2>{t('help.title', 'What you can ask Lotwise')}</h2>
      <p>
        {t(
          'help.intro',
          'Pick where and what; lists that are left empty mean all. Days, weeks and shifts are those of the plant, whatever the browser shows. Energy that belongs to no run is listed as unallocated, never dropped.'
        )}
      </p>
      {examples().map(({ title, model }) => {
        const query: LotwiseQuery = { refId: 'A', ...model, queryType: model.type };
        return (
          <Card key={title} noMargin>
            <Card.Heading>{title}</Card.Heading>
            <Card.Description>{summarize(complete(query))}</Card.Description>
            <Card.Actions>
              <Button size="sm" variant="secondary" onClick={() => onClickExample(query)}>
                {t('help.use', 'Use this query')}
              </Button>
            </Card.Actions>
          </Card>
        );
      })}
    </div>
  );
}
