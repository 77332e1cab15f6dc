import React from 'react';

import { LearnFrom } from '../generated/model';
import { t } from '../i18n';
import { CompleteQuery } from '../query';
import { learnFromWords } from '../texts';
import { Choice } from './Choice';
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
      <Choice
        id={`${id}-learn-from`}
        testId="lotwise-learn-from"
        label={t('editor.learn-from', 'Learn from')}
        width={20}
        choices={FROM}
        words={learnFromWords}
        value={query.learnFrom}
        onChange={(learnFrom) => onChange({ learnFrom })}
      />
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
