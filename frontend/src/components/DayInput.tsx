import React, { useState } from 'react';

import { Field, Input } from '@grafana/ui';

import { t } from '../i18n';

interface Props {
  id: string;
  testId: string;
  label: string;
  value: string;
  onChange: (value: string) => void;
}

const isDay = (text: string) => text === '' || text.includes('$') || /^\d{4}-\d{2}-\d{2}$/.test(text);

/** A day such as 2026-01-31, or a variable that holds one. Takes effect on Enter or when the field is left. */
export function DayInput({ id, testId, label, value, onChange }: Props) {
  const [draft, setDraft] = useState<string>();
  const shown = draft ?? value;
  const wrong = !isDay(shown.trim());
  const commit = () => {
    if (draft !== undefined && !wrong) {
      setDraft(undefined);
      if (draft.trim() !== value) {
        onChange(draft.trim());
      }
    }
  };
  return (
    <Field
      label={label}
      htmlFor={id}
      noMargin
      invalid={wrong}
      error={wrong ? t('editor.day-unknown', 'Type a day such as 2026-01-31') : undefined}
    >
      <Input
        id={id}
        data-testid={testId}
        width={16}
        placeholder="2026-01-31"
        value={shown}
        onChange={(event) => setDraft(event.currentTarget.value)}
        onBlur={commit}
        onKeyDown={(event) => event.key === 'Enter' && commit()}
      />
    </Field>
  );
}
