import React, { useState } from 'react';

import { Field, Input } from '@grafana/ui';

import { t } from '../i18n';

const MOST = 10_000;

interface Props {
  id: string;
  testId: string;
  value: number;
  onChange: (value: number) => void;
}

/** The most rows or series of an answer; empty is the default. Takes effect on Enter or when the field is left. */
export function LimitInput({ id, testId, value, onChange }: Props) {
  const [draft, setDraft] = useState<string>();
  const commit = () => {
    if (draft !== undefined) {
      const typed = Math.trunc(Number(draft));
      const next = Number.isFinite(typed) ? Math.min(Math.max(typed, 0), MOST) : value;
      setDraft(undefined);
      if (next !== value) {
        onChange(next);
      }
    }
  };
  return (
    <Field label={t('editor.limit', 'Limit')} htmlFor={id} noMargin>
      <Input
        id={id}
        data-testid={testId}
        type="number"
        min={0}
        max={MOST}
        width={12}
        placeholder="1000"
        value={draft ?? (value === 0 ? '' : String(value))}
        onChange={(event) => setDraft(event.currentTarget.value)}
        onBlur={commit}
        onKeyDown={(event) => event.key === 'Enter' && commit()}
      />
    </Field>
  );
}
