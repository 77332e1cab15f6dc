import React from 'react';

import { Catalog, CatalogFilter } from '../catalog';
import { AlertOn, Baseline } from '../generated/model';
import { t } from '../i18n';
import { CompleteQuery } from '../query';
import { alertOnWords } from '../texts';
import { DayInput } from './DayInput';
import { KeyPicker } from './KeyPicker';
import { Choice } from './Choice';
import { Row } from './Row';

const ALERT_ON: AlertOn[] = ['drift', 'deviation_percent', 'deviation'];

interface Props {
  id: string;
  query: CompleteQuery;
  catalog: Catalog;
  /** The plants chosen, free of variables: drivers may hang anywhere in them. */
  filter: CatalogFilter;
  onChange: (baseline: Baseline) => void;
}

/** The baseline period of a query and, of an energy baseline, its drivers. */
export function BaselineRow({ id, query, catalog, filter, onChange }: Props) {
  const { baseline, type, format } = query;
  const change = (part: Partial<Baseline>) => onChange({ ...baseline, ...part });
  return (
    <Row label={t('editor.baseline', 'Compared with')}>
      <DayInput
        id={`${id}-baseline-from`}
        testId="lotwise-baseline-from"
        label={t('editor.baseline-from', 'First day')}
        value={baseline.from}
        onChange={(from) => change({ from })}
      />
      <DayInput
        id={`${id}-baseline-to`}
        testId="lotwise-baseline-to"
        label={t('editor.baseline-to', 'Last day')}
        value={baseline.to}
        onChange={(to) => change({ to })}
      />
      {type === 'baseline' && (
        <KeyPicker
          id={`${id}-drivers`}
          testId="lotwise-drivers"
          label={t('editor.drivers', 'Depends on')}
          placeholder={t('editor.drivers-placeholder', 'Production only')}
          catalog={catalog}
          path="sensors"
          filter={filter}
          value={baseline.drivers}
          onChange={(drivers) => change({ drivers })}
        />
      )}
      {type === 'baseline' && format === 'alert' && (
        <Choice
          id={`${id}-alert-on`}
          testId="lotwise-alert-on"
          label={t('editor.alert-on', 'Number')}
          choices={ALERT_ON}
          words={alertOnWords}
          value={baseline.alertOn}
          onChange={(alertOn) => change({ alertOn })}
        />
      )}
    </Row>
  );
}
