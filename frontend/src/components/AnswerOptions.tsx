import React from 'react';

import { Field, Switch } from '@grafana/ui';

import { Catalog, CatalogFilter } from '../catalog';
import { Fill } from '../generated/model';
import { t } from '../i18n';
import { comparisons, CompleteQuery, isTable, uses } from '../query';
import { compareWords, fillWords } from '../texts';
import { Choice } from './Choice';
import { KeyPicker } from './KeyPicker';
import { LimitInput } from './LimitInput';
import { Row } from './Row';

const FILLS: Fill[] = ['none', 'previous', 'zero'];

interface Props {
  id: string;
  query: CompleteQuery;
  onChange: (query: CompleteQuery) => void;
  catalog: Catalog;
  /** What the lots on offer are made of, free of variables. */
  lots: CatalogFilter;
}

/** What is shown beside the figures: extremes, another time, the others; and what stands in gaps. */
export function AnswerOptions({ id, query, onChange, catalog, lots }: Props) {
  const { type } = query;
  const overTime = type === 'series' || !isTable(query);
  // What the back end would refuse, said where it can be changed.
  const zeroLevel =
    type === 'series' && query.fill === 'zero' && ['min', 'max', 'first', 'last'].includes(query.aggregate);
  const noLots = query.compare === 'lots' && query.compareLots.length === 0;
  if (!uses(type, 'compare')) {
    return null;
  }
  return (
    <Row label={t('editor.options', 'Options')}>
      <Choice
        id={`${id}-compare`}
        testId="lotwise-compare"
        label={t('editor.compare', 'Compare with')}
        choices={comparisons(query)}
        words={compareWords}
        value={query.compare}
        error={noLots ? t('editor.compare-no-lots', 'Choose the lots to compare with') : undefined}
        onChange={(compare) => onChange({ ...query, compare })}
      />
      {query.compare === 'lots' && (
        <KeyPicker
          id={`${id}-compare-lots`}
          testId="lotwise-compare-lots"
          label={t('editor.compare-lots', 'Other lots')}
          placeholder={t('editor.compare-lots-placeholder', 'Choose lots')}
          catalog={catalog}
          path="lots"
          filter={lots}
          value={query.compareLots}
          onChange={(compareLots) => onChange({ ...query, compareLots })}
          marksUnknown="accepted"
        />
      )}
      {uses(type, 'top') && (
        <LimitInput
          id={`${id}-top`}
          testId="lotwise-top"
          label={t('editor.top', 'Only the top')}
          placeholder={t('editor.top-placeholder', 'All')}
          most={1000}
          value={query.top}
          onChange={(top) => onChange({ ...query, top })}
        />
      )}
      {uses(type, 'fill') && overTime && (
        <Choice
          id={`${id}-fill`}
          testId="lotwise-fill"
          label={t('editor.fill', 'Gaps')}
          width={20}
          choices={FILLS}
          words={fillWords}
          value={query.fill}
          error={zeroLevel ? t('editor.fill-zero-level', 'Zero is for amounts, not for levels') : undefined}
          onChange={(fill) => onChange({ ...query, fill })}
        />
      )}
      {uses(type, 'extremes') && query.aggregate === 'mean' && (
        <Field label={t('editor.extremes', 'Show extremes')} htmlFor={`${id}-extremes`} noMargin>
          <Switch
            id={`${id}-extremes`}
            data-testid="lotwise-extremes"
            value={query.extremes}
            onChange={(event) => onChange({ ...query, extremes: event.currentTarget.checked })}
          />
        </Field>
      )}
    </Row>
  );
}
