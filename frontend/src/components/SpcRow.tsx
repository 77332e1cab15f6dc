import React from 'react';

import { Combobox, Field } from '@grafana/ui';

import { Spc, SpcChart, SpcRules, SpcSubject } from '../generated/model';
import { t } from '../i18n';
import { spcChartWords, spcRulesWords, spcSubjectWords } from '../texts';
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
      <Field label={t('editor.spc-subject', 'Points')} htmlFor={`${id}-spc-subject`} noMargin>
        <Combobox<SpcSubject>
          id={`${id}-spc-subject`}
          data-testid="lotwise-spc-subject"
          width={20}
          options={SUBJECTS.map((subject) => ({ value: subject, ...spcSubjectWords(subject) }))}
          value={value.subject}
          onChange={(option) => onChange({ ...value, subject: option.value })}
        />
      </Field>
      <Field label={t('editor.spc-chart', 'Chart')} htmlFor={`${id}-spc-chart`} noMargin>
        <Combobox<SpcChart>
          id={`${id}-spc-chart`}
          data-testid="lotwise-spc-chart"
          width={20}
          options={CHARTS.map((chart) => ({ value: chart, ...spcChartWords(chart) }))}
          value={value.chart}
          onChange={(option) => onChange({ ...value, chart: option.value })}
        />
      </Field>
      {value.chart === 'individuals' && (
        <Field label={t('editor.spc-rules', 'Rules')} htmlFor={`${id}-spc-rules`} noMargin>
          <Combobox<SpcRules>
            id={`${id}-spc-rules`}
            data-testid="lotwise-spc-rules"
            width={24}
            options={RULES.map((rules) => ({ value: rules, ...spcRulesWords(rules) }))}
            value={value.rules}
            onChange={(option) => onChange({ ...value, rules: option.value })}
          />
        </Field>
      )}
    </Row>
  );
}
