import React from 'react';

import { Spc, SpcChart, SpcRules, SpcSubject } from '../generated/model';
import { t } from '../i18n';
import { spcChartWords, spcRulesWords, spcSubjectWords } from '../texts';
import { Choice } from './Choice';
import { Row } from './Row';

const SUBJECTS: SpcSubject[] = ['run', 'lot', 'sensor'];
const CHARTS: SpcChart[] = ['individuals', 'ewma'];
const RULES: SpcRules[] = ['nelson', 'western_electric', 'limits'];

interface Props {
  id: string;
  value: Spc;
  onChange: (spc: Spc) => void;
}

/** What a control chart shows: its points, its kind and its rules. */
export function SpcRow({ id, value, onChange }: Props) {
  return (
    <Row label={t('editor.spc', 'Control chart')}>
      <Choice
        id={`${id}-spc-subject`}
        testId="lotwise-spc-subject"
        label={t('editor.spc-subject', 'Points')}
        width={20}
        choices={SUBJECTS}
        words={spcSubjectWords}
        value={value.subject}
        onChange={(subject) => onChange({ ...value, subject })}
      />
      <Choice
        id={`${id}-spc-chart`}
        testId="lotwise-spc-chart"
        label={t('editor.spc-chart', 'Chart')}
        width={20}
        choices={CHARTS}
        words={spcChartWords}
        value={value.chart}
        onChange={(chart) => onChange({ ...value, chart })}
      />
      {value.chart === 'individuals' && (
        <Choice
          id={`${id}-spc-rules`}
          testId="lotwise-spc-rules"
          label={t('editor.spc-rules', 'Rules')}
          choices={RULES}
          words={spcRulesWords}
          value={value.rules}
          onChange={(rules) => onChange({ ...value, rules })}
        />
      )}
    </Row>
  );
}
