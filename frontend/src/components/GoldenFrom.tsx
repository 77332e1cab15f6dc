import React from 'react';

import { Combobox, Field } from '@grafana/ui';

import { LearnFrom } from '../generated/model';
import { t } from '../i18n';
import { CompleteQuery } from '../query';
import { learnFromWords } from '../texts';
import { LimitInput } from './LimitInput';

interface Props {
  id: string;
  query: CompleteQuery;
  onChange: (part: Partial<CompleteQuery>) => void;
}

const FROM: LearnFrom[] = ['good', 'best'];

/** Which lots the golden one is learned from: all good ones, or a share or number of them. */
export function GoldenFrom({ id, query, onChange }: Props) {
  return (
    <>
      <Field label={t('editor.learn-from', 'Learn from')} htmlFor={`${id}-learn-from`} noMargin>
        <Combobox<LearnFrom>
          id={`${id}-learn-from`}
          data-testid="lotwise-learn-from"
          width={20}
          options={FROM.map((value) => ({ value, ...learnFromWords(value) }))}
          value={query.learnFrom}
          onChange={({ value }) => onChange({ learnFrom: value })}
        />
      </Field>
      {query.learnFrom === 'best' && (
        <>
          <LimitInput
            id={`${id}-best-percent`}
            testId="lotwise-best-percent"
            label={t('editor.best-percent', 'Best lots (%)')}
            placeholder="25"
            most={100}
            value={query.bestPercent}
            onChange={(bestPercent) => onChange({ bestPercent, bestLots: 0 })}
          />
          <LimitInput
            id={`${id}-best-lots`}
            testId="lotwise-best-lots"
            label={t('editor.best-lots', 'or their number')}
            placeholder="–"
            least={5}
            most={200}
            value={query.bestLots}
            onChange={(bestLots) => onChange({ bestLots, bestPercent: 0 })}
          />
        </>
      )}
    </>
  );
}
